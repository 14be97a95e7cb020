"""What listening is worth from the store: by known clicks, in money, in a launch list, and where much is missing."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from abkit.config import Settings
from abkit.errors import InvalidInput, UsageError
from abkit.reporting.tables.show import view
from abkit.stats.listening.savings import VariantCosts
from abkit.store.database.engine import Store
from abkit.vocabulary import CreativeAction, ListeningVerdict
from abkit.workflows.experiments.experiments import analyze_experiment, create_experiment, decide_experiment
from abkit.workflows.experiments.plan import ExperimentPlan
from abkit.workflows.learning.appeals.appeals import find_appeals
from abkit.workflows.learning.worth.actions import Actions, find_actions
from abkit.workflows.learning.worth.event_value import GivenEventValue
from abkit.workflows.learning.worth.worth import WEEKS_A_MONTH, WorthReport, find_worth, worth
from abkit.workflows.learning.worth.worth_words import worth_sentences
from tests.monitoring_rows import Seed, seeded

START = date(2025, 3, 3)
DAYS = 14
LAST = START + timedelta(DAYS - 1)
SIZE, SHOWN = 8, 4000


def fill(seed: Seed, campaigns: int, *, informed: bool, money: bool = True, rate: float = 0.02) -> Seed:
    """Campaigns of eight creatives, whose clicks rise from the first to the last; so do the scores, or they do not."""
    rng = np.random.default_rng(3)
    for number in range(campaigns):
        rates = rate * np.exp(np.linspace(-0.5, 0.5, SIZE))
        scores = np.arange(SIZE) if informed else rng.permutation(SIZE)
        ads = seed.creatives(f"c{number}", [float(one) for one in scores], launched=[START] * SIZE)
        seed.kpis(
            [
                {
                    "ad_id": ad, "day": START + timedelta(day), "impressions": SHOWN, "clicks": round(SHOWN * rates[i]),
                    "conversions": 1, **({"spend": 20.0, "revenue": 100.0} if money else {}),
                }
                for day in range(DAYS)
                for i, ad in enumerate(ads)
            ]
        )  # fmt: skip
    return seed


@pytest.fixture
def informed(sqlite_store: Store) -> Seed:
    return fill(seeded(sqlite_store), 6, informed=True)


@pytest.fixture
def engines(store: Store) -> Seed:
    """The same on each engine, for what SQL decides."""
    return fill(seeded(store), 6, informed=True)


def asked(seed: Seed, **options: object) -> WorthReport:
    return worth(seed.store, Settings(), **{"as_of": LAST, **options})  # type: ignore[arg-type]


def acted(seed: Seed, report: WorthReport, decision: str | None = None) -> Actions:
    with seed.store.read() as session:
        found = find_appeals(session, Settings(), metric="ctr", as_of=LAST)
        return find_actions(session, found, report, version_id=seed.version_id, decision=decision)


def test_a_score_that_knows_is_shown_to_pay_in_clicks_and_in_money(engines: Seed) -> None:
    report = asked(engines, k=2, costs=VariantCosts(money=50, hours=2))
    rates = np.exp(np.linspace(-0.5, 0.5, SIZE))
    lift = rates[-2:].mean() / rates.mean() - 1
    assert report.verdict is ListeningVerdict.SHOWN
    assert report.policy is not None
    assert report.policy.lift.estimate == pytest.approx(lift, rel=0.02)
    assert report.policy.lift.ci_low > 0
    assert report.recall.recall.estimate == 1
    assert (report.recall.chance, report.recall.campaigns) == (0.25, 6)
    assert report.pairs.share.estimate == pytest.approx(1)
    # 100 a day of revenue per creative, over its clicks: a week's clicks are worth a week's revenue.
    assert report.value is not None
    assert report.value.currency == "EUR"
    assert report.value.per_week == pytest.approx(6 * SIZE * 100 * 7)
    assert report.per_week is not None
    assert report.per_week.estimate == pytest.approx(6 * SIZE * 100 * 7 * lift, rel=0.02)
    assert report.per_month is not None
    assert report.per_month.ci_low == pytest.approx(report.per_week.ci_low * WEEKS_A_MONTH)
    assert report.droppable.share == pytest.approx(7 / 8)
    assert report.savings.variants == pytest.approx(6 * SIZE / 90 * 365.25 / 12)
    assert report.savings.money == pytest.approx(report.savings.dropped * 50)
    assert report.savings.hours == pytest.approx(report.savings.dropped * 2)
    said = " ".join(worth_sentences(report))
    assert "Listening to the score is shown to pay." in said
    assert "The higher-scored ad wins in 10.0 of 10 pairs" in said
    assert "observational" in said


def test_rows_for_programs_have_one_shape_and_no_nan(informed: Seed) -> None:
    rows = asked(informed).rows()
    assert len({tuple(row) for row in rows}) == 1
    names = [row["figure"] for row in rows]
    for name in ("winner_recall", "pairs_right", "policy_lift_observational", "regret", "worth_per_week"):
        assert name in names
    assert all(value == value for row in rows for value in row.values())  # NaN is not


def test_a_score_that_knows_nothing_shows_nothing(sqlite_store: Store) -> None:
    seed = fill(seeded(sqlite_store), 12, informed=False)
    report = asked(seed)
    assert report.verdict is ListeningVerdict.NOT_SHOWN
    assert not report.recall.shown
    actions = acted(seed, report)
    assert not actions.listens
    assert actions.why_not == "it is not shown that listening to it pays"


def test_without_money_the_gain_is_in_clicks_and_a_given_value_makes_it_money(sqlite_store: Store) -> None:
    seed = fill(seeded(sqlite_store), 5, informed=True, money=False)
    report = asked(seed)
    assert report.value is report.per_week is report.per_month is report.savings.lost is None
    assert "What it is worth in money is not known" in " ".join(worth_sentences(report))
    given = asked(seed, given=GivenEventValue(value=0.5, currency="USD"))
    assert given.value is not None
    assert (given.value.each, given.value.currency, given.value.basis) == (0.5, "USD", "value per click, as given")


def test_amounts_in_two_currencies_are_said_and_not_added_up(informed: Seed) -> None:
    (ad,) = informed.creatives("c0", [1.0], prefix="usd-")
    row = {"ad_id": ad, "day": LAST, "impressions": 500, "clicks": 10, "spend": 1.0, "revenue": 1.0, "currency": "USD"}
    informed.kpis([row])
    report = asked(informed)
    assert report.value is None
    assert any("2 currencies" in one for one in report.notes)


def test_what_runs_is_judged_by_its_clicks_and_what_waits_by_its_score(informed: Seed) -> None:
    informed.creatives("c0", [99.0, 98.0, 97.0, 1.5], prefix="new-", launched=[None] * 4)
    report = asked(informed)
    actions = acted(informed, report)
    in_c0 = {item.creative_id: item for item in actions.items if item.campaign == "c0"}
    assert [in_c0[one].action for one in (1, 8)] == [CreativeAction.DROP, CreativeAction.MORE]
    new = [item for item in in_c0.values() if item.lift is None]
    assert [item.action for item in sorted(new, key=lambda item: item.rank or 0)] == [
        *[CreativeAction.LAUNCH] * 3,
        CreativeAction.HOLD,
    ]
    assert actions.events_per_week is not None
    assert 0 < actions.events_per_week.ci_low < actions.events_per_week.estimate < actions.events_per_week.ci_high
    assert actions.per_week is not None
    assert report.value is not None
    assert actions.per_week.estimate == pytest.approx(actions.events_per_week.estimate * report.value.each)
    # By hand: the impressions of those that are dropped, at the rate of the others instead of their own.
    rates = 0.02 * np.exp(np.linspace(-0.5, 0.5, SIZE))
    dropped = np.array([in_c0[one].action is CreativeAction.DROP for one in range(1, SIZE + 1)])
    gain = 6 * ((rates[~dropped].mean() - rates[dropped]) * SHOWN * 7).sum()
    assert actions.events_per_week.estimate == pytest.approx(gain, rel=0.05)
    untrusted = acted(informed, report, decision="retrain")
    assert untrusted.of(CreativeAction.LAUNCH) == ()
    assert untrusted.why_not == "the last drift check says retrain"
    assert untrusted.of(CreativeAction.DROP) == actions.of(CreativeAction.DROP)


def test_from_ten_accounts_on_intervals_count_accounts_and_a_note_says_so(sqlite_store: Store) -> None:
    seed = seeded(sqlite_store)
    rng = np.random.default_rng(8)
    for number in range(24):
        rates = 0.02 * np.exp(rng.permutation(np.linspace(-0.5, 0.5, SIZE)))
        scores = [float(one) for one in range(SIZE)]
        ads = seed.creatives(f"c{number}", scores, launched=[START] * SIZE, account=f"act {number // 2}")
        seed.kpis(
            [
                {"ad_id": ad, "day": START, "impressions": 50_000, "clicks": round(50_000 * rates[i])}
                for i, ad in enumerate(ads)
            ]
        )
    said = "intervals count 12 accounts, with all of their campaigns, where that is wider"
    assert said in asked(seed).notes
    assert not any("accounts" in note for note in asked(seed, campaigns=[f"c{one}" for one in range(18)]).notes)


@pytest.mark.parametrize("days", [1, 10, 40])
def test_a_week_has_seven_days_however_long_the_account_is(sqlite_store: Store, days: int) -> None:
    seed = seeded(sqlite_store)
    ads = seed.creatives("c", [1.0, 2.0], launched=[START] * 2)
    delivered = [
        {"ad_id": ad, "day": START + timedelta(day), "impressions": 70_000, "clicks": clicks, "revenue": clicks * 1.0}
        for day in range(days)
        for ad, clicks in zip(ads, (700, 1400), strict=True)
    ]
    seed.kpis(delivered)
    last = START + timedelta(days - 1)
    report = asked(seed, as_of=last)
    with seed.store.read() as session:
        found = find_appeals(session, Settings(), metric="ctr", as_of=last)
        actions = find_actions(session, found, report, version_id=seed.version_id, decision=None)
    assert report.value is not None
    assert actions.events_per_week is not None
    # 700 more clicks a day where the better one delivers all; one day is not yet a week.
    gained = 700 * min(days, 7)
    assert actions.events_per_week.estimate == pytest.approx(gained, rel=0.1)
    assert report.value.events_per_week == pytest.approx(3 * gained)


def test_delivery_of_a_creative_that_is_in_an_experiment_too_is_gained_once(sqlite_store: Store) -> None:
    seed = seeded(sqlite_store)
    ads = seed.creatives("c", [1.0, 2.0, 3.0], launched=[START] * 3)
    seed.kpis(
        [
            {"ad_id": ad, "day": START + timedelta(day), "impressions": 50_000, "clicks": clicks}
            for day in range(DAYS)
            for ad, clicks in zip(ads, (500, 1000, 1000), strict=True)
        ]
    )
    report = asked(seed)
    alone = acted(seed, report).events_per_week
    plan = ExperimentPlan(
        key="t", variants={"old": "c-0", "new": "c-1"}, unit="impression", allocation="random", starts_on=START,
        ends_on=START + timedelta(6),
    )  # fmt: skip
    create_experiment(seed.store, plan)
    analyze_experiment(seed.store, "t", as_of=START + timedelta(6))
    decide_experiment(
        seed.store, "t", "undecided", variant=None, person="Ana", reason="it is enough", as_of=START + timedelta(7)
    )
    with seed.store.read() as session:
        found = find_appeals(session, Settings(), metric="ctr", as_of=LAST)
    assert found.appeals.creative.tolist().count(1) == 2
    both = acted(seed, report)
    assert [item.action for item in both.items if item.creative_id == 1] == [CreativeAction.DROP]
    assert alone is not None
    assert both.events_per_week is not None
    assert both.events_per_week.estimate == pytest.approx(500 * 7, rel=0.1)
    assert both.events_per_week.estimate == pytest.approx(alone.estimate, rel=0.1)


def test_a_store_without_scores_says_so(sqlite_store: Store) -> None:
    empty = asked(seeded(sqlite_store))
    assert empty.verdict is ListeningVerdict.NOT_ENOUGH
    assert any("nothing has been scored yet" in one for one in empty.notes)
    assert view(empty).sentences == ("Not enough clicks to say whether listening to the score pays.",)


def test_too_few_clicks_are_counted_with_their_reason(sqlite_store: Store) -> None:
    few = fill(seeded(sqlite_store), 1, informed=True, rate=0.00001)
    report = asked(few)
    assert report.campaigns == 0
    assert sum(report.left_out.values()) == SIZE
    assert any("no campaign has two scored ideas" in one for one in report.notes)


def test_campaigns_without_any_click_say_so(sqlite_store: Store) -> None:
    report = asked(fill(seeded(sqlite_store), 2, informed=True, rate=0.0))
    assert report.left_out == {"creatives that were never shown beside another of their campaign with any clicks": 16}
    assert report.verdict is ListeningVerdict.NOT_ENOUGH


def test_equal_scores_are_a_choice_at_random(sqlite_store: Store) -> None:
    seed = seeded(sqlite_store)
    ads = seed.creatives("c", [2.0] * 6)
    rows = [{"ad_id": ad, "day": START, "impressions": 9000, "clicks": 60 + 40 * i} for i, ad in enumerate(ads)]
    seed.kpis(rows)
    report = asked(seed)
    assert report.recall.recall.estimate == report.recall.chance == 0.5
    assert report.policy is not None
    assert report.policy.lift.estimate == pytest.approx(0)
    assert report.verdict is ListeningVerdict.NOT_SHOWN
    assert "There is no correlation: the score is the same" in " ".join(worth_sentences(report))


def test_few_campaigns_speak_of_themselves(sqlite_store: Store) -> None:
    report = asked(fill(seeded(sqlite_store), 2, informed=True))
    assert any("2 independent campaigns are too few to tell about others" in one for one in report.notes)


def test_waves_of_one_campaign_that_never_met_are_one_campaign(sqlite_store: Store) -> None:
    seed, rates = seeded(sqlite_store), (300, 400, 500, 600)
    for wave in range(5):
        ads = seed.creatives("c", [1.0, 2.0, 3.0, 4.0], prefix=f"w{wave}-")
        day = START + timedelta(wave)
        shown = {"day": day, "impressions": 9000}
        seed.kpis([{"ad_id": ad, "clicks": clicks, **shown} for ad, clicks in zip(ads, rates, strict=True)])
    report = asked(seed)
    assert report.ideas == 20
    assert report.campaigns == report.recall.campaigns == report.pairs.campaigns == 1
    assert "in 1 of 1 campaign (" in " ".join(worth_sentences(report))
    assert any("1 independent campaign is too few" in one for one in report.notes)


def test_that_impressions_followed_clicks_is_no_noise(informed: Seed) -> None:
    with informed.store.read() as session:
        found = find_appeals(session, Settings(), metric="ctr", as_of=LAST)
        of = found.appeals
        steered = replace(of, steered=np.ones(len(of.creative), bool), variance=2 * of.variance)
        plain, followed = (
            find_worth(session, Settings(), as_of=LAST, found=replace(found, appeals=appeals)).noise
            for appeals in (of, steered)
        )
    assert plain.reliability is not None
    assert plain.reliability < 1
    assert followed == plain


def test_only_the_campaigns_and_days_that_are_asked_for_count(engines: Seed) -> None:
    report = asked(engines, campaigns=["c1", "c2"])
    assert (report.campaigns, report.only) == (2, ("c1", "c2"))
    assert report.value is not None
    assert report.value.per_week == pytest.approx(2 * SIZE * 100 * 7)
    assert asked(engines, as_of=START - timedelta(1)).verdict is ListeningVerdict.NOT_ENOUGH
    with pytest.raises(UsageError, match="no campaign 'autumn'"):
        asked(engines, campaigns=["autumn"])


def test_what_cannot_be_is_refused(informed: Seed) -> None:
    with pytest.raises(UsageError, match="k is 0"):
        asked(informed, k=0)
    with pytest.raises(InvalidInput, match="new variants a month"):
        asked(informed, variants_per_month=-1.0)
    with pytest.raises(InvalidInput, match="value per event"):
        GivenEventValue(value=-2.0)
    with pytest.raises(UsageError, match="margin"):
        asked(informed, metric="margin")
    with informed.store.read() as session, pytest.raises(InvalidInput, match="shrunk, ratio, events"):
        find_worth(session, Settings(), as_of=LAST, rule="luck")
