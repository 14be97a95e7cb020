"""Checks of an export as a whole: every row is either good, or a reject with its reasons."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import polars as pl

from abkit.errors import InvalidInput
from abkit.intake.cells.identity import IDS, cut_to_15_digits, rounded, text_of
from abkit.intake.kpis.header.again import AGAIN, headers_again
from abkit.intake.kpis.header.fields import NAMES, plain_name
from abkit.intake.kpis.header.result_types import counts_any_result, without_other_results
from abkit.intake.kpis.reading import KpiOptions, RawTable, other_cells
from abkit.intake.kpis.rows.days_of_totals import StoredDays, totals_of_days
from abkit.intake.kpis.rows.hours import hours_of_both_clocks, whole_days
from abkit.intake.kpis.rows.longer_times import of_longer_times
from abkit.intake.kpis.rows.numbers import ReadColumn, read_numbers
from abkit.intake.kpis.rows.repeats import DUPLICATE, KEY, broken_down, repeated_rows, summed_rows
from abkit.intake.kpis.rows.set_aside import IDLE, TOTAL, idle_rows, total_lines
from abkit.intake.kpis.rows.unlikely import unlikely
from abkit.intake.kpis.rows.unnamed_totals import unnamed_totals
from abkit.intake.kpis.times.dates import ReadDates, read_dates
from abkit.metrics import FIGURES, MONEY, WHOLE
from abkit.vocabulary import PLACES, PROVISIONAL_DAYS, Dimension, RejectKind
from abkit_model.data.files.spreadsheets.cell_formats import column_letters
from abkit_model.data.numbers import SEVERAL
from abkit_model.limits import MAX_BROKEN_ROWS, MOST_BROKEN_SHARE

AdKey = tuple[str, str, str]
Delivered = Callable[[list[AdKey]], Mapping[AdKey, tuple[int, int]]]
Spelled = Callable[[list[AdKey]], Mapping[AdKey, AdKey]]
LONGEST_NAME = 1_000
MOST_LATE_CLICKS = 10
"""An ad without a single impression may have so many: it was shown before the first day that was imported."""

"""For so many days platforms still credit conversions to a day, and take back clicks that were invalid."""

# PostgreSQL keeps no null bytes in texts.
_NUL, _SHOWN_NUL = "\x00", "\ufffd"
_TEXTS = (*NAMES, "ad_name", "campaign_name")
AD = ("platform", "account", "external_id")


@dataclass(frozen=True, kw_only=True)
class CheckedRows:
    """An export after its checks.

    Attributes:
        good: Rows to publish: `line`, `rows` (of the file: several where they were added up), `idle` (1 where nothing
            was delivered), `ad_no`, `segment_no`, the rest of the natural key, currency and figures.
        ads: `ad_no`, platform, account, external_id; creative, campaign, its name and ad set as last named ('' if
            never), and `idle` (1 where all rows are).
        names: `ad_no`, `creative`: every creative name that an ad has.
        segments: `segment_no`, the dimensions, and campaign and ad set of ads with an id; the name of the campaign, and
            `idle`.
        rejects: Rows that were refused or set aside: `line`, `kind`, `reason`, `content` (JSON of the cells as they
            came). Idle rows are here too, and stay here unless they take back figures of an earlier import.
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


