"""Checks of an export as a whole: every row is either good, or a reject with its reasons."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from abkit.errors import InvalidInput
from abkit.intake.kpis.dates import ReadDates, read_dates
from abkit.intake.kpis.fields import COUNTS, MONEY, NAMES
from abkit.intake.kpis.numbers import ReadColumn, read_numbers
from abkit.intake.kpis.reading import KpiOptions, RawTable
from abkit.vocabulary import Dimension
from abkit_model.data.sheets import column_letters

KnownCurrency = Callable[[list[tuple[str, str]]], Mapping[tuple[str, str], str]]
_TOTAL = (
    r"(?i)^\s*((grand|sub|overall)[ -]?)?"
    r"(totals?|gesamt(ergebnis|summe)?|summe|итого|total général|合計|总计|總計|합계)"
    r"\s*($|[:：(\-–—]|rows?\b|of\b|\d)|^\s*results from \d+"
)
_TOTAL_REASON = "looks like a row of totals"
_REFUSED = {"line": pl.Int64, "reason": pl.String}
LONGEST_NAME = 1_000
# PostgreSQL keeps no null bytes in texts.
_NUL, _SHOWN_NUL = "\x00", "\ufffd"
_TEXTS = (*NAMES, "ad_name", "campaign_name")
KEY = ("ad_no", "segment_no", "period_start", "period_end", "event", "attribution_window")
AD = ("platform", "account", "external_id")


@dataclass(frozen=True, kw_only=True)
class CheckedRows:
    """An export after its checks.

    Attributes:
        good: Rows to publish: `line`, `ad_no`, `segment_no`, the rest of the natural key, currency and figures.
        ads: `ad_no`, platform, account, external_id; creative, campaign and its name as last named ('' if never).
        names: `ad_no`, `creative`: every creative name that an ad has.
        segments: `segment_no` and the dimensions.
        rejects: `line`, `reason`, `content` (JSON of the cells as they came).
        notes: Remarks for the person at the terminal.
        found: Formats that were found, for the record.
    """

    good: pl.DataFrame
    ads: pl.DataFrame
    names: pl.DataFrame
    segments: pl.DataFrame
    rejects: pl.DataFrame
    notes: list[str] = field(default_factory=list)
    found: Mapping[str, str] = field(default_factory=dict)


def check(table: RawTable, options: KpiOptions, known_currency: KnownCurrency) -> CheckedRows:
    """Check all rows of an export.

    Args:
        table: The cells as they came.
        options: What the user said about the file.
        known_currency: Returns, for pairs of platform and account, the currency of earlier imports.

    Raises:
        InvalidInput: An ambiguous format; dates both in the file and in the options.
    """
    names = {name: table.columns.named(name) for name in table.columns.position}
    numbers = read_numbers(table.frame, names, options.decimal)
    dates = _dates(table, options)
    rows = _rows(table, options, numbers, dates)
    problems = [*dates.problems.values(), *(column.problems for column in numbers.values())]
    reasons = _joined([*problems, *_row_problems(rows)])
    reasons = total_lines(table.frame, rows, reasons)
    # From here on rows carry numbers instead of texts: a million rows have few ads and segments.
    rows, ads, segments = _numbered(rows)
    bad = [pl.DataFrame({"line": rows["line"], "reason": reasons}).filter(pl.col("reason").is_not_null())]
    good = rows.filter(reasons.is_null()) if bad[0].height else rows
    good, changed = currency_changes(good, ads, known_currency)
    good, repeated = repeated_rows(good, KEY)
    last = ("creative", "campaign", "campaign_name")
    named = [pl.col(name).filter(pl.col(name) != "").last().fill_null("") for name in last]
    return CheckedRows(
        good=good.select("line", *KEY, "currency", *COUNTS, *MONEY),
        ads=ads.join(good.group_by("ad_no").agg(named), on="ad_no", how="inner", maintain_order="left"),
        names=good.filter(pl.col("creative") != "").select("ad_no", "creative").unique(maintain_order=True),
        segments=segments.join(good.select("segment_no"), on="segment_no", how="semi", maintain_order="left"),
        rejects=_rejects(table, pl.concat([*bad, changed, repeated]), names),
        notes=[*dates.notes, *_notes(table, options, numbers)],
        found=_found(numbers, dates),
    )


def _dates(table: RawTable, options: KpiOptions) -> ReadDates:
    has = table.columns.position
    fields = ["day"] if "day" in has else ["period_start", "period_end"]
    if fields[-1] in has and fields[0] in has:
        if options.period:
            raise InvalidInput(
                f"the file has dates of its own, in column {table.columns.named(fields[0])!r}",
                hint="leave --period out (or leave that column out: --map 'COLUMN=')",
            )
        return read_dates(table.frame, fields, table.columns.named(fields[0]), options.dayfirst)
    assert options.period is not None  # noqa: S101  # require_fields saw to it
    n = table.frame.height
    said = {
        name: pl.Series([day], dtype=pl.Date).new_from_index(0, n)
        for name, day in zip(("period_start", "period_end"), options.period, strict=True)
    }
    return ReadDates(values=said, problems={}, format="as said")


def _rows(table: RawTable, options: KpiOptions, numbers: Mapping[str, ReadColumn], dates: ReadDates) -> pl.DataFrame:
    """Return all rows with all columns: names as texts, dates and numbers as read; null where there is none."""
    frame = table.frame
    texts = (_text(frame[name]) if name in frame.columns else pl.lit("").alias(name) for name in _TEXTS)
    rows = frame.select(frame["line"], *texts)
    said = table.columns
    defaults = {
        "platform": options.platform or said.platform,
        "account": options.account,
        "event": said.event,
        "attribution_window": said.attribution_window,
    }
    for name, default in defaults.items():
        if default:
            rows = rows.with_columns(pl.when(pl.col(name) == "").then(pl.lit(default)).otherwise(name).alias(name))
    start = dates.values.get("day", dates.values.get("period_start"))
    end = dates.values.get("day", dates.values.get("period_end"))
    assert start is not None and end is not None  # noqa: S101, PT018
    figures = {name: numbers[name].values for name in (*COUNTS, *MONEY) if name in numbers}
    absent = [
        pl.lit(None, pl.Int64 if name in COUNTS else pl.Float64).alias(name)
        for name in (*COUNTS, *MONEY)
        if name not in figures
    ]
    currency = pl.col("currency").str.to_uppercase()
    if table.columns.currency and "currency" not in frame.columns:
        currency = pl.lit(table.columns.currency)
    called = pl.when(pl.col("ad_name") == "").then("creative").otherwise("ad_name")
    in_campaign = pl.when(pl.col("campaign") == "").then(called).otherwise(pl.col("campaign") + "/" + called)
    return rows.with_columns(
        start.alias("period_start"),
        end.alias("period_end"),
        *(values.alias(name) for name, values in figures.items()),
        *absent,
        currency.alias("currency"),
        # Without an id of its own, the ad is its name, else its creative, in its campaign.
        external_id=pl.when(pl.col("ad") != "").then("ad").when(called == "").then(pl.lit("")).otherwise(in_campaign),
    ).with_columns(
        # A blank cell means zero; a missing column means unknown.
        pl.col(name).fill_null(0)
        for name in ("clicks", "conversions")
        if name in figures
    )


def _text(column: pl.Series) -> pl.Series:
    if column.dtype.is_float() and column.drop_nulls().is_finite().all() and (column.drop_nulls() % 1 == 0).all():
        column = column.cast(pl.Int64, strict=False)
    return column.cast(pl.String).fill_null("").str.strip_chars()


def _row_problems(rows: pl.DataFrame) -> list[pl.Series]:
    """Return what is wrong with single rows, apart from invalid dates and numbers."""
    checks: dict[str, pl.Expr] = {
        "no ad and no creative": pl.col("external_id") == "",
        "impressions is empty": pl.col("impressions").is_null(),
        "clicks above impressions": pl.col("clicks") > pl.col("impressions"),
        "the period ends before it begins": pl.col("period_end") < pl.col("period_start"),
        "the currency is not three letters": ~pl.col("currency").str.contains(r"^([A-Z]{3})?$"),
        "the ad id was rounded by a spreadsheet": pl.col("ad").str.contains(r"^\d([.,]\d+)?[eE]\+\d+$"),
    }
    for name in _TEXTS:
        checks[f"{name} has more than {LONGEST_NAME:,} characters"] = pl.col(name).str.len_bytes() > 4 * LONGEST_NAME
        checks[f"{name} has a null byte"] = pl.col(name).str.contains("\x00", literal=True)
    found = rows.select(check.fill_null(False).alias(reason) for reason, check in checks.items())
    return [
        pl.select(pl.when(found[reason]).then(pl.lit(reason))).to_series() for reason in checks if found[reason].any()
    ]


def _joined(problems: list[pl.Series]) -> pl.Series:
    there = [problem for problem in problems if problem.null_count() < problem.len()]
    if not there:
        return pl.Series([None], dtype=pl.String).new_from_index(0, problems[0].len())
    frame = pl.DataFrame({str(number): problem for number, problem in enumerate(there)})
    text = frame.select(pl.concat_str(pl.all(), separator="; ", ignore_nulls=True)).to_series()
    # An invalid number of impressions counts as empty too: the first reason is enough.
    text = text.str.replace(r"(impressions (?:is not|is neg|is too|has)[^;]*); impressions is empty", "$1")
    return pl.select(pl.when(text != "").then(text)).to_series()


def _numbered(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return rows with `ad_no` and `segment_no` instead of their texts; the ads; the segments."""
    tables, columns = [], []
    for name, key in (("ad_no", AD), ("segment_no", tuple(Dimension))):
        # Most columns have one value throughout, and each one that a join has to look at costs memory.
        varied = [column for column in key if rows[column].n_unique() > 1] or [key[0]]
        tables.append(rows.unique(varied, keep="first", maintain_order=True).select(key).with_row_index(name))
        numbers = tables[-1].select(name, *varied)
        columns.append(rows.select(varied).join(numbers, on=varied, how="left", maintain_order="left")[name])
    texts = {"ad", "ad_name", *AD, *Dimension}
    return rows.select(pl.exclude(texts)).with_columns(columns), tables[0], tables[1]


