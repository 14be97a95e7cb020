"""Score against KPI: what is counted, what is left out, what is said when there is too little."""

from datetime import date

import numpy as np
import pytest
from scipy import stats
from sqlalchemy import select

from abkit.config import Settings
from abkit.errors import UsageError
from abkit.reporting.tables.show import view
from abkit.stats.monitoring.correlation import Correlation
from abkit.store.database.engine import Store
from abkit.store.schema import CorrelationResult, Run
from abkit.workflows.correlate import CorrelationReport, correlate
from tests.monitoring_rows import Seed, seeded

DAY = date(2025, 3, 3)
LATER = date(2025, 12, 31)


@pytest.fixture
def seed(sqlite_store: Store) -> Seed:
    return seeded(sqlite_store)


@pytest.fixture
def engines(store: Store) -> Seed:
    """The same on each engine, for what SQL decides."""
    return seeded(store)


def _run(seed: Seed, **options: object) -> CorrelationReport:
    return correlate(seed.store, Settings(), **{"metric": "ctr", "as_of": LATER, **options})  # type: ignore[arg-type]


def _result(report: CorrelationReport, scope: str, statistic: str) -> Correlation:
    return next(r for r in report.versions[0].results if (r.scope, r.statistic) == (scope, statistic))


def _deliver(seed: Seed, ads: list[int], clicks: list[int], day: date = DAY, impressions: int = 10_000) -> None:
    rows = [{"ad_id": a, "day": day, "impressions": impressions, "clicks": c} for a, c in zip(ads, clicks, strict=True)]
    seed.kpis(rows)


def test_it_gives_the_same_correlation_as_scipy_over_all_creatives(seed: Seed) -> None:
    scores, clicks = [1.0, 2.5, 2.0, 4.0, 3.5, 5.0], [90, 110, 130, 125, 180, 170]
    _deliver(seed, seed.creatives("spring", scores), clicks)

    report = _run(seed)

    assert _result(report, "all", "srcc").estimate == pytest.approx(stats.spearmanr(scores, clicks)[0])
    assert _result(report, "all", "plcc").estimate == pytest.approx(stats.pearsonr(scores, clicks)[0])
    assert _result(report, "all", "plcc").n == 6


def test_within_campaign_the_difference_between_campaigns_does_not_count(seed: Seed) -> None:
    _deliver(seed, seed.creatives("good images, good offer", [5, 6, 7, 8]), [240, 230, 220, 210])
    _deliver(seed, seed.creatives("poor images, poor offer", [1, 2, 3, 4]), [40, 30, 20, 10])

    report = _run(seed)

    assert _result(report, "within_campaign", "srcc").estimate == pytest.approx(-1)
    assert _result(report, "within_campaign", "srcc").groups == 2
    assert (_result(report, "all", "srcc").estimate or 0) > 0.5


def test_every_figure_is_logged_under_its_run_with_window_and_filters(engines: Seed) -> None:
    _deliver(engines, engines.creatives("spring", [1, 2, 3, 4, 5]), [50, 80, 70, 90, 100])

    report = _run(engines, campaign="spring")

    with engines.store.read() as session:
        rows = session.scalars(select(CorrelationResult).where(CorrelationResult.run_id == report.run_id)).all()
        assert {(row.scope, row.statistic) for row in rows} == {
            (scope, statistic) for scope in ("all", "within_campaign") for statistic in ("srcc", "plcc")
        }
        assert rows[0].as_of == LATER
        assert rows[0].filters["campaign"] == "spring"
        assert rows[0].filters["min_impressions"] == 1000
        run = session.get(Run, report.run_id)
        assert run is not None
        assert run.state == "done"


def test_a_total_beside_its_days_is_counted_once(engines: Seed) -> None:
    ads = engines.creatives("spring", [1, 2, 3, 4, 5])
    _deliver(engines, ads, [50, 80, 70, 90, 100])
    engines.kpis(
        [
            {"ad_id": ad, "period_start": DAY, "period_end": date(2025, 3, 9), "impressions": 70_000, "clicks": 700}
            for ad in ads
        ]
    )

    report = _run(engines)

    assert [one.trials for one in report.versions[0].measured] == [70_000] * 5
    assert [(one.reason, one.rows) for one in report.set_aside] == [("period", 5)]


def test_two_breakdowns_of_the_same_delivery_are_counted_once(engines: Seed) -> None:
    ads = engines.creatives("spring", [1, 2, 3, 4, 5])
    _deliver(engines, ads, [50, 80, 70, 90, 100])
    for placement in ("feed", "stories"):
        segment = engines.segment(placement=placement)
        engines.kpis([{"ad_id": ad, "day": DAY, "impressions": 5_000, "clicks": 40} for ad in ads], segment=segment)

    report = _run(engines)

    assert [one.trials for one in report.versions[0].measured] == [10_000] * 5
    assert [one.reason for one in report.set_aside] == ["breakdown"]
    assert [one.trials for one in _run(engines, segment="placement=feed").versions[0].measured] == [5_000] * 5


def test_two_conversion_events_do_not_double_the_impressions(engines: Seed) -> None:
    ads = engines.creatives("spring", [1, 2, 3, 4, 5])
    for event, conversions in (("purchase", 3), ("signup", 9)):
        engines.kpis(
            [
                {"ad_id": a, "day": DAY, "impressions": 9_000, "clicks": 90, "conversions": conversions, "event": event}
                for a in ads
            ]
        )

    report = _run(engines, metric="cvr")

    assert [(one.events, one.trials) for one in report.versions[0].measured] == [(9, 90)] * 5


