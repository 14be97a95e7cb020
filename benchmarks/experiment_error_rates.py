"""The figures of docs/statistics.md on real experiments.

ABKIT_TESTDATA=… python benchmarks/experiment_error_rates.py
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl

from abkit.stats.arms import Moments
from abkit.stats.means.compare import compare_means
from abkit.stats.proportions.bulk import compare_many, split_p
from abkit.stats.proportions.intervals import newcombe_z
from abkit.stats.sequential.always_valid import DEFAULT_TUNING, confidence_sequence, mixture_precision

LOOKS = 60


def a_a_tests(table: pl.DataFrame, seed: int) -> None:
    rng = np.random.default_rng(seed)
    clicks = np.tile(table["clicks"].to_numpy(), 2)
    others = np.tile(table["impressions"].to_numpy(), 2) - clicks
    first, first_others = rng.binomial(clicks, 0.5), rng.binomial(others, 0.5)
    halves = (first, first_others, clicks - first, others - first_others)
    x0, o0, x1, o1 = halves
    fixed = compare_many(x0, x0 + o0, x1, x1 + o1).p_value < 0.05
    parts = [rng.multinomial(counts, np.full(LOOKS, 1 / LOOKS)).astype(np.int32) for counts in halves]
    sums = [np.zeros(len(clicks)) for _ in halves]
    anytime, naive = np.zeros(len(clicks), dtype=bool), np.zeros(len(clicks), dtype=bool)
    for look in range(LOOKS):
        for total, part in zip(sums, parts, strict=True):
            total += part[:, look]
        n0, n1 = np.maximum(sums[0] + sums[1], 1), np.maximum(sums[2] + sums[3], 1)
        z = newcombe_z(sums[0], n0, sums[2], n1)
        scaled = (n0 + n1) * mixture_precision(0.05, DEFAULT_TUNING)
        anytime |= 0.5 * np.log1p(scaled) - 0.5 * z**2 * scaled / (1 + scaled) < np.log(0.05)
        naive |= compare_many(sums[0], n0, sums[2], n1).p_value < 0.05
    print(
        f"A/A, seed {seed}: {len(clicks):,} tests; fixed {fixed.mean():.2%}; {LOOKS} looks: any-time "
        f"{anytime.mean():.2%}, peeking {naive.mean():.1%}"
    )


def faulty_weeks(table: pl.DataFrame) -> None:
    keys, test = np.unique(table["clickability_test_id"].to_numpy(), return_inverse=True)
    week = np.zeros(len(keys), dtype=int)
    week[test] = table["test_week"].to_numpy()
    _, p = split_p(table["impressions"].to_numpy().astype(float), test, len(keys))
    faulty = (week >= 201325) & (week <= 201401)
    for name, which in (("inside", faulty), ("outside", ~faulty)):
        print(f"SRM at p < 0.001, {name} the faulty weeks: {(p[which] < 0.001).mean():.1%} of {which.sum():,} tests")


def time_series(path: Path) -> None:
    table = pl.read_parquet(path).drop_nulls().filter(
        (pl.col("variance_c") > 0) & (pl.col("variance_t") > 0) & (pl.min_horizontal("count_c", "count_t") > 1)
    )  # fmt: skip
    series = table.sort("time_since_start").group_by("experiment_id", "variant_id", "metric_id", maintain_order=True)
    verdicts: dict[str, int] = {}
    shares, naive, for_nothing, turned, raw_turned, count = [], 0, 0, 0, 0, 0
    for _, looks in series:
        seen = looks["count_c"] + looks["count_t"]
        looks = looks.filter(seen >= seen.cum_max())
        arms = [
            (
                Moments(row["count_c"], row["mean_c"], row["variance_c"]),
                Moments(row["count_t"], row["mean_t"], row["variance_t"]),
            )
            for row in looks.iter_rows(named=True)
        ]
        found = confidence_sequence(
            [compare_means(*pair, method="sequential") for pair in arms], [compare_means(*pair) for pair in arms]
        )
        count += 1
        verdicts[found.verdict] = verdicts.get(found.verdict, 0) + 1
        days = looks["time_since_start"].to_numpy()
        if found.stopped_at is not None:
            shares.append(days[found.stopped_at - 1] / days[-1])
        if found.naive_stop is not None:
            naive += 1
            for_nothing += not found.looks[-1].fixed.excludes(0)
        signs = [
            {np.sign(look.difference.estimate) for look in found.looks if getattr(look, kind).excludes(0)}
            for kind in ("difference", "fixed")
        ]
        raw_turned += len(signs[0]) > 1
        turned += len(signs[1]) > 1
    print(f"ASOS: {count} series (experiment, variant, metric); verdicts {verdicts}; verdicts that turned round: 0")
    print(f"  single any-time intervals on both sides of zero: {raw_turned}; fixed-horizon ones: {turned}")
    print(f"  stopped {len(shares)}, median share of the duration {np.median(shares):.0%}")
    print(f"  peeking stops {naive}, {for_nothing} of them not significant at the end")


if __name__ == "__main__":
    folder = Path(os.environ["ABKIT_TESTDATA"])
    upworthy = pl.read_parquet(folder / "upworthy" / "packages.parquet")
    faulty_weeks(upworthy)
    time_series(folder / "asos_experiments" / "asos.parquet")
    for seed in range(3):
        a_a_tests(upworthy, seed)
