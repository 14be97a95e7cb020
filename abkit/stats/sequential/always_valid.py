"""Looking at any time: confidence sequences and always-valid p-values from a normal mixture.

A fixed-horizon interval is right once, at the planned end. A confidence sequence is right at all looks together: the
chance that it ever misses the truth is at most α, however often one looks and whenever one stops.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from abkit.errors import InvalidInput
from abkit.records import Record
from abkit.stats.estimate import Comparison, Estimate
from abkit.vocabulary import TWO_SIDED, Alternative

DEFAULT_TUNING = 5000
"""The total sample size at which the sequence is tightest, unless the plan says otherwise."""


def mixture_precision(alpha: float, tuning: float) -> float:
    """Return ρ² of the normal mixture that makes the sequence tightest at `tuning` observations in all.

    GrowthBook's convention, from Waudby-Smith et al. (2021), arXiv 2103.06476, eq. (24).
    It has to be fixed before the data are seen.
    """
    if not tuning >= 1 or not math.isfinite(tuning):
        raise InvalidInput(f"the sequence is tuned to {tuning} observations; expected the planned total, at least 1")
    return (-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / tuning


def multiplier(n: float, *, alpha: float = 0.05, tuning: float = DEFAULT_TUNING) -> float:
    """Return how many standard errors the confidence sequence reaches after n observations in all arms compared.

    Source: Waudby-Smith et al. (2021), arXiv 2103.06476, theorem 2.2, as in GrowthBook's gbstats: with ρ² from
    `mixture_precision`, √(2(nρ²+1)/(nρ²) · ln(√(nρ²+1)/α)). The fixed-horizon one is 1.96 at α = 0.05.

    >>> round(multiplier(5000), 4), round(multiplier(500), 4), round(multiplier(5_000_000), 4)
    (3.0352, 3.8551, 3.8695)
    """
    scaled = n * mixture_precision(alpha, tuning)
    return math.sqrt(2 * (scaled + 1) / scaled * (0.5 * math.log1p(scaled) - math.log(alpha)))


def always_valid_p(
    z: float,
    n: float,
    *,
    alpha: float = 0.05,
    tuning: float = DEFAULT_TUNING,
    alternative: Alternative = Alternative.TWO_SIDED,
) -> float:
    """Return the smallest level at which the sequence excludes no difference, ρ held as tuned for α.

    The reciprocal of the mixture likelihood ratio: Johari et al. (2022), doi 10.1287/opre.2021.2135. It is halved for
    a one-sided alternative, and 1 where z points the other way.

    >>> round(always_valid_p(multiplier(5000), 5000), 6)
    0.05
    >>> always_valid_p(0.0, 5000)
    1.0
    """
    scaled = n * mixture_precision(alpha, tuning)
    p_value = math.exp(min(0.5 * math.log1p(scaled) - 0.5 * z * z * scaled / (1 + scaled), 0.0))
    if alternative is TWO_SIDED:
        return p_value
    points = z > 0 if alternative is Alternative.GREATER else z < 0
    return p_value / 2 if points else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look(Record):
    """One look at a running test.

    Attributes:
        look: Its number, from 1.
        n: Observations in both arms so far.
        difference: The difference with the interval of the sequence at this look.
        running: The difference with the intersection of all intervals so far; NaN ends when they no longer meet.
        p_value: The smallest always-valid p-value of all looks so far.
        fixed: The difference with its fixed-horizon interval: valid only if this look was the planned one.
    """

    look: int
    n: float
    difference: Estimate
    running: Estimate
    p_value: float
    fixed: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidenceSequence(Record):
    """The looks at a test in the order of time.

    Attributes:
        looks: One record per look.
        level: The chance that all intervals hold together.
        tuning: The total sample size that the sequence was tuned to.
        stopped_at: Number of the first look whose interval excluded zero, or None.
        naive_stop: The same for the fixed-horizon interval: where peeking would have stopped it.
        verdict: `better` or `worse` from the first look on whose interval excludes zero, `undecided` before. It never
            reverses: where a later interval lies on the other side of zero, the effect was not stable or the data
            are faulty, and it is `contradicted` from then on.
    """

    looks: tuple[Look, ...]
    level: float
    tuning: float
    stopped_at: int | None
    naive_stop: int | None
    verdict: str


def confidence_sequence(
    sequential: Sequence[Comparison], fixed: Sequence[Comparison], *, tuning: float = DEFAULT_TUNING
) -> ConfidenceSequence:
    """Join the analyses of the same test at successive looks, each of the data so far.

    Args:
        sequential: One any-time comparison per look.
        fixed: The fixed-horizon comparison of the same look.
        tuning: The total sample size that the any-time comparisons were tuned to.

    Raises:
        InvalidInput: There is no look, a different number of fixed ones, or a sample that shrinks from look to look.

    >>> from abkit.stats.arms import Counts
    >>> from abkit.stats.proportions.compare import compare
    >>> arms = [(Counts(50, 1000), Counts(60, 1000)), (Counts(500, 10_000), Counts(600, 10_000))]
    >>> any_time = [compare(*pair, method="sequential") for pair in arms]
    >>> result = confidence_sequence(any_time, [compare(*pair) for pair in arms])
    >>> result.stopped_at, result.naive_stop
    (None, 2)
    """
    if not sequential or len(sequential) != len(fixed):
        raise InvalidInput(
            f"{len(sequential)} any-time looks and {len(fixed)} fixed ones; expected as many, at least 1"
        )
    looks: list[Look] = []
    low, high, p_value, before = -math.inf, math.inf, 1.0, 0.0
    for number, (now, then) in enumerate(zip(sequential, fixed, strict=True), start=1):
        n = now.control.n + now.treatment.n
        if n < before:
            raise InvalidInput(
                f"look {number} has {n:g} observations after {before:g}; looks are cumulative, in the order of time"
            )
        before = n
        low, high = max(low, now.difference.ci_low), min(high, now.difference.ci_high)
        p_value = min(p_value, now.p_value)
        ends = (low, high) if low <= high else (math.nan, math.nan)
        running = Estimate(now.difference.estimate, *ends)
        looks.append(
            Look(look=number, n=n, difference=now.difference, running=running, p_value=p_value, fixed=then.difference)
        )
    first = next((look for look in looks if look.difference.excludes(0.0)), None)
    return ConfidenceSequence(
        looks=tuple(looks),
        level=sequential[-1].level,
        tuning=tuning,
        stopped_at=first.look if first else None,
        naive_stop=next((look.look for look in looks if look.fixed.excludes(0.0)), None),
        verdict=verdict_of(looks),
    )


def verdict_of(looks: Sequence[Look]) -> str:
    """Return the verdict after these looks: see `ConfidenceSequence`.

    >>> verdict_of([])
    'undecided'
    """
    better = any(look.difference.ci_low > 0 for look in looks)
    worse = any(look.difference.ci_high < 0 for look in looks)
    if better and worse:
        return "contradicted"
    return "better" if better else "worse" if worse else "undecided"
