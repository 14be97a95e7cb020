"""CUPED from the store: what geographies delivered before the test is taken out of what they deliver in it.

y is adjusted to y − θ·(c − C·d) for each geography, with its former numerator c and denominator d, and C the former
ratio of all of them. These terms add up to 0 over all geographies, and chance alone decides how they fall to the arms:
what is estimated stays the same, and so does the randomization test.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from abkit.metrics import METRICS
from abkit.records import Record
from abkit.stats.estimate import ArmMean, Comparison
from abkit.store.kpis.money import Figures
from abkit.workflows.experiments.arms import Arm
from abkit.workflows.experiments.plan import ExperimentPlan
from abkit.workflows.experiments.units.geographies import Geographies

FEWEST_FORMER = 0.5
"""Share of the geographies that need former figures; those without any stay as they are."""


@dataclass(frozen=True, kw_only=True)
class Adjustment(Record):
    """What was taken out of one comparison, and what it would be without that.

    Attributes:
        covariate: What was taken out, in words.
        coefficient: θ.
        variance_kept: Squared standard error of the adjusted difference ÷ that of the raw one.
        units: Geographies compared.
        without: How many of them have no former figures, and stay as they are.
        raw: The comparison without the adjustment.
    """

    covariate: str
    coefficient: float
    variance_kept: float
    units: int
    without: int
    raw: Comparison


@dataclass(frozen=True)
class Shift:
    """Geographies with what is taken out of each, and the coefficient.

    Attributes:
        comparer: Compares two arms after that.
        coefficient: θ.
        units, without: As in `Adjustment`.
    """

    comparer: Geographies
    coefficient: float
    units: int
    without: int

    def adjustment(self, plan: ExperimentPlan, adjusted: Comparison, raw: Comparison) -> Adjustment:
        """Return what was done, for the result."""
        before, after = (_variance(one) for one in (raw, adjusted))
        return Adjustment(
            covariate=f"{METRICS[plan.metric].name} of the {plan.before} days before {plan.starts_on}",
            coefficient=self.coefficient,
            variance_kept=after / before if before else math.nan,
            units=self.units,
            without=self.without,
            raw=raw,
        )


def shifted(
    plan: ExperimentPlan, comparer: Geographies, control: Arm, arm: Arm, former: Mapping[str, Figures]
) -> Shift | str:
    """Return the comparison of two arms with former figures taken out, or why there is none.

    Args:
        plan: What was fixed before the first look.
        comparer: Compares the geographies as they are.
        control, arm: The two arms.
        former: Figures of each geography before the test, of all ads.
    """
    own = comparer.places.of_arms(comparer.arms)
    now = {
        name: terms
        for one in (control, arm)
        for name, terms in comparer.places.terms(one, plan.metric, only=own[one.key]).items()
    }
    names = sorted(now)
    found = [METRICS[plan.metric].terms(former.get(name, Figures()), margin_rate=plan.margin_rate) for name in names]
    x, y = np.array([now[name] for name in names], np.float64).reshape(-1, 2).T
    d, c = np.array([terms or (0.0, 0.0) for terms in found], np.float64).reshape(-1, 2).T
    without = int((d == 0).sum())
    if len(names) < 3 or len(names) - without < FEWEST_FORMER * len(names):
        return f"{len(names) - without} of {len(names)} geographies have figures of before the test"
    apart = c - c.sum() / d.sum() * d
    left = y - y.sum() / x.sum() * x
    spread = float(apart @ apart)
    if spread <= 1e-12 * float(c @ c):
        return f"before the test all geographies had the same {METRICS[plan.metric].name}"
    theta = float(left @ apart) / spread
    offsets = dict(zip(names, (theta * apart).tolist(), strict=True))
    places = replace(comparer.places, offsets=offsets)
    return Shift(replace(comparer, places=places), theta, len(names), without)


def _variance(comparison: Comparison) -> float:
    arms = (comparison.control, comparison.treatment)
    return sum(arm.standard_error**2 for arm in arms if isinstance(arm, ArmMean))
