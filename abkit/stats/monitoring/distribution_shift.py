"""Has a distribution moved between two windows: of scores (one number per creative), or of embeddings (many)?

Every measure comes as an effect that does not grow with the sample and a p-value that does: a verdict needs both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from abkit.errors import InvalidInput
from abkit.records import Record

Floats = NDArray[np.float64]

PERMUTATIONS = 499
_MOST_FOR_PERMUTATION = 5_000


@dataclass(frozen=True, kw_only=True)
class Shift(Record):
    """One measure of the difference of two samples.

    Attributes:
        test: "ks", "psi", "wasserstein" or "energy".
        statistic: Its value; None when there is none, and `note` says why.
        p_value: P-value of "both windows come from one distribution"; None without a statistic.
        effect: The same difference on a scale whose floors mean the same for every n; equal to `statistic` for KS and
            PSI, in standard deviations of the reference for Wasserstein, between 0 and 1 for energy.
        n_reference, n_current: Number of finite values in each window.
        method: How it was computed: bins, permutations, what was sampled.
        note: Why there is no value.
    """

    test: str
    statistic: float | None = None
    p_value: float | None = None
    effect: float | None = None
    n_reference: int
    n_current: int
    method: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Drift(Record):
    """Three measures of how one figure differs between two windows, and whether it drifted.

    Attributes:
        ks: Kolmogorov-Smirnov: the largest gap between the two cumulative distributions, 0…1.
        psi: Population stability index over bins that hold equal shares of the reference, natural logarithm, ≥ 0.
        wasserstein: How far values moved on average, in their unit; its effect is in reference standard deviations.
        alpha: Error rate of the decision.
        floor: Largest KS distance that does not matter.
        enough_data: Whether there are at least two values in each window.
        drifted: Whether the KS test is significant at alpha, and its distance above the floor.
    """

    ks: Shift
    psi: Shift
    wasserstein: Shift
    alpha: float
    floor: float
    enough_data: bool
    drifted: bool


def drift(
    reference: ArrayLike, current: ArrayLike, *, alpha: float = 0.01, floor: float = 0.1, bins: int = 10, seed: int = 0
) -> Drift:
    """Compare the values of two windows, such as scores. Assumes that they are independent within each.

    KS: scipy's two-sample test (exact p for small samples). PSI: bins at the reference's quantiles (a value that
    fills several of them has a bin of its own), with half a count added to every share so that an empty bin is not
    infinite; p from PSI / (1/n + 1/m) being χ² with bins − 1 degrees of freedom when nothing moved (Yurdakul 2018).
    Wasserstein: scipy's distance, p = (1 + #)/(1 + B) from 499 permutations.

    Args:
        reference: Shape (n,); values that are not finite are left out.
        current: Shape (m,).
        alpha: Error rate of the decision, in (0, 1).
        floor: Largest KS distance that does not matter, however significant, in (0, 1).
        bins: Number of bins for PSI, at least 2; fewer where values repeat so much that quantiles coincide.
        seed: Seed of the permutations.

    Raises:
        InvalidInput: alpha or floor lie outside (0, 1), or there are fewer than two bins.

    >>> calm = drift(range(100), range(100))
    >>> calm.drifted, calm.ks.statistic, calm.psi.statistic, calm.wasserstein.statistic
    (False, 0.0, 0.0, 0.0)
    >>> moved = drift(range(100), range(50, 150))
    >>> moved.drifted, moved.wasserstein.statistic, moved.wasserstein.p_value
    (True, 50.0, 0.002)
    """
    for name, value in (("alpha", alpha), ("floor", floor)):
        if not 0 < value < 1:
            raise InvalidInput(f"{name} is {value}; it has to lie between 0 and 1")
    if bins < 2:
        raise InvalidInput(f"{bins} bins; PSI takes at least 2")
    x, y = _finite(reference), _finite(current)
    n, m = len(x), len(y)
    enough = min(n, m) >= 2
    if enough:
        ks, psi, wasserstein = _ks(x, y), _psi(x, y, bins), _wasserstein(x, y, seed)
    else:
        note = f"{n} reference and {m} current values; at least 2 of each are needed"
        ks, psi, wasserstein = (
            Shift(test=test, n_reference=n, n_current=m, note=note) for test in ("ks", "psi", "wasserstein")
        )
    return Drift(
        ks=ks,
        psi=psi,
        wasserstein=wasserstein,
        alpha=alpha,
        floor=floor,
        enough_data=enough,
        drifted=ks.p_value is not None and ks.effect is not None and ks.p_value < alpha and ks.effect > floor,
    )


def input_shift(
    reference: ArrayLike, current: ArrayLike, *, permutations: int = PERMUTATIONS, most: int = 2_000, seed: int = 0
) -> Shift:
    """Compare the pooled embeddings of two windows by their energy distance.

    Features are divided by their pooled standard deviation. The effect is Székely & Rizzo's coefficient of
    inhomogeneity, (2·E|X−Y| − E|X−X'| − E|Y−Y'|) / (2·E|X−Y|) (2013, J. Statistical Planning and Inference 143), from
    unbiased means, so that it is 0 on average when nothing moved, whatever n. It reads as a share; if every feature
    moved by d standard deviations, it is about d²/4: 0.01 for a small, 0.06 for a medium, 0.16 for a large shift.
    p = (1 + #)/(1 + B) by permuting which window a creative belongs to; it is exact if creatives are independent.

    Args:
        reference: Shape (n, D); rows that are not finite are left out.
        current: Shape (m, D).
        permutations: Number of permutations B.
        most: Most creatives per window; of more, so many are drawn at random, and `method` says so.
        seed: Seed of the draw and of the permutations.

    Raises:
        ValueError: The windows do not have the same features.

    >>> rng = np.random.default_rng(0)
    >>> a, b = rng.normal(size=(100, 20)), rng.normal(0.5, 1, size=(100, 20))
    >>> found = input_shift(a, b)
    >>> found.effect > 0.03, found.p_value
    (True, 0.002)
    """
    rng = np.random.default_rng(seed)
    x, y = _rows(reference), _rows(current)
    n, m = len(x), len(y)
    if n < 2 or m < 2:
        note = f"{n} reference and {m} current creatives; at least 2 of each are needed"
        return Shift(test="energy", n_reference=n, n_current=m, note=note)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"the windows have {x.shape[1]} and {y.shape[1]} features; they must be of one encoder")
    drawn = f"; {most:,} drawn at random from each larger window" if max(n, m) > most else ""
    x, y = _draw(x, most, rng), _draw(y, most, rng)
    pooled = np.concatenate([x, y])
    spread = pooled.std(axis=0, dtype=np.float64)
    varying = spread > 1e-6 * (1 + np.abs(pooled).max())
    method = f"energy distance of features in pooled standard deviations, {permutations} permutations{drawn}"
    if not varying.any():
        return _shift("energy", 0.0, 1.0, n, m, method)
    pooled = (pooled[:, varying] - pooled[:, varying].mean(axis=0)) / spread[varying].astype(np.float32)
    effects = _energy(_distances(pooled.astype(np.float32)), len(x), permutations, rng)
    p = (1 + int((effects[1:] >= effects[0]).sum())) / (1 + permutations)
    return _shift("energy", float(effects[0]), p, n, m, method)


def _shift(
    test: str, statistic: float, p_value: float, n: int, m: int, method: str, effect: float | None = None
) -> Shift:
    """Return a measure; its effect is the statistic where no other is given."""
    return Shift(
        test=test,
        statistic=statistic,
        p_value=p_value,
        effect=statistic if effect is None else effect,
        n_reference=n,
        n_current=m,
        method=method,
    )


def _finite(values: ArrayLike) -> Floats:
    array = np.asarray(values, np.float64).ravel()
    return array[np.isfinite(array)]


def _rows(values: ArrayLike) -> NDArray[np.float32]:
    array = np.asarray(values, np.float32)
    if array.size == 0:
        return np.zeros((0, 1), np.float32)
    array = array.reshape(len(array), -1)
    return array[np.isfinite(array).all(axis=1)]


def _draw(rows: NDArray[np.float32], most: int, rng: np.random.Generator) -> NDArray[np.float32]:
    return rows if len(rows) <= most else rows[np.sort(rng.choice(len(rows), most, replace=False))]


def _ks(x: Floats, y: Floats) -> Shift:
    found = stats.ks_2samp(x, y, method="auto" if max(len(x), len(y)) <= 2_000 else "asymp")
    return _shift("ks", float(found.statistic), float(found.pvalue), len(x), len(y), "two-sample Kolmogorov-Smirnov")


def _psi(x: Floats, y: Floats, bins: int) -> Shift:
    edges = _edges(x, bins)
    k = len(edges) + 1
    a, b = (np.bincount(np.searchsorted(edges, values, side="left"), minlength=k) for values in (x, y))
    p, q = (a + 0.5) / (len(x) + 0.5 * k), (b + 0.5) / (len(y) + 0.5 * k)
    psi = float(((q - p) * np.log(q / p)).sum())
    p_value = float(stats.chi2.sf(psi / (1 / len(x) + 1 / len(y)), k - 1))
    method = f"{k} bins at the quantiles of the reference, natural logarithm, half a count added"
    return _shift("psi", psi, p_value, len(x), len(y), method)


def _edges(x: Floats, bins: int) -> Floats:
    quantiles, times = np.unique(np.quantile(x, np.linspace(0, 1, bins + 1)[1:-1]), return_counts=True)
    # A bin reaches up to and includes its edge. A value so frequent that quantiles coincide gets a bin of its own.
    below = np.nextafter(quantiles[(times > 1) | (quantiles == x.min())], -np.inf)
    return np.unique(np.concatenate([quantiles, below]))


def _wasserstein(x: Floats, y: Floats, seed: int) -> Shift:
    distance = float(stats.wasserstein_distance(x, y))
    spread = float(x.std())
    effect = distance / spread if spread > 0 else (0.0 if distance == 0 else math.inf)
    rng, most = np.random.default_rng(seed), _MOST_FOR_PERMUTATION
    drawn = f" of at most {most:,} values per window" if max(len(x), len(y)) > most else ""
    few, others = (v if len(v) <= most else rng.choice(v, most, False) for v in (x, y))
    method = f"in score units; p from {PERMUTATIONS} permutations{drawn}"
    return _shift("wasserstein", distance, _wasserstein_p(few, others, rng), len(x), len(y), method, effect)


def _wasserstein_p(x: Floats, y: Floats, rng: np.random.Generator) -> float:
    values = np.concatenate([x, y])
    order = np.argsort(values, kind="stable")
    gaps = np.diff(values[order])
    # The area between the cumulative distributions; a permutation only changes who steps where.
    steps = np.concatenate([np.full(len(x), 1 / len(x)), np.full(len(y), -1 / len(y))])[order]
    observed = float(np.abs(np.cumsum(steps)[:-1]) @ gaps)
    at_least = 0
    for _ in range(PERMUTATIONS):
        at_least += float(np.abs(np.cumsum(rng.permutation(steps))[:-1]) @ gaps) >= observed * (1 - 1e-9)
    return (1 + at_least) / (1 + PERMUTATIONS)


def _distances(rows: NDArray[np.float32], block: int = 512) -> NDArray[np.float32]:
    norms = np.einsum("ij,ij->i", rows, rows)
    distances = np.empty((len(rows), len(rows)), np.float32)
    for start in range(0, len(rows), block):
        part = slice(start, start + block)
        squared = norms[part, None] + norms[None, :] - 2 * (rows[part] @ rows.T)
        np.sqrt(np.maximum(squared, 0, out=squared), out=distances[part])
    np.fill_diagonal(distances, 0)
    return distances


def _energy(distances: NDArray[np.float32], n: int, permutations: int, rng: np.random.Generator) -> Floats:
    """Return the coefficient for the split as it is (first) and for permuted ones."""
    total = len(distances)
    m = total - n
    first = np.zeros((total, 1 + permutations), np.float32)
    first[:n, 0] = 1
    for column in range(1, 1 + permutations):
        first[rng.choice(total, n, replace=False), column] = 1
    from_first = distances @ first  # (n + m, 1 + B): summed distances of each creative to the first window
    everything = float(distances.sum(dtype=np.float64))
    within_x = (first * from_first).sum(axis=0, dtype=np.float64)
    between = from_first.sum(axis=0, dtype=np.float64) - within_x
    within_y = everything - within_x - 2 * between
    xy, xx, yy = between / (n * m), within_x / (n * (n - 1)), within_y / (m * (m - 1))
    effects: Floats = (2 * xy - xx - yy) / np.maximum(2 * xy, np.finfo(float).tiny)
    return effects
