"""Days that were randomized, each to one arm: blocks of days are the units, less the days that a switch spills into."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby, pairwise

import numpy as np

from abkit.errors import InvalidInput
from abkit.records import percent
from abkit.stats.arms import PairMoments
from abkit.stats.estimate import ArmMean
from abkit.stats.means.estimates import compare_estimates
from abkit.stats.means.few_units import compare_few, ratio_p
from abkit.stats.means.pairs import ratio_of_means
from abkit.stats.verdicts.equivalence import MarginTest
from abkit.stats.verdicts.guards import Guard
from abkit.vocabulary import AnalysisUnit, GuardStatus, Metric
from abkit.workflows.experiments.arms import Arm
from abkit.workflows.experiments.units.comparer import Compared, largest_loss, not_worse_than

FEWEST_BLOCKS = 4
"""In each arm: the variance between fewer is a guess."""

MOST_STRAY = 0.01
"""Delivery of another arm on an arm's day: clocks and pauses are never exact."""


@dataclass(frozen=True)
class Block:
    """Days in a row that were drawn together.

    Attributes:
        arm: The arm that they belong to.
        days: Those that count: not the ones that the switch before it spills into.
        complete: Whether its last day is there.
    """

    arm: str
    days: tuple[date, ...]
    complete: bool


@dataclass(frozen=True)
class Schedule:
    """Which arm each day belongs to.

    Attributes:
        days: Day → arm, in the order of time: the days that were delivered on.
        start: First day of the first block.
        length: Days of a block: the largest number that fits all switches.
        carry_over: Days at the beginning of each block that are left out, whether or not the arm changed: blocks of
            unlike length are judged too boldly. Where that would leave nothing: days after a switch.
    """

    days: Mapping[date, str]
    start: date
    length: int
    carry_over: int

    @classmethod
    def of(cls, arms: Sequence[Arm], written: Mapping[date, str], carry_over: int = 0) -> Schedule:
        """Return the days of each arm: as written down, else each day's is the one that delivered most."""
        served: dict[date, dict[str, int]] = {}
        for arm in arms:
            for day, figures in arm.delivery.by_day.items():
                served.setdefault(day, {})[arm.key] = figures.impressions
        days = {day: max(shown, key=shown.__getitem__) for day, shown in sorted(served.items())}
        # A day without delivery, or between two blocks, ends none: the blocks are those that were drawn.
        drawn = dict(sorted(written.items())) or days
        if written:
            days = {day: written[day] for day in days if day in written}
        starts = [next(run) for _, run in groupby(drawn, key=drawn.__getitem__)]
        # The last run may go on; all others are whole blocks.
        length = math.gcd(*((later - one).days for one, later in pairwise(starts))) or 1
        return cls(days, starts[0] if starts else date.min, length, carry_over)

    def blocks(self, until: date | None = None) -> list[Block]:
        """Return the blocks up to a day; those that carry-over leaves nothing of are no units."""
        days = [day for day in self.days if until is None or day <= until]
        kept: dict[tuple[int, str], list[date]] = {}
        before, since = "", date.min
        for day in days:
            arm, number = self.days[day], self._number(day)
            if arm != before:
                before, since = arm, day
            if self.carry_over < self.length:
                since = self.start + timedelta(number * self.length)
            block = kept.setdefault((number, arm), [])
            if day >= since + timedelta(self.carry_over):
                block.append(day)
        ends = {number: self.start + timedelta((number + 1) * self.length - 1) for number, _ in kept}
        return [Block(arm, tuple(of), ends[number] <= days[-1]) for (number, arm), of in kept.items() if of]

    def _number(self, day: date) -> int:
        return (day - self.start).days // self.length