def test_an_ad_that_may_show_several_images_is_left_out_and_said(seed: Seed) -> None:
    ads = seed.creatives("spring", [1, 2, 3, 4, 5, 6])
    seed.link(ads[0], ads[1])
    _deliver(seed, ads, [50, 80, 70, 90, 100, 110])

    report = _run(seed)

    assert _result(report, "all", "srcc").n == 5
    assert report.versions[0].left_out["ads that may show several creatives"].impressions == 10_000


def test_unlinked_ads_unscored_and_small_creatives_are_left_out_and_said(engines: Seed) -> None:
    _deliver(engines, engines.creatives("spring", [1, 2, 3, 4, 5]), [50, 80, 70, 90, 100])
    _deliver(engines, engines.creatives("spring", [None], prefix="unscored"), [10])
    _deliver(engines, engines.creatives("spring", [3], prefix="small"), [1], impressions=20)
    _deliver(engines, engines.creatives("spring", [3], prefix="video", link=False), [10])
    engines.creatives("spring", [3], prefix="silent")

    left = _run(engines).versions[0].left_out

    assert {reason: one.count for reason, one in left.items()} == {
        "ads without a creative": 1,
        "creatives without a score by this version": 1,
        "scored creatives without delivery": 2,
        "creatives with fewer than 1,000 impressions": 1,
    }


def test_delivery_after_as_of_or_outside_the_window_does_not_count(engines: Seed) -> None:
    ads = engines.creatives("spring", [1, 2, 3, 4, 5])
    _deliver(engines, ads, [50, 80, 70, 90, 100])
    _deliver(engines, ads, [100, 90, 70, 80, 50], day=date(2025, 4, 1))

    assert _result(_run(engines, as_of=DAY), "all", "srcc").estimate == pytest.approx(0.9)
    assert _result(_run(engines, start=date(2025, 4, 1)), "all", "srcc").estimate == pytest.approx(-0.9)


@pytest.mark.parametrize(
    ("scores", "clicks", "why"),
    [
        ([], [], "scored"),
        ([1], [50], "needed: 4"),
        ([1, 2], [50, 60], ": 2; needed: 4"),
        ([4, 4, 4, 4, 4], [50, 60, 70, 80, 90], "the score is the same"),
        ([1, 2, 3, 4, 5], [0, 0, 0, 0, 0], "the KPI is zero"),
        ([1, 2, 3, 4, 5], [50, 50, 50, 50, 50], "the KPI is the same"),
    ],
)
def test_too_little_gives_the_reason_and_no_number(
    seed: Seed, scores: list[float], clicks: list[int], why: str
) -> None:
    _deliver(seed, seed.creatives("spring", scores), clicks)

    report = _run(seed)

    for version in report.versions:
        for result in version.results:
            assert result.estimate is None
            assert why in result.note
    assert report.versions or why in report.note


def test_no_clicks_at_all_leave_nothing_for_cvr(seed: Seed) -> None:
    _deliver(seed, seed.creatives("spring", [1, 2, 3, 4, 5]), [0] * 5)

    report = _run(seed, metric="cvr")

    assert _result(report, "all", "srcc").note == "creatives with score and KPI: 0; needed: 4"
    assert report.versions[0].left_out["creatives with fewer than 30 clicks"].count == 5


def test_an_unknown_campaign_is_refused_with_those_that_there_are(seed: Seed) -> None:
    seed.creatives("spring", [1])
    with pytest.raises(UsageError, match="'autumn'") as refused:
        _run(seed, campaign="autumn")
    assert "spring" in (refused.value.hint or "")


def test_a_creative_in_two_campaigns_counts_once_over_all(engines: Seed) -> None:
    ads = engines.creatives("spring", [1, 2, 3, 4, 5])
    others = engines.creatives("summer", [None] * 5, link=False)
    for other, ad in zip(others, ads, strict=True):
        engines.link(other, ad)
    _deliver(engines, ads, [50, 80, 70, 90, 100])
    _deliver(engines, others, [52, 81, 79, 93, 99])

    report = _run(engines)

    assert _result(report, "all", "srcc").n == 5
    within = _result(report, "within_campaign", "plcc")
    assert (within.n, within.groups) == (5, 2)
    assert within.ci_low is not None
    assert np.isfinite(within.ci_low)


def _campaigns_of_accounts(seed: Seed, accounts: int) -> CorrelationReport:
    """Two campaigns in each account; in every third one a high score goes with few clicks."""
    for number in range(accounts):
        for campaign in (f"first {number}", f"second {number}"):
            ads = seed.creatives(campaign, [3.0, 4.0, 5.0, 6.0], account=f"act {number}")
            clicks = [200, 230, 250, 280 + 2 * number]
            _deliver(seed, ads, clicks if number % 3 else clicks[::-1])
    return _run(seed)


def test_from_ten_accounts_on_intervals_count_accounts_and_say_so(engines: Seed) -> None:
    report = _campaigns_of_accounts(engines, 12)
    (version,) = report.versions
    assert version.appeal is not None
    assert version.appeal.accounts == 12
    assert [one.accounts for one in version.results] == [12] * 4
    assert "leaves out an account" in _result(report, "within_campaign", "plcc").method
    assert "intervals count 12 accounts, with all of their campaigns, where that is wider" in view(report).notes
    with engines.store.read() as session:
        logged = session.scalars(select(CorrelationResult)).all()
    assert {row.filters["accounts"] for row in logged if row.filters} == {12}


def test_nine_accounts_are_no_sample_of_accounts(seed: Seed) -> None:
    report = _campaigns_of_accounts(seed, 9)
    (version,) = report.versions
    assert version.appeal is not None
    assert version.appeal.accounts == 0
    assert [one.accounts for one in version.results] == [0] * 4
    assert not any("accounts" in note for note in view(report).notes)
