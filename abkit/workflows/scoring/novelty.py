"""Pictures far from anything that the queries of a version were trained on: which they are, and what that means."""

from __future__ import annotations

from collections.abc import Sequence

FAR = "far from the training pictures"

_NAMED = 5


def is_far(novelty: float | None) -> bool:
    """Whether a distance, in units of the version's limit, is beyond it; one that is not known never is."""
    return novelty is not None and novelty > 1


def remark(far: Sequence[str], n: int, figures: str) -> str:
    """What to tell whoever sees figures of far pictures; '' where there are none.

    Args:
        far: their names; the first five are said.
        n: how many pictures there are in all.
        figures: what promises nothing for them, in the plural.

    >>> print(remark(["a.jpg"], 20, "intervals"))
    1 of 20 pictures is far from anything the queries were trained on; the intervals promise nothing for it: a.jpg
    """
    if not far:
        return ""
    are, them = ("is", "it") if len(far) == 1 else ("are", "them")
    more = f" and {len(far) - _NAMED} more" if len(far) > _NAMED else ""
    return (
        f"{len(far)} of {n} pictures {are} far from anything the queries were trained on; "
        f"the {figures} promise nothing for {them}: {', '.join(far[:_NAMED])}{more}"
    )
