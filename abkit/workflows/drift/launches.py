"""Which creatives were launched when, as ideas: the sizes of one idea are one observation, launched with the first."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property

from sqlalchemy.orm import Session

from abkit.stats.monitoring.budget import last_look
from abkit.store.catalog import creatives
from abkit.store.catalog.ideas import ideas_of
from abkit.store.schema import ModelVersion
from abkit.workflows.unseen_scores import unseen_scores


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
    """Everything that was launched up to a day.

    Attributes:
        last: The day.
        days: Day of launch by creative, in order of launch.
        labels: Idea by creative, of those that share one; another creative is an idea of its own.
        scored: The creatives that the version scored and did not learn from.
    """

    last: date
    days: dict[int, date]
    labels: dict[int, int]
    scored: frozenset[int]

    def label(self, creative: int) -> int:
        """Return the label of a creative's idea."""
        return self.labels.get(creative, -creative)

    @cached_property
    def _ideas(self) -> dict[int, list[int]]:
        """Creatives by idea, in the order of the ideas' first launches."""
        found: dict[int, list[int]] = {}
        for creative in self.days:
            found.setdefault(self.label(creative), []).append(creative)
        return found

    @cached_property
    def _scored_labels(self) -> list[int]:
        return [label for label, members in self._ideas.items() if not self.scored.isdisjoint(members)]

    @property
    def scored_ideas(self) -> int:
        """How many ideas have a score that counts."""
        return len(self._scored_labels)

    def at_last_look(self, window: int) -> Launches:
        """Return what there was at the last look: without what is newer than whole quarters of a window."""
        seen = self._scored_labels[: last_look(self.scored_ideas, window)]
        if len(seen) == self.scored_ideas:
            return self
        newer = set(self._scored_labels[len(seen) :])
        return replace(self, days={one: day for one, day in self.days.items() if self.label(one) not in newer})

    def per_day(self) -> float:
        """Return how many scored ideas are launched a day: over the last year, or four weeks where that is more."""
        days = sorted(self.days[self._ideas[label][0]] for label in self._scored_labels)
        if not days:
            return 0.0
        spans = [max(28, min(span, (days[-1] - days[0]).days + 1)) for span in (28, 365)]
        return max(sum((days[-1] - day).days < span for day in days) / span for span in spans)

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
