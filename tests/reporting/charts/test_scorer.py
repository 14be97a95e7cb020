import numpy as np

from abkit.reporting.charts.scorer import reliability_chart
from abkit.reporting.charts.theme import chart_svg
from abkit_model.evaluation.metrics import grouped_folds
from abkit_model.evaluation.pair_calibration import pair_calibration


def test_the_chart_has_a_dot_a_bin_and_says_what_it_rests_on() -> None:
    rng = np.random.default_rng(0)
    groups = [str(i // 2) for i in range(120)]
    predicted = rng.normal(4, 0.6, size=120)
    figures = pair_calibration(
        predicted, predicted + rng.normal(0, 0.8, size=120), groups, grouped_folds(groups), resamples=50
    )
    assert figures is not None
    chart = reliability_chart(figures)
    dots = chart.to_dict()["layer"][2]["data"]["values"]
    assert len(dots) == sum(one.pairs > 0 for one in figures.bins)
    svg = chart_svg(chart)
    assert f"{figures.pairs:,} pairs of 120 held-out images, 60 subjects" in svg
