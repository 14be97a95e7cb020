"""Which stored rows count: settled for the ads that an import touches, and read by every analysis.

`kpi.left_out` is '' where a row counts, else the reason. Rows compete over all time and without any filter; where an
analysis looks at a window that cuts a longer period, or at a dimension, the rows inside compete anew: the days of a
month that counts as a whole count in a week of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, and_, case, func, literal_column, not_, or_, select, update
from sqlalchemy.orm import Session

from abkit.records import Record, percent
from abkit.store.database.statements import among, in_parts, total
from abkit.store.kpis.once.publishers import is_part, is_whole
from abkit.store.kpis.once.renamed_places import joined_places
from abkit.store.kpis.once.rule import COLUMNS, breakdown_of, choose
from abkit.store.kpis.once.same_ads import groups_of, unite
from abkit.store.kpis.once.whole_values import likely_wholes, whole_values
from abkit.store.schema import Ad, Kpi, Segment
from abkit.vocabulary import PLACES, Dimension, SetAsideReason

if TYPE_CHECKING:
    import polars as pl

# Written out, not as parameters: an engine takes the index of the rows that are left out only where it sees this.
COUNTS: ColumnElement[bool] = Kpi.left_out == literal_column("''")
LEFT_OUT: ColumnElement[bool] = Kpi.left_out != literal_column("''")

_MOST_ADS = 40  # that a total of others is looked for in
_MOST_RARE, _RARE_ADS = 100, 3  # values that none of these has, and ads of each that are looked at too
# Where an ad ran, and the rest of its segment.
_PLACE = Segment.campaign + "\n" + Segment.ad_set
_BASE = reduce(add, [getattr(Segment, name) + "\n" for name in Dimension])

# --- writing ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recounted:
    """What was found while rows were decided anew.

    Attributes:
        wholes: Values of dimensions that are now known to be the sum of the others.
        likely: Values that are that in too few rows to tell.
        not_examined: How many values of few ads were too many to look whether they are such sums.
    """

    wholes: tuple[tuple[Dimension, str], ...] = ()
    not_examined: int = 0
    likely: tuple[tuple[Dimension, str], ...] = ()


def recount(
    session: Session,
    ads: Collection[int],
    days: tuple[date, date] | None = None,
    *,
    every: bool = False,
    alone: Collection[int] = (),
) -> Recounted:
    """Decide anew which rows of these ads count; call it where their rows changed, came or went.

    Args:
        session: A writing session; it holds what changed.
        ads: Ids of the ads; those that are the same as one of them are looked at too.
        days: First and last of the rows that changed; all days by default.
        every: Whether the ads did not come in one file, and may repeat each other.
        alone: Those of the ads whose rows are known not to compete with each other: they are days, of one kind.
    """
    if not ads:
        return Recounted()
    session.flush()
    note_breakdowns(session)
    _note_publishers(session)
    found = _note_wholes(session, ads, days)
    _settle(session, set(ads).difference(alone))
    if changed := unite(session, ads, days, every=every):
        _settle(session, changed)
    return found


def settle_all(session: Session) -> None:
    """Decide which rows count in a store of an earlier release; nothing is left to do in any other."""
    if session.scalars(select(Segment.id).where(Segment.breakdown.is_(None)).limit(1)).first() is not None:
        recount(session, session.scalars(select(Ad.id)).all(), every=True)


def note_breakdowns(session: Session) -> None:
    """Note how the segments that are new cut delivery."""
    names = [*map(str, Dimension), *PLACES]
    columns = [getattr(Segment, name) for name in names]
    new = session.execute(select(Segment.id, *columns).where(Segment.breakdown.is_(None))).all()
    if not new:
        return
    summed = session.execute(select(Segment.breakdown, *columns).where(Segment.breakdown.contains("A"))).all()
    wholes = {
        (name, value) for cuts, *row in summed for name, cut, value in zip(names, cuts, row, strict=True) if cut == "A"
    }
    values = []
    for number, *row in new:
        cuts = breakdown_of(dict(zip(names, row, strict=True)))
        known = ((name, value) in wholes for name, value in zip(names, row, strict=True))
        cuts = "".join("A" if whole else cut for cut, whole in zip(cuts, known, strict=True))
        values.append({"id": number, "breakdown": cuts})
    session.execute(update(Segment), values)


def _note_publishers(session: Session) -> None:
    """Note that a platform is the sum of others, once there are any of which it is."""
    kept = Segment.breakdown.like("V%")
    platforms = session.scalars(select(Segment.platform).where(kept).distinct()).all()
    for whole in filter(is_whole, platforms):
        if any(is_part(platform, whole) for platform in platforms):
            _mark(session, Dimension.PLATFORM, whole)


def _note_wholes(session: Session, ads: Collection[int], days: tuple[date, date] | None) -> Recounted:
    """Note which values are the sum of the others, as the figures of some of the ads show."""
    import polars as pl

    every = sorted(ads)
    some = every[:: -(-len(every) // _MOST_ADS)]
    rare, not_examined = _ads_of_rare_values(session, every, some)
    some = sorted({*some, *rare})
    several = or_(*(func.count(getattr(Segment, name).distinct()) > 2 for name in Dimension))
    seen = [among(session, Kpi.ad_id, some), Segment.breakdown.like("%V%")]
    seen += [Kpi.period_start <= days[1], Kpi.period_end >= days[0]] if days else []
    if not session.scalar(select(several).select_from(Kpi).join(Segment).where(*seen)):
        return Recounted((), not_examined)
    dimensions = [
        case((func.substr(Segment.breakdown, place, 1) == "V", getattr(Segment, name)), else_="").label(name)
        for place, name in enumerate(Dimension, 1)
    ]
    kind = func.substr(Segment.breakdown, 1, len(Dimension)).label("kind")
    key = [Kpi.ad_id, Kpi.period_start, Kpi.period_end, Kpi.event, Kpi.attribution_window, _PLACE.label("place"), kind]
    found = session.execute(
        select(*key, *dimensions, Kpi.impressions, Kpi.clicks).join(Segment, Segment.id == Kpi.segment_id).where(*seen)
    ).all()
    schema = dict.fromkeys((*found[0]._fields,), pl.String) | {
        **dict.fromkeys(("ad_id", "impressions", "clicks"), pl.Int64),
        **dict.fromkeys(("period_start", "period_end"), pl.Date),
    }
    rows = pl.DataFrame([tuple(row) for row in found], schema=schema, orient="row")
    wholes = whole_values(rows)
    for name, value in wholes:
        _mark(session, name, value)
    return Recounted(tuple(wholes), not_examined, tuple(one for one in likely_wholes(rows) if one not in wholes))


def _ads_of_rare_values(session: Session, ads: Collection[int], some: Collection[int]) -> tuple[list[int], int]:
    """Return ads for the values of dimensions that none of some ads has, and how many values are left over.

    A few ads only may have a total.
    """
    if len(some) == len(ads):
        return [], 0

    def of(chosen: Collection[int]) -> Any:
        return select(Kpi.segment_id).where(among(session, Kpi.ad_id, chosen))

    values = [getattr(Segment, name) for name in Dimension]
    cut = select(*values).where(func.substr(Segment.breakdown, 1, len(Dimension)).like("%V%"))
    if not session.execute(cut.limit(1)).first():
        return [], 0
    seen = {tuple(row) for row in session.execute(cut.where(Segment.id.in_(of(some))).distinct())}
    rest = {tuple(row) for row in session.execute(cut.where(Segment.id.in_(of(ads))).distinct())} - seen
    found: set[int] = set()
    for row in sorted(rest)[:_MOST_RARE]:
        same = and_(*(column == value for column, value in zip(values, row, strict=True)))
        one = select(Kpi.ad_id).where(
            among(session, Kpi.ad_id, ads), Kpi.segment_id.in_(select(Segment.id).where(same))
        )
        found.update(session.scalars(one.distinct().order_by(Kpi.ad_id).limit(_RARE_ADS)))
    return sorted(found), max(0, len(rest) - _MOST_RARE)


def _mark(session: Session, name: Dimension, value: str) -> None:
    place = list(Dimension).index(name) + 1
    cuts = Segment.breakdown
    marked = func.substr(cuts, 1, place - 1) + "A" + func.substr(cuts, place + 1)
    of_it = select(Segment.id).where(getattr(Segment, name) == value)
    changed = list(session.scalars(of_it))
    total_of_others = update(Segment).where(Segment.id.in_(changed)).values(breakdown=marked)
    session.execute(total_of_others.execution_options(synchronize_session=False))
    # Other ads have rows of these segments, too.
    _settle(session, session.scalars(select(Kpi.ad_id).where(Kpi.segment_id.in_(of_it)).distinct()).all())


def _settle(session: Session, ads: Collection[int]) -> None:
    groups = groups_of(session, ads)
    contested = _contested(session, groups)
    if settled := (groups.keys() - contested) & ads_left_out(session):
        again = update(Kpi).where(LEFT_OUT, among(session, Kpi.ad_id, settled)).values(left_out="")
        session.execute(again.execution_options(synchronize_session=False))
    for part in in_parts(sorted(contested)):
        rows = _rows(session, {ad: groups[ad] for ad in part})
        decided = choose(rows).join(rows.select("id", before="left_out"), on="id").sort("id")
        for reason, changed in _by_reason(decided):
            session.execute(
                update(Kpi)
                .where(among(session, Kpi.id, changed))
                .values(left_out=reason)
                .execution_options(synchronize_session=False)
            )


def changed_without(session: Session, ads: Collection[int], gone: ColumnElement[bool]) -> set[int]:
    """Return the ads of which other rows would count if some rows were gone; nothing is changed.

    Args:
        session: A session; which rows count is settled.
        ads: Ids of the ads; those that are the same as one of them are looked at too.
        gone: Which rows would be gone.
    """
    import polars as pl

    groups = groups_of(session, ads)
    found: set[int] = set()
    for part in in_parts(sorted(_contested(session, groups) | (groups.keys() & ads_left_out(session)))):
        rows = _rows(session, {ad: groups[ad] for ad in part}, ~gone)
        if not rows.height:
            continue
        decided = choose(rows).join(rows.select("id", "ad", before="left_out"), on="id")
        heads = set(decided.filter(pl.col("left_out") != pl.col("before"))["ad"])
        found |= {ad for ad, head in groups.items() if head in heads}
    return found


def _by_reason(decided: pl.DataFrame) -> Iterable[tuple[str, list[int]]]:
    import polars as pl

    changed = decided.filter(pl.col("left_out") != pl.col("before"))
    for (reason,), rows in changed.partition_by("left_out", as_dict=True).items():
        yield str(reason), rows["id"].to_list()


def ads_left_out(session: Session, *where: ColumnElement[bool]) -> set[int]:
    """Return the ads with rows that are left out; grouped as their index is, which SQLite takes only then."""
    found = select(Kpi.ad_id).where(LEFT_OUT, *where).group_by(Kpi.left_out, Kpi.ad_id)
    return set(session.scalars(found))


def _contested(session: Session, groups: dict[int, int]) -> set[int]:
    """Return the ads with rows that may hold the same delivery: several kinds of rows, long periods, several names."""
    sizes: dict[int, int] = {}
    for group in groups.values():
        sizes[group] = sizes.get(group, 0) + 1
    kinds = [Kpi.event, Kpi.attribution_window, Kpi.kpi_import_id]
    # By segment first, in the order of the table's key: an ad has many rows, and they are in few segments.
    rows = (
        select(
            Kpi.ad_id,
            Kpi.segment_id,
            func.count().label("rows"),
            func.max(case((Kpi.period_end > Kpi.period_start, 1), else_=0)).label("longer"),
            *(func.min(kind).label(f"least_{kind.name}") for kind in kinds),
            *(func.max(kind).label(f"most_{kind.name}") for kind in kinds),
        )
        .where(among(session, Kpi.ad_id, groups))
        .group_by(Kpi.ad_id, Kpi.segment_id)
        .subquery()
    )
    event, window, imports = (
        func.min(rows.c[f"least_{kind.name}"]) != func.max(rows.c[f"most_{kind.name}"]) for kind in kinds
    )
    breakdown = func.min(Segment.breakdown) != func.max(Segment.breakdown)
    # Of one file, places are what they are; of several, one may have been renamed.
    renamed = and_(imports, func.min(_PLACE) != func.max(_PLACE))
    longer = and_(func.max(rows.c.longer) == 1, func.sum(rows.c.rows) > 1)
    found = session.scalars(
        select(rows.c.ad_id)
        .join(Segment, Segment.id == rows.c.segment_id)
        .group_by(rows.c.ad_id)
        .having(or_(breakdown, event, window, renamed, longer))
    )
    return set(found) | {ad for ad, group in groups.items() if sizes[group] > 1}


def _rows(session: Session, groups: dict[int, int], *where: ColumnElement[bool]) -> pl.DataFrame:
    """Return the rows of ads as the rule takes them, with what is noted of them now."""
    import polars as pl

    figures = (Kpi.impressions, Kpi.clicks, Kpi.conversions, Kpi.spend)
    name = Ad.account + "\n" + Ad.external_id
    columns: list[Any] = [Kpi.id, Kpi.ad_id, name, Segment.breakdown, Kpi.event, Kpi.attribution_window]
    columns += [Kpi.segment_id, Kpi.period_start, Kpi.period_end, *figures, Kpi.left_out]
    columns += [_BASE, _PLACE, Kpi.kpi_import_id, Segment.campaign_id]
    found = session.execute(
        select(*columns)
        .join(Segment, Segment.id == Kpi.segment_id)
        .join(Ad, Ad.id == Kpi.ad_id)
        .where(among(session, Kpi.ad_id, groups), *where)
    )
    schema = dict.fromkeys((*COLUMNS, "left_out", "base", "place", "kpi_import_id", "meant"), pl.String) | {
        **dict.fromkeys(("id", "ad", "segment_id", "impressions", "clicks", "kpi_import_id", "meant"), pl.Int64),
        **dict.fromkeys(("period_start", "period_end"), pl.Date),
        **dict.fromkeys(("conversions", "spend"), pl.Float64),
    }
    rows = pl.DataFrame([tuple(row) for row in found], schema=schema, orient="row")
    return joined_places(rows.with_columns(pl.col("ad").replace(groups))) if rows.height else rows


# --- reading ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class SetAside(Record):
    """Rows that do not count because other rows hold the same delivery.

    Attributes:
        reason: What these other rows are.
        rows: How many do not count.
        impressions: What they hold.
        share: Of all impressions that the analysis could have taken, in [0, 1].
    """

    reason: SetAsideReason
    rows: int
    impressions: int
    share: float

    def __str__(self) -> str:
        """Say it in a line."""
        rows = f"{self.rows:,} row{'' if self.rows == 1 else 's'}"
        return f"{rows}, {self.impressions:,} impressions ({percent(self.share, 1)}): {_SAID[self.reason]}"


_SAID = {
    SetAsideReason.PERIOD: "periods that overlap rows that count",
    SetAsideReason.BREAKDOWN: "other breakdowns of delivery that counts",
    SetAsideReason.EVENT: "further conversion events or attribution windows of delivery that counts",
    SetAsideReason.SAME_AD: "ads that count under another name or account",
}


def within(table: Any, start: date | None, end: date | None) -> list[ColumnElement[bool]]:
    """Return conditions that a row's whole period lies between two days."""
    # What begins later ends later, and an index has the last days.
    conditions = [] if start is None else [table.period_start >= start, table.period_end >= start]
    return conditions if end is None else [*conditions, table.period_end <= end]


