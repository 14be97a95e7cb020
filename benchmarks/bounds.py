"""What bounds on repeated or hostile work save: each against the work without its bound, in one run.

    python benchmarks/bounds.py [--creatives 10000]

Printed are seconds of processor time and their ratio:

- hashes: pairs of creatives whose hashes are near, among hashes that share a part, and among all of them;
- texts: an image with compressed texts that unpack to gigabytes, and the same image without them;
- animation: 10,000 blank frames, and 200 of them;
- pattern: a name that fits a pattern in very many ways, and one that fits in one way;
- ratings: votes on eight images into an empty store, and the same rows read by the csv module.
"""

import argparse
import csv
import struct
import tempfile
import time
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from abkit.config import Settings
from abkit.intake.media.images import COPY_BITS
from abkit.intake.name_patterns import parse_pattern
from abkit.store.catalog.ideas import Member
from abkit.store.database import migrate
from abkit.store.database.engine import Store
from abkit.workflows.ratings.import_ratings import import_labels
from abkit.workflows.scoring import same_idea
from abkit_model.images import open_image

VOTES = 20_000


def seconds(work: Callable[[], object]) -> float:
    """Return the processor time of a call, the least of three."""
    taken = []
    for _ in range(3):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return min(taken)


def show(what: str, bounded: float, other: float, beside: str) -> None:
    """Print one line."""
    print(f"{what:<10}{bounded:9.3f} s {other:9.3f} s {beside:<34} ratio {bounded / max(other, 1e-6):8.3f}")


def hashes(count: int) -> None:
    """Compare hashes that share a part, and all of them; both have to find the same pairs."""
    bits = np.random.default_rng(0).integers(0, 2**63, count).astype(np.uint64)
    bits[1::100] = bits[::100][: len(bits[1::100])] ^ np.uint64(5)
    everyone = [
        Member(
            creative_id=number, sha256="", perceptual_hash=f"{int(one):016x}", width=100, height=100,
            idea=None, source=None, vector=None,
        )
        for number, one in enumerate(bits)
    ]  # fmt: skip
    found: dict[str, set[tuple[int, int]]] = {}

    def by_parts() -> None:
        near = same_idea._near(everyone, np.ones(count, bool), COPY_BITS, lambda one, other: one != other)
        found["parts"] = {(one.creative_id, other.creative_id) for one, other, _ in near}

    def everyone_with_everyone() -> None:
        all_of_them = same_idea._hashes(everyone)
        found["all"] = {
            (first, first + 1 + int(more))
            for first in range(count)
            for more in np.flatnonzero(same_idea._ones(all_of_them[first + 1 :] ^ all_of_them[first]) <= COPY_BITS)
        }

    show("hashes", seconds(by_parts), seconds(everyone_with_everyone), "everyone with everyone")
    if found["parts"] != found["all"]:
        raise SystemExit("the two ways find different pairs")


def texts() -> None:
    """Open an image with 60 texts of 50 MB each, and the image alone."""
    buffer = BytesIO()
    pixels = np.random.default_rng(1).integers(0, 255, (640, 640, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    plain = buffer.getvalue()
    body = b"Comment\0\0" + zlib.compress(bytes(50 * 2**20), 9)
    bomb = struct.pack(">I", len(body)) + b"zTXt" + body + struct.pack(">I", zlib.crc32(b"zTXt" + body))
    with_texts = plain[:33] + bomb * 60 + plain[33:]
    show("texts", seconds(lambda: open_image(with_texts)), seconds(lambda: open_image(plain)), "without the texts")


def animation() -> None:
    """Open blank animations of 10,000 and of 200 frames."""
    buffer = BytesIO()
    white = Image.new("P", (1000, 1000), 0)
    white.putpalette([255, 255, 255, 0, 0, 0])
    white.save(buffer, "GIF")
    once = buffer.getvalue()
    start, body = once[: once.index(b",")], once[once.index(b",") : -1]
    long, short = (start + body * count + b";" for count in (10_000, 200))
    show("animation", seconds(lambda: open_image(long)), seconds(lambda: open_image(short)), "200 frames")


def pattern() -> None:
    """Read a name of 150 words, and one that has as many words as there are fields."""
    fields = parse_pattern("_".join(f"{{f{n}}}" for n in range(12)))
    many, one = "_".join("a" * 150), "_".join("a" * 12)
    show("pattern", seconds(lambda: fields.read(many)), seconds(lambda: fields.read(one)), "a name of twelve words")


def ratings() -> None:
    """Import votes, and read them."""
    with tempfile.TemporaryDirectory(prefix="abkit-bench-") as made:
        folder = Path(made)
        for number in range(8):
            pixels = np.random.default_rng(number).integers(0, 255, (64, 64, 3), np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
        rows = (f"rater {n // 8},{n % 8}.png,{n % 7 + 1}\n" for n in range(VOTES))
        (folder / "votes.csv").write_text("rater,image,score\n" + "".join(rows))
        stores = iter(range(3))

        def imported() -> None:
            store = Store(f"sqlite:///{folder / f'{next(stores)}.db'}")
            migrate.upgrade(store)
            result = import_labels(store, Settings(), folder / "votes.csv", folder, scale=(1, 7))
            store.close()
            if (result.imported, result.rejected) != (VOTES, 0):
                raise SystemExit(f"{result.imported} of {VOTES} votes imported")

        def read() -> None:
            with (folder / "votes.csv").open(newline="") as file:
                list(csv.DictReader(file))

        show("ratings", seconds(imported), seconds(read), f"{VOTES:,} votes read by the csv module")


def main() -> None:
    """Print one line per bound."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--creatives", type=int, default=10_000)
    options = parser.parse_args()
    hashes(options.creatives)
    texts()
    animation()
    pattern()
    ratings()


if __name__ == "__main__":
    main()
