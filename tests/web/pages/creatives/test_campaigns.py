"""The pages of campaigns and creatives, and the overview: bounded, complete, and harmless whatever names say."""

import csv
import io
import re
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from python_calamine import load_workbook
from sqlalchemy import delete, event, func, select, update

from abkit import Workspace
from abkit.config import Settings
from abkit.errors import UsageError
from abkit.jobs.schedules import synchronize
from abkit.store.database.engine import Store
from abkit.store.schema import (
    Campaign,
    CampaignCreative,
    Creative,
    CreativeAlias,
    Decision,
    JobRequest,
    Leaderboard,
    LeaderboardEntry,
)
from abkit.web.pages.overview import STALE
from abkit.workflows.leaderboard import refresh
from abkit.workflows.leaderboard.ahead import due_campaigns
from abkit.workflows.leaderboard.refresh import refresh_leaderboard
from tests.web.conftest import submit
from tests.web.stocked import HOSTILE, RAN, SPRING

QUERIES, BYTES = 20, 200_000


@contextmanager
def counted(shop: Workspace) -> Iterator[list[str]]:
    """The statements that a store executes."""
    found: list[str] = []

    def note(connection: object, cursor: object, statement: str, *_: object) -> None:
        beside = threading.current_thread().name.startswith("abkit-pages")  # what is made beside the requests
        if not beside and not statement.startswith(("BEGIN", "PRAGMA")):
            found.append(statement)

    event.listen(shop.store.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(shop.store.engine, "before_cursor_execute", note)


def served_workspace(client: TestClient) -> Workspace:
    return client.app.state.workspace  # type: ignore[attr-defined, no-any-return]


def ids(shop: Workspace, key: str = "spring") -> tuple[int, list[int], list[str]]:
    """Campaign, creatives and their digests, in the order in which they came."""
    with shop.store.read() as session:
        campaign = session.scalars(select(Campaign.id).where(Campaign.key == key)).one()
        rows = session.execute(
            select(Creative.id, Creative.sha256).join(CampaignCreative).where(
                CampaignCreative.campaign_id == campaign
            ).order_by(Creative.id)
        ).all()  # fmt: skip
    return campaign, [row.id for row in rows], [row.sha256 for row in rows]


def test_every_page_is_bounded(stocked: Workspace, reader: TestClient) -> None:
    campaign, creatives, digests = ids(stocked)
    paths = (
        "/", "/campaigns", f"/campaigns/{campaign}", f"/campaigns/{campaign}?page=2&order=ctr&reverse=1",
        f"/campaigns/{campaign}/pair?creative={creatives[0]}&creative={creatives[1]}", f"/creatives/{digests[0]}",
    )  # fmt: skip
    for path in paths:
        with counted(served_workspace(reader)) as statements:
            answer = reader.get(path)
        assert answer.status_code == 200, path
        assert len(statements) <= QUERIES, (path, len(statements))
        assert len(answer.content) <= BYTES, (path, len(answer.content))


def test_no_page_reads_the_images_of_a_model_or_the_charts_of_a_list(stocked: Workspace, reader: TestClient) -> None:
    campaign, creatives, digests = ids(stocked)
    for path in ("/", "/campaigns", f"/campaigns/{campaign}/pair?creative={creatives[0]}&creative={creatives[1]}",
                 f"/creatives/{digests[0]}", "/models", "/drift", "/api/v1/models", "/api/v1/creatives"):  # fmt: skip
        with counted(served_workspace(reader)) as statements:
            assert reader.get(path).status_code == 200, path
        assert any("model_version" in one for one in statements) or path == "/campaigns"
        assert not any("model_version.reference" in one for one in statements), path
        if path in ("/", "/campaigns"):
            assert not any(re.search(r"(?<!\()leaderboard\.summary", one) for one in statements), path


def test_no_page_has_inline_scripts_or_styles(stocked: Workspace, reader: TestClient) -> None:
    campaign, creatives, digests = ids(stocked)
    for path in ("/", f"/campaigns/{campaign}", f"/creatives/{digests[1]}",
                 f"/campaigns/{campaign}/pair?creative={creatives[0]}&creative={creatives[1]}"):  # fmt: skip
        text = reader.get(path).text
        assert "<img src=x" not in text
        assert " style=" not in text
        assert "<script>" not in text
    assert HOSTILE.replace('"', "&#34;").replace(">", "&gt;").replace("<", "&lt;").replace("'", "&#39;") in text


def test_the_overview_says_what_is_decided_what_waits_and_what_changed(reader: TestClient) -> None:
    text = reader.get("/").text
    assert "Watch (5 of 5 layers judged)" in text
    assert "images have moved (n = 24)" in text
    assert "Images have moved" in text
    assert "The import fails" not in text  # somebody acknowledged it
    assert "imports</a>: failed 3 times in a row" in text
    assert "Drift went from stable to watch." in text
    assert "SRCC +0.42 [+0.12, +0.66], n = 40" in text


def test_an_empty_workspace_says_what_to_do_first(client: TestClient) -> None:
    text = client.get("/").text
    assert "Nothing here yet" in text
    assert "No campaigns yet" in client.get("/campaigns").text


def test_a_campaign_shows_fifty_creatives_a_page_in_the_wanted_order(stocked: Workspace, reader: TestClient) -> None:
    campaign, _, digests = ids(stocked)
    first = reader.get(f"/campaigns/{campaign}").text
    assert "Page 1 of 2" in first
    assert first.index(f"/creatives/{digests[2]}") < first.index(f"/creatives/{digests[9]}")
    second = reader.get(f"/campaigns/{campaign}?page=2").text
    assert second.count('name="creative"') == SPRING - 50
    assert reader.get(f"/campaigns/{campaign}?page=3").status_code == 404
    tired = reader.get(f"/campaigns/{campaign}?fatigue=tired").text
    assert "spring_03.png" in tired
    assert "1 creative chosen" in tired
    for query, number in (("age_min=29&roas_min=0.01", RAN), ("age_min=30", 0), ("age_max=28", 0)):
        assert f"{number} creatives chosen" in reader.get(f"/campaigns/{campaign}?{query}").text


def test_what_is_asked_wrongly_is_refused_in_a_sentence(stocked: Workspace, reader: TestClient) -> None:
    campaign, creatives, _ = ids(stocked)
    for query in ("order=beauty", "ctr_min=much", "ctr_min=nan", "page=x", "page=-1", "idea=99999999999999999999",
                  "action=fly", "age_max=-1", "age_min=1.5", "delivered=maybe", "q=" + "x" * 300):  # fmt: skip
        answer = reader.get(f"/campaigns/{campaign}?{query}")
        assert answer.status_code in (400, 404, 422), query
        assert "Traceback" not in answer.text
    assert reader.get("/campaigns/99").status_code == 404
    assert reader.get(f"/campaigns/{campaign}/pair?creative={creatives[0]}").status_code == 400
    assert reader.get(f"/campaigns/{campaign}/pair?creative={creatives[0]}&creative=9999").status_code == 400
    assert reader.get(f"/creatives/{'0' * 64}").status_code == 404
    assert reader.get("/creatives/..%2f..%2fetc").status_code == 404


def test_two_creatives_stand_side_by_side_with_the_experiment_between_them(
    stocked: Workspace, reader: TestClient
) -> None:
    campaign, creatives, _ = ids(stocked)
    text = reader.get(f"/campaigns/{campaign}/pair?creative={creatives[0]}&creative={creatives[1]}").text
    assert "beats" in text
    assert "53 %" in text  # of a gap of 0.04 with errors of 0.35
    assert "headline" in text
    assert "95 % interval" in text


def test_exports_hold_all_wanted_rows_and_no_formula(own_stocked: Workspace, editor: TestClient) -> None:
    campaign, creatives, _ = ids(own_stocked)
    with own_stocked.store.write() as session:
        alias = session.scalars(select(CreativeAlias).where(CreativeAlias.creative_id == creatives[0])).one()
        alias.name = "=HYPERLINK(1)"
    refresh_leaderboard(own_stocked.store, own_stocked.settings, campaign)
    answer = editor.get(f"/campaigns/{campaign}/creatives.csv?delivered=yes")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert len(rows) == 40
    assert rows[0]["name"] == "'=HYPERLINK(1)"
    assert float(rows[0]["ctr"]) == pytest.approx(int(rows[0]["clicks"]) / int(rows[0]["impressions"]))
    content = editor.get(f"/campaigns/{campaign}/creatives.xlsx").content
    table = load_workbook(io.BytesIO(content)).get_sheet_by_name("creatives").to_python()
    assert [row[0] for row in table[:2]] == ["name", "=HYPERLINK(1)"]
    assert len(table) == 1 + SPRING
    assert b"<f>" not in zipfile.ZipFile(io.BytesIO(content)).read("xl/worksheets/sheet1.xml")
    assert editor.get(f"/campaigns/{campaign}/creatives.exe").status_code == 404


def test_figures_that_were_never_made_are_made_beside_the_request(own_stocked: Workspace, editor: TestClient) -> None:
    campaign, _, _ = ids(own_stocked)
    with own_stocked.store.write() as session:
        session.delete(session.scalars(select(Leaderboard).where(Leaderboard.campaign_id == campaign)).one())
    text = editor.get(f"/campaigns/{campaign}").text
    assert "The figures of this campaign are being made" in text
    wait_for_the_background(editor)
    assert "Drop" in editor.get(f"/campaigns/{campaign}").text


def wait_for_the_background(browser: TestClient) -> None:
    """Return once all is done that pages asked for: one thread does it in the order of asking."""
    done = threading.Event()
    browser.app.state.background.ask("the last", done.set)  # type: ignore[attr-defined]
    assert done.wait(60)


@pytest.fixture
def forgotten(own_stocked: Workspace) -> Workspace:
    """A workspace whose figures were never made; two of its campaigns have creatives."""
    with own_stocked.store.write() as session:
        for table in (LeaderboardEntry, Leaderboard):
            session.execute(delete(table))
    return own_stocked


def made_figures(shop: Workspace) -> int:
    with shop.store.read() as session:
        return session.scalar(select(func.count(Leaderboard.id))) or 0


def wait_until(so: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not so():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_at_rest(client: TestClient) -> bool:
    return not client.app.state.background._waiting  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("path", ["/", "/campaigns"])
def test_the_first_look_at_a_workspace_makes_the_figures_of_its_campaigns(
    forgotten: Workspace, editor: TestClient, path: str
) -> None:
    text = editor.get(path).text
    assert path == "/" or text.count(">being made<") == 2
    wait_until(lambda: made_figures(forgotten) == 2 and is_at_rest(editor))
    text = editor.get("/campaigns").text
    assert text.count("<small>as of <time>") == 2
    assert "data-reload" not in text
    assert text.count('data-label="Figures"') == text.count(">no creatives yet<") == 1


def test_figures_that_cannot_be_made_keep_back_no_others_and_are_not_tried_at_each_look(
    forgotten: Workspace, editor: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign, _, _ = ids(forgotten, "autumn")
    tried: list[int] = []
    real = refresh.refresh_leaderboard

    def make(store: Store, settings: Settings, one: int) -> None:
        tried.append(one)
        if one == campaign:
            raise UsageError("it cannot be made")
        real(store, settings, one)

    monkeypatch.setattr(refresh, "refresh_leaderboard", make)
    monkeypatch.setattr("abkit.web.figures.LOOK_EVERY_S", 0.0)
    for path in ("/campaigns", "/", "/campaigns"):
        editor.get(path)
        wait_until(lambda: is_at_rest(editor))
    assert made_figures(forgotten) == 1
    assert tried.count(campaign) == 1
    monkeypatch.undo()
    assert ">not made yet: open the campaign to make them<" in editor.get("/campaigns").text


def test_figures_that_somebody_has_made_meanwhile_are_not_made_again(
    forgotten: Workspace, editor: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []
    real = refresh.refresh_leaderboard

    def make_all(store: Store, settings: Settings, one: int) -> None:
        tried.append(one)
        for each in due_campaigns(store):
            real(store, settings, each)

    assert len(due_campaigns(forgotten.store)) > 1
    monkeypatch.setattr(refresh, "refresh_leaderboard", make_all)
    editor.get("/campaigns")
    wait_until(lambda: is_at_rest(editor))
    assert len(tried) == 1


def test_where_a_daemon_runs_a_look_at_the_campaigns_makes_nothing(forgotten: Workspace, editor: TestClient) -> None:
    synchronize(forgotten.store, [], datetime.now(UTC))
    editor.get("/campaigns?q=spring")
    wait_until(lambda: is_at_rest(editor))
    assert "not made yet" in editor.get("/campaigns?q=spring").text
    assert made_figures(forgotten) == 0
    with forgotten.store.read() as session:
        assert session.scalar(select(func.count(JobRequest.id))) == 0


def test_an_overlay_is_made_when_somebody_asks_and_a_failure_is_told(
    own_stocked: Workspace, editor: TestClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from abkit.workflows.creatives import overlays

    _, _, digests = ids(own_stocked)
    assert "Make the overlay" in editor.get(f"/creatives/{digests[0]}").text
    assert editor.get(f"/creatives/{digests[0]}/overlay.jpg").status_code == 404

    def drawn(scorer: object, path: Path, target: Path) -> object:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.with_suffix(".txt").write_text("No area matters by itself.")
        target.write_bytes(b"jpeg")
        return None

    monkeypatch.setattr(overlays.ActiveModel, "scorer", property(lambda self: object()))
    monkeypatch.setattr(overlays, "_drawn", drawn)
    for digest in (digests[0], digests[30]):
        page = f"/creatives/{digest}"
        assert submit(editor, f"{page}/overlay", on=page).status_code in (200, 303)
    wait_for_the_background(editor)
    assert "No area matters by itself." in editor.get(f"/creatives/{digests[0]}").text
    assert editor.get(f"/creatives/{digests[0]}/overlay.jpg").content == b"jpeg"
    assert "no file has the scored content any more" in editor.get(f"/creatives/{digests[30]}").text


def test_a_file_is_held_against_the_placements(stocked: Workspace, reader: TestClient) -> None:
    _, _, digests = ids(stocked)
    assert "By placement" in reader.get(f"/creatives/{digests[0]}/preflight").text
    assert reader.get(f"/creatives/{digests[30]}/preflight").status_code == 404


def test_overview_and_leaderboard_are_json_too(stocked: Workspace, reader: TestClient) -> None:
    campaign, _, digests = ids(stocked)
    found = reader.get(f"/api/v1/campaigns/{campaign}/leaderboard?order=score&page=2").json()
    assert (found["total"], found["page"], len(found["creatives"])) == (SPRING, 2, SPRING - 50)
    assert found["summary"]["creatives"] == SPRING
    first = reader.get(f"/api/v1/campaigns/{campaign}/leaderboard").json()["creatives"][0]
    assert first["sha256"] == digests[0]
    assert first["ctr_low"] < first["ctr"] < first["ctr_high"]
    assert reader.get("/api/v1/campaigns/99/leaderboard").status_code == 404
    assert reader.get("/api/v1/overview").json()["decision"] == "watch"
    described = reader.get("/api/v1/openapi.json").json()["paths"]
    assert {"/api/v1/overview", "/api/v1/campaigns/{campaign_id}/leaderboard"} <= set(described)


def test_a_campaign_without_creatives_says_what_to_do_and_can_be_chosen_for_labeling(
    own_stocked: Workspace, editor: TestClient
) -> None:
    campaign, creatives, _ = ids(own_stocked, "<b>bold</b> & empty")
    assert creatives == []
    text = editor.get(f"/campaigns/{campaign}").text
    assert "Upload images</a> into this campaign" in text
    assert "Sort by" not in text
    answer = editor.get(f"/label?campaign={campaign}")
    assert answer.status_code == 200
    assert "There is nothing to label" in answer.text


def test_the_overview_does_not_call_scores_trusted_by_a_check_of_months_ago(
    own_stocked: Workspace, editor: TestClient
) -> None:
    day = datetime.now(UTC).date() - timedelta(days=STALE + 1)
    with own_stocked.store.write() as session:
        session.execute(update(Decision).values(as_of=day))
    text = editor.get("/").text
    assert f"Can the scores be trusted? Not known: the last check was {STALE + 1} days ago" in text
    assert f"This is the result of <time>{day}</time>" in text


def test_what_a_page_refuses_is_said_without_patterns_of_programs(editor: TestClient) -> None:
    answer = editor.get("/label?campaign=abc")
    assert answer.status_code == 422
    assert "Campaign: this is not a valid value" in answer.text


def test_who_needs_no_password_is_offered_no_other(editor: TestClient) -> None:
    text = editor.get("/account").text
    assert "Your role is admin: an admin also" in text
    assert "Old password" not in text
