"""The charts of experiments say what the figures say, also when there are none."""

from pathlib import Path

from abkit.records import to_plain
from abkit.reporting.charts.experiment import forest_plot, sequence_chart
from abkit.reporting.charts.theme import save_chart
from abkit.stats.arms import Counts
from abkit.stats.proportions.compare import compare
from abkit.stats.sequential.always_valid import confidence_sequence


def values(chart: object) -> list[dict[str, object]]:
    spec = chart.to_dict()  # type: ignore[attr-defined]
    return [row for layer in spec["layer"] for row in layer.get("data", spec.get("data", {})).get("values", [])]


def test_the_forest_plot_colors_what_excludes_zero_and_draws_open_ends(tmp_path: Path) -> None:
    rows = [
        {"name": "up", "estimate": 0.1, "ci_low": 0.02, "ci_high": 0.2},
        {"name": "down", "estimate": -0.1, "ci_low": -0.2, "ci_high": -0.02},
        {"name": "open", "estimate": 0.1, "ci_low": -0.5, "ci_high": None},
        {"name": "unknown", "estimate": None, "ci_low": None, "ci_high": None},
    ]
    chart = forest_plot(rows, title="t")
    drawn = {row["name"]: row["state"] for row in values(chart) if "name" in row}
    assert drawn == {"up": "better", "down": "worse", "open": "not shown"}
    assert save_chart(chart, tmp_path / "forest.png").stat().st_size > 2000
    assert "No lift" in str(forest_plot(rows[3:], title="t").to_dict())


def test_the_sequence_chart_has_both_bands_and_says_where_it_stopped(tmp_path: Path) -> None:
    pairs = [(Counts(50 * k, 1000 * k), Counts(70 * k, 1000 * k)) for k in range(1, 11)]
    sequence = to_plain(
        confidence_sequence(
            [compare(*pair, method="sequential") for pair in pairs],
            [compare(*pair) for pair in pairs],
        )
    )
    chart = sequence_chart(sequence, title="t", dates=[f"2026-01-{day:02}" for day in range(1, 11)])
    assert f"zero excluded from look {sequence['stopped_at']} on" in str(chart.to_dict())
    assert {row["band"] for row in values(chart) if "band" in row} == {
        "right at any look", "right at one planned look only",
    }  # fmt: skip
    assert save_chart(chart, tmp_path / "sequence.svg").read_text().startswith("<svg")
    assert "at least two days" in str(sequence_chart({**sequence, "looks": sequence["looks"][:1]}, title="t").to_dict())