def _rejects(table: RawTable, bad: pl.DataFrame, names: Mapping[str, str]) -> pl.DataFrame:
    cells = [
        pl.col(field)
        .cast(pl.String)
        .str.slice(0, 200)
        .str.replace_all(_NUL, _SHOWN_NUL, literal=True)
        .alias(_storable(name))
        for field, name in names.items()
    ]
    content = table.frame.select("line", content=pl.struct(cells).struct.json_encode()) if bad.height else None
    schema = {"line": pl.Int64, "reason": pl.String, "content": pl.String}
    found = (
        bad.join(content, on="line", how="left").select(*schema) if content is not None else pl.DataFrame(schema=schema)
    )
    shown = {row.line: _storable(table.reading["delimiter"].join(row.cells)[:500]) for row in table.broken}
    broken = pl.DataFrame(
        [(row.line, row.reason, json.dumps({"row": shown[row.line]}, ensure_ascii=False)) for row in table.broken],
        schema=schema,
        orient="row",
    )
    reason = pl.col("reason").str.replace_all(_NUL, _SHOWN_NUL, literal=True)
    return pl.concat([found, broken]).with_columns(reason).with_columns(_placed(table)).sort("line")


def _placed(table: RawTable) -> pl.Expr:
    """Return the reason with the place in a spreadsheet: its sheet, and the cell where the reason names a field."""
    if "sheet" not in table.reading:
        return pl.col("reason")
    first = table.reading["first_column"]
    cells = [
        pl.when(pl.col("reason").str.starts_with(f"{field} ")).then(
            pl.format("cell {}{}", pl.lit(column_letters(first + index)), "line")
        )
        for field, index in table.columns.position.items()
    ]
    place = pl.coalesce(*cells, pl.format("row {}", "line"))
    return pl.format("{} (sheet '{}', {})", "reason", pl.lit(table.reading["sheet"]), place).alias("reason")


