"""What starting costs: `abkit --help` beside importing Typer, and `abkit score` of one image beside importing torch.

python benchmarks/start.py [--repeats 7]

Processor time (user and system) of whole processes in turns, one thread, beginning and end included; the median and
the range of each, and ratios of medians. The image is scored into a new store each time, so that nothing is known.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image


def seconds(*command: str, folder: str | None = None) -> float:
    """Return the processor time of a process and of those that it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, *command], check=True, capture_output=True, cwd=folder, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def score(image: Path) -> float:
    """Return what `abkit score` of one image takes in a new workspace."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = f"{folder}/workspace"
        seconds("-m", "abkit", "init", workspace)
        return seconds("-m", "abkit", "score", str(image), folder=workspace)


def main() -> None:
    """Measure in turns and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "one.jpg"
        pixels = np.random.default_rng(0).integers(0, 255, (14, 14, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((1080, 1080), Image.Resampling.BICUBIC).save(image)
        ways = {
            "import typer": lambda: seconds("-c", "import typer"),
            "abkit --help": lambda: seconds("-m", "abkit", "--help"),
            "import torch": lambda: seconds("-c", "import torch"),
            "abkit score, one image": lambda: score(image),
        }
        for way in ways.values():
            way()  # compiles what Python keeps compiled
        turns = [{name: way() for name, way in ways.items()} for _ in range(repeats)]
    found = {name: [turn[name] for turn in turns] for name in ways}
    for name, took in found.items():
        print(f"{name:24} {median(took):5.2f} s  [{min(took):.2f}, {max(took):.2f}]")
    typer, helped, torch, scored = (median(took) for took in found.values())
    print(f"abkit --help: {helped / typer:.2f} times import typer (goal ≤ 3)")
    print(f"abkit score of one image: {scored / torch:.2f} times import torch, {scored:.2f} s (goal < 3)")


if __name__ == "__main__":
    main()
