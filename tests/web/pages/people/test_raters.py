"""The page of raters: links are made, shown once and revoked; a training on labels is asked for once at a time."""

import re

from fastapi.testclient import TestClient
from sqlalchemy import select, update

from abkit import Workspace
from abkit.jobs.requests import last_requested, requested_jobs
from abkit.store.runs import begin_run
from abkit.store.schema import Audit, JobRequest
from abkit.workflows.ratings.rater_links import check_token, list_links
from tests.web.conftest import submit

EVIL = "<img src=x onerror=alert(1)>"


def test_a_link_is_shown_once_and_opens_labeling_until_it_is_revoked(
    own_stocked: Workspace, editor: TestClient
) -> None:
    page = submit(editor, "/raters", name=EVIL, campaign="spring", days="3")
    assert page.status_code == 200
    found = re.search(r"http://127.0.0.1/label/link/([\w-]{43})", page.text)
    assert found
    assert "<img src=x" not in page.text
    again = editor.get("/raters").text
    assert found.group(1) not in again
    assert "<img src=x" not in again
    assert check_token(own_stocked.store, found.group(1)) is not None
    (row,) = list_links(own_stocked.store).rows()
    submit(editor, "/raters/revoke", on="/raters", number=str(row["number"]))
    assert check_token(own_stocked.store, found.group(1)) is None
    with own_stocked.store.read() as session:
        about_links = select(Audit.act, Audit.about).where(Audit.act.like("%rater link"))
        acts = session.execute(about_links.order_by(Audit.id)).all()
    assert acts == [("make rater link", str(row["number"])), ("revoke rater link", str(row["number"]))]


def test_a_link_without_a_name_or_for_no_campaign_is_refused(own_stocked: Workspace, editor: TestClient) -> None:
    wrong = (
        {"name": " "}, {"name": "a\nb"}, {"name": "x" * 201}, {"name": "ann", "campaign": "nothing"},
        {"name": "ann", "days": "0"}, {"name": "ann", "days": "nan"},
    )  # fmt: skip
    for fields in wrong:
        assert submit(editor, "/raters", **fields).status_code in (400, 422)
    assert list_links(own_stocked.store).rows() == []


def test_a_training_is_asked_for_once_at_a_time_and_shows_how_far_it_is(
    own_stocked: Workspace, editor: TestClient
) -> None:
    assert "Nothing was trained" in editor.get("/raters").text
    submit(editor, "/raters/train", on="/raters")
    assert submit(editor, "/raters/train", on="/raters").status_code == 409
    assert [one.job for one in requested_jobs(own_stocked.store)[0]] == ["train_labels"]
    assert "Asked for by local" in editor.get("/raters/training").text
    run = begin_run(own_stocked.store, "train_labels", {})
    with own_stocked.store.write() as session:
        session.execute(update(JobRequest).values(run_id=run.id))
    for so_far in ({}, {"run": run.id}, {"stage": "reading"}):  # a run that has told little so far, or nothing
        run.tell(so_far)
        assert f"Run {run.id} has been training since" in editor.get("/raters/training").text
    run.tell({"stage": "training", "done": 3, "total": 8})
    page = editor.get("/raters/training").text
    assert "training, 3 of 8" in page
    assert 'hx-trigger="every 3s"' in page
    found = last_requested(own_stocked.store, "train_labels")
    assert found is not None
    assert found[0].state == "running"
