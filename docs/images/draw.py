"""Draw the images of the README anew: python docs/images/draw.py [FOLDER OF A DEMO THAT WAS PLAYED]

Plays `abkit demo` (or reads the folder of one that was played), and writes ranked.png,
report.png beside this file; draw_web.py draws the pages of `abkit serve`. Needs playwright and a Chromium on the path.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from abkit.commands.operate.demo_screen import DemoScreen
from abkit.config import load_settings
from abkit.demo.kpi_simulation import World
from abkit.demo.stage import open_workspace
from abkit.demo.story import play
from abkit.reporting.charts.scores import ranked_strip
from abkit.reporting.charts.theme import save_chart
from abkit.reporting.page.gather import gather
from abkit.store.database.engine import Store

HERE = Path(__file__).parent
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


def main(folder: Path | None) -> None:
    """Write the images."""
    if folder is None:
        folder = Path(tempfile.mkdtemp()) / "demo"
        workspace = open_workspace(folder)
        with DemoScreen(90) as screen:
            play(workspace, screen)
        workspace.store.close()
    draw_ranking(folder)
    page = (folder / "report.html").resolve().as_uri()
    photograph(page, HERE / "report.png", height=825)


def draw_ranking(folder: Path) -> None:
    """The variants of one campaign in the order of their scores."""
    store = Store(load_settings(folder / "abkit.toml").store_url)
    # By the version that scored before launch; at the end of the demo another one is active.
    data = gather(store, campaign="coffee-bar", as_of=World().day(60))
    store.close()
    creatives = data.rankings[0].creatives
    assert data.model is not None  # noqa: S101
    title = f"{len(creatives)} variants of one campaign, ranked before launch"
    subtitle = (
        f"predicted mean opinion, {data.model.scale_low:g} to {data.model.scale_high:g}, "
        f"with its {100 * creatives[0].ci_level:.0f} % predictive interval where it has one (demonstration weights)"
    )
    path = save_chart(ranked_strip(creatives, title, subtitle), HERE / "ranked.png")
    shrink(path, 1000)


def photograph(address: str, path: Path, *, height: int) -> None:
    """Write an image of the top of a page as Chromium shows it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1120, "height": height})
        page.goto(address)
        page.screenshot(path=path)
        browser.close()
    shrink(path, 1120)


def shrink(path: Path, width: int) -> None:
    """Make an image at most this wide, in 256 colors."""
    with Image.open(path) as image:
        small = image.convert("RGB")
    small.thumbnail((width, 10_000))
    small.quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
