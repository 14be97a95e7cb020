"""Rows that are no fault and no delivery: lines of totals, and rows in which nothing happened.

Exports end in lines of totals, called so in the language of the account; and they list ads that delivered nothing. Both
are set aside with a count of their own: a file that has them is as good as one without.

A name alone does not make a total: an ad may be called `Total: care.png`. What the platform's own id identifies is an
ad. Where a file has no ids, the figures decide: those of a total are the sum of the rows that it stands below.
"""

import re

import polars as pl

TOTAL = "looks like a row of totals"
IDLE = "nothing was delivered: 0 impressions, and 0 of everything else"

# By language of the account: English, German, French, Spanish and Portuguese, Italian, Dutch, Polish, Russian,
# Japanese, Korean, Chinese, and those of the comments.
_WORDS = (
    r"((grand|sub|overall|account|campaign)[ -]?)?totals?|all ads",
    r"(zwischen|end|ins)?gesamt(summe|ergebnis|wert)?|(zwischen|end)?summe",
    r"(sous[ -]?)?total( général)?|totaux",
    r"(sub)?total (general|geral)|totales|totais|suma total|soma total",
    r"(sub)?totale( (complessivo|generale))?|totali",
    r"(eind|sub)?totaal",
    r"suma( (końcowa|częściowa))?|łącznie|razem|ogółem",
    r"(промежуточный |общий )?итого?|всего|общая сумма",
    r"(総|小)?合?計|総合計",
    r"(전체 ?|총 ?)?합계|총계|소계",
    r"(总|合|小)计|(總|合|小)計|总和|總和",
    # Czech and Slovak, Hungarian, Turkish, Swedish, Danish and Norwegian, Finnish, Greek, Croatian.
    r"celkem|celkom|spolu|összesen|(genel )?toplam|totalt|sammanlagt|i alt|sum|yhteensä|(γενικό )?σύνολο|ukupno",
    # Ukrainian and Bulgarian, Arabic, Hebrew, Hindi, Thai, Vietnamese, Indonesian.
    r"всього|разом|общо|(المجموع|الإجمالي)( الكلي)?|סה[\"״]?כ|סך הכו?ל|कुल|รวม(ทั้งหมด)?|tổng( cộng)?|jumlah( total)?",
)
_NAME = f"({'|'.join(_WORDS)})"
# "Total", "Total: Ads", "Total (7)", "Total of 12 results": nothing follows that could be the rest of a name.
_TOTAL = rf"(?i)^\s*{_NAME}\s*($|[:：(\[（–—]|(rows?|of|de|ads|account|results)\b|\d|-\s)"
# "Total ads": the word, and anything after it.
_TOTAL_WORD = rf"(?i)^\s*{_NAME}\s*($|[^\pL])"
_BARE = rf"(?i)^\s*{_NAME}\s*[:：]?\s*$"
_COUNTED = (
    r"(?i)^\s*(results from|ergebnisse (von|aus|für)|résultats (de|pour|sur)|resultados (de|para)|"
    r"risultati (di|da|per)|resultaten (van|voor|uit)|wyniki (z|dla)|результаты)\b.*\d|"
    r"^\s*\d+ ?(件の.*結果|개.*결과|条.*结果)"
)
_COUNTED_FIGURES = ("impressions", "clicks")
_LABELS = ("ad", "ad_name", "creative", "ad_set", "campaign", "campaign_name", "account")
# What the rows may have in common that a total stands below.
_GROUPS = (
    (), ("period_start", "period_end"), ("campaign",), ("campaign", "period_start", "period_end"),
    ("campaign", "ad_set"), ("campaign", "ad_set", "period_start", "period_end"), ("external_id",),
)  # fmt: skip


def is_called_total(name: str) -> bool:
    """Return whether a name is a word for a total, and nothing else.

    >>> is_called_total("Grand Total:"), is_called_total("Total care")
    (True, False)
    """
    return re.match(_BARE, name) is not None


