"""Data faults: whether figures and images arrive as they did, and can be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
from scipy import stats

from abkit.config import DriftSettings
from abkit.stats.monitoring.budget import Budget
from abkit.vocabulary import DriftVerdict, Layer
from abkit.workflows.drift.results import LayerResult
from abkit.workflows.drift.windows.windows import DriftWindows

_LEAST = 10  # of fewer images, rows or files no share is told


def judge_share(
    test: str, what: str, bad: int, everything: int, settings: DriftSettings, *, fault: str = "could not be used"
) -> LayerResult:
    """Test whether the share of unusable images, rows or files is beyond the floor."""
    share = bad / everything if everything >= _LEAST else None
    return LayerResult(
        layer=Layer.DATA,
        test=test,
        verdict=DriftVerdict.INSUFFICIENT_DATA if share is None else _fault_if(share > settings.fault_share),
        sentence=(
            f"Data: {everything} {what}; needed: {_LEAST}."
            if share is None
            else f"Data: {bad:,} of {everything:,} {what} ({100 * share:.0f} %) {fault}."
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
    start, as_of = windows.feed_start, windows.as_of
    expected_until = as_of - timedelta(days=settings.delay_days)
    before = {day: shown for day, shown in daily.items() if windows.reference_start <= day < windows.start}
    now = {day: shown for day, shown in daily.items() if start <= day <= as_of}
    settled = [start + timedelta(days=i) for i in range((expected_until - start).days + 1)]
    missing = [day for day in settled if day not in now]
    rested = (windows.start - min(before)).days - len(before) if before else 0
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


def judge_places(before: Mapping[str, int], now: Mapping[str, int], settings: DriftSettings) -> list[LayerResult]:
    """Say which segments of delivery have gone or are new; nothing where there are none in either window.

    Args:
        before, now: Impressions by segment, such as "placement=feed", of reference and current window.
        settings: `fault_share`, from which on a segment is large enough to be named.
    """
    if not before and not now:
        return []
    gone, new = _only_in(before, now, settings.fault_share), _only_in(now, before, settings.fault_share)
    said = [f"{', '.join(gone)} of the reference has no delivery any more"] if gone else []
    said += [f"{', '.join(new)} of the current window had none before"] if new else []
    return [
        LayerResult(
            layer=Layer.DATA,
            test="places",
            verdict=DriftVerdict.WATCH if said else DriftVerdict.OK,
            sentence=f"Data: {'; '.join(said)}: the relation and the level rest on what both windows have."
            if said
            else "Data: every large segment delivers in both windows.",
            n_reference=len(before),
            n_current=len(now),
            threshold=settings.fault_share,
            detail={"unit": "segments", "gone": gone, "new": new},
        )
    ]


def _only_in(some: Mapping[str, int], others: Mapping[str, int], floor: float) -> list[str]:
    """Return the segments with at least a share of the impressions of their dimension that others lack."""
    found = []
    for name, shown in some.items():
        dimension = name.partition("=")[0]
        # A platform that reports no placement at all has not lost one.
        known = [other for other in others if other.partition("=")[0] == dimension and others[other]]
        total = sum(value for other, value in some.items() if other.partition("=")[0] == dimension)
        if known and shown >= floor * total > 0 and not others.get(name):
            found.append(name)
    return sorted(found)


def judge_clock(as_of: date, last: date | None, future: int, today: date) -> list[LayerResult]:
    """Say where dates cannot be right: a check of a later day before this one, or delivery after today.

    Args:
        as_of: The day of the check.
        last: The day of the latest standing check that was made before; None where it does not matter.
        future: Impressions that are dated after today.
        today: The day by the clock.
    """
    wrong = []
    if last is not None and last > as_of:
        wrong.append(f"a check was already made for {last}, after {as_of}: the clock went backwards")
    if future:
        wrong.append(f"{future:,} impressions are dated after {today}: the export or the clock is wrong")
    if not wrong:
        return []
    return [
        LayerResult(
            layer=Layer.DATA,
            test="clock",
            verdict=DriftVerdict.WATCH,
            sentence=f"Data: {'; '.join(wrong)}.",
            n_current=future,
            detail={"unit": "impressions", "today": today.isoformat()},
        )
    ]


def _fault_if(broken: bool) -> DriftVerdict:
    return DriftVerdict.FAULT if broken else DriftVerdict.OK
