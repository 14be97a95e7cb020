"""What a printer makes of the pages: A4 and Letter, light, without what only a screen can do."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from abkit import Workspace
from abkit.store.schema import Creative
from tests.web.accessibility import overflow
from tests.web.test_browser import PAGES

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

#: Width of an A4 sheet within the margins of the style sheet, in pixels of CSS.
PAPER = 688
MAIN = (
    "/", "/campaigns", "/campaigns/1", "/campaigns/1/review", "/creatives/{sha256}", "/reviews", "/experiments",
    "/drift", "/models", "/kpis", "/links", "/alerts?resolved=true", "/jobs", "/people",
)  # fmt: skip


@pytest.fixture(scope="module")
def sheet(browser: "Browser") -> Iterator["Page"]:
    """A page as it is printed, by somebody who reads in the dark."""
    page = browser.new_page(viewport={"width": PAPER, "height": 1000}, color_scheme="dark")
    page.emulate_media(media="print")
    yield page
    page.close()


@pytest.fixture(scope="module")
def paths(stocked: Workspace) -> dict[str, str]:
    """The pages with the address of a creative filled in."""
    with stocked.store.read() as session:
        sha256 = session.scalars(select(Creative.sha256).order_by(Creative.id)).first()
    return {one: one.format(sha256=sha256, check=1) for one in (*PAGES, *MAIN)}


def test_a_page_prints_without_what_only_a_screen_can_do(sheet: "Page", address: str) -> None:
    sheet.goto(address + "/campaigns/1")
    assert not sheet.locator("header.site").is_visible()
    assert not sheet.get_by_role("button", name="Show").is_visible()
    assert not sheet.get_by_role("checkbox").first.is_visible()
    assert sheet.locator("td.who").first.is_visible()
    assert sheet.locator("svg.chart").first.is_visible()
    sheet.goto(address + "/campaigns/1/review")
    assert sheet.locator("ul.variants a.name").first.is_visible()


def test_what_is_folded_on_a_screen_is_read_on_paper(sheet: "Page", address: str) -> None:
    sheet.goto(address + "/people")
    assert sheet.get_by_text("looks at all pages").first.is_visible()
    sheet.goto(address + "/models")
    assert not sheet.locator("summary", has_text="Promote").first.is_visible()


def test_no_heading_stands_over_nothing(sheet: "Page", address: str, paths: dict[str, str]) -> None:
    empty = """() => [...document.querySelectorAll("main section > :is(h2, h3)")].filter((one) => {
        const all = [...one.parentElement.children], after = all.slice(all.indexOf(one) + 1);
        return one.checkVisibility() && !after.some((next) => next.checkVisibility() && next.innerText !== "");
    }).map((one) => one.innerText)"""
    found = {}
    for path in (*MAIN, "/upload", "/raters", "/kpis/1", "/experiment?key=headline", "/campaigns/1/review/{sha256}"):
        sheet.goto(address + paths[path])
        found[path] = sheet.evaluate(empty)
    assert {path: headings for path, headings in found.items() if headings} == {}


def test_every_page_is_as_wide_as_the_paper_and_light(sheet: "Page", address: str, paths: dict[str, str]) -> None:
    found = {}
    for path in PAGES:
        sheet.goto(address + paths[path])
        ground = sheet.evaluate("getComputedStyle(document.body).backgroundColor")
        found[path] = (max(0, overflow(sheet)), ground)
    assert {path: wrong for path, wrong in found.items() if wrong != (0, "rgb(255, 255, 255)")} == {}


def test_nothing_is_cut_between_two_sheets_and_small_print_is_smaller_than_print(sheet: "Page", address: str) -> None:
    sheet.goto(address + "/campaigns/1/review")
    assert sheet.locator("ul.variants > li").first.evaluate("(one) => getComputedStyle(one).breakInside") == "avoid"
    sheet.goto(address + "/campaigns/1")
    for cut in ("tr", "svg.chart"):
        assert sheet.locator(cut).first.evaluate("(one) => getComputedStyle(one).breakInside") == "avoid"
    size = "(one) => parseFloat(getComputedStyle(one).fontSize)"
    assert sheet.locator(".facts dt").first.evaluate(size) < sheet.locator(".facts dd").first.evaluate(size)
    assert sheet.locator("td small").first.evaluate(size) <= sheet.locator("td.who").first.evaluate(size)


@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_the_head_of_a_table_is_on_every_sheet_of_a_pdf(
    sheet: "Page", address: str, tmp_path: Path, paper: str
) -> None:
    tool = shutil.which("pdftotext")
    if tool is None:
        pytest.skip("no pdftotext on this machine (apt-get install poppler-utils)")
    sheet.goto(address + "/campaigns/1")
    sheet.pdf(path=tmp_path / "page.pdf", format=paper, prefer_css_page_size=False)
    done = subprocess.run([tool, "-layout", tmp_path / "page.pdf", "-"], capture_output=True, text=True, check=True)
    with_rows = [one for one in done.stdout.split("\f") if re.search(r"#\d+ +\d\.\d\d", one)]
    assert len(with_rows) > 1
    assert all("P(best)" in one for one in with_rows)
