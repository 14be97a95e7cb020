"""What a creative got, as rates with intervals: CTR, CVR, CPA, ROAS."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from abkit.config import CorrelateSettings
from abkit.metrics import METRICS
from abkit.stats.proportions.intervals import wilson
from abkit.store.kpis.delivery import Delivered
from abkit.vocabulary import CreativeFormat, Metric
from abkit.workflows.creatives.per_creative import PerCreative, Spread

#: The rates of a leaderboard.
RATES = (Metric.CTR, Metric.CVR, Metric.CPA, Metric.ROAS)
_ALPHA, _REACH = 0.05, 1.96
_SQUARE = 0.02  # how far from 1 width ÷ height of a square may be


class Interval(NamedTuple):
    """A figure with its 95 % interval; None where it is not known."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


def rate_of(metric: Metric, row: Delivered, spread: Spread) -> Interval:
    """Return a rate of one creative.

    Shares of whole counts have Wilson's interval; all else an interval of the logarithm from how the rate varies
    between days. A single day has none, and a rate of 0 with amounts neither.

    >>> row = Delivered(creative_id=1, campaign_id=1, impressions=1000, clicks=20, conversions=0, spend=9.0)
    >>> rate_of(Metric.CTR, row, {})
    Interval(value=0.02, low=0.0129..., high=0.0306...)
    >>> rate_of(Metric.CPA, row, {})
    Interval(value=None, low=None, high=None)
    """
    definition = METRICS[metric]
    below, above = definition.terms(row) or (0, 0)
    if not below:
        return Interval()
    value = above / below
    if definition.share and above <= below and float(above).is_integer():
        low, high = wilson(above, below, _ALPHA)
        return Interval(value, float(low), float(high))
    error = PerCreative(definition, CorrelateSettings(), 1.0, spread).error(row)
    if error is None or value <= 0:
        return Interval(value)
    factor = math.exp(_REACH * error / value)
    return Interval(value, value / factor, value * factor if math.isfinite(factor) else None)


def rate_columns(row: Delivered, spreads: Mapping[Metric, Spread]) -> dict[str, Any]:
    """Return the columns of all rates of one creative."""
    columns: dict[str, Any] = {}
    for metric in RATES:
        found = rate_of(metric, row, spreads.get(metric, {}))
        columns |= {metric.value: found.value, f"{metric}_low": found.low, f"{metric}_high": found.high}
    return columns


def format_of(width: int, height: int) -> CreativeFormat:
    """Return the shape of an image.

    >>> format_of(1080, 1080).value, format_of(1080, 1920).value, format_of(1200, 628).value
    ('square', 'portrait', 'landscape')
    """
    if abs(width / height - 1) <= _SQUARE:
        return CreativeFormat.SQUARE
    return CreativeFormat.LANDSCAPE if width > height else CreativeFormat.PORTRAIT
