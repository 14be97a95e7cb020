"""What scoring costs, and what kept tokens save: images per second, core-seconds, memory, ratios within one run.

    python benchmarks/model_cost.py FOLDER [NUMBER]

Takes images of FOLDER (twice or more if there are fewer than NUMBER) and measures decoding, encoding and the queries
batch by batch, so that a machine that becomes busier is fair to all. Then tokens that lie in a cache on disk are
scored by one query set and by the shipped ensemble. Wall-clock seconds and processor seconds stand side by side: on a
machine with other work only the second can be compared. At the end encoding in float32 and in bfloat16, where the
processor has it, with the agreement of the scores.
"""

import itertools
import resource
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from abkit_model.data.tokens import TokenCache, split
from abkit_model.devices import half_precision
from abkit_model.encoders.frozen import collate
from abkit_model.encoders.load import load_encoder
from abkit_model.evaluation.metrics import spearman
from abkit_model.images import open_image
from abkit_model.scorer import Score, Scorer

BATCH = 32


class Clock:
    """Wall-clock and processor seconds by what they were spent on."""

    def __init__(self) -> None:
        self.wall: dict[str, float] = defaultdict(float)
        self.cpu: dict[str, float] = defaultdict(float)

    @contextmanager
    def on(self, what: str) -> Iterator[None]:
        """Count the time of a block."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.wall[what] += time.perf_counter() - wall
        self.cpu[what] += time.process_time() - cpu


def main(folder: Path, number: int) -> None:
    """Measure and print."""
    scorer = Scorer.load()
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".png", ".webp"))
    paths = list(itertools.islice(itertools.cycle(found), number))
    scorer.score(found[0])  # compiles the kernels
    members = scorer.network.members
    ensemble, single = members, torch.nn.ModuleList(list(members)[:1])
    clock = Clock()
    changed = 0.0
    with tempfile.TemporaryDirectory() as name:
        cache = TokenCache(Path(name))
        for start in range(0, number, BATCH):
            batch = range(start, min(number, start + BATCH))
            with clock.on("decode and resize"):
                prepared = [scorer.prepare(open_image(paths[i]).image) for i in batch]
            with clock.on("encode"):
                encoded = scorer.encode(prepared)
            with clock.on("queries"):
                scored = scorer.score_tokens(encoded)
            with clock.on("keep tokens"):
                for row, i in enumerate(batch):
                    cache.put(f"{i:064d}", scorer.encoder.fingerprint, split(encoded, row))
            for what, sets in (("ensemble", ensemble), ("one query set", single)):
                scorer.network.members = sets
                with clock.on(what):
                    again = _from_cache(scorer, cache, batch)
                if sets is ensemble:
                    changed = max(changed, *(abs(x.mean - y.mean) for x, y in zip(scored, again, strict=True)))
            scorer.network.members = members
    _report(clock, number, changed)
    _precisions(scorer, found[: min(len(found), number, 128)])
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def _from_cache(scorer: Scorer, cache: TokenCache, batch: range) -> list[Score]:
    rows = [cache.get(f"{i:064d}", scorer.encoder.fingerprint) for i in batch]
    kept = [row for row in rows if row is not None]
    return scorer.score_tokens(collate(kept))


def _report(clock: Clock, number: int, changed: float) -> None:
    pixels = ("decode and resize", "encode", "queries")
    wall, cpu = (sum(seconds[what] for what in pixels) for seconds in (clock.wall, clock.cpu))
    for what in (*pixels, "keep tokens"):
        print(
            f"{what:18} {clock.wall[what] / number * 1000:7.2f} ms an image, {clock.wall[what] / wall:6.1%}; "
            f"{clock.cpu[what] / number * 1000:7.2f} processor ms"
        )
    print(f"from pixels        {number / wall:7.1f} images/s, {cpu / number * 1000:.0f} core-seconds per 1,000")
    for what in ("ensemble", "one query set"):
        print(
            f"from the cache, {what}: {number / clock.wall[what]:.0f} images/s, "
            f"{wall / clock.wall[what]:.0f} times as fast as from pixels "
            f"({cpu / clock.cpu[what]:.0f} times in processor seconds)"
        )
    print(f"largest change of a score through tokens in half precision: {changed:.1e}")


def _precisions(scorer: Scorer, paths: list[Path]) -> None:
    if half_precision(torch.device("cpu")) is None:
        print("this processor does not compute with bfloat16: float32 is used")
        return
    prepared = [scorer.prepare(open_image(path).image) for path in paths]
    encoders = {name: load_encoder(scorer.card.encoder, name) for name in ("float32", "bfloat16")}
    means: dict[str, list[float]] = {name: [] for name in encoders}
    clock = Clock()
    for start in range(0, len(prepared), BATCH):
        for name, encoder in encoders.items():
            with clock.on(name):
                encoded = encoder.encode(prepared[start : start + BATCH])
            means[name] += [score.mean for score in scorer.score_tokens(encoded)]
    per: Callable[[str], float] = lambda name: clock.cpu[name] / len(prepared) * 1000  # noqa: E731
    print(
        f"encoding takes {per('float32'):.1f} processor ms in float32, {per('bfloat16'):.1f} in bfloat16; SRCC of the "
        f"scores {spearman(torch.tensor(means['float32']).numpy(), torch.tensor(means['bfloat16']).numpy()):.5f} "
        f"on {len(prepared)} images"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 256)
