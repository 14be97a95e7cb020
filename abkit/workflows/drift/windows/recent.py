"""How many recent days of delivery a judgment needs: whole weeks, until enough creatives have had enough clicks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta

from abkit.config import DriftSettings
from abkit.metrics import METRICS, MetricDefinition
from abkit.store.kpis.late_events import DeliveryRow
from abkit.vocabulary import Metric

#: Of how many times the minimum of creatives the relation and the level are judged, where the delivery has them.
COMFORT = 3


def recent_start(
    rows: Sequence[DeliveryRow],
    *,
    as_of: date,
    first: date | None,
    scored: Collection[int],
    ideas: Mapping[int, int],
    settings: DriftSettings,
    definition: MetricDefinition = METRICS[Metric.CTR],
) -> date:
    """Return the first day of the window: the fewest weeks in which three times the minimum of ideas can be judged.

    Where no number of weeks has as many, it is the fewest weeks in which the most of them can. It leaves at least
    half of all days to the reference. Only exposure decides, never the clicks of the window itself.

    Args:
        rows: Delivery of the last `recent_weeks`.
        as_of: Last day of the window.
        first: First day of any delivery; None without any.
        scored: The creatives that have a score.
        ideas: Label of the idea by creative; one that is missing is an idea of its own.
        settings: `min_creatives`, `min_clicks`, `recent_weeks`.
        definition: The KPI, whose events count.
    """
    known = definition.known(rows)
    exposed_by = definition.rate[1]
    exposures = [float(getattr(row, exposed_by)) for row in known]
    events = sum(float(getattr(row, definition.events)) for row in known)
    rate = events / exposed if (exposed := sum(exposures)) > 0 else 0.0
    history = (as_of - first).days + 1 if first else 0
    weeks = max(1, min(settings.recent_weeks, history // 14))
    best, most = as_of - timedelta(days=6), -1
    for number in range(1, weeks + 1):
        start = as_of - timedelta(days=7 * number - 1)
        expected: dict[int, float] = defaultdict(float)
        for row, exposure in zip(known, exposures, strict=True):
            if row.period_start >= start and row.creative_id in scored:
                expected[ideas.get(row.creative_id, -row.creative_id)] += rate * exposure
        enough = sum(one >= settings.min_clicks for one in expected.values())
        if enough > most:
            best, most = start, enough
        if enough >= COMFORT * settings.min_creatives:
            break
    return best
