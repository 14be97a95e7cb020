"""What each arm delivered in each geography: a sum of its segments, by country or by region."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from abkit.records import percent
from abkit.stats.verdicts.guards import BLOCK, Guard
from abkit.store.kpis.money import Figures
from abkit.vocabulary import Dimension, Metric
from abkit.workflows.experiments.arms import Arm

Terms = tuple[float, float]
"""Denominator and numerator of a metric."""

MOST_STRAY = 0.01
"""Delivery outside its arm's geographies, or without a geography: a platform's targeting is never exact."""


@dataclass(frozen=True)
class Places:
    """What makes a geography.

    Attributes:
        dimension: The dimension of delivery.
        strata: Geography → the stratum, such as a pair, that it was drawn in.
        offsets: Geography → what is taken out of its numerator, of the one metric that is compared; see `former`.
    """

    dimension: Dimension
    strata: Mapping[str, str] = field(default_factory=dict)
    offsets: Mapping[str, float] = field(default_factory=dict)

    def figures(self, arm: Arm) -> dict[str, Figures]:
        """Return what an arm delivered in each geography that is named."""
        found: dict[str, Figures] = {}
        place, country = (list(Dimension).index(one) for one in (self.dimension, Dimension.COUNTRY))
        for segment, figures in arm.delivery.by_segment.items():
            if name := segment[place]:
                if self.dimension is Dimension.REGION and segment[country]:
                    # Countries have regions of one name.
                    name = f"{segment[country]} {name}"
                found[name] = found.get(name, Figures()).plus(figures)
        return {name: figures for name, figures in found.items() if figures.impressions or figures.clicks}

    def terms(
        self, arm: Arm, metric: Metric, *, only: Collection[str] | None = None, empty: bool = False
    ) -> dict[str, Terms]:
        """Return denominator and numerator in each geography, or in these; not where money is not known.

        What was spent counts where nothing came of it, too; what has neither only where `empty` says so.
        """
        found = {
            name: arm.terms(figures, metric)
            for name, figures in self.figures(arm).items()
            if only is None or name in only
        }
        return {
            name: (terms[0], terms[1] - self.offsets.get(name, 0.0))
            for name, terms in found.items()
            if terms is not None and (empty or terms[0] > 0 or terms[1])
        }

    def of_arms(self, arms: Sequence[Arm]) -> dict[str, dict[str, Figures]]:
        """Return the geographies of each arm: each belongs to the arm that served most of it."""
        served = {arm.key: self.figures(arm) for arm in arms}
        owner = {
            name: max(served, key=lambda key, name=name: served[key].get(name, Figures()).impressions)  # type: ignore[misc]
            for name in sorted({name for figures in served.values() for name in figures})
        }
        return {key: {name: one for name, one in mine.items() if owner[name] == key} for key, mine in served.items()}

    def stray(self, arms: Sequence[Arm]) -> dict[str, float]:
        """Return the geographies that several arms served, with the share of their impressions that went astray."""
        own = self.of_arms(arms)
        total: dict[str, int] = {}
        for arm in arms:
            for name, figures in self.figures(arm).items():
                total[name] = total.get(name, 0) + figures.impressions
        kept = {name: figures.impressions for mine in own.values() for name, figures in mine.items()}
        return {name: 1 - kept[name] / shown for name, shown in total.items() if kept[name] < shown}

    def unknown(self, arms: Sequence[Arm]) -> Guard | None:
        """Return a guard that blocks where delivery has no geography."""
        shown = sum(figures.impressions for arm in arms for figures in arm.delivery.by_day.values())
        placed = sum(figures.impressions for arm in arms for figures in self.figures(arm).values())
        if shown == 0 or placed >= (1 - MOST_STRAY) * shown:
            return None
        what = f"no impression has a {self.dimension}"
        if placed:
            what = f"{percent(1 - placed / shown, 1)} of the impressions have no {self.dimension}"
        return Guard("units", BLOCK, what, f"export the ads broken down by {self.dimension}, and import that file")
