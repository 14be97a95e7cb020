"""Sample-ratio mismatch: did the arms get the traffic that was planned for them?

A split that is off by more than chance allows means that something lost or misrouted units, and then no figure of the
test can be trusted. Only where the platform does not choose who sees what (random allocation).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, gammaln

from abkit.errors import InvalidInput
from abkit.records import Record
from abkit.stats.arms import whole

ALPHA = 0.001
"""The false-alarm rate: low, because the alarm stops a test. Kohavi et al. use 0.0005 … 0.001."""

FEWEST_EXPECTED = 5
"""Below this expected count in an arm χ² is not to be trusted, and the exact multinomial test is used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRatio(Record):
    """Whether the observed split fits the expected one.

    Attributes:
        observed: Units in each arm.
        expected: Units that each arm should have had.
        chi2: Pearson's χ².
        dof: Its degrees of freedom; arms with no share do not count.
        p_value: P-value of the split as planned.
        mismatch: Whether the p-value is below `alpha`.
        alpha: The false-alarm rate.
        method: `chi-square`, `exact multinomial`, `sequential multinomial` or `impossible` (units in an arm without
            a share).
    """

    observed: tuple[int, ...]
    expected: tuple[float, ...]
    chi2: float
    dof: int
    p_value: float
    mismatch: bool
    alpha: float
    method: str


def sample_ratio(
    observed: Sequence[float],
    expected: Sequence[float] | None = None,
    *,
    alpha: float = ALPHA,
    sequential: bool = False,
) -> SampleRatio:
    """Test whether the traffic was split as planned.

    Args:
        observed: Units in each arm, whole numbers.
        expected: Weights of the arms (`[1, 1]` or `[0.5, 0.5]`); equal by default. Fractions below 1 have to sum to 1.
        alpha: The false-alarm rate, in (0, 1).
        sequential: Make the p-value valid at every look, for tests that are looked at daily (Lindon & Malek 2022,
            arXiv 2011.03567: a Dirichlet-multinomial mixture against the planned split).

    Raises:
        InvalidInput: There is a single arm, a count is not a whole number of 0 or more, or the weights do not fit.

    >>> result = sample_ratio([5000, 5300], [1, 1])
    >>> round(result.chi2, 4), result.dof, round(result.p_value, 5), result.mismatch
    (8.7379, 1, 0.00312, False)
    >>> sample_ratio([9, 0]).mismatch
    False
    """
    if not 0 < alpha < 1:
        raise InvalidInput(f"alpha is {alpha}; it has to lie between 0 and 1, such as {ALPHA}")
    if len(observed) < 2:
        raise InvalidInput(f"a split takes at least 2 arms; got {len(observed)}")
    counts = tuple(whole(value, "units") for value in observed)
    weights = check_weights(expected if expected is not None else [1.0] * len(counts), arms=len(counts))
    total = sum(counts)
    wanted = tuple(total * weight for weight in weights)
    used = np.array(weights) > 0

    seen, should = np.array(counts, dtype=float), np.array(wanted)
    chi2, p_value, method = 0.0, 1.0, "chi-square"
    if seen[~used].any():
        chi2, p_value, method = math.inf, 0.0, "impossible"
    elif total:
        seen, should = seen[used], should[used]
        chi2 = float(((seen - should) ** 2 / should).sum())
        if sequential:
            p_value, method = _sequential_p(seen, should / total), "sequential multinomial"
        elif should.min() >= FEWEST_EXPECTED:
            fitted = should * (seen.sum() / should.sum())
            p_value = float(chdtrc(len(seen) - 1, ((seen - fitted) ** 2 / fitted).sum()))
        else:
            p_value, method = _exact_p(seen.astype(int), should / total), "exact multinomial"
    return SampleRatio(
        observed=counts,
        expected=wanted,
        chi2=chi2,
        dof=int(used.sum()) - 1,
        p_value=p_value,
        mismatch=p_value < alpha,
        alpha=alpha,
        method=method,
    )


def check_weights(weights: Sequence[float], *, arms: int) -> tuple[float, ...]:
    """Return the weights as shares that sum to 1.

    >>> check_weights([1, 1, 2], arms=3)
    (0.25, 0.25, 0.5)
    """
    values = tuple(float(weight) for weight in weights)
    listed, total = ", ".join(f"{value:g}" for value in values), sum(values)
    if len(values) != arms:
        raise InvalidInput(f"{len(values)} expected shares for {arms} arms; expected one per arm")
    if any(not math.isfinite(value) or value < 0 for value in values) or total <= 0:
        raise InvalidInput(f"the expected split is {listed}; expected shares of 0 or more, one above 0")
    if max(values) < 1 and abs(total - 1) > 1e-6:
        raise InvalidInput(
            f"the expected split {listed} sums to {total:g}; expected fractions that sum to 1, or weights"
        )
    return tuple(value / total for value in values)


def _exact_p(counts: np.ndarray, shares: np.ndarray) -> float:
    """Return the probability of all splits at most as likely as the one seen: for more than two arms simulated."""
    from scipy.stats import binomtest, multinomial

    if len(counts) == 2:
        return float(binomtest(int(counts[0]), int(counts.sum()), float(shares[0])).pvalue)
    law = multinomial(int(counts.sum()), shares)
    draws = law.rvs(20_000, random_state=np.random.default_rng(0))
    as_unlikely = int((law.logpmf(draws) <= law.logpmf(counts) + 1e-9).sum())
    return (1 + as_unlikely) / (1 + len(draws))


def _sequential_p(counts: np.ndarray, shares: np.ndarray) -> float:
    # The prior is centered on the plan; its weight of 100 units per arm expects small faults (Lindon & Malek, sec. 5).
    prior = 100 * len(shares) * shares
    log_ratio = (
        gammaln(prior.sum())
        - gammaln(prior.sum() + counts.sum())
        + (gammaln(prior + counts) - gammaln(prior)).sum()
        - (counts * np.log(shares)).sum()
    )
    return float(min(1.0, math.exp(min(-log_ratio, 0.0))))
