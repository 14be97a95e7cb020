"""Which creatives were launched when, as ideas: the sizes of one idea are one observation, launched with the first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property

from sqlalchemy.orm import Session

from abkit.stats.monitoring.budget import last_look
from abkit.store import scores, trials
from abkit.store.catalog import creatives
from abkit.store.catalog.ideas import creatives_of, ideas_launched, ideas_of
from abkit.store.schema import ModelVersion
from abkit.workflows.creatives.unseen_scores import unseen_scores


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The creatives of a window.

    Attributes:
        creatives: Their ids, in order of launch; all sizes of an idea.
        labels: Their ideas.
        first: Day of the first launch; None without any that is known.
    """

    creatives: tuple[int, ...] = ()
    labels: frozenset[int] = frozenset()
    first: date | None = None

    @property
    def ideas(self) -> int:
        """How many ideas they are."""
        return len(self.labels)


@dataclass(frozen=True, kw_only=True)
class Launches:
    """What was launched up to a day: all of it, or from a day on.

    Attributes:
        last: The day.
        days: Day of launch by creative, in order of launch.
        labels: Idea by creative, of those that share one; another creative is an idea of its own.
        scored: The creatives that the version scored and did not learn from.
        earlier: Of what was launched before all of these: how many ideas with a score that counts, by day of launch.
    """

    last: date
    days: dict[int, date]
    labels: dict[int, int]
    scored: frozenset[int]
    earlier: Mapping[date, int] = field(default_factory=dict)

    def label(self, creative: int) -> int:
        """Return the label of a creative's idea."""
        return self.labels.get(creative, -creative)

    @cached_property
    def _ideas(self) -> dict[int, list[int]]:
        """Creatives by idea, in the order of the ideas' first launches."""
        found: dict[int, list[int]] = {}
        label_of = self.labels.get
        for creative in self.days:
            found.setdefault(label_of(creative, -creative), []).append(creative)
        return found

    @cached_property
    def _scored_labels(self) -> list[int]:
        return [label for label, members in self._ideas.items() if not self.scored.isdisjoint(members)]

    @cached_property
    def _scored_earlier(self) -> int:
        return sum(self.earlier.values())

    @property
    def scored_ideas(self) -> int:
        """How many ideas have a score that counts."""
        return self._scored_earlier + len(self._scored_labels)

    @property
    def scored_days(self) -> Counter[date]:
        """How many ideas of these, not of the earlier, have a score that counts, by day of launch."""
        return Counter(self.days[self._ideas[label][0]] for label in self._scored_labels)

    def at_last_look(self, window: int) -> Launches:
        """Return what there was at the last look: without what is newer than whole quarters of a window."""
        seen = self._scored_labels[: max(0, last_look(self.scored_ideas, window) - self._scored_earlier)]
        if len(seen) == len(self._scored_labels):
            return self
        newer = set(self._scored_labels[len(seen) :])
        return replace(self, days={one: day for one, day in self.days.items() if self.label(one) not in newer})

    def per_day(self) -> float:
        """Return how many scored ideas are launched a day: over the last year, or four weeks where that is more."""
        days = self.scored_days + Counter(self.earlier)
        if not days:
            return 0.0
        last = max(days)
        spans = [max(28, min(span, (last - min(days)).days + 1)) for span in (28, 365)]
        return max(sum(n for day, n in days.items() if (last - day).days < span) / span for span in spans)

    def of(self, wanted: Iterable[int], *, without: Chosen | None = None) -> Chosen:
        """Return these creatives, in the given order."""
        barred = without.labels if without else frozenset()
        kept = tuple(one for one in wanted if self.label(one) not in barred)
        days = [self.days[one] for one in kept if one in self.days]
        return Chosen(creatives=kept, labels=frozenset(map(self.label, kept)), first=min(days, default=None))

    def between(self, first: date, last: date, *, without: Chosen | None = None) -> Chosen:
        """Return the creatives of the ideas that were first launched between two days."""
        return self._of_ideas(lambda day: first <= day <= last, self._ideas, without)

    def latest(self, number: int, *, before: date | None = None, without: Chosen | None = None) -> Chosen:
        """Return the creatives of the ideas launched last that have a score that counts.

        Args:
            number: How many ideas.
            before: Only those launched before this day.
            without: Nothing of these ideas.
        """
        barred = without.labels if without else frozenset()
        wanted = [
            label
            for label in self._scored_labels
            if label not in barred and (before is None or self.days[self._ideas[label][0]] < before)
        ]
        return self._of_ideas(lambda _: True, wanted[-number:], without)

    def first_scores(self, scores: Mapping[int, float]) -> list[float]:
        """Return a score of each idea: of the first of its creatives that has one."""
        with_one = (next((one for one in members if one in scores), None) for members in self._ideas.values())
        return [scores[one] for one in with_one if one is not None]

    def _of_ideas(
        self, launched: Callable[[date], bool], labels: Iterable[int], without: Chosen | None = None
    ) -> Chosen:
        barred = without.labels if without else frozenset()
        kept = [label for label in labels if label not in barred and launched(self.days[self._ideas[label][0]])]
        return Chosen(
            creatives=tuple(creative for label in kept for creative in self._ideas[label]),
            labels=frozenset(kept),
            first=self.days[self._ideas[kept[0]][0]] if kept else None,
        )