def counts(
    session: Session, start: date | None = None, end: date | None = None, asked: Collection[str] = ()
) -> ColumnElement[bool]:
    """Return the condition on `kpi` that a row counts; the only way to sum what was delivered.

    Args:
        session: A reading session.
        start, end: The analysis takes rows whose period lies inside; None is open.
        asked: Dimensions that the analysis looks at: breakdowns without them do not compete.
    """
    anew = _decided_anew(session, start, end, asked)
    if not anew:
        return COUNTS
    groups = groups_of(session, anew)
    rows = _rows(session, groups, *within(Kpi, start, end), *_cut_by(asked))
    chosen = choose(rows).filter(left_out="")["id"].to_list() if rows.height else []
    return or_(
        and_(COUNTS, not_(among(session, Kpi.ad_id, groups))),
        among(session, Kpi.id, chosen),
    )


def _cut_by(asked: Collection[str]) -> list[ColumnElement[bool]]:
    pattern = "".join("V" if name in asked else "_" for name in Dimension) + "%"
    return [Segment.breakdown.like(pattern)] if asked else []


def _decided_anew(session: Session, start: date | None, end: date | None, asked: Collection[str]) -> list[int]:
    """Return the ads of which rows that are left out may count in this window, or with these dimensions."""
    inside = ads_left_out(session)
    anew: set[int] = set()
    if asked and inside:
        cut = select(Kpi.ad_id).join(Segment, Segment.id == Kpi.segment_id).where(LEFT_OUT, *within(Kpi, start, end))
        anew.update(session.scalars(cut.where(*_cut_by(asked)).distinct()))
    edges = [and_(Kpi.period_start < start, Kpi.period_end >= start)] if start else []
    edges += [and_(Kpi.period_end > end, Kpi.period_start <= end)] if end else []
    if edges and inside:
        groups = groups_of(session, inside)
        cut_off = select(Kpi.ad_id).where(or_(*edges), COUNTS).distinct()
        broken = {groups[ad] for ad in session.scalars(cut_off) if ad in groups}
        anew.update(ad for ad, group in groups.items() if group in broken)
    return sorted(anew)


