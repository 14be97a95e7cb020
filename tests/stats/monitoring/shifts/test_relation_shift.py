"""The relation of score and CTR in two windows, and the level of CTR: a planted truth has to come out."""

from dataclasses import fields

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.discrete.conditional_models import ConditionalPoisson

from abkit.stats.appeal.absorbed_poisson import absorbed_poisson
from abkit.stats.monitoring.shifts.level_shift import LevelShift, level_shift
from abkit.stats.monitoring.shifts.relation_shift import Delivery, RelationShift, relation_shift


def test_the_coefficients_are_those_of_statsmodels_conditional_poisson() -> None:
    rng = np.random.default_rng(1)
    cell = np.repeat(np.arange(40), 5)
    X = rng.normal(size=(200, 2))
    exposure = rng.uniform(50, 500, 200)
    y = rng.poisson(exposure * 0.05 * np.exp(X @ [0.4, -0.2] + rng.normal(size=40)[cell]))
    ours = absorbed_poisson(y, exposure, X, cell, [np.arange(200)])
    theirs = ConditionalPoisson(y, X, groups=cell, offset=np.log(exposure)).fit(disp=False)
    np.testing.assert_allclose(ours.coefficients, theirs.params, atol=1e-4)


def test_the_standard_errors_are_those_of_a_clustered_glm_with_a_dummy_for_each_cell() -> None:
    rng = np.random.default_rng(2)
    cell, cluster = np.repeat(np.arange(12), 20), np.tile(np.arange(20), 12)
    x = rng.normal(size=20)[cluster] + 0.3 * rng.normal(size=240)
    y = rng.poisson(60 * np.exp(0.3 * x + 0.4 * rng.normal(size=20)[cluster]))
    ours = absorbed_poisson(y, np.ones(240), x, cell, [cluster])
    X = np.column_stack([x, np.eye(12)[cell]])
    theirs = sm.GLM(y, X, family=sm.families.Poisson()).fit(
        cov_type="cluster", cov_kwds={"groups": cluster, "use_correction": False}
    )
    assert ours.coefficients[0] == pytest.approx(theirs.params[0], abs=1e-6)
    assert ours.standard_errors[0] == pytest.approx(theirs.bse[0] * np.sqrt(20 / 19), rel=1e-3)


def test_a_column_that_does_not_vary_inside_cells_has_no_effect_and_no_certainty() -> None:
    fit = absorbed_poisson([5, 6, 7, 8], [100] * 4, [[1], [1], [2], [2]], [0, 0, 1, 1], [[0, 1, 2, 3]])
    assert fit.coefficients[0] == 0
    assert np.isinf(fit.standard_errors[0])


class World:
    """Creatives of three campaigns over 44 days, the last seven of them the current window."""

    days, current_days = 44, 7

    def __init__(
        self,
        seed: int,
        *,
        slope_after: float = 0.3,
        fatigue: float = 0.0,
        uneven_fatigue: float = 0.0,
        fatigue_by_score: float = 0.0,
        level_after: float = 0.0,
        per_campaign: int = 15,
        impressions: int = 4000,
        staggered: bool = True,
        best_last: bool = False,
    ) -> None:
        rng = np.random.default_rng(seed)
        n = 3 * per_campaign
        campaign, score, luck = np.repeat(np.arange(3), per_campaign), rng.normal(4, 0.7, n), rng.normal(0, 0.2, n)
        z = (score - score.mean()) / 0.7
        launch = rng.integers(0, 30, n) if staggered else np.zeros(n, int)
        if best_last:
            launch = (30 * stats.rankdata(score) / n).astype(int)
        tiring = fatigue * np.exp(uneven_fatigue * rng.normal(size=n)) * (1 + fatigue_by_score * z)
        creative, day = (v.ravel() for v in np.meshgrid(np.arange(n), np.arange(self.days), indexing="ij"))
        alive = day >= launch[creative]
        self.creative, self.day = creative[alive], day[alive]
        self.current = self.day >= self.days - self.current_days
        self.age = self.day - launch[self.creative]
        season = 0.3 * np.sin(self.day / 9) + 0.2 * (self.day % 7 == 0)
        rate = 0.015 * np.exp(
            campaign[self.creative] * 0.5
            + season
            + luck[self.creative]
            + np.where(self.current, slope_after, 0.3) * z[self.creative]
            - tiring[self.creative] * (1 - np.exp(-self.age / 12))
            + np.where(self.current, level_after, 0)
        )
        self.impressions = rng.poisson(impressions * rng.lognormal(0, 0.5, n)[self.creative])
        self.clicks = rng.binomial(self.impressions, rate)
        self.campaign, self.score = campaign[self.creative], score[self.creative]

    def relation(self) -> RelationShift:
        names = ("clicks", "impressions", "creative", "campaign", "score", "age", "current")
        columns = {name: getattr(self, name) for name in names}
        return relation_shift(Delivery(cell=self.campaign * 1000 + self.day, **columns))

    def level(self) -> LevelShift:
        columns = {name: getattr(self, name) for name in ("clicks", "impressions", "creative", "age", "current")}
        return level_shift(unit=self.creative, period=self.day, **columns)


