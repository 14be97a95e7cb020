"""Do the intervals cover: means by law and split with the share warned, rates at the extremes, winners shrunk.

Means are compared twice: from rows, whose skewness is known, and from sums alone (N, mean, standard deviation).

python benchmarks/coverage.py [means|rates|winners]
python benchmarks/coverage.py means 20000 "lognormal sd 1" 300:100     # more tests of one law and split
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from abkit.stats.arms import Moments
from abkit.stats.means.capping import cap_values
from abkit.stats.means.compare import compare_means
from abkit.stats.proportions.intervals import clopper_pearson, hybrid_interval, mover_r, too_few, wilson
from abkit.stats.verdicts.shrinkage import fit_effect_prior, shrink_many

Array = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Array]

LAWS: dict[str, tuple[Draw, float]] = {
    "exponential (CV 1)": (lambda rng, n: rng.exponential(1.0, n), 1.0),
    "lognormal sd 0.83 (CV 1)": (lambda rng, n: rng.lognormal(0.0, 0.8326, n), float(np.exp(0.8326**2 / 2))),
    "lognormal sd 1": (lambda rng, n: rng.lognormal(0.0, 1.0, n), float(np.exp(0.5))),
    "lognormal sd 1.5": (lambda rng, n: rng.lognormal(0.0, 1.5, n), float(np.exp(1.125))),
    "lognormal sd 2": (lambda rng, n: rng.lognormal(0.0, 2.0, n), float(np.exp(2.0))),
    "Pareto 3": (lambda rng, n: rng.pareto(3.0, n) + 1.0, 1.5),
    "Pareto 2.5": (lambda rng, n: rng.pareto(2.5, n) + 1.0, 2.5 / 1.5),
    "Pareto 1.5": (lambda rng, n: rng.pareto(1.5, n) + 1.0, 3.0),
    "95 % zeros": (lambda rng, n: (rng.random(n) < 0.05) * rng.lognormal(0.0, 1.0, n), 0.05 * float(np.exp(0.5))),
}
SPLITS = ((100, 100), (1000, 1000), (300, 100), (1000, 100), (1000, 5000), (5000, 1000))
LIFT, TESTS, QUANTILE = 0.1, 3000, 0.99


def means() -> None:
    """Print the share warned and the coverage where there is no warning, from rows and from sums."""
    columns = f"{'rows: warned':>12} {'difference':>11} {'lift':>7} {'sums: warned':>12} {'difference':>11} {'lift':>7}"
    print(f"{'law':26} {'control':>8} {'treated':>8} {columns} {'Welch':>7} {'capped':>7}")
    asked, splits = [word for word in sys.argv if word in LAWS], [word for word in sys.argv if ":" in word]
    tests = next((int(word) for word in sys.argv if word.isdigit()), TESTS)
    for name, (draw, mean) in LAWS.items():
        if asked and name not in asked:
            continue
        cap = float(np.quantile(draw(np.random.default_rng(0), 2_000_000), QUANTILE))
        capped_mean = float(np.minimum(draw(np.random.default_rng(1), 2_000_000), cap).mean())
        for n0, n1 in SPLITS:
            if splits and f"{n0}:{n1}" not in splits:
                continue
            rng = np.random.default_rng(7)
            found = []
            for _ in range(tests):
                rows = draw(rng, n0), draw(rng, n1) * (1 + LIFT)
                capped = float("nan")
                if np.quantile(np.concatenate(rows), QUANTILE) > 0:
                    arms, _ = cap_values((rows[0], rows[1] / (1 + LIFT)), QUANTILE)
                    small = compare_means(*map(Moments.from_values, arms))
                    capped = not small.difference.excludes(0.0)
                known = [Moments.from_values(side) for side in rows]
                sums = [Moments(arm.n, arm.mean, arm.variance) for arm in known]
                found.append([*_held(known, mean), *_held(sums, mean), capped])
            columns = np.array(found, dtype=float).T
            shown = []
            for warned, difference, lift in (columns[:3], columns[3:6]):
                silent = warned == 0
                held = (100 * column[silent].mean() if silent.sum() > 100 else np.nan for column in (difference, lift))
                shares = [f"{share:.1f} %" if np.isfinite(share) else "–" for share in held]
                shown.append(f"{100 * warned.mean():10.1f} % {shares[0]:>11} {shares[1]:>7}")
            welch, capped_all = 100 * columns[4].mean(), 100 * np.nanmean(columns[6])
            print(f"{name:26} {n0:8,} {n1:8,} {' '.join(shown)} {welch:5.1f} % {capped_all:5.1f} %", flush=True)
        print(f"{'':26} capped at the 99 % quantile, {cap:.3g}: the mean is {capped_mean:.3g} instead of {mean:.3g}")


def _held(arms: list[Moments], mean: float) -> tuple[bool, bool, bool]:
    """Return whether two arms are warned of, and whether the intervals hold the difference and the lift."""
    one = compare_means(*arms)
    inside = one.difference.ci_low <= LIFT * mean <= one.difference.ci_high
    return bool(one.warnings), inside, one.lift.ci_low <= LIFT <= one.lift.ci_high


def rates() -> None:
    """Print the worst coverage over rates and lifts for pairs of sizes, by sums over the outcomes that happen."""
    sizes, lifts = (10, 30, 100, 1000, 10**5, 10**6), (-0.8, -0.5, 0, 0.5, 2)
    splits = [word for word in sys.argv if ":" in word]
    expected = (0.2, 0.5, 1, 2, 3, 5, 8, 14, 22, 35, 60)
    for n0 in sizes:
        for n1 in sizes:
            if splits and f"{n0}:{n1}" not in splits:
                continue
            worst = min(
                (*covered(n0, n1, e / min(n0, n1), e / min(n0, n1) * (1 + lift)), e, lift)
                for e in expected
                for lift in lifts
                if e / min(n0, n1) < 0.5 and e / min(n0, n1) * (1 + lift) < 0.9
            )
            print(
                f"{n0:9,} v {n1:9,}: worst {100 * worst[0]:.2f} % (difference or lift), at {worst[2]:g} expected "
                f"successes in the smaller arm and a lift of {100 * worst[3]:+.0f} %",
                flush=True,
            )


MOST_OUTCOMES = 120
"""Outcomes of an arm that are worked out: all, or evenly spaced ones that stand for their neighbors."""


def covered(n0: int, n1: int, p0: float, p1: float) -> tuple[float, float]:
    """Return the smaller and the larger of the coverages of difference and lift.

    The limits are those of `compare_many`, without its p-values: of each arm they are worked out once per outcome.
    """
    (own0, chance0), (own1, chance1) = (_outcomes(n, p) for n, p in ((n0, p0), (n1, p1)))
    weight = np.outer(chance0, chance1).ravel()
    at0, at1 = (grid.ravel() for grid in np.meshgrid(np.arange(len(own0)), np.arange(len(own1)), indexing="ij"))
    # All but a millionth of what happens.
    order = np.argsort(weight)
    kept = order[np.cumsum(weight[order]) > 1e-6 * weight.sum()]
    at0, at1, weight = at0[kept], at1[kept], weight[kept]
    few = too_few(own0[at0], np.full(len(kept), float(n0)), own1[at1], np.full(len(kept), float(n1)))
    limits0, limits1 = _limits(own0, n0, at0, few), _limits(own1, n1, at1, few)
    rate0, rate1 = own0[at0] / n0, own1[at1] / n1
    low, high = hybrid_interval(rate0, limits0, rate1, limits1)
    lift_low, lift_high = mover_r(rate0, limits0, rate1, limits1)
    gap, lift = p1 - p0, p1 / p0 - 1
    inside = (low <= gap + 1e-15) & (gap <= high + 1e-15)
    inside_lift = (lift_low <= lift + 1e-12) & (lift <= lift_high + 1e-12)
    both = sorted(float(weight @ one / weight.sum()) for one in (inside, inside_lift))
    return both[0], both[1]


def _limits(outcomes: Array, n: int, at: NDArray[np.intp], few: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Return the limits of an arm in each pair of outcomes: exact ones where there are few successes."""
    wide, exact = wilson(outcomes, n, 0.05), clopper_pearson(outcomes, n, 0.05)
    low, high = (np.where(few, of_few[at], of_many[at]) for of_few, of_many in zip(exact, wide, strict=True))
    return low, high


