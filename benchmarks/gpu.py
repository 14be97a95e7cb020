"""Images per second with and without a GPU, and the share of the time that the encoder itself takes.

    python benchmarks/gpu.py [--images 1024] [--folder FOLDER] [--device auto] [--random timm:MODEL] [--out FILE]

It runs on any machine; without CUDA it measures the processor. What is asked was fixed before anything was measured:

1. Agreement. The scores of the shipped scorer in half precision and in float32 on the device, against float32 on the
   processor: SRCC, the largest difference in steps of the scale, and in how many campaigns (of twelve images each, in
   the order of the files) the same five are on top, but for ties within 0.02.
2. The encoder alone, on images that lie prepared in memory, by how many go through at once.
3. The whole of `abkit score`, in a new workspace: files are hashed, decoded, encoded, scored, logged, and tokens are
   kept. The share of the encoder is the time inside `encode` over the time of all; the decoding threads are as many as
   the machine has cores, and for comparison fewer.

With `--random` steps 1 and 2 are done with a vision transformer of timm whose weights are drawn at random too: its
arithmetic and its speed are those of trained weights. Agreement is that of its embeddings then.
"""

import argparse
import json
import os
import platform
import resource
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy import stats

from abkit.config import load_settings
from abkit.store.database.engine import Store
from abkit.workflows import active_model
from abkit.workflows.scoring import image_files
from abkit.workflows.scoring.score import score_paths
from abkit.workflows.upkeep.workspace import make_workspace
from abkit_model import devices
from abkit_model.encoders.frozen import FrozenEncoder
from abkit_model.images import Prepared, open_image
from abkit_model.scorer import Scorer

CAMPAIGN, TOP, TIE = 12, 5, 0.02
SHAPES = [(1080, 1080), (1200, 628), (1080, 1350), (800, 600), (1280, 720), (600, 800)]


def make_images(folder: Path, count: int) -> list[Path]:
    """JPEGs in the usual sizes of ads: smooth with some grain, so that they cost what photographs cost."""
    folder.mkdir()

    def make(index: int) -> Path:
        random = np.random.default_rng(index)
        width, height = SHAPES[index % len(SHAPES)]
        coarse = Image.fromarray(random.integers(0, 255, (3 + index % 30, 4 + index % 40, 3), dtype=np.uint8))
        grain = random.normal(0, 1 + index % 12, (height, width, 1))
        pixels = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)) + grain
        path = folder / f"{index:05d}.jpg"
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, quality=88)
        return path

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(make, range(count)))


def random_encoder(name: str, precision: str, device: str) -> FrozenEncoder:
    """A vision transformer of timm with random weights, the same ones each time."""
    import timm

    from abkit_model.encoders.names import Name
    from abkit_model.encoders.openclip import OpenCLIPTower
    from abkit_model.encoders.timm_tower import TransformerTrunk

    torch.manual_seed(0)
    trunk = timm.create_model(name.removeprefix("timm:"), pretrained=False, num_classes=0, dynamic_img_size=True)
    config = trunk.pretrained_cfg
    tower = OpenCLIPTower(
        TransformerTrunk(trunk.eval().requires_grad_(False)),
        Name(name, "", 0, 0),
        digest="random",
        mean=config["mean"],
        std=config["std"],
        quick_gelu=False,
        text=None,
    )
    return FrozenEncoder(name, tower, precision, device)


def same_tops(one: np.ndarray, other: np.ndarray) -> tuple[int, int]:
    """In how many campaigns the same images are on top, but for ties; and how many campaigns there are."""
    same = 0
    campaigns = range(0, len(one) - CAMPAIGN + 1, CAMPAIGN)
    for start in campaigns:
        ours, theirs = (scores[start : start + CAMPAIGN] for scores in (one, other))
        tops = [set(np.argsort(-scores)[:TOP].tolist()) for scores in (ours, theirs)]
        border = np.sort(ours)[-TOP]
        same += all(abs(ours[which] - border) <= TIE for which in tops[0] ^ tops[1])
    return same, len(campaigns)


def agreement(images: list[Path], device: str, say: Any) -> None:
    """Step 1, with the shipped scorer."""
    exact = Scorer.load(precision="float32", device="cpu")
    prepared = [exact.prepare(open_image(path).image) for path in images]

    def means(scorer: Scorer) -> np.ndarray:
        return np.array(
            [one.mean for s in range(0, len(prepared), 96) for one in scorer.score_prepared(prepared[s : s + 96])]
        )

    truth = means(exact)
    halves = ["float16", "bfloat16"] if device == "cuda" else ["bfloat16"]
    for precision in ["float32", *halves]:
        found = means(Scorer.load(precision=precision, device=device))
        same, campaigns = same_tops(truth, found)
        say(
            step="agreement", device=device, precision=precision, n=len(images),
            srcc=round(float(stats.spearmanr(truth, found).statistic), 6),
            largest=round(float(np.abs(truth - found).max()), 6), same_tops=f"{same} of {campaigns}",
        )  # fmt: skip


