"""Windows of creatives by number, and the delivery that goes with them: how far back each reaches."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select, update

from abkit.config import DriftSettings, Settings
from abkit.store import models
from abkit.store.catalog import ideas
from abkit.store.database.engine import Store
from abkit.store.kpis.late_events import DeliveryRow
from abkit.store.models import ReferenceSample
from abkit.store.runs import begin_run
from abkit.store.schema import Campaign, CampaignCreative, Decision
from abkit.workflows.drift.check import check_drift
from abkit.workflows.drift.windows.recent import recent_start
from abkit.workflows.drift.windows.windows import DriftWindows, parse_window, resolve_windows
from tests.monitoring_rows import NOW, Seed, seeded

START = date(2025, 3, 3)


def day(index: int) -> date:
    return START + timedelta(days=index)


def launch(store: Store, days: list[int], *, scored: int | None = None, reference: bool = False) -> Seed:
    """A creative on each of these days; ids begin with 1. The first `scored` have a score."""
    rng = np.random.default_rng(0)
    sample = ReferenceSample(np.zeros(30), np.zeros((30, 4), np.float16)) if reference else None
    seed = seeded(store, reference=sample)
    scores = rng.normal(4, 1, len(days)).tolist()
    known = [score if scored is None or i < scored else None for i, score in enumerate(scores)]
    seed.creatives("spring", known, launched=[day(index) for index in days], embeddings=rng.normal(size=(len(days), 4)))
    return seed


def windows(
    store: Store, current: str = "creatives", reference: str = "creatives", *, as_of: int = 99, **drift: Any
) -> DriftWindows:
    with store.read() as session:
        return resolve_windows(
            session,
            parse_window(reference, current=False),
            parse_window(current, current=True),
            as_of=day(as_of),
            settings=DriftSettings(**drift),
            version=models.active_model(session),
        )


def test_the_last_creatives_are_the_window_and_those_before_the_reference(store: Store) -> None:
    launch(store, [*range(0, 60, 2)])
    found = windows(store, "creatives:5", "creatives:10")
    assert (found.current_creatives, found.since) == (tuple(range(26, 31)), day(50))
    assert (found.reference_creatives, found.reference_since) == (tuple(range(16, 26)), day(30))
    assert f"the 5 last creatives, launched since {day(50)}, and delivery since {day(93)}" in found.in_words()


@pytest.mark.parametrize(
    ("launched", "now", "before"),
    # Of the standing check, which looks anew when a quarter of a window is new: at 195 of 200.
    [(200, 60, 135), (90, 44, 44), (44, 20, 20), (30, 20, 0), (7, 5, 0)],
)
def test_the_default_takes_half_of_all_between_the_minimum_and_sixty(
    sqlite_store: Store, launched: int, now: int, before: int
) -> None:
    launch(sqlite_store, [0] * launched)
    found = windows(sqlite_store)
    assert (len(found.current_creatives), len(found.reference_creatives)) == (now, before)
    assert found.model_sample == (before == 0)


def test_what_is_launched_later_does_not_exist_yet(sqlite_store: Store) -> None:
    launch(sqlite_store, [*range(50)])
    assert windows(sqlite_store, "creatives:3", as_of=20).current_creatives == (19, 20, 21)


def test_creatives_without_a_score_take_no_place(sqlite_store: Store) -> None:
    launch(sqlite_store, [*range(50)], scored=30)
    assert windows(sqlite_store, "creatives:3").current_creatives == (28, 29, 30)


def test_sizes_of_one_idea_count_once_and_are_never_in_both_windows(sqlite_store: Store) -> None:
    launch(sqlite_store, [*range(30)])
    with sqlite_store.write() as session:
        run = begin_run(sqlite_store, "test", {})
        ideas.put_together(session, run, [28, 29, 30], name="late")
        ideas.put_together(session, run, [3, 27], name="an old one, again")

    found = windows(sqlite_store, "creatives:3", "creatives:4")

    assert found.current_creatives == (25, 26, 28, 29, 30)
    assert found.reference_creatives == (21, 22, 23, 24)
    by_days = windows(sqlite_store, "days:4", "creatives", as_of=29)
    assert by_days.current_creatives == (28, 29, 30)
    assert {27, 3} <= set(by_days.reference_creatives)


@pytest.mark.parametrize("current", ["creatives:6", "days:12", "campaign:spring"])
@pytest.mark.parametrize("reference", ["creatives", "creatives:9", "days:30", "campaign:summer"])
def test_no_creative_and_no_day_is_in_both_windows(sqlite_store: Store, current: str, reference: str) -> None:
    launch(sqlite_store, [*range(40)])
    seeded_ids = range(21, 41)
    with sqlite_store.write() as session:
        other = Campaign(key="summer", created_at=NOW, run_id=1)
        session.add(other)
        session.flush()
        for creative in seeded_ids:  # half of them are in both campaigns
            session.add(
                CampaignCreative(
                    campaign_id=other.id, creative_id=creative, launched_on=day(creative), created_at=NOW, run_id=1
                )
            )
    found = windows(sqlite_store, current, reference, as_of=39, min_images=4)
    assert not set(found.current_creatives) & set(found.reference_creatives)
    assert found.current_creatives
    if found.by_days:
        assert found.reference_end < found.start


def test_the_models_own_sample_is_taken_while_there_are_too_few_earlier_creatives(sqlite_store: Store) -> None:
    launch(sqlite_store, [*range(30)], reference=True)
    found = windows(sqlite_store)
    assert found.model_sample
    assert "the model's own sample of images (there are too few earlier creatives)" in found.in_words()
    assert not windows(sqlite_store, reference="creatives:8").model_sample


def test_the_models_own_sample_holds_no_image_of_the_window(sqlite_store: Store) -> None:
    rng = np.random.default_rng(4)
    vectors = rng.normal(size=(60, 6)).astype(np.float16)
    seed = seeded(sqlite_store, reference=ReferenceSample(rng.normal(4, 1, 60), vectors))
    seed.creatives("spring", rng.normal(4, 1, 25).tolist(), embeddings=vectors[:25].astype(float))

    report = check_drift(sqlite_store, Settings(), reference="model", current="campaign:spring", as_of=START)

    sizes = {one.test: (one.n_reference, one.n_current) for one in report.results}
    assert sizes["energy"] == sizes["ks"] == (35, 25)


def test_creatives_of_a_kind_found_strange_do_not_become_the_reference(sqlite_store: Store) -> None:
    seed = launch(sqlite_store, [*range(80)])
    strange = Decision(
        run_id=seed.run_id,
        model_version_id=seed.version_id,
        decision="retrain",
        cause="input_shift",
        reasons={},
        launched_since=day(40),
        as_of=day(60),
        decided_at=NOW,
    )
    with sqlite_store.write() as session:
        session.add(strange)
    assert max(windows(sqlite_store, "creatives:20").reference_creatives) == 40  # launched on day 39
    with sqlite_store.write() as session:
        session.execute(update(Decision).values(standing=False))
    assert max(windows(sqlite_store, "creatives:20").reference_creatives) == 60


# --- delivery -------------------------------------------------------------------------------------------------------


def delivered(creatives: int, impressions: int, days: int = 60, *, first: int = 0) -> list[DeliveryRow]:
    """As many creatives with one click per hundred impressions."""
    return [
        DeliveryRow(
            creative_id=creative,
            campaign_id=1,
            segment_id=1,
            period_start=day(index),
            period_end=day(index),
            impressions=impressions,
            clicks=(index + 1) * impressions // 100 - index * impressions // 100,
        )
        for index in range(days)
        for creative in range(first, first + creatives)
    ]


@pytest.mark.parametrize(
    ("creatives", "impressions", "weeks"),
    [
        (40, 200, 1),  # 14 expected clicks each in a week: enough at once
        (40, 100, 2),
        (40, 50, 3),
        (9, 200, 1),  # no number of weeks has thirty: as few as have the most
        (9, 40, 4),
        (0, 0, 1),
    ],
)
def test_delivery_reaches_back_as_few_weeks_as_have_enough_clicks(creatives: int, impressions: int, weeks: int) -> None:
    rows = delivered(creatives, impressions)
    start = recent_start(rows, as_of=day(59), first=day(0), scored=range(99), ideas={}, settings=DriftSettings())
    assert (day(59) - start).days + 1 == 7 * weeks


@pytest.mark.parametrize(("days", "weeks"), [(60, 3), (30, 1)])
def test_delivery_leaves_half_of_all_days_to_the_reference(days: int, weeks: int) -> None:
    # Twenty have enough clicks in one week, the others in three, which are too many of thirty days.
    rows = delivered(20, 200, days) + delivered(20, 60, days, first=20)
    last = day(days - 1)
    start = recent_start(rows, as_of=last, first=day(0), scored=range(99), ideas={}, settings=DriftSettings())
    assert (last - start).days + 1 == 7 * weeks


def test_only_scored_ideas_count_and_each_once() -> None:
    rows = delivered(60, 200)
    shared = {creative: creative // 3 for creative in range(60)}
    for scored, labels in ((range(9), {}), (range(60), shared)):
        start = recent_start(rows, as_of=day(59), first=day(0), scored=scored, ideas=labels, settings=DriftSettings())
        assert start == day(53)  # the most there are: twenty or nine, in one week as in four


def test_a_slow_account_is_judged_in_all_five_layers(sqlite_store: Store) -> None:
    """Eight creatives per week, each shown for a month: seven days hold eight new images, a count holds enough."""
    rng = np.random.default_rng(7)
    seed, n, days = seeded(sqlite_store), 96, 84

    def clicks(score: float) -> int:
        return int(rng.poisson(25 * np.exp(0.4 * (score - 4))))

    scores = rng.normal(4, 0.7, n)
    launched = [day(int(i * days / n)) for i in range(n)]
    ads = seed.creatives("spring", scores.tolist(), embeddings=rng.normal(size=(n, 8)), launched=list(launched))
    seed.kpis(
        [
            {"ad_id": ad, "day": day(index), "impressions": 1500, "clicks": clicks(s)}
            for ad, s, first in zip(ads, scores, launched, strict=True)
            for index in range((first - START).days, min((first - START).days + 30, days))
        ]
    )

    report = check_drift(sqlite_store, Settings(), as_of=day(days - 1))

    assert (report.headline, report.decision) == ("stable (5 of 5 layers judged, 1 for major shifts only)", "stable")
    assert "the 48 last creatives, launched since" in report.windows
    with sqlite_store.read() as session:
        made = session.scalars(select(Decision)).one()
    assert (made.layers_judged, made.launched_since) == (5, launched[48])


def test_campaigns_whose_creatives_look_alike_are_dealt_as_a_whole(sqlite_store: Store) -> None:
    rng = np.random.default_rng(9)
    seed, days, each = seeded(sqlite_store), 24, 6
    for index in range(days):
        vectors = rng.normal(size=(1, 8)) + 0.5 * rng.normal(size=(each, 8))
        scores = rng.normal(4, 0.7, each).tolist()
        seed.creatives(f"c{index}", scores, embeddings=vectors, launched=[day(index)] * each, prefix=f"c{index}-")

    report = check_drift(sqlite_store, Settings(), as_of=day(days - 1))

    energy, told_apart = (next(one for one in report.results if one.test == test) for test in ("energy", "classifier"))
    assert "groups" in energy.detail["method"]
    assert "groups" in told_apart.detail["method"]
    assert energy.verdict != "major"
    assert (energy.p_value or 0) > 0.01
