"""Guards over how the arms were delivered: known ads, whole days, one format, and a split that nothing steers."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence

from abkit.records import percent
from abkit.stats.verdicts.guards import ArmDays, Guard
from abkit.stats.verdicts.sample_ratio import ALPHA, sample_ratio
from abkit.vocabulary import GuardStatus

MOST_OFF = 0.1
"""A part of the traffic is split otherwise if an arm's share of it is off by a tenth of that arm's share of all."""

Size = tuple[int, int]


def known_ads(unknown: Mapping[str, str]) -> Guard:
    """Check that every variant names an ad or a creative that the store has.

    Args:
        unknown: Variant → the name that nothing has.

    >>> known_ads({"new": "hero_2"}).message
    "no ad and no creative is called 'hero_2' (new)"
    """
    if not unknown:
        return Guard("ads", GuardStatus.PASS, "every variant names an ad or a creative that is known")
    named = ", ".join(f"{name!r} ({key})" for key, name in unknown.items())
    return Guard(
        "ads",
        GuardStatus.BLOCK,
        f"no ad and no creative is called {named}",
        "import its KPIs, or create the test again with the ad's id as the platform writes it",
    )


def whole_days(longer: Mapping[str, int], *, by_day: bool) -> Guard:
    """Check that no row spans several days where days are compared: such a row would count on its last day only.

    Args:
        longer: Arm → rows that count and span more than a day.
        by_day: Whether days are the units.

    >>> whole_days({"a": 0, "b": 2}, by_day=True).message
    'b has 2 rows that span several days; days are the units here'
    """
    found = {key: rows for key, rows in longer.items() if rows}
    if not by_day:
        return Guard("periods", GuardStatus.SKIPPED, "days are not the units")
    if not found:
        return Guard("periods", GuardStatus.PASS, "every row is one day")
    said = ", ".join(f"{key} has {rows:,} rows" for key, rows in found.items())
    return Guard(
        "periods",
        GuardStatus.BLOCK,
        f"{said} that span several days; days are the units here",
        "export by day and import that; totals beside days then do not count",
    )


def one_format(sizes: Mapping[str, Collection[Size]], *, tolerance: float, mixes: bool) -> Guard:
    """Check that all arms have the same formats: no placement shows both of two formats, so it would be compared too.

    Args:
        sizes: Arm → width and height of its creatives, in pixels.
        tolerance: By how much logarithms of width ÷ height may differ within one format.
        mixes: Whether what is randomized sees all placements (users, sessions, geographies).

    >>> one_format({"a": [(1080, 1080)], "b": [(1080, 1920)]}, tolerance=0.02, mixes=False).message
    'the arms have different formats: a 1080 × 1080, b 1080 × 1920'
    """
    known = {key: sorted(found, key=_ratio) for key, found in sizes.items() if found}
    if len(known) < len(sizes):
        return Guard("formats", GuardStatus.SKIPPED, "the formats of the arms are not known")
    first, *others = ([_ratio(size) for size in found] for found in known.values())
    if all(_same(first, other, tolerance) for other in others):
        return Guard("formats", GuardStatus.PASS, "all arms have the same formats")
    said = ", ".join(f"{key} {' and '.join(f'{w} × {h}' for w, h in found[:3])}" for key, found in known.items())
    message = f"the arms have different formats: {said}"
    if mixes:
        message += "; the placements that show them are part of the comparison"
        return Guard("formats", GuardStatus.PASS, message)
    action = "test creatives of one format; `abkit experiment design` pairs only such"
    return Guard("formats", GuardStatus.BLOCK, message, action)


def _ratio(size: Size) -> float:
    return math.log(size[0] / size[1])


def _same(one: Sequence[float], other: Sequence[float], tolerance: float) -> bool:
    """Return whether every ratio of each has one of the other beside it."""
    return all(
        any(abs(a - b) <= tolerance for b in there) for here, there in ((one, other), (other, one)) for a in here
    )


def not_steered(arms: Sequence[ArmDays], segments: Mapping[str, Sequence[int]], *, drawn: bool) -> Guard:
    """Check that each day and each segment is split as all are: a platform that optimizes shifts traffic between arms.

    Whether all are split as planned is the sample ratio's question.

    The error rate over all days, segments and looks together is at most twice that of the sample ratio: a day is tested
    once it is over, the n-th at 6/(πn)² of it; segments, which grow, by a test that is valid at any look.

    Args:
        arms: The arms with their impressions by day.
        segments: Name of a segment → impressions of each arm, in the order of the arms.
        drawn: Whether impressions were assigned at random.

    >>> from datetime import date
    >>> days = [date(2026, 3, day) for day in (1, 2)]
    >>> arms = [ArmDays(key, 0.5, dict(zip(days, n)), {}) for key, n in (("a", (900, 1100)), ("b", (1100, 900)))]
    >>> not_steered(arms, {}, drawn=True).message
    'a got 45.0 % of the impressions on 2026-03-01, and 50.0 % in all (p = 7.7e-06); 2 parts differ'
    """
    if not drawn:
        return Guard("steering", GuardStatus.SKIPPED, "impressions were not assigned at random")
    found = [*_off_days(arms), *_off_segments(arms, segments)]
    if not found:
        return Guard("steering", GuardStatus.PASS, "every day and segment is split as all are")
    message = found[0] + (f"; {len(found)} parts differ" if len(found) > 1 else "")
    action = (
        "the platform seems to choose who sees what: have it rotate the ads evenly, or create the test with "
        "--allocation optimized"
    )
    return Guard("steering", GuardStatus.BLOCK, message, action)


def _off_days(arms: Sequence[ArmDays]) -> Iterator[str]:
    days = sorted({day for arm in arms for day, n in arm.exposures.items() if n})
    for number, day in enumerate(days, start=1):
        counts = [int(arm.exposures.get(day, 0)) for arm in arms]
        if min(counts):  # a day that one arm lacks is another guard's
            yield from _off(arms, counts, f"on {day}", ALPHA * 6 / (math.pi * number) ** 2, sequential=False)


def _off_segments(arms: Sequence[ArmDays], segments: Mapping[str, Sequence[int]]) -> Iterator[str]:
    for name, counts in segments.items():
        yield from _off(arms, counts, f"in {name}", ALPHA / len(segments), sequential=True)


def _off(
    arms: Sequence[ArmDays], counts: Sequence[int], where: str, alpha: float, *, sequential: bool
) -> Iterator[str]:
    total, all_ = sum(counts), sum(arm.trials for arm in arms)
    shares = [arm.trials / all_ for arm in arms] if all_ else []
    if not total or not all(shares):
        return
    off = [count / total / share - 1 for count, share in zip(counts, shares, strict=True)]
    # Of two arms both are off by as much; rounding is not to choose.
    arm = max(range(len(off)), key=lambda one: round(abs(off[one]), 9))
    if abs(off[arm]) < MOST_OFF - 1e-9:
        return
    tested = sample_ratio(counts, shares, alpha=alpha, sequential=sequential)
    if tested.mismatch:
        seen, usual = percent(counts[arm] / total, 1), percent(shares[arm], 1)
        yield f"{arms[arm].key} got {seen} of the impressions {where}, and {usual} in all (p = {tested.p_value:.2g})"
