"""The queue of questions that a rater answers on the page: planned in batches, each answered once, the last taken back.

To rank the whole pool anew after every answer would take longer than the answer. So a batch of questions is chosen
together, each as if the former ones had been answered, and the next batch when few are left. Of a batch one question
was answered by the same rater before and comes back with its sides changed, and one was answered by somebody else.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from abkit.errors import AbkitError, InvalidInput, UsageError
from abkit.records import Record
from abkit.stats.labeling.knowledge import Knowledge, knowledge
from abkit.stats.labeling.questions import Question
from abkit.stats.labeling.taste import kernel, learn_taste
from abkit.store import models
from abkit.store.database.engine import Store
from abkit.store.ratings import links, publish, questions
from abkit.store.ratings.links import SOURCE
from abkit.store.ratings.questions import Asked, NewQuestion
from abkit.store.runs import recorded_run
from abkit.store.schema import ModelVersion, RatingSource, Run
from abkit.vocabulary import Tells
from abkit.workflows.creatives.creative_files import find_images, image_names
from abkit.workflows.ratings.label_pool import LabelPool, read_pool
from abkit.workflows.ratings.next_labels import new_questions

#: Questions that are planned at a time; a new batch is planned when so few are left.
BATCH, FEW_LEFT = 15, 3
#: Bounds of the pool: planning a batch may take as long as fifteen answers together, not longer.
MOST_CANDIDATES, MOST_LABELED = 250, 100
#: A question comes back after so many others at the earliest.
_REPEAT_AFTER = 8
_LOOK_BACK = 300
_STEPS = 10
CHOICES = ("left", "right", "tie", questions.SKIP)


@dataclass(frozen=True, kw_only=True)
class RaterQueue:
    """Whose queue, and what it is about.

    Attributes:
        rater: Id of the rater.
        campaign: Id of the only campaign; None for all.
        pairs: Two creatives to choose between, or one to rate.
    """

    rater: int
    campaign: int | None = None
    pairs: bool = True


@dataclass(frozen=True, kw_only=True)
class QueuedQuestion(Record):
    """A question as it is shown.

    Attributes:
        id: Names it in an answer.
        left, right: Ids of the creatives; right is None where it is about one.
        tells: Why it is asked.
    """

    id: int
    left: int
    right: int | None
    tells: Tells


@dataclass(frozen=True, kw_only=True)
class LabelState(Record):
    """Where a rater stands.

    Attributes:
        question: What is asked now; None where nothing is planned.
        upcoming: What comes next, so that its images can be fetched.
        answered: Questions that the rater has answered.
        can_undo: Whether there is a last answer to take back.
        knowledge: What all labels told when the current questions were planned; None before.
        scale: Lowest and highest rating.
        waiting: How many open questions are left.
    """

    question: QueuedQuestion | None
    upcoming: tuple[QueuedQuestion, ...]
    answered: int
    can_undo: bool
    knowledge: Knowledge | None
    scale: tuple[int, int]
    waiting: int


def ensure_rater(store: Store, name: str, *, known: str | None = None) -> int:
    """Return the id of a rater; make it with the first visit.

    Args:
        store: A store at the current migration.
        name: Who labels; only a keyed digest of it is kept.
        known: The pseudonym, where it is known instead.
    """
    with store.read() as session:
        source = _source(session)
        if source is not None and source.salt:
            called = known or publish.pseudonym(source.salt, name)
            if (found := links.find_rater(session, source.id, called)) is not None:
                return found
    with recorded_run(store, "rater", {}) as run, store.write() as session:
        number, salt = publish.source_of(session, run, SOURCE, None)
        called = known or publish.pseudonym(salt, name)
        return links.ensure_rater(session, run, number, called, datetime.now(UTC))


def label_state(store: Store, queue: RaterQueue) -> LabelState:
    """Return where a rater stands; nothing is planned."""
    with store.read() as session:
        return _state(session, queue)


def _state(session: Session, queue: RaterQueue) -> LabelState:
    rater, campaign, pairs = queue.rater, queue.campaign, queue.pairs
    waiting = questions.open_questions(session, rater, campaign, pairs=pairs, limit=BATCH + FEW_LEFT)
    last = questions.last_answered(session, rater, campaign, pairs=pairs)
    shown = tuple(
        QueuedQuestion(id=one.id, left=one.left_id, right=one.right_id, tells=Tells(one.tells)) for one in waiting[:4]
    )
    planned = waiting[-1].run_id if waiting else last.run_id if last is not None else None
    run = session.get(Run, planned) if planned is not None else None
    found = (run.outcome or {}).get("knowledge") if run is not None else None
    return LabelState(
        question=shown[0] if shown else None,
        upcoming=shown[1:],
        answered=questions.count_answers(session, rater, campaign, pairs=pairs),
        can_undo=last is not None,
        knowledge=Knowledge(**found) if found else None,
        scale=_scale(session),
        waiting=len(waiting),
    )


def plan(store: Store, queue: RaterQueue, *, seed: int | None = None) -> int:
    """Plan the next batch of a rater, where few questions are left; return how many were added.

    1. Read a bounded pool, what was labeled, and what this rater and others were asked.
    2. Learn the taste, and choose what tells most; repeats and shared questions go in between, sides by chance.
    3. Leave out questions whose image is gone or has changed.
    4. Put them at the end of the queue, unless another request has done so in the meantime.

    Args:
        store: A store at the current migration.
        queue: Whose, and what it is about.
        seed: Seed of what is left to chance; None takes another one each time.

    Raises:
        AbkitError: Nothing was scored, or nothing is left to ask.
    """
    seed = secrets.randbits(32) if seed is None else seed
    rng = np.random.default_rng(seed)
    now = datetime.now(UTC)
    with store.read() as session:
        version = models.active_model(session)
        if version is None:
            raise AbkitError("there is nothing to label: no creative has a score", hint="abkit score IMAGES")
        pool = _pool(session, version, queue, seed)
        rater, campaign, pairs = queue.rater, queue.campaign, queue.pairs
        mine = questions.asked(session, rater, campaign, pairs=pairs, limit=_LOOK_BACK)
        elsewhere = questions.others_open(session, rater, pairs=pairs, since=now - timedelta(days=1))
        shared = questions.others_answered(session, rater, campaign, pairs=pairs, limit=_LOOK_BACK)
        names = image_names(session, pool.ids[: pool.candidates].tolist())
    place = {int(id_): k for k, id_ in enumerate(pool.ids[: pool.candidates])}
    there = np.array([any(map(os.path.isfile, names[int(i)].paths)) for i in pool.ids[: pool.candidates]], dtype=bool)
    extra = _repeat(mine, rng) + _shared(mine, shared, {id_ for id_, k in place.items() if there[k]}, rng)
    everyone = kernel(pool.embeddings, pool.scores)
    taste = learn_taste(everyone, pool.labels).of(np.arange(pool.candidates))
    open_ = [one for one in (*mine, *elsewhere) if one.answer in ("", questions.SKIP)]
    not_again = [(place[a], place[b]) for a, b in ((one.left, one.right or one.left) for one in open_)
                 if a in place and b in place]  # fmt: skip
    images = not queue.pairs
    found = new_questions(pool, taste, BATCH - len(extra), images=images, there=there, not_again=not_again)
    what = knowledge(taste, everyone[: pool.candidates, : pool.candidates], pool.group, found)
    batch = _with_images(store, _mixed([_asked_about(pool, one, rng) for one in found], extra, rng))
    with recorded_run(store, "label plan", {"campaign": queue.campaign, "pairs": queue.pairs}) as run:
        with store.write() as session:
            unless = FEW_LEFT + 1
            added = questions.add_questions(session, run, queue.rater, queue.campaign, batch, now, unless_open=unless)
        run.outcome.update(questions=added, knowledge=what.to_dict())
    return added


def vote(store: Store, queue: RaterQueue, question: int, answer: str) -> bool:
    """Record an answer; return whether it is new: the second one to a question changes nothing.

    Args:
        store: A store at the current migration.
        queue: Whose question it is.
        question: Its id.
        answer: left, right, tie or skip; for a single creative a whole number of the scale, or skip.

    Raises:
        UsageError: It is not a question of this rater.
        InvalidInput: Not a valid answer.
    """
    with store.write() as session:
        found = questions.find_question(session, question, queue.rater, queue.campaign)
        if found is None:
            raise UsageError("this question is not one of yours", hint="go on with the one that is shown")
        if found.right_id is None and answer != questions.SKIP:
            answer = _rating(session, answer)
        elif answer not in CHOICES:
            raise InvalidInput("this is not an answer", hint="left, right, tie or skip")
        return questions.answer(session, found, answer, datetime.now(UTC))


def undo(store: Store, queue: RaterQueue) -> bool:
    """Take the last answer back, with its vote: the question is asked again. Return whether there was one."""
    with store.write() as session:
        last = questions.last_answered(session, queue.rater, queue.campaign, pairs=queue.pairs)
        return last is not None and questions.take_back(session, last)


def creatives_of(store: Store, rater: int, question: int, *, only: int | None) -> dict[str, int]:
    """Return the creatives of a question of a rater by side, "left" and "right"; {} where it is not theirs.

    Args:
        store: A store at the current migration.
        rater: Id of the rater.
        question: Id of the question.
        only: The only campaign that they are asked about; None for all.
    """
    with store.read() as session:
        found = questions.question_of(session, question, rater)
    if found is None or (only is not None and found.campaign_id != only):
        return {}
    return {"left": found.left_id} | ({"right": found.right_id} if found.right_id is not None else {})


# --- what goes into a batch ---------------------------------------------------------------------------------------


def _pool(session: Session, version: ModelVersion, queue: RaterQueue, seed: int) -> LabelPool:
    pool = read_pool(
        session, version, queue.campaign, usable=None, seed=seed, most=MOST_CANDIDATES, most_labeled=MOST_LABELED
    )
    if not pool.candidates:
        raise AbkitError("there is nothing to label: no creative has a score by the active model", hint="abkit score")
    return pool


def _asked_about(pool: LabelPool, one: Question, rng: np.random.Generator) -> NewQuestion:
    shown = one.turned() if rng.random() < 0.5 else one
    right = None if shown.second is None else int(pool.ids[shown.second])
    return NewQuestion(left=int(pool.ids[shown.first]), right=right, tells=shown.tells.value, gain=shown.gain)


def _repeat(mine: Sequence[Asked], rng: np.random.Generator) -> list[NewQuestion]:
    """Return one question that the rater answered a while ago, with its sides changed."""
    again = {one.repeats for one in mine}
    known = [one for one in mine[_REPEAT_AFTER:] if one.answer not in ("", questions.SKIP) and one.repeats is None]
    former = [one for one in known if one.id not in again]
    if not former:
        return []
    one = former[int(rng.integers(len(former)))]
    left, right = (one.left, None) if one.right is None else (one.right, one.left)
    return [NewQuestion(left=left, right=right, tells=Tells.REPEAT.value, repeats=one.id)]


def _shared(
    mine: Sequence[Asked], others: Sequence[Asked], there: set[int], rng: np.random.Generator
) -> list[NewQuestion]:
    """Return one question that somebody else answered and this rater was not asked."""
    asked = {frozenset((one.left, one.right)) for one in mine}
    known = [
        one
        for one in others
        if frozenset((one.left, one.right)) not in asked
        and one.left in there
        and (one.right is None or one.right in there)
    ]
    if not known:
        return []
    one = known[int(rng.integers(len(known)))]
    left, right = (one.left, one.right)
    if right is not None and rng.random() < 0.5:
        left, right = right, left
    return [NewQuestion(left=left, right=right, tells=Tells.SHARED.value)]


def _mixed(new: list[NewQuestion], extra: list[NewQuestion], rng: np.random.Generator) -> list[NewQuestion]:
    batch = list(new)
    for one in extra:
        batch.insert(int(rng.integers(len(batch) // 2, len(batch) + 1)), one)
    if not batch:
        raise AbkitError(
            "nothing is left to ask: everything that can be asked was answered, or no image is where it was scored",
            hint="score more creatives of a campaign, or keep their images where they were",
        )
    return batch


def _with_images(store: Store, batch: list[NewQuestion]) -> list[NewQuestion]:
    """Return the questions whose images are there and unchanged."""
    shown = {one.left for one in batch} | {one.right for one in batch if one.right is not None}
    with store.read() as session:
        names = image_names(session, shown)
    paths = find_images(names)
    found = [one for one in batch if one.left in paths and (one.right is None or one.right in paths)]
    if not found:
        raise AbkitError(
            "there is nothing to label: the images have changed since they were scored", hint="score them again"
        )
    return found


# --- the scale ------------------------------------------------------------------------------------------------------


def _source(session: Session) -> RatingSource | None:
    return session.scalars(select(RatingSource).where(RatingSource.key == SOURCE)).one_or_none()


def _scale(session: Session) -> tuple[int, int]:
    """Return the scale of ratings: that of former ones, or of the active model where it is one of few steps."""
    source = _source(session)
    if source is not None and source.scale_low is not None and source.scale_high is not None:
        return int(source.scale_low), int(source.scale_high)
    version = models.active_model(session)
    if version is not None:
        low, high = version.scale_low, version.scale_high
        if low == int(low) and high == int(high) and 1 <= high - low < _STEPS:
            return int(low), int(high)
    return 1, 7


def _rating(session: Session, answer: str) -> str:
    low, high = _scale(session)
    if not (answer.isascii() and answer.lstrip("-").isdigit() and low <= int(answer) <= high):
        raise InvalidInput("this is not a rating", hint=f"a whole number from {low} to {high}, or skip")
    source = _source(session)
    if source is not None and source.scale_low is None:
        source.scale_low, source.scale_high = float(low), float(high)
    return str(int(answer))
