"""Bad input to a drift check: each time a row that says what is missing, never a traceback or a silent "stable"."""

import json
import math
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import update

from abkit.config import Settings
from abkit.store.database.engine import Store
from abkit.store.models import ReferenceSample
from abkit.store.schema import CampaignCreative, Creative, Embedding, ModelVersion, Score
from abkit.vocabulary import DriftVerdict, Layer
from abkit.workflows.drift.check import check_drift
from abkit.workflows.drift.results import DriftReport, LayerResult
from tests.monitoring_rows import NOW, Seed, score_row, seeded

START = date(2025, 3, 3)
BETWEEN = {"reference": "campaign:before", "current": "campaign:after"}


def day(index: int) -> date:
    return START + timedelta(days=index)


def two_campaigns(seed: Seed, n: int = 40, size: int = 8, **scores: Any) -> None:
    """As many creatives of one kind in two campaigns, whose scores may be given."""
    for number, name in enumerate(("before", "after")):
        rng = np.random.default_rng(number)
        made = scores.get(name, rng.normal(4, 0.7, n).tolist())
        seed.creatives(name, made, embeddings=rng.normal(size=(len(made), size)))


def rows(report: DriftReport, layer: Layer) -> list[LayerResult]:
    """The tests of a layer that the decision rests on."""
    return [one for one in report.results if one.layer is layer and not one.explains]


def check(store: Store, *, as_of: date = START, **options: Any) -> DriftReport:
    """The report, which must be JSON without NaN: PostgreSQL would not take it."""
    report = check_drift(store, Settings(), as_of=as_of, **options)
    json.dumps([report.to_dict(), report.rows()], allow_nan=False, default=str)
    return report


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
def test_scores_that_are_no_numbers_are_counted_and_left_out(store: Store, bad: float) -> None:
    if math.isnan(bad) and store.dialect == "sqlite":
        pytest.skip("SQLite stores no NaN: the row is refused when it is written")
    two_campaigns(seeded(store), after=[*np.random.default_rng(1).normal(4, 0.7, 36).tolist(), *[bad] * 4])

    report = check(store, **BETWEEN)

    (found,) = (one for one in rows(report, Layer.DATA) if one.test == "scores")
    assert (found.verdict, found.statistic, found.n_current) == ("ok", 0.1, 40)
    assert "4 of 40 scores" in found.sentence
    assert {one.n_current for one in rows(report, Layer.SCORE)} == {36}
    assert report.decision == "stable"


def test_many_scores_that_are_no_numbers_are_a_data_fault(sqlite_store: Store) -> None:
    two_campaigns(seeded(sqlite_store), after=[4.0 + i / 50 for i in range(30)] + [math.inf] * 10)
    assert check(sqlite_store, **BETWEEN).decision == "fix_data"


def test_embeddings_of_another_length_or_without_numbers_are_counted_and_left_out(store: Store) -> None:
    two_campaigns(seeded(store))
    with store.write() as session:
        for id_, vector in ((41, np.zeros(5)), (42, np.full(8, np.nan)), (43, np.zeros(0))):
            told = update(Embedding).where(Embedding.creative_id == id_)
            session.execute(told.values(vector=np.asarray(vector, "<f2").tobytes()))

    report = check(store, **BETWEEN)

    (found,) = (one for one in rows(report, Layer.DATA) if one.test == "embeddings")
    assert "3 of 40 embeddings" in found.sentence
    assert found.sentence.endswith("Some have 0, 5 numbers, and the others 8.")
    assert [one.n_current for one in rows(report, Layer.INPUT)] == [37]


def test_windows_of_different_encoders_are_not_compared(sqlite_store: Store) -> None:
    rng = np.random.default_rng(0)
    sample = ReferenceSample(rng.normal(4, 0.7, 60), rng.normal(size=(60, 12)).astype(np.float16))
    seed = seeded(sqlite_store, reference=sample)
    two_campaigns(seed)

    report = check(sqlite_store, reference="model", current="campaign:after")

    (found,) = rows(report, Layer.INPUT)
    assert (found.verdict, "12 and 8 numbers" in found.sentence) == ("insufficient_data", True)
    assert found.sentence in report.reasons


@pytest.mark.parametrize("alike", ["both", "reference"])
def test_scores_that_are_all_the_same_cannot_be_compared(store: Store, alike: str) -> None:
    scores = {"before": [4.0] * 40} | ({"after": [4.0] * 40} if alike == "both" else {})
    two_campaigns(seeded(store), **scores)

    report = check(store, **BETWEEN)

    assert {one.verdict for one in rows(report, Layer.SCORE)} == {DriftVerdict.INSUFFICIENT_DATA}
    assert "Scores: all of the reference are 4: nothing can be compared." in report.reasons
    assert report.layers_judged == 2  # the data and the input


def test_scores_that_have_become_all_the_same_have_moved(sqlite_store: Store) -> None:
    two_campaigns(seeded(sqlite_store), after=[4.0] * 40)
    report = check(sqlite_store, **BETWEEN)
    assert DriftVerdict.MAJOR in {one.verdict for one in rows(report, Layer.SCORE)}
    assert report.cause == "input_shift"


