"""What every kind of unit can do: compare two arms, test a guardrail, and say what was left out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple, Protocol

from abkit.metrics import METRICS
from abkit.stats.estimate import Comparison, Estimate
from abkit.stats.verdicts.equivalence import MarginTest
from abkit.stats.verdicts.guards import Guard
from abkit.vocabulary import Alternative, AnalysisUnit, Direction, Metric
from abkit.workflows.experiments.arms import Arm


class Compared(NamedTuple):
    """Two arms compared: valid at any look (None where that is not offered), and valid for one look."""

    anytime: Comparison | None
    fixed: Comparison


class Comparer(Protocol):
    """How two arms are compared on one kind of unit."""

    @property
    def unit(self) -> AnalysisUnit:
        """What the units are."""

    @property
    def tuning(self) -> float:
        """Units at which the any-time intervals are tightest."""

    @property
    def daily(self) -> bool:
        """Whether looks at the end of each day can be compared: units come in day by day, and are complete then."""

    def compare(
        self, control: Arm, treatment: Arm, metric: Metric, level: float, until: date | None = None
    ) -> Compared | None:
        """Compare two arms on what was delivered up to a day; None when there is too little to compute."""

    def not_worse(
        self, control: Arm, treatment: Arm, metric: Metric, *, margin: float, level: float, anytime: bool
    ) -> MarginTest | None:
        """Test that the treatment does not lose this share of the control's rate; None where there is too little."""

    def guards(self, arms: Sequence[Arm], metric: Metric, level: float) -> tuple[Guard, ...]:
        """Check what has to hold of the units."""

    def counted(self, arms: Sequence[Arm], metric: Metric) -> Mapping[str, int]:
        """Return how many units each arm has; nothing where they are impressions."""

    def notes(self, arms: Sequence[Arm]) -> tuple[str, ...]:
        """Say what was left out, and what was made out."""


def largest_loss(metric: Metric, margin: float, control: float) -> tuple[float, Alternative]:
    """Return what the treatment may be at the worst, as a multiple of the control, and which side of it is good.

    >>> largest_loss(Metric.CTR, 0.1, 0.02), largest_loss(Metric.CPA, 0.1, 3.5)
    ((0.9, <Alternative.GREATER: 'greater'>), (1.1, <Alternative.LESS: 'less'>))
    """
    higher = METRICS[metric].direction is Direction.HIGHER
    loss = -margin if higher else margin
    return 1 + math.copysign(1.0, control) * loss, Alternative.GREATER if higher else Alternative.LESS


def not_worse_than(
    difference: Estimate, p_value: float, *, margin: float, control: float, level: float, anytime: bool = False
) -> MarginTest:
    """Return the test of a guardrail whose margin is a share of what the control has."""
    return MarginTest(
        question="non-inferiority",
        margin=margin * abs(control),
        difference=difference,
        p_value=p_value,
        holds=p_value < 1 - level,
        level=level,
        anytime=anytime,
    )
