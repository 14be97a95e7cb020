"""How much creatives truly differ, and what that and its events say about one: Poisson counts of log-normal rates."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from abkit.stats.appeal.rows import Floats, Ints
from abkit.stats.within_groups import group_sums

# Standard deviations of log rates that are thought possible. Before any data, creatives that are all the same are less
# likely than some that differ (Chung et al. 2013, doi 10.1007/s11336-013-9328-2).
_SDS = np.concatenate([[0.01], np.geomspace(0.03, 2.0, 19)])
_USUAL_SD = 0.35
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(15)


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The true variance between the creatives of a group.

    Attributes:
        ratio: Variance of the rate ÷ its squared mean, which is what moments give; below 0 where creatives differ less
            than chance.
        noise: Shape (m,): the sampling variances that it rests on.
        freedom: Creatives less groups.
    """

    ratio: float
    noise: Floats
    freedom: int

    @property
    def variance(self) -> float:
        """τ², of the log of the rate."""
        return math.log1p(max(0.0, self.ratio))

    @property
    def standard_error(self) -> float:
        """Standard error of τ²; infinite where there is no group of two."""
        return self.ratio_error / (1 + max(0.0, self.ratio))

    @property
    def ratio_error(self) -> float:
        """Standard error of `ratio`."""
        return self.error_at(max(self.ratio, 0.0))

    def error_at(self, ratio: float) -> float:
        """Return the standard error that the estimate of `ratio` has where this is its true value."""
        if not self.freedom:
            return math.inf
        # Fourth moments: those of a normal distribution, and what counts of few events have beyond.
        total = ratio + self.noise
        weight = 1 / total**2
        fourth = 2 * total**2 + self.noise**3
        error = math.sqrt(float(weight**2 @ fourth)) / float(weight.sum())
        return error * math.sqrt(len(self.noise) / self.freedom)


def spread_of(events: Floats, expected: Floats, noise: Floats, group: Ints) -> Spread:
    """Estimate how creatives differ beyond noise, inside groups: moments of rates, so creatives without events count.

    Rates are events ÷ expected. The variance is that at which their weighted squares around the group's mean are as
    large as they should be (Paule & Mandel 1982, doi 10.6028/jres.087.022).

    Args:
        events, expected: Shape (m,), expected above zero.
        noise: Shape (m,): sampling variance of the rate where it is that of its group.
        group: Shape (m,), numbered.
    """
    size = np.bincount(group)
    freedom = int((size - 1).clip(0).sum())
    if freedom == 0:
        return Spread(ratio=0.0, noise=noise, freedom=0)
    ratio, mean = 0.0, np.ones(len(size))
    for _ in range(3):
        # The mean of creatives is not that of events where some were shown more.
        rate, variance = events / (expected * mean[group]), noise / mean[group]
        ratio = _settled(rate, variance, group, size, freedom)
        weight = 1 / (max(ratio, 0.0) + variance)
        mean = mean * group_sums(group, weight * rate, len(size)) / group_sums(group, weight, len(size))
        mean = mean.clip(0.1, 10)
    return Spread(ratio=ratio, noise=noise / mean[group], freedom=freedom)


def _settled(rate: Floats, noise: Floats, group: Ints, size: Ints, freedom: int) -> float:
    def surplus(ratio: float) -> float:
        weight = 1 / (ratio + noise)
        mean = group_sums(group, weight * rate, len(size)) / group_sums(group, weight, len(size)).clip(1e-300)
        return float(weight @ (rate - mean[group]) ** 2) - freedom

    low, high = -0.9 * float(noise.min()), 1.0
    while surplus(high) > 0 and high < 1e6:
        high *= 2
    if surplus(low) < 0:
        high = low
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if surplus(middle) > 0 else (low, middle)
    return (low + high) / 2


def center_of(events: Floats, expected: Floats, noise: Floats, spread: Spread) -> float:
    """Return the mean rate of creatives relative to that of events, each weighted by 1 / (spread + noise)."""
    weight = 1 / (max(spread.ratio, 0.0) + noise)
    center = float(weight @ (events / expected)) / float(weight.sum())
    return min(max(center, 0.1), 10.0)


def shrink(events: Floats, expected: Floats, told: Floats, unlike: Floats, spread: Spread) -> tuple[Floats, Floats]:
    """Return posterior mean and standard deviation of each creative's log rate relative to its group, shape (m,) each.

    Counts are Poisson and rates log-normal with a mean of 1. The spread is not taken as known: each possible one counts
    by how well it agrees with the estimate, so that a spread of 0 by chance does not pass for certainty.

    Args:
        events, expected: Shape (m,).
        told: Shape (m,): how much of an event's information each event has, e.g. 1 ÷ (1 + over-dispersion).
        unlike: Shape (m,): variance of the log rate relative to that of its group ÷ τ²; below 1 because a creative is a
            part of its group.
        spread: What is known of τ².
    """
    likely = _SDS * np.exp(-0.5 * (_SDS / _USUAL_SD) ** 2) * np.gradient(_SDS)
    if math.isfinite(spread.ratio_error):
        ratios = np.expm1(_SDS**2)
        # A spread that is larger than the estimate also makes the estimate less certain.
        errors = np.array([spread.error_at(ratio) for ratio in ratios])
        agreement = -0.5 * ((ratios - spread.ratio) / errors) ** 2 - np.log(errors)
        likely = likely * np.exp(agreement - agreement.max())
    likely = likely / likely.sum()
    mean, square = np.zeros_like(events), np.zeros_like(events)
    for sd, share in zip(_SDS, likely, strict=True):
        if share > 1e-4:
            one_mean, one_variance = _posterior(events, expected, told, sd * sd * unlike)
            mean += share * one_mean
            square += share * (one_variance + one_mean**2)
    mean, square = mean / likely[likely > 1e-4].sum(), square / likely[likely > 1e-4].sum()
    return mean, np.sqrt((square - mean**2).clip(0))


def _posterior(events: Floats, expected: Floats, told: Floats, prior: Floats) -> tuple[Floats, Floats]:
    """Return mean and variance of the log rate given its prior variance: quadrature around the mode."""
    prior = prior.clip(1e-12)
    center = -prior / 2
    # The log posterior is concave, and Newton's method from below its mode cannot overshoot.
    mode = np.minimum(center, np.log((events + 0.5) / (expected + 0.5)))
    for _ in range(50):
        fitted = told * expected * np.exp(mode)
        step = (told * events - fitted - (mode - center) / prior) / (fitted + 1 / prior)
        step = step.clip(-1, 1)
        mode = mode + step
        if np.abs(step).max(initial=0) < 1e-9:
            break
    sd = 1 / np.sqrt(told * expected * np.exp(mode) + 1 / prior)

    def height(at: Floats) -> Floats:
        value: Floats = told * (events * at - expected * np.exp(at)) - (at - center) ** 2 / (2 * prior)
        return value

    top = height(mode)
    total, first, second = np.zeros_like(mode), np.zeros_like(mode), np.zeros_like(mode)
    for node, weight in zip(_NODES, _WEIGHTS, strict=True):
        mass = weight * np.exp(height(mode + node * sd) - top + node * node / 2)
        total += mass
        first += mass * node
        second += mass * node * node
    shift = first / total
    return mode + shift * sd, (second / total - shift**2) * sd**2
