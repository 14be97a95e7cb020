"""Ratings and comparisons that a program sends: good rows land, bad ones come back with the reason."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from abkit import Workspace
from abkit.store.schema import Comparison, Rater, Rating, RatingReject
from abkit.web.app import create_app
from abkit.workflows.upkeep.people import add_person, create_token

ROOT = "/api/v1"


@pytest.fixture
def known(editor: TestClient) -> list[str]:
    """Digests of creatives that the store knows."""
    items = editor.get(f"{ROOT}/creatives?campaign=spring&limit=5").json()["items"]
    return [one["sha256"] for one in items]


def send(client: TestClient, path: str, body: Any, **headers: str) -> Any:
    return client.post(f"{ROOT}/{path}", json=body, headers=headers)


def test_good_ratings_land_and_bad_ones_come_back_with_the_reason(
    editor: TestClient, own_stocked: Workspace, known: list[str]
) -> None:
    rows: list[Any] = [
        {"sha256": known[0], "score": 4, "rater": "ann"},
        {"sha256": known[1], "score": 9, "rater": "ann"},
        {"sha256": "0" * 64, "score": 3, "rater": "ann"},
        {"sha256": known[0], "score": 2, "rater": "ann"},
        {"sha256": known[1], "score": 2},
        {"sha256": known[1], "score": "3", "rater": "ann"},
        {"sha256": known[1], "score": 10**400, "rater": "ann"},
        {"sha256": "x", "score": 3, "rater": "ann"},
        {"sha256": known[1], "score": 3, "rater": "a\x00b"},
        {"sha256": known[1], "score": 3, "rater": "ann", "mood": "good"},
        7,
        {"sha256": known[1], "score": 3, "rater": "bob"},
    ]
    answer = send(editor, "ratings", {"source": "desk", "scale": [1, 5], "ratings": rows})
    assert answer.status_code == 200, answer.text
    made = answer.json()
    assert (made["rows"], made["imported"], made["unchanged"], made["rejected"]) == (12, 2, 0, 10)
    reasons = {one["row"]: one["reason"] for one in made["refused"]}
    assert sorted(reasons) == list(range(2, 12))
    for row, word in {2: "outside 1 to 5", 3: "no creative", 4: "row 1", 5: "nobody", 10: "'mood'"}.items():
        assert word in reasons[row]
    with own_stocked.store.read() as session:
        scores = session.scalars(select(Rating.score).where(Rating.rating_import_id == made["import_id"])).all()
        kept = session.scalars(select(RatingReject).where(RatingReject.rating_import_id == made["import_id"])).all()
        raters = session.scalars(select(Rater.pseudonym)).all()
    assert sorted(scores) == [3.0, 4.0]
    assert len(kept) == 10
    assert not {"ann", "bob"} & set(raters)


def test_the_same_rows_again_change_nothing_and_other_values_are_refused(
    editor: TestClient, own_stocked: Workspace, known: list[str]
) -> None:
    body = {"source": "desk", "scale": [1, 5], "ratings": [{"sha256": known[0], "score": 4, "rater": "ann"}]}
    first, again = send(editor, "ratings", body).json(), send(editor, "ratings", body).json()
    assert (again["imported"], again["unchanged"], again["again"]) == (0, 1, True)
    assert again["import_id"] == first["import_id"]
    other = {"source": "desk", "ratings": [{"sha256": known[0], "score": 5, "rater": "ann"}]}
    made = send(editor, "ratings", other).json()
    assert made["scale"] == [1.0, 5.0]
    assert "another value" in made["refused"][0]["reason"]
    with own_stocked.store.read() as session:
        assert session.scalar(select(Rating.score).where(Rating.rating_import_id == first["import_id"])) == 4.0


def test_a_study_has_one_scale_and_nobody_guesses_it(editor: TestClient, known: list[str]) -> None:
    rows = [{"sha256": known[0], "score": 4, "rater": "ann"}]
    unknown = send(editor, "ratings", {"source": "new", "ratings": rows})
    assert (unknown.status_code, "scale" in unknown.json()["title"]) == (400, True)
    for scale in ([5, 1], [1, 1]):
        assert send(editor, "ratings", {"source": "new", "scale": scale, "ratings": rows}).status_code == 422
    assert send(editor, "ratings", {"source": "new", "scale": [1, 5], "ratings": rows}).status_code == 200
    other = send(editor, "ratings", {"source": "new", "scale": [1, 7], "ratings": rows})
    assert (other.status_code, "1 to 5" in other.json()["title"]) == (400, True)


def test_comparisons_land_by_choice_and_by_share(editor: TestClient, own_stocked: Workspace, known: list[str]) -> None:
    a, b, c = known[:3]
    rows = [
        {"first": a, "second": b, "choice": "first", "rater": "ann"},
        {"first": b, "second": a, "choice": "second", "rater": "ann"},
        {"first": a, "second": c, "share": 0.25, "weight": 8},
        {"first": a, "second": a, "choice": "tie", "rater": "ann"},
        {"first": a, "second": c, "choice": "both of them", "rater": "ann"},
        {"first": a, "second": c, "choice": "first", "share": 1, "rater": "ann"},
        {"first": a, "second": c, "share": 0.5, "weight": 0},
        {"first": b, "second": c, "choice": "tie", "rater": "ann"},
    ]
    made = send(editor, "comparisons", {"source": "desk", "comparisons": rows}).json()
    assert (made["imported"], made["rejected"]) == (3, 5)
    assert [one["row"] for one in made["refused"]] == [2, 4, 5, 6, 7]
    with own_stocked.store.read() as session:
        found = session.scalars(select(Comparison).where(Comparison.rating_import_id == made["import_id"])).all()
    assert sorted(one.weight for one in found) == [1.0, 1.0, 8.0]
    assert {one.share for one in found} >= {0.5}


def test_a_request_with_a_key_lands_once(editor: TestClient, known: list[str]) -> None:
    body = {"source": "desk", "scale": [1, 5], "ratings": [{"sha256": known[0], "score": 4, "rater": "\ud800"}]}
    raw = '{"source": "desk", "comparisons": [{"first": "\\ud800", "second": ""}]}'
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    broken = editor.post(f"{ROOT}/comparisons", content=raw, headers=headers)
    assert (broken.status_code, broken.json()["rejected"]) == (200, 1)
    body["ratings"][0]["rater"] = "ann"  # type: ignore[index]
    first = send(editor, "ratings", body, **{"Idempotency-Key": "one"})
    again = send(editor, "ratings", body, **{"Idempotency-Key": "one"})
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == first.json()
    assert first.json()["imported"] == 1


@pytest.mark.parametrize("rows", [[], [{}] * 1001])
def test_a_request_has_some_rows_and_not_too_many(editor: TestClient, rows: list[Any]) -> None:
    assert send(editor, "comparisons", {"comparisons": rows}).status_code == 422


def test_who_may_label_sends_only_their_own_judgments(own_stocked: Workspace, known: list[str]) -> None:
    add_person(own_stocked.store, "rob", "rater", "a long password")
    app = create_app(own_stocked.settings, local=False)
    with TestClient(app, base_url="http://127.0.0.1") as outside:

        def ask(scope: str, **row: Any) -> Any:
            made = create_token(own_stocked.store, "rob", label="x", scopes=(scope,))
            body = {"source": "desk", "scale": [1, 5], "ratings": [{"sha256": known[0], "score": 4, **row}]}
            return send(outside, "ratings", body, Authorization=f"Bearer {made.secret}")

        assert ask("view").status_code == 403
        other = ask("label", rater="ann").json()
        assert (other["imported"], "operate" in other["refused"][0]["reason"]) == (0, True)
        assert ask("label").json()["imported"] == 1
        assert ask("label", rater="rob").json()["unchanged"] == 1
        body = {"comparisons": [{"first": known[0], "second": known[1], "choice": "tie", "weight": 1e9}]}
        made = create_token(own_stocked.store, "rob", label="x", scopes=("label",))
        heavy = send(outside, "comparisons", body, Authorization=f"Bearer {made.secret}").json()
        assert "counts once" in heavy["refused"][0]["reason"]
