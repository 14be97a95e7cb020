"""Score intervals and tests of two proportions: Miettinen and Nurminen's as statsmodels has them, and a ratio's own."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any, Literal

from abkit.stats.arms import Counts
from abkit.stats.estimate import Comparison, Limits
from abkit.stats.proportions.result import TwoRates, few_notes
from abkit.stats.tails import reach_of, tail_p, two_sided_p

# The logarithm of the largest ratio that is looked at.
_FARTHEST = 60.0
# Beyond these the correction, a series in the skewness, no longer rises with z: there it is held.
_MOST_SKEWNESS = 0.9
_FARTHEST_CORRECTED = 3.0


def compare_by_score(rates: TwoRates) -> Comparison:
    """Compare by the score test with the N/(N−1) correction.

    The intervals invert it (difference: Miettinen–Nurminen; lift: Koopman–Nam).

    Source: Miettinen & Nurminen (1985), doi 10.1002/sim.4780040211. The figures are those of statsmodels'
    `confint_proportions_2indep(method="score")`. Two things to know about them: statsmodels' interval of the
    difference is not symmetric under exchange of the arms (its constrained estimate takes a count for a sample size
    in one term; the effect is about 1e-5 of a rate of 5 %), and it cannot be computed for samples such as 0/100 v
    0/100, 100/100 v 0/100 or 3/1e9 v 9/1e9. There the interval is that of this module's own inversion, and a note
    says so.

    >>> from abkit.vocabulary import Alternative
    >>> arms = Counts(480, 10_000), Counts(560, 10_100)
    >>> result = compare_by_score(TwoRates(*arms, level=0.95, alternative=Alternative.TWO_SIDED))
    >>> round(result.difference.ci_low, 6), round(result.difference.ci_high, 6)
    (0.001323, 0.01358)
    """
    from statsmodels.stats.proportion import score_test_proportions_2indep

    z, p_value = 0.0, 1.0
    if 0 < rates.pooled < 1:
        z = float(_theirs(score_test_proportions_2indep, rates, return_results=False)[0])
        p_value = tail_p(z, rates.alternative)
    difference, own = _interval(rates, "diff")
    (ratio_low, ratio_high), own_ratio = _interval(rates, "ratio")
    notes = few_notes(rates, "score")
    crossed = two_sided_p(z) <= rates.alpha
    if not own and crossed is not (not difference[0] <= 0 <= difference[1]):
        # Their interval of the difference is a little off (see above): near the level it may contradict their test.
        difference = _difference_ends(rates.control, rates.treatment, reach_of(rates.alpha))
        notes += ("statsmodels' interval contradicts its test here: it is abkit's own inversion of the score test",)
    if own or own_ratio:
        notes += ("statsmodels has no score interval for these counts: it is abkit's own inversion of the score test",)
    return rates.compared(
        difference=difference,
        lift=(ratio_low - 1, ratio_high - 1),
        p_value=p_value,
        statistic=z,
        method="score",
        conventions=(
            "score test with N/(N−1) correction (statsmodels test_proportions_2indep)",
            "Miettinen–Nurminen (statsmodels confint_proportions_2indep)",
            "Koopman–Nam score interval with N/(N−1) correction (statsmodels)",
        ),
        notes=notes,
    )


def _theirs(function: Callable[..., Any], rates: TwoRates, **options: Any) -> Any:
    """Call a function of statsmodels, whose first sample is the treatment."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return function(*rates.figures[2:], *rates.figures[:2], **options)


def _interval(rates: TwoRates, compare: Literal["diff", "ratio"]) -> tuple[Limits, bool]:
    """Return the interval, and whether it had to be computed here."""
    from statsmodels.stats.proportion import confint_proportions_2indep

    control, treatment = rates.control, rates.treatment
    try:
        low, high = _theirs(confint_proportions_2indep, rates, method="score", compare=compare, alpha=rates.alpha)
    except (ValueError, ZeroDivisionError, FloatingPointError):
        low = high = math.nan
    if compare == "diff":
        estimate = treatment.rate - control.rate
    else:
        estimate = treatment.rate / control.rate if control.successes else math.inf
        if not treatment.successes and not isinstance(low, complex) and math.isfinite(low):
            low = 0.0  # statsmodels' root finder stops beside it, sometimes below
    # statsmodels' cubic gives complex limits, or limits that do not contain the estimate, for some extreme counts.
    if not isinstance(low, complex) and math.isfinite(low) and low <= estimate <= high and low < high:
        return (float(low), float(high)), False
    reach = reach_of(rates.alpha)
    return (_difference_ends if compare == "diff" else _ratio_ends)(control, treatment, reach), True


def _difference_ends(control: Counts, treatment: Counts, reach: float) -> Limits:
    d = treatment.rate - control.rate

    def z(value: float) -> float:
        p0, p1 = _constrained_difference(control, treatment, value)
        variance = p1 * (1 - p1) / treatment.trials + p0 * (1 - p0) / control.trials
        return _standardized(d - value, variance, control.trials + treatment.trials)

    return _crossing(z, d, -1.0, reach), _crossing(z, d, 1.0, -reach)


