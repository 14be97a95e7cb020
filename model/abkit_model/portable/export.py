"""Export a scorer, and hold the copy against the original on images before anybody uses it."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from abkit_model.checkpoint import refuse_existing
from abkit_model.errors import CheckpointError, ImageRejected, ModelError, RequestError
from abkit_model.evaluation.metrics import spearman
from abkit_model.images import Prepared, open_creative
from abkit_model.portable.files import GRAPH_FILE, write_facts
from abkit_model.portable.graph import quantize, write_graph
from abkit_model.portable.records import Exported
from abkit_model.portable.scorer import PortableScorer, batches
from abkit_model.scorer import Scorer

#: Rank correlation with the original that a copy needs, by precision.
FLOORS = {"float32": 0.999, "int8": 0.995}
#: Images that 8-bit integers need: half to measure ranges on, half to be judged on.
FEWEST_FOR_INT8 = 60
_MOST = 400

Progress = Callable[[str, int, int], None]


def export_scorer(
    scorer: Scorer,
    out: Path,
    *,
    images: Sequence[Path] = (),
    int8: bool = False,
    progress: Progress | None = None,
) -> Exported:
    """Write a scorer as ONNX into a new folder. A copy that does not agree with the original is not kept.

    Args:
        scorer: What is exported.
        out: The folder; it must be new.
        images: Images to compare on, of the kind that will be scored; generated ones without any.
        int8: Whether convolutions shall compute in 8-bit integers: smaller, and faster where the processor has them.
        progress: Called with the stage, how much of it is done, and how much there is.

    Raises:
        RequestError: 8-bit integers without enough images to measure ranges on.
        CheckpointError: The folder exists already or cannot be written.
        ModelError: The extra `onnx` is missing, or the copy does not agree with the original.
    """
    refuse_existing(out)
    scorer = scorer.on_cpu()  # where the graph is traced, and what it is compared with
    precision = "int8" if int8 else "float32"
    tell = progress or (lambda stage, done, total: None)
    prepared, left_out = _prepared(scorer, images, tell)
    if int8 and len(prepared) < FEWEST_FOR_INT8:
        raise RequestError(
            f"8-bit integers need {FEWEST_FOR_INT8} images to measure ranges on and to be judged on; "
            f"{len(prepared)} can be read",
            "name a folder with more of them: --images FOLDER",
        )
    generated = not prepared
    judged = _generated(scorer) if generated else prepared[1::2] if int8 else prepared
    with _new_folder(out) as folder:
        tell("graph", 0, 1)
        graph = write_graph(scorer, folder)
        if int8:
            small = folder / f"int8-{GRAPH_FILE}"
            quantize(graph, small, (inputs for _, inputs in batches(prepared[::2])))
            os.replace(small, graph)
        write_facts(folder, scorer.card, canvas=scorer.encoder.canvas, precision=precision)
        tell("graph", 1, 1)
        copy = PortableScorer(folder, threads=1)
        ours, theirs, seconds = _both(scorer, copy, judged, tell)
        agreement, largest = spearman(theirs, ours), float(np.abs(theirs - ours).max())
        if not agreement >= FLOORS[precision]:
            raise ModelError(
                f"the copy in {precision} ranks {len(judged)} images unlike the original (SRCC {agreement:.4f}; "
                f"{FLOORS[precision]} is needed): it was not kept",
                "export in float32" if int8 else "keep using the scorer with torch",
            )
        size = graph.stat().st_size / 1e6
    return Exported(
        folder=out,
        precision=precision,
        megabytes=size,
        n=len(judged),
        generated=generated,
        srcc=agreement,
        largest=largest,
        seconds=seconds[1],
        original_seconds=seconds[0],
        left_out=left_out,
    )


def _prepared(scorer: Scorer, images: Sequence[Path], tell: Progress) -> tuple[list[Prepared], int]:
    # Spread over the folder, so that one campaign's images alone do not decide.
    count = min(len(images), _MOST)
    chosen = [images[number * len(images) // count] for number in range(count)]
    found, left_out = [], 0
    for done, path in enumerate(chosen, start=1):
        try:
            found.append(scorer.prepare(open_creative(path).image))
        except ImageRejected:
            left_out += 1
        tell("images", done, len(chosen))
    return found, left_out


def _generated(scorer: Scorer, count: int = 32) -> list[Prepared]:
    """Return images of colored clouds in several shapes: enough to find a graph that computes something else."""
    rng = np.random.default_rng(0)
    found = []
    for number in range(count):
        width, height = [(300, 300), (480, 270), (270, 480), (400, 320)][number % 4]
        coarse = rng.uniform(0, 255, (2 + number % 9, 2 + number % 7, 3)).astype(np.uint8)
        found.append(scorer.prepare(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)))
    return found


def _both(
    scorer: Scorer, copy: PortableScorer, images: Sequence[Prepared], tell: Progress
) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[float, float]]:
    """Return the mean scores of original and copy in steps of the scale, and the seconds per image of both."""
    import torch

    scale = scorer.card.scale
    step = (scale.high - scale.low) / (scale.bins - 1)
    ours, theirs = list[float](), list[float]()
    seconds = [0.0, 0.0]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for start in range(0, len(images), 8):
            some = images[start : start + 8]
            begun = time.perf_counter()
            ours.extend(one.mean for one in scorer.score_prepared(some))
            between = time.perf_counter()
            theirs.extend(one.mean for one in copy.score_prepared(some))
            seconds[0] += between - begun
            seconds[1] += time.perf_counter() - between
            tell("compared", start + len(some), len(images))
    finally:
        torch.set_num_threads(threads)
    n = len(images)
    return np.array(ours) / step, np.array(theirs) / step, (seconds[0] / n, seconds[1] / n)


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """Yield a folder that becomes `out` when all went well, and is gone otherwise."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-"))
    except OSError as error:
        raise CheckpointError(f"{out} cannot be written: {error.strerror}", "name another folder") from error
    try:
        yield folder
        os.rename(folder, out)
    except OSError as error:
        raise CheckpointError(f"{out} cannot be written: {error.strerror}", "name another folder") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
