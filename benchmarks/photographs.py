"""The rated photographs that several benchmarks look at: a folder with `ratings_per_image.csv` and `images`."""

import csv
from pathlib import Path

import numpy as np

from abkit_model.data.dataset import Examples, load_dataset
from abkit_model.data.tokens import TokenCache
from abkit_model.encoders.load import load_encoder


def load(folder: Path, column: str, cache: Path | None) -> tuple[Examples, list[str], np.ndarray]:
    """The photographs with their ratings, their file names, and what a column of the table says of each."""
    table = folder / "ratings_per_image.csv"
    tokens = TokenCache(cache) if cache else None
    dataset = load_dataset(table, folder / "images", load_encoder(), group_column="subject", cache=tokens)
    with table.open(encoding="utf-8") as file:
        value = {row["file"]: row[column] for row in csv.DictReader(file)}
    missing = dict(dataset.missing)
    names = [name for name in dataset.table.images if name not in missing]
    return dataset.examples, names, np.array([value[name] for name in names])