def _outcomes(n: int, p: float) -> tuple[Array, Array]:
    """Return successes of an arm and their chances."""
    law = stats.binom(n, p)
    low, high = law.ppf(5e-8), law.ppf(1 - 5e-8)
    step = np.ceil((high - low + 1) / MOST_OUTCOMES)
    grid = np.arange(low, high + 1, step)
    # A number stands for itself and those up to the next: taken in their middle, which has to be a whole number.
    return np.minimum(grid + np.floor((step - 1) / 2), high), law.cdf(grid + step - 1) - law.cdf(grid - 1)


def winners() -> None:
    """Print the coverage of shrunk and raw 95 % intervals among significant positive results."""
    laws: dict[str, Callable[[np.random.Generator, int, float], Array]] = {
        "normal": lambda rng, n, sd: rng.normal(0, sd, n),
        "t3": lambda rng, n, sd: sd * rng.standard_t(3, n),
        "80 % null": lambda rng, n, sd: np.where(rng.random(n) < 0.8, 0.0, rng.normal(0, sd, n)),
    }
    print(f"{'effects':12} {'tests':>6} {'sd ÷ error':>10} {'winners':>8} {'shrunk':>8} {'raw':>8}")
    for name, law in laws.items():
        for n in (200, 1000):
            for sd in (0.5, 1.0, 2.0):
                held, raw = [], []
                for repeat in range(60_000 // n):
                    rng = np.random.default_rng(repeat)
                    truth, errors = law(rng, n, sd), rng.uniform(0.5, 1.5, n)
                    seen = rng.normal(truth, errors)
                    won = seen > 1.96 * errors
                    if not won.any():
                        continue
                    prior = fit_effect_prior(seen.tolist(), errors.tolist())
                    _, low, high = shrink_many(seen[won], errors[won], prior)
                    held += ((low <= truth[won]) & (truth[won] <= high)).tolist()
                    raw += (np.abs(seen - truth)[won] <= 1.96 * errors[won]).tolist()
                print(f"{name:12} {n:6,} {sd:10g} {len(held):8,} {np.mean(held):8.1%} {np.mean(raw):8.1%}")


if __name__ == "__main__":
    parts = {"means": means, "rates": rates, "winners": winners}
    for part in [word for word in sys.argv[1:] if word in parts] or parts:
        parts[part]()