def set_aside(
    session: Session,
    counted: ColumnElement[bool],
    conditions: Sequence[ColumnElement[bool]] = (),
    impressions: int | None = None,
) -> tuple[SetAside, ...]:
    """Return what an analysis leaves out, by reason, the largest first.

    Args:
        session: A reading session.
        counted: Of `counts`.
        conditions: Which rows the analysis could take.
        impressions: Those that count, where they are known.
    """
    if counted is COUNTS and session.scalar(select(Kpi.ad_id).where(LEFT_OUT).limit(1)) is None:
        return ()  # of millions of rows that count, looking for others takes long
    rest = LEFT_OUT if counted is COUNTS else not_(counted)
    shown = total(Kpi.impressions)
    found = session.execute(select(Kpi.left_out, func.count(), shown).where(rest, *conditions).group_by(Kpi.left_out))
    # What counts over all time may not count in a window: other periods do there.
    rows = [(SetAsideReason(reason or SetAsideReason.PERIOD), number, sums) for reason, number, sums in found]
    if rows and impressions is None:
        impressions = session.scalar(select(shown).where(counted, *conditions))
    return _shared(rows, impressions or 0)


def together(parts: Iterable[SetAside], impressions: int) -> tuple[SetAside, ...]:
    """Return what several parts of an analysis leave out as one.

    Args:
        parts: Of each part.
        impressions: Those that count, in all parts.
    """
    return _shared([(one.reason, one.rows, one.impressions) for one in parts], impressions)


def _shared(rows: Iterable[tuple[SetAsideReason, int, int]], counted: int) -> tuple[SetAside, ...]:
    sums: dict[SetAsideReason, tuple[int, int]] = {}
    for reason, number, impressions in rows:
        before = sums.get(reason, (0, 0))
        sums[reason] = before[0] + number, before[1] + impressions
    everything = counted + sum(impressions for _, impressions in sums.values())
    records = [
        SetAside(reason=reason, rows=number, impressions=shown, share=shown / everything if everything else 0.0)
        for reason, (number, shown) in sums.items()
    ]
    return tuple(sorted(records, key=lambda one: (-one.impressions, -one.rows, one.reason)))