def total_lines(raw: pl.DataFrame, rows: pl.DataFrame) -> pl.Series:
    """Return which rows are lines of totals.

    Args:
        raw: The cells as they came.
        rows: The same rows as read, with `external_id`.
    """
    texts = [name for name in ("day", "period_start", *_LABELS) if name in raw.columns and raw[name].dtype == pl.String]
    # Few rows of a million could be one: only they are looked at closely.
    says_so = pl.any_horizontal(
        pl.lit(False), *(pl.col(name).str.contains(f"{_TOTAL_WORD}|{_COUNTED}").fill_null(False) for name in texts)
    )
    suspect = raw.select("line", says_so=says_so)["says_so"] | (rows["external_id"] == "")
    suspect = suspect | rows["period_start"].is_null()
    if not suspect.any():
        return suspect
    facts = _facts(raw.filter(suspect).select("line", *texts), rows.filter(suspect), has_ids=(rows["ad"] != "").any())
    figures = rows.select("line", "impressions", "clicks", *{column for group in _GROUPS for column in group})
    asked = figures.filter(figures["line"].is_in(facts.filter("open", ~pl.col("sure"))["line"].implode()))
    base = figures.filter(~figures["line"].is_in(facts.filter(pl.col("open") | pl.col("sure"))["line"].implode()))
    sure = facts.filter("sure")["line"].append(_sums_of(asked, base))
    return rows["line"].is_in(sure.implode())


def _facts(raw: pl.DataFrame, rows: pl.DataFrame, *, has_ids: bool) -> pl.DataFrame:
    """Return of each row whether it is a total for `sure`, and whether its figures have to decide (`open`).

    Args:
        raw: The cells of the rows that could be totals.
        rows: The same rows as read.
        has_ids: Whether other rows of the file have ids of ads.
    """

    def says(pattern: str, *names: str) -> pl.Expr:
        found = (pl.col(name).str.contains(pattern).fill_null(False) for name in names if name in raw.columns)
        return pl.any_horizontal(pl.lit(False), *found)

    identity = ("ad",) if has_ids else ("ad_name", "creative")
    blank = [pl.col(name) == "" for name in ("campaign", "ad_set", "account") if name in raw.columns]
    said = raw.select(
        dated=says(f"{_TOTAL_WORD}|{_COUNTED}", "day", "period_start"),
        named=says(f"{_TOTAL}|{_COUNTED}", *_LABELS),
        worded=says(_TOTAL_WORD, *_LABELS),
        counted=says(_COUNTED, *_LABELS),
        own=says(f"{_TOTAL}|{_COUNTED}", *identity),
        bare=says(_BARE, *identity),
    )
    known = rows.select(
        "line",
        undated=pl.col("period_start").is_null(),
        nameless=pl.col("external_id") == "",
        # Where other ads have an id, a row without one is not an ad of its own right.
        no_id=(pl.col("ad") == "") if has_ids else pl.lit(False),
        alone=pl.all_horizontal(*blank) if blank else pl.lit(False),
    )
    fact = pl.col
    named_alone = fact("own") & (fact("undated") | fact("counted") | fact("bare") & fact("alone"))
    sure = fact("dated") & fact("undated") | (fact("nameless") | fact("no_id")) & fact("named") | named_alone
    could = fact("nameless") | fact("undated") | fact("own") | fact("no_id") & fact("worded")
    if not has_ids:
        could = could | fact("worded") & raw.select(says(_TOTAL_WORD, *identity)).to_series()
    return pl.concat([known, said], how="horizontal").select("line", sure=sure, open=could)


def _sums_of(asked: pl.DataFrame, base: pl.DataFrame) -> pl.Series:
    """Return the lines of rows that have the impressions and clicks of all rows that share something with them."""
    found = [pl.Series("line", [], dtype=pl.Int64)]
    for group in _GROUPS if asked.height and base.height else ():
        figures = [pl.len().alias("summed"), *(pl.col(name).sum().alias(f"all_{name}") for name in _COUNTED_FIGURES)]
        sums = base.group_by(group).agg(figures) if group else base.select(figures)
        both = asked.join(sums, on=group, how="inner") if group else asked.join(sums, how="cross")
        impressions, clicks = (pl.col(name).fill_null(0) == pl.col(f"all_{name}") for name in _COUNTED_FIGURES)
        # Two ads may happen to have the same figures: what could be one has to be the sum of several, clicks too.
        no_ad, several = pl.col("external_id") == "", pl.col("summed") > 1
        found.append(both.filter(pl.col("impressions") > 0, impressions, no_ad | clicks & several)["line"])
    return pl.concat(found)


def idle_rows(rows: pl.DataFrame, faulty: pl.Series) -> pl.Series:
    """Return which rows say that nothing happened: every figure is 0 or blank, and it is a row of something.

    Args:
        rows: The rows as read.
        faulty: Whether a number of the row could not be read.
    """
    others = ("clicks", "conversions", "spend", "revenue")
    nothing = pl.all_horizontal(pl.col(name).fill_null(0) == 0 for name in ("impressions", *others))
    # A line of nothing but delimiters is not an ad that rested.
    about = (pl.col("impressions") == 0) | (pl.col("external_id") != "")
    return rows.select(nothing & about.fill_null(False)).to_series() & ~faulty
