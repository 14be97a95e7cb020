"""Images per second with and without a GPU, and the share of the time that the encoder itself takes.

    python benchmarks/gpu.py [--images 1024] [--folder FOLDER] [--device auto] [--random MODEL] [--out FILE]

It runs on any machine; without CUDA it measures the processor. What is asked was fixed before anything was measured:

1. Agreement. The scores of the shipped scorer in half precision and in float32 on the device, against float32 on the
   processor: SRCC, the largest difference in steps of the scale, and in how many campaigns (of twelve images each, in
   the order of the files) the same five are on top, but for ties within 0.02.
2. The encoder alone, on images that lie prepared in memory, by how many go through at once; and what a number of images
   costs that it has not met yet, as the last batch of a shape has.
3. The whole of `abkit score`, in a new workspace and a process that has encoded one image: files are hashed, decoded,
   encoded, scored, logged, and tokens are kept. Beside the images per second stand the shares of the time that went to
   the encoder, to waiting for decoded images, to the queries, to the store, and to keeping tokens. It is told of all
   cores of the machine, and for comparison of fewer: processes decode beside a GPU and four cores, threads otherwise.

With `--random` steps 1 and 2 are done with a transformer whose weights are drawn at random too, `timm:MODEL` or
`openclip:MODEL`: its arithmetic and its speed are those of trained weights. Agreement is that of its embeddings then.
With `--leave` another process takes all memory of the GPU but so many MB, and the transformer has to fit its batch.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image
from scipy import stats

from abkit.config import load_settings
from abkit.store.database.engine import Store
from abkit.workflows import active_model
from abkit.workflows.scoring import image_files, score
from abkit.workflows.scoring.kept_tokens import KeptTokens
from abkit.workflows.upkeep.workspace import make_workspace
from abkit_model import devices
from abkit_model.encoders import libraries
from abkit_model.encoders.frozen import FrozenEncoder
from abkit_model.encoders.load import load_encoder
from abkit_model.encoders.names import Name
from abkit_model.encoders.openclip import OpenCLIPTower
from abkit_model.encoders.timm_tower import TransformerTrunk
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


def random_encoder(name: str, precision: str, device: str, folder: Path) -> FrozenEncoder:
    """A transformer with random weights, the same ones each time."""
    torch.manual_seed(0)
    kind, _, model = name.partition(":")
    if kind == "openclip":
        weights = folder / f"{model}.pt"
        if not weights.exists():
            made = libraries.load("open_clip").create_model(model, pretrained=None)
            torch.save(made.state_dict(), weights)
        tags = libraries.load("open_clip").list_pretrained_tags_by_model(model)  # they say how colors are normalized
        return load_encoder(f"{name}/{weights}" + "".join(f"@tag={tag}" for tag in tags[:1]), precision, device=device)
    trunk = libraries.load("timm").create_model(model, pretrained=False, num_classes=0, dynamic_img_size=True)
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
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        rounds, begin = 0, time.perf_counter()
        while time.perf_counter() - begin < 1.5:
            encoder.encode(some)
            rounds += 1
        seconds = time.perf_counter() - begin
        memory = torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else 0
        say(
            step="encoder", encoder=encoder.name.partition("/")[0], where=encoder.where, at_once=encoder.at_once,
            images_per_second=round(rounds * len(some) / seconds, 1), gpu_mb=round(memory),
        )  # fmt: skip


def timed(encoder: FrozenEncoder, images: list[Prepared]) -> float:
    """Milliseconds that some images take."""
    begin = time.perf_counter()
    encoder.encode(images)
    return round(1000 * (time.perf_counter() - begin), 1)


def numbers_not_met(encoder: FrozenEncoder, prepared: list[Prepared], say: Any) -> None:
    """Step 2: what a number of images costs that has not gone through together before, and once more."""
    for number in (11, 21):
        some = (prepared * number)[:number]
        say(step="a number of images not met before", n=number, ms=[timed(encoder, some) for _ in range(3)])


def crowded(build: Any, prepared: list[Prepared], leave_mb: int, say: Any) -> None:
    """Encode while another process has nearly all memory of the GPU."""
    roomy = build().encode(prepared).embedding
    torch.cuda.empty_cache()
    take = torch.cuda.mem_get_info()[0] - leave_mb * 2**20
    code = f"import torch; taken = torch.empty({take}, dtype=torch.uint8, device='cuda'); print('has it'); input()"
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        other.stdout.readline()
        encoder, free = build(), torch.cuda.mem_get_info()[0] // 2**20
        before, seconds = encoder.at_once, timed(encoder, prepared) / 1000
        tight = encoder.encode(prepared).embedding
    finally:
        other.communicate(b"\n")
    similar = torch.nn.functional.cosine_similarity(roomy, tight).min()
    say(
        step="crowded", encoder=encoder.name.partition("/")[0], free_mb=free, n=len(prepared),
        at_once=[before, encoder.at_once], seconds=round(seconds, 2), least_cosine=round(float(similar), 6),
    )  # fmt: skip


class Parts:
    """Seconds spent in parts of the work, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def of(self, name: str, work: Any) -> Any:
        """Return a function that does the same and is timed."""

        def measured(*arguments: Any, **named: Any) -> Any:
            begin = time.perf_counter()
            try:
                return work(*arguments, **named)
            finally:
                self.seconds[name] += time.perf_counter() - begin

        return measured

    def of_each(self, name: str, work: Any) -> Any:
        """Return a generator function that does the same; what it takes until it yields is timed."""

        def measured(*arguments: Any, **named: Any) -> Any:
            step, end = self.of(name, next), object()
            found = work(*arguments, **named)
            while (one := step(found, end)) is not end:
                yield one

        return measured