@dataclass(frozen=True)
class Blocks:
    """Compares arms on their blocks of days. See `Comparer` for the methods.

    Attributes:
        schedule: Which arm each day belongs to.
        written: Whether it was written down, and not made out from what was delivered.
        planned_days: Days of both arms at which the any-time intervals are tightest.
    """

    schedule: Schedule
    written: bool
    planned_days: float
    unit: AnalysisUnit = AnalysisUnit.BLOCKS
    daily: bool = True

    @property
    def tuning(self) -> float:  # noqa: D102
        return max(self.planned_days / self.schedule.length, 1.0)

    def compare(  # noqa: D102
        self, control: Arm, treatment: Arm, metric: Metric, level: float, until: date | None = None
    ) -> Compared | None:
        try:
            fixed = compare_estimates(*self._ratios(control, treatment, metric, until), level=level)
        except InvalidInput:
            return None
        try:
            closed = self._ratios(control, treatment, metric, until, complete=True)
            return Compared(compare_few(*closed, tuning=self.tuning, level=level, what=self._what), fixed)
        except InvalidInput:
            return Compared(None, fixed)

    def not_worse(  # noqa: D102
        self, control: Arm, treatment: Arm, metric: Metric, *, margin: float, level: float, anytime: bool
    ) -> MarginTest | None:
        tuning = self.tuning if anytime else None
        try:
            one, two = self._ratios(control, treatment, metric, complete=anytime)
            if anytime:
                both = compare_few(one, two, tuning=self.tuning, level=2 * level - 1, what=self._what)
            else:
                both = compare_estimates(one, two, level=2 * level - 1)
            ratio, side = largest_loss(metric, margin, one.mean)
            p_value = ratio_p(one, two, ratio, alternative=side, tuning=tuning, alpha=2 * (1 - level))
        except InvalidInput:
            return None
        return not_worse_than(both.difference, p_value, margin=margin, control=one.mean, level=level, anytime=anytime)

    @property
    def _what(self) -> str:
        return "days" if self.schedule.length == 1 else f"blocks of {self.schedule.length} days"

    def _ratios(
        self, control: Arm, treatment: Arm, metric: Metric, until: date | None = None, *, complete: bool = False
    ) -> list[ArmMean]:
        """Return the ratio of each arm with its standard error between blocks."""
        blocks = [block for block in self.schedule.blocks(until) if block.complete or not complete]
        ratios = []
        for arm in (control, treatment):
            days = arm.days(metric)
            own = [[day for day in block.days if day in days.exposures] for block in blocks if block.arm == arm.key]
            pairs = [
                (sum(days.successes[day] for day in block), sum(days.exposures[day] for day in block))
                for block in own
                if block
            ]
            if len(pairs) < 2:
                raise InvalidInput(f"{arm.key} has {len(pairs)} blocks; expected at least 2")
            y, x = np.array(pairs, dtype=float).T
            ratios.append(ratio_of_means(PairMoments.from_values(y, x)))
        return ratios

    def guards(self, arms: Sequence[Arm], metric: Metric, level: float) -> tuple[Guard, ...]:  # noqa: D102
        stray = self._stray(arms)
        if not self.written and stray > MOST_STRAY:
            found = f"{percent(stray, 1)} of the impressions are of another arm than the one that has the day"
            action = "pause the other ads on each day, or say which day was whose: --schedule FILE"
            return (Guard("units", GuardStatus.BLOCK, found, action),)
        counted = self.counted(arms, metric)
        said = ", ".join(f"{number} in {key}" for key, number in counted.items())
        if min(counted.values()) < FEWEST_BLOCKS:
            found = f"{self._what}: {said}; at least {FEWEST_BLOCKS} are needed in each arm"
            return (Guard("units", GuardStatus.BLOCK, found, "let it run longer, or switch more often"),)
        return (Guard("units", GuardStatus.PASS, f"{self._what}: {said}"),)

    def counted(self, arms: Sequence[Arm], metric: Metric) -> Mapping[str, int]:  # noqa: D102
        blocks = self.schedule.blocks()
        return {arm.key: sum(block.arm == arm.key for block in blocks) for arm in arms}

    def notes(self, arms: Sequence[Arm]) -> tuple[str, ...]:  # noqa: D102
        said = []
        if self.schedule.length > 1:
            said.append(f"arms were switched every {self.schedule.length} days at most: such blocks are the units")
        counting = {day for block in self.schedule.blocks() for day in block.days}
        if left := len(self.schedule.days) - len(counting):
            said.append(f"carry-over: {left} of {len(self.schedule.days)} days are left out")
        if stray := self._stray(arms):
            said.append(f"{percent(stray, 2)} of the impressions fall on days of another arm, and are left out")
        return tuple(said)

    def _stray(self, arms: Sequence[Arm]) -> float:
        """Return the share of the impressions that an arm delivered on days that are not its own."""
        shown = [
            (figures.impressions, self.schedule.days.get(day) == arm.key)
            for arm in arms
            for day, figures in arm.delivery.by_day.items()
        ]
        total = sum(number for number, _ in shown)
        return sum(number for number, own in shown if not own) / total if total else 0.0
