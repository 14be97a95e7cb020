"""Which maps say where a score comes from? Deletion, insertion, direction, and the sanity check with random weights.

    python benchmarks/faithfulness.py FOLDER [--images 48] [--seed 0] [--checkpoint DIR] [--json FILE]

The protocol, written before the figures:

1. Images: drawn with the seed from FOLDER, at most one of a subject (a file's name without the number at its end), so
   that they can be resampled as independent. The shipped queries were trained on all OASIS photographs: this measures
   whether a map explains the model, not how good the model is.
2. Maps of the score: raw attention, gradient-weighted attention, generic relevance, integrated gradients through the
   pixels, occlusion, and a random map of each image.
3. Cells are blurred (Gaussian, 20 pixels) in the order of the absolute map in 5 steps, both ends left out. Deletion and
   insertion are mean absolute distances from the image's score in rating steps. For maps with a sign also the
   direction (faithfulness.py says how).
4. The model with random weights: fresh query sets, other ones for each image, on the same encoder and
   standardization. Its maps are held against the trained model's by rank correlation over cells, and used in place of
   the trained model's own in deletion and insertion. A map that is as good with random weights shows the image.
5. Maps of queries: the same by the query's activation, in its standard deviations; the 20 queries take turns.
6. Means over images; 95 % percentile bootstrap of images, differences paired. The map that ships is the one whose
   deletion and insertion both beat random maps significantly; if there are several, the one with the better insertion.
"""

import argparse
import json
import re
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

from abkit_model.evaluation.metrics import Estimate
from abkit_model.images import open_image
from abkit_model.scorer import Scorer
from abkit_model.studies.faithfulness import Faithfulness, QueryFaithfulness, faithfulness, query_faithfulness


def chosen(folder: Path, number: int, seed: int) -> list[Path]:
    """Images of different subjects, drawn with a seed."""
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp"))
    of_subject: dict[str, Path] = {}
    for place in np.random.default_rng(seed).permutation(len(files)):
        path = files[place]
        of_subject.setdefault(re.sub(r"[\s_-]*\d+$", "", path.stem), path)
    return list(of_subject.values())[:number]


def show(rows: list[Faithfulness] | list[QueryFaithfulness]) -> None:
    """A table in Markdown."""
    names = [name for name in asdict(rows[0]) if name not in ("method", "n")]
    print("\n| map | " + " | ".join(name.replace("_", " ") for name in names) + " |")
    print("| --- |" + " --- |" * len(names))
    for row in rows:
        print(f"| {row.method} | " + " | ".join(in_words(getattr(row, name)) for name in names) + " |")


def in_words(figure: Estimate) -> str:
    """A figure with its interval."""
    if figure.value != figure.value:
        return "–"
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=48)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--json", type=Path)
    wanted = parser.parse_args()
    began = time.perf_counter()
    scorer = Scorer.load(wanted.checkpoint)
    paths = chosen(wanted.folder, wanted.images, wanted.seed)
    print(
        f"{len(paths)} images of {wanted.folder.name}, seed {wanted.seed}, {scorer.card.name} "
        f"{scorer.card.digest[:12]}: {', '.join(path.stem for path in paths)}"
    )
    images = [scorer.prepare(open_image(path).image) for path in paths]

    def progress(done: int, total: int) -> None:
        print(f"{done}/{total} {time.perf_counter() - began:.0f} s", file=sys.stderr)

    scores = faithfulness(scorer, images, seed=wanted.seed, progress=progress)
    show(scores)
    queries = query_faithfulness(scorer, images, seed=wanted.seed, progress=progress)
    show(queries)
    print(f"\n{time.perf_counter() - began:.0f} s")
    if wanted.json:
        found = {"images": [p.name for p in paths], "digest": scorer.card.digest, "seed": wanted.seed}
        tables = {"score": [asdict(row) for row in scores], "queries": [asdict(row) for row in queries]}
        wanted.json.write_text(json.dumps(found | tables, indent=1))


if __name__ == "__main__":
    main()
