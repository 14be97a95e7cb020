"""The rule by which each impression counts once, whatever the order of the files.

Rows of one ad that hold the same delivery compete:

1. Of one breakdown, conversion event and segment, periods that overlap: the set of periods without overlap that holds
   the most impressions counts. Finer rows are preferred: days count where they hold at least 98 % of a total.
2. Of breakdowns (by age, by placement, by ad set, none, a word for "all"), conversion events and names of the ad that
   deliver in the same stretch of time: the one with the most impressions counts; of equals, the event with
   conversions, then the one with more conversions, clicks, dimensions.

Conversion events whose rows have no impressions compete among themselves: the one with most conversions counts beside
the delivery where that has no conversions of its own.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from abkit.vocabulary import PLACES, Dimension, SetAsideReason

if TYPE_CHECKING:
    import polars as pl

# --- what a segment breaks down -----------------------------------------------------------------------------------

_ALL_WORDS = """
all total totals overall any everything everyone every grandtotal subtotal sum
alle alles gesamt insgesamt gesamtergebnis gesamtsumme summe
tous toutes tout toute ensemble totalgénéral soustotal
todos todas todo toda tudo geral totalgeneral totalgeral
tutti tutte tutto tutta totale totali totaal allemaal
wszystkie wszystko wszyscy razem ogółem suma łącznie
все всего всё итого tümü hepsi toplam alla totalt vše všechny celkem összes
tüm hepsi kaikki totalt samtliga semua seluruh összes toate όλα όλες усі всі الكل جميع הכל सभी ทั้งหมด tất
worldwide everywhere
すべて 全て 全体 全部 合計 総計 전체 모두 합계 총계 所有 总计 合计 總計 全體 总体 不限
"""
_NOUN_WORDS = """
ages agegroups genders devices devicetypes countries regions placements positions platforms networks publishers
segments audiences traffic markets values rows
age gender device country region placement position platform network publisher segment market
land gerät alter geschlecht platzierung plattform pays appareil país dispositivo paese
länder staaten regionen geräte altersgruppen geschlechter platzierungen plattformen landen apparaten plaatsingen
pays appareils emplacements plateformes régions países dispositivos ubicaciones plataformas posicionamentos regiones
paesi dispositivi posizionamenti piattaforme kraje urządzenia umiejscowienia platformy страны устройства плейсменты
ülkeler cihazlar yerleşimler yaşlar cinsiyetler länder enheter maat laitteet země zařízení
"""
_WORLD_WORDS = """
global globally world wholeworld weltweit mondial mondialement monde mondeentier mundial mundialmente mundo mondiale
globale wereldwijd globalny globalnie caływświecie świat глобально весьмир мир küresel dünya globalt världen verden
グローバル 全世界 世界 世界中 글로벌 전세계 全球
"""
_ALL, _NOUNS = frozenset(_ALL_WORDS.split()), frozenset(_NOUN_WORDS.split())
_WORLD = frozenset(_WORLD_WORDS.split())
_ARTICLES = frozenset(["the", "die", "les", "los", "las", "os", "as", "i", "gli", "le", "de", "het"])
# Without blanks between words.
_ALL_IN_ONE = re.compile(
    r"(所有|全部|全|不限)(的)?(国家|國家|地区|地區|设备|設備|装置|裝置|年龄|年齡|性别|性別|版位|平台)"
    r"|(すべて|全て|全)の?(国|地域|デバイス|年齢|性別|配置|プラットフォーム)"
    r"|(모든|전체)(국가|지역|기기|연령|성별|노출위치|게재위치|플랫폼)"
)
# Names of people and places begin with such words too: only in these is "All …" always a sum.
_PLAIN = (Dimension.AGE, Dimension.GENDER, Dimension.DEVICE)


def means_all(dimension: Dimension, value: str) -> bool:
    """Return whether the value of a dimension is a word for all of it.

    >>> [means_all(Dimension.AGE, text) for text in ("All", "(Alle)", "Toutes les tranches", "全部", "18-24", "")]
    [True, True, True, True, False, False]
    """
    text = unicodedata.normalize("NFKC", value).casefold()
    words = re.findall(r"[^\W_]+", text)
    if not words:
        # Some exports write a star.
        return text.strip() == "*"
    joined, noun = "".join(words), "".join(word for word in words[1:] if word not in _ARTICLES)
    if joined in _ALL or (words[0] in _ALL and noun in _NOUNS) or _ALL_IN_ONE.fullmatch(joined):
        return True
    # "Country total", and "Total (4)".
    if (words[-1] in _ALL and "".join(words[:-1]) in _NOUNS) or (words[0] in _ALL and noun.isdecimal() and "(" in text):
        return True
    if dimension == Dimension.COUNTRY and joined in _WORLD:
        return True
    return dimension in _PLAIN and words[0] in _ALL and len(words) <= 4


# What platforms give as ids: a file with ids and one with names hold the same delivery in two ways.
_ID = re.compile(r"\d{9,}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def breakdown_of(segment: Mapping[str, str]) -> str:
    """Return how a segment cuts delivery: V has a value, I an id, A is a word for "all", - is not given.

    The dimensions come first, then the campaign and the ad set.

    >>> breakdown_of({"platform": "meta", "age": "18-24", "gender": "All", "campaign": "sale", "ad_set": "1202100001"})
    'V---VA--VI'
    """
    values = ((dimension, segment.get(dimension, "")) for dimension in Dimension)
    cuts = ["-" if not value else "A" if means_all(name, value) else "V" for name, value in values]
    places = (segment.get(name, "") for name in PLACES)
    cuts += [
        "-" if not place else "A" if place.casefold() in _ALL else "I" if _ID.fullmatch(place) else "V"
        for place in places
    ]
    return "".join(cuts)


# --- which rows count ---------------------------------------------------------------------------------------------

#: Columns of the rows that compete.
COLUMNS = (
    "id", "ad", "name", "breakdown", "event", "attribution_window", "segment_id", "period_start", "period_end",
    "impressions", "clicks", "conversions", "spend",
)  # fmt: skip
_ALTERNATIVE = ("name", "breakdown", "event", "attribution_window")
# A day is worth 2 % more than its impressions, a week 0.3 %: the days count where they hold 98 % of a total.
_UNIT, _FINER, _LESS = 1_000_000, 20_000, 20_000


def choose(rows: pl.DataFrame) -> pl.DataFrame:
    """Decide which rows count.

    Args:
        rows: With `COLUMNS`; `ad` is the ad, `name` the name and account under which it came.

    Returns:
        `id`, and `left_out`: '' where the row counts, else the reason.
    """
    import polars as pl

    days = (pl.col("period_end") - pl.col("period_start")).dt.total_days() + 1
    rows = rows.select(*COLUMNS, worth=pl.col("impressions") * (_UNIT + _FINER // days))
    delivery, events = _apart(rows)
    chosen = _compete(delivery)
    if not events.height:
        return chosen.select("id", "left_out")
    converted = chosen.filter(pl.col("left_out") == "").group_by("ad").agg(own=pl.col("conversions").sum() > 0)
    beside = _compete(events.with_columns(worth=(pl.col("conversions") * _UNIT).cast(pl.Int64)), whole=True)
    beside = beside.join(converted, on="ad", how="left").with_columns(
        left_out=pl.when(pl.col("own").fill_null(False)).then(pl.lit(SetAsideReason.EVENT.value)).otherwise("left_out")
    )
    return pl.concat([chosen.select("id", "left_out"), beside.select("id", "left_out")])


def _apart(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows that deliver, and those of conversion events that hold conversions alone."""
    import polars as pl

    key = ["ad", *_ALTERNATIVE]
    shown = (pl.col("impressions") + pl.col("clicks")).sum()
    alone = (shown.over(key) == 0) & (pl.col("conversions").sum().over(key) > 0) & (shown.over("ad") > 0)
    marked = rows.with_columns(alone=alone)
    return marked.filter(~pl.col("alone")).drop("alone"), marked.filter("alone").drop("alone")


