"""What only shows when all rows are seen together: totals, rows that come twice, an account in two currencies."""

from collections.abc import Callable, Mapping, Sequence

import polars as pl

KnownCurrency = Callable[[list[tuple[str, str]]], Mapping[tuple[str, str], str]]
_TOTAL = (
    r"(?i)^\s*((grand|sub|overall)[ -]?)?"
    r"(totals?|gesamt(ergebnis|summe)?|summe|итого|total général|合計|总计|總計|합계)"
    r"\s*($|[:：(\-–—]|rows?\b|of\b|\d)|^\s*results from \d+"
)
_TOTAL_REASON = "looks like a total line"
_SCHEMA = {"line": pl.Int64, "reason": pl.String}


def total_lines(raw: pl.DataFrame, rows: pl.DataFrame, reasons: pl.Series) -> pl.Series:
    """Mark total lines: they are called so, or lack an ad or a date and have the sum of all other rows.

    Args:
        raw: the cells as they came.
        rows: the same rows as read.
        reasons: by row why it is refused already, else null.

    Returns:
        The reasons, with that of the total lines.
    """
    named = pl.lit(False)
    for name in ("day", "period_start", "ad", "creative", "campaign", "account"):
        if name in raw.columns and raw[name].dtype == pl.String:
            named = named | pl.col(name).str.contains(_TOTAL).fill_null(False)
    is_named = raw.select(named.alias("named")).to_series()
    if is_named.len() != raw.height:
        is_named = pl.Series([False], dtype=pl.Boolean).new_from_index(0, raw.height)
    sums = rows.select(pl.col("impressions").sum()).item() or 0
    lacking = (rows["external_id"] == "") | rows["period_start"].is_null()
    is_sum = lacking & (rows["impressions"] * 2 == sums) & (rows["impressions"] > 0) & (rows.height > 2)
    return pl.select(
        pl.when(is_named | is_sum.fill_null(False)).then(pl.lit(_TOTAL_REASON)).otherwise(reasons)
    ).to_series()


def currency_changes(good: pl.DataFrame, ads: pl.DataFrame, known: KnownCurrency) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Take out rows whose currency is not that of their account.

    The currency of an account is what earlier imports had; else what most of its rows here have, and of equals the
    first.

    Args:
        good: rows that are good so far, with `ad_no`.
        ads: platform and account by `ad_no`.
        known: gives, for pairs of platform and account, the currency in the store.

    Returns:
        The rows that stay; `line` and `reason` of the others.
    """
    owner = ["platform", "account"]
    used = good.filter(pl.col("currency") != "").group_by("ad_no", "currency").agg(pl.len(), pl.col("line").min())
    used = used.join(ads.select("ad_no", *owner), on="ad_no")
    counted = (
        used.group_by(*owner, "currency")
        .agg(pl.col("len").sum(), pl.col("line").min())
        .sort("len", "line", descending=[True, False])
        .unique(owner, keep="first", maintain_order=True)
    )
    accounts = list(counted.select(owner).iter_rows())
    earlier = known(accounts)
    usual = [earlier.get(account, here) for account, here in zip(accounts, counted["currency"], strict=True)]
    other = used.join(
        counted.select(*owner, pl.Series("usual", usual, dtype=pl.String)), on=owner, maintain_order="left"
    ).filter(pl.col("currency") != pl.col("usual"))
    if not other.height:
        return good, pl.DataFrame(schema=_SCHEMA)
    refused = good.join(other.select("ad_no", "currency", "account", "usual"), on=["ad_no", "currency"]).select(
        "line",
        pl.when(pl.col("account") == "")
        .then(
            pl.format("currency {} where rows without an account are in {}: name it by --account", "currency", "usual")
        )
        .otherwise(pl.format("currency {} where the account '{}' is in {}", "currency", "account", "usual"))
        .alias("reason"),
    )
    return good.join(refused, on="line", how="anti", maintain_order="left"), refused


def repeated_rows(rows: pl.DataFrame, key: Sequence[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Take out rows of one key: a repetition of equal figures counts once, different figures count not at all.

    Args:
        rows: with `line`, the key and the figures.
        key: the natural key.

    Returns:
        The rows that stay; `line` and `reason` of the others.
    """
    nothing = pl.DataFrame(schema=_SCHEMA)
    if rows.select(pl.struct(key).n_unique()).item() == rows.height:
        return rows, nothing
    figures = ["currency", "impressions", "clicks", "conversions", "spend", "revenue"]
    repeated = rows.filter(pl.struct(key).is_duplicated())
    groups = repeated.with_columns(
        pl.col("line").min().over(key).alias("first"),
        (pl.struct(figures).n_unique().over(key) == 1).alias("equal"),
        (pl.col("creative").n_unique().over(key) == 1).alias("one_creative"),
        pl.col("line").sort().first().over(key).alias("_"),
    )
    other = pl.when(pl.col("line") == pl.col("first")).then(pl.col("line").sort().get(1).over(key)).otherwise("first")
    refused = (
        groups.with_columns(other.alias("other"))
        .filter(~(pl.col("equal") & pl.col("one_creative") & (pl.col("line") == pl.col("first"))))
        .select(
            "line",
            pl.when(pl.col("equal") & pl.col("one_creative"))
            .then(pl.format("duplicate of line {}", "first"))
            .when("one_creative")
            .then(pl.format("other figures than line {} for the same ad, period and segment", "other"))
            .otherwise(pl.format("another creative than line {} for the same ad, period and segment", "other"))
            .alias("reason"),
        )
    )
    return rows.join(refused.select("line"), on="line", how="anti", maintain_order="left"), refused
