"""A simulated world with a known truth: ninety days of daily KPIs for creatives whose scores are given.

What a click depends on, on the log scale, for one creative in one placement on one day:

    log CTR = campaign + placement + weekday + season + fatigue(age) + appeal
    appeal  = slope · z(score within campaign) + luck            until the change of taste
            = slope_after · z + new taste + luck                 from that day on

`luck` is what makes a creative good or bad beyond its score; `new taste` has nothing to do with the score: it is the
style of the image where contenders have one, so that it can be learned, and drawn afresh where they have none. Clicks
are binomial in impressions, conversions binomial in clicks. Everything comes from one seed, day by day, so that a calm
world (`World(break_day=None)`) is the same world until the change.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abkit.store.imports import SIMULATED_ACCOUNT

Floats = NDArray[np.float64]

FIELDS = (
    "day", "ad", "account", "creative", "campaign", "platform", "placement", "country", "device",
    "impressions", "clicks", "conversions", "spend", "revenue", "currency",
)  # fmt: skip


@dataclass(frozen=True)
class Contender:
    """A creative that will run.

    Attributes:
        campaign: Its campaign.
        creative: Its name on the platform.
        score: What the scorer says about it.
        style: What the new taste is about, from the image: how much of it the creative has. None leaves it to chance.
        launch: Day of its launch as a 0-based index; drawn when None.
    """

    campaign: str
    creative: str
    score: float
    style: float | None = None
    launch: int | None = None


@dataclass(frozen=True)
class Placement:
    """Where ads are shown: its share of impressions, and its effect on log CTR."""

    name: str
    platform: str
    device: str
    share: float
    effect: float


PLACEMENTS = (
    Placement("feed", "social", "mobile", 0.55, 0.0),
    Placement("stories", "social", "mobile", 0.30, -0.35),
    Placement("article", "display", "desktop", 0.15, -0.80),
)


@dataclass(frozen=True, kw_only=True)
class World:
    """What is planted. Effects are on log CTR unless they say otherwise.

    Attributes:
        seed: Seed of all random draws.
        start: The first day.
        days: Number of days.
        break_day: Days since the start on which taste changes (0-based); None for a calm world.
        slope: Effect of one standard deviation of the score within its campaign.
        slope_after: The same from the change of taste on.
        luck: Standard deviation of a creative's own, scoreless appeal.
        base_ctr: CTR of an average creative in the feed on an average day, before the campaign effect.
        campaign_spread: Standard deviation of the campaign effect.
        fatigue: Loss of a creative in the long run, e.g. 0.3 is 26 % of its CTR.
        fatigue_days: Days after which 63 % of that is lost.
        weekend: Effect of Saturday and Sunday.
        season: Half the swing of a slow wave over the whole time.
        impressions: Impressions per creative on an average day.
        conversion_rate: Conversions per click of an average creative.
        late_share: Share of the creatives that launches after day 60, wherever the break is.
        unlinked: Whether each campaign also runs one video that has no image in the store.
    """

    seed: int = 11
    start: date = date(2025, 3, 3)
    days: int = 90
    break_day: int | None = 60
    slope: float = 0.22
    slope_after: float = -0.03
    luck: float = 0.26
    base_ctr: float = 0.016
    campaign_spread: float = 0.35
    fatigue: float = 0.30
    fatigue_days: float = 18.0
    weekend: float = 0.12
    season: float = 0.15
    impressions: float = 3000.0
    conversion_rate: float = 0.05
    late_share: float = 0.2
    unlinked: bool = True

    def day(self, index: int) -> date:
        """Return the date of the day with this 0-based index.

        >>> World().day(60)
        datetime.date(2025, 5, 2)
        """
        return self.start + timedelta(days=index)


@dataclass(frozen=True, kw_only=True)
class Life:
    """The truth about one creative: what was planted, never shown to abkit.

    Attributes:
        contender: The creative.
        launched, stopped: First day, and the day after the last, as 0-based indices.
        appeal_before, appeal_after: Its effect on log CTR until the break and from it on.
        volume: Its impressions relative to the average.
    """

    contender: Contender
    launched: int
    stopped: int
    appeal_before: float
    appeal_after: float
    volume: float

    @property
    def linked(self) -> bool:
        """Whether its image is in the store: what has none has no score."""
        return not math.isnan(self.contender.score)


@dataclass(frozen=True)
class Simulation:
    """A simulated world: its truth, and the rows of any day."""

    world: World
    campaign_effect: dict[str, float]
    lives: tuple[Life, ...]

    def rows(self, index: int) -> list[dict[str, Any]]:
        """Return the KPI rows of one day, one per creative and placement, with the keys of `FIELDS`.

        The same index always gives the same rows, in whatever order days are asked for.
        """
        world = self.world
        rng = np.random.default_rng([world.seed, index])
        day = world.day(index)
        broken = world.break_day is not None and index >= world.break_day
        weekday = world.weekend * (1.0 if day.weekday() >= 5 else -0.4)
        season = world.season * math.sin(2 * math.pi * index / world.days)
        rows = []
        for number, life in enumerate(self.lives):
            # Every creative draws every day, alive or not: so one more creative does not change the others' luck.
            volume = rng.lognormal(0.0, 0.25, size=len(PLACEMENTS))
            draws = rng.integers(0, 2**32, size=len(PLACEMENTS))
            price = rng.normal(0.0, 0.06, size=len(PLACEMENTS))
            if not life.launched <= index < life.stopped:
                continue
            age = index - life.launched
            appeal = life.appeal_after if broken else life.appeal_before
            level = (
                math.log(world.base_ctr)
                + self.campaign_effect[life.contender.campaign]
                + weekday
                + season
                + appeal
                - world.fatigue * (1 - math.exp(-age / world.fatigue_days))
            )
            for slot, placement in enumerate(PLACEMENTS):
                counts = np.random.default_rng([world.seed, index, number, int(draws[slot])])
                mean = world.impressions * life.volume * placement.share * (1 + 0.8 * weekday) * volume[slot]
                impressions = int(counts.poisson(mean))
                clicks = int(counts.binomial(impressions, min(0.5, math.exp(level + placement.effect))))
                conversions = int(counts.binomial(clicks, world.conversion_rate * math.exp(0.3 * appeal)))
                spend = impressions * 0.0065 * math.exp(0.5 * placement.effect + price[slot])
                revenue = float(np.round(counts.gamma(4.0, 9.0, size=conversions).sum(), 2))
                rows.append(
                    {
                        "day": day.isoformat(),
                        "ad": "ad-" + PurePath(life.contender.creative).stem,
                        "account": SIMULATED_ACCOUNT,
                        "creative": life.contender.creative,
                        "campaign": life.contender.campaign,
                        "platform": placement.platform,
                        "placement": placement.name,
                        "country": "DE",
                        "device": placement.device,
                        "impressions": impressions,
                        "clicks": clicks,
                        "conversions": conversions,
                        "spend": f"{spend:.2f}",
                        "revenue": f"{revenue:.2f}",
                        "currency": "EUR",
                    }
                )
        return rows

    def write_day(self, index: int, folder: Path) -> Path:
        """Write the export of one day as a platform would: one CSV named after the day."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"kpi-{self.world.day(index):%Y-%m-%d}.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, FIELDS)
            writer.writeheader()
            writer.writerows(self.rows(index))
        return path


