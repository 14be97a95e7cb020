"""Streams for the benchmarks of drift: what an account launches and delivers in a year, and what the check says of it.

Each layer is judged by the functions of the product on arrays, on the days on which its standing check looks anew
(`abkit.stats.monitoring.budget`), without a store; `drift_false_alarms.py --store N` plays the same streams
through a store to show that both say the same. Images and scores are drawn from a pool, without replacement until it is
used up, and a reference shares no image with its stream. Delivery is made up: campaigns with levels of real headline
tests, creatives that differ by score and luck, wear out, and rest on weekends.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abkit.config import DriftSettings
from abkit.stats.monitoring.budget import TESTS, Budget, last_look, looks_per_year, parse_budget, permutations_for
from abkit.stats.monitoring.triage import Triage, triage
from abkit.store.kpis.late_events import DeliveryRow
from abkit.store.scores import CreativeSample
from abkit.vocabulary import DriftDecision, Layer, WindowKind
from abkit.workflows.drift.layers import delivery as judging_delivery
from abkit.workflows.drift.layers import images as judging_images
from abkit.workflows.drift.layers.delivery import Delivered
from abkit.workflows.drift.layers.feeds import judge_feed
from abkit.workflows.drift.results import LayerResult
from abkit.workflows.drift.windows.launches import Launches
from abkit.workflows.drift.windows.recent import recent_start
from abkit.workflows.drift.windows.windows import DriftWindows, WindowSpec, _enough

EPOCH = date(2024, 1, 1)  # a Monday
WARM_UP = 168  # days before the first check: the reference of delivery, and a window of images at every rate
LIFE = 35  # days that a creative runs
ALARMS = (DriftDecision.WATCH, DriftDecision.RETRAIN, DriftDecision.FIX_DATA)


# --- images and scores --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pool:
    """Images to draw from: embeddings (n, D) and scores (n,)."""

    name: str
    embeddings: NDArray[np.float32]
    scores: NDArray[np.float64]


def pools(names: list[str], cache: Path | None) -> list[Pool]:
    """Return pools of real images scored by the shipped queries, or made-up ones where ABKIT_TESTDATA has none."""
    return [_pool(name, cache) for name in names]


def _pool(name: str, cache: Path | None) -> Pool:
    folder = Path(os.environ.get("ABKIT_TESTDATA", "")) / name / "images"
    if not os.environ.get("ABKIT_TESTDATA") or not folder.is_dir():
        rng = np.random.default_rng(len(name))
        vectors = rng.normal(size=(1000, 12)) @ rng.normal(size=(12, 64)) + 0.5 * rng.normal(size=(1000, 64))
        return Pool(f"{name} (made up)", vectors.astype(np.float32), 4 + 0.7 * vectors[:, 0] / vectors[:, 0].std())
    from abkit_model.data.tokens import TokenCache, extract
    from abkit_model.evaluation.trained_scorer import predict
    from abkit_model.scorer import Scorer

    kept = cache / f"pool-{name}.npz" if cache else None
    if kept and kept.exists():
        with np.load(kept) as read:
            return Pool(name, read["embeddings"], read["scores"])
    scorer = Scorer.load()
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp"))
    features, _ = extract(paths, scorer.encoder, cache=TokenCache(cache / "tokens", 12 * 2**30) if cache else None)
    scores = np.asarray(predict(scorer.network, features)[0] @ scorer.card.scale.values, np.float64)
    found = Pool(name, np.asarray(features.embeddings, np.float32), scores)
    if kept:
        np.savez(kept, embeddings=found.embeddings, scores=found.scores)
    return found


def ctr_levels() -> NDArray[np.float64]:
    """Return the CTRs of the Upworthy tests, or made-up ones where ABKIT_TESTDATA has none."""
    path = Path(os.environ.get("ABKIT_TESTDATA", "")) / "upworthy" / "packages.parquet"
    if not os.environ.get("ABKIT_TESTDATA") or not path.exists():
        return np.exp(np.random.default_rng(0).normal(math.log(0.014), 0.5, 2000))
    import polars as pl

    tests = (
        pl.read_parquet(path).group_by("clickability_test_id").agg(pl.col("clicks").sum(), pl.col("impressions").sum())
    )
    kept = tests.filter((pl.col("clicks") >= 20) & (pl.col("impressions") >= 1000)).sort("clickability_test_id")
    return (kept["clicks"] / kept["impressions"]).to_numpy()


# --- a stream -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Account:
    """What an account is like; what is planted from day `breaks` on (effects are on log CTR).

    Attributes:
        weekly: Creatives launched per week.
        impressions: Mean impressions per creative, day and placement.
        campaign: Creatives per campaign.
        slope: How log CTR goes with one standard deviation of the score inside campaigns.
        luck: Standard deviation of what creatives differ by otherwise.
        fatigue: Log CTR lost in the long run.
        season: Amplitude of a yearly season.
        days: Days of checks after the warm-up.
        breaks: Day of the stream on which something changes; None for a stationary stream.
        kept: Share of the slope that is left.
        level: Step of the level.
        more_fatigue: Fatigue afterwards.
        more_season: Amplitude of the season afterwards, with a period of a quarter.
        inflation: Scores of later creatives rise by so many standard deviations, and nothing else.
        images: Pool of the later creatives; None for the same.
        rests: Share of the days without any delivery.
        gone: The same afterwards.
        volume: Factor on impressions afterwards.
    """

    weekly: float = 8
    impressions: float = 800
    campaign: int = 6
    slope: float = 0.25
    luck: float = 0.25
    fatigue: float = 0.5
    season: float = 0.1
    rests: float = 0.01
    days: int = 365
    breaks: int | None = None
    kept: float = 1.0
    level: float = 0.0
    more_fatigue: float | None = None
    more_season: float = 0.0
    inflation: float = 0.0
    images: Pool | None = None
    gone: float = 0.01
    volume: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Stream:
    """Everything that an account launched and delivered; creatives in order of launch.

    Attributes:
        reference: Scores and embeddings of the model's own sample.
        scores, embeddings, launch, campaign: Of creatives: (n,), (n, D), day of launch, label.
        rows: Delivery: columns creative, campaign, segment, day, impressions, clicks, age; in order of days.
    """

    reference: CreativeSample
    scores: NDArray[np.float64]
    embeddings: NDArray[np.float32]
    launch: NDArray[np.int64]
    campaign: NDArray[np.int64]
    rows: NDArray[np.int64]

    @cached_property
    def daily(self) -> NDArray[np.float64]:
        """Impressions by day."""
        return np.bincount(self.rows[:, 3], self.rows[:, 4])


def make_stream(
    pool: Pool, levels: NDArray[np.float64], account: Account, rng: np.random.Generator, sample: int = 200
) -> Stream:
    """Draw a reference and a stream that share no image, and let the stream deliver."""
    order = rng.permutation(len(pool.scores))
    held, rest = order[:sample], order[sample:]
    total = WARM_UP + account.days
    # Campaigns begin evenly, each with its creatives at once.
    every = account.campaign / account.weekly * 7
    begins = np.arange(-LIFE - rng.uniform(0, every), total, every)
    begins = begins[begins > -LIFE]
    launch = np.repeat(begins.astype(np.int64), account.campaign)
    campaign = np.repeat(np.arange(len(begins)), account.campaign)
    n = len(launch)
    drawn = np.concatenate([rng.permutation(rest) for _ in range(math.ceil(n / len(rest)))])[:n]
    scores, embeddings = pool.scores[drawn].copy(), pool.embeddings[drawn].copy()
    broken = WARM_UP + account.breaks if account.breaks is not None else total + LIFE
    late = launch >= broken
    if account.images is not None:
        others = rng.choice(len(account.images.scores), int(late.sum()))
        scores[late], embeddings[late] = account.images.scores[others], account.images.embeddings[others]
    scores[late] += account.inflation * pool.scores.std()
    rows = _deliver(account, levels, scores, launch, campaign, broken, total, float(pool.scores.std()), rng)
    reference = CreativeSample(ids=(), scores=pool.scores[held], embeddings=pool.embeddings[held])
    return Stream(
        reference=reference, scores=scores, embeddings=embeddings, launch=launch, campaign=campaign, rows=rows
    )


def _deliver(
    account: Account,
    levels: NDArray[np.float64],
    scores: NDArray[np.float64],
    launch: NDArray[np.int64],
    campaign: NDArray[np.int64],
    broken: int,
    total: int,
    spread: float,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    n = len(launch)
    creative = np.repeat(np.arange(n), LIFE * 2)
    age = np.tile(np.repeat(np.arange(LIFE), 2), n)
    segment = np.tile([0, 1], n * LIFE)
    day = launch[creative] + age
    now = day >= broken
    of_campaign = np.log(rng.choice(levels, int(campaign.max()) + 1))
    z = (scores - scores.mean()) / spread
    luck = rng.normal(0, account.luck, n)
    fatigue = np.where(now & (account.more_fatigue is not None), account.more_fatigue or 0.0, account.fatigue)
    rate = (
        of_campaign[campaign[creative]]
        + account.slope * np.where(now, account.kept, 1.0) * z[creative]
        + luck[creative]
        - fatigue * (1 - np.exp(-age / 18))
        + account.season * np.sin(2 * np.pi * day / 365)
        + now * account.more_season * np.sin(2 * np.pi * (day - broken) / 91)
        + 0.1 * (day % 7 > 4)
        - 0.4 * segment
        + now * account.level
    )
    size = np.exp(rng.normal(-0.08, 0.4, n))  # budgets of creatives differ
    shown = rng.poisson(account.impressions * size[creative] * np.where(now, account.volume, 1.0))
    clicks = rng.binomial(shown, np.clip(np.exp(rate), 0, 0.5))
    dark = rng.random(total + LIFE) < np.where(np.arange(total + LIFE) >= broken, account.gone, account.rests)
    keep = (day >= 0) & (day < total) & (shown > 0) & ~dark[np.clip(day, 0, None)]
    columns = (creative, campaign[creative], segment, day, shown, clicks, age)
    rows = np.column_stack(columns)[keep]
    return rows[np.argsort(rows[:, 3], kind="stable")]


# --- judging ------------------------------------------------------------------------------------------------------


class ArrayDelivered(Delivered):
    """Delivery of both windows from columns rather than rows of a store; what is computed once is kept."""

    def __init__(self, rows: NDArray[np.int64], current: NDArray[np.bool_], scores: NDArray[np.float64]) -> None:
        of = {"creative_id": rows[:, 0], "campaign_id": rows[:, 1], "segment_id": rows[:, 2]}
        super().__init__(
            rows=range(len(rows)),  # type: ignore[arg-type]
            current=current,
            score=scores[rows[:, 0]],
            age=rows[:, 6].astype(np.float64),
            idea=-rows[:, 0],
        )
        self.__dict__.update(
            columns_of=of,
            exposure=rows[:, 4].astype(np.float64),
            count=rows[:, 5].astype(np.float64),
            start=rows[:, 3],
            days=np.ones(len(rows), np.int64),
            found={},
        )

    def column(self, name: str) -> NDArray[np.int64]:
        """Return an id of each row."""
        return self.__dict__["columns_of"][name]

    def cells(self, *also: NDArray[Any]) -> NDArray[np.int64]:
        """Return the cell of each row: rows of a day are no longer than a day, so a number says it all."""
        campaign, segment = self.column("campaign_id"), self.column("segment_id")
        cell = (campaign * 2 + segment) * 4096 + self.start
        for column in also:
            cell = cell * 2 + column
        return cell

    def relation(self, keep: NDArray[np.bool_], settings: DriftSettings) -> Any:
        """Return the relation, computed once for all budgets."""
        found = self.__dict__["found"]
        if (key := int(keep.sum())) not in found:
            found[key] = super().relation(keep, settings)
        return found[key]


class Once:
    """A function of the product that is computed once for all budgets, with permutations for the smallest of them."""

    def __init__(self, function: Callable[..., Any], permutations: int | None) -> None:
        self.function, self.permutations, self.kept = function, permutations, {}

    def __call__(self, *arrays: Any, **options: Any) -> Any:
        named = [value for value in options.values() if isinstance(value, np.ndarray)]
        key = tuple(hash(np.ascontiguousarray(value).tobytes()) for value in (*arrays, *named))
        if key not in self.kept:
            if len(self.kept) > 12:
                self.kept.clear()
            if self.permutations and "permutations" in options:
                options["permutations"] = self.permutations
            self.kept[key] = self.function(*arrays, **options)
        return self.kept[key]


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """An alert that opened: the day of the checks, what was decided and why, and until when.

    Attributes:
        day: Day of the check that opened it.
        decision, cause: What was decided then.
        tests: The tests that had found something.
        until: Last day on which it was found.
        closed: Day on which it closed; a day that never comes while it is open.
    """

    day: int
    decision: str
    cause: str
    tests: tuple[str, ...]
    until: int
    closed: float = math.inf


@dataclass
class Monitor:
    """A standing check with a budget, and its alert: opens with an alarm, closes when nothing lingers for two days."""

    words: str
    settings: DriftSettings = field(default_factory=DriftSettings)
    alarms: list[Alarm] = field(default_factory=list)
    judged: dict[Layer, list[LayerResult]] = field(default_factory=dict)
    retrain: list[int] = field(default_factory=list)
    said: list[tuple[DriftDecision, dict[str, float | None]]] = field(default_factory=list)
    calm: int | None = 0

    def budget(self, seen: Launches, images: int) -> Budget:
        """Return the budget as the product makes it (`abkit.workflows.drift.windows.looks`)."""
        looks = dict.fromkeys(TESTS, looks_per_year(7 * self.settings.recent_weeks, 1.0))
        looks |= dict.fromkeys((Layer.INPUT, Layer.SCORE), looks_per_year(images, _rate(seen)))
        looks[Layer.DATA] = looks_per_year(1, 1.0)
        return Budget(per_year=parse_budget(self.words), looks_per_year=looks)

    def decide(self, day: int) -> Triage:
        """Decide by the last verdicts, and open or close the alert."""
        rows = [row for rows in self.judged.values() for row in rows]
        found = triage([row.finding for row in rows])
        self.said.append((found.decision, {row.test: row.p_value for row in rows}))
        if found.decision is DriftDecision.RETRAIN:
            self.retrain.append(day)
        if found.decision in ALARMS:
            if self.calm is not None:
                moved = tuple(row.test for row in rows if row.verdict in ("watch", "major", "fault"))
                self.alarms.append(Alarm(day=day, decision=found.decision, cause=found.cause, tests=moved, until=day))
            self.calm = None
            self.alarms[-1] = replace(self.alarms[-1], until=day)
        elif self.calm is None and not any(row.lingers for row in rows):
            last = self.alarms[-1]
            if day - last.until >= 2:
                self.calm, self.alarms[-1] = day, replace(last, closed=day)
        return found


def watch(
    stream: Stream,
    account: Account,
    budgets: list[str],
    *,
    holds: bool = True,
    stop: Callable[[Monitor, int], bool] = lambda *_: False,
) -> list[Monitor]:
    """Check a stream every day, with several budgets; returns a monitor for each.

    Args:
        stream, account: What to check.
        budgets: In words.
        holds: Whether to test that the relation holds on new creatives, which tells `watch` from `retrain` after a
            shift of the input and costs as much as all the rest; without, every lasting shift is `retrain`.
        stop: Whether a monitor has seen enough after a day; the year ends when all have.
    """
    monitors = [Monitor(words) for words in budgets]
    settings, step = monitors[0].settings, 7 * monitors[0].settings.recent_weeks
    smallest = min(parse_budget(words) for words in budgets)
    most = permutations_for(smallest / len(TESTS) / 3 / looks_per_year(settings.recent_creatives, account.weekly / 7))
    images, delivery = judging_images, judging_delivery
    originals = images.embedding_shift, images.drift, delivery.level_shift, delivery._holds
    images.embedding_shift, images.drift = Once(originals[0], most), Once(originals[1], most)
    delivery.level_shift = Once(originals[2], None)
    if not holds:
        delivery._holds = lambda *_: False
    try:
        seen, launched = _launches(stream, WARM_UP), -1
        for index in range(account.days):
            day = WARM_UP + index
            if (so_far := int((stream.launch <= day).sum())) != launched:
                launched, every = so_far, _launches(stream, day)
                looked = every.at_last_look(_enough(every, settings))
                if index == 0 or looked.scored_ideas != seen.scored_ideas:
                    seen = looked
                    _judge_images(stream, seen, monitors)
            # Whole weeks: days are counted from a Monday.
            if index == 0 or last_look(EPOCH.toordinal() + day, step) == EPOCH.toordinal() + day:
                until = last_look(EPOCH.toordinal() + day, step) - EPOCH.toordinal()
                _judge_delivery(stream, until, seen, monitors)
            _judge_feed(stream, day, seen, monitors)
            for monitor in monitors:
                monitor.decide(index)
            if all(stop(monitor, index) for monitor in monitors):
                break
    finally:
        images.embedding_shift, images.drift, delivery.level_shift, delivery._holds = originals
    return monitors


def _rate(seen: Launches) -> float:
    if "rate" not in seen.__dict__:
        seen.__dict__["rate"] = seen.per_day()
    return seen.__dict__["rate"]


def _launches(stream: Stream, day: int) -> Launches:
    n = int((stream.launch <= day).sum())
    days = {one: EPOCH + timedelta(days=int(stream.launch[one])) for one in range(n)}
    return Launches(last=EPOCH + timedelta(days=day), days=days, labels={}, scored=frozenset(range(n)))


def _judge_images(stream: Stream, seen: Launches, monitors: list[Monitor]) -> None:
    window = _enough(seen, monitors[0].settings)
    kept = slice(max(seen.scored_ideas - window, 0), seen.scored_ideas)
    current = CreativeSample(ids=(), scores=stream.scores[kept], embeddings=stream.embeddings[kept])
    for monitor in monitors:
        budget, settings = monitor.budget(seen, window), monitor.settings
        monitor.judged[Layer.INPUT] = judging_images.judge_input(stream.reference, current, settings, budget)
        monitor.judged[Layer.SCORE] = judging_images.judge_scores(stream.reference, current, settings, budget)


def _judge_delivery(stream: Stream, until: int, seen: Launches, monitors: list[Monitor]) -> None:
    settings, rows = monitors[0].settings, stream.rows
    recent = rows[(rows[:, 3] > until - 7 * settings.recent_weeks) & (rows[:, 3] <= until)]
    start = _start(recent, until, settings, len(stream.scores))
    kept = rows[(rows[:, 3] >= start - settings.reference_days) & (rows[:, 3] <= until)]
    both = ArrayDelivered(kept, kept[:, 3] >= start, stream.scores)
    window = _enough(seen, settings)
    new = set(range(max(seen.scored_ideas - window, 0), seen.scored_ideas))
    for monitor in monitors:
        budget = monitor.budget(seen, window)
        monitor.judged[Layer.RELATION] = [judging_delivery.judge_relation(both, new, monitor.settings, budget)]
        monitor.judged[Layer.KPI] = [judging_delivery.judge_level(both, monitor.settings, budget)]


def _start(recent: NDArray[np.int64], until: int, settings: DriftSettings, creatives: int) -> int:
    """Return the first day of the window by the function of the product, on sums of weeks."""
    week = (until - recent[:, 3]) // 7
    summed = []
    for number in range(settings.recent_weeks):
        mine = recent[week == number]
        shown, clicks = (np.bincount(mine[:, 0], mine[:, column], creatives) for column in (4, 5))
        begin = EPOCH + timedelta(days=int(until - 7 * number - 6))
        summed += [
            DeliveryRow(
                creative_id=int(one),
                campaign_id=0,
                segment_id=0,
                period_start=begin,
                period_end=begin + timedelta(days=6),
                impressions=int(shown[one]),
                clicks=int(clicks[one]),
            )
            for one in np.flatnonzero(shown)
        ]
    start = recent_start(
        summed,
        as_of=EPOCH + timedelta(days=until),
        first=EPOCH,
        scored=range(creatives),
        ideas={},
        settings=settings,
    )
    return (start - EPOCH).days


def _judge_feed(stream: Stream, day: int, seen: Launches, monitors: list[Monitor]) -> None:
    daily = (
        np.bincount(stream.rows[:, 3], stream.rows[:, 4])
        if "daily" not in stream.__dict__
        else stream.__dict__["daily"]
    )
    stream.__dict__["daily"] = daily
    settings = monitors[0].settings
    start, as_of = EPOCH + timedelta(days=day - 6), EPOCH + timedelta(days=day)
    before = EPOCH + timedelta(days=day - 6 - settings.reference_days)
    shown = {
        EPOCH + timedelta(days=at): int(daily[at])
        for at in range(max(0, day - 6 - settings.reference_days), min(day + 1, len(daily)))
        if daily[at] > 0
    }
    windows = DriftWindows(
        reference=WindowSpec(WindowKind.CREATIVES),
        current=WindowSpec(WindowKind.CREATIVES),
        as_of=as_of,
        judged_until=as_of,
        segment="",
        version=None,
        start=start,
        reference_start=before,
        reference_end=start - timedelta(days=1),
        current_campaign=None,
        reference_campaign=None,
        current_creatives=(),
        reference_creatives=(),
    )
    for monitor in monitors:
        monitor.judged[Layer.DATA] = judge_feed(shown, windows, monitor.settings, monitor.budget(seen, 60))
