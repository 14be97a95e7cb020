"""How well appeal is recovered in worlds whose truth is known: bias, coverage of intervals, correlation with a score.

    python benchmarks/appeal_recovery.py [appeal|steered|correlation] [--worlds N] [--seed N]

A world has 6 campaigns of 12 creatives on 28 days. A creative's true appeal is normal with a standard deviation of 0.3
on the log of the click rate; the rate of a day is the campaign's own; creatives launch on different days (unless
"together" is said) and wear out by log(1 + age). Impressions of a creative differ by a factor of about 2.7 and have
nothing to do with its appeal, but where delivery is said to be steered. Truth is what appeal is defined as: the log of
the true rate over the mean rate of the creatives that it was shown beside, as they were shown.

What is judged was fixed before the figures were looked at:

- appeal: with 20 expected clicks or more, bias within 0.02 and coverage of the 95 % interval of 94 to 96 %, over at
  least 2,000 replicates; below 20, coverage of the interval of the posterior.
- steered: the same figures where impressions follow clicks. They are shown; nothing is promised, and they are never
  called unbiased.
- correlation: true within-campaign correlations of 0, 0.1, 0.3 and 0.5 with a score: the mean of the disattenuated
  correlation, coverage of its interval, and how often there are "not enough clicks".
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from abkit.stats.appeal.appeal import ENOUGH_EXPECTED, appeals
from abkit.stats.appeal.relation import relation
from abkit.stats.appeal.rows import DeliveryRows, Floats
from tests.stats.appeal.worlds import true_appeal

CAMPAIGNS, CREATIVES, DAYS, RATE, SPREAD = 6, 12, 28, 0.02, 0.3
IMPRESSIONS = (30, 100, 300, 1000, 3000, 10_000, 30_000)
CORRELATIONS = (0.0, 0.1, 0.3, 0.5)


@dataclass(frozen=True)
class World:
    """What is planted."""

    impressions: float
    fatigue: float = 0.3
    together: bool = False
    day_noise: float = 0.0
    steering: str = ""


Share = Callable[[np.random.Generator, Floats, Floats], Floats]


def thompson(rng: np.random.Generator, clicks: Floats, shown: Floats) -> Floats:
    """Show each creative as often as it is drawn as the best."""
    drawn = rng.beta(clicks + 1, shown - clicks + 50, (200, len(clicks)))
    return np.bincount(drawn.argmax(axis=1), minlength=len(clicks)) / 200


def greedy(rng: np.random.Generator, clicks: Floats, shown: Floats) -> Floats:
    """Show the best so far most of the time."""
    share = np.full(len(clicks), 0.2 / len(clicks))
    share[np.argmax((clicks + 1) / (shown + 50))] += 0.8
    return share


def proportional(rng: np.random.Generator, clicks: Floats, shown: Floats) -> Floats:
    """Show a creative more the better it did so far."""
    weight = ((clicks + 5) / (shown * RATE + 5)) ** 3
    return np.asarray(weight / weight.sum(), np.float64)


STEERING: dict[str, Share] = {"thompson": thompson, "greedy": greedy, "proportional": proportional}


def deliver(world: World, rng: np.random.Generator) -> tuple[DeliveryRows, Floats]:
    """Return rows of delivery, and the true log rate of each creative relative to its campaign."""
    n = CAMPAIGNS * CREATIVES
    truth, volume = rng.normal(0, SPREAD, n), rng.lognormal(0, 0.5, n)
    launch = np.zeros(n, np.int64) if world.together else rng.integers(0, DAYS // 2, n)
    parts = []
    for campaign in range(CAMPAIGNS):
        own = np.arange(campaign * CREATIVES, (campaign + 1) * CREATIVES)
        clicks, shown = np.zeros(CREATIVES), np.zeros(CREATIVES)
        for day in range(DAYS):
            on = np.flatnonzero(launch[own] <= day)
            if not len(on):
                continue
            age = day - launch[own[on]]
            if world.steering:
                share = STEERING[world.steering](rng, clicks[on], shown[on])
            else:
                share = volume[own[on]] / volume[own].sum() * len(own) / len(on)
            today = rng.poisson(world.impressions / DAYS * len(on) * share)
            luck = 0.2 * rng.normal() + world.day_noise * rng.normal(size=len(on))
            rate = RATE * np.exp(truth[own[on]] + luck - world.fatigue * np.log1p(age))
            got = rng.binomial(today, rate.clip(0, 1))
            clicks[on] += got
            shown[on] += today
            same = np.ones(len(on))
            parts.append(np.column_stack([got, today, own[on], campaign * same, day * same, age]))
    events, exposure, creative, campaigns, days, ages = np.concatenate(parts).T
    labels = [column.astype(np.int64) for column in (creative, campaigns, days)]
    rows = DeliveryRows(
        events=events,
        exposure=exposure,
        creative=labels[0],
        campaign=labels[1],
        cell=labels[1] * 1000 + labels[2],
        age=ages,
        day=labels[2],
    )
    return rows, truth


def recover(world: World, worlds: int, seed: int) -> list[str]:
    """Return the figures of many worlds: above and below 20 expected clicks."""
    errors: dict[bool, list[Floats]] = {True: [], False: []}
    covered: dict[bool, list[Floats]] = {True: [], False: []}
    unknown, marked, total = 0, 0.0, 0
    for number in range(worlds):
        rows, truth = deliver(world, np.random.default_rng([seed, number]))
        found = appeals(rows)
        true = true_appeal(found, truth)
        unknown += int((~found.identified).sum())
        marked += float(found.steered.sum())
        total += len(true)
        for enough in (True, False):
            some = found.identified & ((found.expected >= ENOUGH_EXPECTED) == enough)
            estimate = found.appeal if enough else found.shrunk
            errors[enough].append((estimate - true)[some])
            covered[enough].append(((found.ci_low <= true) & (true <= found.ci_high))[some].astype(float))
    cells = []
    for enough in (True, False):
        error, inside = np.concatenate(errors[enough]), np.concatenate(covered[enough])
        few = len(error) < 2000
        figures = ("   few", "  few") if few else (f"{error.mean():+.3f}", f"{inside.mean():.3f}")
        cells += [f"{len(error):7,}", *figures]
    return [*cells, f"{marked / total:.2f}", f"{unknown / total:.2f}"]


HEAD = f"{'world':34}   n>=20   bias cover     n<20   bias cover  steered unknown"


def show(name: str, cells: list[str]) -> None:
    a, b, c, d, e, f, marked, unknown = cells
    print(f"{name:34} {a} {b} {c}  {d} {e} {f}  {marked:>7} {unknown:>7}", flush=True)


def study_appeal(worlds: int, seed: int) -> None:
    print("delivery independent of appeal; from 20 expected clicks on appeal, below the mean of the posterior\n" + HEAD)
    for impressions in IMPRESSIONS:
        show(f"{impressions:,} impressions", recover(World(impressions), worlds, seed))
    for name, world in {
        "3,000, launched together": World(3000, together=True),
        "30,000, strong fatigue": World(30_000, fatigue=0.8),
        "3,000, days of own luck (0.3)": World(3000, day_noise=0.3),
        "30,000, days of own luck (0.3)": World(30_000, day_noise=0.3),
    }.items():
        show(name, recover(world, worlds, seed))


def study_steered(worlds: int, seed: int) -> None:
    print("delivery that follows clicks: not unbiased, and not called so; 'steered' is the share marked\n" + HEAD)
    for steering in STEERING:
        for impressions in (300, 3000, 30_000):
            world = World(impressions, steering=steering)
            show(f"{steering}, {impressions:,} impressions", recover(world, worlds, seed))


def study_correlation(worlds: int, seed: int) -> None:
    print(" true impressions    raw ceiling without noise covered not enough")
    for true in CORRELATIONS:
        for impressions in IMPRESSIONS:
            raw, ceiling, found, covered = [], [], [], []
            for number in range(worlds):
                rng = np.random.default_rng([seed, number])
                rows, truth = deliver(World(impressions), rng)
                score = true * truth / SPREAD + np.sqrt(1 - true * true) * rng.normal(size=len(truth))
                of = appeals(rows)
                result = relation(of, score[of.creative])
                if result.raw is not None:
                    raw.append(result.raw)
                low, high = result.disattenuated_low, result.disattenuated_high
                if result.disattenuated is None or low is None or high is None:
                    continue
                ceiling.append(result.ceiling)
                found.append(result.disattenuated)
                covered.append(low <= true <= high)
            cells = [f"{np.mean(values):+.3f}" if values else "-" for values in (raw, ceiling, found)]
            inside = f"{np.mean(covered):.3f}" if covered else "-"
            print(
                f"{true:5.1f} {impressions:11,} {cells[0]:>6} {cells[1]:>7} {cells[2]:>13} {inside:>7} "
                f"{worlds - len(found):7}/{worlds}",
                flush=True,
            )


STUDIES = {"appeal": study_appeal, "steered": study_steered, "correlation": study_correlation}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="?", choices=list(STUDIES), help="all of them by default")
    parser.add_argument("--worlds", type=int, default=100, help="of each kind; a world has 72 creatives")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for name in [options.study] if options.study else STUDIES:
        STUDIES[name](options.worlds, options.seed)
        print()


if __name__ == "__main__":
    main()
