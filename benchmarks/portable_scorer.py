"""Compare exported scorers with the original on a folder of images: agreement, size and speed.

    python benchmarks/portable_scorer.py IMAGES [--checkpoint FOLDER]

For float32 and for 8-bit integers: the rank correlation of copy and original, the largest difference in steps of the
scale, the size of the graph, and the seconds per image of both as a ratio, measured in turns with one thread each. Half
of the images set the ranges of the integers; the other half is judged. The original computes in float32.
"""

import argparse
import tempfile
from pathlib import Path

from abkit.intake.media.images import find_images
from abkit_model.portable.export import export_scorer
from abkit_model.scorer import Scorer


def main() -> None:
    """Print one line per precision."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("--checkpoint", type=Path)
    chosen = parser.parse_args()
    scorer = Scorer.load(chosen.checkpoint)
    images = list(find_images([chosen.images]).files)
    print(f"{'precision':<10}{'n':>6}{'SRCC':>9}{'largest':>9}{'MB':>8}{'s/image':>9}{'torch':>9}{'ratio':>7}")
    for int8 in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            found = export_scorer(scorer, Path(folder) / "copy", images=images, int8=int8)
        print(
            f"{found.precision:<10}{found.n:>6}{found.srcc:>9.4f}{found.largest:>9.3f}{found.megabytes:>8.1f}"
            f"{found.seconds:>9.4f}{found.original_seconds:>9.4f}{found.seconds / found.original_seconds:>7.2f}"
        )


if __name__ == "__main__":
    main()
