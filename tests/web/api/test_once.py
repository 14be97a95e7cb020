"""Requests that change something, and take effect once with an Idempotency-Key."""

from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from abkit import Workspace
from abkit.store.answers import KEPT, PATIENCE
from abkit.store.schema import Alert, RequestAnswer

ROOT = "/api/v1"


@pytest.fixture
def alert(editor: TestClient) -> int:
    """A firing alert."""
    found: list[dict[str, Any]] = editor.get(f"{ROOT}/alerts").json()["items"]
    return next(one["id"] for one in found if one["state"] == "firing")


def silence(editor: TestClient, alert: int, *, key: str | None = "one", reason: str = "known") -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    body = {"until": "2099-01-01T00:00:00Z", "reason": reason}
    return editor.post(f"{ROOT}/alerts/{alert}/silence", json=body, headers=headers)


def test_an_alert_is_acknowledged_by_who_asks(editor: TestClient, own_stocked: Workspace, alert: int) -> None:
    answer = editor.post(f"{ROOT}/alerts/{alert}/acknowledge")
    assert answer.status_code == 200
    assert answer.json()["state"] == "acknowledged"
    with own_stocked.store.read() as session:
        by = session.scalar(select(Alert.acknowledged_by).where(Alert.id == alert))
    assert by == answer.json()["acknowledged_by"]


def test_an_alert_is_silenced_with_a_reason(editor: TestClient, alert: int) -> None:
    answer = silence(editor, alert, key=None)
    assert answer.json()["state"] == "silenced"
    assert answer.json()["silence_reason"] == "known"
    past = editor.post(f"{ROOT}/alerts/{alert}/silence", json={"until": "2020-01-01T00:00:00", "reason": "x"})
    assert past.status_code == 400
    assert "in the past" in past.json()["title"]


def test_an_answer_that_has_changed_is_sent_again(editor: TestClient, alert: int) -> None:
    tag = {"If-None-Match": editor.get(f"{ROOT}/alerts/{alert}").headers["etag"]}
    assert editor.get(f"{ROOT}/alerts/{alert}", headers=tag).status_code == 304
    silence(editor, alert)
    assert editor.get(f"{ROOT}/alerts/{alert}", headers=tag).json()["state"] == "silenced"


def test_the_same_request_with_the_same_key_gets_the_same_answer(editor: TestClient, alert: int) -> None:
    first = silence(editor, alert)
    silence(editor, alert, key="two", reason="another reason")
    again = silence(editor, alert)
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert editor.get(f"{ROOT}/alerts/{alert}").json()["silence_reason"] == "another reason"


def test_a_key_cannot_be_used_for_another_request(editor: TestClient, alert: int) -> None:
    silence(editor, alert)
    other = silence(editor, alert, reason="another reason")
    assert other.status_code == 409
    assert other.headers["content-type"] == "application/problem+json"
    path = editor.post(f"{ROOT}/alerts/{alert}/acknowledge", headers={"Idempotency-Key": "one"})
    assert path.status_code == 409


def test_the_same_content_for_something_else_is_another_request(editor: TestClient, own_stocked: Workspace) -> None:
    with own_stocked.store.read() as session:
        first, second = session.scalars(select(Alert.id).order_by(Alert.id)).all()[:2]
    headers = {"Idempotency-Key": "one"}

    def acknowledge(path: str) -> Any:
        return editor.post(f"{ROOT}/alerts/{path}", headers=headers)

    assert acknowledge(f"{first}/acknowledge").status_code == 200
    for other in (f"{second}/acknowledge", f"{first}/acknowledge?x=1"):
        assert acknowledge(other).status_code == 409, other


def test_a_request_that_failed_can_be_tried_again_with_its_key(editor: TestClient, alert: int) -> None:
    assert silence(editor, 99_999).status_code == 404
    assert silence(editor, alert).status_code == 200


def test_a_request_under_way_is_not_made_twice_and_a_dead_one_is_forgotten(
    editor: TestClient, own_stocked: Workspace, alert: int
) -> None:
    silence(editor, alert)
    age(own_stocked, timedelta(minutes=1), status=None)
    waiting = silence(editor, alert)
    assert (waiting.status_code, "wait" in waiting.json()["title"]) == (409, True)
    age(own_stocked, PATIENCE)
    assert "idempotency-replayed" not in silence(editor, alert).headers
    age(own_stocked, -timedelta(hours=1), status=None)  # begun by a clock that ran ahead
    assert "idempotency-replayed" not in silence(editor, alert).headers


def test_answers_are_forgotten_after_a_day(editor: TestClient, own_stocked: Workspace, alert: int) -> None:
    silence(editor, alert)
    age(own_stocked, KEPT)
    assert silence(editor, alert, reason="another reason").status_code == 200
    with own_stocked.store.read() as session:
        assert len(session.scalars(select(RequestAnswer)).all()) == 1


@pytest.mark.parametrize("key", ["", "a b", "é", "x" * 201])
def test_a_key_that_cannot_be_kept_is_refused(editor: TestClient, alert: int, key: str) -> None:
    headers = {b"Idempotency-Key": key.encode()}
    answer = editor.post(f"{ROOT}/alerts/{alert}/acknowledge", headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == 422
    assert answer.json()["title"].lower().startswith("idempotency-key")


def test_an_import_is_undone_once(editor: TestClient) -> None:
    number = editor.get(f"{ROOT}/imports").json()["items"][0]["import_id"]
    first = editor.post(f"{ROOT}/imports/{number}/undo", headers={"Idempotency-Key": "u"})
    if first.status_code == 200:
        assert editor.post(f"{ROOT}/imports/{number}/undo", headers={"Idempotency-Key": "u"}).json() == first.json()
    again = editor.post(f"{ROOT}/imports/{number}/undo")
    assert again.status_code in (400, 422)


def age(workspace: Workspace, by: timedelta, **values: Any) -> None:
    """Make the kept answers older."""
    with workspace.store.write() as session:
        for row in session.scalars(select(RequestAnswer)).all():
            made_at = row.made_at - by - timedelta(seconds=1)
            session.execute(update(RequestAnswer).where(RequestAnswer.id == row.id).values(made_at=made_at, **values))
