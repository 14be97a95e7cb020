"""Data faults: whether figures and images arrive as they did, and can be used."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
from scipy import stats

from abkit.config import DriftSettings
from abkit.stats.monitoring.budget import Budget
from abkit.vocabulary import DriftVerdict, Layer
from abkit.workflows.drift.results import LayerResult
from abkit.workflows.drift.windows import DriftWindows

_LEAST = 10  # of fewer images, rows or files no share is told


def judge_share(test: str, what: str, bad: int, everything: int, settings: DriftSettings) -> LayerResult:
    """Test whether the share of unusable images, rows or files is beyond the floor."""
    share = bad / everything if everything >= _LEAST else None
    return LayerResult(
        layer=Layer.DATA,
        test=test,
        verdict=DriftVerdict.INSUFFICIENT_DATA if share is None else _fault_if(share > settings.fault_share),
        sentence=(
            f"Data: {everything} {what}; needed: {_LEAST}."
            if share is None
            else f"Data: {bad:,} of {everything:,} {what} ({100 * share:.0f} %) could not be used."
        ),
        statistic=share,
        n_current=everything,
        threshold=settings.fault_share,
        detail={"unit": what.split(" (")[0].split()[-1], "bad": bad},
    )


def judge_feed(
    daily: dict[date, int], windows: DriftWindows, settings: DriftSettings, budget: Budget
) -> list[LayerResult]:
    """Test whether days arrive as they did, with about as many impressions: for windows of days.

    Args:
        daily: Impressions by day, from the reference's first day on.
        windows: The windows of the check.
        settings: Floors; `delay_days` says how late figures may come.
        budget: The level that missing days are held against: an account that rests now and then has no broken feed.
    """
    start, as_of = windows.start, windows.as_of
    expected_until = as_of - timedelta(days=settings.delay_days)
    before = {day: shown for day, shown in daily.items() if windows.reference_start <= day < start}
    now = {day: shown for day, shown in daily.items() if start <= day <= as_of}
    settled = [start + timedelta(days=i) for i in range((expected_until - start).days + 1)]
    missing = [day for day in settled if day not in now]
    rested = (start - min(before)).days - len(before) if before else 0
    usual = rested / (len(before) + rested) if before else 0.0
    gaps = LayerResult(
        layer=Layer.DATA,
        test="gaps",
        verdict=DriftVerdict.INSUFFICIENT_DATA,
        sentence=f"Data: the reference has {len(before)} days of delivery; needed: 7.",
        n_reference=len(before),
        n_current=len(now),
        threshold=settings.fault_share,
        detail={"unit": "days", "missing": [day.isoformat() for day in missing], "usual_share": usual},
    )
    volume = replace(gaps, test="volume", threshold=settings.volume_floor, detail={"unit": "days"})
    if len(before) < 7:
        return [gaps, volume]
    if not settled:
        late = f"Data: figures may come {settings.delay_days} days late, and the current window is not older than that."
        return [replace(gaps, sentence=late), replace(volume, sentence=late)]
    share = len(missing) / len(settled)
    # How often so many days would be missing if each were as likely to be missing as in the reference.
    chance = float(stats.betabinom.sf(len(missing) - 1, len(settled), rested + 0.5, len(before) + 0.5))
    broken = share - usual > settings.fault_share and chance < budget.level(Layer.DATA, "gaps")
    listed = f" ({', '.join(day.isoformat() for day in missing[:3])}{' …' if len(missing) > 3 else ''})"
    gaps = replace(
        gaps,
        verdict=_fault_if(broken),
        statistic=share,
        p_value=chance,
        sentence=f"Data: {len(missing)} of {len(settled)} days have no delivery{listed if missing else ''}.",
    )
    if not now:
        return [gaps, replace(volume, sentence="Data: no delivery at all in the current window.")]
    ratio = float(np.median(list(now.values())) / max(1.0, float(np.median(list(before.values())))))
    return [
        gaps,
        replace(
            volume,
            verdict=_fault_if(ratio < settings.volume_floor),
            statistic=ratio,
            sentence=f"Data: impressions per day are {100 * ratio:.0f} % of those in the reference.",
        ),
    ]


def _fault_if(broken: bool) -> DriftVerdict:
    return DriftVerdict.FAULT if broken else DriftVerdict.OK
