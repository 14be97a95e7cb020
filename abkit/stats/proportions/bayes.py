"""Bayesian figures of proportions: chance to win, expected loss, chance that the effect matters.

All by quadrature over the posteriors, not by simulation: the same input gives the same digits. Results state priors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaincc, betaincinv, xlog1py

from abkit.errors import InvalidInput
from abkit.records import Record, RecordList
from abkit.stats.arms import Counts
from abkit.stats.estimate import ArmRate, Comparison, Estimate, PosteriorComparison
from abkit.stats.proportions.result import baseline_notes
from abkit.stats.tails import check_level
from abkit.vocabulary import Alternative

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedArm(Record):
    """One of several arms.

    Attributes:
        variant: Its name.
        successes: Successes seen.
        trials: Trials seen.
        rate: Posterior mean of the rate.
        ci_low: Lower end of the central credible interval.
        ci_high: Upper end.
        chance_to_be_best: P(this arm has the highest rate).
        expected_loss: Expected shortfall against the best arm if this one is shipped.
    """

    variant: str
    successes: int
    trials: int
    rate: float
    ci_low: float
    ci_high: float
    chance_to_be_best: float
    expected_loss: float


@dataclass(frozen=True, slots=True)
class Ranking(RecordList):
    """Several arms, the most likely best one first.

    Attributes:
        arms: One record per arm.
        level: Level of the credible intervals.
        prior: The prior in words.
    """

    arms: tuple[RankedArm, ...]
    level: float
    prior: str

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per arm."""
        return [arm.to_dict() for arm in self.arms]


def compare_by_bayes(
    control: Counts,
    treatment: Counts,
    *,
    level: float = 0.95,
    prior: tuple[float, float] = (1.0, 1.0),
    practical_lift: float = 0.0,
) -> Comparison:
    """Compare two rates by their Beta posteriors; the intervals are central credible intervals.

    Source: Gelman et al., Bayesian Data Analysis, 3rd ed., section 2.4; expected loss as in Stucchio (2015).

    Args:
        control: Counts of the control.
        treatment: Counts of the treatment.
        level: Level of the credible intervals.
        prior: Beta prior of each arm (successes, failures): (1, 1) is uniform; spotify-confidence uses (0.5, 0.5).
        practical_lift: The smallest lift that matters.

    >>> posterior = compare_by_bayes(Counts(480, 10_000), Counts(560, 10_100)).bayes
    >>> round(posterior.chance_to_win, 4), round(posterior.expected_loss, 7)
    (0.9914, 9e-06)
    """
    check_level(level)
    _check_prior(prior)
    if not (math.isfinite(practical_lift) and practical_lift > -1):
        raise InvalidInput(f"the practical lift is {practical_lift}; expected a number above -1, such as 0.05")
    shapes = [_posterior(arm, prior) for arm in (control, treatment)]
    # Near 1 the failures are what doubles can tell apart: p1 > p0 where q0 > q1.
    mirrored = all(a > b for a, b in shapes)
    (a0, b0), (a1, b1) = ((b, a) for a, b in reversed(shapes)) if mirrored else shapes
    marks0, marks1 = _marks(a0, b0), _marks(a1, b1)

    def beats(gap: float = 0.0, log_ratio: float = 0.0) -> float:
        """Return P(treatment > ratio·control + gap), on a grid that is dense where either posterior changes."""
        if mirrored:
            gap, factor = gap - math.expm1(-log_ratio), math.exp(-log_ratio)
        else:
            factor = math.exp(log_ratio)
        x, weight = _panels((marks0, np.clip((marks1 - gap) / factor, 0.0, 1.0)))
        density = weight * np.exp(_log_density(x, a0, b0))
        return float(density @ _above(a1, b1, np.clip(x * factor + gap, 0.0, 1.0)) / density.sum())

    # E[max(p0 − p1, 0)] by parts: the area under P(p0 > t > p1).
    x, weight = _panels((marks0, marks1))
    tail = (1 - level) / 2
    spreads = [math.sqrt(a * b / ((a + b) ** 2 * (a + b + 1))) for a, b in shapes]
    means = [a / (a + b) for a, b in shapes]
    difference = a1 / (a1 + b1) - a0 / (a0 + b0)
    low, high = (_solve(lambda d: 1 - beats(d), p, difference, math.hypot(*spreads)) for p in (tail, 1 - tail))
    relative = math.hypot(*(spread / mean for spread, mean in zip(spreads, means, strict=True)))
    middle = math.log1p(difference / means[0]) if mirrored else math.log(means[1] / means[0])
    lifts = [math.expm1(_solve(lambda r: 1 - beats(0.0, r), p, middle, relative)) for p in (tail, 0.5, 1 - tail)]
    prior_text = _in_words(prior)
    return Comparison(
        control=ArmRate(control.trials, control.successes, control.rate),
        treatment=ArmRate(treatment.trials, treatment.successes, treatment.rate),
        difference=Estimate(difference, low, high),
        lift=Estimate(lifts[1], lifts[0], lifts[2]),
        p_value=math.nan,
        statistic=math.nan,
        method="bayes",
        level=level,
        alternative=Alternative.TWO_SIDED,
        conventions={
            "p_value": "none: see chance_to_win",
            "difference": f"posterior mean, central credible interval; {prior_text}",
            "lift": f"posterior median, central credible interval; {prior_text}",
        },
        notes=_notes(control, lifts[1], prior_text),
        bayes=PosteriorComparison(
            model="beta-binomial",
            prior=prior_text,
            chance_to_win=beats(),
            expected_loss=float(weight @ (_above(a0, b0, x) * betainc(a1, b1, x))),
            expected_loss_of_keeping=float(weight @ (betainc(a0, b0, x) * _above(a1, b1, x))),
            practical_lift=practical_lift,
            chance_of_practical_lift=beats(0.0, math.log1p(practical_lift)),
        ),
    )


