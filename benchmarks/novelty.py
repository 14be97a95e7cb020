"""Does novelty warn: which images do queries trained on photographs call unlike anything that they were trained on?

python benchmarks/novelty.py [--data $ABKIT_TESTDATA] [--shape squeeze|crop] [--most 150] [--cache FOLDER]

The protocol, written before the figures. Nothing that is not in the image may help: no file size, no aspect ratio, no
compression of one source.

1. Of each set at most MOST images, drawn with seed 0. Bars are cut off (rows and columns at the edge that are like the
   outermost one), then every image is made 384 × 384 pixels, squeezed or its square middle cropped, and written as JPEG
   of one quality (88, without subsampling). A squeezed banner keeps all that it says; a cropped one loses most of it.
2. Photographs: flagged against the photographs of the other four of five folds, dealt by subject, by the limit that the
   folds give (the shipped one). So are blurred (radius 4 pixels), washed-out (0.4 of color and contrast) and cropped
   (the middle half of both sides) photographs, a third of MOST each.
3. All other sets: flagged by the shipped queries.
4. After training on a kind: half of its images give the reference and, in five folds, the limit; flagged are those of
   the other half.
5. Shares with 95 % intervals by Wilson's score; the demands are those of the project: at least 80 % of web ads, pages
   and templates, at most 5 % + 2 standard errors of photographs, at most 10 % of a kind that was trained on.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from abkit.stats.proportions.single import wilson
from abkit_model.data.tokens import TokenCache, extract, split
from abkit_model.encoders.frozen import Row
from abkit_model.evaluation.metrics import grouped_folds
from abkit_model.images import open_image
from abkit_model.novelty import TextureReference, novelty_limit
from abkit_model.scorer import Scorer

SIDE, QUALITY = 384, 88
BAR = 12  # levels by which a row may differ from the outermost one on average and still be a bar
SETS = {
    "web ads": "web_ads_rated/images",
    "web pages": "webpages_rated/images",
    "ad templates (Smadex)": "smadex_synthetic/assets",
    "thumbnails": "youtube_trending/images",
    "paintings": "pairwise_paintings/images",
}


def without_bars(image: Image.Image) -> Image.Image:
    """Cut off rows and columns at the edges that look like the outermost one."""
    pixels = np.asarray(image).astype(np.int16)
    cuts = [_bar(pixels), _bar(pixels[::-1])]
    sideways = pixels.transpose(1, 0, 2)
    left, right = _bar(sideways), _bar(sideways[::-1])
    return image.crop((left, cuts[0], image.width - right, image.height - cuts[1]))


def _bar(pixels: np.ndarray) -> int:
    outermost = pixels[0].mean(axis=0)
    depth = 0
    while depth < 0.4 * len(pixels):
        off = np.abs(pixels[depth] - outermost)
        if off.max() > 2 * BAR or off.mean() > BAR / 2:
            break
        depth += 1
    return depth


def encoded_anew(image: Image.Image, shape: str, change: Callable[[Image.Image], Image.Image] | None) -> Image.Image:
    """Bring an image to the one size and quality of all."""
    image = without_bars(image)
    if shape == "crop":
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    image = image.resize((SIDE, SIDE), Image.Resampling.BICUBIC, reducing_gap=3)
    image = change(image) if change else image
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=QUALITY, subsampling=0)
    return Image.open(stream).convert("RGB")


def rows_of(
    paths: Sequence[Path],
    scorer: Scorer,
    cache: TokenCache | None,
    shape: str,
    change: Callable[[Image.Image], Image.Image] | None = None,
) -> list[Row]:
    """Encode images after they were brought to the one size and quality."""
    rows = []
    for path in paths:
        image = encoded_anew(open_image(path).image, shape, change)
        digest = hashlib.sha256(repr(image.size).encode() + image.tobytes()).hexdigest()
        row = cache.get(digest, scorer.encoder.fingerprint) if cache else None
        if row is None:
            row = split(scorer.encode([scorer.prepare(image)]), 0)
            if cache:
                cache.put(digest, scorer.encoder.fingerprint, row)
        rows.append((row[0].half(), *row[1:]))
    return rows


def blurred(image: Image.Image) -> Image.Image:
    """Blur an image."""
    return image.filter(ImageFilter.GaussianBlur(4))


def washed_out(image: Image.Image) -> Image.Image:
    """Take most of the color and the contrast out of an image."""
    return ImageEnhance.Contrast(ImageEnhance.Color(image).enhance(0.4)).enhance(0.4)


def middle(image: Image.Image) -> Image.Image:
    """Crop an image to the middle half of both sides."""
    w, h = image.size
    return image.crop((w // 4, h // 4, 3 * w // 4, 3 * h // 4)).resize(image.size, Image.Resampling.BICUBIC)


def drawn(folder: Path, most: int) -> list[Path]:
    """Draw at most so many of a folder's images."""
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if len(paths) <= most:
        return paths
    return [paths[i] for i in sorted(np.random.default_rng(0).choice(len(paths), most, replace=False))]


