"""How fast the statistics of experiments are, beside statsmodels, scipy, tea-tasting and gbstats, in one process.

ABKIT_TESTDATA=… python benchmarks/experiments.py
"""

from __future__ import annotations

import os
import statistics
import time
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tea_tasting
from scipy import stats
from statsmodels.stats.proportion import (
    confint_proportions_2indep,
    proportion_confint,
    proportions_ztest,
    score_test_proportions_2indep,
)
from tea_tasting.aggr import Aggregates

from abkit.stats.arms import Counts, Moments, PairMoments
from abkit.stats.means.compare import compare_means
from abkit.stats.means.pairs import compare_ratios
from abkit.stats.proportions.compare import compare
from abkit.workflows.experiments.table import analyze_table

X0, N0, X1, N1 = 480, 10_000, 560, 10_100


def microseconds(function: Callable[[], object]) -> float:
    """Return the best of many short runs: what other processes take is left out."""
    function()
    return min(timeit.repeat(function, number=5, repeat=200)) / 5 * 1e6


def wilson_twice() -> None:
    proportion_confint(X0, N0, method="wilson")
    proportion_confint(X1, N1, method="wilson")


def score() -> None:
    score_test_proportions_2indep(X1, N1, X0, N0, return_results=False)
    confint_proportions_2indep(X1, N1, X0, N0, method="score")
    confint_proportions_2indep(X1, N1, X0, N0, method="score", compare="ratio")


def overhead() -> None:
    control, treatment = Counts(X0, N0), Counts(X1, N1)
    calls: list[tuple[str, str, Callable[[], object]]] = [
        ("auto", "auto", wilson_twice),
        ("sequential", "sequential", wilson_twice),
        ("z", "z", lambda: proportions_ztest((X1, X0), (N1, N0))),
        ("score", "score", score),
    ]
    print(f"{'one comparison':26} {'abkit µs':>9} {'the parts by statsmodels or scipy µs':>37}")
    for name, method, called in calls:
        ours = microseconds(lambda m=method: compare(control, treatment, method=m))  # type: ignore[misc]
        theirs = microseconds(called)
        print(f"{name:26} {ours:9.0f} {theirs:37.0f}")
    ours = microseconds(lambda: compare_means(Moments(N0, 10.0, 9.0), Moments(N1, 10.1, 9.5)))
    theirs = microseconds(lambda: stats.ttest_ind_from_stats(10.1, 3.08, N1, 10.0, 3.0, N0, equal_var=False))
    print(f"{'two means':26} {ours:9.0f} {theirs:37.0f}")


def beside_tea_tasting() -> None:
    rates = [Aggregates(n, {"y": x / n}, {"y": x / n * (1 - x / n)}) for x, n in ((X0, N0), (X1, N1))]
    pairs = [Aggregates(n, {"y": 2.0, "x": 40.0}, {"y": 3.0, "x": 250.0}, {("x", "y"): 20.0}) for n in (N0, N1)]
    own_pairs = [
        PairMoments(n=n, mean_y=2.0, mean_x=40.0, variance_y=3.0, variance_x=250.0, covariance=20.0) for n in (N0, N1)
    ]
    moments = [Moments(N0, 10.0, 9.0), Moments(N1, 10.1, 9.5)]
    tea_moments = [Aggregates(int(arm.n), {"y": arm.mean}, {"y": arm.variance}) for arm in moments]
    counts = [Counts(X0, N0), Counts(X1, N1)]
    rows: list[tuple[str, Callable[[], object], Callable[[], object]]] = [
        ("proportions", lambda: compare(*counts),
         lambda: tea_tasting.Proportion("y", method="norm").analyze_aggregates(*rates)),
        ("means", lambda: compare_means(*moments), lambda: tea_tasting.Mean("y").analyze_aggregates(*tea_moments)),
        ("ratios", lambda: compare_ratios(*own_pairs),
         lambda: tea_tasting.RatioOfMeans("y", "x").analyze_aggregates(*pairs)),
    ]  # fmt: skip
    print(f"\n{'the same aggregates':26} {'abkit µs':>9} {'tea-tasting µs':>15} {'times faster':>13}")
    for name, ours, theirs in rows:
        a, b = microseconds(ours), microseconds(theirs)
        print(f"{name:26} {a:9.0f} {b:15.0f} {b / a:13.1f}")


def beside_gbstats() -> None:
    """Print the median of five interleaved runs (`pip install --no-deps gbstats`: it is no dependency)."""
    try:
        from gbstats.frequentist.tests import (
            FrequentistConfig,
            SequentialConfig,
            SequentialTwoSidedTTest,
            TwoSidedTTest,
        )
        from gbstats.models.statistics import ProportionStatistic
    except ImportError:
        print("\ngbstats is not installed: not compared")
        return
    print(f"\n{'processor time':26} {'abkit µs':>9} {'gbstats µs':>15} {'ratio':>13}")
    for method, test, config in (
        ("auto", TwoSidedTTest, FrequentistConfig(difference_type="absolute")),
        ("sequential", SequentialTwoSidedTTest, SequentialConfig(difference_type="absolute")),
    ):

        def ours(method: str = method) -> object:
            return compare(Counts(X0, N0), Counts(X1, N1), method=method)

        def theirs(test: Any = test, config: Any = config) -> object:
            return test(ProportionStatistic(n=N0, sum=X0), ProportionStatistic(n=N1, sum=X1), config).compute_result()

        runs = [[min(timeit.repeat(one, timer=time.process_time, number=2000, repeat=1)) for one in (ours, theirs)]
                for _ in range(5)]  # fmt: skip
        a, b = (statistics.median(run[side] for run in runs) / 2000 * 1e6 for side in (0, 1))
        print(f"{method:26} {a:9.1f} {b:15.1f} {statistics.median(run[0] / run[1] for run in runs):13.2f}")


def in_bulk() -> None:
    folder = os.environ.get("ABKIT_TESTDATA")
    if not folder:
        print("\nABKIT_TESTDATA is not set: no Upworthy tests in bulk")
        return
    path = Path(folder) / "upworthy" / "packages.parquet"
    columns = {"experiment": "clickability_test_id", "variant": "index", "trials": "impressions", "successes": "clicks"}
    found = analyze_table(path, **columns)  # type: ignore[arg-type]
    seconds = min(timeit.repeat(lambda: analyze_table(path, **columns), number=1, repeat=5))  # type: ignore[arg-type]
    tests, comparisons = found.summary.tests, found.summary.comparisons
    print(f"\n{tests:,} tests, {comparisons:,} comparisons, file included: {seconds:.2f} s")


if __name__ == "__main__":
    overhead()
    beside_tea_tasting()
    beside_gbstats()
    in_bulk()