def _notes(control: Counts, lift: float, prior: str) -> tuple[str, ...]:
    """Return what to say about a control without successes: its lift is finite by the prior alone."""
    if control.successes or not math.isfinite(lift):
        return baseline_notes(control)
    none = f"the control has 0 of {control.trials:,} successes"
    return (f"{none}: its rate, and with it the lift, rests on the prior, {prior}",)


def rank(
    arms: Mapping[str, Counts | tuple[float, float]], *, level: float = 0.95, prior: tuple[float, float] = (1.0, 1.0)
) -> Ranking:
    """Rank several arms: the chance of each to be the best of them, and what shipping it is expected to lose.

    By quadrature: relative errors are below 1e-6, and below 1e-5 for arms of more than 1e10 trials.

    Args:
        arms: Name → counts, or (successes, trials); at least two.
        level: Level of the central credible intervals, in (0, 1).
        prior: Beta prior of each arm (successes, failures).

    Returns:
        The arms, the one with the highest chance to be best first.

    Raises:
        InvalidInput: Fewer than two arms, impossible counts, or a prior or level out of range.

    >>> ranking = rank({"a": (48, 1000), "b": (56, 1000), "c": (50, 1000)})
    >>> [(arm.variant, round(arm.chance_to_be_best, 3)) for arm in ranking.arms]
    [('b', 0.625), ('c', 0.225), ('a', 0.149)]
    """
    if len(arms) < 2:
        raise InvalidInput(f"a ranking takes at least 2 arms; got {len(arms)}")
    check_level(level)
    _check_prior(prior)
    counts = [arm if isinstance(arm, Counts) else Counts(*arm) for arm in arms.values()]  # type: ignore[arg-type]
    shapes = [_posterior(arm, prior) for arm in counts]
    # Near 1 the failures are what doubles can tell apart: there the best arm is the one with fewest.
    mirrored = all(a > b for a, b in shapes)
    laws = [(b, a) for a, b in shapes] if mirrored else shapes
    x, weight = _panels([_marks(a, b) for a, b in laws])
    cdf = np.array([_above(a, b, x) if mirrored else betainc(a, b, x) for a, b in laws])
    tail = (1 - level) / 2
    # The law of the best of the others: the product of their distribution functions, those before and those after.
    one = np.ones((1, len(x)))
    before = np.cumprod(np.concatenate((one, cdf[:-1])), axis=0)
    after = np.cumprod(np.concatenate((one, cdf[:0:-1])), axis=0)[::-1]
    ranked = []
    for index, (name, arm, (a, b)) in enumerate(zip(arms, counts, shapes, strict=True)):
        others = before[index] * after[index]
        density = weight * np.exp(_log_density(x, *laws[index]))
        ranked.append(
            RankedArm(
                variant=name,
                successes=arm.successes,
                trials=arm.trials,
                rate=a / (a + b),
                ci_low=float(betaincinv(a, b, tail)),
                ci_high=float(betaincinv(a, b, 1 - tail)),
                chance_to_be_best=float(density @ others / density.sum()),
                expected_loss=float(weight @ (cdf[index] * (1 - others))),
            )
        )
    return Ranking(tuple(sorted(ranked, key=lambda arm: -arm.chance_to_be_best)), level, _in_words(prior))


