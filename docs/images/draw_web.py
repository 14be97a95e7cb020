"""Draw the images of docs/web.md anew: python docs/images/draw_web.py FOLDER_OF_A_DEMO_THAT_WAS_PLAYED

Copies the workspace that `abkit demo FOLDER` has made, adds what the demo has none of (an experiment, reviews, answers
of a rater, schedules), serves the copy, and writes web-*.webp beside this file. Needs playwright and a Chromium on the
path.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright
from sqlalchemy import select

from abkit import Workspace
from abkit.jobs.job import wall_clock
from abkit.jobs.schedules import synchronize
from abkit.store.catalog.creatives import find_campaign
from abkit.store.schema import CampaignCreative, Creative, Decision
from abkit.vocabulary import ReviewAct
from abkit.workflows.creatives.overlays import make_overlay
from abkit.workflows.experiments.experiments import analyze_experiment, create_experiment
from abkit.workflows.experiments.plan import ExperimentPlan
from abkit.workflows.leaderboard.read import read_leaderboard
from abkit.workflows.leaderboard.refresh import refresh_leaderboard
from abkit.workflows.ratings.queue import RaterQueue, ensure_rater, label_state, plan, vote
from abkit.workflows.reviews.reviews import agree, review

HERE = Path(__file__).parent
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
CAMPAIGN = "star-hall-summer"
MOST_BYTES = 60_000


def main(folder: Path) -> None:
    """Write the images."""
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / "demo"
        shutil.copytree(folder, copy)
        with Workspace.open(copy) as workspace:
            pages = prepare(workspace)
        command = [sys.executable, "-m", "abkit", "--config", str(copy / "abkit.toml"), "serve", "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603  # our own command
            try:
                photograph_all(server.stdout.readline().strip(), pages)  # type: ignore[union-attr]
            finally:
                server.terminate()


def prepare(workspace: Workspace) -> dict[str, tuple[str, int]]:
    """Add what the demo has none of; return for each image the path of its page and how much of it is shown."""
    store, settings = workspace.store, workspace.settings
    synchronize(store, settings.schedules, wall_clock())
    with store.read() as session:
        campaign = find_campaign(session, CAMPAIGN)
        variants = list(
            session.scalars(
                select(Creative.sha256).join(CampaignCreative).where(CampaignCreative.campaign_id == campaign)
            )
        )[::-1]
        moved = session.scalars(
            select(Decision.run_id).where(Decision.decision == "retrain").order_by(Decision.id.desc()).limit(1)
        ).one()
    refresh_leaderboard(store, settings, campaign)
    board = read_leaderboard(store, campaign)
    best = board.creatives[0]
    second = next(one for one in board.creatives[1:] if one.format == best.format)
    make_overlay(store, settings.cache_folder / "overlays", best.sha256)
    agree(store, CAMPAIGN, by="brand", approvals=2, gate=True, note="Brand and performance both look at each variant.")
    review(store, CAMPAIGN, variants[:3], ReviewAct.APPROVE, by="brand")
    review(store, CAMPAIGN, variants[:2], ReviewAct.APPROVE, by="performance")
    unclear = "The price is hard to read."
    review(store, CAMPAIGN, variants[4:5], ReviewAct.WANT_CHANGES, by="performance", reason=unclear)
    queue = RaterQueue(rater=ensure_rater(store, "local"), campaign=campaign)
    plan(store, queue, seed=1)
    for answer in ("left", "right", "left", "tie", "right"):
        vote(store, queue, label_state(store, queue).question.id, answer)
    designed = ExperimentPlan(
        key="summer-headline", variants={"old": ad_of(best.name), "new": ad_of(second.name)}, unit="impression",
        allocation="optimized", campaign=CAMPAIGN,
        starts_on=board.summary.first_day, ends_on=board.summary.last_day,
    )  # fmt: skip
    create_experiment(store, designed)
    analyze_experiment(store, "summer-headline", as_of=board.summary.last_day)
    return {
        "overview": ("", 880),
        "campaign": (f"campaigns/{campaign}", 1500),
        "pair": (f"campaigns/{campaign}/pair?creative={best.creative_id}&creative={second.creative_id}", 1000),
        "creative": (f"creatives/{best.sha256}", 1100),
        "label": (f"label?campaign={campaign}", 760),
        "review": (f"campaigns/{campaign}/review", 760),
        "experiment": ("experiment?key=summer-headline", 900),
        "drift": (f"drift/{moved}", 1000),
        "models": ("models", 620),
        "links": ("links", 560),
        "alert": ("alerts/1", 620),
        "jobs": ("jobs", 460),
        "upload": ("upload", 560),
    }


def ad_of(creative: str) -> str:
    """Return the ad of the demo that shows a creative."""
    return f"ad-{creative.rsplit('.', 1)[0]}"


def photograph_all(address: str, pages: dict[str, tuple[str, int]]) -> None:
    """Write an image of the top of each page as Chromium shows it; the page for labeling as on a phone."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for name, (path, height) in pages.items():
            page = browser.new_page(viewport={"width": 390 if name == "label" else 1280, "height": height})
            answer = page.goto(f"{address}{path}", wait_until="networkidle")
            if answer is None or not answer.ok:
                sys.exit(f"{path} is not shown: {page.inner_text('body').strip()}")
            keep(page, HERE / f"web-{name}.webp")
            page.close()
        browser.close()


def keep(page: Page, path: Path) -> None:
    """Write what a page shows, as finely as fits into a small file."""
    with Image.open(io.BytesIO(page.screenshot())) as shown:
        image = shown.convert("RGB")
    for quality in (80, 65, 50, 35, 20):
        image.save(path, quality=quality, method=6)
        if path.stat().st_size <= MOST_BYTES:
            break


if __name__ == "__main__":
    main(Path(sys.argv[1]))
