"""Sketches of months that are over, kept with the version: a check reads what was launched since, and these.

A sketch says for a month how many ideas were launched on each day, and how they were scored. It rests on rows that may
change all the same: somebody scores old images, joins ideas, imports old days. Each check counts those rows, which is
quick, and reads a month again where the counts are others.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from sqlalchemy.orm import Session

from abkit.records import Record
from abkit.stats.monitoring.score_sketch import ScoreSketch, merge, sketch
from abkit.store import models, scores, trials
from abkit.store.catalog import creatives, ideas
from abkit.store.catalog.ideas import IdeaMarks
from abkit.store.schema import ModelVersion
from abkit.workflows.drift.windows.launches import Launches, launched_by_day, launches_between, launches_until

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Marks(Record):
    """What changes with the scores of a version and with ideas.

    Attributes:
        scored, last_score: How many creatives the version scored, and the id of its last score.
        ideas: Those of ideas.
        learned_until: The last day that the version learned from.
    """

    scored: int
    last_score: int
    ideas: IdeaMarks
    learned_until: date | None


@dataclass(frozen=True, kw_only=True)
class Month(Record):
    """A month that is over.

    Attributes:
        first: Its first day.
        rests_on: How many creatives were launched in it, and the sum of their ids.
        days: How many ideas with a score that counts were first launched on each of its days.
        scores: Of these ideas.
    """

    first: date
    rests_on: tuple[int, int]
    days: Mapping[date, int]
    scores: ScoreSketch

    @property
    def n(self) -> int:
        """How many ideas they are."""
        return sum(self.days.values())


@dataclass(frozen=True, kw_only=True)
class History:
    """The months of a version, oldest first.

    Attributes:
        version: The version.
        marks: What they rest on.
        months: All that are kept, also those after `until`.
        until: First day of the months that are not over yet, as of the day of the check.
        changed: Whether there is something to keep.
    """

    version: ModelVersion
    marks: Marks
    months: tuple[Month, ...]
    until: date
    changed: bool

    def launches(self, session: Session, as_of: date, *, ideas: int, before: date | None = None) -> Launches:
        """Return what was launched since a month before which nothing is needed.

        Args:
            session: A reading session.
            as_of: The last day.
            ideas: How many ideas with a score are needed.
            before: Of those that were launched before this day; of all when None.
        """
        closed = [month for month in self.months if month.first < self.until]
        opened = launched_by_day(session, self.until, as_of, as_of, self.version)
        days = sorted(opened or ())
        start, reached = self.until if opened is None else as_of + timedelta(days=1), 0
        while (days or closed) and (reached < ideas or (before is not None and start > before)):
            if opened and days:
                start = days.pop()
                reached += opened[start] if before is None or start < before else 0
            else:
                month = closed.pop()
                reached += month.n if before is None or min(start, self.until) <= before else 0
                start = month.first
        if not closed and not days:
            return launches_until(session, as_of, self.version)
        found, _ = launches_between(session, start, as_of, as_of, self.version)
        earlier = {day: n for month in closed for day, n in month.days.items()}
        return replace(found, earlier=earlier | {day: opened[day] for day in days if opened})

    def before(self, day: date) -> ScoreSketch:
        """Return how all ideas were scored that were launched in months that were over on a day."""
        return merge(month.scores for month in self.months if month.first < self.until and _next(month.first) <= day)


def read_history(session: Session, version: ModelVersion, as_of: date) -> History:
    """Return the months of a version that are over, read again where what they rest on has changed.

    The month of a day and the one before it are not over: figures come late.
    """
    until = (as_of.replace(day=1) - timedelta(days=1)).replace(day=1)
    kept = _restored(models.stored_sketch(session, version.id))
    n, last = scores.score_marks(session, version.id)
    marks = Marks(
        scored=n,
        last_score=last,
        ideas=ideas.idea_marks(session),
        learned_until=trials.learned_until(session, version.id),
    )
    rests_on = _rests_on(session, until)
    months: dict[date, Month] = {}
    if kept is not None:
        stale = {one.first for one in kept[1] if one.first < until and one.rests_on != rests_on.get(one.first)}
        touched = _touched(session, version, kept[0], marks, stale)
        if touched is not None:
            months = {month.first: month for month in kept[1] if month.first not in touched}
    fresh = [_month(session, first, rows, as_of, version) for first, rows in rests_on.items() if first not in months]
    every = sorted([*months.values(), *fresh], key=lambda month: month.first)
    changed = kept is None or bool(fresh) or len(months) != len(kept[1]) or kept[0] != marks
    return History(version=version, marks=marks, months=tuple(every), until=until, changed=changed)


def keep_history(session: Session, run_id: int, history: History) -> None:
    """Keep the months with their version where there is something new."""
    if history.changed and history.months:
        months = [_plain(one) for one in history.months]
        content = {"format": FORMAT, "marks": history.marks.to_dict(), "months": months}
        models.keep_sketch(session, run_id, history.version.id, content)


def _rests_on(session: Session, until: date) -> dict[date, tuple[int, int]]:
    found: dict[date, tuple[int, int]] = {}
    for day, n, ids in creatives.launches_by_day(session, until - timedelta(days=1)):
        first = day.replace(day=1)
        before = found.get(first, (0, 0))
        # Moving a creative to another day of its month changes what is known of the days.
        found[first] = before[0] + n, before[1] + ids * day.day
    return found


def _touched(session: Session, version: ModelVersion, before: Marks, now: Marks, stale: Set[date]) -> set[date] | None:
    """Return the months in which something changed, and those of other sizes of its ideas; None where it may be any.

    Args:
        session: A reading session.
        version: The version.
        before, now: What the months rested on, and what there is.
        stale: Months in which other creatives were launched than before.
    """
    if before.learned_until != now.learned_until:
        return None
    scored = scores.scored_after(session, version.id, before.last_score) if now.last_score > before.last_score else []
    joined, moved = (0, set[int]()) if before.ideas == now.ideas else ideas.changed_since(session, before.ideas)
    # Fewer than there were: some were deleted, and nobody knows which.
    if now.scored != before.scored + len(scored) or now.ideas.n != before.ideas.n + joined:
        return None
    changed = {*scored, *moved}
    for first in stale:
        changed.update(one for _, one in creatives.launches(session, _next(first) - timedelta(days=1), first))
    labels = {label for label in ideas.ideas_of(session, changed).values() if label > 0}
    changed |= set(ideas.creatives_of(session, labels))
    return {*stale, *(day.replace(day=1) for day in creatives.launch_days(session, changed).values())}


def _month(session: Session, first: date, rests_on: tuple[int, int], as_of: date, version: ModelVersion) -> Month:
    last = _next(first) - timedelta(days=1)
    found, known = launches_between(session, first, last, as_of, version)
    return Month(
        first=first,
        rests_on=rests_on,
        days=dict(sorted(found.scored_days.items())),
        scores=sketch(found.first_scores(known)),
    )


def _next(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1)


def _plain(month: Month) -> dict[str, Any]:
    return {
        "first": month.first.isoformat(),
        "rests_on": list(month.rests_on),
        "days": {day.isoformat(): n for day, n in month.days.items()},
        "scores": month.scores.to_dict(),
    }


def _restored(content: Mapping[str, Any] | None) -> tuple[Marks, list[Month]] | None:
    """Return what was kept; None where nothing was, or by a release that kept something else."""
    if content is None or content.get("format") != FORMAT:
        return None
    marks = content["marks"]
    until = marks["learned_until"]
    return (
        Marks(
            scored=marks["scored"],
            last_score=marks["last_score"],
            ideas=IdeaMarks(**marks["ideas"]),
            learned_until=date.fromisoformat(until) if until else None,
        ),
        [_month_of(month) for month in content["months"]],
    )


def _month_of(kept: Mapping[str, Any]) -> Month:
    own = kept["scores"]
    n, ids = kept["rests_on"]
    return Month(
        first=date.fromisoformat(kept["first"]),
        rests_on=(n, ids),
        days={date.fromisoformat(day): count for day, count in kept["days"].items()},
        scores=ScoreSketch(
            values=tuple(own["values"]), counts=tuple(own["counts"]), error=own["error"], moved=own["moved"]
        ),
    )
