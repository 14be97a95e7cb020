"""Data faults: do figures and pictures come in as they did, and can they be used."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from abkit.config import DriftSettings
from abkit.vocabulary import DriftVerdict, Layer
from abkit.workflows.drift.result import LayerResult


def judge_share(
    test: str, what: str, bad: int, everything: int, settings: DriftSettings, needed: int = 10
) -> LayerResult:
    """Is the share of unusable pictures, rows or files beyond the floor."""
    detail = {"unit": what.split()[-1], "bad": bad}
    row = LayerResult(
        Layer.DATA, test, DriftVerdict.INSUFFICIENT_DATA, f"Data: {everything} {what}; needed: {needed}.",
        n_current=everything, threshold=settings.fault_share, detail=detail,
    )  # fmt: skip
    if everything < needed:
        return row
    share = bad / everything
    fault = share > settings.fault_share
    return row.but(
        verdict=DriftVerdict.FAULT if fault else DriftVerdict.OK,
        statistic=share,
        sentence=f"Data: {bad:,} of {everything:,} {what} ({share:.0%}) could not be used.",
    )


def judge_feed(
    daily: dict[date, int], start: date, as_of: date, reference_start: date, settings: DriftSettings
) -> list[LayerResult]:
    """Do days come in as they did, and about as many impressions: for windows of days.

    Args:
        daily: impressions by day, from the reference's first day on.
        start: first day of the current window.
        as_of: its last.
        reference_start: first day of the reference.
        settings: floors; `delay_days` says how late figures may come.
    """
    expected_until = as_of - timedelta(days=settings.delay_days)
    before = {day: shown for day, shown in daily.items() if reference_start <= day < start}
    now = {day: shown for day, shown in daily.items() if start <= day <= as_of}
    settled = [start + timedelta(days=i) for i in range((expected_until - start).days + 1)]
    missing = [day for day in settled if day not in now]
    usual = _missing_share(before, start)
    gaps = LayerResult(
        Layer.DATA, "gaps", DriftVerdict.INSUFFICIENT_DATA,
        f"Data: the reference has {len(before)} days of delivery; needed: 7.",
        n_reference=len(before), n_current=len(now), threshold=settings.fault_share,
        detail={"unit": "days", "missing": [day.isoformat() for day in missing], "usual_share": usual},
    )  # fmt: skip
    volume = gaps.but(test="volume", threshold=settings.volume_floor, detail={"unit": "days"})
    if len(before) < 7:
        return [gaps, volume]
    if not settled:
        late = f"Data: figures may come {settings.delay_days} days late, and the current window is not older than that."
        return [gaps.but(sentence=late), volume.but(sentence=late)]
    share = len(missing) / len(settled)
    broken = len(missing) >= 1 and share - usual > settings.fault_share
    listed = f" ({', '.join(day.isoformat() for day in missing[:3])}{' …' if len(missing) > 3 else ''})"
    gaps = gaps.but(
        verdict=DriftVerdict.FAULT if broken else DriftVerdict.OK,
        statistic=share,
        sentence=f"Data: {len(missing)} of {len(settled)} days have no delivery{listed if missing else ''}.",
    )
    if not now:
        return [gaps, volume.but(sentence="Data: no delivery at all in the current window.")]
    ratio = float(np.median(list(now.values())) / max(1.0, float(np.median(list(before.values())))))
    return [
        gaps,
        volume.but(
            verdict=DriftVerdict.FAULT if ratio < settings.volume_floor else DriftVerdict.OK,
            statistic=ratio,
            sentence=f"Data: impressions a day are {ratio:.0%} of those in the reference.",
        ),
    ]


def _missing_share(before: dict[date, int], start: date) -> float:
    if not before:
        return 0.0
    span = (start - min(before)).days
    return 1 - len(before) / span if span > 0 else 0.0
