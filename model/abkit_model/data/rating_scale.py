"""The scale of a rating table: the one that was asked for, checked, or the usual one that its numbers fit into."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from abkit_model.checkpoint import Scale
from abkit_model.data.csv_table import number
from abkit_model.errors import LabelError

#: Highest ratings of the scales that are recognised; the lowest is 1.
USUAL = (5.0, 7.0, 10.0)
#: People who are offered the upper steps of a scale use them for more than one rating in a hundred (steps 6 and 7 have
#: 33 % of the OASIS votes). Below that they may be slips, and a question costs less than scores on a wrong scale.
SLIPS = 0.01


def asked_scale(scale: tuple[float, float]) -> Scale:
    """The scale from a lowest to a highest rating in steps of 1.

    >>> asked_scale((1, 7)).bins
    7

    Raises:
        LabelError: it does not rise, does not end, or has no whole steps.
    """
    low, high = scale
    if not 0 < high - low < float("inf"):  # false for nan as well
        raise LabelError(
            f"a scale from {low:g} to {high:g} cannot be: the lowest rating must be below the highest, both finite",
            "give one like 1 to 5",
        )
    bins = round(high - low) + 1
    if not 2 <= bins <= 1000 or abs(high - low - (bins - 1)) > 1e-9:
        raise LabelError(f"a scale from {low:g} to {high:g} has no whole steps of 1", "give one like 1 to 5")
    return Scale(low, high, bins)


def histogram_scale(path: Path, scale: tuple[float, float] | None, first: int, steps: int) -> Scale:
    """The scale of counts of so many steps, which begins with the first unless another one is asked for.

    Raises:
        LabelError: the scale that is asked for cannot be, or has another number of steps.
    """
    found = asked_scale(scale or (float(first), float(first + steps - 1)))
    if found.bins != steps:
        raise LabelError(
            f"{path} has counts of {steps} steps, and a scale from {found.low:g} to {found.high:g} has {found.bins}",
            "give a scale with as many steps as there are counts, or none; with a parent, its scale is taken",
        )
    return found


def ratings_scale(path: Path, scale: tuple[float, float] | None, cells: Iterable[tuple[int, str | None]]) -> Scale:
    """The scale that is asked for, or the usual one into which all ratings fit.

    Args:
        path: Of the table, for messages.
        scale: Lowest and highest rating; None to find it.
        cells: Line and text of each rating, or of each mean of ratings; what is no number does not count.

    Raises:
        LabelError: the scale that is asked for cannot be, no usual one is large enough, or a handful of ratings alone
            speak for the larger one.
    """
    if scale is not None:
        return asked_scale(scale)
    ratings = [(line, value) for line, cell in cells if (value := number(cell)) is not None]
    top = max((value for _, value in ratings), default=0.0)
    high = next((h for h in USUAL if top <= h), None)
    if high is None:
        raise LabelError(f"{path} has ratings up to {top:g}: its scale is not 1 to 5, 7 or 10", "give the scale")
    for smaller in USUAL[: USUAL.index(high)]:
        beyond = [(line, value) for line, value in ratings if value > smaller]
        if len(beyond) < SLIPS * len(ratings):
            line, value = beyond[0]
            raise LabelError(
                f"{path}: {len(beyond):,} of {len(ratings):,} ratings {'lies' if len(beyond) == 1 else 'lie'} beyond "
                f"1 to {smaller:g} (the first: {value:g} on line {line}), so its scale is not certain",
                f"say --scale 1..{smaller:g} if they are mistakes (their rows are refused), "
                f"--scale 1..{high:g} if they are meant",
            )
    return asked_scale((1.0, high))
