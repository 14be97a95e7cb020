"""What a look at an experiment found: the record that is shown, stored and compared with later looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from abkit.records import Record
from abkit.stats.estimate import Comparison, Estimate, PosteriorComparison
from abkit.stats.proportions.stratified import Stratified
from abkit.stats.sequential.always_valid import ConfidenceSequence
from abkit.stats.sequential.group_sequential import GroupSequentialPlan
from abkit.stats.verdicts.equivalence import MarginTest
from abkit.stats.verdicts.guards import Guard
from abkit.stats.verdicts.shrinkage import Exaggeration
from abkit.stats.verdicts.verdict import Conclusion
from abkit.store.kpis.once.counting import SetAside
from abkit.vocabulary import Allocation, AnalysisUnit, Metric, Unit, Verdict
from abkit.workflows.experiments.looks.former import Adjustment
from abkit.workflows.experiments.looks.segments import SegmentResults
from abkit.workflows.experiments.looks.watched import WatchedMetric
from abkit.workflows.experiments.looks.worth import Worth


@dataclass(frozen=True, kw_only=True)
class TreatmentResult(Record):
    """One treatment against the control.

    Attributes:
        treatment: Name of the treatment.
        deciding: The comparison that the verdict rests on; None when a guard left nothing to compare.
        fixed: The fixed-horizon comparison: valid only if this was the one planned look.
        bayes: Beta-binomial figures; None where days are the units.
        adjusted_p: p-value of the deciding comparison, over all treatments.
        sequence: The looks day by day.
        days: The day of each of those looks.
        shrunken_lift: The lift drawn towards what past experiments were like; None with fewer than 200 of them.
        exaggeration: Of significant results of tests like this one, if the shrunken lift is the true one.
        guardrails: Metric → non-inferiority, valid at any look where the monitoring is `anytime`.
        strata: The comparison within segments, when asked for.
        verdict: What may be said.
        adjustment: Former figures that were taken out of the comparisons above, with the raw one; None without any.
        worth: What shipping it is worth per week, in money; None where no money is known, or a guard blocks it.
    """

    treatment: str
    deciding: Comparison | None
    fixed: Comparison | None
    bayes: PosteriorComparison | None
    adjusted_p: float
    sequence: ConfidenceSequence | None
    days: tuple[date, ...]
    shrunken_lift: Estimate | None
    exaggeration: Exaggeration | None
    guardrails: Mapping[Metric, MarginTest | None]
    strata: Stratified | None
    verdict: Conclusion
    adjustment: Adjustment | None = None
    worth: Worth | None = None


@dataclass(frozen=True)
class Total(Record):
    """What one arm has in all: trials and successes of the metric, or denominator and numerator where it is no share.

    Successes are fractions where they are modeled.
    """

    trials: float
    successes: float


@dataclass(frozen=True, kw_only=True)
class Analysis(Record):
    """One look at an experiment.

    Attributes:
        experiment: Key of the experiment.
        as_of: Last day that counted.
        look: Number of the look, from 1.
        metric: What is compared.
        unit: What was randomized.
        allocation: Whether variants were assigned at random, or as the platform optimizes.
        analyzed_by: What is taken as independent: `impressions`, `days` (in pairs of both arms), `blocks` of days,
            `geographies`, `users`, `sessions`; `totals` where nothing is, and no verdict can be given.
        control: Name of the control.
        totals: Arm → trials and successes.
        rule: By which rule the verdict was reached, in words.
        guards: What was checked.
        treatments: One result per treatment.
        correction: How p-values were adjusted, with the family.
        boundary: The planned looks' boundaries, for group-sequential monitoring.
        verdict: That of the best treatment.
        notes: What to know about the figures: that conversions are modeled, or may still change.
        set_aside: Rows of the arms that do not count because others hold the same delivery.
        currency: The currency of amounts; "" where none is named or none is compared.
        planned_share: Share of the planned total that was in; None where none is planned.
        tuning: Units of two arms at which the any-time intervals are tightest; later looks keep it.
        units: Arm → units that were compared; empty where they are impressions.
        watched: Metrics that do not decide, with one false discovery rate over all of them.
        segments: Of each treatment: its figures by segment, where a dimension was asked for.
    """

    experiment: str
    as_of: date
    look: int
    metric: Metric
    unit: Unit
    allocation: Allocation
    analyzed_by: AnalysisUnit
    control: str
    totals: Mapping[str, Total]
    rule: str
    guards: tuple[Guard, ...]
    treatments: tuple[TreatmentResult, ...]
    correction: str
    boundary: GroupSequentialPlan | None
    verdict: Verdict
    notes: tuple[str, ...] = ()
    set_aside: tuple[SetAside, ...] = ()
    currency: str = ""
    planned_share: float | None = None
    tuning: float | None = None
    units: Mapping[str, int] = field(default_factory=dict)
    watched: tuple[WatchedMetric, ...] = ()
    segments: tuple[SegmentResults, ...] = ()