def report(name: str, flagged: np.ndarray, demand: str) -> None:
    """Print one line of the table."""
    low, high = wilson(int(flagged.sum()), len(flagged), 1.959964)
    print(f"{name:42} {len(flagged):5} {flagged.mean():7.3f} [{low:.3f}, {high:.3f}]  {demand}", flush=True)


def main(data: Path, shape: str, most: int, cache: TokenCache | None) -> None:
    """Print the table."""
    scorer = Scorer.load()
    texture, limit = scorer.texture, scorer.card.novelty_limit
    if texture is None or limit is None:
        raise SystemExit("the shipped queries have no reference of textures")
    channels = scorer.encoder.texture
    print(f"{'images':42} {'n':>5} {'flagged':>7} {'95 % interval':15}   demand   (384 × 384, {shape})")
    with (data / "oasis_beauty/ratings_per_image.csv").open(encoding="utf-8") as file:
        subject = {row["file"]: row["subject"] for row in csv.DictReader(file)}
    photographs = [data / "oasis_beauty/images" / name for name in subject]
    originals = extract(photographs, scorer.encoder, cache=cache)[0].rows
    folds = grouped_folds(list(subject.values()), folds=5, seed=0)
    references = [
        TextureReference.fit([originals[i] for i in np.flatnonzero(folds != fold)], channels) for fold in range(5)
    ]
    fold_of = dict(zip(subject, folds.tolist(), strict=True))
    changes = {"photographs, held out": (None, most), "blurred": (blurred, most // 3)}
    changes |= {"washed out": (washed_out, most // 3), "cropped": (middle, most // 3)}
    for name, (change, count) in changes.items():
        chosen = drawn(data / "oasis_beauty/images", count)
        rows = rows_of(chosen, scorer, cache, shape, change)
        far = [references[fold_of[p.name]].distances([r])[0] > limit for p, r in zip(chosen, rows, strict=True)]
        demand = f"≤ {0.05 + 2 * (0.05 * 0.95 / len(chosen)) ** 0.5:.3f}" if change is None else "reported"
        report(name, np.array(far), demand)
    kinds = {name: rows_of(drawn(data / folder, most), scorer, cache, shape) for name, folder in SETS.items()}
    for name, rows in kinds.items():
        demand = "reported" if name == "paintings" else "aim 0.8" if name == "thumbnails" else "≥ 0.8"
        report(name, texture.distances(rows) > limit, demand)
    for name, rows in kinds.items():
        order = np.random.default_rng(1).permutation(len(rows))
        own, new = [rows[i] for i in order[::2]], [rows[i] for i in order[1::2]]
        inside = np.arange(len(own)) % 5
        held = np.zeros(len(own))
        for fold in range(5):
            others = TextureReference.fit([own[i] for i in np.flatnonzero(inside != fold)], channels)
            held[inside == fold] = others.distances([own[i] for i in np.flatnonzero(inside == fold)])
        found = TextureReference.fit(own, channels).distances(new) > (novelty_limit(held) or np.inf)
        report(f"{name}, after training on {len(own)} others", found, "≤ 0.1")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("ABKIT_TESTDATA"))
    parser.add_argument("--shape", choices=("squeeze", "crop"), default="squeeze")
    parser.add_argument("--most", type=int, default=150)
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    if options.data is None:
        parser.error("name the data with --data or ABKIT_TESTDATA")
    kept = TokenCache(options.cache, 12 * 2**30) if options.cache else None
    main(options.data, options.shape, options.most, kept)
