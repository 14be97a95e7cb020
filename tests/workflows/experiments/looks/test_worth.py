"""What the decision on an experiment is worth in money: from its interval, the control's traffic, and what rows say."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from abkit.errors import AbkitError
from abkit.reporting.tables.show import view
from abkit.store.database.engine import Store
from abkit.store.schema import Kpi
from abkit.vocabulary import Verdict
from abkit.workflows.experiments.experiments import analyze_experiment, create_experiment, history
from abkit.workflows.experiments.looks.results import Analysis
from abkit.workflows.experiments.looks.worth import GivenValue
from tests.workflows.experiments.deliveries import START, Deliveries, look, plan
from tests.workflows.experiments.test_money import DAYS, shop


def analyzed(store: Store, given: GivenValue | None = None, **changes: object) -> Analysis:
    create_experiment(store, plan(**({"planned_total": None} | changes)))
    return look(store, DAYS - 1, given=given)


def test_a_rate_is_worth_its_difference_times_the_controls_week_times_what_the_rows_earn_per_success(
    store: Store,
) -> None:
    shop(store, rate=1.3)
    analysis = analyzed(store)
    (one,) = analysis.treatments
    assert one.worth is not None
    assert one.deciding is not None
    week = analysis.totals["old"].trials / DAYS * 7
    with store.read() as session:
        revenue, clicks = session.execute(select(func.sum(Kpi.revenue), func.sum(Kpi.clicks))).one()
    figures, difference = one.worth.value.per_week, one.deciding.difference
    for mine, theirs in (
        (figures.estimate, difference.estimate),
        (figures.ci_low, difference.ci_low),
        (figures.ci_high, difference.ci_high),
    ):
        assert mine == pytest.approx(theirs * week * float(revenue) / float(clicks))
    assert one.worth.currency == "EUR"
    assert "shipping the wrong one, old, costs at most" in one.worth.sentence
    assert analysis.currency == ""  # the metric has none
    assert any("is worth about" in line for line in view(analysis).sentences)
    (kept,) = history(store, "t")
    assert isinstance(kept.result, Analysis)
    assert kept.result.treatments[0].worth == one.worth


def test_a_metric_of_money_is_worth_what_it_says_and_a_cost_that_falls_is_a_gain(sqlite_store: Store) -> None:
    shop(sqlite_store, cost=0.7)
    analysis = analyzed(sqlite_store, metric="cpm")
    (one,) = analysis.treatments
    assert one.worth is not None
    assert one.deciding is not None
    saved = -one.deciding.difference.estimate * analysis.totals["old"].trials / DAYS * 7 / 1000
    assert one.worth.value.per_week.estimate == pytest.approx(saved)
    assert one.worth.value.per_week.ci_low > 0


def test_what_a_success_is_worth_can_be_given_where_the_store_has_no_revenue(sqlite_store: Store) -> None:
    made = Deliveries(sqlite_store)
    made.ad("A", 0.03)
    made.ad("B", 0.03)
    unknown = analyzed(sqlite_store)
    assert unknown.treatments[0].worth is None
    assert any("import KPIs with their revenue" in note for note in unknown.notes)
    given = look(sqlite_store, DAYS - 1, given=GivenValue(per_click=2.0, currency="EUR"))
    worth = given.treatments[0].worth
    assert worth is not None
    assert given.verdict is Verdict.UNDECIDED
    assert worth.value.per_week.ci_low < 0 < worth.value.per_week.ci_high
    assert "EUR if old" in worth.sentence
    assert not any("import KPIs with their revenue" in note for note in given.notes)
    # By conversion: a click is worth as many of them as all arms had per click.
    bought = look(sqlite_store, DAYS - 1, given=GivenValue(per_conversion=20.0)).treatments[0].worth
    assert bought is not None
    assert bought.value.value == pytest.approx(2.0, rel=0.2)


def test_a_blocked_look_is_worth_nothing_and_who_saw_it_by_no_chance_is_said(sqlite_store: Store) -> None:
    shop(sqlite_store, rate=1.3)
    create_experiment(sqlite_store, plan(planned_total=None))
    early = look(sqlite_store, 3, given=GivenValue(per_click=1.0))
    create_experiment(sqlite_store, plan(key="few", planned_total=None, monitoring="fixed"))
    blocked = analyze_experiment(sqlite_store, "few", as_of=START)
    assert blocked.verdict is Verdict.BLOCKED
    assert blocked.treatments[0].worth is None
    assert early.treatments[0].worth is not None
    create_experiment(sqlite_store, plan(key="steered", planned_total=None, allocation="optimized"))
    steered = analyze_experiment(sqlite_store, "steered", as_of=START + timedelta(DAYS - 1))
    assert steered.treatments[0].worth is not None
    assert "which is not shown" in steered.treatments[0].worth.sentence


@pytest.mark.parametrize(
    ("metric", "given", "says"),
    [
        ("cpa", {"per_conversion": 3.0}, "made of money already"),
        ("cvr", {"per_click": 3.0}, "cvr counts conversions"),
        ("ctr", {"per_click": 3.0, "per_conversion": 3.0}, "expected one of the two"),
    ],
)
def test_a_value_without_effect_is_refused(
    sqlite_store: Store, metric: str, given: dict[str, float], says: str
) -> None:
    shop(sqlite_store)
    with pytest.raises(AbkitError, match=says):
        analyzed(sqlite_store, GivenValue(**given), metric=metric)


def test_a_value_that_is_none_is_refused() -> None:
    with pytest.raises(AbkitError, match="value per click is 0"):
        GivenValue(per_click=0)
