"""A metric is a quotient of what was counted, with a direction and a unit, and nothing where its money is unknown."""

import pytest

from abkit.metrics import METRICS
from abkit.store.kpis.money import Figures
from abkit.vocabulary import Direction, Metric

DAY = Figures(impressions=10_000, clicks=200, conversions=8, spend=60.0, revenue=300.0)


def test_every_metric_of_the_vocabulary_is_defined_once() -> None:
    assert list(METRICS) == list(Metric)


@pytest.mark.parametrize(
    ("metric", "value", "unit"),
    [
        ("ctr", 0.02, ""),
        ("cvr", 0.04, ""),
        ("conversions_per_impression", 0.0008, ""),
        ("cpc", 0.3, "EUR per click"),
        ("cpa", 7.5, "EUR per conversion"),
        ("cpm", 6.0, "EUR per 1,000 impressions"),
        ("revenue_per_impression", 30.0, "EUR per 1,000 impressions"),
        ("revenue_per_conversion", 37.5, "EUR per conversion"),
        ("roas", 5.0, ""),
        ("margin", 6.0, "EUR per 1,000 impressions"),
    ],
)
def test_a_metric_is_its_numerator_by_its_denominator(metric: str, value: float, unit: str) -> None:
    definition = METRICS[Metric(metric)]
    below, above = definition.terms(DAY, margin_rate=0.4) or (0, 0)
    assert above / below == pytest.approx(value)
    assert definition.unit("EUR") == unit
    assert (definition.direction is Direction.LOWER) == (metric in ("cpc", "cpa", "cpm"))


def test_money_that_is_not_known_makes_no_metric_and_leaves_the_others() -> None:
    without = DAY._replace(spend=None)
    made = [metric for metric, definition in METRICS.items() if definition.terms(without) is not None]
    assert not {Metric.CPC, Metric.CPA, Metric.CPM, Metric.ROAS, Metric.MARGIN} & set(made)
    assert Metric.REVENUE_PER_IMPRESSION in made
    assert DAY.plus(without).spend is None
    assert DAY.plus(without).revenue == 600.0
