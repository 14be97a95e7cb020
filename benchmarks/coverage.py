"""Do the intervals cover: means by law and split with the share warned, rates at the extremes, winners shrunk.

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
from abkit.stats.proportions.bulk import compare_many
from abkit.stats.verdicts.shrinkage import fit_effect_prior, shrink_many

Array = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Array]

LAWS: dict[str, tuple[Draw, float]] = {
    "exponential (CV 1)": (lambda rng, n: rng.exponential(1.0, n), 1.0),
    "lognormal sd 0.83 (CV 1)": (lambda rng, n: rng.lognormal(0.0, 0.8326, n), float(np.exp(0.8326**2 / 2))),
    "lognormal sd 1": (lambda rng, n: rng.lognormal(0.0, 1.0, n), float(np.exp(0.5))),
    "lognormal sd 1.5": (lambda rng, n: rng.lognormal(0.0, 1.5, n), float(np.exp(1.125))),
    "lognormal sd 2": (lambda rng, n: rng.lognormal(0.0, 2.0, n), float(np.exp(2.0))),
    "Pareto 1.5": (lambda rng, n: rng.pareto(1.5, n) + 1.0, 3.0),
    "95 % zeros": (lambda rng, n: (rng.random(n) < 0.05) * rng.lognormal(0.0, 1.0, n), 0.05 * float(np.exp(0.5))),
}
SPLITS = ((100, 100), (1000, 1000), (300, 100), (1000, 5000), (5000, 1000))
LIFT, TESTS, QUANTILE = 0.1, 3000, 0.99


def means() -> None:
    """Print the coverage of difference and lift where there is no warning, and the share warned."""
    columns = f"{'warned':>8} {'difference':>11} {'lift':>7} {'all':>7} {'capped':>7}"
    print(f"{'law':26} {'control':>8} {'treated':>8} {columns}")
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
                one = compare_means(*map(Moments.from_values, rows))
                inside = one.difference.ci_low <= LIFT * mean <= one.difference.ci_high
                capped = float("nan")
                if np.quantile(np.concatenate(rows), QUANTILE) > 0:
                    arms, _ = cap_values((rows[0], rows[1] / (1 + LIFT)), QUANTILE)
                    small = compare_means(*map(Moments.from_values, arms))
                    capped = not small.difference.excludes(0.0)
                found.append((bool(one.warnings), inside, one.lift.ci_low <= LIFT <= one.lift.ci_high, capped))
            warned, difference, lift, capped_all = np.array(found, dtype=float).T
            silent = warned == 0
            held = (100 * column[silent].mean() if silent.sum() > 100 else np.nan for column in (difference, lift))
            shown = [f"{share:.1f} %" if np.isfinite(share) else "–" for share in held]
            print(
                f"{name:26} {n0:8,} {n1:8,} {100 * warned.mean():6.1f} % {shown[0]:>11} {shown[1]:>7} "
                f"{100 * difference.mean():5.1f} % {100 * np.nanmean(capped_all):5.1f} %"
            )
        print(f"{'':26} capped at the 99 % quantile, {cap:.3g}: the mean is {capped_mean:.3g} instead of {mean:.3g}")


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
    """Return the smaller and the larger of the coverages of difference and lift."""
    outcomes, chances = zip(*(_outcomes(n, p) for n, p in ((n0, p0), (n1, p1))), strict=True)
    weight = np.outer(*chances).ravel()
    x0, x1 = (grid.ravel() for grid in np.meshgrid(*outcomes, indexing="ij"))
    # All but a millionth of what happens.
    order = np.argsort(weight)
    kept = order[np.cumsum(weight[order]) > 1e-6 * weight.sum()]
    x0, x1, weight = x0[kept], x1[kept], weight[kept]
    found = compare_many(x0, np.full(len(x0), n0), x1, np.full(len(x0), n1))
    gap, lift = p1 - p0, p1 / p0 - 1
    inside = (found.difference_low <= gap + 1e-15) & (gap <= found.difference_high + 1e-15)
    inside_lift = (found.lift_low <= lift + 1e-12) & (lift <= found.lift_high + 1e-12)
    both = sorted(float(weight @ one / weight.sum()) for one in (inside, inside_lift))
    return both[0], both[1]


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
