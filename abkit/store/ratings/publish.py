"""Publish a staged table of ratings or comparisons: one short transaction in which rows, rejects and counts appear.

The steps, in the order of the code:

1. One import at a time, on PostgreSQL by an advisory lock, on SQLite by the transaction itself. If another process
   has published the same table with the same images in the meantime, nothing is left to do.
2. The row of the import; raters that are new.
3. Staged rows whose key is in the store with another value are refused: ratings are never overwritten.
4. Rows that are new are inserted; those that are there already stay as they are.
5. Rejects and counts.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Float,
    Integer,
    MetaData,
    Table,
    Text,
    and_,
    delete,
    exists,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session

from abkit.errors import UsageError
from abkit.store.database.staging import analyze
from abkit.store.database.statements import count_inserted, count_rows, insert_into, insert_missing
from abkit.store.imports import begin_import
from abkit.store.runs import RunRecord
from abkit.store.schema import (
    Base,
    Comparison,
    Json,
    Rater,
    Rating,
    RatingImport,
    RatingReject,
    RatingSource,
    RatingSummary,
)

# Any number, the same in all processes.
_PUBLISH_LOCK = 6_223_816
CONFLICT = "an earlier import of this source has another value for it"

TEMPORARY = MetaData()
STAGE_LABEL = Table(
    "stage_label",
    TEMPORARY,
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("rater", Text),
    Column("creative_id", BigInteger),
    Column("second_id", BigInteger),
    Column("at", Text),
    Column("score", Float(53)),
    Column("n", BigInteger),
    Column("sd", Float(53)),
    Column("counts", Json),
    Column("share", Float(53)),
    Column("weight", Float(53)),
    Column("rater_id", BigInteger),
    prefixes=["TEMPORARY"],
)
STAGE_FAULT = Table(
    "stage_label_reject",
    TEMPORARY,
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("reason", Text),
    prefixes=["TEMPORARY"],
)


@dataclass(frozen=True)
class _Kind:
    """Where rows of a kind go: columns of the table by staged columns, and which of them are the key or must agree."""

    table: type[Base]
    columns: Mapping[str, str]
    key: Sequence[str]
    value: Sequence[str]


_KINDS = {
    "votes": _Kind(
        Rating,
        {"rater_id": "rater_id", "creative_id": "creative_id", "rated_at": "at", "score": "score"},
        ("rater_id", "creative_id", "rated_at"),
        ("score",),
    ),
    "summaries": _Kind(
        RatingSummary,
        {"creative_id": "creative_id", "n": "n", "mean": "score", "sd": "sd", "counts": "counts"},
        ("rating_source_id", "creative_id"),
        ("n", "mean"),
    ),
    "comparisons": _Kind(
        Comparison,
        {
            "rater_id": "rater_id",
            "first_id": "creative_id",
            "second_id": "second_id",
            "compared_at": "at",
            "share": "share",
            "weight": "weight",
        },
        ("rater_id", "first_id", "second_id", "compared_at"),
        ("share", "weight"),
    ),
}


@dataclass(frozen=True, kw_only=True)
class LabelHeader:
    """An import without its rows: digest and name of the table, and how it was read."""

    digest: str
    name: str
    source_id: int
    kind: str
    options: Mapping[str, Any]
    run_id: int


def pseudonym(salt: bytes, name: str) -> str:
    """Return what the store knows a rater by: 16 hex digits, keyed with the salt of the source.

    >>> pseudonym(b"salt", "ann") == pseudonym(b"salt", "ann") != pseudonym(b"other", "ann")
    True
    """
    return hmac.new(salt, name.encode(), hashlib.sha256).hexdigest()[:16]


_MOST_WORDS = 5  # of a name, of which any may begin with a capital


@dataclass
class KnownRaters:
    """The raters of a study, found again in another spelling: the store has no names, so it tries how people write.

    Attributes:
        salt: Of the study.
        known: Their pseudonyms.
        other_spellings: How many were found in another spelling.
    """

    salt: bytes
    known: Collection[str]
    other_spellings: int = 0

    def pseudonym(self, name: str) -> str:
        """Return the pseudonym of a rater, under which the study may know them already.

        >>> ann = pseudonym(b"salt", "Ann Lee")
        >>> raters = KnownRaters(b"salt", {ann})
        >>> raters.pseudonym("ann  lee") == ann, raters.other_spellings
        (True, 1)
        """
        own = pseudonym(self.salt, name)
        if own in self.known or not self.known:
            return own
        for spelling in _spellings(name):
            if (other := pseudonym(self.salt, spelling)) in self.known:
                self.other_spellings += 1
                return other
        return own


def _spellings(name: str) -> Iterator[str]:
    """Yield how people may write a name: all letters small or large, or some of its words with a capital.

    >>> list(_spellings("ann  lee"))
    ['ann lee', 'ANN LEE', 'ann Lee', 'Ann lee', 'Ann Lee']
    """
    plain = " ".join(name.split())
    small = plain.lower()
    pieces = re.split(r"([^\W\d_]+)", small)  # words are every other one
    words = len(pieces) // 2
    kinds = product((False, True), repeat=words) if words <= _MOST_WORDS else ((False,) * words, (True,) * words)
    some = [
        "".join(piece.capitalize() if n % 2 and capitals[n // 2] else piece for n, piece in enumerate(pieces))
        for capitals in kinds
    ]
    yield from dict.fromkeys((plain, small, plain.upper(), *some))


def pseudonyms_of(session: Session, source_id: int) -> frozenset[str]:
    """Return the pseudonyms of the raters of a study."""
    return frozenset(session.scalars(select(Rater.pseudonym).where(Rater.rating_source_id == source_id)))


def source_of(session: Session, run: RunRecord, key: str, scale: tuple[float, float] | None) -> tuple[int, bytes]:
    """Return the id and the salt of a source; make it when it is new.

    Raises:
        UsageError: It has ratings on another scale.
    """
    now = datetime.now(UTC)
    row = {"key": key, "salt": secrets.token_bytes(32), "created_at": now, "run_id": run.id}
    insert_missing(session, RatingSource, [{**row, "scale_low": None, "scale_high": None}], key=["key"])
    source = session.scalars(select(RatingSource).where(RatingSource.key == key)).one()
    if not source.salt:
        # Earlier raters were made anonymous for good: those to come are new people.
        source.salt = secrets.token_bytes(32)
    if scale is not None:
        if source.scale_low is None:
            source.scale_low, source.scale_high = scale
        elif (source.scale_low, source.scale_high) != scale:
            raise UsageError(
                f"the ratings of source {key!r} are on {source.scale_low:g} to {source.scale_high:g}, "
                f"this table is on {scale[0]:g} to {scale[1]:g}",
                hint="say --scale, or give this table another --source",
            )
    return source.id, source.salt


def publish(session: Session, header: LabelHeader) -> tuple[RatingImport, bool]:
    """Publish what is staged on the session's connection.

    Returns:
        The import, and whether it is this one (False: another process was first).
    """
    columns = {"name": header.name, "options": dict(header.options), "run_id": header.run_id}
    columns |= {"rating_source_id": header.source_id, "kind": header.kind}
    record, is_new = begin_import(session, _PUBLISH_LOCK, RatingImport, header.digest, **columns)
    if not is_new:
        return record, False
    if header.kind != "summaries":
        _number_raters(session, header)
    kind = _KINDS[header.kind]
    staged = count_rows(session, STAGE_LABEL)
    conflicts = _refuse_conflicts(session, kind, header)
    record.imported = _insert_new(session, kind, header, record.id)
    record.unchanged = staged - conflicts - record.imported
    rejects = select(literal(record.id), STAGE_FAULT.c.line, STAGE_FAULT.c.reason).order_by(STAGE_FAULT.c.line)
    session.execute(insert(RatingReject).from_select(["rating_import_id", "line", "reason"], rejects))
    record.rejected = count_rows(session, STAGE_FAULT)
    record.rows = staged - conflicts + record.rejected
    session.flush()
    return record, True


def _number_raters(session: Session, header: LabelHeader) -> None:
    now = literal(datetime.now(UTC), Rater.created_at.type)
    names = (
        select(literal(header.source_id), STAGE_LABEL.c.rater, now, literal(header.run_id))
        # SQLite takes ON CONFLICT after a SELECT only behind a WHERE.
        .where(STAGE_LABEL.c.line >= 0)
        .distinct()
    )
    session.execute(
        insert_into(session, Rater)
        .from_select(["rating_source_id", "pseudonym", "created_at", "run_id"], names)
        .on_conflict_do_nothing(index_elements=["rating_source_id", "pseudonym"])
    )
    number = select(Rater.id).where(Rater.rating_source_id == header.source_id, Rater.pseudonym == STAGE_LABEL.c.rater)
    session.execute(update(STAGE_LABEL).values(rater_id=number.scalar_subquery()))
    # Tables that have just grown have no statistics yet, and PostgreSQL would compare row by row.
    analyze(session.connection(), STAGE_LABEL, Rating.__table__, Comparison.__table__)


def _same_key(kind: _Kind, header: LabelHeader) -> ColumnElement[bool]:
    pairs = []
    for name in kind.key:
        stored = getattr(kind.table, name)
        pairs.append(stored == (header.source_id if name == "rating_source_id" else STAGE_LABEL.c[kind.columns[name]]))
    return and_(*pairs)


def _refuse_conflicts(session: Session, kind: _Kind, header: LabelHeader) -> int:
    """Move staged rows that contradict the store to the rejects, and return how many."""
    differs = or_(*(getattr(kind.table, name) != STAGE_LABEL.c[kind.columns[name]] for name in kind.value))
    lines = select(STAGE_LABEL.c.line, literal(CONFLICT)).join(kind.table, _same_key(kind, header)).where(differs)
    session.execute(insert(STAGE_FAULT).from_select(["line", "reason"], lines))
    refused = STAGE_LABEL.c.line.in_(select(STAGE_FAULT.c.line))
    if count := count_rows(session, STAGE_LABEL, refused):
        session.execute(delete(STAGE_LABEL).where(refused))
    return count


def _insert_new(session: Session, kind: _Kind, header: LabelHeader, import_id: int) -> int:
    columns = {name: STAGE_LABEL.c[staged] for name, staged in kind.columns.items()}
    more: dict[str, Any] = {"rating_import_id": literal(import_id)}
    if "rating_source_id" in kind.key:
        more["rating_source_id"] = literal(header.source_id)
    rows = select(*columns.values(), *more.values()).where(~exists().where(_same_key(kind, header)))
    statement = insert(kind.table).from_select([*columns, *more], rows.order_by(STAGE_LABEL.c.line))
    return count_inserted(session, statement)
