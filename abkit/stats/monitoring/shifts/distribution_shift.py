"""Has one figure per creative, such as the score, been distributed otherwise in the current window than before?

Every measure comes as an effect that does not grow with the sample and a p-value that does: a verdict needs both. Both
windows are sorted once and merged once; all measures are read off the merged order, exactly, whatever their size.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

from abkit.errors import InvalidInput
from abkit.records import Record
from abkit.stats.permutations import BATCH, permutation_p

Floats = NDArray[np.float64]

# Beyond so many values the counts below a cut are as good as normal, and a Brownian bridge stands for permutations.
_MOST_TO_PERMUTE = 10_000
# Beyond so many the limiting distribution of KS is as good as that for this many values.
_MOST_FOR_KS = 10_000
_CUTS = 512
#: Of the one-sided 95 % interval, in standard errors.
ONE_SIDED = 1.645
#: A shift is absent where so many times its floor is ruled out.
RULED_OUT = 2.0
# What chance alone makes of KS, root mean square, in units of √(1/n + 1/m): π/√12.
_KS_BY_CHANCE = math.pi / math.sqrt(12)
_DEALT_AT_ONCE = 500_000  # values, so that permutations take some megabytes


@dataclass(frozen=True, kw_only=True)
class Shift(Record):
    """One measure of the difference of two samples.

    Attributes:
        test: "ks", "psi", "js", "wasserstein", "energy", "mmd", "classifier", …
        statistic: Its value; None when there is none, and `note` says why.
        p_value: P-value of "both windows come from one distribution", never 0; None without a statistic.
        effect: The same difference on a scale whose floors mean the same for every n; equal to `statistic` for KS, PSI
            and JS, in standard deviations of the reference for Wasserstein, between 0 and 1 for energy and MMD.
        beyond: The effect without what chance alone adds to it: what floors are held against.
        upper: Upper end of the one-sided 95 % interval of the effect, as is known for KS, PSI, Wasserstein and energy.
        resolution: What that end is typically when nothing moved: windows of these sizes rule out no smaller effects.
        n_reference, n_current: Number of finite values in each window.
        method: How it was computed: bins, permutations, what was sampled.
        note: Why there is no value.
        most_typical: Places in the current window, as it was given, of what is most typical of it; () where the
            measure has no such order.
    """

    test: str
    statistic: float | None = None
    p_value: float | None = None
    effect: float | None = None
    beyond: float | None = None
    upper: float | None = None
    resolution: float | None = None
    n_reference: int
    n_current: int
    method: str = ""
    note: str = ""
    most_typical: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Drift(Record):
    """Four measures of how one figure differs between two windows, and whether it drifted.

    Attributes:
        ks: Kolmogorov-Smirnov: the largest gap between the two cumulative distributions, 0…1.
        psi: Population stability index over bins that hold equal shares of the reference, natural logarithm, ≥ 0.
        js: Jensen-Shannon distance over the same bins, base 2, 0…1.
        wasserstein: How far values moved on average, in their unit; its effect is in reference standard deviations.
        alpha: Error rate of the decision.
        floor: Largest KS distance that does not matter.
        enough_data: Whether there are at least two values in each window.
        drifted: Whether the KS test is significant at alpha, and its distance above the floor.
    """

    ks: Shift
    psi: Shift
    js: Shift
    wasserstein: Shift
    alpha: float
    floor: float
    enough_data: bool
    drifted: bool


def drift(
    reference: ArrayLike,
    current: ArrayLike,
    *,
    alpha: float = 0.01,
    floor: float = 0.1,
    bins: int = 10,
    seed: int = 0,
    permutations: int = BATCH,
) -> Drift:
    """Compare the values of two windows, such as scores. Assumes that they are independent within each.

    KS: scipy's two-sample statistic, p exact up to 2,000 values a window, beyond by the distribution of a one-sample
    statistic of n·m/(n + m) values, or where these are more than 10,000 by its limit. PSI and JS: bins at the
    reference's quantiles (a value that fills several of them has a bin of its own); for PSI half a count is added to
    every share, so that an empty bin is not infinite. When nothing moved, PSI / (1/n + 1/m) is χ² with bins − 1 degrees
    of freedom (Yurdakul 2018), and so are eight times the squared JS distance in natural units / (1/n + 1/m).
    Wasserstein: scipy's distance, p = (1 + #)/(1 + B) from B permutations, or beyond 10,000 values from B Brownian
    bridges across the pooled values, drawn until 25 are as extreme.

    Distances of samples are larger than those of their distributions. What is beyond chance is, for PSI, less its mean
    when nothing moved, (bins − 1)·(1/n + 1/m); for KS and Wasserstein √(distance² − chance²), with what chance alone
    makes of the distance: 0.91·√(1/n + 1/m) for KS, and for Wasserstein the mean of Brownian bridges.

    The upper ends are what the samples rule out. For KS and Wasserstein they hold whatever the distributions: the
    distances are not smaller than those of the distributions on average, and their errors are at most
    √(1/n + 1/m) ÷ 2 and √(s²/n + t²/m), s and t being standard deviations. That of PSI is the noncentrality at which
    so small a value has a chance of 2.5 %: its tails are heavier than those of χ².

    Args:
        reference: Shape (n,); values that are not finite are left out.
        current: Shape (m,).
        alpha: Error rate of the decision, in (0, 1).
        floor: Largest KS distance that does not matter, however significant, in (0, 1).
        bins: Number of bins for PSI and JS, at least 2; fewer where values repeat so much that quantiles coincide.
        seed: Seed of the permutations.
        permutations: Most permutations B.

    Raises:
        InvalidInput: alpha or floor lie outside (0, 1), or there are fewer than two bins.

    >>> calm = drift(range(100), range(100))
    >>> calm.drifted, calm.ks.statistic, calm.psi.statistic, calm.js.statistic, calm.wasserstein.statistic
    (False, 0.0, 0.0, 0.0, 0.0)
    >>> moved = drift(range(100), range(50, 150))
    >>> moved.drifted, moved.wasserstein.statistic, moved.wasserstein.p_value
    (True, 50.0, 0.002)
    """
    for name, value in (("alpha", alpha), ("floor", floor)):
        if not 0 < value < 1:
            raise InvalidInput(f"{name} is {value}; it has to lie between 0 and 1")
    if bins < 2:
        raise InvalidInput(f"{bins} bins; PSI takes at least 2")
    both = _Merged(np.sort(_finite(reference)), np.sort(_finite(current)))
    n, m = both.n, both.m
    enough = min(n, m) >= 2
    if enough:
        ks, wasserstein = _ks(both), _wasserstein(both, seed, permutations)
        psi, js = _in_bins(both, bins)
    else:
        note = f"{n} reference and {m} current values; at least 2 of each are needed"
        ks, psi, js, wasserstein = (
            Shift(test=test, n_reference=n, n_current=m, note=note) for test in ("ks", "psi", "js", "wasserstein")
        )
    return Drift(
        ks=ks,
        psi=psi,
        js=js,
        wasserstein=wasserstein,
        alpha=alpha,
        floor=floor,
        enough_data=enough,
        drifted=ks.p_value is not None and ks.effect is not None and ks.p_value < alpha and ks.effect > floor,
    )


@dataclass(frozen=True)
class _Merged:
    """Two sorted windows, and what their merged order says; cumulative distributions are compared after each value.

    Attributes:
        x, y: Shape (n,) and (m,), sorted: the reference and the current window.
    """

    x: Floats
    y: Floats

    @property
    def n(self) -> int:
        return len(self.x)

    @property
    def m(self) -> int:
        return len(self.y)

    @cached_property
    def order(self) -> NDArray[np.intp]:
        # The stable sort finds two runs and merges them: no second sort.
        return np.argsort(np.concatenate([self.x, self.y]), kind="stable")

    @cached_property
    def gaps(self) -> Floats:
        """Shape (n + m − 1,): how far each value of the merged order lies below the next."""
        return np.diff(np.concatenate([self.x, self.y])[self.order])

    def apart(self, from_x: NDArray[np.bool_]) -> Floats:
        """Return F(x) − F(y) after each value but the last, if these were the values of x; from whole numbers.

        Args:
            from_x: Shape (…, n + m), along the merged order.
        """
        n, m = self.n, self.m
        apart = np.cumsum(from_x, axis=-1, dtype=np.int64)[..., :-1]
        apart *= n + m
        apart -= np.arange(n, n * (n + m), n, dtype=np.int64)
        return apart / (float(n) * m)

    @cached_property
    def bridge(self) -> Floats:
        """Standard deviation of a Brownian bridge after each value but the last."""
        u = np.arange(1, self.n + self.m) / (self.n + self.m)
        found: Floats = np.sqrt(u * (1 - u))
        return found

    @cached_property
    def distance(self) -> Floats:
        """|F(x) − F(y)| after each value but the last."""
        return np.abs(self.apart(self.order < self.n))


def _shift(
    test: str,
    statistic: float,
    p_value: float,
    n: int,
    m: int,
    method: str,
    effect: float | None = None,
    beyond: float | None = None,
    upper: float | None = None,
    resolution: float | None = None,
) -> Shift:
    """Return a measure; its effect is the statistic where no other is given."""
    return Shift(
        test=test,
        statistic=statistic,
        p_value=p_value,
        effect=statistic if effect is None else effect,
        beyond=beyond,
        upper=upper,
        resolution=resolution,
        n_reference=n,
        n_current=m,
        method=method,
    )


def _finite(values: ArrayLike) -> Floats:
    array = np.asarray(values, np.float64).ravel()
    finite = np.isfinite(array)
    return array if finite.all() else array[finite]


def _ks(both: _Merged) -> Shift:
    n, m = both.n, both.m
    statistic = float(np.max(both.distance, where=both.gaps > 0, initial=0.0))
    if max(n, m) <= 2_000:
        p = float(stats.ks_2samp(both.x, both.y).pvalue)
    elif n * m / (n + m) <= _MOST_FOR_KS:
        p = float(stats.kstwo.sf(statistic, round(n * m / (n + m))))
    else:
        p = float(stats.kstwobign.sf(statistic * math.sqrt(n * m / (n + m))))
    p, chance = min(1.0, max(p, np.finfo(float).tiny)), math.sqrt(1 / n + 1 / m)
    wide = ONE_SIDED * 0.5 * chance
    return _shift(
        "ks",
        statistic,
        p,
        n,
        m,
        "two-sample Kolmogorov-Smirnov",
        beyond=math.sqrt(max(0.0, statistic**2 - (_KS_BY_CHANCE * chance) ** 2)),
        upper=min(1.0, statistic + wide),
        resolution=_KS_BY_CHANCE * chance + wide,
    )


def _in_bins(both: _Merged, bins: int) -> tuple[Shift, Shift]:
    """Return PSI and JS over the same bins."""
    n, m = both.n, both.m
    edges = _edges(both.x, bins)
    k = len(edges) + 1
    # Sorted windows need no count of every value: a bin ends where its edge would stand.
    a, b = (np.diff(np.searchsorted(v, edges, side="right"), prepend=0, append=len(v)) for v in (both.x, both.y))
    p, q = (a + 0.5) / (n + 0.5 * k), (b + 0.5) / (m + 0.5 * k)
    psi = float(((q - p) * np.log(q / p)).sum())
    chance = 1 / n + 1 / m
    where = f"{k} bins at the quantiles of the reference"
    tiny = np.finfo(float).tiny
    p_value = max(float(stats.chi2.sf(psi / chance, k - 1)), tiny) if k > 1 else 1.0
    usual = stats.chi2.median(k - 1) if k > 1 else 0.0
    found = _shift(
        "psi",
        psi,
        p_value,
        n,
        m,
        f"{where}, natural logarithm, half a count added",
        beyond=max(0.0, psi - (k - 1) * chance),
        upper=chance * _noncentrality(psi / chance, k - 1),
        resolution=chance * _noncentrality(float(usual), k - 1),
    )
    p, q = a / n, b / m
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        nats = 0.5 * float(sum(np.nansum(np.where(v > 0, v * np.log(v / middle), 0)) for v in (p, q)))
    nats = max(0.0, nats)
    p_value = max(float(stats.chi2.sf(8 * nats / chance, k - 1)), tiny) if k > 1 else 1.0
    return found, _shift("js", math.sqrt(nats / math.log(2)), p_value, n, m, f"{where}, root of the divergence, base 2")


def _noncentrality(value: float, freedom: int) -> float:
    """Return the noncentrality at which a χ² is below a value with a chance of 2.5 %; 0 where it is so rarely below."""
    if freedom < 1 or stats.chi2.cdf(value, freedom) <= 0.025:
        return 0.0
    # √χ² lies within a few units of √(noncentrality + freedom), at any size.
    high = (math.sqrt(value) + 10) ** 2
    return float(optimize.brentq(lambda at: stats.ncx2.cdf(value, freedom, at) - 0.025, 1e-12, high))


def _edges(x: Floats, bins: int) -> Floats:
    """Return the inner edges of the bins of a sorted sample; the last bin holds what is above all of them."""
    quantiles, times = np.unique(np.quantile(x, np.linspace(0, 1, bins + 1)[1:-1]), return_counts=True)
    # A bin reaches up to and includes its edge. A value so frequent that quantiles coincide gets a bin of its own.
    below = np.nextafter(quantiles[(times > 1) | (quantiles == x[0])], -np.inf)
    return np.unique(np.concatenate([quantiles, below]))


def _wasserstein(both: _Merged, seed: int, permutations: int) -> Shift:
    n, m = both.n, both.m
    distance = float(both.distance @ both.gaps)
    spread = float(both.x.std())
    chance = math.sqrt(2 / math.pi * (1 / n + 1 / m)) * float(both.bridge @ both.gaps)
    effect = distance / spread if spread > 0 else (0.0 if distance == 0 else math.inf)
    rng = np.random.default_rng(seed)
    few = n + m <= _MOST_TO_PERMUTE
    deal, how = (_permuted, "permutations") if few else (_bridges(both), f"Brownian bridges at {_CUTS} cuts")
    p = permutation_p(distance, lambda times: deal(both, rng, times), permutations) if distance else 1.0
    beyond = upper = resolution = None
    if spread > 0:
        beyond = math.sqrt(max(0.0, distance**2 - chance**2)) / spread
        wide = ONE_SIDED * math.sqrt(both.x.var() / n + both.y.var() / m)
        upper, resolution = (distance + wide) / spread, (chance + wide) / spread
    return _shift(
        "wasserstein",
        distance,
        p,
        n,
        m,
        f"in score units; p from at most {permutations} {how}",
        effect,
        beyond,
        upper,
        resolution,
    )


def _permuted(both: _Merged, rng: np.random.Generator, times: int) -> Floats:
    """Return the distances of windows to which values were dealt at random."""
    # The area between the cumulative distributions; a permutation only changes who steps where.
    from_x, few = both.order < both.n, max(1, _DEALT_AT_ONCE // (both.n + both.m))
    found = []
    for start in range(0, times, few):
        dealt = rng.permuted(np.broadcast_to(from_x, (min(few, times - start), len(from_x))), axis=1)
        found.append(np.abs(both.apart(dealt)) @ both.gaps)
    return np.concatenate(found)


def _bridges(both: _Merged) -> Callable[[_Merged, np.random.Generator, int], Floats]:
    """Return what deals values of large windows at random: ∫|B(u)| dQ(u), Q the quantiles of the pooled values."""
    total = both.n + both.m
    spread = both.bridge * both.gaps
    starts = np.unique(np.linspace(0, total - 1, _CUTS + 1).astype(np.int64)[:-1])
    weights = np.add.reduceat(spread, starts)  # (cuts,): the gaps of a cut share the bridge at its middle
    middle = (starts + np.append(starts[1:], total - 1)) / (2 * total)
    lengths = np.sqrt(np.diff(middle, prepend=0, append=1))
    weights /= np.sqrt(middle * (1 - middle)) * math.sqrt(both.n * both.m / total)

    def deal(both: _Merged, rng: np.random.Generator, times: int) -> Floats:
        walk = np.cumsum(rng.standard_normal((times, len(lengths))) * lengths, axis=1)
        values: Floats = np.abs(walk[:, :-1] - middle * walk[:, -1:]) @ weights
        return values

    return deal
