"""A smaller drawing is the same drawing."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from abkit.reporting.charts.compact import compact
from abkit.reporting.charts.drift_timeline import drift_timeline
from abkit.reporting.charts.experiment import forest_plot
from abkit.reporting.charts.score_kpi import score_kpi_scatter
from abkit.reporting.charts.theme import FONT, chart_svg
from abkit.reporting.page.records import ReportData
from abkit.stats.estimate import Estimate
from tests.reporting.charts.test_score_kpi import texts

if TYPE_CHECKING:
    from playwright.sync_api import Page

HOSTILE = 'a role="x" class="y" 1.23456 <line x="1"/>'


def drawings(data: ReportData) -> list[str]:
    timeline = drift_timeline(data.drift_history, data.decision_history, data.correlation_history)
    return [chart_svg(chart) for chart in (score_kpi_scatter(data.points), timeline)]


def test_a_browser_draws_the_same_of_less_than_half(make_report: Callable[..., ReportData], browser_page: Page) -> None:
    for svg in drawings(make_report()):
        small = compact(svg)
        assert len(small) < 0.6 * len(svg)
        seen = []
        for one in (svg, small):
            browser_page.set_content(f'<body style="margin:0">{one}</body>')
            shot = Image.open(io.BytesIO(browser_page.locator("svg").screenshot())).convert("RGB")
            seen.append(np.asarray(shot, dtype=float))
        # A hundredth of a pixel can move an edge by a step of the browser's smoothing, and nothing else.
        difference = np.abs(seen[0] - seen[1]).max(axis=2)
        assert (difference > 8).mean() < 0.0005


def test_a_label_that_is_wider_than_measured_is_not_cut(browser_page: Page) -> None:
    svg = chart_svg(forest_plot([("treatment", Estimate(0.15, 0.05, 0.25))], title="Lift"))
    # As on a machine without Arial and its like.
    wide = svg.replace(FONT, "DejaVu Sans Mono, Courier New, monospace")
    assert wide != svg
    shots = []
    for style in ("", "svg { overflow: visible !important }"):
        browser_page.set_content(f"<style>{style}</style><body style='margin:0; padding:60px'>{wide}</body>")
        shots.append(browser_page.screenshot())
    left = "document.querySelector('svg').getBoundingClientRect().left"
    words = "Math.min(...[...document.querySelectorAll('text')].map(e => e.getBoundingClientRect().left))"
    assert browser_page.evaluate(words) < browser_page.evaluate(left)  # it sticks out
    assert shots[0] == shots[1]


def test_words_in_a_drawing_stay_as_they_are(make_report: Callable[..., ReportData]) -> None:
    svg = chart_svg(score_kpi_scatter(make_report(names=(HOSTILE, "plain")).points))
    assert texts(compact(svg)) == texts(svg)
    assert any(word.startswith('a role="x"') for word in texts(svg))


def test_numbers_have_two_decimals_and_marks_no_words_of_their_own(make_report: Callable[..., ReportData]) -> None:
    for svg in map(compact, drawings(make_report())):
        assert not re.search(r"\.\d{3}", svg)
        assert "aria-" not in svg
