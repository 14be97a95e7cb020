"""The charts: what they say, what they leave out, and that they need nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from abkit.errors import AbkitError
from abkit.reporting.charts.drift_timeline import drift_timeline, timeline_sentence
from abkit.reporting.charts.score_kpi import ScorePoint, _fitted, correlation_sentence, score_kpi_scatter
from abkit.reporting.charts.scores import ranked_strip, score_distribution
from abkit.reporting.charts.theme import chart_svg, refuse_unwritable, save_chart
from abkit.reporting.page.records import ReportData
from abkit.store.schema import CorrelationResult, Decision, DriftResult

MakeReport = Callable[..., ReportData]
HOSTILE = "<script>alert(1)</script>\"'&\u202e"


def texts(svg: str) -> list[str]:
    """All words in an SVG, and a proof that it is well-formed."""
    nodes = [node for node in ElementTree.fromstring(svg).iter() if node.tag.endswith(("text", "tspan"))]  # noqa: S314
    return ["".join(node.itertext()) for node in nodes]


def test_the_scatter_says_estimate_interval_and_n(make_report: MakeReport) -> None:
    data = make_report()
    words = texts(chart_svg(score_kpi_scatter(data.points, [correlation_sentence(data.correlations[0])])))
    assert "SRCC within campaign 0.05 (95 % interval −0.15 to 0.25, n = 54)" in words
    assert {"cat-food", "coffee-bar", "star-hall"} <= set(words)


def test_an_estimate_that_is_missing_says_why() -> None:
    none = CorrelationResult(
        metric="cvr", scope="all", statistic="plcc", ci_level=0.95, n=2, note="fewer than 10 creatives"
    )
    assert correlation_sentence(none) == "PLCC all creatives: no estimate, fewer than 10 creatives (n = 2)"
    words = texts(chart_svg(score_kpi_scatter([], [correlation_sentence(none)], "cvr")))
    assert "No creative has both a score and enough delivery yet." in words


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_or_constant_points_are_drawn_without_a_line(count: int) -> None:
    svg = chart_svg(score_kpi_scatter([ScorePoint("one", 4.0, 3, 100)] * count))
    assert 'aria-roledescription="area mark' not in svg
    assert ElementTree.fromstring(svg) is not None  # noqa: S314


def test_view_through_conversions_above_clicks_are_drawn() -> None:
    assert chart_svg(
        score_kpi_scatter([ScorePoint("one", 4.0, 130, 100), ScorePoint("one", 4.5, 2, 100)], metric="cvr")
    )


def test_ten_thousand_creatives_are_thinned_and_it_says_so() -> None:
    points = [ScorePoint("one", 1 + i % 600 / 100, i % 97, 10_000) for i in range(10_000)]
    svg = chart_svg(score_kpi_scatter(points))
    assert "500 of 10,000 creatives are drawn" in texts(svg)
    assert len(svg) < 400_000  # a report has it twice, and is sent by mail


def test_more_campaigns_than_colors_get_one_line_with_the_slope_inside_campaigns() -> None:
    # Campaigns with higher scores have the lower CTR; inside each of them CTR rises by 0.01 with each point of score.
    points = [ScorePoint(f"c{c:02}", c + s, 5_000 - 200 * c + 100 * s, 10_000) for c in range(20) for s in range(3)]
    svg = chart_svg(score_kpi_scatter(points))
    assert "the line: the common slope inside 20 campaigns, with its 95 % band" in texts(svg)
    assert svg.count('aria-roledescription="area mark"') == 1
    line = _fitted(points)
    assert (line[-1]["rate"] - line[0]["rate"]) / (line[-1]["score"] - line[0]["score"]) == pytest.approx(0.01)


def test_the_line_of_one_campaign_is_that_of_statsmodels() -> None:
    from statsmodels.regression.linear_model import OLS
    from statsmodels.tools.tools import add_constant

    points = [ScorePoint("one", 3 + i / 10, 50 + i * i % 23, 1_000 + i) for i in range(30)]
    line = _fitted(points)
    fit = OLS([p.rate for p in points], add_constant([p.score for p in points])).fit()
    band = fit.get_prediction(add_constant([row["score"] for row in line])).conf_int(alpha=0.05)
    assert [(row["low"], row["high"]) for row in line] == [pytest.approx(tuple(pair)) for pair in band]


def test_hostile_names_stay_words(make_report: MakeReport) -> None:
    data = make_report(names=(HOSTILE, "plain"))
    for chart in (score_kpi_scatter(data.points), score_distribution(data.scores, (1, 7))):
        svg = chart_svg(chart)
        assert "<script" not in svg
        assert "\u202e" not in svg
        assert any(text.startswith("<script>alert(1)") for text in texts(svg))


def test_the_timeline_has_a_lane_for_each_layer_and_one_for_the_decision(make_report: MakeReport) -> None:
    data = make_report()
    words = texts(chart_svg(drift_timeline(data.drift_history, data.decision_history, data.correlation_history)))
    lanes = ["Data faults", "Input", "Scores", "Score–KPI relation", "KPI level", "Decision"]
    assert [word for word in words if word in lanes] == lanes
    assert "retrain (concept shift) since 2025-05-10, after 22 checks" in words


def test_the_timeline_has_the_noise_ceiling_of_each_estimate() -> None:
    own = {"scope": "within_campaign", "statistic": "srcc", "metric": "ctr", "ci_low": 0.1, "ci_high": 0.4, "n": 50}
    estimates = [
        CorrelationResult(as_of=date(2025, 3, day), estimate=0.2, filters=filters, **own)
        for day, filters in ((3, {"appeal": {"ceiling": 0.82}}), (10, {"appeal": None}), (17, {}))
    ]
    decisions = [Decision(as_of=date(2025, 3, 17), decision="stable", cause="", run_id=1)]

    relation = drift_timeline([], decisions, estimates).to_dict()["vconcat"][0]

    dashed = [layer for layer in relation["layer"] if layer["encoding"]["y"].get("field") == "ceiling"]
    assert [row["ceiling"] for row in dashed[0]["data"]["values"]] == [0.82, None, None]


def test_a_lane_shows_the_worst_verdict_of_the_day() -> None:
    day = date(2025, 3, 3)
    findings = [
        DriftResult(as_of=day, layer="score", test=test, verdict=verdict, run_id=1)
        for test, verdict in (("psi", "ok"), ("ks", "major"), ("wasserstein", "insufficient_data"))
    ]
    chart = drift_timeline(findings, [Decision(as_of=day, decision="retrain", cause="input_shift", run_id=1)]).to_dict()
    assert {row["says"] for row in chart["data"]["values"]} == {"major, retrain"}


def test_a_test_that_lacks_data_does_not_hide_one_that_has_it() -> None:
    day = date(2025, 3, 3)
    findings = [
        DriftResult(as_of=day, layer="data", test=test, verdict=verdict, run_id=1)
        for test, verdict in (("gaps", "ok"), ("decoding", "insufficient_data"))
    ]
    chart = drift_timeline(findings, [Decision(as_of=day, decision="stable", cause="", run_id=1)]).to_dict()
    assert {row["says"] for row in chart["data"]["values"]} == {"all well"}


def test_what_only_explains_does_not_color_a_lane() -> None:
    day = date(2025, 3, 3)
    findings = [
        DriftResult(as_of=day, layer="input", test="energy", verdict="ok", run_id=1),
        DriftResult(as_of=day, layer="input", test="color", verdict="watch", run_id=1, detail={"explains": True}),
    ]
    chart = drift_timeline(findings, [Decision(as_of=day, decision="stable", cause="", run_id=1)]).to_dict()
    assert {row["says"] for row in chart["data"]["values"]} == {"all well"}


def test_a_decision_holds_since_it_last_changed() -> None:
    words = ("watch", "stable", "watch", "watch")
    made = [
        Decision(as_of=date(2025, 3, day), decision=word, cause="", run_id=day)
        for day, word in enumerate(words, start=1)
    ]
    assert timeline_sentence(made) == "watch since 2025-03-03, after 4 checks"
    assert timeline_sentence(made[:1]).endswith("after 1 check")


def test_days_do_not_move_with_the_time_zone(make_report: MakeReport) -> None:
    data = make_report()
    lanes = drift_timeline(data.drift_history, data.decision_history).to_dict()
    assert lanes["encoding"]["x"]["scale"]["type"] == "utc"


def test_nothing_scored_is_a_chart_that_says_so() -> None:
    assert "Nothing has been scored yet" in " ".join(texts(chart_svg(score_distribution([], (1, 7)))))
    assert "No drift check has been made yet" in " ".join(texts(chart_svg(drift_timeline([], []))))
    assert chart_svg(ranked_strip([]))


def test_one_score_and_equal_scores_have_a_histogram() -> None:
    assert "n = 1" in " ".join(texts(chart_svg(score_distribution([("a", 4.0)], (1, 7)))))
    assert chart_svg(score_distribution([("a", 4.0)] * 5, (1, 7)))


@pytest.mark.parametrize("ending", ["png", "svg", "html", "json"])
def test_charts_are_saved_whole_and_without_scripts(make_report: MakeReport, tmp_path: Path, ending: str) -> None:
    path = save_chart(score_kpi_scatter(make_report().points), tmp_path / "new" / f"chart.{ending}")
    if ending == "png":
        with Image.open(path) as image:
            assert image.width > 600
    else:
        content = path.read_text()
        assert "<script" not in content
        outside = set(re.findall(r"https?://[^\"'<> ]+", content))
        assert outside <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"} or ending == "json"


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_without_enough_addresses_a_chart_is_refused_before_the_library_ends_the_process(
    tmp_path: Path, ending: str
) -> None:
    code = """
