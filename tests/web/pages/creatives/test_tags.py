"""Tags on the page and over the API: put on a creative, filtered by, sorted by, exported."""

import csv
import io

from fastapi.testclient import TestClient

from abkit import Workspace
from tests.web.conftest import submit
from tests.web.pages.creatives.test_campaigns import ids
from tests.web.stocked import SPRING

ROOT = "/api/v1"


def test_a_creative_gets_tags_on_its_page_and_loses_one(editor: TestClient, own_stocked: Workspace) -> None:
    _, _, digests = ids(own_stocked)
    page = f"/creatives/{digests[0]}"
    hostile = "<b>bold</b>"
    submit(editor, f"{page}/tags", on=page, tags=f"sale, founder on camera,, {hostile}")
    text = editor.get(page).text
    assert "founder on camera" in text
    assert hostile not in text
    submit(editor, f"{page}/untag", on=page, tag="sale")
    assert editor.get(f"{ROOT}{page}").json()["tags"] == [hostile, "founder on camera"]
    assert submit(editor, f"{page}/tags", on=page, tags="x" * 60).status_code == 400


def test_a_leaderboard_is_filtered_sorted_and_exported_by_tag(editor: TestClient, own_stocked: Workspace) -> None:
    campaign, _, digests = ids(own_stocked)
    own_stocked.tag([digests[3]], ["b"])
    own_stocked.tag([digests[7]], ["a", "b"])
    text = editor.get(f"/campaigns/{campaign}?tag=b").text
    assert "2 creatives chosen" in text
    assert "#a" in text
    whole = editor.get(f"/campaigns/{campaign}?order=tag").text
    assert whole.index(digests[7]) < whole.index(digests[3])
    rows = list(csv.DictReader(io.StringIO(editor.get(f"/campaigns/{campaign}/creatives.csv?tag=a").text)))
    assert [(row["sha256"], row["tags"]) for row in rows] == [(digests[7], "a, b")]
    found = editor.get(f"{ROOT}/campaigns/{campaign}/leaderboard?tag=b&order=tag").json()
    assert [one["sha256"] for one in found["creatives"]] == [digests[7], digests[3]]
    assert found["creatives"][0]["tags"] == ["a", "b"]


def test_the_api_filters_a_leaderboard_as_the_page_does(reader: TestClient, stocked: Workspace) -> None:
    campaign, _, _ = ids(stocked)
    path = f"{ROOT}/campaigns/{campaign}/leaderboard"
    assert reader.get(path).json()["total"] == SPRING
    assert reader.get(f"{path}?fatigue=tired").json()["total"] == 1
    assert reader.get(f"{path}?action=fly").status_code == 422


def test_the_api_puts_tags_on_and_takes_them_off(editor: TestClient, own_stocked: Workspace) -> None:
    _, _, digests = ids(own_stocked)
    path = f"{ROOT}/creatives/{digests[0]}/tags"
    assert editor.post(path, json={"add": ["sale", "new"]}).json()["tags"] == ["new", "sale"]
    assert editor.post(path, json={"remove": ["new"], "add": ["old"]}).json()["tags"] == ["old", "sale"]
    assert {"tag": "sale", "creatives": 1} in editor.get(f"{ROOT}/tags").json()["items"]
    assert [one["sha256"] for one in editor.get(f"{ROOT}/creatives?tag=old").json()["items"]] == [digests[0]]
    assert editor.post(path, json={"add": ["a,b"]}).status_code == 400
    assert editor.post(f"{ROOT}/creatives/{'0' * 64}/tags", json={"add": ["x"]}).status_code == 404