def _storable(text: str) -> str:
    return text.replace(_NUL, _SHOWN_NUL)


def _notes(table: RawTable, options: KpiOptions, numbers: Mapping[str, ReadColumn]) -> list[str]:
    notes = [
        f"{numbers[name].blank:,} blank cells of {table.columns.named(name)!r} count as 0"
        for name in ("clicks", "conversions")
        if name in numbers and numbers[name].blank
    ]
    notes += [note for column in numbers.values() for note in column.notes]
    columns = table.columns
    if columns.platform and "platform" not in columns.position and not options.platform:
        notes.append(f"an export of {columns.title}: platform is {columns.platform!r} (--platform says otherwise)")
    if columns.event and "event" not in columns.position:
        notes.append(f"conversions are those of {columns.named('conversions')!r}: event is {columns.event!r}")
    notes += columns.notes
    if "conversions" not in numbers:
        notes.append("no column holds conversions: they count as 0 (--map 'THEIR COLUMN=conversions')")
    return notes


def _found(numbers: Mapping[str, ReadColumn], dates: ReadDates) -> dict[str, str]:
    return {
        "dates": dates.format,
        **{f"decimal of {name}": column.decimal for name, column in numbers.items() if column.decimal},
    }


def total_lines(raw: pl.DataFrame, rows: pl.DataFrame, reasons: pl.Series) -> pl.Series:
    """Mark rows of totals: they are called so, or lack an ad or a date and have the sum of all other rows.

    Args:
        raw: The cells as they came.
        rows: The same rows as read.
        reasons: For each row why it is refused already, or null.

    Returns:
        The reasons, with that of the rows of totals.
    """
    could_say = ("day", "period_start", "ad", "creative", "campaign", "account")
    texts = [name for name in could_say if name in raw.columns and raw[name].dtype == pl.String]
    named = pl.any_horizontal(pl.lit(False), *(pl.col(name).str.contains(_TOTAL).fill_null(False) for name in texts))
    is_named = raw.select("line", named=named)["named"]
    sums = rows.select(pl.col("impressions").sum()).item() or 0
    lacking = (rows["external_id"] == "") | rows["period_start"].is_null()
    is_sum = lacking & (rows["impressions"] * 2 == sums) & (rows["impressions"] > 0) & (rows.height > 2)
    return pl.select(
        pl.when(is_named | is_sum.fill_null(False)).then(pl.lit(_TOTAL_REASON)).otherwise(reasons)
    ).to_series()


