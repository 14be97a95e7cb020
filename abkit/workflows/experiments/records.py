"""What one look at an experiment takes and gives: the records of its arms, treatments and analysis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from abkit.stats.estimate import Comparison, Estimate
from abkit.stats.proportions.stratified import Stratified
from abkit.stats.sequential.always_valid import ConfidenceSequence
from abkit.stats.sequential.group_sequential import GroupSequentialPlan
from abkit.stats.verdicts.equivalence import MarginTest
from abkit.stats.verdicts.guards import Guard
from abkit.stats.verdicts.shrinkage import Exaggeration
from abkit.stats.verdicts.verdict import Conclusion


@dataclass(frozen=True)
class ArmInput:
    """What an arm delivered.

    Attributes:
        key: its name.
        share: planned share.
        by_day: (impressions, clicks, conversions) by day.
        by_segment: the same by (platform, placement, country, device, age, gender, other).
        creatives: digests of the pictures shown.
    """

    key: str
    share: float
    by_day: Mapping[date, tuple[int, int, int]]
    by_segment: Mapping[tuple[str, ...], tuple[int, int, int]]
    creatives: set[str]


@dataclass(frozen=True)
class TreatmentResult:
    """One treatment against the control.

    Attributes:
        treatment: its name.
        deciding: the comparison that the verdict rests on; None when a guard left nothing to compare.
        fixed: the fixed-horizon comparison: right only if this was the one planned look.
        bayes: Beta-binomial figures; None where days are the units.
        adjusted_p: of the deciding comparison, over all treatments.
        sequence: the looks day by day.
        days: the day of each of those looks.
        shrunken_lift: the lift drawn towards what past experiments were like; None with fewer than 10 of them.
        exaggeration: of significant results of tests like this one, if the shrunken lift is the true one.
        guardrails: metric → non-inferiority, valid at any look where the monitoring is `anytime`.
        strata: the comparison within segments, when asked for.
        verdict: what may be said.
    """

    treatment: str
    deciding: Comparison | None
    fixed: Comparison | None
    bayes: Any
    adjusted_p: float
    sequence: ConfidenceSequence | None
    days: tuple[date, ...]
    shrunken_lift: Estimate | None
    exaggeration: Exaggeration | None
    guardrails: Mapping[str, MarginTest | None]
    strata: Stratified | None
    verdict: Conclusion


@dataclass(frozen=True)
class Analysis:
    """One look at an experiment.

    Attributes:
        experiment: its key.
        as_of: last day that counted.
        look: its number, from 1.
        metric: ctr or cvr.
        unit: what was randomised.
        allocation: random or optimised.
        analysed_by: `impressions` (each an independent trial) or `days` (clusters).
        control: name of the control.
        totals: arm → trials and successes.
        rule: by which rule the verdict was reached, in words.
        guards: what was checked.
        treatments: one result a treatment.
        correction: how p-values were adjusted, with the family.
        boundary: the planned looks' boundaries, for group-sequential monitoring.
        verdict: `blocked`, `better`, `worse`, `futile` or `undecided`, of the best treatment.
    """

    experiment: str
    as_of: date
    look: int
    metric: str
    unit: str
    allocation: str
    analysed_by: str
    control: str
    totals: Mapping[str, Mapping[str, int]]
    rule: str
    guards: tuple[Guard, ...]
    treatments: tuple[TreatmentResult, ...]
    correction: str
    boundary: GroupSequentialPlan | None
    verdict: str
