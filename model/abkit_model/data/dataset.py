"""Pictures joined with what people said about them: rating tables, and choices between pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from abkit_model.data.csv_table import is_inside
from abkit_model.data.labels import MIN_IMAGES, RatingTable, read_ratings
from abkit_model.data.tokens import Features, TokenCache, extract
from abkit_model.encoders.frozen import FrozenEncoder
from abkit_model.errors import LabelError

Floats = NDArray[np.float64]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Examples:
    """Pictures with what people said about them.

    Attributes:
        views: The same pictures as they are and, when there is a second one, mirrored.
        targets: `(n, S)`, shares of ratings.
        values: `(S,)`, the rating that each bin stands for.
        groups: Subject of each picture; near-duplicates share one.
    """

    views: Sequence[Features]
    targets: Floats
    values: Floats
    groups: Sequence[str]

    def subset(self, keep: NDArray[np.intp]) -> Examples:
        """The pictures at some positions."""
        return Examples(
            [view.subset(keep) for view in self.views], self.targets[keep], self.values, [self.groups[i] for i in keep]
        )


@dataclass(frozen=True)
class Preferences:
    """Pairs of pictures of which people, or audiences, preferred one.

    Attributes:
        views: The pictures, as they are and, when there is a second one, mirrored.
        first: (pairs,), position of the first picture.
        second: (pairs,), position of the other.
        share: (pairs,), share of choices for the first, 0 … 1.
        weight: (pairs,), votes behind it, or how sure the outcome is.
    """

    views: Sequence[Features]
    first: NDArray[np.intp]
    second: NDArray[np.intp]
    share: Floats
    weight: Floats

    def without(self, sha256: Set[str]) -> Preferences | None:
        """The pairs that show none of these pictures, with the pictures that they show; None when no pair is left."""
        hidden = np.array([digest in sha256 for digest in self.views[0].sha256], dtype=bool)
        keep = ~(hidden[self.first] | hidden[self.second])
        return self.subset(keep) if keep.any() else None

    def subset(self, keep: NDArray[np.bool_]) -> Preferences:
        """Some of the pairs, with the pictures that they show."""
        shown, places = np.unique(np.stack([self.first[keep], self.second[keep]]), return_inverse=True)
        first, second = places.reshape(2, -1)
        views = [view.subset(shown) for view in self.views]
        return Preferences(views, first, second, self.share[keep], self.weight[keep])


@dataclass(frozen=True)
class Dataset:
    """A rating table joined with the pictures that could be read.

    Attributes:
        table: As read.
        examples: Pictures with targets, in the order of the table.
        missing: Image and reason for each picture of the table that could not be used.
    """

    table: RatingTable
    examples: Examples
    missing: tuple[tuple[str, str], ...]


def load_dataset(
    table: Path,
    images: Path,
    encoder: FrozenEncoder,
    *,
    image_column: str | None = None,
    group_column: str | None = None,
    scale: tuple[float, float] | None = None,
    correct_raters: bool = False,
    mirrored: bool = True,
    cache: TokenCache | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Read ratings and look at the pictures, once as they are and, for training, once mirrored.

    Raises:
        LabelError: a table that cannot be used, or too few pictures found.
    """
    ratings = read_ratings(
        table, image_column=image_column, group_column=group_column, scale=scale, correct_raters=correct_raters
    )
    paths = [images / name for name in ratings.images]
    refused = outside(paths, images)
    usable = [i for i in range(len(paths)) if i not in refused]
    views = []
    looks = (False, True) if mirrored else (False,)
    for number, flip in enumerate(looks):
        step = (
            (lambda done, total, n=number: progress("tokens", n * total + done, len(looks) * total))
            if progress
            else None
        )
        view, rejected = extract([paths[i] for i in usable], encoder, cache=cache, mirrored=flip, progress=step)
        refused |= {usable[i]: reason for i, reason in rejected.items()}
        views.append(view)
    kept = np.array([i for i in range(len(paths)) if i not in refused], dtype=np.intp)
    missing = tuple((ratings.images[i], reason) for i, reason in sorted(refused.items()))
    if len(kept) < MIN_IMAGES:
        first = f"; the first: {missing[0][0]}: {missing[0][1]}" if missing else ""
        raise LabelError(
            f"{len(kept)} of {len(paths)} rated pictures are usable in {images}, {MIN_IMAGES} are needed{first}",
            "check the folder of images and the column with their names",
        )
    groups = tied([ratings.groups[i] for i in kept], views[0].sha256)
    return Dataset(ratings, Examples(views, ratings.distributions[kept], ratings.scale.values, groups), missing)


def outside(paths: Sequence[Path], folder: Path) -> dict[int, str]:
    """Positions of the paths that lead out of a folder, with the reason."""
    return {i: "outside the folder of images" for i, path in enumerate(paths) if not is_inside(path, folder)}


def tied(groups: Sequence[str], sha256: Sequence[str]) -> list[str]:
    """Groups in which pictures of the same content are together, whatever their names: `(n,)`.

    A copy that lies in another fold is no held-out picture.

    >>> tied(["dog", "cat", "sea"], ["a", "b", "a"])
    ['dog', 'cat', 'dog']
    """
    parent = {group: group for group in groups}

    def root(group: str) -> str:
        while parent[group] != group:
            group = parent[group]
        return group

    first: dict[str, str] = {}
    for group, digest in zip(groups, sha256, strict=True):
        parent[root(group)] = root(first.setdefault(digest, group))
    return [root(group) for group in groups]