def currency_changes(good: pl.DataFrame, ads: pl.DataFrame, known: KnownCurrency) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Take out rows whose currency is not that of their account.

    The currency of an account is that of earlier imports; else that of most of its rows here, and the first of equals.

    Args:
        good: Rows that are good so far, with `ad_no`.
        ads: Platform and account by `ad_no`.
        known: Returns, for pairs of platform and account, the currency in the store.

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
        return good, pl.DataFrame(schema=_REFUSED)
    refused = good.join(other.select("ad_no", "currency", "account", "usual"), on=["ad_no", "currency"]).select(
        "line",
        pl.when(pl.col("account") == "")
        .then(pl.format("currency {} where rows without an account are in {}: give --account", "currency", "usual"))
        .otherwise(pl.format("currency {} where the account '{}' is in {}", "currency", "account", "usual"))
        .alias("reason"),
    )
    return good.join(refused, on="line", how="anti", maintain_order="left"), refused


def repeated_rows(rows: pl.DataFrame, key: Sequence[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Take out rows of one key: equal figures count once, different figures do not count at all.

    Args:
        rows: Rows with `line`, the key and the figures.
        key: The natural key.

    Returns:
        The rows that stay; `line` and `reason` of the others.
    """
    if rows.select(pl.struct(key).n_unique()).item() == rows.height:
        return rows, pl.DataFrame(schema=_REFUSED)
    figures = ["currency", *COUNTS, *MONEY]
    repeated = rows.filter(pl.struct(key).is_duplicated())
    groups = repeated.with_columns(
        pl.col("line").min().over(key).alias("first"),
        (pl.struct(figures).n_unique().over(key) == 1).alias("equal"),
        (pl.col("creative").n_unique().over(key) == 1).alias("one_creative"),
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
            .then(pl.format("different figures from line {} for the same ad, period and segment", "other"))
            .otherwise(pl.format("a different creative from line {} for the same ad, period and segment", "other"))
            .alias("reason"),
        )
    )
    return rows.join(refused.select("line"), on="line", how="anti", maintain_order="left"), refused
