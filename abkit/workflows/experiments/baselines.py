"""What the store says about a metric before a test: its value, its noise per impression, and what impressions bring."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy.orm import Session

from abkit.errors import AbkitError, InvalidInput
from abkit.metrics import METRICS
from abkit.money import Exchange
from abkit.stats.design.power import Mean, Rate
from abkit.store.kpis.delivery import Delivered, Deliveries, Filters, day_sums
from abkit.vocabulary import Metric

FEWEST_EVENTS = 30
FEWEST_DAYS = 14
"""Days of creatives, from which the noise of a metric that is no share is learned."""


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """What a test is planned with.

    Attributes:
        test: The control's rate; or its mean, with the standard deviation of a single impression.
        source: Where it comes from.
        units_per_impression: Units of the test per impression: clicks for the CVR, impressions else.
        events_per_impression: Clicks or conversions per impression.
        worth_per_1000: What 1,000 impressions bring (or cost, where that is the metric); None where it is not known.
    """

    test: Rate | Mean
    source: str
    units_per_impression: float
    events_per_impression: float
    worth_per_1000: float | None


def baseline_of(
    session: Session,
    metric: Metric,
    delivered: Deliveries,
    campaign: int,
    *,
    as_of: date,
    given: float | None = None,
    money: Exchange | None = None,
    margin_rate: float = 1.0,
    value_per_event: float | None = None,
) -> Baseline:
    """Return the baseline of a metric: that of the campaign so far, else of everything delivered.

    Args:
        session: A reading session.
        metric: What the test compares.
        delivered: What every creative delivered until `as_of`.
        campaign: The campaign.
        as_of: The last day that counts.
        given: The rate, where the user says so; for shares only.
        money: The currency of amounts; None where they are not known.
        margin_rate: For the margin: the share of the revenue that is left before advertising.
        value_per_event: What a click or conversion is worth; by default its revenue.

    Raises:
        AbkitError: Too little is known of the metric.
        InvalidInput: A baseline is given that does not say how much the metric varies.
    """
    definition = METRICS[metric]
    if given is not None and not definition.share:
        raise InvalidInput(
            f"a baseline is given, and {metric} is no rate: how much it varies is learned from the store",
            hint="leave out --baseline",
        )
    for rows, source in (
        ([row for row in delivered.rows if row.campaign_id == campaign], "the campaign so far"),
        (list(delivered.rows), "everything delivered so far"),
    ):
        known = definition.known(rows)
        impressions = sum(row.impressions for row in known)
        events = sum(getattr(row, definition.events) for row in known)
        if given is None and (events < FEWEST_EVENTS or not impressions):
            continue
        below, above = _sums(known, metric, margin_rate)
        worth = _worth(known, metric, above, impressions, value_per_event)
        said = f"{source}: {events:,.6g} {definition.events} in {impressions:,} impressions"
        if definition.share:
            rate = above / below if given is None else given
            per = below / impressions if impressions else 1.0 if definition.denominator == "impressions" else math.nan
            if math.isnan(per):
                continue
            if given is not None and impressions and above:
                worth = worth * given * below / above if worth is not None else None
            return Baseline(
                test=Rate(rate),
                source=said if given is None else "given",
                units_per_impression=per,
                events_per_impression=rate * per,
                worth_per_1000=worth,
            )
        spread = _spread(session, metric, known, as_of, money, margin_rate)
        if spread is None or not below or not above:
            continue
        return Baseline(
            test=Mean(above / below, spread * impressions / below),
            source=f"{said}; its noise from the days of each creative",
            units_per_impression=1.0,
            events_per_impression=events / impressions,
            worth_per_1000=worth,
        )
    if metric is Metric.CTR:
        raise AbkitError("no CTR is known yet to plan with", hint="give --baseline, such as 0.01, or import KPIs")
    needs = f" and {' and '.join(definition.needs)}" if definition.needs else ""
    raise AbkitError(
        f"no {definition.name} is known yet to plan with: that takes {FEWEST_EVENTS} {definition.events}{needs}"
        + ("" if definition.share else f", and {FEWEST_DAYS} days of creatives to learn how much it varies"),
        hint="import KPIs with them, or plan with --metric ctr",
    )


def _sums(rows: Sequence[Delivered], metric: Metric, margin_rate: float) -> tuple[float, float]:
    terms = [METRICS[metric].terms(row, margin_rate=margin_rate) or (0, 0) for row in rows]
    return sum(below for below, _ in terms), sum(above for _, above in terms)


def _worth(
    rows: Sequence[Delivered], metric: Metric, above: float, impressions: int, value: float | None
) -> float | None:
    """Return what 1,000 impressions bring, or cost where that is the metric."""
    definition = METRICS[metric]
    if not impressions:
        return None
    if definition.needs:
        return abs(above) / definition.per / impressions * 1000
    if value is not None:
        return value * float(sum(getattr(row, definition.events) for row in rows)) / impressions * 1000
    paid = [row for row in rows if row.revenue is not None]
    revenue, shown = sum(row.revenue or 0.0 for row in paid), sum(row.impressions for row in paid)
    return revenue / shown * 1000 if revenue > 0 and shown else None


def _spread(
    session: Session,
    metric: Metric,
    rows: Sequence[Delivered],
    as_of: date,
    money: Exchange | None,
    margin_rate: float,
) -> float | None:
    """Return the standard deviation of numerator − ratio × denominator of an impression, within creatives."""
    sums = day_sums(session, Filters(end=as_of), METRICS[metric], money, margin_rate)
    shown = {(row.creative_id, row.campaign_id): row.impressions for row in rows}
    squares, impressions, days = 0.0, 0, 0
    for key, (n, y, x, yy, xx, xy) in sums.items():
        if key not in shown or n < 2 or not x:
            continue
        ratio = y / x
        squares += max(yy - 2 * ratio * xy + ratio * ratio * xx, 0.0) * n / (n - 1)
        impressions += shown[key]
        days += int(n)
    return math.sqrt(squares / impressions) if days >= FEWEST_DAYS and squares > 0 and impressions else None
