"""What experiments with random allocation say about their creatives: appeal with a variance of its own, and causal."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import date
from statistics import NormalDist

import numpy as np
from sqlalchemy.orm import Session

from abkit.metrics import METRICS, MONEY, MetricDefinition
from abkit.stats.appeal.appeal import Appeals, randomized_appeals
from abkit.stats.estimate import ArmMean, ArmRate, Comparison
from abkit.store import experiments as tables
from abkit.store.experiments import ArmPlace
from abkit.store.kpis.late_events import DeliveryRow
from abkit.vocabulary import Allocation, Verdict
from abkit.workflows.experiments.formats import Unreadable, read_analysis
from abkit.workflows.experiments.looks.results import Analysis


@dataclass(frozen=True, kw_only=True)
class Trials:
    """The decided experiments that count.

    Attributes:
        appeals: One entry per arm.
        experiments: Shape (m,): key of the experiment of each entry.
        covered: (creative, campaign) → first and last day of delivery that is in these figures and counts only there.
        notes: Which experiments do not count, and why.
    """

    appeals: Appeals
    experiments: tuple[str, ...]
    covered: Mapping[tuple[int, int], tuple[tuple[date, date], ...]]
    notes: tuple[str, ...]

    def covers(self, row: DeliveryRow) -> bool:
        """Return whether a row of delivery is in these figures."""
        periods = self.covered.get((row.creative_id, row.campaign_id), ())
        return any(first <= row.period_start and row.period_end <= last for first, last in periods)

    def only(self, wanted: Callable[[int], bool], notes: tuple[str, ...]) -> Trials:
        """Return those in some campaigns."""
        keep = np.array([wanted(int(campaign)) for campaign in self.appeals.campaign], bool)
        columns = {
            field.name: value[keep] if isinstance(value := getattr(self.appeals, field.name), np.ndarray) else value
            for field in fields(Appeals)
        }
        return Trials(
            appeals=Appeals(**columns),
            experiments=tuple(key for key, kept in zip(self.experiments, keep, strict=True) if kept),
            covered={key: days for key, days in self.covered.items() if wanted(key[1])},
            notes=notes,
        )


@dataclass(frozen=True)
class _Arm:
    experiment: str
    place: ArmPlace
    events: float
    exposure: float
    variance: float


def trials_of(
    session: Session, definition: MetricDefinition, *, first: date | None, as_of: date, ideas: Mapping[int, int]
) -> Trials:
    """Return what the experiments on a KPI say that were decided up to a day.

    Left out, with a note, are those whose allocation the platform optimizes, that a guard blocked, whose arms are not
    one creative each, or whose lift has no finite interval. Their delivery counts as observational.

    Args:
        session: A reading session.
        definition: The KPI: experiments on another one do not count.
        first: First day; experiments that ended before it do not count.
        as_of: The last day that counts.
        ideas: Idea by creative.
    """
    arms: list[_Arm] = []
    notes: list[str] = []
    covered: dict[tuple[int, int], tuple[tuple[date, date], ...]] = {}
    for experiment, decision in tables.decided(session, metric=definition.metric, as_of=as_of):
        looks = [row for row in tables.results_of(session, experiment, "analysis") if row.id < decision.id]
        if not looks or (first is not None and looks[-1].as_of < first):
            continue
        places = tables.arm_places(session, experiment)
        try:
            look = read_analysis(looks[-1])
        except Unreadable as error:
            notes.append(f"experiment {experiment.key} is left out: {error.message}")
            continue
        why = _why_not(look, places)
        if why:
            notes.append(f"experiment {experiment.key} is left out: {why}")
            continue
        found = _arms(look, places, definition)
        if not found:
            notes.append(f"experiment {experiment.key} is left out: its figures give no finite interval of the lift")
            continue
        arms += found
        start = experiment.starts_on or date.min
        for arm in found:
            key = (arm.place.creative_id or 0, arm.place.campaign_id or 0)
            covered[key] = (*covered.get(key, ()), (start, look.as_of))
    creative = np.array([arm.place.creative_id for arm in arms], np.int64)
    keys = [arm.experiment for arm in arms]
    return Trials(
        appeals=randomized_appeals(
            events=np.array([arm.events for arm in arms], np.float64),
            exposure=np.array([arm.exposure for arm in arms], np.float64),
            variance=np.array([arm.variance for arm in arms], np.float64),
            creative=creative,
            campaign=np.array([arm.place.campaign_id for arm in arms], np.int64),
            idea=np.array([ideas.get(int(one), -int(one)) for one in creative], np.int64),
            trial=np.unique(keys, return_inverse=True)[1].astype(np.int64) if keys else np.zeros(0, np.int64),
        ),
        experiments=tuple(keys),
        covered=covered,
        notes=tuple(notes),
    )


def _why_not(look: Analysis, places: Mapping[str, ArmPlace]) -> str:
    if look.allocation is not Allocation.RANDOM:
        return "the platform chose who saw what"
    if look.verdict is Verdict.BLOCKED:
        return "a guard blocked it"
    if any(one.fixed is None for one in look.treatments):
        return "its arms were not compared"
    unknown = [key for key, place in places.items() if place.creative_id is None]
    if unknown:
        return f"{', '.join(unknown)}: not linked to one creative"
    if any(place.campaign_id is None for place in places.values()):
        return "its creatives are not of one campaign"
    if len({place.creative_id for place in places.values()}) < len(places):
        return "two of its arms show one creative"
    return ""


def _arms(look: Analysis, places: Mapping[str, ArmPlace], definition: MetricDefinition) -> list[_Arm]:
    """Return the arms of an experiment; none where the variance of one of them is not known."""
    fixed = {one.treatment: one.fixed for one in look.treatments if one.fixed is not None}
    sides = {look.control: next(iter(fixed.values())).control}
    sides |= {name: comparison.treatment for name, comparison in fixed.items()}
    counting = {name: _relative_variance(side) for name, side in sides.items()}
    # What was randomized may be users or regions, and pairs or former figures may make the comparison sharper: the
    # interval of the lift knows, and the arms share what it says.
    ratios = [
        of_lift / of_arms
        for name, comparison in fixed.items()
        if (of_lift := _lift_variance(comparison)) and (of_arms := counting[look.control] + counting[name])
    ]
    if not ratios or not all(0 < ratio < math.inf for ratio in ratios):
        return []
    factor = math.exp(sum(map(math.log, ratios)) / len(ratios))
    above, below = definition.rate
    figures = {METRICS[look.metric].denominator: "trials"}
    totals = {
        name: (getattr(total, figures.get(above, "successes")), getattr(total, figures.get(below, "successes")))
        for name, total in look.totals.items()
        if name in places
    }
    variances = {name: counting[name] * factor for name in totals}
    if not all(0 < variance < math.inf for variance in variances.values()):
        return []
    scale = 1.0
    if above in MONEY or above == "impressions":
        # An amount has as many events as its variance says.
        known = [name for name in totals if variances[name] > 0]
        total = sum(totals[name][0] for name in known)
        scale = sum(1 / variances[name] for name in known) / total if total else 1.0
    return [
        _Arm(look.experiment, places[name], events * scale, exposure, variances[name])
        for name, (events, exposure) in totals.items()
    ]


def _relative_variance(side: ArmRate | ArmMean) -> float:
    """Return the sampling variance of the log of an arm's rate, which is never 0: all alike are known by half an event.

    >>> _relative_variance(ArmRate(n=100, successes=100, rate=1.0)) > 0
    True
    """
    if isinstance(side, ArmRate):
        return max(side.n - side.successes, 0.5) / ((side.successes + 0.5) * (side.n + 0.5))
    if not side.mean:
        return math.inf
    return max((side.standard_error / side.mean) ** 2, 0.5 / (side.n + 0.5) ** 2)


def _lift_variance(comparison: Comparison) -> float | None:
    """Return the sampling variance of the log of the lift, by its interval."""
    low, high = comparison.lift.ci_low, comparison.lift.ci_high
    if not (math.isfinite(low) and math.isfinite(high) and low > -1 and high > low):
        return None
    z = NormalDist().inv_cdf((1 + comparison.level) / 2)
    return ((math.log1p(high) - math.log1p(low)) / (2 * z)) ** 2
