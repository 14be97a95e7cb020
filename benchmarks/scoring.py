"""How much `abkit score` costs beyond decoding and encoding: images per second, as a ratio in one run.

    python benchmarks/scoring.py [--images 2000] [--folder FOLDER] [--encoder bundled:efficientnet-lite2]

Two whole processes work on the same JPEG files, in turns: a minimal loop that decodes, resizes and encodes them in
batches with the same encoder settings, and `abkit score`, which besides that finds and hashes the files, asks the
store what is known, runs the queries, logs every score, and keeps what the encoder saw. Both times include starting
Python and loading the encoder; the second figure leaves that out on both sides. The ratio of processor seconds is
beside it: other work on the machine disturbs it less. At the end the tokens that were kept are scored by other
queries: without the encoder, from the store and the cache alone; beside it stands how much of that the queries
themselves take, which is the most that re-scoring could gain.

With --folder the files are those of the folder, repeated with other brightness until there are enough, so that no
two are equal; without it they are made.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image, ImageEnhance

MINIMAL_LOOP = """
import json, resource, sys, time
from pathlib import Path
from PIL import Image, ImageEnhance
from abkit_model.encoders.load import load_encoder
encoder = load_encoder(sys.argv[2])
files = sorted(Path(sys.argv[1]).iterdir())
begin, cpu = time.perf_counter(), time.process_time()
for start in range(0, len(files), 32):
    encoder.encode([encoder.prepare(Image.open(path).convert("RGB")) for path in files[start:start + 32]])
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": time.perf_counter() - begin, "cpu": time.process_time() - cpu, "memory": memory}))
"""

ABKIT_SCORE = """
import json, resource, sys, time
from pathlib import Path
from abkit.config import load_settings
from abkit.store.database.engine import Store
from abkit.workflows import active_model
from abkit.workflows.scoring.score import score_paths
import abkit_model.scorer
settings = load_settings()
store = Store(settings.store_url)
scorer = active_model.load_scorer(Path(sys.argv[2]) if len(sys.argv) > 2 else None)
active_model.load_scorer = lambda _: scorer
queries, score_tokens = 0.0, scorer.score_tokens
def measured(encoded):
    global queries
    begin = time.process_time()
    found = score_tokens(encoded)
    queries += time.process_time() - begin
    return found
scorer.score_tokens = measured
begin, cpu = time.perf_counter(), time.process_time()
result = score_paths(store, settings, [Path(sys.argv[1])], campaign="benchmark")
assert all(file.status == "scored" for file in result.files)
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
print(json.dumps({"seconds": seconds, "cpu": cpu, "memory": memory, "from_tokens": result.from_tokens,
                  "queries": queries}))
"""

OTHER_QUERIES = """
import sys
from dataclasses import replace
from pathlib import Path
from abkit.config import load_settings
from abkit.store.database.engine import Store
from abkit.workflows.active_model import promote, register_checkpoint
from abkit_model import checkpoint
shipped = checkpoint.load(checkpoint.default_checkpoint())
checkpoint.save(replace(shipped, card=replace(shipped.card, name="other")), Path(sys.argv[1]))
store = Store(load_settings().store_url)
promote(store, register_checkpoint(store, Path(sys.argv[1])).digest, why="benchmark")
"""


def make_images(folder: Path, count: int) -> None:
    """JPEGs of 800×600, lying and upright: smooth with some grain, so that they cost what photographs cost."""
    random = np.random.default_rng(0)
    folder.mkdir()
    for index in range(count):
        size = (800, 600) if index % 2 else (600, 800)
        coarse = Image.fromarray(random.integers(0, 255, (30, 40, 3), dtype=np.uint8))
        fine = random.normal(0, 8, (size[1], size[0], 3))
        pixels = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC)) + fine
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{index:05d}.jpg", quality=85)


def repeat_images(source: Path, folder: Path, count: int) -> None:
    """Images of a folder as JPEGs, each repetition a little brighter, so that every file is another content."""
    found = sorted(path for path in source.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp"))
    folder.mkdir()
    for index in range(count):
        turn, which = divmod(index, len(found))
        image = Image.open(found[which]).convert("RGB")
        ImageEnhance.Brightness(image).enhance(1 + 0.03 * turn).save(folder / f"{index:05d}.jpg", quality=90)


def whole_process(code: str, *arguments: str, cwd: Path) -> tuple[float, dict[str, float]]:
    """Seconds of the process, and what it says of its work without the start."""
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return time.perf_counter() - begin, json.loads((done.stdout.splitlines() or ["{}"])[-1])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--encoder", default="bundled:efficientnet-lite2")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, number = Path(name), options.images
        images = folder / "images"
        if options.folder:
            repeat_images(options.folder, images, number)
        else:
            make_images(images, number)
        whole, inner, cpu, again = [], [], [], []
        for repeat in range(options.repeats):
            work = folder / f"work{repeat}"
            subprocess.run([sys.executable, "-m", "abkit", "init", work], check=True, capture_output=True)
            # which goes first changes, so that a machine that becomes busier is fair to both
            order = [("loop", MINIMAL_LOOP, [options.encoder]), ("score", ABKIT_SCORE, [])]
            took = {
                what: whole_process(code, str(images), *more, cwd=work)
                for what, code, more in (order if repeat % 2 == 0 else reversed(order))
            }
            (loop_whole, loop), (score_whole, score) = took["loop"], took["score"]
            whole.append(loop_whole / score_whole)
            inner.append(loop["seconds"] / score["seconds"])
            cpu.append(loop["cpu"] / score["cpu"])
            print(
                f"run {repeat + 1}: minimal loop {number / loop['seconds']:.1f} images/s, "
                f"{loop['cpu'] / number * 1000:.0f} core-seconds per 1,000, {loop['memory']:.0f} MB; "
                f"abkit score {number / score['seconds']:.1f} images/s, "
                f"{score['cpu'] / number * 1000:.0f} core-seconds per 1,000, {score['memory']:.0f} MB; "
                f"ratio {inner[-1]:.2f} ({cpu[-1]:.2f} in processor seconds, {whole[-1]:.2f} with start-up)",
                flush=True,
            )
            whole_process(OTHER_QUERIES, str(work / "other"), cwd=work)
            _, from_tokens = whole_process(ABKIT_SCORE, str(images), str(work / "other"), cwd=work)
            again.append(score["seconds"] / from_tokens["seconds"])
            print(
                f"  other queries on what was kept: {number / from_tokens['seconds']:.0f} images/s, {again[-1]:.0f} "
                f"times as fast, {from_tokens['from_tokens']:.0f} of {number} without the encoder; in processor time "
                f"{score['cpu'] / from_tokens['cpu']:.0f} times, and the queries alone "
                f"{score['cpu'] / from_tokens['queries']:.0f} times",
                flush=True,
            )
        print(
            f"median ratio {median(inner):.2f} (goal 0.9), in processor seconds {median(cpu):.2f}, "
            f"with start-up {median(whole):.2f}; other queries {median(again):.0f} times as fast"
        )


if __name__ == "__main__":
    main()
