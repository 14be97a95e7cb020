"""The queue of questions of each rater, and their answers: each lands once as a comparison or a rating.

The steps of an answer, in the order of the code:

1. Claim the question: update it *where it is not answered*. An answer that arrives twice changes nothing.
2. Note it with what this rater answered on this day, a row like that of an imported table.
3. Write the comparison or the rating. Its instant is that of the claim, so that an undo finds it again.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, select, update
from sqlalchemy.orm import Session, aliased

from abkit.store.database.statements import count_changed, insert_missing
from abkit.store.runs import RunRecord
from abkit.store.schema import Comparison, LabelQuestion, Rater, Rating, RatingImport

SKIP = "skip"
#: For the first of a pair by the side that was chosen, where the first creative was on the left.
_SHARES = {"left": 1.0, "right": 0.0, "tie": 0.5}
_NAME = "label page"


@dataclass(frozen=True, kw_only=True)
class NewQuestion:
    """A question to be asked.

    Attributes:
        left, right: Creatives; right is None where it is about one.
        tells: Why it is asked: one of `Tells`.
        gain: Share of what is not known that its answer is expected to tell.
        repeats: The question that it asks again; None for a new one.
    """

    left: int
    right: int | None
    tells: str
    gain: float | None = None
    repeats: int | None = None


def open_questions(
    session: Session, rater: int, campaign: int | None, *, pairs: bool, limit: int
) -> list[LabelQuestion]:
    """Return what a rater is asked next, in order: only pairs, or only single creatives."""
    query = _of(rater, campaign, pairs=pairs).where(LabelQuestion.answered_at.is_(None))
    return list(session.scalars(query.order_by(LabelQuestion.number).limit(limit)))


def find_question(session: Session, question: int, rater: int, campaign: int | None) -> LabelQuestion | None:
    """Return a question of this rater about this campaign; None where it is not theirs."""
    own = select(LabelQuestion).where(LabelQuestion.id == question, LabelQuestion.rater_id == rater)
    return session.scalars(own.where(_scope(campaign))).one_or_none()


def question_of(session: Session, question: int, rater: int) -> LabelQuestion | None:
    """Return a question of this rater, whatever it is about; None where it is not theirs."""
    own = select(LabelQuestion).where(LabelQuestion.id == question, LabelQuestion.rater_id == rater)
    return session.scalars(own).one_or_none()


def last_answered(session: Session, rater: int, campaign: int | None, *, pairs: bool) -> LabelQuestion | None:
    """Return what a rater answered last; None where nothing was answered."""
    query = _of(rater, campaign, pairs=pairs).where(LabelQuestion.answered_at.is_not(None))
    return session.scalars(query.order_by(LabelQuestion.answered_at.desc()).limit(1)).one_or_none()


def add_questions(
    session: Session,
    run: RunRecord,
    rater: int,
    campaign: int | None,
    questions: Sequence[NewQuestion],
    now: datetime,
    *,
    unless_open: int,
) -> int:
    """Put questions at the end of a rater's queue; return how many.

    Args:
        session: A writing session.
        run: The run that chose them.
        rater: Whom they are for.
        campaign: What the rater is asked about.
        questions: In the order in which they are asked.
        now: When.
        unless_open: Add nothing where so many are open already: two requests may plan at once.
    """
    # The row of the rater is the lock: the numbers of one rater follow each other.
    session.execute(select(Rater.id).where(Rater.id == rater).with_for_update())
    pairs = any(one.right is not None for one in questions)
    waiting = open_questions(session, rater, campaign, pairs=pairs, limit=unless_open)
    if not questions or len(waiting) >= unless_open:
        return 0
    last = session.scalar(select(func.max(LabelQuestion.number)).where(LabelQuestion.rater_id == rater)) or 0
    session.add_all(
        LabelQuestion(
            rater_id=rater,
            number=number,
            campaign_id=campaign,
            left_id=one.left,
            right_id=one.right,
            tells=one.tells,
            gain=one.gain,
            repeats_id=one.repeats,
            asked_at=now,
            run_id=run.id,
        )
        for number, one in enumerate(questions, start=last + 1)
    )
    return len(questions)


def answer(session: Session, question: LabelQuestion, text: str, now: datetime) -> bool:
    """Record an answer; return whether it is new. The second one to a question changes nothing.

    Args:
        session: A writing session.
        question: A question, as `find_question` has it.
        text: left, right or tie; a number of the scale; or skip, which leaves no vote.
        now: When.
    """
    claim = update(LabelQuestion).where(LabelQuestion.id == question.id, LabelQuestion.answered_at.is_(None))
    if count_changed(session, claim.values(answered_at=now, answer=text)) == 0:
        return False
    if text == SKIP:
        return True
    own = {"rater_id": question.rater_id, "rating_import_id": _import_of(session, question, now)}
    if question.right_id is None:
        session.add(Rating(creative_id=question.left_id, rated_at=stamp(now), score=float(text), **own))
        return True
    turned = question.left_id > question.right_id
    first, second = sorted((question.left_id, question.right_id))
    share = 1.0 - _SHARES[text] if turned else _SHARES[text]
    session.add(Comparison(first_id=first, second_id=second, compared_at=stamp(now), share=share, weight=1.0, **own))
    return True


def take_back(session: Session, question: LabelQuestion) -> bool:
    """Open a question again and remove the vote that its answer left; return whether it was answered."""
    if question.answered_at is None:
        return False
    claim = update(LabelQuestion).where(
        LabelQuestion.id == question.id, LabelQuestion.answered_at == question.answered_at
    )
    if count_changed(session, claim.values(answered_at=None, answer="")) == 0:
        return False
    at = stamp(question.answered_at)
    if question.right_id is None:
        own = (Rating.rater_id == question.rater_id, Rating.creative_id == question.left_id, Rating.rated_at == at)
        batch = session.scalar(select(Rating.rating_import_id).where(*own))
        session.execute(delete(Rating).where(*own))
    else:
        first, second = sorted((question.left_id, question.right_id))
        mine = (Comparison.rater_id == question.rater_id, Comparison.compared_at == at)
        pair = (Comparison.first_id == first, Comparison.second_id == second)
        batch = session.scalar(select(Comparison.rating_import_id).where(*mine, *pair))
        session.execute(delete(Comparison).where(*mine, *pair))
    if batch is not None:
        _count(session, RatingImport.id == batch, -1)
    return True


def stamp(at: datetime) -> str:
    """Return the instant of an answer as the table of votes has it."""
    return at.isoformat(timespec="microseconds")


def _import_of(session: Session, question: LabelQuestion, now: datetime) -> int:
    kind = "votes" if question.right_id is None else "comparisons"
    said = f"{_NAME} {question.rater_id} {kind} {now.date()}"
    digest = hashlib.sha256(said.encode()).hexdigest()
    source = session.scalars(select(Rater.rating_source_id).where(Rater.id == question.rater_id)).one()
    row = {"digest": digest, "name": _NAME, "rating_source_id": source, "kind": kind, "options": {}, "rows": 0}
    row |= {"imported": 0, "unchanged": 0, "rejected": 0, "imported_at": now, "run_id": question.run_id}
    insert_missing(session, RatingImport, [row], key=["digest"])
    _count(session, RatingImport.digest == digest, 1)
    return session.scalars(select(RatingImport.id).where(RatingImport.digest == digest)).one()


def _count(session: Session, which: ColumnElement[bool], by: int) -> None:
    counted = {"rows": RatingImport.rows + by, "imported": RatingImport.imported + by}
    session.execute(update(RatingImport).where(which).values(counted).execution_options(synchronize_session=False))


# --- what was asked ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question as the planning of the next ones needs it.

    Attributes:
        id: The question.
        left, right: Creatives; right is None where it is about one.
        answer: left, right, tie, skip or a number; "" while it is open.
        repeats: The question that it asked again.
    """

    id: int
    left: int
    right: int | None
    answer: str
    repeats: int | None


