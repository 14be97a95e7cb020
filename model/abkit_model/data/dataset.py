"""Images joined with what is known about them: ratings, comparisons of two images, and outcomes of campaigns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from abkit_model.data.comparisons import MIN_PAIRS, ComparisonTable, read_comparisons
from abkit_model.data.csv_table import files_named, is_inside
from abkit_model.data.files.tables import TableOptions
from abkit_model.data.labels import MIN_IMAGES, RatingTable, read_ratings
from abkit_model.data.outcomes import MIN_CREATIVES, OutcomeTable, read_outcomes
from abkit_model.data.tokens import Features, TokenCache, extract
from abkit_model.encoders.frozen import FrozenEncoder
from abkit_model.errors import LabelError

Floats = NDArray[np.float64]
Progress = Callable[[str, int, int], None]
#: Name of each image that could not be used, and the reason.
Missing = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Examples:
    """Images with what people said about them.

    Attributes:
        views: The same images as they are and, when there is a second view, mirrored.
        targets: `(n, S)`, shares of ratings.
        values: `(S,)`, the rating that each bin stands for.
        groups: Subject of each image; near-duplicates share one.
    """

    views: Sequence[Features]
    targets: Floats
    values: Floats
    groups: Sequence[str]

    def subset(self, keep: NDArray[np.intp]) -> Examples:
        """Return the images at some positions."""
        return Examples(
            [view.subset(keep) for view in self.views], self.targets[keep], self.values, [self.groups[i] for i in keep]
        )


@dataclass(frozen=True)
class Comparisons:
    """Pairs of images of which people, or audiences, preferred one.

    Attributes:
        views: The images as they are and, when there is a second view, mirrored.
        first: (pairs,), position of the first image.
        second: (pairs,), position of the other.
        share: (pairs,), share of votes for the first, 0 … 1.
        weight: (pairs,), votes behind it, or how certain the outcome is.
    """

    views: Sequence[Features]
    first: NDArray[np.intp]
    second: NDArray[np.intp]
    share: Floats
    weight: Floats

    def without(self, sha256: Set[str]) -> Comparisons | None:
        """Return the pairs that show none of these images, with the images they show; None when no pair is left."""
        hidden = np.array([digest in sha256 for digest in self.views[0].sha256], dtype=bool)
        keep = ~(hidden[self.first] | hidden[self.second])
        return self.subset(keep) if keep.any() else None

    def subset(self, keep: NDArray[np.bool_]) -> Comparisons:
        """Return some of the pairs, with the images that they show."""
        shown, places = np.unique(np.stack([self.first[keep], self.second[keep]]), return_inverse=True)
        first, second = places.reshape(2, -1)
        views = [view.subset(shown) for view in self.views]
        return Comparisons(views, first, second, self.share[keep], self.weight[keep])


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """Images that ran beside others, and what became of each: one row per image and cell.

    Attributes:
        views: The images as they are and, when there is a second view, mirrored.
        image: `(rows,)`, position of the image.
        cell: `(rows,)`, number of the campaign and source that the row is compared within.
        randomized: `(rows,)`, whether chance decided who saw it.
        appeal: `(rows,)`, logarithm of events over those expected.
        variance: `(rows,)`, sampling variance of the appeal.
        events, expected: `(rows,)`, counts; NaN where they are not known.
        family: `(n,)`, family of each image; files of one content share one.
    """

    views: Sequence[Features]
    image: NDArray[np.intp]
    cell: NDArray[np.intp]
    randomized: NDArray[np.bool_]
    appeal: Floats
    variance: Floats
    events: Floats
    expected: Floats
    family: Sequence[str]

    def without(self, images: NDArray[np.intp]) -> Outcomes | None:
        """Return the rows of other images that still have one beside them in their cell; None where there are none."""
        hidden = np.zeros(len(self.family), dtype=bool)
        hidden[images] = True
        return self.subset(~hidden[self.image])

    def subset(self, keep: NDArray[np.bool_]) -> Outcomes | None:
        """Return some of the rows, of those that still have another image beside them, with the images they show."""
        rows = np.flatnonzero(keep)
        pairs = np.unique(np.stack([self.cell[rows], self.image[rows]]), axis=1)[0]
        cells, several = np.unique(pairs, return_counts=True)
        rows = rows[np.isin(self.cell[rows], cells[several > 1])]
        if not len(rows):
            return None
        shown, image = np.unique(self.image[rows], return_inverse=True)
        return replace(
            self,
            views=[view.subset(shown) for view in self.views],
            image=image,
            cell=self.cell[rows],
            randomized=self.randomized[rows],
            appeal=self.appeal[rows],
            variance=self.variance[rows],
            events=self.events[rows],
            expected=self.expected[rows],
            family=[self.family[i] for i in shown],
        )


@dataclass(frozen=True)
class Dataset:
    """A rating table joined with the images that could be read.

    Attributes:
        table: As read.
        examples: Images with targets, in the order of the table.
        missing: Name and reason for each image of the table that could not be used.
    """

    table: RatingTable
    examples: Examples
    missing: Missing


def load_dataset(
    table: Path,
    images: Path,
    encoder: FrozenEncoder,
    *,
    image_column: str | None = None,
    group_column: str | None = None,
    scale: tuple[float, float] | None = None,
    correct_raters: bool = False,
    options: TableOptions | None = None,
    columns: Mapping[str, str] | None = None,
    command: str = "",
    mirrored: bool = True,
    cache: TokenCache | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Read ratings and encode the images, once as they are and, for training, once mirrored.

    Raises:
        LabelError: A table that cannot be used, or too few images found.
    """
    ratings = read_ratings(
        table,
        image_column=image_column,
        group_column=group_column,
        scale=scale,
        correct_raters=correct_raters,
        options=options,
        columns=columns,
        command=command,
    )
    views, kept, missing = _views(ratings.images, images, encoder, "tokens", mirrored, cache, progress)
    if len(kept) < MIN_IMAGES:
        raise LabelError(
            f"{len(kept)} of {len(ratings.images)} rated images are usable in {images}, {MIN_IMAGES} are needed"
            f"{_first(missing)}",
            "check the folder of images and the column with their names",
        )
    groups = tied([ratings.groups[i] for i in kept], views[0].sha256)
    return Dataset(ratings, Examples(views, ratings.distributions[kept], ratings.scale.values, groups), missing)


