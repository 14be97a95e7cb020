"""The simulated world: what it plants is what its rows show."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from abkit.demo.kpi_simulation import FIELDS, Contender, Simulation, World, simulate
from abkit.store.imports import SIMULATED_ACCOUNT

CAMPAIGNS = ("coffee-bar", "cat-food", "star-hall")


def some_contenders(seed: int = 0, each: int = 20) -> list[Contender]:
    rng = np.random.default_rng(seed)
    return [
        Contender(campaign, f"{campaign}-{i:02d}.jpg", float(score))
        for campaign in CAMPAIGNS
        for i, score in enumerate(rng.normal(4.2, 0.5, size=each))
    ]


def ctr_by_creative(simulation: Simulation, days: range) -> dict[str, float]:
    impressions: dict[str, int] = defaultdict(int)
    clicks: dict[str, int] = defaultdict(int)
    for index in days:
        for row in simulation.rows(index):
            impressions[row["creative"]] += row["impressions"]
            clicks[row["creative"]] += row["clicks"]
    return {name: clicks[name] / impressions[name] for name in impressions if impressions[name] >= 5000}


def within_campaign_srcc(simulation: Simulation, days: range) -> float:
    ctr = ctr_by_creative(simulation, days)
    scores = {life.contender.creative: life.contender for life in simulation.lives if life.linked}
    values = []
    for campaign in CAMPAIGNS:
        names = [name for name in ctr if name in scores and scores[name].campaign == campaign]
        values.append(spearmanr([scores[n].score for n in names], [ctr[n] for n in names]).statistic)
    return float(np.mean(values))


def test_the_same_seed_gives_the_same_rows_in_any_order() -> None:
    one, two = simulate(some_contenders()), simulate(some_contenders())
    later = one.rows(40)
    assert [two.rows(index) for index in (3, 40)] == [one.rows(3), later]


def test_rows_have_the_canonical_fields_and_valid_counts() -> None:
    for row in simulate(some_contenders()).rows(30):
        assert tuple(row) == FIELDS
        assert 0 <= row["conversions"] <= row["clicks"] <= row["impressions"]
        assert float(row["spend"]) > 0


def test_the_score_tells_ctr_before_day_60_and_not_after() -> None:
    before, after = [], []
    for seed in range(8):
        simulation = simulate(some_contenders(seed), World(seed=seed))
        before.append(within_campaign_srcc(simulation, range(40, 60)))
        after.append(within_campaign_srcc(simulation, range(60, 80)))
    assert 0.5 < np.mean(before) < 0.9
    assert abs(np.mean(after)) < 0.2


def test_a_calm_world_is_the_same_until_the_break_and_keeps_its_relation() -> None:
    broken = simulate(some_contenders(), World())
    calm = simulate(some_contenders(), World(break_day=None))
    assert calm.rows(59) == broken.rows(59)
    assert calm.rows(60) != broken.rows(60)
    assert within_campaign_srcc(calm, range(60, 80)) > 0.5


def test_creatives_tire() -> None:
    world = World(season=0.0, weekend=0.0, luck=0.0, slope=0.0, slope_after=0.0, break_day=None)
    simulation = simulate(some_contenders(), world)
    young = np.mean(list(ctr_by_creative(simulation, range(7)).values()))
    old = np.mean(list(ctr_by_creative(simulation, range(53, 60)).values()))
    assert 0.7 < old / young < 0.9


def test_creatives_keep_launching_after_day_60_independently_of_their_score() -> None:
    simulation = simulate(some_contenders())
    late = [life for life in simulation.lives if life.launched > 60]
    assert len(late) == 12
    assert {life.contender.campaign for life in late} == set(CAMPAIGNS)


def test_one_video_in_each_campaign_has_no_image() -> None:
    assert sum(not life.linked for life in simulate(some_contenders()).lives) == 3
    quiet = simulate(some_contenders(), replace(World(), unlinked=False))
    assert all(life.linked for life in quiet.lives)


def test_constant_scores_and_a_single_creative_are_no_problem() -> None:
    same = [Contender("one", f"{i}.jpg", 4.0) for i in range(3)] + [Contender("two", "alone.jpg", 5.0)]
    assert simulate(same).rows(10)


def test_the_file_of_a_day_reads_back_as_its_rows(tmp_path: Path) -> None:
    simulation = simulate(some_contenders(each=3))
    path = simulation.write_day(5, tmp_path / "inbox")
    assert path.name == "kpi-2025-03-08.csv"
    with path.open(encoding="utf-8") as file:
        assert list(csv.DictReader(file)) == [
            {key: str(value) for key, value in row.items()} for row in simulation.rows(5)
        ]


def test_every_row_is_marked_as_simulated_and_taste_changes_on_day_60() -> None:
    simulation = simulate(some_contenders())
    assert {row["account"] for row in simulation.rows(0)} == {SIMULATED_ACCOUNT}
    assert simulation.world.break_day is not None
    assert simulation.world.day(simulation.world.break_day).isoformat() == "2025-05-02"
    assert sum(life.linked for life in simulation.lives) == 60