@pytest.mark.parametrize("columns", ["one", "all"])
def test_constant_columns_are_left_out_and_nothing_but_them_cannot_be_compared(
    sqlite_store: Store, columns: str
) -> None:
    seed = seeded(sqlite_store)
    for number, name in enumerate(("before", "after")):
        rng = np.random.default_rng(number)
        vectors = rng.normal(size=(40, 8))
        vectors[:, : 1 if columns == "one" else 8] = 0.5
        seed.creatives(name, rng.normal(4, 0.7, 40).tolist(), embeddings=vectors)

    (found,) = rows(check(sqlite_store, **BETWEEN), Layer.INPUT)

    assert found.verdict == ("ok" if columns == "one" else "insufficient_data")
    assert ("all embeddings are the same" in found.sentence) == (columns == "all")


def test_a_reference_that_another_version_scored_says_so(sqlite_store: Store) -> None:
    seed = seeded(sqlite_store)
    two_campaigns(seed)
    with sqlite_store.write() as session:
        shared = {"location": "x", "encoder": "test", "scale_low": 1, "scale_high": 7, "demonstration": False}
        other = ModelVersion(
            digest="e" * 64, name="other", encoder_fingerprint="enc", card={}, created_at=NOW, run_id=seed.run_id,
            **shared,
        )  # fmt: skip
        session.add(other)
        session.flush()
        for creative in range(41, 81):
            row = score_row(creative, other.id, 4 + creative / 100)
            session.add(Score(**row, run_id=seed.run_id))

    report = check(sqlite_store, model="other", **BETWEEN)

    assert not report.standing
    said = "40 creatives of the reference have scores by other versions of the model only"
    assert all(said in one.sentence for one in (*rows(report, Layer.INPUT), *rows(report, Layer.SCORE)))


def test_a_model_without_a_sample_says_so(sqlite_store: Store) -> None:
    two_campaigns(seeded(sqlite_store))
    report = check(sqlite_store, reference="model", current="campaign:after")
    assert report.decision == "insufficient_data"
    assert all("test-model came without a sample of its own" in one.sentence for one in rows(report, Layer.SCORE))


def test_a_store_where_nothing_was_scored_says_so(sqlite_store: Store) -> None:
    report = check(sqlite_store)
    assert (report.decision, report.layers_judged) == ("insufficient_data", 0)
    assert all("nothing has been scored yet" in one.sentence for one in rows(report, Layer.INPUT))


def test_a_day_before_anything_was_launched_is_an_empty_window(sqlite_store: Store) -> None:
    seed = seeded(sqlite_store)
    two_campaigns(seed)
    report = check(sqlite_store, as_of=date(2024, 1, 1))
    assert (report.decision, report.layers_judged) == ("insufficient_data", 0)
    said = "the current window, up to 2024-01-01, has no creative yet"
    assert all(said in one.sentence for one in (*rows(report, Layer.INPUT), *rows(report, Layer.SCORE)))


def deliver(seed: Seed, placements: dict[range, str], days: int = 42, n: int = 14) -> None:
    """Creatives that deliver every day, in the placement that the day has."""
    rng = np.random.default_rng(3)
    scores = rng.normal(4, 0.7, n)
    ads = seed.creatives("spring", scores.tolist(), embeddings=rng.normal(size=(n, 8)))
    for span, placement in placements.items():
        segment = seed.segment(placement=placement) if placement else None
        seed.kpis(
            [
                {"ad_id": ad, "day": day(index), "impressions": 3000, "clicks": int(rng.poisson(45 * np.exp(s - 4)))}
                for ad, s in zip(ads, scores, strict=True)
                for index in span
                if index < days
            ],
            segment=segment,
        )


def test_a_segment_that_vanishes_and_one_that_appears_are_named(store: Store) -> None:
    deliver(seeded(store), {range(35): "feed", range(35, 42): "stories"})

    report = check(store, as_of=day(41), current="days:7", reference="days:30")

    (found,) = (one for one in rows(report, Layer.DATA) if one.test == "places")
    assert (found.detail["gone"], found.detail["new"]) == (["placement=feed"], ["placement=stories"])
    assert found.sentence in report.reasons
    assert {one.verdict for one in rows(report, Layer.KPI)} == {DriftVerdict.INSUFFICIENT_DATA}


def test_segments_that_stay_are_nothing_to_say(sqlite_store: Store) -> None:
    deliver(seeded(sqlite_store), {range(42): "feed"})
    report = check(sqlite_store, as_of=day(41))
    (found,) = (one for one in rows(report, Layer.DATA) if one.test == "places")
    assert (found.verdict, found.sentence in report.reasons) == ("ok", False)


def test_delivery_in_the_future_and_a_clock_that_went_backwards_are_said(sqlite_store: Store) -> None:
    seed = seeded(sqlite_store)
    deliver(seed, {range(42): ""})

    def live(index: int) -> DriftReport:
        return check(sqlite_store, as_of=day(index), now=datetime.combine(day(index), time(22), UTC))

    assert [one.test for one in live(41).results if one.test == "clock"] == []
    (found,) = (one for one in live(34).results if one.test == "clock")
    assert f"a check was already made for {day(41)}, after {day(34)}: the clock went backwards" in found.sentence
    assert f"294,000 impressions are dated after {day(34)}" in found.sentence
    again = check(sqlite_store, as_of=day(34))
    assert [one for one in again.results if one.test == "clock"] == []  # a past day, computed again


def test_creatives_without_an_image_of_any_size_do_not_end_it(sqlite_store: Store) -> None:
    two_campaigns(seeded(sqlite_store))
    with sqlite_store.write() as session:
        session.execute(update(Creative).values(width=1, height=1))
        session.execute(update(CampaignCreative).values(launched_on=START))
    assert check(sqlite_store).decision == "fix_data"