def check(
    table: RawTable,
    options: KpiOptions,
    delivered: Delivered,
    today: date,
    spelled: Spelled = lambda _: {},
    stored: StoredDays | None = None,
) -> CheckedRows:
    """Check all rows of an export.

    Args:
        table: The cells as they came.
        options: What the user said about the file.
        delivered: Returns, for ads of earlier imports, their impressions and clicks.
        today: The day of the import.
        spelled: Returns, for ads without an id, the ads of earlier imports whose names are written in another way.
        stored: Returns single days of ads in the store.

    Raises:
        InvalidInput: An ambiguous format; dates both in the file and in the options.
    """
    names = {name: table.columns.named(name) for name in table.columns.position}
    numbers = read_numbers(table.frame, names, options.decimal, table.columns.currencies)
    dates = _dates(table, options)
    _refuse_hopeless(table, [*dates.problems.values(), *(column.problems for column in numbers.values())])
    rows = _rows(table, options, numbers, dates)
    rows, foreign = _own_currency(table, rows, numbers)
    if stored is not None:
        rows, dates = totals_of_days(rows, dates, table.columns.named("day"), stored)
    rows, dates, hourly = _hours_of_days(table, rows, dates)
    rows, notes = _results(table, options, rows)
    unreadable = [column.problems for column in numbers.values()]
    again, below = headers_again(table.frame, names)
    reasons = _joined([below, *dates.problems.values(), *unreadable, *_row_problems(rows)])
    _refuse_hopeless(table, [reasons])
    total = total_lines(table.frame, rows) & below.is_null() & ~again
    idle = idle_rows(rows, _joined([below, *unreadable]).is_not_null()) & ~total & ~again
    unnamed = unnamed_totals(rows, reasons.is_not_null() | total | idle | again)
    total = total | unnamed
    bad = _set_aside(rows, reasons, {AGAIN: again, TOTAL: total, IDLE: idle})
    called_totals = _called_totals(rows.filter(unnamed))
    # An idle row may take back what an earlier file said; for that its ad and its day have to be known.
    restates = idle & rows["period_start"].is_not_null() & (rows["external_id"] != "")
    # From here on rows carry numbers instead of texts: a million rows have few ads and segments.
    nameless = rows.select("ad", "external_id").filter(pl.col("ad") == "")
    rows, ads, segments = _numbered(rows)
    ads, respelled = _as_known(ads, nameless["external_id"].unique(), spelled)
    resting = rows.filter(restates & rows["impressions"].is_not_null())
    good = rows.filter(reasons.is_null() & ~total & ~idle & ~again)
    good, late = too_many_clicks(good, ads, delivered)
    finer = ["hour"] if hourly or "hour" in table.columns.position else []
    if "hour" in finer:
        good, remarks = hours_of_both_clocks(good, (*KEY, *finer))
        notes += remarks
    keys = good.select("line", *KEY, *finer)
    good, repeated = repeated_rows(good, (*KEY, *finer), lambda lines: other_cells(table, lines))
    notes += broken_down(table, options, keys, repeated)
    if not repeated["reason"].str.starts_with(DUPLICATE).all():
        # The file is broken down by something that is no field: nothing in a part of a day takes back none of it.
        resting = resting.clear()
    partial = repeated.clear()
    if "hour" in finer:
        good, partial = whole_days(good, rows.filter(~total & ~idle & ~again).select("line", *KEY), repeated)
    good, unsummed, remarks = summed_rows(good, finer)
    resting = resting.unique(KEY, keep="first", maintain_order=True)
    resting = resting.join(good, on=KEY, how="anti", maintain_order="left")
    good = good.with_columns(idle=pl.lit(0))
    resting = resting.with_columns(idle=pl.lit(1), rows=pl.lit(1))
    landing = pl.concat([good, resting.select(good.columns)]) if resting.height else good
    parts = (late, repeated, partial, unsummed)
    refused = [part.with_columns(kind=pl.lit(RejectKind.REJECTED.value)) for part in parts]
    last = ("creative", "campaign", "campaign_name", "ad_set")
    named = [pl.col(name).filter(pl.col(name) != "").last().fill_null("") for name in last]
    of_ads = landing.group_by("ad_no").agg(*named, pl.col("idle").min())
    of_segments = landing.group_by("segment_no").agg(
        pl.col("campaign_name").filter(pl.col("campaign_name") != "").last().fill_null(""), pl.col("idle").min()
    )
    return CheckedRows(
        # In this order the store takes them fastest.
        good=landing.select("line", "rows", "idle", *KEY, "currency", *FIGURES).sort(KEY[:3], maintain_order=True),
        ads=ads.join(of_ads, on="ad_no", how="inner", maintain_order="left"),
        names=good.filter(pl.col("creative") != "").select("ad_no", "creative").unique(maintain_order=True),
        segments=segments.join(of_segments, on="segment_no", how="inner", maintain_order="left"),
        rejects=_rejects(table, pl.concat([bad, *refused], how="diagonal"), names),
        notes=[
            *(*dates.notes, *_notes(table, options, numbers), *foreign, *notes, *remarks),
            *(
                *_currencies(good, ads),
                *respelled,
                *called_totals,
                *unlikely(good, table, today),
                *_provisional(good, today),
            ),
        ],
        found=_found(numbers, dates),
    )


