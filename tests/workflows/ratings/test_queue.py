"""The queue of a rater: what is asked, what an answer leaves in the store, and what comes back."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select

from abkit.errors import AbkitError, InvalidInput, UsageError
from abkit.store.catalog.creatives import find_campaign
from abkit.store.database.engine import Store
from abkit.store.ratings import read
from abkit.store.schema import Comparison, LabelQuestion, Rating, RatingImport
from abkit.vocabulary import Tells
from abkit.workflows.ratings import queue as queues
from abkit.workflows.ratings.queue import RaterQueue, ensure_rater, label_state, plan, undo, vote
from abkit.workflows.ratings.rater_figures import rater_figures, why_stop
from tests.images import save_images
from tests.workflows.ratings.test_next_labels import add, images


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    save_images(folder := tmp_path_factory.mktemp("ads"), 10)
    return folder


def of(store: Store, name: str = "ann", *, campaign: str | None = None, pairs: bool = True) -> RaterQueue:
    with store.read() as session:
        found = None if campaign is None else find_campaign(session, campaign)
    return RaterQueue(rater=ensure_rater(store, name), campaign=found, pairs=pairs)


def answer_all(store: Store, queue: RaterQueue, answers: Sequence[str] | None = None, *, most: int = 100) -> int:
    """Answer what is open, the creative with the smaller id winning by default; return how many that were."""
    done = 0
    while (state := label_state(store, queue)).question is not None and done < most:
        one = state.question
        smaller = "left" if one.right is None or one.left < one.right else "right"
        assert vote(store, queue, one.id, answers[done] if answers else smaller)
        done += 1
    return done


def counted(store: Store, table: type) -> int:
    with store.read() as session:
        return session.scalars(select(func.count()).select_from(table)).one()


def test_an_answer_lands_once_however_often_it_is_sent(store: Store, folder: Path) -> None:
    add(store, images(folder))
    queue = of(store)
    assert plan(store, queue, seed=0) == 15
    one = label_state(store, queue).question
    assert one is not None
    assert one.right is not None
    assert vote(store, queue, one.id, "left") is True
    assert vote(store, queue, one.id, "left") is False
    assert vote(store, queue, one.id, "right") is False
    with store.read() as session:
        (row,) = session.scalars(select(Comparison)).all()
        assert (row.first_id, row.second_id) == tuple(sorted((one.left, one.right)))
        assert row.share == (1.0 if one.left < one.right else 0.0)
        assert session.scalars(select(RatingImport.imported)).all() == [1]
        assert read.known_comparisons(session, datetime.now(UTC)) == [(row.first_id, row.second_id, row.share, 1.0)]


def test_undo_takes_the_vote_back_and_asks_again(store: Store, folder: Path) -> None:
    add(store, images(folder))
    queue = of(store)
    plan(store, queue, seed=0)
    first = label_state(store, queue).question
    assert first is not None
    vote(store, queue, first.id, "tie")
    assert label_state(store, queue).question != first
    assert undo(store, queue) is True
    state = label_state(store, queue)
    assert (state.question, state.answered, counted(store, Comparison)) == (first, 0, 0)
    assert undo(store, queue) is False
    with store.read() as session:
        assert session.scalars(select(RatingImport.imported)).all() == [0]


def test_a_single_creative_is_rated_on_the_scale_of_the_active_model(store: Store, folder: Path) -> None:
    add(store, images(folder))
    queue = of(store, pairs=False)
    plan(store, queue, seed=0)
    state = label_state(store, queue)
    assert state.question is not None
    assert state.question.right is None
    assert state.scale == (1, 7)
    for wrong in ("0", "8", "1.5", "left", "", "²", "-", "9" * 50):
        with pytest.raises(InvalidInput):
            vote(store, queue, state.question.id, wrong)
    vote(store, queue, state.question.id, "6")
    with store.read() as session:
        assert session.scalars(select(Rating.score)).all() == [6.0]
        assert len(read.known_votes(session, (1.0, 7.0), datetime.now(UTC)).score) == 1
    assert undo(store, queue)
    assert counted(store, Rating) == 0


def test_a_question_that_is_skipped_leaves_no_vote_and_is_not_asked_again(sqlite_store: Store, folder: Path) -> None:
    add(sqlite_store, images(folder)[:3])
    queue = of(sqlite_store)
    assert plan(sqlite_store, queue, seed=0) == 3
    assert answer_all(sqlite_store, queue, ["skip"] * 3) == 3
    assert (counted(sqlite_store, Comparison), label_state(sqlite_store, queue).answered) == (0, 0)
    with pytest.raises(AbkitError, match="nothing is left"):
        plan(sqlite_store, queue, seed=1)


def test_a_question_of_somebody_else_or_of_another_campaign_is_not_answered(sqlite_store: Store, folder: Path) -> None:
    add(sqlite_store, images(folder)[:5], "spring")
    add(sqlite_store, images(folder)[5:], "summer")
    ann, ben = of(sqlite_store, "ann", campaign="spring"), of(sqlite_store, "ben", campaign="summer")
    plan(sqlite_store, ann, seed=0)
    plan(sqlite_store, ben, seed=0)
    theirs = label_state(sqlite_store, ben).question
    assert theirs is not None
    for queue in (ann, RaterQueue(rater=ben.rater, campaign=ann.campaign), RaterQueue(rater=ann.rater)):
        with pytest.raises(UsageError, match="not one of yours"):
            vote(sqlite_store, queue, theirs.id, "left")
    assert counted(sqlite_store, Comparison) == 0


def test_a_batch_brings_back_one_question_with_its_sides_changed_and_one_of_somebody_else(
    store: Store, folder: Path
) -> None:
    add(store, images(folder))
    ann, ben = of(store, "ann"), of(store, "ben")
    plan(store, ben, seed=0)
    answer_all(store, ben)
    plan(store, ann, seed=1)
    answer_all(store, ann)
    plan(store, ann, seed=2)
    with store.read() as session:
        mine = session.scalars(select(LabelQuestion).where(LabelQuestion.rater_id == ann.rater)).all()
        by_id = {one.id: one for one in mine}
        second = [one for one in mine if one.answered_at is None]
        repeats = [one for one in second if one.tells == Tells.REPEAT]
        assert len(repeats) == 1
        assert repeats[0].repeats_id is not None
        former = by_id[repeats[0].repeats_id]
        assert (former.left_id, former.right_id) == (repeats[0].right_id, repeats[0].left_id)
        assert sum(one.tells == Tells.SHARED for one in mine) == 2
        pairs = [frozenset((one.left_id, one.right_id)) for one in mine if one.repeats_id is None]
        assert len(pairs) == len(set(pairs))

    answer_all(store, ann)
    figures = rater_figures(store, ann)
    assert (figures.own.share, figures.own.n, figures.everybody.n) == (1.0, 1, 1)
    assert figures.agreement.share == 1.0
    assert figures.agreement.n == 2
    assert figures.raters == 2
    assert figures.agreement.ci_low is not None
    assert figures.agreement.ci_low < 0.4


def test_a_rater_who_says_left_whatever_is_shown_is_not_consistent(sqlite_store: Store, folder: Path) -> None:
    add(sqlite_store, images(folder))
    queue = of(sqlite_store)
    for seed in range(3):
        plan(sqlite_store, queue, seed=seed)
        answer_all(sqlite_store, queue, ["left"] * 20)
    found = rater_figures(sqlite_store, queue).own
    assert (found.share, found.n) == (0.0, 2)


def test_two_requests_that_plan_at_once_leave_one_batch(store: Store, folder: Path) -> None:
    add(store, images(folder))
    queue = of(store)
    assert (plan(store, queue, seed=0), plan(store, queue, seed=1)) == (15, 0)
    assert label_state(store, queue).waiting == 15


def test_a_creative_without_its_image_is_not_asked_about(sqlite_store: Store, folder: Path, tmp_path: Path) -> None:
    save_images(tmp_path, 4, first=50)
    ids = add(sqlite_store, sorted(tmp_path.glob("*.png")))
    gone, changed = sorted(tmp_path.glob("*.png"))[:2]
    gone.unlink()
    changed.write_bytes(images(folder)[0].read_bytes())
    queue = of(sqlite_store)
    assert plan(sqlite_store, queue, seed=0) == 1
    one = label_state(sqlite_store, queue).question
    assert one is not None
    assert {one.left, one.right} == set(ids[2:])


def test_labels_that_change_little_are_called_so(
    sqlite_store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(sqlite_store, images(folder)[:6])
    queue = of(sqlite_store)
    plan(sqlite_store, queue, seed=0)
    before = label_state(sqlite_store, queue).knowledge
    assert before is not None
    assert before.known == 0.0
    assert not before.stop
    assert "Stop" not in why_stop(before)
    answer_all(sqlite_store, queue)
    plan(sqlite_store, of(sqlite_store, "ben"), seed=1)
    after = label_state(sqlite_store, of(sqlite_store, "ben")).knowledge
    assert after is not None
    assert after.known > 0.3
    assert after.questions == 0
    assert after.stop
    assert "nothing new is left to ask" in why_stop(after)


def test_planning_looks_at_a_bounded_pool(sqlite_store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(sqlite_store, images(folder))
    monkeypatch.setattr(queues, "MOST_CANDIDATES", 4)
    queue = of(sqlite_store)
    assert plan(sqlite_store, queue, seed=0) == 6
    state = label_state(sqlite_store, queue)
    assert state.knowledge is not None
    assert state.knowledge.candidates == 4
