"""Experiments, drift, models, KPIs, alerts and jobs: what each page shows, and what can be done on it."""

import re

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event, select

from abkit import Workspace
from abkit.jobs.job import wall_clock
from abkit.jobs.schedules import synchronize
from abkit.store.schema import Alert, Audit, Schedule
from abkit.web.app import create_app
from abkit.workflows.active_model import register_checkpoint
from abkit.workflows.upkeep.people import add_person, remove_person
from abkit_model.checkpoint import default_checkpoint
from tests.web.conftest import PASSWORD, submit

PAGES = ["/experiments", "/drift", "/models", "/kpis", "/links", "/alerts", "/jobs"]


@pytest.mark.parametrize("path", PAGES)
def test_an_empty_workspace_says_what_to_do(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert "<h1>" in answer.text


@pytest.mark.parametrize("path", PAGES)
def test_pages_stay_within_their_queries_and_bytes(reader: TestClient, stocked: Workspace, path: str) -> None:
    asked: list[str] = []

    def count(*said: object) -> None:
        asked.append(str(said[2]))

    event.listen(stocked.store.engine, "before_cursor_execute", count)
    event.listen(reader.app.state.workspace.store.engine, "before_cursor_execute", count)  # type: ignore[attr-defined]
    try:
        answer = reader.get(path)
    finally:
        event.remove(stocked.store.engine, "before_cursor_execute", count)
        event.remove(reader.app.state.workspace.store.engine, "before_cursor_execute", count)  # type: ignore[attr-defined]
    assert answer.status_code == 200
    assert 1 <= len(asked) <= 20
    assert len(answer.content) <= 200_000


def test_an_import_says_how_many_of_its_rows_landed_and_were_refused(reader: TestClient) -> None:
    cells = re.findall(r'data-label="(Landed|Refused)" class="number">([^<]*)<', reader.get("/kpis").text)
    assert cells == [("Landed", "588"), ("Refused", "2")] * 2


NOT_THERE = ["/experiment?key=none", "/drift/999999", "/kpis/999999", "/alerts/999999", "/job?key=x"]


@pytest.mark.parametrize("path", NOT_THERE)
def test_what_is_not_there_is_one_sentence(reader: TestClient, path: str) -> None:
    answer = reader.get(path)
    assert answer.status_code in (400, 404, 409)
    assert "There is no" in answer.text


NO_NUMBERS = ["/drift/x", "/alerts/0", f"/kpis/{2**63}", f"/drift?before={2**70}", "/experiments?skip=-1"]


@pytest.mark.parametrize("path", NO_NUMBERS)
def test_what_is_no_number_is_refused(reader: TestClient, path: str) -> None:
    assert reader.get(path).status_code == 422


def test_the_drift_page_has_the_standing_decision_and_leads_to_its_check(reader: TestClient) -> None:
    listed = reader.get("/drift").text
    assert "layers judged" in listed
    run = re.findall(r"/drift/(\d+)", listed)[0]
    check = reader.get(f"/drift/{run}")
    assert check.status_code == 200
    assert "What was found" in check.text
    assert len(check.content) <= 200_000
    charts = set(re.findall(rf"/drift/{run}/charts/\w+", check.text))
    assert len(charts) >= 2
    for chart in charts:
        drawn = reader.get(chart)
        assert drawn.status_code == 200
        assert "<svg" in drawn.text
        assert drawn.headers["content-encoding"] == "gzip"
    assert reader.get(f"/drift/{run}/charts/nothing").status_code == 404


def test_an_alert_is_acknowledged_and_silenced_under_ones_own_name(editor: TestClient, own_stocked: Workspace) -> None:
    with own_stocked.store.read() as session:
        alert = session.scalars(select(Alert).where(Alert.resolved_at.is_(None))).first()
    assert alert is not None
    path = f"/alerts/{alert.id}"
    submit(editor, f"{path}/acknowledge", on=path)
    assert "Acknowledged by local" in editor.get(path).text
    submit(editor, f"{path}/silence", on=path, until="2099-01-01T00:00", reason="<b>holiday</b>")
    shown = editor.get(path).text
    assert "Silenced until 2099-01-01 00:00 UTC: &lt;b&gt;holiday&lt;/b&gt;" in shown
    past = submit(editor, f"{path}/silence", on=path, until="2001-01-01T00:00", reason="x")
    assert past.status_code == 400
    assert "is in the past" in past.text
    with own_stocked.store.read() as session:
        assert [one.act for one in session.scalars(select(Audit))] == ["acknowledge alert", "silence alert"]


def test_a_version_is_promoted_with_a_reason_and_problems_are_said(editor: TestClient, own_stocked: Workspace) -> None:
    shipped = register_checkpoint(own_stocked.store, default_checkpoint())
    answer = submit(editor, "/models/promote", on="/models", digest=shipped.digest, why="won in May")
    assert answer.status_code == 200
    champion = answer.text.split("</section>", 1)[0]
    assert f"<b>{shipped.name}</b> scores everything" in champion
    assert "demonstration weights" in champion
    back = submit(editor, "/models/rollback", on="/models", why="lost in June")
    assert back.status_code == 409
    assert "were shipped with another abkit and are not here" in back.text
    assert f"<b>{shipped.name}</b> scores everything" in editor.get("/models").text
    missing = submit(editor, "/models/promote", on="/models", digest="0" * 64, why="x")
    assert missing.status_code == 400
    with own_stocked.store.read() as session:
        said = [(one.act, one.about) for one in session.scalars(select(Audit).order_by(Audit.id))]
    assert said == [("promote model", f"{shipped.name}: won in May")]


def test_a_viewer_sees_no_form_that_changes_anything(signed_in, shop: Workspace) -> None:
    viewer = signed_in("ada", "viewer")
    for path in PAGES:
        page = viewer.get(path).text
        assert 'method="post"' not in page
    assert submit(viewer, "/drift/check", on="/account").status_code == 403
    assert submit(viewer, "/job/run", on="/account", key="x").status_code == 403


@pytest.fixture
def scheduled(own_stocked: Workspace) -> Workspace:
    """With the schedules that a daemon makes when it starts."""
    synchronize(own_stocked.store, own_stocked.settings.schedules, wall_clock())
    return own_stocked


def test_a_job_is_made_due_now(editor: TestClient, scheduled: Workspace) -> None:
    listed = editor.get("/jobs").text
    assert "deliver-alerts" in listed
    with scheduled.store.read() as session:
        before = session.scalar(select(Schedule.next_run_at).where(Schedule.key == "prune"))
    submit(editor, "/job/run", on="/job?key=prune", key="prune")
    with scheduled.store.read() as session:
        after = session.scalar(select(Schedule.next_run_at).where(Schedule.key == "prune"))
    assert before is not None
    assert after is not None
    assert after < before


def test_the_second_name_under_a_decision_is_of_somebody_else_who_could_decide(own_stocked: Workspace) -> None:
    asks = own_stocked.settings.experiments.model_copy(update={"second_name": True})
    app = create_app(own_stocked.settings.model_copy(update={"experiments": asks}), local=False)
    people = {"ada": "reviewer", "ben": "reviewer", "vi": "viewer", "gone": "admin", "boss": "admin"}
    for name, role in people.items():
        add_person(own_stocked.store, name, role, PASSWORD)
    remove_person(own_stocked.store, "gone")
    ada = TestClient(app, base_url="https://ads.example", follow_redirects=False)
    assert submit(ada, "/sign-in", name="ada", password=PASSWORD).status_code == 303
    against = {"key": "headline", "decision": "ship", "reason": "the logo is law"}

    def decide(second: str) -> int:
        return submit(ada, "/experiment/decide", on="/experiment?key=headline", second=second, **against).status_code

    refused = {"": 422, "nobody": 400, "vi": 400, "gone": 400, "ada": 422, " ADA ": 400, "\uff21da": 400}
    assert {second: decide(second) for second in refused} == refused
    with own_stocked.store.read() as session:
        assert not session.scalars(select(Audit).where(Audit.act == "decide experiment")).all()
    assert decide("ben") == 303
