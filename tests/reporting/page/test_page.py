"""The page: complete, escaped, self-contained; looked at in a real browser where there is one."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from abkit.errors import AbkitError
from abkit.reporting.page.advice import advice
from abkit.reporting.page.page import render_report, write_report
from abkit.reporting.page.records import CampaignRanking, Coverage, ReportData

if TYPE_CHECKING:
    from playwright.sync_api import Page

MakeReport = Callable[..., ReportData]
HOSTILE = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">\"'&\u202e{{7*7}}"
NOTHING: dict[str, object] = {
    "model": None,
    "decision": None,
    "rankings": (),
    "actions": None,
    "points": (),
    "correlations": (),
    "correlation_history": (),
    "findings": (),
    "drift_history": (),
    "decision_history": (),
    "alerts": (),
    "scores": (),
    "coverage": Coverage(),
    "runs": {},
}


class Elements(HTMLParser):
    """Every element of a page with its attributes, and its words."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


def changed(row: Any, **changes: Any) -> Any:
    """A copy of a row of the store with other values."""
    kept = {column.key: getattr(row, column.key) for column in type(row).__table__.columns}
    return type(row)(**{**kept, **changes})


def words_of(data: ReportData) -> str:
    return re.sub(r"\s+", " ", Elements(render_report(data)).words)


def test_what_to_launch_and_drop_and_what_it_is_worth_stands_first(make_report: MakeReport) -> None:
    data = make_report()
    words = words_of(data)
    assert re.findall("<h2[^>]*>([^<]*)</h2>", render_report(data)) == [
        "Launch 3, give more to 3, drop 3: worth about 600 EUR [240, 960] a week",
        "Launch these, drop these",
        "Tired creatives",
        "Can the score be trusted?",
        "The creatives",
        "The statistics",
    ]
    assert "about 300 clicks, at 2 EUR each (revenue per click); brackets are 95 % intervals" in words
    assert "What has not run yet is judged by the score" in words


def test_every_chart_of_the_page_is_valid(make_report: MakeReport, checked_charts: list[dict[str, Any]]) -> None:
    render_report(make_report())
    assert len(checked_charts) >= 6


def test_the_decision_has_its_cause_and_what_to_do(make_report: MakeReport) -> None:
    words = words_of(make_report())
    headline = words.index("Retrain: the score no longer tells which creative wins")
    assert headline < words.index("within-campaign SRCC fell from 0.62 to 0.05 (n = 54)") < words.index("What to do")
    assert words.index("What to do") < words.index("Score against CTR")
    assert "cause concept_shift, checked 2025-05-19 (run 177)" in words


def test_every_score_has_its_interval_and_every_rate_its_n(make_report: MakeReport) -> None:
    data = make_report()
    words = words_of(data)
    for creative in data.rankings[0].creatives:
        assert f"{creative.score:.2f}" in words
        assert f"{creative.ci_low:.2f} to {creative.ci_high:.2f} (90 %)" in words
        assert f"of {creative.impressions:,} impressions" in words
    assert "cat-food (n = 18)" in words


def test_a_scorer_without_calibration_says_so_instead_of_an_interval(make_report: MakeReport) -> None:
    ranking = make_report().rankings[0]
    bare = CampaignRanking("a", 1, (replace(ranking.creatives[0], ci_low=None, ci_high=None, impressions=0),))
    words = words_of(make_report(rankings=(bare,)))
    assert "no interval: this scorer is not calibrated" in words
    assert "not delivered yet" in words


def test_a_creative_unlike_the_training_has_no_interval_for_that_reason(make_report: MakeReport) -> None:
    ranking = make_report().rankings[0]
    far = CampaignRanking("a", 1, (replace(ranking.creatives[0], ci_low=None, ci_high=None, far=True),))
    words = words_of(make_report(rankings=(far,)))
    assert "no interval: unlike anything the queries were trained on" in words
    assert "not calibrated" not in words


def test_money_of_a_week_has_its_currency(make_report: MakeReport) -> None:
    data = make_report()
    words = words_of(data)
    # The best and the worst by score, and all creatives.
    assert words.count("+50.00 EUR a week [40.00, 60.00]") >= 2
    assert data.actions is not None
    assert data.actions.value is not None
    unnamed = replace(data.actions, value=replace(data.actions.value, currency=""))
    assert "+50.00 a week [40.00, 60.00]" in words_of(make_report(actions=unnamed))


def test_the_unlinked_share_of_impressions_is_said(make_report: MakeReport) -> None:
    words = words_of(make_report())
    assert "5.4 % of impressions are of ads without a linked creative" in words
    assert "(130,000 of 2,400,000; 3 of 63 ads)" in words


def test_demonstration_weights_and_simulated_figures_are_named_as_such(make_report: MakeReport) -> None:
    assert "Demonstration weights." in words_of(make_report())
    assert "the figures are simulated" not in words_of(make_report())
    assert "the figures are simulated" in words_of(make_report(simulated=True))


def test_figures_lead_back_to_runs_model_and_store(make_report: MakeReport) -> None:
    words = words_of(make_report())
    for piece in ("ab" * 32, "score 2, correlate 179, drift check 177", "SQLite", "2025-05-21", "abkit 0.1.0"):
        assert piece in words


