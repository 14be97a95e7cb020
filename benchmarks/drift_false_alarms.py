"""How often does the standing check open an alert although nothing changed? Years of daily checks, budget by budget.

    ABKIT_TESTDATA=FOLDER python benchmarks/drift_false_alarms.py [--years 200] [--cache FOLDER] [--only POOL]
    ABKIT_TESTDATA=FOLDER python benchmarks/drift_false_alarms.py --store 3

Protocol, set before the runs whose figures are shown, after trials of a few worlds.
Each stream-year is one account that does not change: 3, 5, 8, 12 or 19 creatives
a week, in campaigns of 4 to 8; images and scores drawn from OASIS or from YouTube thumbnails (half the years each),
against a reference of 200 images of the same pool of which none is in the stream; CTR levels of Upworthy's tests; two
placements; 200 to 2,000 impressions per creative, day and placement; creatives that wear out, weekends, a yearly
season, and one day in a hundred without delivery. After 24 weeks the check runs on each of 365 days with the default
settings. An alarm is an alert that opens: `watch`, `retrain` or `fix_data`, all layers and tests together. All
budgets see the same streams.

A year may have more than one alarm, and years of one reference are alike: beside the sum stand the alarms of the worst
tenth of the years, each of which has a reference of its own. The bound is the largest number of alarms that a Poisson
count with the mean of the budget does not exceed with 99 %. Without the data folder images are made up.

`--store N` plays N of the streams, `--weeks` each, through a store with the real workflow, and compares each decision
with that of the arrays.
"""

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
from drift_streams import Account, ctr_levels, make_stream, pools, watch
from scipy import stats

from abkit.stats.monitoring.budget import parse_budget

BUDGETS = ["1 in 5 years", "1 per year", "10 per year"]
WEEKLY = (3, 5, 8, 12, 19)


def account_of(rng: np.random.Generator, index: int, days: int = 365) -> Account:
    """Draw an account."""
    return Account(
        weekly=WEEKLY[index % len(WEEKLY)],
        campaign=int(rng.integers(4, 9)),
        impressions=float(np.exp(rng.uniform(np.log(200), np.log(2000)))),
        slope=float(rng.uniform(0.1, 0.4)),
        fatigue=float(rng.uniform(0.2, 1.0)),
        season=float(rng.uniform(0, 0.3)),
        days=days,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--years", type=int, default=200)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--cache", type=Path, help="folder for tokens and scores of the images")
    parser.add_argument("--only", choices=["oasis_beauty", "youtube_trending"])
    parser.add_argument("--store", type=int, default=0, help="streams to play through a store instead")
    parser.add_argument("--weeks", type=int, default=12, help="of each of them")
    options = parser.parse_args()
    sources = pools([options.only] if options.only else ["oasis_beauty", "youtube_trending"], options.cache)
    levels = ctr_levels()
    if options.store:
        from drift_store import compare

        compare(sources, levels, options.store, options.weeks, options.seed, account_of)
        return
    clock = time.process_time()
    alarms = {words: np.zeros(options.years, int) for words in BUDGETS}
    why = {words: Counter() for words in BUDGETS}
    judged: Counter[str] = Counter()
    for index in range(options.years):
        rng = np.random.default_rng([options.seed, index])
        account = account_of(rng, index)
        monitors = watch(
            make_stream(sources[index % len(sources)], levels, account, rng), account, BUDGETS, holds=False
        )
        for words, monitor in zip(BUDGETS, monitors, strict=True):
            alarms[words][index] = len(monitor.alarms)
            why[words].update(f"{one.decision} {one.cause} ({', '.join(one.tests)})" for one in monitor.alarms)
        judged.update(
            str(layer)
            for layer, rows in monitors[0].judged.items()
            if any(row.verdict != "insufficient_data" for row in rows)
        )
        if (index + 1) % 20 == 0 or index + 1 == options.years:
            minutes = (time.process_time() - clock) / 60
            names = ", ".join(pool.name for pool in sources)
            print(f"\n{index + 1} stream-years of {names}; {minutes:.1f} processor minutes")
            print(f"layers judged at the end of the year: {dict(judged)}")
            _print({words: alarms[words][: index + 1] for words in BUDGETS}, why)


def _print(alarms: dict[str, np.ndarray], why: dict[str, Counter]) -> None:
    head = f"{'budget':14} {'alarms':>7} {'per year':>9}  95 % interval   allowed  99 % bound"
    print(f"{head}  years with any  worst tenth")
    for words, found in alarms.items():
        total, years = int(found.sum()), len(found)
        low = stats.chi2.ppf(0.025, 2 * total) / 2 / years if total else 0.0
        high = stats.chi2.ppf(0.975, 2 * total + 2) / 2 / years
        expected = parse_budget(words) * years
        bound = int(stats.poisson.ppf(0.99, expected))
        worst = np.sort(found)[-max(1, years // 10) :]
        print(
            f"{words:14} {total:7} {total / years:9.3f}  {low:.3f} to {high:.3f}  {expected:8.0f} {bound:11}"
            f" {int((found > 0).sum()):15}  {worst.mean():.2f} per year"
        )
        for reason, count in why[words].most_common(8):
            print(f"    {count:4} {reason}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
