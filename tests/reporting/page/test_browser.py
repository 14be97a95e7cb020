"""The page in a real browser: on a phone, with 300 creatives, sorted and filtered, with and without scripts."""

from __future__ import annotations

import base64
import io
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from abkit.reporting.page.creatives import THUMBNAIL_BYTES, Thumbnails
from abkit.reporting.page.page import write_report
from abkit.reporting.page.records import CampaignRanking, ReportData

if TYPE_CHECKING:
    from playwright.sync_api import Page

MANY = 300


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, Path]]:
    """Names and files of noise, which is what compresses worst."""
    import hashlib

    folder, found = tmp_path_factory.mktemp("noise"), []
    for number in range(MANY):
        path = folder / f"{number}.png"
        noise = random.Random(number).randbytes(3 * 24 * 24)
        Image.frombytes("RGB", (24, 24), noise).resize((160, 160), Image.Resampling.NEAREST).save(path)
        found.append((hashlib.sha256(path.read_bytes()).hexdigest(), path))
    return found


@pytest.fixture
def page_of_many(make_report: Callable[..., ReportData], photographs: list[tuple[str, Path]], tmp_path: Path) -> Path:
    data = make_report(names=("cat-food", "coffee-bar", "star-hall"))
    thumbnails = Thumbnails(MANY)
    rankings = []
    for place, ranking in enumerate(data.rankings):
        one, of = ranking.creatives[0], photographs[100 * place : 100 * place + 100]
        made = [
            replace(
                one,
                rank=number + 1,
                of=100,
                name=f"{ranking.campaign}-{number:03d}.jpg",
                sha256=sha256,
                score=6 - number / 25 - place / 100,
                creative_id=1000 * place + number,
                thumbnail=thumbnails.of(sha256, [str(path)]),
            )
            for number, (sha256, path) in enumerate(of)
        ]
        rankings.append(CampaignRanking(ranking.campaign, 100, tuple(made)))
    return write_report(replace(data, rankings=tuple(rankings)), tmp_path / "report.html")


def test_300_creatives_are_a_file_under_3_mb_in_which_each_can_be_found(page_of_many: Path, browser_page: Page) -> None:
    assert page_of_many.stat().st_size < 3_000_000
    requests: list[str] = []
    complaints: list[str] = []
    browser_page.on("request", lambda request: requests.append(request.url))
    browser_page.on("console", lambda message: complaints.append(message.text))
    browser_page.set_viewport_size({"width": 390, "height": 844})
    browser_page.goto(page_of_many.as_uri())
    browser_page.locator("details.everything > summary").click()
    rows = browser_page.locator("#all > li:visible")
    assert rows.count() == MANY
    # Nothing sticks out, neither of the page nor of a part of it that would have to be scrolled.
    wide = "[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > 390.5).length"
    assert browser_page.evaluate("document.documentElement.scrollWidth") <= 390
    assert browser_page.evaluate(wide) == 0

    browser_page.locator("#by-campaign").select_option("coffee-bar")
    assert rows.count() == 100
    browser_page.locator("#find").fill("BAR-07")
    assert rows.count() == 10
    assert browser_page.locator("#said").inner_text() == "10 of 300 creatives"
    browser_page.locator("#find").fill("")
    browser_page.locator("#by-campaign").select_option("")
    browser_page.locator("#order").select_option("score:up")
    assert "star-hall-099.jpg" in rows.first.inner_text()
    browser_page.locator("#order").select_option("score:down")
    assert "cat-food-000.jpg" in rows.first.inner_text()
    browser_page.locator("#by-advice").select_option("drop")
    assert rows.count() == 0
    assert [url for url in requests if not url.startswith(("data:", page_of_many.as_uri()))] == []
    assert complaints == []


def test_tables_are_sorted_by_their_headers(page_of_many: Path, browser_page: Page) -> None:
    browser_page.set_viewport_size({"width": 1200, "height": 900})
    browser_page.goto(page_of_many.as_uri())
    table = browser_page.locator("table.sortable", has_text="Statistic").first
    head = table.locator("th", has_text="Estimate")
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    cells = table.locator('td[data-label="Estimate"]').all_inner_texts()
    assert cells == ["0.05", "0.02", "–"]
    head.locator("button").click()
    assert table.locator('td[data-label="Estimate"]').all_inner_texts() == ["0.02", "0.05", "–"]


def test_without_scripts_all_creatives_are_there(page_of_many: Path, browser_page: Page) -> None:
    browser = browser_page.context.browser
    assert browser is not None
    plain = browser.new_page(java_script_enabled=False)
    plain.goto(page_of_many.as_uri())
    assert plain.locator("#controls").is_hidden()
    plain.locator("details.everything > summary").click()
    assert plain.locator("#all > li:visible").count() == MANY
    plain.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground_by_day_and_by_night(
    page_of_many: Path, browser_page: Page, scheme: str
) -> None:
    browser_page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    browser_page.goto(page_of_many.as_uri())
    colors = "e => [getComputedStyle(e).color, getComputedStyle(e.closest('section')).backgroundColor]"
    ink, ground = (_light(color) for color in browser_page.locator("#answer").evaluate(colors))
    axis = browser_page.locator("figure .wide svg text").first.evaluate("e => getComputedStyle(e).fill")
    assert abs(ink - ground) > 0.6
    assert abs(_light(axis) - ground) > 0.3
    assert (ground > 0.9) == (scheme == "light")
    browser_page.emulate_media(color_scheme="light")


def test_thumbnails_share_a_limit_and_each_content_counts_once(photographs: list[tuple[str, Path]]) -> None:
    thumbnails = Thumbnails(10)
    sha256, path = photographs[0]
    first = thumbnails.of(sha256, [str(path)])
    left = thumbnails.left
    assert left == THUMBNAIL_BYTES - len(first)
    assert thumbnails.of(sha256, ["not there"]) == first
    assert thumbnails.left == left
    image = Image.open(io.BytesIO(base64.b64decode(first.partition(",")[2])))
    assert max(image.size) <= thumbnails.side
    thumbnails.left = 0
    assert thumbnails.of(photographs[1][0], [str(photographs[1][1])]) == ""


def _light(color: str) -> float:
    """Lightness of "rgb(…)", 0 to 1."""
    return sum(map(int, color[color.index("(") + 1 : color.index(")")].split(",")[:3])) / 765
