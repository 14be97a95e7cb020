"""Drift of what was delivered: the relation of score and KPI, and the level of the KPI."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from abkit.config import DriftSettings
from abkit.metrics import METRICS, MetricDefinition
from abkit.stats.monitoring.budget import Budget
from abkit.stats.monitoring.shifts.distribution_shift import RULED_OUT
from abkit.stats.monitoring.shifts.level_shift import level_shift
from abkit.stats.monitoring.shifts.relation_shift import Delivery, RelationShift, relation_shift
from abkit.store.kpis.late_events import DeliveryRow
from abkit.vocabulary import Direction, DriftVerdict, Layer, Metric, Window
from abkit.workflows.drift.results import LayerResult, show_p
from abkit.workflows.drift.windows.windows import DriftWindows
from abkit.workflows.learning.appeals.delivered import LONG, DeliveredRows, ages, ideas_of_rows, labels


@dataclass(frozen=True, kw_only=True)
class Delivered(DeliveredRows):
    """What was delivered in both windows, as columns of shape (n,).

    Attributes:
        current: In the current window rather than in the reference.
        score: Score of the creative, NaN where it has none.
    """

    current: NDArray[np.bool_]
    score: NDArray[np.float64]

    def relation(self, keep: NDArray[np.bool_], settings: DriftSettings) -> RelationShift:
        """Return the relation in both windows, over the rows to keep."""
        delivery = Delivery(
            clicks=self.count[keep],
            impressions=self.exposure[keep],
            creative=self.column("creative_id")[keep],
            campaign=self.column("campaign_id")[keep],
            cell=self.cells(self.current)[keep],
            score=self.score[keep],
            age=self.age[keep],
            current=self.current[keep],
            idea=self.idea[keep],
        )
        return relation_shift(
            delivery, min_creatives=settings.min_creatives, min_clicks=settings.min_clicks, events=self.events
        )


def sort_delivery(
    rows: list[DeliveryRow],
    windows: DriftWindows,
    scores: dict[int, float],
    first: dict[tuple[int, int], date],
    ideas: dict[int, int],
    definition: MetricDefinition = METRICS[Metric.CTR],
) -> Delivered:
    """Sort rows into the two windows; those that belong to neither are left out.

    Args:
        rows: Everything that may count.
        windows: The windows of the check.
        scores: Score by creative.
        first: First day of delivery by creative and campaign.
        ideas: Label of the idea by creative; one that is missing is an idea of its own.
        definition: The KPI; rows whose money is not known are left out of one of money.
    """
    known = definition.known(rows)
    left_out, rows = len(rows) - len(known), known
    sorted_rows = [(row, window) for row in rows if (window := windows.window_of(row)) is not Window.NEITHER]
    kept = [row for row, _ in sorted_rows]
    return Delivered(
        rows=kept,
        current=np.array([window is Window.CURRENT for _, window in sorted_rows], bool),
        score=np.array([scores.get(row.creative_id, math.nan) for row, _ in sorted_rows], np.float64),
        age=ages(kept, first),
        idea=ideas_of_rows(kept, ideas),
        definition=definition,
        left_out=left_out,
    )


def judge_relation(
    both: Delivered, new: set[int], settings: DriftSettings, budget: Budget, *, shifted: bool = True
) -> LayerResult:
    """Test whether the score still goes with the KPI inside campaigns as it did in the reference.

    Args:
        both: What was delivered in both windows.
        new: The creatives of the current window, on which the relation has to hold after a shift of the input.
        settings: Floors and minimum samples.
        budget: The level that the p-value is held against.
        shifted: Whether input or scores are: only then is it asked whether the relation holds on the new creatives.
    """
    level = budget.level(Layer.RELATION, "slope_loss")
    found = both.relation(np.ones(len(both.rows), bool), settings)
    row = LayerResult(
        layer=Layer.RELATION,
        test="slope_loss",
        verdict=DriftVerdict.INSUFFICIENT_DATA,
        sentence="",
        n_reference=found.n_reference,
        n_current=found.n_current,
        threshold=settings.relation_loss,
        detail={
            "unit": "creatives",
            "new_creatives": len(new),
            "reference": asdict(found.reference) if found.reference else None,
            "current": asdict(found.current) if found.current else None,
            "level": level,
            "loss": found.loss,
            "loss_ci": [found.ci_low, found.ci_high],
            "metric": both.definition.metric.value,
        },
        holds=_holds(both, found, new, settings) if shifted else None,
    )
    reference, current = found.reference, found.current
    if reference is None or current is None or found.loss is None:
        return replace(row, sentence=f"Relation: {found.note}.")
    kpi = _rate_in_words(both.definition)
    figures = (
        f"+1 sd of score went with {_percent(reference.slope)} {kpi} in the reference "
        f"({_percent(reference.ci_low)} to {_percent(reference.ci_high)}, {reference.creatives} creatives) and with "
        f"{_percent(current.slope)} now ({_percent(current.ci_low)} to {_percent(current.ci_high)}, "
        f"{current.creatives} creatives)"
    )
    if reference.ci_low <= 0:
        why = f"Relation: the score is not shown to go with {kpi} in the reference, so nothing can be lost"
        return replace(row, sentence=f"{why}: {figures}.")
    share, p = found.lost_share or 0.0, found.p_value if found.p_value is not None else 1.0
    ci_low, ci_high = (found.ci_low or 0.0) / reference.slope, (found.ci_high or 0.0) / reference.slope
    lost = share >= settings.relation_loss and p < level
    limit = RULED_OUT * settings.relation_loss
    verdict = DriftVerdict.MAJOR if lost else DriftVerdict.OK if ci_high < limit else DriftVerdict.INSUFFICIENT_DATA
    words = "it has lost" if lost else "it is not shown to have lost"
    floor = f"{100 * settings.relation_loss:.0f} % or more"
    more = ""
    if verdict is DriftVerdict.INSUFFICIENT_DATA:
        floor += ", and not enough data to tell"
        more = f" {_how_many_more(found.n_current, share, ci_high, limit)}"
    lingers = budget.lingers(Layer.RELATION, row.test, p=p, effect=share, floor=settings.relation_loss)
    return replace(
        row,
        verdict=verdict,
        sentence=f"Relation: {figures}: {words} {floor} (lost {100 * share:.0f} %, p {show_p(p)}).{more}",
        statistic=share,
        detail={**row.detail, "lingers": lingers},
        ci_low=ci_low,
        ci_high=ci_high,
        p_value=p,
    )


def _holds(both: Delivered, found: RelationShift, new: set[int], settings: DriftSettings) -> bool:
    """Return whether the slope on new creatives is significant, and no less than what a material loss would leave."""
    of_new = np.isin(both.column("creative_id"), list(new))
    on_new = found if of_new[both.current].all() else both.relation(~both.current | of_new, settings)
    if on_new.current is None or on_new.current.ci_low <= 0:
        return False
    if on_new.reference is None or on_new.reference.ci_low <= 0:
        return True
    return on_new.current.slope >= (1 - settings.relation_loss) * on_new.reference.slope


def judge_level(both: Delivered, settings: DriftSettings, budget: Budget) -> LayerResult:
    """Test whether the level of the KPI has moved, at equal age of the creatives."""
    short = both.days <= LONG
    creative, campaign, segment = (both.column(name)[short] for name in ("creative_id", "campaign_id", "segment_id"))
    name = both.definition.name
    level = budget.level(Layer.KPI, "level")
    found = level_shift(
        clicks=both.count[short],
        impressions=both.exposure[short],
        unit=labels(creative, campaign, segment),
        creative=both.idea[short],
        period=both.start[short],
        age=both.age[short],
        current=both.current[short],
        min_creatives=settings.min_creatives,
        events=both.events,
    )
    if both.definition.direction is Direction.LOWER:
        found = found.inverse()
    row = LayerResult(
        layer=Layer.KPI,
        test=f"{both.definition.metric}_level",
        verdict=DriftVerdict.INSUFFICIENT_DATA,
        sentence=f"KPI level: {found.note}.",
        n_reference=found.n_reference,
        n_current=found.n_current,
        threshold=settings.kpi_floor,
        detail={
            "unit": "creatives",
            "level": level,
            "method": f"log ratio of {name} at equal age, each creative against itself",
        },
    )
    if found.log_ratio is None or found.p_value is None or found.ci_low is None or found.ci_high is None:
        return row
    moved = abs(found.log_ratio) >= settings.kpi_floor and found.p_value < level
    lingers = budget.lingers(Layer.KPI, "level", p=found.p_value, effect=abs(found.log_ratio), floor=settings.kpi_floor)
    furthest, limit = max(-found.ci_low, found.ci_high), RULED_OUT * settings.kpi_floor
    unclear = not moved and furthest >= limit
    words = "moved" if moved else "is not shown to have moved" if unclear else "has not moved beyond the floor"
    more = f" {_how_many_more(found.n_current, abs(found.log_ratio), furthest, limit)}" if unclear else ""
    return replace(
        row,
        verdict=DriftVerdict.INSUFFICIENT_DATA if unclear else DriftVerdict.MAJOR if moved else DriftVerdict.OK,
        sentence=(
            f"KPI level: {name} at equal age {words}: {_percent(found.log_ratio)} "
            f"({_percent(found.ci_low)} to {_percent(found.ci_high)}, p {show_p(found.p_value)}).{more}"
        ),
        statistic=found.log_ratio,
        detail={**row.detail, "lingers": lingers},
        ci_low=found.ci_low,
        ci_high=found.ci_high,
        p_value=found.p_value,
    )


def _how_many_more(n: int, estimate: float, upper: float, limit: float) -> str:
    """Say how many more creatives would usually be enough to rule out an effect, if nothing changed."""
    more = math.ceil(n * ((upper - estimate) / limit) ** 2) - n
    if more > 0:
        return f"About {more:,} more creatives in the window would tell."
    return "More delivery would tell."


def _rate_in_words(definition: MetricDefinition) -> str:
    """Return what rises with the score: the KPI, or for a cost what one gets for the same spend."""
    return f"{definition.rate[0]} per amount spent" if definition.direction is Direction.LOWER else definition.name


def _percent(log_change: float) -> str:
    return f"{100 * math.expm1(min(log_change, 20)):+.0f} %".replace("-", "−")
