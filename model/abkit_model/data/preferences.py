"""From a table of choices and a folder of pictures to pairs that queries can be trained on, or judged by."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from abkit_model.data.comparisons import MIN_PAIRS, ChoiceTable, read_choices
from abkit_model.data.dataset import Preferences, Progress, outside
from abkit_model.data.tokens import TokenCache, extract
from abkit_model.encoders.frozen import FrozenEncoder
from abkit_model.errors import LabelError


def load_preferences(
    table: Path,
    images: Path,
    encoder: FrozenEncoder,
    *,
    mirrored: bool = True,
    cache: TokenCache | None = None,
    progress: Progress | None = None,
) -> tuple[Preferences, ChoiceTable, tuple[tuple[str, str], ...]]:
    """Read choices and look at the pictures, once as they are and, for training, once mirrored.

    Returns:
        Pairs whose two pictures are both usable and not the same, with the pictures that they show; the table as read;
        and image and reason of each picture that is not usable.

    Raises:
        LabelError: a table that cannot be used, or too few pairs whose pictures are there.
    """
    choices = read_choices(table)
    paths = [images / name for name in choices.images]
    refused = outside(paths, images)
    usable = [i for i in range(len(paths)) if i not in refused]
    views = []
    looks = (False, True) if mirrored else (False,)
    for flip in looks:
        step = (
            (lambda done, total, n=flip: progress("pairs", n * total + done, len(looks) * total)) if progress else None
        )
        view, rejected = extract([paths[i] for i in usable], encoder, cache=cache, mirrored=flip, progress=step)
        refused |= {usable[i]: reason for i, reason in rejected.items()}
        views.append(view)
    place = {i: k for k, i in enumerate(i for i in range(len(paths)) if i not in refused)}
    content = views[0].sha256
    keep = [
        k
        for k, (a, b) in enumerate(zip(choices.first.tolist(), choices.second.tolist(), strict=True))
        if a in place
        and b in place
        and content[place[a]] != content[place[b]]  # a file against its own copy says nothing
    ]
    missing = tuple((choices.images[i], reason) for i, reason in sorted(refused.items()))
    if len(keep) < MIN_PAIRS:
        first = f"; the first: {missing[0][0]}: {missing[0][1]}" if missing else ""
        raise LabelError(
            f"{len(keep)} of {len(choices.share)} pairs have two pictures in {images}, {MIN_PAIRS} are needed{first}",
            "check the folder of images and the columns with their names",
        )
    first_of, second_of = (
        np.array([place[int(numbers[k])] for k in keep], dtype=np.intp) for numbers in (choices.first, choices.second)
    )
    pairs = Preferences(views, first_of, second_of, choices.share[keep], choices.weight[keep])
    # without the pictures that lost all their pairs
    return pairs.subset(np.ones(len(keep), dtype=bool)), choices, missing


def provenance_of_choices(
    preferences: Preferences, table: ChoiceTable, missing: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """What a card says of the choices that queries learned from."""
    return {
        "choices_sha256": table.sha256,
        "choice_pairs": len(preferences.share),
        "choice_pictures": len(preferences.views[0].rows),
        "choice_pictures_missing": len(missing),
        "choice_rows_refused": len(table.rejected),
    }