def _compete(rows: pl.DataFrame, *, whole: bool = False) -> pl.DataFrame:
    """Return the rows with `left_out`; `whole` makes one stretch of all the time of an ad."""
    import polars as pl

    overlapped = _overlapped(rows)
    left = rows.filter(~pl.col("id").is_in(overlapped)) if overlapped else rows
    won = _winners(left, whole=whole)
    periods = won.filter("won").select("ad", "stretch", "period_start", "period_end").unique()
    best = won.filter("won").group_by("ad", "stretch").agg(pl.col("name", "breakdown").first().name.prefix("best_"))
    won = won.join(periods.with_columns(same_period=True), on=periods.columns, how="left").join(
        best, on=["ad", "stretch"], how="left"
    )
    reason = (
        pl.when("won")
        .then(pl.lit(""))
        .when(pl.col("same_period").is_null())
        .then(pl.lit(SetAsideReason.PERIOD.value))
        .when(pl.col("name") != pl.col("best_name"))
        .then(pl.lit(SetAsideReason.SAME_AD.value))
        .when(pl.col("breakdown") != pl.col("best_breakdown"))
        .then(pl.lit(SetAsideReason.BREAKDOWN.value))
        .otherwise(pl.lit(SetAsideReason.EVENT.value))
    )
    known = won.select("id", left_out=reason)
    return rows.join(known, on="id", how="left").with_columns(
        pl.col("left_out").fill_null(pl.lit(SetAsideReason.PERIOD.value))
    )