def asked(session: Session, rater: int, campaign: int | None, *, pairs: bool, limit: int) -> list[Asked]:
    """Return the latest questions of a rater, the latest first."""
    query = _of(rater, campaign, pairs=pairs).order_by(LabelQuestion.number.desc()).limit(limit)
    return [_plain(one) for one in session.scalars(query)]


def others_open(session: Session, rater: int, *, pairs: bool, since: datetime) -> list[Asked]:
    """Return what other raters were asked lately and have not answered yet."""
    single = LabelQuestion.right_id.is_not(None) if pairs else LabelQuestion.right_id.is_(None)
    query = select(LabelQuestion).where(LabelQuestion.rater_id != rater, LabelQuestion.answered_at.is_(None), single)
    return [_plain(one) for one in session.scalars(query.where(LabelQuestion.asked_at >= since))]


def others_answered(session: Session, rater: int, campaign: int | None, *, pairs: bool, limit: int) -> list[Asked]:
    """Return the latest questions that other raters answered about the same campaign, the latest first."""
    single = LabelQuestion.right_id.is_not(None) if pairs else LabelQuestion.right_id.is_(None)
    query = (
        select(LabelQuestion)
        .where(LabelQuestion.rater_id != rater, LabelQuestion.answered_at.is_not(None), single)
        .where(LabelQuestion.answer != SKIP)
        .order_by(LabelQuestion.answered_at.desc())
        .limit(limit)
    )
    if campaign is not None:
        query = query.where(LabelQuestion.campaign_id == campaign)
    return [_plain(one) for one in session.scalars(query)]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What was answered, for figures about raters.

    Attributes:
        repeats: (former left, former answer, left, answer) of each question that one rater answered twice.
        votes: (rater, left, right, answer) of each first answer, the latest first.
    """

    repeats: tuple[tuple[int, str, int, str], ...]
    votes: tuple[tuple[int, int, int | None, str], ...]


def answers(session: Session, campaign: int | None, *, pairs: bool, rater: int | None, limit: int) -> Answers:
    """Return what was answered about a campaign: the repeats of one rater or of all, and everybody's first answers."""
    former = aliased(LabelQuestion)
    single = LabelQuestion.right_id.is_not(None) if pairs else LabelQuestion.right_id.is_(None)
    real = (LabelQuestion.answered_at.is_not(None), LabelQuestion.answer != SKIP, single)
    twice = (
        select(former.left_id, former.answer, LabelQuestion.left_id, LabelQuestion.answer)
        .join(former, former.id == LabelQuestion.repeats_id)
        .where(*real, former.answered_at.is_not(None), former.answer != SKIP)
        .order_by(LabelQuestion.id.desc())
        .limit(limit)
    )
    votes = (
        select(LabelQuestion.rater_id, LabelQuestion.left_id, LabelQuestion.right_id, LabelQuestion.answer)
        .where(*real, LabelQuestion.repeats_id.is_(None))
        .order_by(LabelQuestion.id.desc())
        .limit(limit)
    )
    if rater is not None:
        twice = twice.where(LabelQuestion.rater_id == rater)
    if campaign is not None:
        twice = twice.where(LabelQuestion.campaign_id == campaign)
        votes = votes.where(LabelQuestion.campaign_id == campaign)
    return Answers(
        repeats=tuple((row[0], row[1], row[2], row[3]) for row in session.execute(twice)),
        votes=tuple((row[0], row[1], row[2], row[3]) for row in session.execute(votes)),
    )


def count_answers(session: Session, rater: int, campaign: int | None, *, pairs: bool) -> int:
    """Return how many questions a rater has answered."""
    query = _of(rater, campaign, pairs=pairs).where(LabelQuestion.answered_at.is_not(None))
    counted = query.where(LabelQuestion.answer != SKIP).with_only_columns(func.count(LabelQuestion.id))
    return session.scalars(counted).one()


def _of(rater: int, campaign: int | None, *, pairs: bool) -> Select[Any]:
    kind = LabelQuestion.right_id.is_not(None) if pairs else LabelQuestion.right_id.is_(None)
    return select(LabelQuestion).where(LabelQuestion.rater_id == rater, _scope(campaign), kind)


def _scope(campaign: int | None) -> ColumnElement[bool]:
    return LabelQuestion.campaign_id.is_(None) if campaign is None else LabelQuestion.campaign_id == campaign


def _plain(one: LabelQuestion) -> Asked:
    return Asked(id=one.id, left=one.left_id, right=one.right_id, answer=one.answer, repeats=one.repeats_id)