def simulate(contenders: Sequence[Contender], world: World | None = None) -> Simulation:
    """Plant the truth for the given creatives. Rows are drawn only when a day is asked for.

    Args:
        contenders: Every creative with its score; scores count relative to their campaign.
        world: What is planted; the default has a change of taste on day 60.

    >>> cats = [Contender("cats", f"cat-{i}.jpg", 4 + i / 10) for i in range(10)]
    >>> rows = simulate(cats).rows(0)
    >>> sorted(rows[0]) == sorted(FIELDS), all(r["clicks"] <= r["impressions"] for r in rows)
    (True, True)
    """
    world = world or World()
    rng = np.random.default_rng(world.seed)
    effects: dict[str, float] = {}
    lives: list[Life] = []
    for campaign in dict.fromkeys(contender.campaign for contender in contenders):
        mine = [contender for contender in contenders if contender.campaign == campaign]
        effects[campaign] = float(rng.normal(0.0, world.campaign_spread))
        z = _standardized(np.array([contender.score for contender in mine], dtype=np.float64))
        luck = rng.normal(0.0, world.luck, size=len(mine))
        strength = math.sqrt(max(0.0, world.slope**2 - world.slope_after**2))
        taste = rng.normal(0.0, strength, size=len(mine))
        if all(contender.style is not None for contender in mine):
            taste = strength * _standardized(np.array([contender.style for contender in mine], dtype=np.float64))
        drawn = _launch_days(rng, len(mine), world)
        launches = [day if one.launch is None else one.launch for day, one in zip(drawn, mine, strict=True)]
        for i, contender in enumerate(mine):
            lives.append(
                Life(
                    contender=contender,
                    launched=launches[i],
                    stopped=world.days if rng.random() < 0.8 else launches[i] + int(rng.integers(35, 50)),
                    appeal_before=float(world.slope * z[i] + luck[i]),
                    appeal_after=float(world.slope_after * z[i] + taste[i] + luck[i]),
                    volume=float(rng.lognormal(0.0, 0.3)),
                )
            )
        if world.unlinked:
            video = Contender(campaign, f"{campaign}-video.mp4", math.nan)
            appeal = {"appeal_before": 0.1, "appeal_after": 0.1}
            lives.append(Life(contender=video, launched=0, stopped=world.days, volume=0.8, **appeal))
    return Simulation(world, effects, tuple(lives))


def _standardized(scores: Floats) -> Floats:
    spread = scores.std()
    if len(scores) < 2 or not spread > 1e-6:
        return np.zeros_like(scores)
    return np.asarray((scores - scores.mean()) / spread)


def _launch_days(rng: np.random.Generator, count: int, world: World) -> list[int]:
    """Return launch days: over half first, the rest one by one, some after day 60, independent of the score."""
    late = round(world.late_share * count)
    first = max(1, round(0.55 * count))
    between = max(0, count - late - first)
    days = [
        *(int(d) for d in np.linspace(0, 6, first)),
        *(int(d) for d in np.linspace(8, 56, between)),
        *(int(d) for d in np.linspace(61, 78, count - first - between)),
    ]
    order = rng.permutation(count)
    return [min(days[i], world.days - 1) for i in order]
