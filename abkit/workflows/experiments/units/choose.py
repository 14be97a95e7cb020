"""Which units an experiment is analyzed by: those that were randomized, where the data have them."""

from __future__ import annotations

from collections.abc import Sequence

from abkit.metrics import METRICS
from abkit.stats.sequential.always_valid import DEFAULT_TUNING
from abkit.vocabulary import Allocation, AnalysisUnit, Unit
from abkit.workflows.experiments.arms import Arm, is_proportion
from abkit.workflows.experiments.plan import ExperimentPlan
from abkit.workflows.experiments.units.comparer import Comparer
from abkit.workflows.experiments.units.geographies import Geographies
from abkit.workflows.experiments.units.geography import Places
from abkit.workflows.experiments.units.impressions import Impressions
from abkit.workflows.experiments.units.pairs import DayPairs, GeographyPairs
from abkit.workflows.experiments.units.sums import SumsPerUnit, Totals, UnitSums
from abkit.workflows.experiments.units.switchback import Blocks, Schedule


def unit_of(plan: ExperimentPlan, arms: Sequence[Arm], *, modeled: bool, sums: bool) -> AnalysisUnit:
    """Return what the arms of an experiment are compared by: what was randomized, where the data have it.

    Args:
        plan: What was fixed before the first look.
        arms: The variants with what they delivered.
        modeled: Whether the platform models what is counted: fractions are no counts.
        sums: Whether there are sums per user or session.
    """
    drawn = plan.allocation is Allocation.RANDOM
    if plan.unit is Unit.GEOGRAPHY:
        return AnalysisUnit.GEOGRAPHIES
    if plan.unit is Unit.DAY:
        return AnalysisUnit.BLOCKS
    if plan.unit in (Unit.USER, Unit.SESSION) and sums:
        return AnalysisUnit(plan.unit.plural)
    if plan.unit in (Unit.USER, Unit.SESSION) and drawn:
        return AnalysisUnit.TOTALS
    share = METRICS[plan.metric].share and not modeled and is_proportion(*(arm.days(plan.metric) for arm in arms))
    return AnalysisUnit.IMPRESSIONS if plan.unit is Unit.IMPRESSION and drawn and share else AnalysisUnit.DAYS


def comparer_of(
    unit: AnalysisUnit, plan: ExperimentPlan, arms: Sequence[Arm], *, tuning: float, sums: SumsPerUnit | None = None
) -> Comparer:
    """Return how the arms of an experiment are compared.

    Args:
        unit: Of `unit_of`.
        plan: What was fixed before the first look.
        arms: The variants with what they delivered.
        tuning: Impressions, or days, of two arms at which the any-time intervals are tightest.
        sums: Sums per user or session, where these are the units.
    """
    if unit is AnalysisUnit.GEOGRAPHIES:
        places = Places(plan.geography, plan.strata)
        return GeographyPairs(places) if plan.paired else Geographies(places, tuple(arms))
    if unit is AnalysisUnit.BLOCKS:
        return Blocks(Schedule.of(arms, plan.schedule, plan.carry_over), bool(plan.schedule), tuning)
    if unit is AnalysisUnit.TOTALS:
        return Totals(plan.unit, plan.key)
    if sums is not None:
        return UnitSums(unit, sums, (plan.planned_total or DEFAULT_TUNING) * 2 / len(arms))
    # Two arms that run on the same days have twice as many days, and one pair in each.
    return Impressions(tuning) if unit is AnalysisUnit.IMPRESSIONS else DayPairs(tuning / 2)