def _called_totals(rows: pl.DataFrame) -> list[str]:
    """Say which ads were taken for totals, though no word says so."""
    names = sorted({name.rsplit("/", 1)[-1] for name in rows["external_id"].unique()})
    if not names:
        return []
    shown = ", ".join(map(repr, names[:3])) + (", …" if len(names) > 3 else "")
    return [f"{rows.height:,} rows of {shown} are set aside as totals: by their figures they are the sum of all others"]


def _refuse_hopeless(table: RawTable, problems: Sequence[pl.Series]) -> None:
    """Refuse a file of which hardly a row can be read: to keep millions of rows with their reasons helps nobody.

    Raises:
        InvalidInput: One of the problems alone is that of so many rows that few are left.
    """
    for problem in problems:
        broken = problem.len() - problem.null_count() + len(table.broken)
        if broken > max(MAX_BROKEN_ROWS, MOST_BROKEN_SHARE * table.rows):
            first = problem.is_not_null().arg_max() or 0
            raise InvalidInput(
                f"{broken:,} of {table.rows:,} rows cannot be read, such as line {table.frame['line'][first]:,}: "
                f"{problem[first]}",
                hint="look at that line; name the columns with --map, or export the file again",
            )


def _own_currency(
    table: RawTable, rows: pl.DataFrame, numbers: Mapping[str, ReadColumn]
) -> tuple[pl.DataFrame, list[str]]:
    """Leave amounts out whose column is in another currency than their row: a row has one currency."""
    worn = {name: numbers[name].currency for name in MONEY if name in numbers and numbers[name].currency}
    notes = [
        f"amounts of {table.columns.named(name)!r} are in {currency}, as their cells say"
        for name, currency in worn.items()
        if name not in table.columns.currencies and "currency" not in table.columns.position
    ]
    for name, currency in (worn | dict(table.columns.currencies)).items():
        foreign = (pl.col("currency") != "") & (pl.col("currency") != currency) & (pl.col(name) != 0)
        found = rows.filter(foreign.fill_null(False))["currency"]
        if not found.len():
            continue
        column = table.columns.named(name)
        notes.append(
            f"{found.len():,} amounts of {column!r} are left out: they are in {currency} and their rows in "
            f"{', '.join(sorted(found.unique()))}, and amounts of two currencies have no sum; "
            f"--map '{column}=' leaves the column out"
        )
        rows = rows.with_columns(pl.when(foreign.fill_null(False)).then(None).otherwise(pl.col(name)).alias(name))
    rows, notes = _own_sign(table, rows, numbers, notes)
    return rows, [*notes, *_of_rows(table, rows, numbers)]


def _of_rows(table: RawTable, rows: pl.DataFrame, numbers: Mapping[str, ReadColumn]) -> list[str]:
    """Say which currencies rows have by what the cells of one column wear."""
    found = {name: numbers[name].row_currencies for name in MONEY if name in numbers}
    column, own = next(((name, one) for name, one in found.items() if one is not None), ("", None))
    if own is None:
        return []
    counts = rows.filter(own.is_not_null())["currency"].value_counts().sort("currency")
    shown = ", ".join(f"{name or 'not known'} ({n:,} rows)" for name, n in counts.iter_rows())
    unknown = "; a column `currency` says what `$`, `¥` and `kr` mean" if "" in counts["currency"] else ""
    name = table.columns.named(column)
    return [f"amounts of {name!r} are in several currencies, as their cells say: {shown}{unknown}"]


def _own_sign(
    table: RawTable, rows: pl.DataFrame, numbers: Mapping[str, ReadColumn], notes: list[str]
) -> tuple[pl.DataFrame, list[str]]:
    """Leave amounts out whose sign is not one of their row's currency: `$` is the sign of many, and of no euro."""
    signs = {name: numbers[name].sign for name in MONEY if name in numbers and numbers[name].sign in SEVERAL}
    for name, sign in signs.items():
        other = pl.col("currency").is_in([*SEVERAL[sign], ""]).not_()
        if name == "revenue" and signs.get("spend", sign) != sign:
            other = pl.lit(True)
        # Where the row names its currency, the cell was held against it.
        foreign = (other & (pl.col(name) != 0) & ~pl.lit(_names_currency(table))).fill_null(False)
        found = rows.filter(foreign)["currency"]
        if found.len():
            column, rest = table.columns.named(name), sorted({*found} - {""}) or [signs["spend"]]
            notes.append(
                f"{found.len():,} amounts of {column!r} are left out: their sign is {sign!r} and their rows are in "
                f"{', '.join(rest)}, and amounts of two currencies have no sum; --map '{column}=' leaves the column out"
            )
            rows = rows.with_columns(pl.when(foreign).then(None).otherwise(pl.col(name)).alias(name))
    return rows, notes


