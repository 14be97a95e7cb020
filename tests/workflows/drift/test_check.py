"""The drift check from rows in the store to the decision, the log and the alert."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import func, select, update

from abkit.config import Settings
from abkit.errors import UsageError
from abkit.store.database import migrate
from abkit.store.database.engine import Store
from abkit.store.models import ReferenceSample
from abkit.store.runs import begin_run, end_run
from abkit.store.schema import Alert, CampaignCreative, Decision, DriftResult, KpiImport
from abkit.workflows.drift.check import check_drift
from abkit.workflows.drift.results import DriftReport, LayerResult
from tests.monitoring_rows import Seed, seeded

START = date(2025, 3, 3)
DAYS = 75
BREAK = 60


def day(index: int) -> date:
    return START + timedelta(days=index)


def row(report: DriftReport, layer: str, test: str) -> LayerResult:
    return next(one for one in report.results if (one.layer, one.test) == (layer, test))


def deliver_world(seed: Seed, *, breaks: bool, level_after: float = 0.0, per_campaign: int = 18) -> None:
    """Three campaigns by day: staggered launches, fatigue, season, weekends; from day 60 on it may break."""
    rng = np.random.default_rng(5)
    rows = []
    for campaign in range(3):
        scores = rng.normal(4, 0.7, per_campaign)
        ads = seed.creatives(f"campaign-{campaign}", [float(score) for score in scores])
        z = (scores - scores.mean()) / scores.std()
        luck, new_taste = rng.normal(0, 0.2, per_campaign), rng.normal(0, 0.3, per_campaign)
        launch = np.where(np.arange(per_campaign) % 2, 0, rng.integers(0, 70, per_campaign))
        for i, ad in enumerate(ads):
            for index in range(launch[i], DAYS):
                after = index >= BREAK
                appeal = new_taste[i] if breaks and after else 0.3 * z[i]
                rate = 0.015 * np.exp(
                    0.4 * campaign
                    + appeal
                    + luck[i]
                    + 0.15 * np.sin(index / 14)
                    + 0.1 * (day(index).weekday() > 4)
                    - 0.5 * (1 - np.exp(-(index - launch[i]) / 18))
                    + (level_after if after else 0)
                )
                shown = int(rng.poisson(2500))
                clicks = int(rng.binomial(shown, min(1, rate)))
                rows.append({"ad_id": ad, "day": day(index), "impressions": shown, "clicks": clicks})
    seed.kpis(rows)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Store]]:
    """Stores with a calm world, one whose relation breaks on day 60, one whose CTR halves then."""
    folder: Path = tmp_path_factory.mktemp("worlds")
    stores = {}
    for name, options in {
        "calm": {"breaks": False},
        "broken": {"breaks": True},
        "halved": {"breaks": False, "level_after": -0.7},
    }.items():
        stores[name] = Store(f"sqlite:///{folder / name}.db")
        migrate.upgrade(stores[name])
        deliver_world(seeded(stores[name]), **options)  # type: ignore[arg-type]
    yield stores
    for store in stores.values():
        store.close()


@pytest.mark.parametrize("index", range(20, DAYS, 6))
def test_it_stays_calm_through_season_weekends_fatigue_and_launches(worlds: dict[str, Store], index: int) -> None:
    assert check_drift(worlds["calm"], Settings(), as_of=day(index)).decision == "stable"


def test_it_says_retrain_within_three_weeks_after_the_relation_broke(worlds: dict[str, Store]) -> None:
    assert check_drift(worlds["broken"], Settings(), as_of=day(BREAK - 1)).decision == "stable"

    report = check_drift(worlds["broken"], Settings(), as_of=day(BREAK + 10))

    assert (report.decision, report.cause) == ("retrain", "concept_shift")
    assert "Relation" in report.reasons[0]
    found = row(report, "relation", "slope_loss")
    assert found.verdict == "major"
    assert (found.statistic or 0) > (found.threshold or 1)
    told = row(report, "relation", "calibration")
    assert (told.verdict, told.explains) == ("watch", True)
    assert told.statistic == pytest.approx(1 - (found.statistic or 0))
    assert (told.ci_high or 1) < 1
    assert "promises more than creatives show" in told.sentence


def test_a_break_that_nobody_acts_on_does_not_become_its_own_reference(worlds: dict[str, Store]) -> None:
    # A fortnight after the break, all of a week’s reference would lie behind it.
    found = [
        check_drift(worlds["broken"], Settings(drift={"reference": "days:7", "current": "days:7"}), as_of=day(index))
        for index in (BREAK + 6, BREAK + 10, DAYS - 1)
    ]

    assert [(report.decision, report.cause) for report in found] == [("retrain", "concept_shift")] * 3


def test_a_level_that_moved_is_watched_and_never_a_reason_to_retrain(worlds: dict[str, Store]) -> None:
    # Delivery is judged by whole weeks: this is the first look at one that lies behind the break.
    report = check_drift(worlds["halved"], Settings(), as_of=day(BREAK + 10))

    assert (report.decision, report.cause) == ("watch", "kpi_shift")
    assert row(report, "relation", "slope_loss").verdict == "ok"
    told = row(report, "relation", "calibration")
    assert told.verdict == "ok"
    assert (told.ci_low or 9) < 1 < (told.ci_high or 0)
    assert told.detail["intercept"] == row(report, "kpi", "ctr_level").statistic


def test_yesterday_can_be_computed_again(worlds: dict[str, Store]) -> None:
    first = check_drift(worlds["broken"], Settings(), as_of=day(40))
    again = check_drift(worlds["broken"], Settings(), as_of=day(40))

    assert first.decision == "stable"
    assert [(r.test, r.statistic, r.p_value) for r in first.results] == [
        (r.test, r.statistic, r.p_value) for r in again.results
    ]


def test_a_reference_of_thirty_days_finds_the_break_too(worlds: dict[str, Store]) -> None:
    report = check_drift(worlds["broken"], Settings(), reference="days:30", as_of=day(BREAK + 8))
    assert (report.decision, report.cause) == ("retrain", "concept_shift")


def test_three_days_without_delivery_are_a_data_fault_whatever_else_moved(worlds: dict[str, Store]) -> None:
    report = check_drift(worlds["broken"], Settings(), as_of=day(DAYS + 5))

    assert (report.decision, report.cause) == ("fix_data", "data_fault")
    assert row(report, "data", "gaps").verdict == "fault"


# --- images -----------------------------------------------------------------------------------------------------


def _images(seed: Seed, campaign: str, n: int, *, shift: float = 0.0, rng_seed: int = 0) -> list[int]:
    rng = np.random.default_rng(rng_seed)
    embeddings = rng.normal(shift, 1, size=(n, 24))
    return seed.creatives(campaign, [float(s) for s in rng.normal(4 + shift, 0.7, n)], embeddings=embeddings)


def test_images_of_another_kind_are_to_be_labeled_first(store: Store) -> None:
    seed = seeded(store)
    _images(seed, "before", 100, rng_seed=1)
    _images(seed, "after", 100, shift=1.0, rng_seed=2)

    report = check_drift(store, Settings(), reference="campaign:before", current="campaign:after", as_of=START)

    assert (report.decision, report.cause) == ("retrain", "input_shift")
    assert any("label these first" in reason for reason in report.reasons)
    assert row(report, "input", "energy").n_reference == 100
    assert row(report, "score", "wasserstein").threshold == pytest.approx(0.5 * 0.7, rel=0.2)


def test_images_of_the_same_kind_are_stable(sqlite_store: Store) -> None:
    seed = seeded(sqlite_store)
    _images(seed, "before", 100, rng_seed=1)
    _images(seed, "after", 100, rng_seed=2)

    report = check_drift(sqlite_store, Settings(), reference="campaign:before", current="campaign:after", as_of=START)

    assert report.decision == "stable"
    assert row(report, "relation", "slope_loss").holds is None  # nothing asks for it


def test_a_shift_in_half_of_the_window_only_is_watched(sqlite_store: Store) -> None:
    seed = seeded(sqlite_store)
    _images(seed, "before", 100, rng_seed=1)
    _images(seed, "after", 60, rng_seed=2)
    seed.creatives(
        "after",
        [6.0 + i / 100 for i in range(60)],
        embeddings=np.random.default_rng(3).normal(2, 1, size=(60, 24)),
        prefix="new-",
    )

    report = check_drift(sqlite_store, Settings(), reference="campaign:before", current="campaign:after", as_of=START)

    assert row(report, "input", "energy").verdict == "major"
    assert (report.decision, report.cause) == ("watch", "input_shift")


def test_a_shift_under_which_the_relation_is_shown_to_hold_is_watched(sqlite_store: Store) -> None:
    seed = seeded(sqlite_store)
    _images(seed, "before", 100, rng_seed=1)
    rng = np.random.default_rng(2)
    scores = rng.normal(5, 0.7, 100)
    ads = seed.creatives("after", [float(s) for s in scores], embeddings=rng.normal(1, 1, size=(100, 24)))
    clicks = rng.poisson(200 * np.exp(0.3 * (scores - 5)))
    seed.kpis(
        [{"ad_id": a, "day": START, "impressions": 10_000, "clicks": c} for a, c in zip(ads, clicks, strict=True)]
    )

    report = check_drift(sqlite_store, Settings(), reference="campaign:before", current="campaign:after", as_of=START)

    assert (report.decision, report.cause) == ("watch", "input_shift")
    assert row(report, "relation", "slope_loss").holds is True
    assert any("no need to retrain" in reason for reason in report.reasons)


def test_the_models_own_sample_is_a_reference(sqlite_store: Store) -> None:
    rng = np.random.default_rng(1)
    sample = ReferenceSample(rng.normal(4, 0.7, 200), rng.normal(size=(200, 24)).astype(np.float16))
    seed = seeded(sqlite_store, reference=sample)
    _images(seed, "same", 100, rng_seed=2)
    _images(seed, "other", 100, shift=1.0, rng_seed=3)

    def decided(campaign: str) -> str:
        return check_drift(
            sqlite_store, Settings(), reference="model", current=f"campaign:{campaign}", as_of=START
        ).decision

    assert [decided("same"), decided("other")] == ["stable", "retrain"]


def test_days_go_by_the_launch_and_not_by_when_the_row_was_written(sqlite_store: Store) -> None:
    seed = seeded(sqlite_store)
    _images(seed, "old", 100, rng_seed=1)
    _images(seed, "new", 100, shift=1.0, rng_seed=2)
    with sqlite_store.write() as session:
        # Both were written at the same instant; they were launched a month apart.
        for campaign, launched in ((1, START), (2, START + timedelta(days=30))):
            session.execute(
                update(CampaignCreative).where(CampaignCreative.campaign_id == campaign).values(launched_on=launched)
            )

    report = check_drift(sqlite_store, Settings(), reference="days:60", as_of=START + timedelta(days=31))

    assert row(report, "input", "energy").n_reference == 100
    assert row(report, "input", "energy").verdict == "major"


@pytest.mark.parametrize("n", [0, 1, 2])
def test_nothing_one_or_two_creatives_are_not_enough_and_each_layer_says_so(sqlite_store: Store, n: int) -> None:
    seed = seeded(sqlite_store)
    ads = _images(seed, "before", n, rng_seed=1) + _images(seed, "after", n, rng_seed=2)
    seed.kpis([{"ad_id": ad, "day": START, "impressions": 5000, "clicks": 50} for ad in ads])

    reference = "campaign:before" if n else "model"
    report = check_drift(sqlite_store, Settings(), reference=reference, current="days:7", as_of=START)

    assert report.decision == "insufficient_data"
    for layer in ("input", "score", "relation", "kpi"):
        assert all(one.verdict == "insufficient_data" for one in report.results if one.layer == layer)
        assert any(reason.lower().startswith(layer) for reason in report.reasons)
    if not n:
        # Its floor is in standard deviations of a reference that is not there.
        assert row(report, "score", "wasserstein").threshold is None


@pytest.mark.parametrize("what", ["constant scores", "no clicks"])
def test_constant_scores_and_no_clicks_are_said_and_do_not_end_it(sqlite_store: Store, what: str) -> None:
    seed = seeded(sqlite_store)
    rng = np.random.default_rng(1)
    scores = [4.0] * 60 if what == "constant scores" else [float(s) for s in rng.normal(4, 1, 60)]
    ads = seed.creatives("spring", scores)
    clicks = 0 if what == "no clicks" else 50
    seed.kpis([{"ad_id": a, "day": day(i), "impressions": 5000, "clicks": clicks} for a in ads for i in range(40)])

    report = check_drift(sqlite_store, Settings(), as_of=day(39))

    found = row(report, "relation", "slope_loss")
    assert found.verdict == "insufficient_data"
    assert found.sentence


# --- data faults --------------------------------------------------------------------------------------------------


def test_images_that_could_not_be_read_are_a_data_fault(sqlite_store: Store) -> None:
    seed = seeded(sqlite_store)
    _images(seed, "before", 60, rng_seed=1)
    _images(seed, "after", 60, rng_seed=2)
    run = begin_run(sqlite_store, "score", {"campaign": "after"})
    end_run(run, "done", {"scored": 60, "known": 0, "rejected": 40})

    report = check_drift(sqlite_store, Settings(), reference="campaign:before", current="campaign:after", as_of=START)

    assert (report.decision, report.cause) == ("fix_data", "data_fault")
    assert report.reasons == ("Data: 40 of 100 image files (40 %) could not be used.",)


def test_rejected_rows_and_a_collapse_of_volume_are_data_faults(sqlite_store: Store) -> None:
    seed = seeded(sqlite_store)
    ads = seed.creatives("spring", [4.0, 5.0])
    seed.kpis([{"ad_id": a, "day": day(i), "impressions": 9000, "clicks": 9} for a in ads for i in range(30)])
    seed.kpis([{"ad_id": a, "day": day(i), "impressions": 90, "clicks": 1} for a in ads for i in range(30, 37)])
    with sqlite_store.write() as session:
        session.execute(update(KpiImport).values(rejected=60, imported=40))

    report = check_drift(sqlite_store, Settings(), as_of=day(36))

    assert row(report, "data", "rejected_rows").verdict == "fault"
    assert row(report, "data", "volume").verdict == "fault"
    assert report.decision == "fix_data"


# --- log and alert ------------------------------------------------------------------------------------------------


def test_tests_and_decision_are_logged_and_one_alert_opens_and_resolves(store: Store) -> None:
    seed = seeded(store)
    _images(seed, "before", 60, rng_seed=1)
    _images(seed, "after", 60, rng_seed=2)

    settings = Settings(drift={"reference": "campaign:before", "current": "campaign:after"})

    def check(index: int) -> DriftReport:
        return check_drift(store, settings, as_of=day(index))

    calm = check(0)
    with store.read() as session:
        rows = session.scalars(select(DriftResult).where(DriftResult.run_id == calm.run_id)).all()
        assert {one.layer for one in rows} == {"data", "input", "score", "relation", "kpi"}
        assert session.scalars(select(Decision.decision)).all() == ["stable"]
        assert session.scalars(select(func.count(Alert.id))).one() == 0
    run = begin_run(store, "score", {"campaign": "after"})
    end_run(run, "done", {"scored": 0, "known": 60, "rejected": 60})
    assert [check(index).decision for index in (1, 2)] == ["fix_data", "fix_data"]
    end_run(run, "done", {"scored": 0, "known": 60, "rejected": 0})
    assert [check(index).decision for index in (3, 4, 5, 6)] == ["stable"] * 4

    with store.read() as session:
        alert = session.scalars(select(Alert)).one()
        assert alert.resolved_at is not None
        assert alert.labels["decision"] == "fix_data"
        assert alert.times_seen == 2


def test_lack_of_data_neither_opens_nor_calms_an_alert(sqlite_store: Store) -> None:
    seeded(sqlite_store)
    check_drift(sqlite_store, Settings(), as_of=START)
    with sqlite_store.read() as session:
        assert session.scalars(select(func.count(Alert.id))).one() == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"reference": "yesterday"}, "'yesterday' is not a reference window"),
        ({"current": "model"}, "'model' is not a current window"),
        ({"current": "days:0"}, "'days:0'"),
        ({"reference": "campaign:nothing"}, "no campaign 'nothing'"),
        ({"reference": "campaign:a", "current": "campaign:a"}, "both windows are campaign:a"),
    ],
)
def test_a_window_that_cannot_be_is_refused(sqlite_store: Store, options: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_drift(sqlite_store, Settings(), as_of=START, **options)  # type: ignore[arg-type]


# --- error rates --------------------------------------------------------------------------------------------------


def test_same_windows_of_100_against_100_images_stay_stable_at_the_stated_rate(sqlite_store: Store) -> None:
    from abkit.stats.monitoring.budget import one_comparison
    from abkit.stats.monitoring.triage import triage
    from abkit.store.scores import CreativeSample
    from abkit.workflows.drift.layers.images import judge_input, judge_scores

    rng, budget = np.random.default_rng(8), one_comparison(0.01)
    settings = Settings().drift
    runs, moved, retrain = 60, 0, 0
    for _ in range(runs):
        windows = [
            CreativeSample(
                ids=(), scores=rng.normal(4, 0.7, 100), embeddings=rng.normal(size=(100, 16)).astype(np.float32)
            )
            for _ in range(2)
        ]
        rows = (*judge_input(*windows, settings, budget), *judge_scores(*windows, settings, budget))
        decided = triage([r.finding for r in rows])
        moved += decided.decision != "stable"
        retrain += decided.decision == "retrain"
    # Input and scores have an error rate of 1 % each: 2 % in all; four of 60 have a chance below 2 %.
    assert moved <= 4
    assert retrain == 0


def _score_verdicts(n: int, shift: float, worlds: int) -> list[LayerResult]:
    from abkit.stats.monitoring.budget import TESTS, Budget
    from abkit.store.scores import CreativeSample
    from abkit.workflows.drift.layers.images import judge_scores

    budget = Budget(per_year=20, looks_per_year=dict.fromkeys(TESTS, 52.0))
    rng, nothing = np.random.default_rng(n), np.zeros((0, 1), np.float32)
    return [
        found
        for _ in range(worlds)
        for found in judge_scores(
            *(CreativeSample(ids=(), scores=rng.normal(at, 1, n), embeddings=nothing) for at in (4, 4 + shift)),
            Settings().drift,
            budget,
        )
    ]


def test_a_shift_of_twice_the_floor_is_never_called_calm_in_small_windows() -> None:
    found = _score_verdicts(80, 0.51, 25)
    verdicts = [one.verdict for one in found]
    assert verdicts.count("ok") <= 3
    assert "insufficient_data" in verdicts
    unclear = next(one for one in found if one.verdict == "insufficient_data")
    assert "not enough data to tell" in unclear.sentence
    assert "creatives in each window would tell." in unclear.sentence


def test_half_of_the_floor_is_calm_in_windows_of_a_thousand() -> None:
    verdicts = [one.verdict for one in _score_verdicts(1_000, 0.1, 8)]
    assert set(verdicts) == {"ok"}


def test_windows_that_rule_out_a_major_shift_only_say_so_and_count() -> None:
    from abkit.stats.monitoring.triage import coarse_layers, layers_judged, triage

    findings = [one.finding for one in _score_verdicts(26, 0.0, 1)]

    assert layers_judged(findings) == 1
    assert coarse_layers(findings) == ("score",)
    (_, missing) = triage(findings).reasons
    assert missing.startswith("Scores: no major shift, and not enough data to tell a smaller one")


def test_a_relation_that_is_not_shown_to_be_whole_is_not_called_calm(sqlite_store: Store) -> None:
    from dataclasses import replace

    from abkit.stats.monitoring.budget import one_comparison
    from abkit.stats.monitoring.shifts.relation_shift import RelationShift, Slope
    from abkit.workflows.drift.layers.delivery import Delivered, judge_relation

    def slope(value: float, error: float) -> Slope:
        ends = {"ci_low": value - 2 * error, "ci_high": value + 2 * error}
        return Slope(slope=value, standard_error=error, correlation=0.5, creatives=12, clicks=900, **ends)

    found = RelationShift(
        reference=slope(0.3, 0.05), current=slope(0.1, 0.1), loss=0.2, ci_low=-0.02, ci_high=0.42, p_value=0.04,
        n_reference=12, n_current=12,
    )  # fmt: skip

    class Known(Delivered):
        def relation(self, *_: object) -> RelationShift:
            return found

    nothing = np.zeros(0)
    both = Known(rows=[], current=nothing.astype(bool), score=nothing, age=nothing, idea=nothing.astype(int))
    unclear = judge_relation(both, set(), Settings().drift, one_comparison(0.01))
    found = replace(found, loss=0.02, ci_low=-0.1, ci_high=0.14, p_value=0.4)
    calm = judge_relation(both, set(), Settings().drift, one_comparison(0.01))

    assert (unclear.verdict, calm.verdict) == ("insufficient_data", "ok")
    assert "not enough data to tell" in unclear.sentence
    assert unclear.sentence.endswith("More delivery would tell.")
