"""What the API shows of a stocked workspace: the records of the Python API, in pages."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from abkit import Workspace
from abkit.workflows.creatives.campaigns import show_creative
from abkit.workflows.experiments.experiments import history
from abkit.workflows.kpis.imports import list_imports
from tests.web.stocked import SPRING

ROOT = "/api/v1"
LISTS = (
    "campaigns", "creatives", "scores", "models", "imports", "correlations", "drift/checks", "experiments",
    "experiments/headline/history", "ratings", "comparisons", "alerts?resolved=true",
)  # fmt: skip


def get(reader: TestClient, path: str) -> Any:
    answer = reader.get(f"{ROOT}/{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("path", LISTS)
def test_a_list_is_a_page_with_what_comes_next(reader: TestClient, path: str) -> None:
    found = get(reader, path)
    assert set(found) == {"items", "next"}
    assert len(found["items"]) <= 50


def test_pages_hold_everything_once_and_the_latest_first(reader: TestClient) -> None:
    seen: list[str] = []
    path: str | None = f"{ROOT}/creatives?campaign=spring&limit=25"
    pages = 0
    while path:
        answer = reader.get(path)
        seen += [item["sha256"] for item in answer.json()["items"]]
        link = answer.headers.get("link", "")
        assert bool(link) == (answer.json()["next"] is not None)
        path = link.partition(">")[0].lstrip("<") or None
        pages += 1
    assert pages == 3
    assert len(seen) == len(set(seen)) == SPRING


def test_the_link_to_the_next_page_keeps_what_was_asked(reader: TestClient) -> None:
    link = reader.get(f"{ROOT}/scores?campaign=spring&model=champion&limit=2").headers["link"]
    assert "campaign=spring" in link
    assert "model=champion" in link
    assert "limit=2" in link
    assert link.endswith('rel="next"')


def test_a_creative_is_the_record_of_the_python_api(reader: TestClient, stocked: Workspace) -> None:
    sha256 = get(reader, "creatives?campaign=autumn&limit=1")["items"][0]["sha256"]
    assert get(reader, f"creatives/{sha256}") == show_creative(stocked.store, sha256).to_dict()


def test_imports_and_experiments_are_the_records_of_the_python_api(reader: TestClient, stocked: Workspace) -> None:
    assert get(reader, "imports")["items"] == [one.to_dict() for one in list_imports(stocked.store).imports]
    looks = [entry.to_dict() for entry in history(stocked.store, "headline")]
    assert get(reader, "experiments/headline/history")["items"] == looks[::-1]


def test_the_shortlist_of_a_campaign_holds_its_best(reader: TestClient) -> None:
    number = get(reader, "campaigns?campaign=autumn")["items"][0]["campaign_id"]
    found = get(reader, f"campaigns/{number}/shortlist?keep=2")
    assert found["campaign"] == "autumn"
    assert [one["rank"] for one in found["creatives"] if one["kept"]] == [1, 2]


def test_scores_can_be_of_one_campaign_one_version_and_one_creative(reader: TestClient) -> None:
    autumn = get(reader, "scores?campaign=autumn&model=champion&limit=200")["items"]
    assert {one["model_name"] for one in autumn} == {"champion"}
    assert len(autumn) == 12
    one = get(reader, f"scores?sha256={autumn[0]['sha256']}")["items"]
    assert {score["model_name"] for score in one} == {"champion", "challenger"}


def test_drift_is_the_last_standing_check_with_its_tests(reader: TestClient) -> None:
    found = get(reader, "drift")
    check = found["check"]
    assert check["standing"]
    assert check["headline"].startswith(check["decision"].replace("_", " ")[:4])
    assert get(reader, f"drift/checks/{check['run_id']}") == found


def test_an_alert_is_shown_with_its_state(reader: TestClient) -> None:
    alert = get(reader, "alerts")["items"][0]
    assert get(reader, f"alerts/{alert['id']}") == alert
    assert alert["resolved_at"] is None


def test_labels_do_not_tell_who_gave_them(reader: TestClient) -> None:
    found = get(reader, "comparisons?limit=200")["items"]
    assert found
    assert not any("rater" in name or "pseudonym" in name for item in found for name in item)


def test_an_answer_that_the_client_has_is_not_sent_again(reader: TestClient) -> None:
    first = reader.get(f"{ROOT}/campaigns")
    tag = first.headers["etag"]
    for asked in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
        again = reader.get(f"{ROOT}/campaigns", headers={"If-None-Match": asked})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
    other = reader.get(f"{ROOT}/campaigns?limit=1", headers={"If-None-Match": tag})
    assert other.status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("creatives/" + "0" * 64, 404),
        ("campaigns/999/shortlist", 404),
        ("imports/999", 404),
        ("imports/999/rejects", 404),
        ("drift/checks/999999", 404),
        ("experiments/nothing/history", 404),
        ("alerts/999", 404),
        ("models/00000000", 404),
        ("nothing", 404),
        ("creatives?campaign=nothing", 400),
        ("scores?model=nothing", 400),
        ("creatives/x", 422),
        ("creatives?limit=0", 422),
        ("creatives?limit=201", 422),
        ("creatives?cursor=x", 422),
        (f"creatives?cursor={2**63}", 422),
        (f"alerts/{2**70}", 422),
        ("correlations?metric=nothing", 422),
    ],
)
def test_what_cannot_be_answered_is_a_problem_in_words(reader: TestClient, path: str, status: int) -> None:
    answer = reader.get(f"{ROOT}/{path}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["title"]
    assert "Traceback" not in answer.text


def test_a_method_that_is_not_there_is_a_problem_too(reader: TestClient) -> None:
    answer = reader.delete(f"{ROOT}/campaigns")
    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"


def test_head_is_answered_as_get_without_a_body(reader: TestClient) -> None:
    for path in (f"{ROOT}/campaigns", "/", "/healthz"):
        whole, head = reader.get(path), reader.head(path)
        assert (head.status_code, head.content) == (200, b""), path
        assert head.headers["content-type"] == whole.headers["content-type"]
    tag = reader.head(f"{ROOT}/campaigns").headers["etag"]
    assert reader.head(f"{ROOT}/campaigns", headers={"If-None-Match": tag}).status_code == 304
    assert reader.head(f"{ROOT}/creatives/{'0' * 64}").status_code == 404
    assert reader.head(f"{ROOT}/alerts/1/acknowledge").status_code == 405
