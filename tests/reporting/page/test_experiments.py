"""The sections of experiments: question, split, guards, lift over time, money, the verdict in a sentence."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import update

from abkit.reporting.page.gather import gather
from abkit.reporting.page.page import render_report
from abkit.store.database.engine import Store
from abkit.store.schema import Kpi
from abkit.workflows.experiments.experiments import analyze_experiment, create_experiment, decide_experiment
from abkit.workflows.experiments.upkeep import archive_experiment
from tests.reporting.page.test_page import HOSTILE, Elements
from tests.workflows.experiments.deliveries import START, Deliveries, look, plan

pytestmark = pytest.mark.usefixtures("checked_charts")

DAY = START + timedelta(25)


def words_of(page: str) -> str:
    return re.sub(r"\s+", " ", Elements(page).words)


def test_each_experiment_has_its_section_and_all_of_them_stand_in_the_programme(store: Store) -> None:
    made = Deliveries(store)
    made.ad("A", 0.02)
    made.ad("B", 0.03)
    made.ad("C", 0.02, daily=1400)
    create_experiment(store, plan(variants={HOSTILE: "A", "new": "B"}, guardrails={"cvr": 0.3}))
    look(store)
    decide_experiment(store, "t", "ship", variant="new", person="Ana", reason="clear", as_of=DAY)
    create_experiment(store, plan(key="split", variants={"old": "A", "off": "C"}))
    analyze_experiment(store, "split", as_of=START + timedelta(19))
    page = render_report(gather(store, as_of=DAY))
    words = words_of(page)
    assert words.index("There is no verdict on off: the arms got") < words.index("new is better than")
    for part in (
        "Is the CTR of off better than that of old?",
        "Impressions were assigned at random. Split: old 50 %, off 50 %.",
        "block the verdict",
        "so the variant is the cause",
        "Guardrail",
        "Decided on 2026-03-27 by Ana: ship new (against the verdict): clear.",  # the guardrail is not shown to hold
        "1 of 1 finished experiments won: 100 %",
        "valid at any look",
    ):
        assert part in words, part
    assert page.count("<script>") == 1  # our own
    archive_experiment(store, "split")
    assert "Is the CTR of off" not in words_of(render_report(gather(store, as_of=DAY)))


@pytest.mark.parametrize("metric", ["cpa", "roas"])
def test_money_is_shown_with_its_currency(sqlite_store: Store, metric: str) -> None:
    made = Deliveries(sqlite_store)
    made.ad("A", 0.04)
    made.ad("B", 0.12)
    with sqlite_store.write() as session:
        money = {"spend": Kpi.impressions * 0.01, "revenue": Kpi.conversions * 20.0, "currency": "EUR"}
        session.execute(update(Kpi).values(**money))
    create_experiment(sqlite_store, plan(metric=metric, allocation="optimized", planned_total=20))
    analysis = look(sqlite_store)
    words = words_of(render_report(gather(sqlite_store, as_of=DAY)))
    assert analysis.currency == "EUR"
    assert analysis.treatments[0].worth is not None
    assert f"new in money: {analysis.treatments[0].worth.sentence}" in words
    if metric == "cpa":
        assert re.search(r"new is better than old: its CPA is [\d.]+ % lower", words)
        assert "CPA, EUR per conversion" in words
        assert "Difference, EUR per conversion" in words
    assert "something other than the variant may be the cause" in words
