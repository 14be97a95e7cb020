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
