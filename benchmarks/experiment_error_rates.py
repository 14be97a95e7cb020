"""The error rates of docs/statistics.md: by unit and allocation on simulated tests, and on real experiments.

python benchmarks/experiment_error_rates.py 1000              # simulated tests of each kind
python benchmarks/experiment_error_rates.py 1000 lift         # only the kinds that have this in their name
ABKIT_TESTDATA=… python benchmarks/experiment_error_rates.py  # and the real ones
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
from experiment_designs import START, analyzed, daily, drawn_days, geographies, shared_days, sums_of, users

from abkit.errors import InvalidInput
from abkit.stats.arms import Moments, PairMoments
from abkit.stats.means.compare import compare_means
from abkit.stats.means.pairs import compare_ratios
from abkit.stats.proportions.bulk import compare_many, split_p
from abkit.stats.proportions.intervals import newcombe_z
from abkit.stats.sequential.always_valid import DEFAULT_TUNING, confidence_sequence, mixture_precision
from abkit.stats.sequential.group_sequential import plan_looks
from abkit.vocabulary import AnalysisUnit, Metric, Verdict
from abkit.workflows.experiments.arms import Arm
from abkit.workflows.experiments.looks.results import Analysis
from abkit.workflows.experiments.units.sums import UnitSums

LOOKS = 60


def by_unit(tests: int) -> None:
    """Print how often each kind of test shows a difference: at its end, at any look, and with days as clusters."""
    print(f"{tests:,} tests of each kind: shown at the end, at any of the daily looks, with days as clusters")
    simulate("impressions, random", tests, lambda rng: (shared_days(rng, sd=0.15), {}))
    optimized = {"allocation": "optimized"}
    simulate("shared days (sd 15 %), optimized", tests, lambda rng: (shared_days(rng), optimized))
    simulate("shared days (sd 30 %), optimized", tests, lambda rng: (shared_days(rng, sd=0.3), optimized))
    simulate("days drawn one by one", tests, lambda rng: (drawn_days(rng), {"unit": "day"}))
    simulate(
        "blocks of 2 days, 1 day of carry-over", tests,
        lambda rng: (drawn_days(rng, 2, kept=0.5), {"unit": "day", "carry_over": 1}),
    )  # fmt: skip
    for spread in (0.0, 1.0):
        simulate(
            f"20 geographies, sd of log size {spread:g}", tests,
            lambda rng, spread=spread: (geographies(rng, spread)[0], {"unit": "geography"}),
        )  # fmt: skip
    simulate("10 matched pairs of geographies", tests, matched)
    simulate("users, from daily totals", tests, lambda rng: (users(rng)[0], {"unit": "user"}))
    sums_per_user(tests)
    planned_looks(tests)
    for lift, impressions, sd in ((0.10, 20_000, 0.15), (0.05, 100_000, 0.30)):
        simulate(
            f"lift {lift:+.0%}, {impressions:,} a day and arm, day sd {sd:.0%}", tests,
            lambda rng, n=impressions, sd=sd, lift=lift: (
                shared_days(rng, lift=lift, impressions=n, sd=sd), {"allocation": "optimized"}
            ),
        )  # fmt: skip


def matched(rng: np.random.Generator) -> tuple[list[Arm], dict[str, object]]:
    arms, strata = geographies(rng, 1.0, matched=True)
    return arms, {"unit": "geography", "strata": strata}


def simulate(name: str, tests: int, draw: Callable[[np.random.Generator], tuple[list[Arm], dict[str, object]]]) -> None:
    if not asked(name):
        return
    rng = np.random.default_rng(0)
    fixed, anytime, clusters = 0, 0, 0
    offered = True
    for _ in range(tests):
        arms, plan = draw(rng)
        analysis = analyzed(arms, monitoring="fixed", **plan)
        fixed += analysis.verdict in (Verdict.BETTER, Verdict.WORSE)
        sequence = analysis.treatments[0].sequence
        offered = sequence is not None
        # From the seventh day on, as the guard of data wants it.
        anytime += any(one.difference.excludes(0) for one in sequence.looks[-22:]) if sequence else 0
        clusters += days_as_clusters(arms)
    shown = f"{anytime / tests:.2%}" if offered else "not offered"
    print(f"  {name} ({analysis.analyzed_by}): {fixed / tests:.2%}, {shown}, {clusters / tests:.1%}")


def days_as_clusters(arms: list[Arm]) -> bool:
    """Whether Welch's t over days shows a difference, as if days were drawn and independent between the arms."""
    pairs = [np.array([figures[:2] for figures in arm.delivery.by_day.values()], dtype=float) for arm in arms]
    try:
        return compare_ratios(*(PairMoments.from_values(days[:, 1], days[:, 0]) for days in pairs)).p_value < 0.05
    except InvalidInput:
        return False


