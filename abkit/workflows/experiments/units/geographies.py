"""Geographies that were randomized: each belongs to one arm, and is one unit whatever it delivered on how many days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from abkit.errors import InvalidInput
from abkit.metrics import METRICS
from abkit.records import percent
from abkit.stats.estimate import ArmMean
from abkit.stats.means.randomization import RandomizationTest, RandomizedUnits, compare_randomized, smallest_p
from abkit.stats.verdicts.equivalence import MarginTest
from abkit.stats.verdicts.guards import BLOCK, PASS, Guard
from abkit.vocabulary import AnalysisUnit, Metric
from abkit.workflows.experiments.arms import Arm
from abkit.workflows.experiments.units.comparer import Compared, largest_loss, not_worse_than
from abkit.workflows.experiments.units.geography import MOST_STRAY, Places


@dataclass(frozen=True)
class Geographies:
    """Compares arms by the randomization distribution of their geographies. See `Comparer` for the methods.

    Attributes:
        places: What makes a geography, and the strata in which they were drawn.
        arms: All arms: a geography belongs to one of them.
        tuning: Not used: any-time intervals are not offered.
    """

    places: Places
    arms: tuple[Arm, ...]
    tuning: float = 1.0
    unit: AnalysisUnit = AnalysisUnit.GEOGRAPHIES
    daily: bool = False

    def compare(  # noqa: D102
        self, control: Arm, treatment: Arm, metric: Metric, level: float, until: date | None = None
    ) -> Compared | None:
        assert until is None  # noqa: S101 - segments are not by day
        try:
            return Compared(
                None, compare_randomized(self._units(control, treatment, metric), level=level, what="geographies")
            )
        except InvalidInput:
            # Too few geographies, or none that differs: the guards say which.
            return None

    def not_worse(  # noqa: D102
        self, control: Arm, treatment: Arm, metric: Metric, *, margin: float, level: float, anytime: bool
    ) -> MarginTest | None:
        if anytime:
            return None
        try:
            units = self._units(control, treatment, metric)
            both = compare_randomized(units, level=2 * level - 1, what="geographies")
        except InvalidInput:
            return None
        assert isinstance(both.control, ArmMean)  # noqa: S101 - a ratio
        ratio, side = largest_loss(metric, margin, both.control.mean)
        p_value = RandomizationTest(units).p_value(ratio=ratio, alternative=side)
        return not_worse_than(both.difference, p_value, margin=margin, control=both.control.mean, level=level)

    def _units(self, control: Arm, treatment: Arm, metric: Metric) -> RandomizedUnits:
        own, strata = self.places.of_arms(self.arms), self.places.strata
        sides = []
        for arm in (control, treatment):
            # In a pair each counts, also without a click: the pair says nothing then, and is not broken.
            terms = self.places.terms(arm, metric, only=own[arm.key], empty=bool(strata))
            sides.append({name: (y, x) for name, (x, y) in terms.items() if not strata or name in strata})
        return RandomizedUnits.of(sides[0], sides[1], strata or None, inverse=METRICS[metric].per_event)

    def guards(self, arms: Sequence[Arm], metric: Metric, level: float) -> tuple[Guard, ...]:  # noqa: D102
        if unknown := self.places.unknown(arms):
            return (unknown,)
        both = {name: share for name, share in self.places.stray(arms).items() if share > MOST_STRAY}
        if both:
            names = ", ".join(f"{name} ({percent(share, 0)} of it astray)" for name, share in list(both.items())[:3])
            found = f"{len(both)} geographies were served by several arms: {names}{', …' if len(both) > 3 else ''}"
            action = "a geography belongs to one arm: exclude it from the other ads; arms that share all are --paired"
            return (Guard("units", BLOCK, found, action),)
        return (self._enough(arms, metric, level),)

    def _enough(self, arms: Sequence[Arm], metric: Metric, level: float) -> Guard:
        counted, strata = self.counted(arms, metric), self.places.strata
        said = ", ".join(f"{number} in {key}" for key, number in counted.items())
        missing = sorted({name for own in self.places.of_arms(arms).values() for name in own} - set(strata))
        if strata and missing:
            names = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
            found = f"{len(missing)} geographies have no stratum: {names}"
            return Guard("units", BLOCK, found, "name the stratum of each geography, or exclude these from the ads")
        for arm in arms[1:]:
            try:
                least = smallest_p(self._units(arms[0], arm, metric).sizes)
            except InvalidInput as error:
                found = f"geographies: {said}; {error.message}"
                return Guard("units", BLOCK, found, error.hint or "draw more geographies")
            if least > (1 - level) / max(len(arms) - 1, 1):
                found = f"geographies: {said}; with so few the smallest p-value is {least:.2g}"
                return Guard("units", BLOCK, found, "a verdict needs more geographies: regions instead of countries")
        return Guard("units", PASS, f"geographies: {said}")

    def counted(self, arms: Sequence[Arm], metric: Metric) -> Mapping[str, int]:  # noqa: D102
        own = self.places.of_arms(self.arms)
        return {arm.key: len(self.places.terms(arm, metric, only=own[arm.key])) for arm in arms}

    def notes(self, arms: Sequence[Arm]) -> tuple[str, ...]:  # noqa: D102
        stray = self.places.stray(arms)
        if not stray:
            return ()
        most = max(stray.values())
        return (f"{len(stray)} geographies got a little of another arm (at most {percent(most, 2)}): that is left out",)
