"""Rating tables as training targets: for each image a distribution of ratings. `rating_rows` reads the layouts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from abkit_model.checkpoint import Scale
from abkit_model.data.files.tables import TableOptions
from abkit_model.data.raters import corrected_distributions, rater_model, spread_over_bins
from abkit_model.data.rating_rows import RatingRows, Summary, Vote, read_rows
from abkit_model.errors import LabelError

Floats = NDArray[np.float64]

#: A single vote says nothing about how much people disagree.
MIN_VOTES = 2
MIN_IMAGES = 20
#: Narrowest normal shape, in steps. The two steps around the mean have all the weight by then, so a narrower one would
#: be the same distribution; only its centre would have to be known more precisely than a float is.
MIN_WIDTH = 0.05


@dataclass(frozen=True, kw_only=True)
class RatingTable:
    """What people said about images.

    Attributes:
        layout: `histogram`, `votes`, `mean` or `ava`.
        images: File name of each image, as the table writes it.
        distributions: `(n, S)`, share of ratings in each bin.
        counts: `(n,)`, ratings of each image.
        groups: Images of one group are near-duplicates and are never split between training and evaluation.
        scale: The rating scale.
        sha256: Digest of the table's bytes.
        rejected: Line and reason of each row that was refused.
        corrected: Whether the raters' biases were taken out and their votes weighted.
        notes: What was taken for granted, in words.
    """

    layout: str
    images: tuple[str, ...]
    distributions: Floats
    counts: NDArray[np.int64]
    groups: tuple[str, ...]
    scale: Scale
    sha256: str
    rejected: tuple[tuple[int, str], ...]
    corrected: bool = False
    notes: tuple[str, ...] = ()

    @property
    def means(self) -> Floats:
        """Mean rating of each image, shape (n,)."""
        return np.asarray(self.distributions @ self.scale.values)


def read_ratings(
    path: Path,
    *,
    image_column: str | None = None,
    group_column: str | None = None,
    scale: tuple[float, float] | None = None,
    correct_raters: bool = False,
    options: TableOptions | None = None,
    columns: Mapping[str, str] | None = None,
    command: str = "",
) -> RatingTable:
    """Read a rating table; rows that cannot be used are refused one by one, with line and reason.

    Args:
        path: CSV, gzipped CSV, or AVA's text layout.
        image_column: Column with the file name; found by its usual names when None.
        group_column: Column whose values tie near-duplicates together; without it every image is its own group.
        scale: Lowest and highest rating. Needed for one row per vote and for means when it is not 1 to 5, 7 or 10, or
            when hardly any rating needs the larger one of these.
        correct_raters: Take each rater's bias out of their votes and weight them by 1 / variance (ITU-T P.910; biases
            of raters of few votes are drawn towards 0). Needs one row per vote.
        options: What the user said about how the table is written.
        columns: Its columns by field, where the user said them.
        command: How the command that reads it begins: the hint repeats it, whole, where columns are missing.

    Raises:
        LabelError: Not readable, no known layout, a column that is not there, a scale that is not valid, or too little
            left to learn from.
    """
    rows = read_rows(
        path,
        image_column=image_column,
        group_column=group_column,
        scale=scale,
        options=options,
        columns=columns,
        command=command,
    )
    if correct_raters and not (rows.layout == "votes" and rows.named):
        raise LabelError(
            f"{path} does not say who rated (layout: {rows.layout}), so raters cannot be corrected",
            "give one row per vote, with columns for rater, image and score",
        )
    targets = _of_votes(path, rows, correct_raters) if rows.layout == "votes" else _of_summaries(rows)
    images, rejected = tuple(targets), tuple(sorted(rows.rejected))
    if len(images) < MIN_IMAGES:
        first = f"; the first row refused was line {rejected[0][0]}: {rejected[0][1]}" if rejected else ""
        raise LabelError(f"{path} has usable ratings of {len(images)} images, {MIN_IMAGES} are needed{first}")
    distributions = np.stack([distribution for distribution, _ in targets.values()])
    if np.ptp(distributions @ rows.scale.values) < 1e-9:
        raise LabelError(f"{path}: every image has the same mean rating, there is nothing to learn")
    return RatingTable(
        layout=rows.layout,
        images=images,
        distributions=distributions,
        counts=np.array([n for _, n in targets.values()], dtype=np.int64),
        groups=tuple(rows.groups.get(i, i) for i in images),
        scale=rows.scale,
        sha256=rows.sha256,
        rejected=rejected,
        corrected=correct_raters,
        notes=tuple(rows.notes),
    )


def _has_enough(rows: RatingRows, line: int, image: str, votes: int) -> bool:
    """Return whether an image has enough votes; refuse its row where it has not."""
    if votes < MIN_VOTES:
        rows.rejected.append((line, f"{image} has {votes} vote{'' if votes == 1 else 's'}; {MIN_VOTES} are needed"))
    return votes >= MIN_VOTES


def _of_summaries(rows: RatingRows) -> dict[str, tuple[Floats, int]]:
    kept = (one for one in rows.summaries if _has_enough(rows, one.line, one.image, one.n))
    return {one.image: (_of_summary(one, rows.scale), one.n) for one in kept}


def _of_summary(summary: Summary, scale: Scale) -> Floats:
    if summary.counts is not None:
        return np.asarray(summary.counts, dtype=np.float64) / summary.n
    return discretised_normal(summary.mean, summary.sd, scale.low, scale.high)


def _of_votes(path: Path, rows: RatingRows, correct: bool) -> dict[str, tuple[Floats, int]]:
    if rows.votes and len({v.rater for v in rows.votes}) == 1:
        raise LabelError(
            f"{path}: all {len(rows.votes)} ratings are by one rater, so nothing says how far people disagree",
            f"each image needs ratings by {MIN_VOTES} raters or more",
        )
    of_image: dict[str, list[Vote]] = defaultdict(list)
    for vote in rows.votes:
        of_image[vote.image].append(vote)
    kept = {i: votes for i, votes in of_image.items() if _has_enough(rows, votes[0].line, i, len(votes))}
    if not kept:
        return {}
    used = [vote for votes in kept.values() for vote in votes]
    item = np.repeat(np.arange(len(kept)), [len(votes) for votes in kept.values()])
    score = np.array([vote.score for vote in used])
    if correct:
        _, rater = np.unique([vote.rater for vote in used], return_inverse=True)
        # shrunk, because with a handful of votes a rater plain P.910 makes targets worse (docs/labels.md)
        model = rater_model(item, rater, score, shrink_bias=True)
        distributions = corrected_distributions(item, rater, score, model, rows.scale.values)
    else:
        distributions = spread_over_bins(item, score, np.ones(len(score)), rows.scale.values)
    return {i: (d, len(kept[i])) for i, d in zip(kept, distributions, strict=True)}


def discretised_normal(mean: float, sd: float | None, low: float, high: float) -> Floats:
    """Return the distribution over the bins low, low + 1, … high with a given mean: all that mean and count tell.

    The normal shape is an assumption; without a standard deviation a quarter of the scale is taken. A deviation of 0
    between two steps is split between them, which keeps the mean.

    >>> values = np.arange(1, 8)
    >>> round(float(discretised_normal(5.5, 1.0, 1, 7) @ values), 6)
    5.5
    """
    values = low + np.arange(round(high - low) + 1)
    width = (high - low) / 4 if sd is None else max(sd, MIN_WIDTH)
    below, above = low - 20 * (high - low), high + 20 * (high - low)
    weights = np.zeros(len(values))
    for _ in range(200):  # the mean rises with the centre, so bisection finds the centre
        centre = (below + above) / 2
        exponent = -0.5 * ((values - centre) / width) ** 2
        weights = np.exp(exponent - exponent.max())
        weights /= weights.sum()
        below, above = (centre, above) if weights @ values < mean else (below, centre)
    return weights