def launches_until(session: Session, as_of: date, version: ModelVersion | None) -> Launches:
    """Return everything that was launched up to a day, with what a version scored and did not learn from."""
    return Launches(
        last=as_of,
        days={creative: day for day, creative in creatives.launches(session, as_of)},
        labels=ideas_of(session),
        scored=frozenset(unseen_scores(session, version).scores) if version else frozenset(),
    )


def launches_between(
    session: Session, first: date, last: date, as_of: date, version: ModelVersion
) -> tuple[Launches, dict[int, float]]:
    """Return the ideas that were first launched between two days, with all their creatives up to a third, and scores.

    Args:
        session: A reading session.
        first, last: Days of the first launch of an idea.
        as_of: The day after which nothing exists yet.
        version: Its scores count, but of creatives that it learned from.
    """
    days = {creative: day for day, creative in creatives.launches(session, last, first)}
    labels = creatives_of(session, {label for label in ideas_of(session, days).values() if label > 0})
    days = {one: day for one, day in days.items() if one not in labels}
    days |= _sizes(session, labels, first, last, as_of)
    known = unseen_scores(session, version, days).scores
    if labels:
        days = dict(sorted(days.items(), key=lambda one: (one[1], one[0])))
    return Launches(last=as_of, days=days, labels=labels, scored=frozenset(known)), known


def launched_by_day(
    session: Session, first: date, last: date, as_of: date, version: ModelVersion
) -> Mapping[date, int] | None:
    """Return how many ideas with a score were first launched on each of these days: `scored_days`, added up by SQL.

    Returns:
        None where the version learned from delivery: which scores count takes a look at each creative then.
    """
    if trials.learned_until(session, version.id) is not None:
        return None
    found = Counter(scores.scored_launches_by_day(session, version.id, first, last))
    labels = creatives_of(session, ideas_launched(session, first, last))
    days = _sizes(session, labels, first, last, as_of)
    days = dict(sorted(days.items(), key=lambda one: (one[1], one[0])))
    scored = unseen_scores(session, version, days).scores
    return found + Launches(last=as_of, days=days, labels=labels, scored=frozenset(scored)).scored_days


def _sizes(session: Session, labels: Mapping[int, int], first: date, last: date, as_of: date) -> dict[int, date]:
    """Return the days of the sizes of those ideas that were first launched between two days."""
    sizes = {one: day for one, day in creatives.launch_days(session, labels).items() if day <= as_of}
    began: dict[int, date] = {}
    for one, day in sizes.items():
        began[labels[one]] = min(day, began.get(labels[one], day))
    return {one: day for one, day in sizes.items() if first <= began[labels[one]] <= last}
