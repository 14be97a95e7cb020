"""Campaigns and ad sets that are one under two names: an export after a renaming repeats the days before it.

Two places of an ad are one when no file has both on one day, and what they delivered on the days that both have agrees
in figures that do not agree by chance, or nearly where the ad has an id of a platform. Their rows then compete like two
exports of one period.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from abkit.store.kpis.once.nearness import LEAST_SHOWN, NEAR, alike, alike_clicks

if TYPE_CHECKING:
    import polars as pl

_SHARE = 0.5  # of the days that both have
_DIGITS, _DIFFERENT = 6.0, 3  # 1,000 impressions and 20 clicks are 4.3 digits; different figures that agree
_LONG_ID = r"\n\d{10,}$"  # digits that nobody counts up to
_MOST_EQUAL = 4  # figures that more places have on one day tell none of them
_CELL = ["ad", "name", "breakdown", "event", "attribution_window", "base"]
_PERIOD, _FIGURES = ["period_start", "period_end"], ["impressions", "clicks"]


def joined_places(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows with one `segment_id` for places that are one.

    Args:
        rows: With the columns of the rule, `base` (the segment without its place), `place`, `meant` (the campaign) and
            `kpi_import_id`.
    """
    import polars as pl

    several = pl.col("place").n_unique().over("ad") > 1
    split = rows.filter(several)
    pairs = sorted({*_pairs(split), *_near_pairs(split), *_of_one_campaign(split)}) if split.height else []
    if not pairs:
        return rows
    heads: dict[tuple[int, str], str] = {}
    for ad, one, two in pairs:
        head = heads.get((ad, one), one)
        heads[ad, two] = head
    called = pl.DataFrame(
        [(ad, place, head) for (ad, place), head in heads.items()],
        schema={"ad": pl.Int64, "place": pl.String, "head": pl.String},
        orient="row",
    )
    rows = rows.join(called, on=["ad", "place"], how="left", maintain_order="left")
    return rows.with_columns(segment_id=pl.struct("base", pl.coalesce("head", "place")).rank("dense").cast(pl.Int64))


def _of_one_campaign(rows: pl.DataFrame) -> list[tuple[int, str, str]]:
    """Return ad and two places of the same campaign and ad set: by its id in one file, by its name in others."""
    import polars as pl

    rows = rows.filter(pl.col("meant").is_not_null())
    key = ["ad", "meant", "ad_set"]
    places = rows.with_columns(ad_set=pl.col("place").str.split("\n").list.last())
    places = places.group_by(*key, "place").agg(imports=pl.col("kpi_import_id").unique())
    both = places.join(places, on=key, suffix="_other").filter(pl.col("place") < pl.col("place_other"))
    apart = pl.col("imports").list.set_intersection("imports_other").list.len() == 0
    # Of three names of one campaign, nothing says which two are one.
    alone = [pl.len().over("ad", side) == 1 for side in ("place", "place_other")]
    return list(both.filter(*alone).filter(apart).select("ad", "place", "place_other").iter_rows())


def _pairs(rows: pl.DataFrame) -> list[tuple[int, str, str]]:
    """Return ad and two places that are one, each in the order of the places."""
    import polars as pl

    shown = rows.filter(pl.col("impressions") > 0)
    key = [*_CELL, *_PERIOD]
    telling = shown.filter(pl.len().over(*key, *_FIGURES).is_between(2, _MOST_EQUAL))
    equal = _both(telling, [*key, *_FIGURES])
    digits = ((pl.col("impressions") + 1) * (pl.col("clicks") + 1)).cast(pl.Float64).log10()
    sides = ["ad", "place", "place_other"]
    proven = (
        equal.group_by(*sides)
        .agg(
            equal=pl.len(),
            different=pl.struct(_FIGURES).n_unique(),
            digits=digits.filter(pl.struct(_FIGURES).is_first_distinct()).sum(),
        )
        .filter(pl.col("different") >= _DIFFERENT, pl.col("digits") >= _DIGITS)
    )
    if not proven.height:
        return []
    common = _both(shown.join(proven, on="ad", how="semi"), key).join(proven, on=sides, how="semi")
    together = (pl.col("kpi_import_id") == pl.col("kpi_import_id_other")).any()
    facts = common.group_by(*sides).agg(days=pl.len(), together=together)
    return list(
        proven.join(facts, on=sides)
        .filter(~pl.col("together"), pl.col("equal") >= _SHARE * pl.col("days"))
        .sort(sides)
        .select(sides)
        .iter_rows()
    )


def _near_pairs(rows: pl.DataFrame) -> list[tuple[int, str, str]]:
    """Return ad and two places of an ad with a long id that are one: the days after the renaming were corrected.

    Platforms give a long id to one ad of one campaign, so that a few days of nearly the same figures are enough.
    """
    import polars as pl

    shown = rows.filter(pl.col("name").str.contains(_LONG_ID), pl.col("impressions") > 0)
    common = _both(shown, [*_CELL, *_PERIOD], figures=True)
    facts = common.group_by("ad", "place", "place_other").agg(
        near=(alike("impressions", NEAR) & alike_clicks()).mean(),
        shown=pl.col("impressions").sum(),
        together=(pl.col("kpi_import_id") == pl.col("kpi_import_id_other")).any(),
    )
    found = facts.filter(~pl.col("together"), pl.col("near") >= _SHARE, pl.col("shown") >= LEAST_SHOWN)
    return list(found.select("ad", "place", "place_other").iter_rows())


def _both(rows: pl.DataFrame, key: list[str], *, figures: bool = False) -> pl.DataFrame:
    import polars as pl

    there = rows.select(*key, "place", "kpi_import_id", *(_FIGURES if figures else ()))
    return rows.join(there, on=key, suffix="_other").filter(pl.col("place") < pl.col("place_other"))