def _lost(found: RelationShift) -> bool:
    assert found.p_value is not None
    return (found.lost_share or 0) >= 0.5 and found.p_value < 0.01


def test_the_slope_that_was_planted_comes_out_in_both_windows() -> None:
    found = [World(seed).relation() for seed in range(8)]
    for window in ("reference", "current"):
        slopes = [getattr(one, window).slope for one in found]
        # Planted: 0.3 for a deviation of 0.7 points; the unit is the deviation in the sample, about the same.
        assert np.mean(slopes) == pytest.approx(0.3, abs=0.04)


def test_young_creatives_with_high_scores_do_not_pass_for_a_relation() -> None:
    # All good creatives are launched last, and fatigue is strong: without the age curve the slope would be far higher.
    slopes = [World(seed, fatigue=1.5, best_last=True).relation().reference.slope for seed in range(8)]  # type: ignore[union-attr]
    assert np.mean(slopes) == pytest.approx(0.3, abs=0.08)


def test_a_relation_that_is_gone_is_found() -> None:
    assert sum(_lost(World(seed, slope_after=0.0).relation()) for seed in range(12)) >= 11


@pytest.mark.parametrize(
    "world",
    [
        {},
        {"fatigue": 1.5},
        {"fatigue": 1.0, "uneven_fatigue": 0.5},
        {"fatigue": 1.0, "fatigue_by_score": 0.3},
        {"level_after": -0.7},
        {"fatigue": 1.5, "staggered": False},
        {"impressions": 300},
    ],
    ids=[
        "calm",
        "fatigue",
        "uneven fatigue",
        "good scores wear out faster",
        "level halved",
        "all of one age",
        "few clicks",
    ],
)
def test_season_fatigue_and_level_are_no_loss_of_the_relation(world: dict[str, float]) -> None:
    found = [World(seed, **world).relation() for seed in range(12)]  # type: ignore[arg-type]
    assert sum(_lost(one) for one in found) == 0


def test_good_scores_that_wear_out_faster_are_no_loss_where_all_creatives_are_of_one_age() -> None:
    worlds = (World(seed, fatigue=1.0, fatigue_by_score=0.3, staggered=False) for seed in range(12))
    # At 1 % two of twelve have a probability of 0.6 %; fitted without the age curve of the score all twelve are lost.
    assert sum(_lost(world.relation()) for world in worlds) <= 1


def test_a_relation_that_is_gone_is_found_beside_fatigue_that_depends_on_the_score() -> None:
    worlds = (World(seed, slope_after=-0.3, fatigue=1.0, fatigue_by_score=0.15) for seed in range(8))
    assert sum(_lost(world.relation()) for world in worlds) >= 7


def test_the_interval_of_the_loss_covers_no_loss_where_there_is_none() -> None:
    runs = 60
    covered = 0
    for seed in range(runs):
        found = World(seed, fatigue=0.5, per_campaign=10).relation()
        assert found.ci_low is not None
        assert found.ci_high is not None
        covered += found.ci_low <= 0 <= found.ci_high
    assert covered >= stats.binom.ppf(0.001, runs, 0.93)


def test_a_window_with_too_few_creatives_says_so_and_the_other_still_has_its_slope() -> None:
    world = World(1)
    keep = ~world.current | (world.creative < 4)
    for name in ("clicks", "impressions", "creative", "campaign", "day", "score", "age", "current"):
        setattr(world, name, getattr(world, name)[keep])
    found = world.relation()
    assert found.note == (
        "scored creatives with enough clicks beside others of their campaign: 4 in the current window; needed: 10"
    )
    assert found.reference is not None
    assert found.current is None


