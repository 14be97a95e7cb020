"""How often the relation layer of `abkit drift check` is wrong, in worlds whose truth is known.

    python benchmarks/relation_drift.py [--worlds 100] [--only NAME]

Each world is 97 days of campaigns whose creatives launch at different times, wear out, and differ by their score and by
luck; the last seven days are judged against the ninety before, with the default floors. Printed is, for each kind of
world, in how many the relation was found lost, could not be judged for want of a reference, and in how many the level
of CTR was found moved.
"""

import argparse
from dataclasses import dataclass

import numpy as np

from abkit.config import DriftSettings
from abkit.stats.monitoring.shifts.level_shift import level_shift
from abkit.stats.monitoring.shifts.relation_shift import Delivery, relation_shift

DAYS, CURRENT = 97, 7


@dataclass(frozen=True)
class World:
    """What is planted; effects are on log CTR. The last week may differ from what was before."""

    campaigns: int = 3
    creatives: int = 20
    slope: float = 0.25
    kept: float = 1.0  # share of the slope that is left in the last week
    luck: float = 0.25
    new_taste: float = 0.0  # fresh luck in the last week
    impressions: float = 3000
    budget: float = 1.0  # factor on the impressions of the last week
    fatigue: float = 0.3
    fatigue_by_score: float = 0.0  # how much more a creative one standard deviation up in score wears out
    season: float = 0.15
    level: float = 0.0  # step of the level in the last week
    day_noise: float = 0.0
    steered: bool = False  # the platform shows winners more
    new_campaign: bool = False  # the last campaign begins in the last week: better scores, lower CTR


WORLDS = {
    "calm": World(),
    "strong fatigue": World(fatigue=1.2),
    "season": World(season=0.6),
    "budget x 0.1": World(budget=0.1),
    "budget x 10": World(budget=10),
    "new campaign": World(new_campaign=True),
    "level halved": World(level=-0.7),
    "level doubled": World(level=0.7),
    "noisy days": World(day_noise=0.4),
    "steered to winners": World(steered=True),
    "150 impressions a day": World(impressions=150),
    "fatigue by score": World(fatigue=0.5, fatigue_by_score=0.5),
    "a quarter lost": World(kept=0.75),
    "half lost": World(kept=0.5),
    "three quarters lost": World(kept=0.25),
    "all lost": World(kept=0),
    "all lost, new taste": World(kept=0, new_taste=0.3),
}


def deliver(world: World, seed: int) -> np.ndarray:
    """Rows of clicks, impressions, creative, campaign, cell, score, age, current, day."""
    rng = np.random.default_rng(seed)
    parts = []
    for campaign in range(world.campaigns):
        n = world.creatives
        z, luck, taste = rng.normal(size=n), rng.normal(0, world.luck, n), rng.normal(0, world.new_taste, n)
        launch = np.where(np.arange(n) % 2, 0, rng.integers(0, DAYS - 10, n))
        late = world.new_campaign and campaign == world.campaigns - 1
        if late:
            launch, z = np.full(n, DAYS - CURRENT), z + 1.5
        for day in range(int(launch.min()), DAYS):
            on = np.flatnonzero(launch <= day)
            now, age = day >= DAYS - CURRENT, day - launch[on]
            appeal = world.slope * (world.kept if now else 1) * z[on] + luck[on] + (taste[on] if now else 0)
            fatigue = world.fatigue * (1 + world.fatigue_by_score * z[on]) * (1 - np.exp(-age / 18))
            level = np.log(0.015) + 0.4 * campaign - (1 if late else 0) + (world.level if now else 0)
            level += world.season * np.sin(day / 14) + 0.1 * (day % 7 > 4)
            noise = world.day_noise * rng.normal(size=len(on))
            share = np.exp(2 * (appeal + 0.3 * rng.normal(size=len(on)))) if world.steered else np.ones(len(on))
            shown = rng.poisson(world.impressions * (world.budget if now else 1) * share / share.mean())
            clicks = rng.binomial(shown, np.clip(np.exp(level + appeal - fatigue + noise), 0, 1))
            same = np.ones(len(on))
            columns = (clicks, shown, campaign * n + on, campaign * same, (campaign * DAYS + day) * same)
            parts.append(np.column_stack([*columns, z[on], age, now * same, day * same]))
    return np.concatenate(parts)


def judge(rows: np.ndarray, floors: DriftSettings) -> tuple[bool, bool, bool]:
    """Whether the relation was found lost, whether it had no reference, whether the level was found moved."""
    clicks, shown, creative, campaign, cell, score, age, now, day = rows.T
    current = now > 0
    found = relation_shift(
        Delivery(
            clicks=clicks,
            impressions=shown,
            creative=creative,
            campaign=campaign,
            cell=cell,
            score=score,
            age=age,
            current=current,
        )
    )
    level = level_shift(
        clicks=clicks, impressions=shown, unit=creative, creative=creative, period=day, age=age, current=current
    )
    without = found.loss is None or found.reference is None or found.reference.ci_low <= 0
    share, p = found.lost_share, found.p_value
    lost = not without and share is not None and p is not None and share >= floors.relation_loss and p < floors.alpha
    moved = (
        level.log_ratio is not None
        and level.p_value is not None
        and abs(level.log_ratio) >= floors.kpi_floor
        and level.p_value < floors.alpha
    )
    return lost, without, moved


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=100, help="of each kind")
    parser.add_argument("--only", choices=list(WORLDS))
    options = parser.parse_args()
    floors = DriftSettings()
    print(f"{'world':24} {'lost':>6} {'no reference':>14} {'level moved':>12}  of {options.worlds}")
    for name in [options.only] if options.only else WORLDS:
        verdicts = [judge(deliver(WORLDS[name], seed), floors) for seed in range(1, options.worlds + 1)]
        lost, without, moved = (sum(column) for column in zip(*verdicts, strict=True))
        print(f"{name:24} {lost:6} {without:14} {moved:12}", flush=True)


if __name__ == "__main__":
    main()