def _ratio_ends(control: Counts, treatment: Counts, reach: float) -> Limits:
    if not control.successes and not treatment.successes:
        return 0.0, math.inf

    def z(log_ratio: float) -> float:
        ratio = math.exp(log_ratio)
        p0 = _constrained_ratio(control, treatment, ratio)
        gap = treatment.rate - ratio * control.rate
        variance = ratio * p0 * (1 - ratio * p0) / treatment.trials + ratio**2 * p0 * (1 - p0) / control.trials
        return _standardized(gap, variance, control.trials + treatment.trials)

    if not treatment.successes:
        return 0.0, math.exp(_crossing(z, -50.0, 50.0, -reach))
    if not control.successes:
        return math.exp(_crossing(z, 50.0, -50.0, reach)), math.inf
    middle = math.log(treatment.rate / control.rate)
    return math.exp(_crossing(z, middle, middle - 50, reach)), math.exp(_crossing(z, middle, middle + 50, -reach))


def _crossing(z: Callable[[float], float], inside: float, outside: float, target: float) -> float:
    """Return where z, falling in its argument, meets the target between the estimate and the end of the range."""
    from scipy.optimize import brentq

    def gap(value: float) -> float:
        return z(value) - target

    if gap(inside) * gap(outside) > 0:
        return outside
    return float(brentq(gap, inside, outside, xtol=1e-15, rtol=1e-12, maxiter=300))


def _standardized(gap: float, variance: float, trials: int) -> float:
    if trials > 1:
        variance *= trials / (trials - 1)
    if variance <= 0:
        return math.copysign(1e8, gap) if gap else 0.0
    return gap / math.sqrt(variance)


def _constrained_difference(control: Counts, treatment: Counts, difference: float) -> tuple[float, float]:
    """Return the most likely rates whose difference is the given one: the root of their log-likelihood's slope."""
    from scipy.optimize import brentq

    low, high = max(0.0, -difference), min(1.0, 1.0 - difference)

    def slope(p0: float) -> float:
        # Multiplied by the four denominators, so that it is finite at the ends.
        p1 = p0 + difference
        first = (treatment.successes - treatment.trials * p1) * p0 * (1 - p0)
        return float(first + (control.successes - control.trials * p0) * p1 * (1 - p1))

    inner = 1e-12 * (high - low)
    start, end = low + inner, high - inner
    if slope(start) <= 0:
        p0 = low
    elif slope(end) >= 0:
        p0 = high
    else:
        p0 = float(brentq(slope, start, end, xtol=1e-18, rtol=1e-14, maxiter=300))
    return p0, min(max(p0 + difference, 0.0), 1.0)


def _constrained_ratio(control: Counts, treatment: Counts, ratio: float) -> float:
    a = (control.trials + treatment.trials) * ratio
    b = -(treatment.trials * ratio + treatment.successes + control.trials + control.successes * ratio)
    c = control.successes + treatment.successes
    # The smaller root of a·p² + b·p + c, written without cancellation.
    root = 2 * c / (-b + math.sqrt(max(b * b - 4 * a * c, 0.0)))
    return min(root, 1.0, 1.0 / ratio)


def ratio_z(x0: float, n0: float, x1: float, n1: float, ratio: float) -> float:
    """Return the signed z of treatment − ratio·control under the hypothesis that it is zero.

    The rates are the most likely ones with that ratio. Source: Miettinen & Nurminen (1985), doi 10.1002/sim.4780040211,
    without N/(N−1); the correction for skewness is that of Gart & Nam (1988), doi 10.2307/2531848.

    >>> round(ratio_z(5000, 100_000, 5830, 100_000, 1.2), 3)
    -1.533
    """
    a = (n0 + n1) * ratio
    b = n1 * ratio + x1 + n0 + x0 * ratio
    c = x0 + x1
    # The smaller root of a·p² − b·p + c, written without cancellation.
    rate0 = min(2 * c / (b + math.sqrt(max(b * b - 4 * a * c, 0.0))), 1.0, 1.0 / ratio)
    rate1 = min(ratio * rate0, 1.0)
    spread0, spread1 = rate0 * (1 - rate0) / n0, rate1 * (1 - rate1) / n1
    gap, variance = x1 / n1 - ratio * x0 / n0, spread1 + ratio * ratio * spread0
    if variance <= 0:
        return math.copysign(math.inf, gap) if gap else 0.0
    error = math.sqrt(variance)
    third = spread1 * (1 - 2 * rate1) / n1 - ratio**3 * spread0 * (1 - 2 * rate0) / n0
    skewness = min(max(third / (variance * error), -_MOST_SKEWNESS), _MOST_SKEWNESS)
    z = gap / error
    return z - (min(z * z, _FARTHEST_CORRECTED**2) - 1) * skewness / 6


def ratio_limits(x0: float, n0: float, x1: float, n1: float, reach: float) -> Limits:
    """Return the interval of treatment ÷ control − 1: the ratios whose z lies within the reach.

    >>> low, high = ratio_limits(5000, 100_000, 5830, 100_000, 1.644854)
    >>> round(low, 4), round(high, 4)
    (0.1306, 0.2025)
    """

    def beyond(log_ratio: float, target: float) -> bool:
        return ratio_z(x0, n0, x1, n1, math.exp(log_ratio)) < target

    def crossing(target: float) -> float:
        # z falls as the ratio rises.
        low, high = -_FARTHEST, _FARTHEST
        for _ in range(70):
            middle = (low + high) / 2
            if beyond(middle, target):
                high = middle
            else:
                low = middle
        return (low + high) / 2

    lower = math.exp(crossing(reach)) if x1 else 0.0
    upper = math.exp(crossing(-reach)) if x0 else math.inf
    return lower - 1, upper - 1
