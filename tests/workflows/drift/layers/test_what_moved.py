"""What a check says about images and segments that moved: named, with their creatives, and without deciding."""

from datetime import date, timedelta

import numpy as np
import pytest
from sqlalchemy import select, update

from abkit.config import Settings
from abkit.intake.media.properties import RULES
from abkit.store.database.engine import Store
from abkit.store.models import ReferenceSample
from abkit.store.schema import Alert, Campaign, CampaignCreative, Creative, DriftResult, ModelVersion, Score
from abkit.workflows.drift.check import check_drift
from abkit.workflows.drift.results import DriftReport, LayerResult
from tests.monitoring_rows import Seed, seeded

DAY = date(2025, 3, 3)


def rows(report: DriftReport) -> dict[str, LayerResult]:
    return {row.test: row for row in report.results if row.explains}


def images(
    seed: Seed,
    campaign: str,
    n: int,
    *,
    shift: float = 0.0,
    taste: float = 0.0,
    brightness: float | None = 0.5,
    media_type: str = "image/png",
    color: str = "red",
) -> list[int]:
    """Creatives with embeddings, activations of two sets of two queries, and properties; returns their ids."""
    rng = np.random.default_rng(sum(map(ord, campaign)))
    scores = [float(score) for score in rng.normal(4, 0.7, n)]
    seed.creatives(campaign, scores, embeddings=rng.normal(shift, 1, (n, 24)))
    with seed.store.write() as session:
        member = select(CampaignCreative.creative_id).join(Campaign).where(Campaign.key == campaign)
        ids = list(session.scalars(member.order_by(CampaignCreative.creative_id)))
        for place, id_ in enumerate(ids):
            heard = [*rng.normal(0, 1, 2).tolist(), float(rng.normal(taste, 1)), float(rng.normal())]
            session.execute(update(Score).where(Score.creative_id == id_).values(query_activations=heard))
            known = None
            if brightness is not None:
                known = {
                    "rules": RULES, "brightness": float(rng.normal(brightness, 0.1)),
                    "contrast": float(rng.normal(0.2, 0.02)), "sharpness": float(rng.normal(0.1, 0.02)),
                    "colorfulness": float(rng.normal(40, 5)), "text_share": float(rng.random() / 10),
                    "color": "#c81414", "color_name": color if place % 3 else "white",
                }  # fmt: skip
            of_file = {"properties": known, "media_type": media_type, "bytes": 900 + place}
            session.execute(update(Creative).where(Creative.id == id_).values(**of_file))
    return ids


def check(store: Store, reference: str = "campaign:before") -> DriftReport:
    return check_drift(store, Settings(), reference=reference, current="campaign:after", as_of=DAY)


def test_nothing_is_named_where_nothing_moved(store: Store) -> None:
    seed = seeded(store)
    images(seed, "before", 80)
    images(seed, "after", 60)

    report = check(store)
    found = rows(report)

    assert report.decision == "stable"
    assert set(found) == {"mmd", "classifier", "queries", "properties", "media_type", "color"}
    assert {row.verdict.value for row in found.values()} == {"ok"}
    assert "none of 4 queries moved" in found["queries"].sentence
    assert "none of 7 properties moved" in found["properties"].sentence


def test_a_shift_is_named_by_taste_property_and_kind_with_the_creatives_that_moved_it(store: Store) -> None:
    seed = seeded(store)
    with store.write() as session:
        session.execute(update(ModelVersion).values(card={"network": {"members": 2}}))
    images(seed, "before", 80)
    new = images(seed, "after", 60, taste=2.0, brightness=0.2, media_type="video/mp4", color="blue")

    report = check(store)
    found = rows(report)

    # None of these decides: pixels and scores are distributed as before.
    assert report.decision == "stable"
    assert {"query:2-1", "brightness"} <= set(found)
    assert "query:1-1" not in found
    assert "query 2-1 adds more to the scores of new creatives" in found["query:2-1"].sentence
    assert "the new creatives are darker: median brightness 0.2" in found["brightness"].sentence
    assert (found["brightness"].statistic or 0) < -1
    assert "video/mp4 100 % against 0 %" in found["media_type"].sentence
    assert "dominant colors moved" in found["color"].sentence
    with store.read() as session:
        heard = {row.creative_id: row.query_activations[2] for row in session.scalars(select(Score))}
        logged = session.scalars(select(DriftResult).where(DriftResult.test == "query:2-1")).one()
        assert session.scalars(select(Alert)).all() == []
    movers = found["query:2-1"].detail["creatives"]
    assert movers == sorted(new, key=lambda one: -heard[one])[: len(movers)]
    assert len(movers) == 12
    assert logged.detail["creatives"] == movers
    assert logged.detail["explains"] is True