def load_comparisons(
    table: Path,
    images: Path,
    encoder: FrozenEncoder,
    *,
    options: TableOptions | None = None,
    mirrored: bool = True,
    cache: TokenCache | None = None,
    progress: Progress | None = None,
) -> tuple[Comparisons, ComparisonTable, Missing]:
    """Read comparisons and encode the images, once as they are and, for training, once mirrored.

    Returns:
        Pairs whose two images are both usable and not the same, with the images that they show; the table as read;
        and image and reason of each image that is not usable.

    Raises:
        LabelError: A table that cannot be used, or too few pairs whose images are there.
    """
    read = read_comparisons(table, options)
    views, kept, missing = _views(read.images, images, encoder, "pairs", mirrored, cache, progress)
    place = {int(i): k for k, i in enumerate(kept)}
    content = views[0].sha256
    keep = [
        k
        for k, (a, b) in enumerate(zip(read.first.tolist(), read.second.tolist(), strict=True))
        if a in place
        and b in place
        and content[place[a]] != content[place[b]]  # a file against its own copy says nothing
    ]
    if len(keep) < MIN_PAIRS:
        raise LabelError(
            f"{len(keep)} of {len(read.share)} pairs have two images in {images}, {MIN_PAIRS} are needed"
            f"{_first(missing)}",
            "check the folder of images and the columns with their names",
        )
    first, second = (np.array([place[int(one[k])] for k in keep], dtype=np.intp) for one in (read.first, read.second))
    pairs = Comparisons(views, first, second, read.share[keep], read.weight[keep])
    # without the images that lost all their pairs
    return pairs.subset(np.ones(len(keep), dtype=bool)), read, missing


def load_outcomes(
    table: Path,
    images: Path,
    encoder: FrozenEncoder,
    *,
    columns: Mapping[str, str] | None = None,
    command: str = "",
    options: TableOptions | None = None,
    mirrored: bool = True,
    cache: TokenCache | None = None,
    progress: Progress | None = None,
) -> tuple[Outcomes, OutcomeTable, Missing]:
    """Read outcomes and encode the images, once as they are and, for training, once mirrored.

    Returns:
        Rows whose image is usable and has another one beside it; the table as read; and image and reason of each image
        that is not usable.

    Raises:
        LabelError: A table that cannot be used, or too few images found.
    """
    read = read_outcomes(table, options, columns, command=command)
    views, kept, missing = _views(read.images, images, encoder, "tokens", mirrored, cache, progress)
    place = np.full(len(read.images), -1, dtype=np.intp)
    place[kept] = np.arange(len(kept))
    randomized = np.array([chance for _, chance in read.cells], dtype=bool)
    rows = Outcomes(
        views=views,
        image=place[read.image],
        cell=read.cell,
        randomized=randomized[read.cell],
        appeal=read.appeal,
        variance=read.variance,
        events=read.events,
        expected=read.expected,
        family=tied([read.family[i] for i in kept], views[0].sha256),
    )
    usable = rows.subset(rows.image >= 0)
    found = 0 if usable is None else len(set(usable.views[0].sha256))
    if usable is None or found < MIN_CREATIVES:
        raise LabelError(
            f"{found} of {len(read.images)} creatives are usable in {images} beside others of their campaign, "
            f"{MIN_CREATIVES} are needed{_first(missing)}",
            "check the folder of images and the column with their names",
        )
    return usable, read, missing


def _views(
    names: Sequence[str],
    folder: Path,
    encoder: FrozenEncoder,
    stage: str,
    mirrored: bool,
    cache: TokenCache | None,
    progress: Progress | None,
) -> tuple[list[Features], NDArray[np.intp], Missing]:
    """Return the views of the images that are usable, their positions, and name and reason of each of the others."""
    places = files_named(folder, names)
    paths = [places[name] for name in names]
    refused = {i: "outside the folder of images" for i, path in enumerate(paths) if not is_inside(path, folder)}
    usable = [i for i in range(len(paths)) if i not in refused]
    views = []
    looks = (False, True) if mirrored else (False,)
    for number, flip in enumerate(looks):
        step = (
            (lambda done, total, n=number: progress(stage, n * total + done, len(looks) * total)) if progress else None
        )
        view, rejected = extract([paths[i] for i in usable], encoder, cache=cache, mirrored=flip, progress=step)
        refused |= {usable[i]: reason for i, reason in rejected.items()}
        views.append(view)
    kept = np.array([i for i in range(len(paths)) if i not in refused], dtype=np.intp)
    return views, kept, tuple((names[i], reason) for i, reason in sorted(refused.items()))


def _first(missing: Missing) -> str:
    return f"; the first: {missing[0][0]}: {missing[0][1]}" if missing else ""


def tied(groups: Sequence[str], sha256: Sequence[str]) -> list[str]:
    """Return `(n,)` groups in which images of the same content are together, whatever their names.

    An image whose copy lies in another fold is not held out.

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