def _posterior(arm: Counts, prior: tuple[float, float]) -> tuple[float, float]:
    """Return the shapes of the Beta posterior: successes and failures, those of the prior included."""
    return arm.successes + prior[0], arm.trials - arm.successes + prior[1]


def _in_words(prior: tuple[float, float]) -> str:
    return f"Beta({prior[0]:g}, {prior[1]:g}) in each arm"


def _check_prior(prior: tuple[float, float]) -> None:
    if not all(0 < value < math.inf for value in prior):
        raise InvalidInput(f"the Beta prior is {prior[0]:g}, {prior[1]:g}; both have to be finite and above 0")


def _above(a: float, b: float, x: Array) -> Array:
    """Return P(X > x) of a Beta law."""
    # betaincc is several times slower, and needed only where 1 − x loses the digits of x.
    return np.asarray(betainc(b, a, 1 - x) if a > 1e-6 * (a + b) else betaincc(a, b, x))


def _log_density(x: Array, a: float, b: float) -> Array:
    # Relative to the mode, as only ratios of densities are used: exp() stays within range, and the digits of very
    # many trials are not lost between two large logarithms.
    mode = (a - 1) / (a + b - 2) if a > 1 and b > 1 else a / (a + b)
    logs: Array = xlog1py(a - 1, (x - mode) / mode) + xlog1py(b - 1, (mode - x) / (1 - mode))
    return logs


@lru_cache(maxsize=1)
def _legendre() -> tuple[Array, Array]:
    return np.polynomial.legendre.leggauss(16)


def _marks(a: float, b: float) -> Array:
    """Return quantiles of a Beta law, from where it begins to where it ends."""
    lower = betaincinv(a, b, np.array([1e-13, 1e-8, 1e-5, 1e-3, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 0.999]))
    marks: Array = np.concatenate(([0.0], lower, 1 - betaincinv(b, a, np.array([1e-5, 1e-8, 1e-13])), [1.0]))
    return marks


def _panels(marks: Sequence[Array]) -> tuple[Array, Array]:
    """Return Gauss–Legendre points and weights on the panels between the marks."""
    edges = np.unique(np.concatenate(marks))
    nodes, weights = _legendre()
    half = np.diff(edges) / 2
    center = (edges[:-1] + edges[1:]) / 2
    return (center[:, None] + half[:, None] * nodes).ravel(), (half[:, None] * weights).ravel()


def _solve(cdf: Callable[[float], float], probability: float, guess: float, scale: float) -> float:
    from scipy.optimize import brentq

    low, high = guess - 8 * scale, guess + 8 * scale
    while cdf(low) > probability:
        low -= 8 * scale
    while cdf(high) < probability:
        high += 8 * scale
    return float(brentq(lambda value: cdf(value) - probability, low, high, xtol=1e-10 * scale, rtol=1e-12))
