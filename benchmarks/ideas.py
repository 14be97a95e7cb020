"""How far hashes and embeddings tell sizes of one idea from different images; printed per set of images.

    python benchmarks/ideas.py FOLDER [FOLDER …] [--images 40]

Of every image, sizes are made as people make them: a smaller JPEG, crops to four shapes, the image on a larger canvas,
a button drawn onto it. For each kind of size: how many are put together with their original by the rule for copies, and
how many would be suggested; for pairs of different images: how many of either (these are mistakes).
"""

import argparse
import io
import random
from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from abkit.intake.media.images import ALIKE_BITS, perceptual_hash
from abkit.store.catalog.ideas import Member
from abkit.workflows.scoring.same_idea import ALIKE_COSINE, _copies, suggestions
from abkit_model.scorer import Scorer

SHAPES = {"1:1": 1.0, "4:5": 0.8, "9:16": 9 / 16, "16:9": 16 / 9}
LEAST = 40  # pixels of a side


def sizes(image: Image.Image) -> dict[str, Image.Image]:
    """Return an image in the sizes that people make of it."""
    width, height = image.size
    small = io.BytesIO()
    image.resize((max(LEAST, width // 2), max(LEAST, height // 2))).save(small, "JPEG", quality=60)
    made = {"original": image, "half size, JPEG": Image.open(io.BytesIO(small.getvalue())).convert("RGB")}
    for name, ratio in SHAPES.items():
        w, h = (round(height * ratio), height) if width / height > ratio else (width, round(width / ratio))
        left, top = (width - w) // 2, (height - h) // 2
        made[f"crop {name}"] = image.crop((left, top, left + w, top + h))
        big = max(width, round(height * ratio)), max(height, round(width / ratio))
        canvas = Image.new("RGB", big, "white")
        canvas.paste(image, ((big[0] - width) // 2, (big[1] - height) // 2))
        made[f"on canvas {name}"] = canvas
    made["button"] = image.copy()
    ImageDraw.Draw(made["button"]).rectangle((0, int(height * 0.88), width, height), fill="black")
    return {name: one for name, one in made.items() if min(one.size) >= LEAST}


def main() -> None:
    """Print one table per folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--images", type=int, default=40)
    options = parser.parse_args()
    scorer = Scorer.load()
    for folder in options.folders:
        paths = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp")]
        random.Random(1).shuffle(paths)  # noqa: S311
        made: list[tuple[int, str, Image.Image]] = []
        for number, path in enumerate(paths[: options.images]):
            image = Image.open(path).convert("RGB")
            image.thumbnail((640, 640))
            made += [(number, name, one) for name, one in sizes(image).items()]
        print_table(folder, made, members(scorer, made))


def members(scorer: Scorer, made: list[tuple[int, str, Image.Image]]) -> list[Member]:
    """Return what the store would keep of these images."""
    vectors: list[np.ndarray] = []
    for start in range(0, len(made), 16):
        vectors += [score.embedding for score in scorer.score([one for _, _, one in made[start : start + 16]])]
    return [
        Member(
            creative_id=id_,
            sha256="",
            perceptual_hash=perceptual_hash(one),
            width=one.width,
            height=one.height,
            idea=None,
            source=None,
            vector=vector.astype("<f2").tobytes(),
        )
        for id_, ((_, _, one), vector) in enumerate(zip(made, vectors, strict=True))
    ]


def print_table(folder: Path, made: list[tuple[int, str, Image.Image]], everyone: list[Member]) -> None:
    """Print how many pairs each rule finds, of every kind."""
    joined = {frozenset((a.creative_id, b.creative_id)) for a, b in _copies(everyone, range(len(everyone)))}
    numbers = {one.creative_id: str(one.creative_id) for one in everyone}
    found = suggestions(everyone, numbers, dict.fromkeys(numbers, ("", "")))
    suggested = {frozenset((int(one.first), int(one.second))) for one in found}
    counts: dict[str, list[int]] = {}
    for (a, (first, kind_a, _)), (b, (second, kind_b, _)) in combinations(enumerate(made), 2):
        if first != second:
            kind = "different images"
        elif "original" in (kind_a, kind_b):
            kind = kind_b if kind_a == "original" else kind_a
        else:
            continue
        count = counts.setdefault(kind, [0, 0, 0])
        pair = frozenset((a, b))
        count[0] += 1
        count[1] += pair in joined
        count[2] += pair in suggested
    print(f"{folder}: hash within {ALIKE_BITS} bits or cosine from {ALIKE_COSINE} is suggested")
    print(f"{'pair':<22}{'n':>8}{'joined':>9}{'suggested':>11}")
    for kind, (n, together, maybe) in counts.items():
        print(f"{kind:<22}{n:>8,}{together / n:>9.4f}{maybe / n:>11.4f}")


if __name__ == "__main__":
    main()