def test_what_can_be_told_apart_is_shown_with_the_most_typical_creatives(sqlite_store: Store) -> None:
    seed = seeded(sqlite_store)
    images(seed, "before", 80)
    new = images(seed, "after", 60, shift=0.6)

    found = check(sqlite_store)

    told = rows(found)["classifier"]
    assert told.verdict == "watch"
    assert set(told.detail["creatives"]) <= set(new)
    energy = next(row for row in found.results if row.test == "energy")
    assert energy.detail["creatives"] == rows(found)["mmd"].detail["creatives"]
    assert rows(found)["mmd"].statistic == pytest.approx(0.6**2 / 4 * 2 * 0.6, rel=0.4)


def test_beside_the_models_own_sample_properties_are_those_of_earlier_creatives(sqlite_store: Store) -> None:
    rng = np.random.default_rng(4)
    sample = ReferenceSample(rng.normal(4, 0.7, 60), rng.normal(size=(60, 24)).astype(np.float16))
    seed = seeded(sqlite_store, reference=sample)
    old = images(seed, "before", 40)
    images(seed, "after", 30, brightness=0.2)
    with sqlite_store.write() as session:
        launched = update(CampaignCreative).values(launched_on=DAY - timedelta(days=20))
        session.execute(launched.where(CampaignCreative.creative_id.in_(old)))
        launched = update(CampaignCreative).values(launched_on=DAY - timedelta(days=2))
        session.execute(launched.where(CampaignCreative.creative_id.not_in(old)))

    found = rows(check(sqlite_store, "model"))

    assert (found["brightness"].n_reference, found["brightness"].n_current) == (40, 30)
    assert "the new creatives are darker" in found["brightness"].sentence
    assert "Compared with earlier creatives" in found["properties"].sentence
    assert found["classifier"].n_reference == 60


def test_creatives_of_an_earlier_release_have_no_properties_and_the_row_says_so(sqlite_store: Store) -> None:
    seed = seeded(sqlite_store)
    images(seed, "before", 80, brightness=None)
    images(seed, "after", 60)

    found = rows(check(sqlite_store))["properties"]

    assert found.verdict == "insufficient_data"
    assert "known of 0 creatives of the reference and of 60 new ones" in found.sentence
    assert "earlier release" in found.sentence


def test_against_the_models_own_sample_queries_are_held_against_the_card(sqlite_store: Store) -> None:
    rng = np.random.default_rng(5)
    sample = ReferenceSample(rng.normal(4, 0.7, 200), rng.normal(size=(200, 24)).astype(np.float16))
    seed = seeded(sqlite_store, sample)
    card = {"network": {"members": 2}, "activations": {"mean": [0.0] * 4, "std": [1.0] * 4}}
    with sqlite_store.write() as session:
        session.execute(update(ModelVersion).values(card=card))
    images(seed, "after", 60, taste=1.0)

    found = rows(check(sqlite_store, "model"))

    assert [test for test in found if test.startswith("query:")] == ["query:2-1"]
    assert found["query:2-1"].n_reference == 200
    assert "the model's own sample holds none" in found["properties"].sentence


def test_the_placement_in_which_the_rate_fell_is_named_with_its_part_in_the_change(store: Store) -> None:
    seed = seeded(store)
    rng = np.random.default_rng(6)
    ads = seed.creatives("spring", [4.0 + i / 20 for i in range(20)])
    for placement in ("feed", "story"):
        delivered = []
        for index in range(42):
            shown, clicks = (2_000, 16) if placement == "story" and index >= 35 else (1_000, 20)
            delivered += [
                {"ad_id": ad, "day": DAY + timedelta(index), "impressions": shown, "clicks": rng.poisson(clicks)}
                for ad in ads
            ]
        seed.kpis(delivered, segment=seed.segment(placement=placement))

    report = check_drift(store, Settings(), reference="days:30", current="days:7", as_of=DAY + timedelta(41))
    found = rows(report)

    segments = found["segments"]
    assert segments.verdict == "watch"
    assert "placement story: −" in segments.sentence
    story, feed = segments.detail["segments"]
    assert (story["value"], feed["value"]) == ("story", "feed")
    assert story["contribution"] < 0
    assert story["contribution"] + feed["contribution"] == pytest.approx(36 / 3_000 - 40 / 2_000, abs=0.001)
    assert "placements moved" in found["placement_mix"].sentence
    assert found["placement_mix"].detail["shares"]["story"] == [0, 1]