def _names_currency(table: RawTable) -> pl.Series:
    if "currency" not in table.frame.columns:
        return pl.Series([False]).new_from_index(0, table.frame.height)
    return table.frame["currency"].cast(pl.String).fill_null("").str.strip_chars() != ""


def _hours_of_days(table: RawTable, rows: pl.DataFrame, dates: ReadDates) -> tuple[pl.DataFrame, ReadDates, bool]:
    """Take full hours in the column of days as hours of these days; other times of day stay a fault."""
    timed = dates.timed.get("day")
    if timed is None or not timed.any() or "hour" in table.columns.position:
        return rows, dates, False
    column = table.frame["day"]
    text = column.dt.strftime("%Y-%m-%d %H:%M:%S") if column.dtype == pl.Datetime else column.cast(pl.String)
    hour = text.str.extract(r"[T ](\d{1,2}):00(?::00(?:\.0+)?)?\s*(?:Z|UTC|[+-]\d{2}:?\d{2})?$").str.zfill(2)
    if hour.filter(timed).null_count():
        return rows, _without_midnights(rows, text, timed, dates), False
    problems = {**dates.problems, "day": pl.select(pl.when(~timed).then(dates.problems["day"])).to_series()}
    rows = rows.with_columns(hour=hour.fill_null("00"))
    return rows, replace(dates, problems=problems), True


def _without_midnights(rows: pl.DataFrame, text: pl.Series, timed: pl.Series, dates: ReadDates) -> ReadDates:
    """Refuse midnight too on days with other times of day: it is a part of the day, and not all of it."""
    midnight = text.str.contains(r"[T ]\d{1,2}:00").fill_null(False) & ~timed
    part = midnight & rows["period_start"].is_in(rows.filter(timed)["period_start"].unique().implode())
    reason = pl.lit("day has a time of day: midnight, beside other times of that day")
    said = pl.coalesce(dates.problems["day"], pl.when(part).then(reason))
    return replace(dates, problems={**dates.problems, "day": pl.select(said).to_series()})


