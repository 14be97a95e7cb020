"""How many bytes a creative takes: a report is sent by mail, and 2,000 creatives are below 3 MB."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from abkit.reporting.charts.score_kpi import ScorePoint
from abkit.reporting.page.creatives import MOST_CREATIVES, THUMBNAIL_BYTES, Thumbnails
from abkit.reporting.page.page import render_report
from abkit.reporting.page.records import CampaignRanking, ReportData

#: 3 MB less 0.3 MB for charts and the rest of the page, over 2,000 creatives.
BYTES_EACH = 1_350
FEW, MANY = 50, 250


def photograph(seed: int, path: Path) -> str:
    """Write an image with detail at every scale, as photographs have, and return its digest."""
    rng, pixels = np.random.default_rng(seed), np.zeros((240, 240, 3))
    for side in (3, 6, 12, 24, 48):
        noise = Image.fromarray(rng.integers(0, 255, (side, side, 3), dtype=np.uint8))
        pixels += np.asarray(noise.resize((240, 240), Image.Resampling.BICUBIC), dtype=float) * 3 / side
    pixels *= 255 / pixels.max()
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("photographs")
    return [(photograph(n, path := folder / f"{n}.png"), path) for n in range(MANY)]


@pytest.fixture
def report_of(make_report: Callable[..., ReportData], photographs: list[tuple[str, Path]]) -> Callable[[int], str]:
    """A report of so many creatives, with figures and thumbnails as large as those of 1,700."""

    def make(count: int) -> str:
        data = make_report()
        one, thumbnails = data.rankings[0].creatives[0], Thumbnails(1_700)
        creatives = tuple(
            replace(
                one,
                rank=n + 1,
                of=count,
                name=f"summer-sale-square-{n:04d}.png",
                sha256=sha256,
                creative_id=10_000 + n,
                thumbnail=thumbnails.of(sha256, [str(path)]),
                impressions=1_234_567,
                elsewhere=True,
            )
            for n, (sha256, path) in enumerate(photographs[:count])
        )
        assert all(creative.thumbnail for creative in creatives)
        return render_report(replace(data, rankings=(CampaignRanking("summer-sale", count, creatives),)))

    return make


def test_a_creative_takes_at_most_1350_bytes(report_of: Callable[[int], str]) -> None:
    few, many = (len(report_of(count).encode()) for count in (FEW, MANY))
    assert (many - few) / (MANY - FEW) < BYTES_EACH


def test_the_most_that_a_page_has_room_for_is_below_3_mb(report_of: Callable[[int], str]) -> None:
    few, many = (re.sub(r"data:image/[^)]*", "", report_of(count)) for count in (FEW, MANY))
    row = (len(many.encode()) - len(few.encode())) / (MANY - FEW)
    assert MOST_CREATIVES * row + THUMBNAIL_BYTES + 300_000 < 3_000_000


def test_500_dots_of_two_charts_are_a_tenth_of_that(make_report: Callable[..., ReportData]) -> None:
    rng = np.random.default_rng(3)
    points = [
        ScorePoint(f"c{n % 40}", float(rng.normal(4, 0.5)), int(rng.binomial(50_000, 0.01)), 50_000) for n in range(900)
    ]
    without, data = render_report(make_report(points=())), make_report(points=tuple(points))
    page = render_report(data)
    assert len(page) - len(without) < 300_000
    # Two drawings of 500 dots, and the reader is told of the others.
    assert page.count("<circle") >= 2 * 500
    assert "; 500 of 900 creatives are drawn; the line: the common slope inside 40 campaigns" in page