def test_an_empty_store_makes_a_page_that_says_what_is_missing(make_report: MakeReport) -> None:
    words = words_of(make_report(**NOTHING))
    for piece in (
        "Nobody has checked yet",
        "Nothing has been scored yet: abkit score IMAGES --campaign KEY",
        "Score and KPI have not been correlated yet: abkit correlate --metric ctr",
        "No drift check has been made yet: abkit drift check",
        "No delivery has been imported yet: abkit kpi import FILE",
    ):
        assert piece in words


def test_every_decision_has_words(make_report: MakeReport) -> None:
    for decision in ("stable", "watch", "retrain", "fix_data", "insufficient_data"):
        assert advice(decision).steps
        assert advice(decision).headline != decision
    made = make_report().decision
    assert made is not None
    later = changed(made, decision="decision_of_a_later_version", cause="")
    assert "decision of a later version" in words_of(make_report(decision=later))


def test_hostile_names_are_words_and_nothing_else(make_report: MakeReport) -> None:
    data = make_report(names=(HOSTILE, "plain"), campaigns=(HOSTILE,), simulated=True)
    made = data.decision
    assert made is not None
    data = replace(
        data,
        decision=changed(made, reasons={"reasons": [HOSTILE]}, cause=HOSTILE),
        alerts=(
            changed(
                data.alerts[0],
                title=HOSTILE,
                message=HOSTILE,
                severity=HOSTILE,
                acknowledged_at=data.made_at,
                acknowledged_by=HOSTILE,
            ),
        ),
        findings=tuple(changed(f, test=HOSTILE, segment=HOSTILE, verdict=HOSTILE) for f in data.findings),
        runs={HOSTILE: 3},
        database=HOSTILE,
    )
    page = render_report(data)
    elements = Elements(page)
    (script,) = [attributes for tag, attributes in elements.found if tag == "script"]  # ours
    assert script == {}
    assert not [name for _, attributes in elements.found for name in attributes if name.startswith("on")]
    assert "\u202e" not in page
    assert "{{7*7}}" in elements.words


def test_the_page_needs_nothing_from_elsewhere(make_report: MakeReport) -> None:
    for tag, attributes in Elements(render_report(make_report())).found:
        for name in ("src", "href", "xlink:href", "data"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:image/", "#")), (tag, value)


def test_ids_are_unique_and_images_have_words(make_report: MakeReport) -> None:
    found = Elements(render_report(make_report())).found
    ids = [attributes["id"] for _, attributes in found if attributes.get("id")]
    assert len(ids) == len(set(ids))
    images = [attributes for _, attributes in found if (attributes.get("class") or "").startswith("shot t")]
    assert images
    # Those of the long list stand beside the name, which is said once.
    listed = re.findall(r'<i class="shot t\d+"></i><div><b[^>]*>([^<]+)</b>', render_report(make_report()))
    apart = [one for tag, one in found if tag == "span" and (one.get("class") or "").startswith("shot t")]
    assert len(apart) + len(listed) == len(images)
    assert all(one.get("role") == "img" and one.get("aria-label") for one in apart)
    # Links of the contents lead somewhere.
    assert {one["href"][1:] for tag, one in found if tag == "a" and one.get("href")} <= set(ids)  # type: ignore[index]


def test_the_file_is_written_whole_or_not_at_all(make_report: MakeReport, tmp_path: Path) -> None:
    path = write_report(make_report(), tmp_path / "new" / "report.html")
    assert path.read_text().rstrip().endswith("</html>")
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]
    with pytest.raises(AbkitError) as caught:
        write_report(make_report(), path / "report.html")
    assert "--out" in str(caught.value.hint)


def test_a_browser_shows_it_without_a_request_or_a_complaint(
    make_report: MakeReport, browser_page: Page, tmp_path: Path
) -> None:
    path = write_report(make_report(names=(HOSTILE, "plain")), tmp_path / "report.html")
    requests: list[str] = []
    complaints: list[str] = []
    browser_page.on("request", lambda request: requests.append(request.url))
    browser_page.on("console", lambda message: complaints.append(message.text))
    browser_page.goto(path.as_uri())
    assert browser_page.title() == "abkit report, 2025-05-21"
    assert [url for url in requests if not url.startswith(("data:", path.as_uri()))] == []
    assert complaints == []
    assert browser_page.locator("figure svg:visible").count() == 3
    assert browser_page.locator("figure svg").count() == 6  # each for wide screens and for phones
    drawn = "[...document.querySelectorAll('.shot')].every(e => getComputedStyle(e).backgroundImage.startsWith('url('))"
    assert browser_page.evaluate(drawn)


@pytest.mark.parametrize("width", [360, 390, 768, 1400])
def test_it_fits_phones_and_wide_screens(
    make_report: MakeReport, browser_page: Page, tmp_path: Path, width: int
) -> None:
    long_name = "spring-sale-" * 12
    path = write_report(make_report(names=(long_name, "plain")), tmp_path / "report.html")
    browser_page.set_viewport_size({"width": width, "height": 800})
    browser_page.goto(path.as_uri())
    assert browser_page.evaluate("document.documentElement.scrollWidth") <= width
    heading = browser_page.locator("#answer").bounding_box()
    assert heading is not None
    assert heading["y"] < 400  # the answer is on the first screen


def test_it_prints(make_report: MakeReport, browser_page: Page, tmp_path: Path) -> None:
    path = write_report(make_report(), tmp_path / "report.html")
    browser_page.goto(path.as_uri())
    assert browser_page.pdf(format="A4").startswith(b"%PDF")
