"""Which results are conversions: a column `Results` counts what the campaign is optimized for, purchases or views."""

import re
from collections.abc import Sequence

import polars as pl

from abkit.intake.kpis.header.fields import plain_name

# Names of the column that counts results of any type.
_ANY_RESULT = {
    "results", "result", "ergebnisse", "résultats", "resultados", "risultati", "resultaten", "wyniki", "результаты",
    "結果", "결과", "成效", "结果",
}  # fmt: skip
# What people do after the ad, on the site, in the app or in a conversation.
_CONVERSION = re.compile(
    r"purchase|\blead|_lead|registration|registered|sign[ _-]?up|conversion|add[ _]?to[ _]?(cart|wishlist)"
    r"|checkout|payment[ _]?info|subscri|trial|application|appointment|schedule|donat|app[ _]install|\binstalls?\b"
    r"|messaging[ _]conversations?[ _]started|\bsales?\b|\borders?\b|\bcontacts?\b"
    r"|käufe|kauf|anmeldung|registrierung|bestellung|achat|inscription|compra|registro|cadastro|acquist|iscrizion"
    r"|aankop|registratie|zakup|rejestracj|покупк|регистрац|購入|登録|구매|가입|购买|购物|注册|潜在",
    re.IGNORECASE,
)
# What happens on the way there, and has a conversion in its name at times.
_NOT_YET = re.compile(
    r"link[ _]?click|\bclicks?\b|\breach|impression|view|thruplay|engagement|\blikes?\b|follow|recall"
    r"|\bopen|\bvisit|\bplays?\b",
    re.IGNORECASE,
)
# An event of the advertiser's own pixel counts, whatever it is called: view_content is one of them.
_PIXEL = re.compile(r"offsite_conversion|pixel", re.IGNORECASE)


#: The event of results whose type the export leaves out.
UNTYPED = "results"


def counts_any_result(column: str) -> bool:
    """Return whether a column counts results of whatever type, rather than conversions.

    >>> counts_any_result("Results"), counts_any_result("Conversions")
    (True, False)
    """
    return plain_name(column) in _ANY_RESULT


def is_conversion(result: str) -> bool:
    """Return whether a type of result is a conversion.

    >>> is_conversion("actions:offsite_conversion.fb_pixel_purchase"), is_conversion("Website leads")
    (True, True)
    >>> is_conversion("actions:link_click"), is_conversion("reach"), is_conversion("")
    (False, False, False)
    """
    if _PIXEL.search(result):
        return True
    return bool(_CONVERSION.search(result)) and not _NOT_YET.search(result)


def without_other_results(rows: pl.DataFrame, column: str) -> tuple[pl.DataFrame, list[str]]:
    """Leave out results that are not conversions: those rows have no number of conversions, and no event.

    Args:
        rows: Rows with `conversions` and, as `event`, the type of result.
        column: The file's own name of the column.

    Returns:
        The rows, and notes of what was left out.
    """
    rows, untyped = _few_enough_for_conversions(rows)
    if untyped:
        return rows, [
            f"column {column!r} does not say which results it counts: with fewer than half as many as clicks they are "
            f"taken as conversions of the event {UNTYPED!r} (if they are none: --map {column + '='!r})"
        ]
    types = rows["event"].unique().to_list()
    others = [result for result in types if not is_conversion(result)]
    if not types:
        return rows, []
    if not others:
        return rows, [f"column {column!r} counts {_listed(types)}"]
    other = pl.col("event").is_in(others)
    left_out = rows.filter(other, pl.col("conversions").fill_null(0) != 0)
    named = [result for result in left_out["event"].unique(maintain_order=True) if result]
    notes = []
    if named:
        notes.append(f"column {column!r}: {_listed(named)} are not taken as conversions")
    if left_out.filter(pl.col("event") == "").height:
        notes.append(f"column {column!r} does not say which results it counts: they are not taken as conversions")
    if left_out.height:
        notes[-1] += f" ({left_out.height:,} rows); if they are: --map {column + '=conversions'!r}"
    kept = rows.with_columns(
        conversions=pl.when(other).then(None).otherwise("conversions"),
        event=pl.when(other).then(pl.lit("")).otherwise("event"),
    )
    return kept, notes


def _few_enough_for_conversions(rows: pl.DataFrame) -> tuple[pl.DataFrame, bool]:
    """Name the event of results without a type, where nothing rules out conversions.

    Exports of Meta leave the type out by default. Clicks, views, reach and visits are about as many as clicks and
    more; X counts any engagement as a result.
    """
    if rows.filter(pl.col("event") != "").height or rows.filter(pl.col("platform") == "x").height:
        return rows, False
    results, clicks = (float(rows[name].sum() or 0) for name in ("conversions", "clicks"))
    if not 0 < results < clicks / 2:
        return rows, False
    return rows.with_columns(event=pl.lit(UNTYPED)), True


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
