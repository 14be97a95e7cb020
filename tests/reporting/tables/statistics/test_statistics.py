"""How a user sees the records of the statistics."""

import re

import pytest

import abkit as ab
from abkit.stats.arms import PairMoments
from abkit.stats.means.pairs import compare_with_covariate

BEFORE, AFTER = (
    PairMoments(n=1000, mean_y=mean, mean_x=9.8, variance_y=4.0, variance_x=4.0, covariance=3.0)
    for mean in (10.0, 10.2)
)


def test_a_comparison_shows_its_figures_its_method_and_a_chart_of_the_lift() -> None:
    comparison = ab.compare(480, 10_000, 560, 10_100)
    lines = str(comparison).splitlines()
    assert lines[0] == "newcombe, 95 %"
    assert re.search(r"difference +\+0\.745 % +\[\+0\.132 %, \+1\.358 %\]", str(comparison))
    html = comparison._repr_html_() or ""
    assert "+15.5 %" in html
    assert "<svg" in html


def test_what_a_reader_must_know_of_a_comparison_stands_below_it() -> None:
    assert "0 of 10,000 successes: the lift has a lower bound" in str(ab.compare(0, 10_000, 560, 10_100))
    assert "95 %" in str(ab.compare_means([3.0, 4.0, 5.0], [5.0, 6.0, 8.5]))


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (ab.sample_size(0.02, 0.10), r"units in total +161,364"),
        (ab.sample_size(0.02, 0.10, monitoring="group", looks=2), r"stop at \|z\| of +2\.963, 1\.969"),
        (ab.rank({"a": (48, 1000), "b": (56, 1000)}), r"b +5\.689 %.*78\.9 %"),
        (ab.drift(range(100), range(50, 150)), r"^drifted"),
        (ab.drift(range(100), range(100)), r"^no significant drift"),
        (ab.drift([1.0], [1.0]), r"^not enough data"),
        (ab.adjust([0.01, 0.02, 0.03], "holm"), r"holm, family: all comparisons"),
        (ab.sample_ratio([5000, 5300]), r"no mismatch \(p = 0\.003"),
        (ab.sample_ratio([0, 0]), r"no mismatch"),
        (compare_with_covariate(BEFORE, AFTER), r"variance kept +43\.8 %"),
    ],
)
def test_every_record_of_the_calculator_renders_itself(record: object, said: str) -> None:
    assert re.search(said, str(record))