def whole(images: list[Path], folder: Path, device: str, cores: int, say: Any) -> None:
    """Step 3: `abkit score` on so many cores."""
    made = make_workspace(folder / f"work-{device}-{cores}")
    settings = load_settings(made.config).on_device(device)
    devices.prefer(device)
    scorer = Scorer.load()
    scorer.score(images[0])  # CUDA starts with the first image
    parts = Parts()
    scorer.encode = parts.of("encoder", scorer.encode)
    scorer.score_tokens = parts.of("queries", scorer.score_tokens)
    active_model.load_scorer = lambda _: scorer
    image_files._cores = lambda: cores
    store = Store(settings.store_url)
    begin, cpu = time.perf_counter(), sum(os.times()[:4])
    with (
        patch.object(score, "decode_batches", parts.of_each("waiting for decoders", score.decode_batches)),
        patch.object(score, "_log", parts.of("writing", score._log)),
        patch.object(KeptTokens, "keep", parts.of("keeping tokens", KeptTokens.keep)),
    ):
        result = score.score_paths(store, settings, images, campaign="benchmark")
    seconds, cpu = time.perf_counter() - begin, sum(os.times()[:4]) - cpu
    if not all(file.status == "scored" for file in result.files):
        sys.exit("an image was not scored")
    say(
        step="score", where=scorer.encoder.where, cores=cores, n=len(images), at_once=scorer.encoder.at_once,
        images_per_second=round(len(images) / seconds, 1),
        parts={name: round(spent / seconds, 3) for name, spent in parts.seconds.items()},
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
    parser.add_argument("--random", action="append", default=[], metavar="MODEL", help="timm:… or openclip:…")
    parser.add_argument("--leave", type=int, help="MB of the GPU that another process leaves to the last of --random")
    parser.add_argument("--only", choices=("score", "encoders"), help="the whole of `abkit score` alone, or all but it")
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
        if options.only != "score":
            encoders(options, folder, device, say)
        if options.only == "encoders":
            return
        images = make_images(folder / "images", options.images)
        cores = image_files._cores()
        for told in sorted({2, 4, 8, cores}, reverse=True):
            if told <= cores:
                whole(images, folder, device, told, say)


def encoders(options: argparse.Namespace, folder: Path, device: str, say: Any) -> None:
    """Steps 1 and 2."""
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
    numbers_not_met(shipped.encoder, square, say)
    for precision in ["float32", "auto"]:
        encoder_alone(
            lambda precision, device: Scorer.load(precision=precision, device=device).encoder,
            square, device, precision, say,
        )  # fmt: skip
    for name in options.random:
        build = partial(random_encoder, name, folder=folder)
        exact, half = (build(precision, device) for precision in ("float32", "auto"))
        prepared = [exact.prepare(open_image(path).image) for path in judged[:32]]
        one, other = (encoder.encode(prepared).embedding for encoder in (exact, half))
        similar = torch.nn.functional.cosine_similarity(one, other).min()
        say(
            step="agreement", encoder=name, where=half.where, n=len(prepared), least_cosine=round(float(similar), 6)
        )  # fmt: skip
        square = [exact.prepare(Image.effect_noise((448, 448), 60).convert("RGB"))] * 8
        encoder_alone(build, square, device, "auto", say)
        if options.leave and name == options.random[-1]:
            del exact, half
            crowded(partial(build, "auto", device), square * 8, options.leave, say)


if __name__ == "__main__":
    main()