def planned_looks(tests: int) -> None:
    """Print how often four planned looks show a difference that is not there, and then 20 further daily looks, too.

    Each test is a stream of impressions over 48 days of which 28 are planned; what stands after each look is what
    the analysis says. It is asked where any of the looks crosses its boundary, or a further one the last boundary:
    that share is what new verdicts after the end would find.
    """
    name = "impressions at 4 planned looks"
    if not asked(name):
        return
    rng, found = np.random.default_rng(0), np.zeros(3)
    ends, daily_shown = np.array([7, 14, 21, 28, *range(29, 49)]), 20_000
    clicks = rng.binomial(daily_shown, 0.01, (tests, 2, 48))
    nominal = np.array(plan_looks([0.25, 0.5, 0.75, 1.0]).nominal_p)
    sums, shown = clicks.cumsum(axis=2)[:, :, ends - 1], ends * daily_shown
    p_values = np.array([compare_many(one[0], shown, one[1], shown).p_value for one in sums])
    crossed = (p_values <= np.append(nominal, np.full(20, nominal[-1]))).any(axis=1)
    for rows in clicks[crossed]:
        looks: list[Analysis] = []
        for last in ends:
            arms = [
                daily(key, {day: (daily_shown, int(row[day])) for day in range(last)})
                for key, row in zip("ab", rows, strict=True)
            ]
            looks.append(
                analyzed(
                    arms, monitoring="group", looks=4, planned_total=2 * 28 * daily_shown, ends_on=None,
                    as_of=START + timedelta(int(last) - 1), earlier=tuple(looks),
                )
            )  # fmt: skip
        said = [look.verdict in (Verdict.BETTER, Verdict.WORSE) for look in looks]
        found += (any(said[:4]), any(said), 1)
    at_plan, later, without = found / tests
    print(f"  {name}: {at_plan:.2%}, with 20 daily looks after the end {later:.2%} ({without:.2%} by new verdicts)")


def asked(name: str) -> bool:
    """Whether no kinds are named, or this one is."""
    return all(word in name for word in sys.argv[2:3])


def sums_per_user(tests: int) -> None:
    if not asked("users, from sums per user"):
        return
    rng, found = np.random.default_rng(0), np.zeros(2)
    for _ in range(tests):
        arms, clicks = users(rng)
        analysis = analyzed(arms, unit="user", sums=sums_of(clicks))
        found[0] += analysis.verdict in (Verdict.BETTER, Verdict.WORSE)
        looks = (
            UnitSums(AnalysisUnit.USERS, sums_of(clicks, first), 2000).compare(*arms, Metric.CTR, 0.95)
            for first in range(50, 1001, 50)
        )
        found[1] += any(pair and pair.anytime and pair.anytime.difference.excludes(0) for pair in looks)
    print(f"  users, from sums per user (users): {found[0] / tests:.2%}, {found[1] / tests:.2%}")


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


def time_series(path: Path, *, planned: bool) -> None:
    """Print what any-time looks find, tuned to each series' own total as a plan would, or to 5,000 users."""
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
        tuning = float((looks["count_c"] + looks["count_t"])[-1]) if planned else DEFAULT_TUNING
        found = confidence_sequence(
            [compare_means(*pair, method="sequential", tuning=tuning) for pair in arms],
            [compare_means(*pair) for pair in arms],
            tuning=tuning,
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
    print(f"ASOS, tuned to {'the planned total' if planned else '5,000 users'}")
    print(f"  {count} series (experiment, variant, metric); verdicts {verdicts}; verdicts that turned round: 0")
    print(f"  single any-time intervals on both sides of zero: {raw_turned}; fixed-horizon ones: {turned}")
    print(f"  stopped {len(shares)}, median share of the duration {np.median(shares):.0%}")
    print(f"  peeking stops {naive}, {for_nothing} of them not significant at the end")


if __name__ == "__main__":
    by_unit(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
    if sys.argv[2:]:
        sys.exit()
    if "ABKIT_TESTDATA" not in os.environ:
        sys.exit("the real experiments are not there: say ABKIT_TESTDATA")
    folder = Path(os.environ["ABKIT_TESTDATA"])
    upworthy = pl.read_parquet(folder / "upworthy" / "packages.parquet")
    faulty_weeks(upworthy)
    for planned in (True, False):
        time_series(folder / "asos_experiments" / "asos.parquet", planned=planned)
    for seed in range(3):
        a_a_tests(upworthy, seed)
