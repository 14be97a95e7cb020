"""The button that trains on votes, to its end: a daemon does it, and the challenger is promoted and rolled back."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from abkit import Workspace
from abkit.web.app import create_app
from abkit.workflows.ratings.queue import RaterQueue, ensure_rater, label_state, plan, vote
from tests.images import save_images
from tests.web.conftest import submit

CREATIVES, ANSWERS = 24, 45


@pytest.fixture
def labeled(tmp_path: Path) -> Iterator[Workspace]:
    """A workspace whose creatives were chosen between: the one with the larger id is always better."""
    images = save_images(tmp_path / "ads", CREATIVES)
    with Workspace.create(tmp_path / "shop") as shop:
        shop.score([str(one) for one in images], campaign="spring")
        queue = RaterQueue(rater=ensure_rater(shop.store, "ann"))
        for _ in range(ANSWERS):
            plan(shop.store, queue, seed=1)
            asked = label_state(shop.store, queue).question
            assert asked is not None
            assert asked.right is not None
            vote(shop.store, queue, asked.id, "left" if asked.left > asked.right else "right")
        yield shop


@pytest.mark.long
def test_votes_train_a_challenger_in_a_daemon_which_is_promoted_and_rolled_back(labeled: Workspace) -> None:
    folder = labeled.settings.workspace
    with TestClient(create_app(labeled.settings), base_url="http://127.0.0.1") as browser:
        champion = re.search(r"<b>(.*?)</b> scores everything", browser.get("/models").text)
        assert champion is not None
        submit(browser, "/raters/train", on="/raters")
        command = [sys.executable, "-m", "abkit", "--config", str(folder / "abkit.toml"), "schedule", "run"]
        with subprocess.Popen(command, cwd=folder) as daemon:
            try:
                trained = until_trained(browser)
            finally:
                daemon.terminate()
        assert f"on {ANSWERS} comparisons" in trained.replace("\n", " ")
        found = re.search(r"trained (labels-[\w-]+)", trained)
        assert found is not None
        challenger = found.group(1)
        page = browser.get("/models").text
        row = next(one for one in page.split("<tr>") if challenger in one)
        digest = re.search(r'name="digest" value="([0-9a-f]{64})"', row)
        assert digest is not None
        assert f"<b>{champion.group(1)}</b> scores everything" in page
        promoted = submit(browser, "/models/promote", on="/models", digest=digest.group(1), why="the raters like it")
        assert f"<b>{challenger}</b> scores everything" in promoted.text
        back = submit(browser, "/models/rollback", on="/models", why="its clicks are worse")
        assert f"<b>{champion.group(1)}</b> scores everything" in back.text


def until_trained(browser: TestClient) -> str:
    """Ask how far the training is, as the page does, until it has ended."""
    end = time.monotonic() + 500
    while True:
        said = browser.get("/raters/training").text
        if "hx-trigger" not in said:
            return said
        assert time.monotonic() < end, said
        time.sleep(1)
