"""Overlays that show where scores come from: one for the score of each image, one per query."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from abkit.errors import AbkitError
from abkit.records import Record, percent
from abkit.written_files import whole_file
from abkit_model.errors import ImageRejected

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from abkit_model.scorer import Scorer

#: Printed wherever overlays are written.
MEANING = (
    "of the score: orange raises it, blue lowers it; of a query: orange is where it raises the score from; "
    "docs/reading-overlays.md explains how to read them"
)


@dataclass(frozen=True)
class Explained(Record):
    """The overlays of one image, or why it has none.

    Attributes:
        path: Image file, as it was named.
        status: explained or rejected.
        reason: Why it was rejected; '' otherwise.
        overlays: Files that were written: that of the score, then those of the queries.
        sentence: Which area matters most for the score; '' where it was rejected.
    """

    path: Path
    status: str
    reason: str = ""
    overlays: tuple[Path, ...] = ()
    sentence: str = ""


def write_overlays(
    scorer: Scorer, images: Sequence[Path], out: Path, *, progress: Callable[[int, int], None] | None = None
) -> list[Explained]:
    """Write overlays for images, each beside its original: of the score, and of each query of the first query set.

    Args:
        scorer: The scorer whose scores are explained.
        images: Image files; those of one name in different folders get numbers.
        out: Folder of the overlays; it is created if need be.
        progress: Called with (images done, images in all).

    Raises:
        AbkitError: The folder cannot be written to.
    """
    from abkit_model.explain import explain
    from abkit_model.images import open_creative
    from abkit_model.overlays import describe, overlay, sheet

    results, taken = [], set[str]()
    try:
        out.mkdir(parents=True, exist_ok=True)
        for done, path in enumerate(images, start=1):
            try:
                image = open_creative(path).image  # of a video its poster
            except ImageRejected as error:
                results.append(Explained(path, "rejected", error.reason))
                continue
            name = _free_name(path.stem, taken)
            prepared = scorer.prepare(image)
            found = explain(scorer, prepared)
            files = [out / f"{name}-score.png"]
            sentence = describe(found.score)
            with whole_file(files[0]) as unfinished:
                sheet(image, overlay(image, prepared, found.score, signed=True), sentence, signed=True).save(unfinished)
            for number, heat in enumerate(found.queries[0], start=1):
                files.append(out / f"{name}-query-{number}.png")
                drawn = overlay(image, prepared, heat, signed=False)
                words = _of_query(number, heat, scorer.card.training.get("closed_form", 0.0))
                with whole_file(files[-1]) as unfinished:
                    sheet(image, drawn, words, signed=False).save(unfinished)
            results.append(Explained(path, "explained", overlays=tuple(files), sentence=sentence))
            if progress:
                progress(done, len(images))
    except OSError as error:
        raise AbkitError(
            f"the overlays cannot be written to {out}: {error.strerror}", hint="name another folder"
        ) from error
    return results


def _of_query(number: int, heat: NDArray[np.float64], closed_form: float) -> str:
    if not heat.any():
        return f"Query {number} raises nothing here."
    share = (
        f"All query sets carry {percent(1 - closed_form, 0)} of the score, a ridge regression the rest."
        if closed_form
        else "Its share of the score is another question."
    )
    return f"Query {number}: where it looks and raises the score from. {share}"


def _free_name(stem: str, taken: set[str]) -> str:
    name, number = stem, 1
    while name in taken:
        number += 1
        name = f"{stem}-{number}"
    taken.add(name)
    return name