def encoder_alone(build: Any, prepared: list[Prepared], device: str, precision: str, say: Any) -> None:
    """Step 2, on images of one canvas."""
    encoder = build(precision, device)
    sizes = (8, 32, 64, 128, 256) if device == "cuda" else (1, 8, 32)
    for size in sizes:
        encoder.at_once = size
        some = (prepared * (size // len(prepared) + 1))[: max(size, 8)]
        encoder.encode(some)
        rounds, begin = 0, time.perf_counter()
        while time.perf_counter() - begin < 1.5:
            encoder.encode(some)
            rounds += 1
        seconds = time.perf_counter() - begin
        memory = torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else 0
        say(
            step="encoder", encoder=encoder.name, where=encoder.where, at_once=encoder.at_once,
            images_per_second=round(rounds * len(some) / seconds, 1), gpu_mb=round(memory),
        )  # fmt: skip


def whole(images: list[Path], folder: Path, device: str, threads: int, say: Any) -> None:
    """Step 3: `abkit score` with so many decoding threads."""
    made = make_workspace(folder / f"work-{device}-{threads}")
    settings = load_settings(made.config).on_device(device)
    devices.prefer(device)
    scorer = Scorer.load()
    scorer.score(images[0])  # CUDA starts with the first image
    spent = 0.0
    encode = scorer.encode

    def timed(batch: Any) -> Any:
        nonlocal spent
        begin = time.perf_counter()
        found = encode(batch)
        spent += time.perf_counter() - begin
        return found

    scorer.encode = timed
    active_model.load_scorer = lambda _: scorer
    image_files._cores = lambda: threads
    store = Store(settings.store_url)
    begin, cpu = time.perf_counter(), time.process_time()
    result = score_paths(store, settings, images, campaign="benchmark")
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    if not all(file.status == "scored" for file in result.files):
        sys.exit("an image was not scored")
    say(
        step="score", where=scorer.encoder.where, threads=threads, n=len(images), at_once=scorer.encoder.at_once,
        images_per_second=round(len(images) / seconds, 1), encoder_share=round(spent / seconds, 3),
        core_seconds_per_1000=round(cpu / len(images) * 1000, 2),
        memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    )  # fmt: skip
    store.close()


def main() -> None:
    """Measure and print, one line of JSON per figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--judged", type=int, default=240, help="how many images step 1 looks at")
    parser.add_argument("--folder", type=Path, help="the images that step 1 looks at; made ones without")
    parser.add_argument("--device", choices=devices.DEVICES, default="auto")
    parser.add_argument("--random", action="append", default=[], metavar="timm:MODEL")
    parser.add_argument("--out", type=Path, help="write the lines to this file too")
    options = parser.parse_args()
    device = devices.chosen(options.device).type
    lines = []

    def say(**figures: Any) -> None:
        line = json.dumps(figures, ensure_ascii=False)
        lines.append(line)
        print(line, flush=True)
        if options.out:
            options.out.write_text("\n".join(lines) + "\n")

    say(
        step="machine", device=devices.name_of(torch.device(device)), cores=image_files._cores(),
        machine=platform.machine(), python=platform.python_version(), torch=torch.__version__,
        pillow=Image.__version__, load=os.getloadavg()[0],
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.folder:
            found = sorted(options.folder.rglob("*"))
            judged = [path for path in found if path.suffix.lower() in (".jpg", ".jpeg", ".png")][: options.judged]
        else:
            judged = make_images(folder / "judged", options.judged)
        if not judged:
            sys.exit("there are no images")
        agreement(judged, device, say)
        shipped = Scorer.load(device=device)
        square = [shipped.prepare(Image.effect_noise((320, 320), 60).convert("RGB"))] * 8
        for precision in ["float32", "auto"]:
            encoder_alone(
                lambda precision, device: Scorer.load(precision=precision, device=device).encoder,
                square, device, precision, say,
            )  # fmt: skip
        for name in options.random:
            exact = random_encoder(name, "float32", device)
            halves = [exact, random_encoder(name, "auto", device)]
            prepared = [exact.prepare(open_image(path).image) for path in judged[:32]]
            one, other = (encoder.encode(prepared).embedding for encoder in halves)
            similar = torch.nn.functional.cosine_similarity(one, other).min()
            say(
                step="agreement",
                encoder=name,
                where=halves[1].where,
                n=len(prepared),
                least_cosine=round(float(similar), 6),
            )
            square = [exact.prepare(Image.effect_noise((448, 448), 60).convert("RGB"))] * 8
            encoder_alone(lambda p, d, name=name: random_encoder(name, p, d), square, device, "auto", say)
        images = make_images(folder / "images", options.images)
        cores = image_files._cores()
        for threads in sorted({1, 2, 4, 8, cores}):
            if threads <= cores:
                whole(images, folder, device, threads, say)


if __name__ == "__main__":
    main()