def _winners(rows: pl.DataFrame, *, whole: bool) -> pl.DataFrame:
    """Return the rows with the `stretch` of time in which they compete, and whether they `won`."""
    import polars as pl

    rows = rows.sort("ad", "period_start", "period_end", "id")
    reached = pl.col("period_end").cum_max().shift(1).over("ad")
    fresh = (pl.col("period_start") > reached).fill_null(True) & (not whole)
    rows = rows.with_columns(stretch=fresh.cum_sum().over("ad"))
    kinds = rows.group_by("ad", "event", "attribution_window").agg(pl.col("impressions", "conversions").sum())
    order = ["ad", "none", "impressions", "conversions", "event", "attribution_window"]
    kinds = (
        kinds.with_columns(none=pl.col("conversions") == 0)
        .sort(order, descending=[False, False, True, True, False, False])
        .with_columns(rank=pl.int_range(pl.len()).over("ad"))
    )
    kind = ["ad", "event", "attribution_window"]
    rows = rows.join(kinds.select(*kind, "rank"), on=kind)
    sums = (
        rows.group_by("ad", "stretch", *_ALTERNATIVE)
        .agg(pl.col("worth", "conversions", "clicks", "spend").sum(), pl.col("rank").first())
        .with_columns(cut=pl.col("breakdown").str.count_matches("[VI]"))
    )
    # An export that lacks what another one has, and was corrected a little, does not take it away.
    lacks = [(pl.col(name) == 0) & (pl.col(name).max().over("ad", "stretch") > 0) for name in ("conversions", "spend")]
    less = sum((pl.col("worth") // _UNIT * _LESS * lack.cast(pl.Int64) for lack in lacks), pl.lit(0))
    sums = sums.with_columns(worth=pl.col("worth") - less)
    by = ["ad", "stretch", "worth", "rank", "conversions", "clicks", "cut", *_ALTERNATIVE]
    falls = {"worth", "conversions", "clicks", "cut"}
    ranked = sums.sort(by, descending=[name in falls for name in by])
    best = ranked.unique(["ad", "stretch"], keep="first", maintain_order=True)
    key = ["ad", "stretch", *_ALTERNATIVE]
    won = best.select(*key, won=pl.lit(True))
    return rows.join(won, on=key, how="left").with_columns(pl.col("won").fill_null(False))


def _overlapped(rows: pl.DataFrame) -> list[int]:
    """Return the ids of rows that lose against other periods of the same breakdown, event and segment."""
    import polars as pl

    key = ["ad", *_ALTERNATIVE, "segment_id"]
    ordered = rows.sort(*key, "period_start", "period_end", "id")
    before = pl.col("period_end").cum_max().shift(1).over(key)
    touched = ordered.with_columns(over=(pl.col("period_start") <= before).fill_null(False))
    contested = touched.filter(pl.col("over").any().over(key))
    lost: list[int] = []
    wanted = ["id", "period_start", "period_end", "worth", "clicks", "conversions"]
    for group in contested.partition_by(key, maintain_order=True):
        counted = _most(group.select(wanted).iter_rows())
        lost += [number for number in group["id"] if number not in counted]
    return lost


def _most(rows: Iterable[tuple[Any, ...]]) -> set[int]:
    """Return the ids of the periods without overlap that are worth most: weighted interval scheduling."""
    # Of equals, the later one counts: with more conversions, as platforms still credit them, else as it came.
    ordered = sorted(rows, key=lambda row: (row[2], row[1], row[5], row[0]))
    ends = [row[2] for row in ordered]
    best = [0]
    taken: list[bool] = []
    for position, (_, start, _, worth, clicks, _) in enumerate(ordered):
        free = bisect_left(ends, start, 0, position)
        # A click after midnight has no impressions, and counts where nothing else holds its day.
        value = best[free] + worth + clicks + 1
        taken.append(value >= best[-1])
        best.append(max(value, best[-1]))
    chosen, position = set(), len(ordered)
    while position:
        if taken[position - 1]:
            chosen.add(ordered[position - 1][0])
            position = bisect_left(ends, ordered[position - 1][1], 0, position - 1)
        else:
            position -= 1
    return chosen
