"""Figures that a correction moved a little: of the same delivery, exported twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

#: How far corrected impressions are from the first ones; of clicks a share, or a number that a correction adds.
NEAR, VERY_NEAR, NEAR_CLICKS, FEW_CLICKS = 0.1, 0.02, 0.2, 3
LEAST_SHOWN = 100  # impressions: of few, chance makes equals


def alike(name: str, share: float, least: int = 0) -> pl.Expr:
    """Return whether a figure and that of the `_other` side are within a share of the larger one, or `least`."""
    import polars as pl

    one, two = pl.col(name), pl.col(f"{name}_other")
    return (one - two).abs() <= pl.max_horizontal(pl.max_horizontal(one, two) * share, least)


def alike_clicks() -> pl.Expr:
    """Return whether the clicks of both sides are alike."""
    return alike("clicks", NEAR_CLICKS, FEW_CLICKS)


def very_near(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Return whether impressions and clicks of two are very near and alike, and not of a few impressions.

    >>> very_near((1000, 20), (1004, 22)), very_near((1000, 20), (1100, 20)), very_near((50, 2), (50, 2))
    (True, False, False)
    """
    shown, clicks = zip(one, other, strict=True)
    fewest, most = min(clicks), max(clicks)
    return (
        max(shown) >= LEAST_SHOWN
        and max(shown) - min(shown) <= VERY_NEAR * max(shown)
        and most - fewest <= max(NEAR_CLICKS * most, FEW_CLICKS)
    )