@pytest.mark.parametrize("what", ["nothing", "no score", "constant score", "no clicks"])
def test_nothing_to_compare_gives_a_note(what: str) -> None:
    world = World(1)
    if what == "no score":
        world.score = np.full(len(world.score), np.nan)
    if what == "constant score":
        world.score = np.full(len(world.score), 4.2)
    if what == "no clicks":
        world.clicks = np.zeros_like(world.clicks)
    nothing = Delivery(**{field.name: [] for field in fields(Delivery)})
    found = relation_shift(nothing) if what == "nothing" else world.relation()
    assert found.loss is None
    assert found.note


@pytest.mark.parametrize("planted", [0.0, -0.7, 0.5])
@pytest.mark.parametrize("staggered", [True, False])
def test_a_step_of_the_level_comes_out_beside_fatigue(planted: float, staggered: bool) -> None:
    found = [World(seed, level_after=planted, fatigue=0.5, staggered=staggered).level() for seed in range(6)]
    # The season of these worlds swings by 0.3 within the reference and is part of the level.
    assert np.mean([one.log_ratio for one in found]) == pytest.approx(planted, abs=0.3)


@pytest.mark.parametrize("fatigue", [0.5, 1.5])
def test_pure_fatigue_is_no_step(fatigue: float) -> None:
    for seed in range(6):
        calm = World(seed, fatigue=fatigue)
        season = World(seed).level().log_ratio
        assert season is not None
        found = calm.level().log_ratio
        assert found is not None
        assert abs(found - season) < 0.2


def test_creatives_that_ran_in_one_window_only_are_no_ground_for_a_level() -> None:
    world = World(1)
    world.creative = world.creative + 1000 * world.current
    assert world.level().note == "creatives that delivered in both windows: 0; needed: 10"


def test_the_error_of_the_slope_leaves_out_all_sizes_of_an_idea_at_once() -> None:
    world = World(3, per_campaign=12)
    names = ("clicks", "impressions", "creative", "campaign", "score", "age", "current")
    columns = {name: getattr(world, name) for name in names} | {"cell": world.campaign * 1000 + world.day}
    whole = relation_shift(Delivery(**columns, idea=world.creative // 3))
    apart = relation_shift(Delivery(**columns))
    assert whole.reference is not None
    assert apart.reference is not None
    assert whole.reference.slope == pytest.approx(apart.reference.slope, abs=1e-9)
    assert (whole.n_reference, apart.n_reference) == (12, 36)
    # Three copies of everything, each an idea with its two twins, know no more than one of them.
    twice = {name: np.tile(value, 3) for name, value in columns.items()}
    twice["creative"] = np.concatenate([world.creative + 1000 * copy for copy in range(3)])
    copied = relation_shift(Delivery(**twice, idea=np.tile(world.creative, 3)))
    assert copied.reference is not None
    assert copied.reference.standard_error == pytest.approx(apart.reference.standard_error, rel=0.05)
    believed = relation_shift(Delivery(**twice)).reference
    assert believed is not None
    assert believed.standard_error < 0.7 * apart.reference.standard_error


def test_without_a_reference_the_slope_is_that_of_the_ages_of_now() -> None:
    rng = np.random.default_rng(11)
    creative, day = (grid.ravel() for grid in np.meshgrid(np.arange(80), np.arange(20, 40), indexing="ij"))
    campaign, score = creative // 8, rng.normal(size=80)
    # What the score says of new creatives is gone after twenty days.
    rate = 0.3 * score[creative] * np.exp(-day / 5) + 0.1 * rng.normal(size=80)[creative]
    found = relation_shift(
        Delivery(
            clicks=rng.poisson(200 * np.exp(rate)), impressions=np.full(len(day), 10_000.0), creative=creative,
            campaign=campaign, cell=campaign * 100 + day, score=score[creative], age=day.astype(float),
            current=np.ones(len(day), bool),
        )
    )  # fmt: skip
    assert found.reference is None
    assert found.current is not None
    assert found.current.ci_low < 0.01 < found.current.ci_high
    assert found.current.ci_high - found.current.ci_low < 0.15
