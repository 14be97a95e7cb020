"""Main tasks on the pages of campaigns and creatives in a browser: by mouse and by keyboard, on a desk and a phone."""

from typing import TYPE_CHECKING

import pytest

from tests.web.accessibility import overflow, serious_findings

if TYPE_CHECKING:
    from playwright.sync_api import Page


def focus(page: "Page", selector: str) -> None:
    """Press Tab until an element has the focus."""
    wanted = page.locator(selector).first
    for _ in range(120):
        page.keyboard.press("Tab")
        if wanted.evaluate("(element) => element === document.activeElement"):
            return
    pytest.fail(f"Tab never reaches {selector}")


def test_pages_are_free_of_serious_findings_and_fit(browser_page: "Page", address: str) -> None:
    browser_page.goto(address + "/campaigns")
    browser_page.get_by_role("link", name="spring").click()
    assert (serious_findings(browser_page), overflow(browser_page)) == ([], 0)
    browser_page.locator("td.who a").first.click()
    assert (serious_findings(browser_page), overflow(browser_page)) == ([], 0)
    browser_page.goto(address + "/campaigns")
    assert (serious_findings(browser_page), overflow(browser_page)) == ([], 0)


def test_a_campaign_is_sorted_and_two_are_compared_by_mouse(browser_page: "Page", address: str) -> None:
    browser_page.goto(address + "/campaigns")
    browser_page.get_by_role("link", name="spring").click()
    browser_page.get_by_label("Sort by").select_option("ctr")
    browser_page.get_by_role("button", name="Show").click()
    assert "order=ctr" in browser_page.url
    boxes = browser_page.locator("input[name=creative]")
    boxes.nth(0).check()
    boxes.nth(1).check()
    browser_page.get_by_role("button", name="Compare the two chosen").click()
    assert browser_page.get_by_role("heading", level=1).inner_text() == "Side by side"
    assert (serious_findings(browser_page), overflow(browser_page)) == ([], 0)


def test_a_campaign_is_filtered_and_a_creative_is_opened_by_keyboard(browser_page: "Page", address: str) -> None:
    browser_page.goto(address + "/campaigns")
    focus(browser_page, "tbody a")
    browser_page.keyboard.press("Enter")
    browser_page.wait_for_url("**/campaigns/*")
    browser_page.goto(address + "/campaigns/1#creatives")
    focus(browser_page, "#choose input[name=q]")
    browser_page.keyboard.type("spring_05")
    browser_page.keyboard.press("Enter")
    browser_page.wait_for_url("**q=spring_05**")
    assert browser_page.locator("td.who").count() == 1
    focus(browser_page, "td.who a")
    browser_page.keyboard.press("Enter")
    browser_page.wait_for_url("**/creatives/*")
    assert browser_page.get_by_role("heading", level=1).inner_text() == "spring_05.png"


def test_dragging_over_the_chart_chooses_creatives(browser_page: "Page", address: str) -> None:
    browser_page.goto(address + "/campaigns/1")
    chart = browser_page.locator("svg.chart").first
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    right, top = box["x"] + box["width"] - 2, box["y"] + 2
    browser_page.mouse.move(right, top)
    browser_page.mouse.down()
    browser_page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.5, steps=4)
    browser_page.mouse.up()
    browser_page.wait_for_url("**score_min=**")
    chosen = browser_page.locator("td.who").count()
    assert 0 < chosen < 40
    assert browser_page.locator("#choose input[name=score_min]").input_value()


def test_the_overview_leads_to_what_needs_a_person(browser_page: "Page", address: str) -> None:
    browser_page.goto(address + "/")
    assert (serious_findings(browser_page), overflow(browser_page)) == ([], 0)
    browser_page.get_by_role("link", name="Images have moved").click()
    assert "/alerts/" in browser_page.url
