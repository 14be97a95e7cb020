"""Links of raters open labeling until they expire or are revoked, and people can be forgotten."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from abkit.errors import UsageError
from abkit.store.database.engine import Store
from abkit.store.schema import Comparison, LabelQuestion, Rater, RaterLink, Rating, Run
from abkit.workflows.ratings.queue import RaterQueue, ensure_rater, plan
from abkit.workflows.ratings.rater_links import check_token, forget_rater, list_links, make_link, revoke_links
from tests.workflows.ratings.test_next_labels import add, images
from tests.workflows.ratings.test_queue import answer_all, counted, folder

__all__ = ["folder"]


def test_a_link_opens_labeling_in_the_name_of_its_rater_and_its_campaign(sqlite_store: Store, folder: Path) -> None:
    add(sqlite_store, images(folder), "spring")
    made = make_link(sqlite_store, "Ann", campaign="spring", days=2)
    opened = check_token(sqlite_store, made.token)
    assert opened is not None
    assert opened.rater == ensure_rater(sqlite_store, "Ann")
    assert opened.campaign is not None
    with sqlite_store.read() as session:
        (kept,) = session.scalars(select(RaterLink)).all()
        assert made.token not in (kept.digest, kept.name)
        assert "Ann" not in json.dumps([run.arguments for run in session.scalars(select(Run))])
        assert all("Ann" not in one.pseudonym for one in session.scalars(select(Rater)))


def test_unknown_expired_and_revoked_links_all_open_nothing(store: Store) -> None:
    expired, revoked = make_link(store, "ann", days=1), make_link(store, "ben")
    with store.write() as session:
        past = datetime.now(UTC) - timedelta(seconds=1)
        session.execute(update(RaterLink).where(RaterLink.id == expired.number).values(expires_at=past))
    assert revoke_links(store, name="ben") == 1
    for token in (expired.token, revoked.token, "x" * 43, "", "x" * 10_000, expired.token[:-1], "\ud800"):
        assert check_token(store, token) is None
    ahead = make_link(store, "cleo")
    with store.write() as session:
        future = datetime.now(UTC) + timedelta(hours=1)
        session.execute(update(RaterLink).where(RaterLink.id == ahead.number).values(created_at=future))
    assert check_token(store, ahead.token) is None, "made by a clock that ran ahead"
    assert revoke_links(store, name="cleo") == 1
    with pytest.raises(UsageError, match="no open link"):
        revoke_links(store, name="ben")
    assert [row["state"] for row in list_links(store).rows()] == ["revoked", "revoked", "expired"]


def test_one_link_of_several_is_revoked_by_its_number(sqlite_store: Store) -> None:
    first, second = make_link(sqlite_store, "ann"), make_link(sqlite_store, "ann")
    revoke_links(sqlite_store, number=first.number)
    assert check_token(sqlite_store, first.token) is None
    assert check_token(sqlite_store, second.token) is not None


@pytest.mark.parametrize(("name", "days"), [("", 1), ("a\nb", 1), ("ann", 0), ("ann", 1000), ("ann", float("nan"))])
def test_a_link_without_a_name_or_an_end_is_refused(sqlite_store: Store, name: str, days: float) -> None:
    with pytest.raises(UsageError):
        make_link(sqlite_store, name, days=days)


def test_votes_of_a_person_who_is_forgotten_stay_and_belong_to_nobody(store: Store, folder: Path) -> None:
    add(store, images(folder))
    made = make_link(store, "ann")
    queue = RaterQueue(rater=ensure_rater(store, "ann"))
    plan(store, queue, seed=0)
    answer_all(store, queue)
    before = counted(store, Comparison)
    done = forget_rater(store, "ann")
    assert (done.removed, done.votes, counted(store, Comparison)) == (False, before, before)
    assert check_token(store, made.token) is None
    assert ensure_rater(store, "ann") != queue.rater, "the name leads to the former votes"
    with store.read() as session:
        assert "ann" not in json.dumps([[run.arguments, run.outcome] for run in session.scalars(select(Run))])
        assert {one.name for one in session.scalars(select(RaterLink))} == {""}


def test_votes_of_a_person_can_be_removed_with_everything_that_names_them(store: Store, folder: Path) -> None:
    add(store, images(folder))
    make_link(store, "ann")
    queue, other = (RaterQueue(rater=ensure_rater(store, name)) for name in ("ann", "ben"))
    for seed, one in enumerate((queue, other, queue)):
        plan(store, one, seed=seed)
        answer_all(store, one)
        rated = RaterQueue(rater=one.rater, pairs=False)
        plan(store, rated, seed=seed)
        answer_all(store, rated, ["5"], most=1)
    forget_rater(store, "ann", remove=True)
    with store.read() as session:
        for table in (Comparison, Rating, LabelQuestion):
            assert set(session.scalars(select(table.rater_id))) == {other.rater}
        assert session.scalars(select(RaterLink)).all() == []
    with pytest.raises(UsageError, match="nobody of this name"):
        forget_rater(store, "ann")
