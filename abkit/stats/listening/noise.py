"""How much of what is measured is noise, and what the correlation is with the noise taken out, where data say so."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from abkit.records import Record
from abkit.stats.estimate import Estimate
from abkit.stats.listening.sample import ListeningSample
from abkit.stats.monitoring.correlation import Correlation, correlate
from abkit.stats.tails import quantile
from abkit.stats.within_groups import centered, group_index
from abkit.vocabulary import CorrelationStatistic

NOT_ENOUGH = "not enough clicks"
_LEAST_RELIABILITY = 0.2
_LEAST_EVIDENCE = 0.01


@dataclass(frozen=True, kw_only=True)
class Noise(Record):
    """The noise of the measured rates inside campaigns, and the correlation without it.

    Attributes:
        reliability: Share of the variance of the measured rates that is no noise, 0 to 1; None where data do not
            identify it.
        ceiling: The highest correlation that any score can have with the measured rates: its root.
        measured: The correlation (Pearson) of score and measured rate inside campaigns.
        true: That with the true rates: `measured` over `ceiling`, with an interval that counts both errors.
        note: Why there is no ceiling; "" where there is one.
    """

    reliability: float | None
    ceiling: float | None
    measured: Correlation
    true: Estimate | None
    note: str = ""


def noise_of(sample: ListeningSample, *, level: float = 0.95) -> Noise:
    """Return the noise ceiling and the disattenuated correlation (Spearman 1904, doi 10.2307/1412159).

    Both need rates that differ by more than chance: where the test of equal rates has p > 0.01, or less than a fifth
    of the variance is no noise, there are "not enough clicks".

    Args:
        sample: The campaigns.
        level: Confidence level of the intervals.
    """
    campaign = np.repeat(np.arange(len(sample.campaigns)), [one.n for one in sample])
    score, ratio, variance, idea = (
        np.concatenate([np.zeros(0), *(getattr(one, name) for one in sample)])
        for name in ("score", "ratio", "variance", "idea")
    )
    measured = correlate(
        score,
        ratio,
        statistic=CorrelationStatistic.PLCC,
        campaign=campaign,
        idea=idea,
        account=None if sample.account is None else sample.account[campaign],
        level=level,
    )

    def unknown(why: str) -> Noise:
        return Noise(reliability=None, ceiling=None, measured=measured, true=None, note=f"{NOT_ENOUGH}: {why}")

    index, size = group_index(campaign)
    freedom = len(score) - len(size)
    if freedom < 3:
        return unknown(f"{len(score)} ideas in {len(size)} campaigns")
    error = variance * np.maximum(ratio, 0.0)  # variances of counts go by the rate
    away = centered(ratio, index, size)
    spread = float(away @ away) / freedom
    noise = float(((1 - 1 / size[index]) * error).sum()) / freedom
    if spread <= 0:
        return unknown("the rates of all ideas are the same")
    reliability = 1 - noise / spread
    from scipy.special import chdtrc

    p_value = float(chdtrc(freedom, freedom * spread / noise)) if noise > 0 else 0.0
    if p_value > _LEAST_EVIDENCE or reliability < _LEAST_RELIABILITY:
        return unknown("the rates differ hardly more than chance alone makes them")
    ceiling = math.sqrt(reliability)
    return Noise(
        reliability=reliability, ceiling=ceiling, measured=measured, true=_true(measured, reliability, freedom, level)
    )


def _true(measured: Correlation, reliability: float, freedom: int, level: float) -> Estimate | None:
    if measured.estimate is None or measured.ci_low is None or measured.ci_high is None:
        return None
    ceiling = math.sqrt(reliability)
    value = measured.estimate / ceiling
    # The delta method: the error of the correlation, and that of the ceiling.
    of_ceiling = (1 - reliability) * math.sqrt(2 / freedom) / (2 * ceiling)
    extra = value * of_ceiling / ceiling * quantile((1 + level) / 2)
    below = math.hypot((measured.estimate - measured.ci_low) / ceiling, extra)
    above = math.hypot((measured.ci_high - measured.estimate) / ceiling, extra)
    low, high = max(value - below, -1.0), min(value + above, 1.0)
    return Estimate(min(max(value, -1.0), 1.0), low, high)