def _results(table: RawTable, options: KpiOptions, rows: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Leave out results of other types than conversions, unless the user said that the column holds conversions."""
    column = table.columns.named("conversions")
    said = {plain_name(name) for name, field in options.mapping.items() if field == "conversions"}
    has_results = table.columns.results or counts_any_result(column)
    if "conversions" not in table.columns.position or not has_results or plain_name(column) in said:
        return rows, []
    return without_other_results(rows, column)


def _set_aside(rows: pl.DataFrame, reasons: pl.Series, no_faults: Mapping[str, pl.Series]) -> pl.DataFrame:
    """Return `line`, `reason` and `kind` of the rows that are no fault, by why, and of those that are."""
    why = pl.coalesce(*(pl.when(where).then(pl.lit(reason)) for reason, where in no_faults.items()))
    found = rows.select("line", why=why).with_columns(reason=reasons)
    kinds = {True: RejectKind.SET_ASIDE.value, False: RejectKind.REJECTED.value}
    return found.filter(pl.col("reason").is_not_null() | pl.col("why").is_not_null()).select(
        "line",
        pl.coalesce("why", "reason").alias("reason"),
        pl.col("why").is_not_null().replace_strict(kinds, return_dtype=pl.String).alias("kind"),
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
        name = table.columns.named(fields[0])
        epoch = table.reading.get("days_from")
        return of_longer_times(read_dates(table.frame, fields, name, options.dayfirst, epoch=epoch), name)
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
    texts = (text_of(frame[name]) if name in frame.columns else pl.lit("").alias(name) for name in _TEXTS)
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
    figures = {name: numbers[name].values for name in FIGURES if name in numbers}
    absent = [
        pl.lit(None, pl.Int64 if name in WHOLE else pl.Float64).alias(name) for name in FIGURES if name not in figures
    ]
    currency = pl.col("currency").str.to_uppercase()
    by_sign = [numbers[name].currency for name in MONEY if name in numbers and numbers[name].currency]
    of_rows = [numbers[name].row_currencies for name in MONEY if name in numbers]
    own = next((one for one in of_rows if one is not None), None)
    if table.columns.currency and "currency" not in frame.columns:
        currency = pl.lit(table.columns.currency)
    elif own is not None:
        currency = pl.lit(own.fill_null(""))
    elif by_sign:
        currency = pl.when(currency == "").then(pl.lit(by_sign[0])).otherwise(currency)
    called = pl.when(pl.col("ad_name") == "").then("creative").otherwise("ad_name")
    above = [
        pl.when(pl.col(name) != "").then(pl.col(name) + "/").otherwise(pl.lit("")) for name in ("campaign", "ad_set")
    ]
    in_campaign = pl.concat_str(*above, called)
    return rows.with_columns(
        start.alias("period_start"),
        end.alias("period_end"),
        *(values.alias(name) for name, values in figures.items()),
        *absent,
        currency.alias("currency"),
        # Without an id of its own, the ad is its name, else its creative, in its campaign and ad set.
        external_id=pl.when(pl.col("ad") != "").then("ad").when(called == "").then(pl.lit("")).otherwise(in_campaign),
    ).with_columns(
        # A blank cell means zero; a missing column means unknown.
        pl.col(name).fill_null(0)
        for name in ("clicks", "conversions")
        if name in figures
    )


def _is_rounded(rows: pl.DataFrame, name: str) -> pl.Expr:
    cut = cut_to_15_digits(rows[name])
    return rounded(name) | pl.col(name).is_in(cut.implode()) if cut.len() else rounded(name)


def _row_problems(rows: pl.DataFrame) -> list[pl.Series]:
    """Return what is wrong with single rows, apart from invalid dates and numbers."""
    checks: dict[str, pl.Expr] = {
        "no ad and no creative": pl.col("external_id") == "",
        "impressions is empty": pl.col("impressions").is_null(),
        "the period ends before it begins": pl.col("period_end") < pl.col("period_start"),
        "the currency is not three letters": ~pl.col("currency").str.contains(r"^([A-Z]{3})?$"),
        **{f"the {name.replace('_', ' ')} id was rounded by a spreadsheet": _is_rounded(rows, name) for name in IDS},
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
    places = {f"in_{name}": name for name in PLACES}
    # Where an ad has no id, its own name says where it ran: see `_rows`.
    rows = rows.with_columns(
        pl.when(pl.col("ad") != "").then(name).otherwise(pl.lit("")).alias(place) for place, name in places.items()
    )
    tables, columns = [], []
    for name, key in (("ad_no", AD), ("segment_no", (*Dimension, *places))):
        # Most columns have one value throughout, and each one that a join has to look at costs memory.
        varied = [column for column in key if rows[column].n_unique() > 1] or [key[0]]
        tables.append(rows.unique(varied, keep="first", maintain_order=True).select(key).with_row_index(name))
        numbers = tables[-1].select(name, *varied)
        columns.append(rows.select(varied).join(numbers, on=varied, how="left", maintain_order="left")[name])
    texts = {"ad", "ad_name", "platform", "account", "external_id", *Dimension, *places}
    return rows.select(pl.exclude(texts)).with_columns(columns), tables[0], tables[1].rename(places)


def _as_known(ads: pl.DataFrame, names: pl.Series, spelled: Spelled) -> tuple[pl.DataFrame, list[str]]:
    """Call ads that have no id as an earlier file does, where they differ in case and blanks only."""
    named = ads.filter(pl.col("external_id").is_in(names.implode()), pl.col("external_id") != "")
    keys = list(named.select(AD).iter_rows())
    others = spelled(keys) if keys else {}
    # Two spellings in one file are two ads.
    once = Counter(others.values())
    called = [(*key, other[2]) for key, other in others.items() if once[other] == 1 and other not in set(keys)]
    if not called:
        return ads, []
    known = pl.DataFrame(called, schema=dict.fromkeys((*AD, "known"), pl.String), orient="row")
    ads = ads.join(known, on=AD, how="left", maintain_order="left")
    ads = ads.with_columns(external_id=pl.coalesce("known", "external_id")).drop("known")
    said = sorted(called)[0]
    more = f" and {len(called) - 1:,} more" if len(called) > 1 else ""
    return ads, [f"{said[2]!r} is taken for {said[3]!r} of an earlier file{more}: ads without an id, by their names"]


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
    schema = {"line": pl.Int64, "kind": pl.String, "reason": pl.String, "content": pl.String}
    found = (
        bad.join(content, on="line", how="left").select(*schema) if content is not None else pl.DataFrame(schema=schema)
    )
    shown = {row.line: _storable(table.reading["delimiter"].join(row.cells)[:500]) for row in table.broken}
    kind = RejectKind.REJECTED.value
    broken = pl.DataFrame(
        [
            (row.line, kind, row.reason, json.dumps({"row": shown[row.line]}, ensure_ascii=False))
            for row in table.broken
        ],
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
        notes.append("no column holds conversions: unknown, stored as 0 (--map 'THEIR COLUMN=conversions')")
    return notes


def _found(numbers: Mapping[str, ReadColumn], dates: ReadDates) -> dict[str, str]:
    return {
        "dates": dates.format,
        **({"days_look_like": dates.looks_like} if dates.looks_like else {}),
        **{f"decimal of {name}": column.decimal for name, column in numbers.items() if column.decimal},
    }


def too_many_clicks(good: pl.DataFrame, ads: pl.DataFrame, delivered: Delivered) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Take out rows with more clicks than impressions, of ads that have more clicks than impressions altogether.

    An ad that was shown before midnight is clicked after it: the row of that day has a click and no impression. Over
    the whole ad, in this file and in earlier ones, there cannot be more clicks than impressions: then columns are mixed
    up, and every rate would be wrong.

    Args:
        good: Rows that are good so far, with `ad_no`.
        ads: Platform, account and id by `ad_no`.
        delivered: Returns, for ads, the impressions and clicks in the store.

    Returns:
        The rows that stay; `line` and `reason` of the others.
    """
    nothing = pl.DataFrame(schema={"line": pl.Int64, "reason": pl.String})
    suspects = good.filter(pl.col("clicks") > pl.col("impressions")).select("ad_no").unique()
    if not suspects.height:
        return good, nothing
    sums = good.join(suspects, on="ad_no", how="semi").group_by("ad_no").agg(pl.col("impressions", "clicks").sum())
    sums = sums.filter(pl.col("clicks") > pl.col("impressions")).join(ads.select("ad_no", *AD), on="ad_no")
    earlier = delivered(list(sums.select(AD).iter_rows()))
    refused = []
    for ad_no, impressions, clicks, *key in sums.select("ad_no", "impressions", "clicks", *AD).iter_rows():
        before = earlier.get(tuple(key), (0, 0))
        shown, clicked = impressions + before[0], clicks + before[1]
        if clicked > shown and not (shown == 0 and clicked <= MOST_LATE_CLICKS):
            reason = f"clicks above impressions over all rows of the ad: {clicked:,} clicks, {shown:,} impressions"
            refused.append((ad_no, reason))
    if not refused:
        return good, nothing
    of_ads = pl.DataFrame(refused, schema={"ad_no": good["ad_no"].dtype, "reason": pl.String}, orient="row")
    above = good.filter(pl.col("clicks") > pl.col("impressions")).join(of_ads, on="ad_no").select("line", "reason")
    return good.join(above, on="line", how="anti", maintain_order="left"), above


def _currencies(good: pl.DataFrame, ads: pl.DataFrame) -> list[str]:
    """Say which accounts have amounts in several currencies."""
    if good.filter(pl.col("currency") != "")["currency"].n_unique() < 2:
        return []
    owners = good.filter(pl.col("currency") != "").select("ad_no", "currency").unique()
    owners = owners.join(ads.select("ad_no", "platform", "account"), on="ad_no")
    several = owners.group_by("platform", "account").agg(pl.col("currency").unique().sort())
    return [
        f"{f'account {account!r}' if account else 'rows without an account'} in several currencies "
        f"({', '.join(currencies)}): each row keeps its own, and amounts of different currencies are never added up"
        for _, account, currencies in several.sort("platform", "account").iter_rows()
        if len(currencies) > 1
    ]


def _provisional(good: pl.DataFrame, today: date) -> list[str]:
    """Say how many rows are so recent that the platform may still change them."""
    first = today - timedelta(days=PROVISIONAL_DAYS)
    recent = good.filter(pl.col("period_end") >= first)["rows"].sum()
    if not recent:
        return []
    return [
        f"{recent:,} rows end on {first} or later: figures of the last {PROVISIONAL_DAYS} days are provisional, as "
        "platforms still credit conversions to them; import these days once more later"
    ]
