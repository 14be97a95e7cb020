"""Has the level of a KPI moved, beyond what the aging of the creatives explains?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from abkit.records import Record
from abkit.stats.appeal.absorbed_poisson import absorbed_poisson
from abkit.stats.student_t import t_quantile, upper_tail


@dataclass(frozen=True, kw_only=True)
class LevelShift(Record):
    """The level now against the reference.

    Attributes:
        log_ratio: Log of the current over the reference level at equal age; −0.69 is half. None where there is none.
        ci_low, ci_high: Its 95 % interval.
        p_value: Two-sided p-value of "the level is the same".
        n_reference, n_current: Number of creatives that delivered in the window.
        note: Why there is no estimate.
    """

    log_ratio: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    p_value: float | None = None
    n_reference: int
    n_current: int
    note: str = ""

    def inverse(self) -> LevelShift:
        """Return the same of 1 ÷ the rate: what an event costs, where the rate is events per amount spent."""
        if self.log_ratio is None or self.ci_low is None or self.ci_high is None:
            return self
        return replace(self, log_ratio=-self.log_ratio, ci_low=-self.ci_high, ci_high=-self.ci_low)


def level_shift(
    *,
    clicks: ArrayLike,
    impressions: ArrayLike,
    unit: ArrayLike,
    creative: ArrayLike,
    period: ArrayLike,
    age: ArrayLike,
    current: ArrayLike,
    min_creatives: int = 10,
    events: str = "clicks",
) -> LevelShift:
    """Estimate the step of log CTR between two windows for the same creatives.

    Every creative keeps a level of its own (`absorbed_poisson`), so a change of mix is no change of level; a common age
    curve, linear in log(1 + age) and in age, is fitted beside the step and taken out: fatigue bends, a step jumps. A
    creative that ran in one window only still helps to find the age curve. The standard error is the larger of those
    clustered by creative and by period.

    Args:
        clicks, impressions: Shape (n,), one row per creative, day and placement.
        unit: Shape (n,): creative, campaign and segment together: what keeps its own level.
        creative: Shape (n,), labels.
        period: Shape (n,): the day.
        age: Shape (n,): days since the creative's first delivery.
        current: Shape (n,), bool.
        min_creatives: Fewest creatives that delivered in both windows.
        events: What `clicks` are, for the note: any events, by any exposure, may stand there.

    >>> rng = np.random.default_rng(0)
    >>> creative, day = np.repeat(np.arange(20), 40), np.tile(np.arange(40), 20)
    >>> rate = 0.02 * np.exp(-0.3 * (1 - np.exp(-day / 18))) * np.where(day >= 33, 0.5, 1)
    >>> labels = {"unit": creative, "creative": creative, "period": day, "age": day, "current": day >= 33}
    >>> found = level_shift(clicks=rng.poisson(5000 * rate), impressions=np.full(800, 5000), **labels)
    >>> round(float(np.exp(found.log_ratio)), 1), found.p_value < 0.001
    (0.5, True)
    """
    shown = np.asarray(impressions, np.float64)
    keep = shown > 0
    shown, clicks_, now = shown[keep], np.asarray(clicks, np.float64)[keep], np.asarray(current, bool)[keep]
    unit_, creative_, period_ = (np.asarray(v)[keep] for v in (unit, creative, period))
    days = np.asarray(age, np.float64)[keep]
    before, after = set(creative_[~now].tolist()), set(creative_[now].tolist())
    found = partial(LevelShift, n_reference=len(before), n_current=len(after))
    if len(before & after) < min_creatives:
        return found(note=f"creatives that delivered in both windows: {len(before & after)}; needed: {min_creatives}")
    if not clicks_[~now].sum() or not clicks_[now].sum():
        which = "reference" if not clicks_[~now].sum() else "current window"
        return found(note=f"there are no {events} at all in the {which}")
    X = np.column_stack([now, np.log1p(np.maximum(days, 0)), days / 30])
    fit = absorbed_poisson(clicks_, shown, X, unit_, [creative_, period_])
    step, error = float(fit.coefficients[0]), float(fit.standard_errors[0])
    if not np.isfinite(error) or error <= 0:
        return found(note="the windows do not overlap in any creative")
    freedom = max(1, min(len(before & after), len(np.unique(period_))) - 1)
    half = float(t_quantile(0.975, freedom)) * error
    return found(
        log_ratio=step,
        ci_low=step - half,
        ci_high=step + half,
        p_value=2 * upper_tail(abs(step) / error, freedom),
    )
