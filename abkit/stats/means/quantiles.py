"""Two quantiles of a metric compared: the median order, the slowest tenth. By the bootstrap, without resampling."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abkit.errors import InvalidInput
from abkit.stats.estimate import ArmMean, Comparison, bounded
from abkit.stats.tails import two_sided_alpha
from abkit.vocabulary import Alternative, parse_choice

DRAWS = 100_000
"""Bootstrap draws: the ends of a 95 % interval vary by less than 2 % of its width."""

FEWEST_BEYOND = 10
"""Units on each side of a quantile, in each arm: fewer say nothing about how far the quantile may lie."""


def compare_quantiles(
    control: ArrayLike,
    treatment: ArrayLike,
    *,
    q: float = 0.5,
    level: float = 0.95,
    alternative: Alternative | str = Alternative.TWO_SIDED,
    seed: int = 0,
) -> Comparison:
    """Compare the q-quantile of a metric between two arms, one value per unit.

    In a bootstrap sample of n values the q-quantile is an order statistic of the sample seen, whose rank is close to
    Binomial(n + 1, q): ranks are drawn instead of samples. Source: Schultzberg & Ankargren (2022), arXiv 2202.10992.
    The interval is that of the draws of treatment − control, and the p-value the level at which it reaches 0.

    Args:
        control: Shape (n,), one value per unit.
        treatment: Shape (m,).
        q: Which quantile, in (0, 1); 0.5 is the median.
        level: Confidence level.
        alternative: Which difference counts, treatment against control.
        seed: Of the draws.

    Raises:
        InvalidInput: q or level are not between 0 and 1, a value is not finite, or an arm has fewer than 10 units
            on one side of the quantile.

    >>> old, new = np.arange(1000) % 100, np.arange(1000) % 100 + 20
    >>> found = compare_quantiles(old, new)
    >>> found.difference.estimate, found.significant
    (20.0, True)
    """
    alternative = parse_choice(Alternative, alternative, name="alternative")
    alpha = two_sided_alpha(level, alternative)
    if not 0 < q < 1:
        raise InvalidInput(f"the quantile is {q:g}; it has to lie between 0 and 1, such as 0.5 for the median")
    rng = np.random.default_rng(seed)
    arms = [_Arm(values, q, rng) for values in (control, treatment)]
    drawn = np.sort(arms[1].drawn - arms[0].drawn)
    difference = arms[1].value - arms[0].value
    notes = [f"quantile {q:g}, {DRAWS:,} bootstrap draws of its rank, seed {seed}"]
    if any(arm.tied for arm in arms):
        notes.append("many units have the value of the quantile itself: the interval is then wider than it has to be")
    lift = math.nan, (-math.inf, math.inf)
    if arms[0].value > 0 and arms[0].drawn.min() > 0:
        lifts = np.sort(arms[1].drawn / arms[0].drawn - 1)
        lift = arms[1].value / arms[0].value - 1, _ends(lifts, alpha)
    else:
        notes.append("no finite lift: the control's quantile is not clearly above zero")
    return Comparison(
        control=arms[0].record,
        treatment=arms[1].record,
        difference=bounded(difference, _ends(drawn, alpha), alternative),
        lift=bounded(*lift, alternative),
        p_value=_p_value(drawn, alternative),
        statistic=math.nan,
        method="bootstrap",
        level=level,
        alternative=alternative,
        conventions=dict.fromkeys(("p_value", "difference", "lift"), "bootstrap of the quantile's rank, percentiles"),
        notes=tuple(notes),
    )


class _Arm:
    """One arm: its values in order, its quantile, and draws of it."""

    def __init__(self, values: ArrayLike, q: float, rng: np.random.Generator) -> None:
        ordered = np.sort(np.asarray(values, dtype=float).ravel())
        n = len(ordered)
        if not np.isfinite(ordered).all():
            raise InvalidInput("a value is missing or infinite; expected one finite number per unit")
        beyond = min(q, 1 - q) * n
        if beyond < FEWEST_BEYOND:
            raise InvalidInput(
                f"an arm has {n} units, of which {beyond:.3g} lie beyond the quantile {q:g}; at least {FEWEST_BEYOND} "
                "are needed",
                hint="compare a quantile nearer to the middle, or wait for more units",
            )
        self.value = float(np.quantile(ordered, q))
        ranks = np.clip(rng.binomial(n + 1, q, DRAWS), 1, n)
        self.drawn: NDArray[np.float64] = ordered[ranks - 1]
        self.record = ArmMean(n, self.value, float(self.drawn.std()))
        self.tied = float((self.drawn == self.value).mean()) > 0.5


def _ends(drawn: NDArray[np.float64], alpha: float) -> tuple[float, float]:
    """Return the percentiles of sorted draws, rounded outwards."""
    outside = math.floor(alpha / 2 * (len(drawn) + 1)) - 1
    return float(drawn[outside]), float(drawn[len(drawn) - 1 - outside])


def _p_value(drawn: NDArray[np.float64], alternative: Alternative) -> float:
    """Return the smallest level whose interval excludes 0; never 0, as the draws are finite."""
    below, above = np.searchsorted(drawn, 0.0, "right"), len(drawn) - np.searchsorted(drawn, 0.0, "left")
    tails = {Alternative.GREATER: below, Alternative.LESS: above}
    tail = tails.get(alternative, min(below, above))
    share = float(tail + 1) / (len(drawn) + 1)
    return min(1.0, share if alternative in tails else 2 * share)
