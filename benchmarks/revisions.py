"""Processor time per image beside another revision of abkit, in turns, and how far scores are from float32.

    git worktree add /tmp/before 75a116e
    python benchmarks/revisions.py --other /tmp/before --folder PHOTOGRAPHS [--images 96] [--judge FOLDER …]

One process of each revision scores the files of a folder with its own shipped scorer, sixteen at a time, one thread:
they are read, decoded, scaled, encoded and scored, and nothing is stored. Both get the same sixteen files one after the
other, and which is first changes, so that whatever else the machine does meets both. Figures are sums of processor time
per image, and the median over the turns of the ratio, with the range of its middle half.

Agreement is measured on the folders after `--judge` (else on the first one), with this revision alone: scores in the
precision that `auto` takes here against float32. SRCC, the largest difference in steps of the scale, and in how many
campaigns of twelve images, in the order of the files, the same five are on top, but for ties within 0.02.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median, quantiles

import numpy as np
from gpu import same_tops
from scipy import stats

from abkit_model.errors import ImageRejected
from abkit_model.images import open_creative
from abkit_model.scorer import Scorer

HERE = Path(__file__).resolve().parents[1]
AT_ONCE = 16
KINDS = (".jpg", ".jpeg", ".png", ".webp")

# Names of functions are those of either revision.
WORKER = """
import json, sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
from abkit_model import images
from abkit_model.scorer import Scorer
scorer = Scorer.load()
opened = getattr(images, "open_creative", None) or images.open_image
scored = getattr(scorer, "score_prepared", None) or scorer.score
for line in sys.stdin:
    files, begin = json.loads(line), time.process_time()
    scored([scorer.prepare(opened(Path(file)).image) for file in files])
    print(time.process_time() - begin, flush=True)
"""


def worker(root: Path) -> subprocess.Popen[str]:
    """Start the process of one revision."""
    path = os.pathsep.join([str(root), str(root / "model")])
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", WORKER], env=environment, cwd=root, text=True, **pipes)


def seconds(process: subprocess.Popen[str], files: list[str]) -> float:
    """Return the processor time that a revision takes for some files."""
    if process.stdin is None or process.stdout is None:
        sys.exit("the process of a revision has no pipes")
    print(json.dumps(files), file=process.stdin, flush=True)
    return float(process.stdout.readline() or sys.exit("the process of a revision has ended"))


def images_of(folder: Path, count: int) -> list[Path]:
    """Return images of a folder, evenly from the sorted names."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in KINDS)
    if not found:
        sys.exit(f"there are no images in {folder}")
    return [found[int(place)] for place in np.linspace(0, len(found) - 1, min(count, len(found)))]


def race(other: Path, files: list[Path]) -> None:
    """Measure both revisions in turns and print."""
    both = {"before": worker(other), "now": worker(HERE)}
    turns = [[str(file) for file in files[start : start + AT_ONCE]] for start in range(0, len(files), AT_ONCE)]
    for process in both.values():
        seconds(process, turns[0])  # what is built with the first images
    took: dict[str, list[float]] = {name: [] for name in both}
    for number, turn in enumerate(turns):
        order = list(both) if number % 2 else list(both)[::-1]
        for name in order:
            took[name].append(seconds(both[name], turn) / len(turn))
    for process in both.values():
        process.communicate()
    ratios = [before / now for before, now in zip(took["before"], took["now"], strict=True)]
    for name, each in took.items():
        print(f"{name:7} {1000 * median(each):6.1f} ms of processor time per image [{1000 * min(each):.1f} at least]")
    middle = quantiles(ratios, n=4) if len(ratios) > 1 else [ratios[0]] * 3
    print(
        f"ratio {median(ratios):.2f} [{middle[0]:.2f}, {middle[2]:.2f}] in {len(ratios)} turns, load {os.getloadavg()}"
    )


def judge(folder: Path, count: int) -> None:
    """Compare the precision that is taken here with float32 and print."""
    exact, quick = Scorer.load(precision="float32", device="cpu"), Scorer.load(device="cpu")
    prepared = []
    for file in images_of(folder, count):
        try:
            prepared.append(exact.prepare(open_creative(file).image))
        except ImageRejected as error:
            print(f"{file} is left out: {error}")
    truth, found = (
        np.array([one.mean for s in range(0, len(prepared), 24) for one in scorer.score_prepared(prepared[s : s + 24])])
        for scorer in (exact, quick)
    )
    same, campaigns = same_tops(truth, found)
    apart = found - truth
    print(
        f"{folder}: {quick.encoder.where} against float32 on {len(truth)} images: "
        f"SRCC {stats.spearmanr(truth, found).statistic:.5f}, largest difference {np.abs(apart).max():.4f}, "
        f"root mean square {np.sqrt((apart**2).mean()):.4f}, mean {apart.mean():+.4f}, "
        f"same top five in {same} of {campaigns} campaigns",
        flush=True,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--other", type=Path, help="a checkout of another revision")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--judge", type=Path, nargs="*", default=[])
    parser.add_argument("--judged", type=int, default=10**9, help="how many images of each folder")
    options = parser.parse_args()
    if options.other:
        race(options.other.resolve(), images_of(options.folder, options.images))
    for folder in options.judge or [options.folder]:
        judge(folder, options.judged)


if __name__ == "__main__":
    main()
