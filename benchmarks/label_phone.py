"""One hundred choices on a phone: how long the page of labeling keeps somebody waiting for each.

    python benchmarks/label_phone.py WORKSPACE [--choices 100]

The protocol, written before the figures: a copy of the workspace is served by `abkit serve`, and opened by Chromium in
a window of 390 × 844 with touch. A script taps the left or the right image as soon as the next question is there and
both of its images are drawn, and measures from the tap to that moment: what the page needs, without the seconds in
which a person looks. One hundred choices in ten minutes leave six seconds for each; what the page does not need is left
for looking. Questions are planned by the product, every fifteen answers or so, and that is in the figures.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
READY = """(before) => {
  const question = document.querySelector("#label input[name=question]");
  const images = [...document.querySelectorAll("#label .duel img")];
  return question && question.value !== before && images.length === 2
    && images.every((one) => one.complete && one.naturalWidth);
}"""


def main(workspace, choices):
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / "shop"
        shutil.copytree(workspace, copy)
        command = [sys.executable, "-m", "abkit", "--config", str(copy / "abkit.toml"), "serve", "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                waits = label(server.stdout.readline().strip(), choices)
            finally:
                server.terminate()
    one, load = np.array(waits), os.getloadavg()[0]
    print(f"{len(one)} choices, load {load:.1f}: the page took {one.sum():.1f} s in all")
    print(f"per choice: median {np.median(one):.2f} s, p95 {np.quantile(one, 0.95):.2f} s, most {one.max():.2f} s")
    print(f"left of ten minutes for looking: {(600 - one.sum()) / len(one):.1f} s per choice")


def label(address, choices):
    waits = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
        page = context.new_page()
        page.goto(f"{address}label")
        page.wait_for_function(READY, arg="")
        for number in range(choices):
            asked = page.input_value("#label input[name=question]")
            side = "left" if number % 2 else "right"
            start = time.perf_counter()
            page.tap(f"#label button[value={side}]")
            page.wait_for_function(READY, arg=asked, timeout=120_000)
            waits.append(time.perf_counter() - start)
        browser.close()
    return waits


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--choices", type=int, default=100)
    given = parser.parse_args()
    main(given.workspace, given.choices)
