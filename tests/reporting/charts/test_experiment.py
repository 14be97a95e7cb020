"""The charts of experiments say what the figures say, also when there are none."""

import math
from dataclasses import replace
from datetime import date
from pathlib import Path

from abkit.reporting.charts.experiment import forest_plot, sequence_chart
from abkit.reporting.charts.theme import save_chart
from abkit.stats.arms import Counts
from abkit.stats.estimate import Estimate
from abkit.stats.proportions.compare import compare
from abkit.stats.sequential.always_valid import confidence_sequence


def values(chart: object) -> list[dict[str, object]]:
    spec = chart.to_dict()  # type: ignore[attr-defined]
    return [row for layer in spec["layer"] for row in layer.get("data", spec.get("data", {})).get("values", [])]


def test_the_forest_plot_colors_what_excludes_zero_and_draws_open_ends(tmp_path: Path) -> None:
    lifts = [
        ("up", Estimate(0.1, 0.02, 0.2)),
        ("down", Estimate(-0.1, -0.2, -0.02)),
        ("open", Estimate(0.1, -0.5, math.inf)),
        ("unknown", Estimate(math.nan, -math.inf, math.inf)),
    ]
    chart = forest_plot(lifts, title="t")
    drawn = {row["name"]: row["state"] for row in values(chart) if "name" in row}
    assert drawn == {"up": "better", "down": "worse", "open": "not shown"}
    assert save_chart(chart, tmp_path / "forest.png").stat().st_size > 2000
    assert "No lift" in str(forest_plot(lifts[3:], title="t").to_dict())


def test_the_sequence_chart_has_both_bands_and_says_where_it_stopped(tmp_path: Path) -> None:
    pairs = [(Counts(50 * k, 1000 * k), Counts(70 * k, 1000 * k)) for k in range(1, 11)]
    sequence = confidence_sequence(
        [compare(*pair, method="sequential") for pair in pairs],
        [compare(*pair) for pair in pairs],
    )
    chart = sequence_chart(sequence, title="t", dates=[date(2026, 1, day) for day in range(1, 11)])
    assert f"zero excluded from look {sequence.stopped_at} on" in str(chart.to_dict())
    assert {row["band"] for row in values(chart) if "band" in row} == {
        "valid at any look", "valid at one planned look only",
    }  # fmt: skip
    assert save_chart(chart, tmp_path / "sequence.svg").read_text().startswith("<svg")
    short = replace(sequence, looks=sequence.looks[:1])
    assert "at least two days" in str(sequence_chart(short, title="t").to_dict())
