"""Main tasks on the pages of operating abkit in a browser, wide and narrow: by mouse and by keyboard."""

from pathlib import Path
from typing import TYPE_CHECKING

from tests.web.accessibility import overflow, serious_findings
from tests.web.test_campaign_browser import focus

if TYPE_CHECKING:
    from playwright.sync_api import Page

PAGES = ("experiments", "drift", "models", "kpis", "links", "alerts", "jobs", "upload", "people")


def test_pages_are_free_of_serious_findings_and_fit(browser_page: "Page", address: str) -> None:
    for path in PAGES:
        browser_page.goto(f"{address}/{path}")
        assert (path, serious_findings(browser_page), overflow(browser_page)) == (path, [], 0)


def test_a_drift_check_is_opened_by_keyboard_and_draws_its_charts(browser_page: "Page", address: str) -> None:
    browser_page.goto(f"{address}/drift")
    focus(browser_page, "a:has-text('What moved')")
    browser_page.keyboard.press("Enter")
    browser_page.wait_for_url("**/drift/*")
    chart = browser_page.locator(".chart").last
    chart.scroll_into_view_if_needed()
    chart.locator("svg").first.wait_for(state="attached")
    assert (serious_findings(browser_page), overflow(browser_page)) == ([], 0)


def test_an_alert_is_taken_on_by_mouse_and_silenced_by_keyboard(browser_page: "Page", own_address: str) -> None:
    browser_page.goto(f"{own_address}/alerts")
    browser_page.locator("tr", has_text="firing").first.locator("a").click()
    assert (serious_findings(browser_page), overflow(browser_page)) == ([], 0)
    browser_page.get_by_role("button", name="I am on it").click()
    assert browser_page.get_by_text("Acknowledged by local.").is_visible()
    focus(browser_page, "input[name=reason]")
    browser_page.keyboard.type("a holiday")
    browser_page.keyboard.press("Enter")
    browser_page.get_by_text("Silenced until").wait_for()
    assert "a holiday" in browser_page.locator("main").inner_text()


def test_an_export_is_chosen_looked_at_and_handed_to_the_daemon(
    browser_page: "Page", own_address: str, tmp_path: Path
) -> None:
    export = tmp_path / "week.csv"
    export.write_text("day,ad_id,impressions,clicks,spend\n2026-01-01,a1,1000,10,5.00\n")
    browser_page.goto(f"{own_address}/upload")
    browser_page.locator("form[action$=exports] input[type=file]").set_input_files(export)
    assert browser_page.get_by_text("1 file", exact=True).is_visible()
    browser_page.get_by_role("button", name="Upload and look at them").click()
    browser_page.get_by_text("1 rows: 1 would land").wait_for()
    assert (serious_findings(browser_page), overflow(browser_page)) == ([], 0)
    browser_page.get_by_label("spend is read as").select_option("revenue")
    browser_page.get_by_role("button", name="Import", exact=True).click()
    browser_page.get_by_text("the daemon takes it within seconds").wait_for()
    assert (serious_findings(browser_page), overflow(browser_page)) == ([], 0)
