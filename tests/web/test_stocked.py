"""The workspace that the tests of the page read, in process and in a browser."""

from typing import TYPE_CHECKING

from fastapi.testclient import TestClient

from abkit import Workspace
from tests.web.accessibility import overflow, serious_findings
from tests.web.stocked import AUTUMN, SPRING

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_the_stocked_workspace_has_creatives_delivery_and_a_test(stocked: Workspace) -> None:
    from abkit.workflows.campaigns import list_campaigns

    rows = {row["campaign"]: row for row in list_campaigns(stocked.store).rows()}
    assert (rows["spring"]["creatives"], rows["autumn"]["creatives"]) == (SPRING, AUTUMN)
    assert rows["spring"]["impressions"] > 1_000_000
    assert rows["spring"]["experiments"] == 1


def test_the_stocked_workspace_is_served_in_process(reader: TestClient) -> None:
    assert reader.get("/").status_code == 200


def test_a_browser_opens_the_page_without_serious_findings(browser_page: "Page", address: str) -> None:
    browser_page.goto(address + "/")
    assert serious_findings(browser_page) == []
    assert overflow(browser_page) <= 0