import resource, sys
from pathlib import Path
import altair
from abkit.errors import AbkitError
from abkit.reporting.charts.theme import save_chart
resource.setrlimit(resource.RLIMIT_AS, (32 * 2**30, resource.RLIM_INFINITY))
try:
    save_chart(altair.Chart({"values": []}).mark_point(), Path(sys.argv[1]))
except AbkitError as error:
    print(error.message)
"""
    path = tmp_path / f"chart.{ending}"
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("a chart cannot be drawn: this process may reserve 32.0 GiB of memory addresses")
    assert not path.exists()


def test_an_unknown_ending_is_refused_with_the_ones_that_work(make_report: MakeReport, tmp_path: Path) -> None:
    with pytest.raises(AbkitError) as caught:
        save_chart(score_kpi_scatter(make_report().points), tmp_path / "chart.gif")
    assert ".png" in str(caught.value.hint)


def test_a_place_where_a_chart_can_be_saved_is_not_refused_and_nothing_is_made_there(tmp_path: Path) -> None:
    (tmp_path / "there.svg").write_text("an earlier chart")
    for name in ("there.svg", "new.png", "new/folder/chart.HTML"):
        refuse_unwritable(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["there.svg"]


def test_ids_in_two_charts_of_a_page_differ(make_report: MakeReport) -> None:
    chart = score_kpi_scatter(make_report().points)
    ids = [set(re.findall(r'\bid="([^"]+)"', chart_svg(chart, prefix))) for prefix in ("a", "b")]
    assert not ids[0] & ids[1]


def test_the_strip_shows_rank_and_score(make_report: MakeReport) -> None:
    creatives = make_report().rankings[0].creatives
    words = texts(chart_svg(ranked_strip(creatives, "Ranked")))
    assert f"#1\u2002{creatives[0].score:.2f}" in words
    assert chart_svg(ranked_strip([replace(creatives[0], ci_low=None, ci_high=None, thumbnail="")]))
