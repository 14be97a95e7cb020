"""Ratings and comparisons that a program sends row by row: the good ones land, the others come back with the reason."""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select

from abkit.errors import InvalidInput, UsageError
from abkit.intake.tables.ratings import Labels
from abkit.records import Record
from abkit.store import imports
from abkit.store.catalog import creatives
from abkit.store.database.engine import Store
from abkit.store.keys import clean_key
from abkit.store.ratings import publish as rating_publish
from abkit.store.runs import recorded_run
from abkit.store.schema import RatingSource
from abkit.workflows.ratings.import_ratings import store_rows
from abkit_model.data.comparisons import CHOICES, MAX_WEIGHT, TIES, Comparison
from abkit_model.data.csv_table import name_fault
from abkit_model.data.rating_rows import Vote

#: Rows of one request; more of them are a table (`abkit ratings import`) or several requests.
MOST_ROWS = 1_000
_SHA256 = re.compile("[0-9a-f]{64}")
_RATING = ("sha256", "score", "rater", "rated_at")
_COMPARISON = ("first", "second", "choice", "share", "weight", "rater", "compared_at")


@dataclass(frozen=True, kw_only=True)
class RefusedRow(Record):
    """A row that did not land.

    Attributes:
        row: Its number in the request; the first is 1.
        reason: Why it cannot be used.
    """

    row: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class SentLabels(Record):
    """What became of the rows of a request: imported + unchanged + rejected = rows.

    Attributes:
        source: Key of the study that the raters belong to.
        kind: votes or comparisons.
        scale: Lowest and highest rating; None for comparisons.
        rows: Rows that were sent.
        imported: Rows that are new in the store.
        unchanged: Rows that were there already.
        rejected: Rows that did not land.
        refused: Each of these with its reason.
        import_id: Id of the import in the store.
        again: Whether the same rows were sent before.
    """

    source: str
    kind: str
    scale: tuple[float, float] | None
    rows: int
    imported: int
    unchanged: int
    rejected: int
    refused: tuple[RefusedRow, ...]
    import_id: int
    again: bool


def record_ratings(
    store: Store,
    rows: Sequence[Any],
    *,
    source: str,
    scale: tuple[float, float] | None = None,
    rater: str | None = None,
) -> SentLabels:
    """Record ratings, one mapping per rating: `sha256` and `score`, and where known `rater` and `rated_at`.

    Args:
        store: A store at the current migration.
        rows: What was sent, at most `MOST_ROWS`.
        source: Key of the study. Raters of two studies are different people.
        scale: Lowest and highest rating; that of the study by default.
        rater: Whose ratings all of them are; a row that names somebody else is refused. None where rows name raters.

    Raises:
        InvalidInput: No row, too many, or not a valid scale.
        UsageError: The study has another scale, or none and none is given.
    """
    source = clean_key(source, "study (source)")
    _require_rows(rows)
    low, high = found = _scale_of(store, source, scale)

    def read(line: int, row: Mapping[str, Any]) -> Vote | str:
        score = _number(row.get("score"))
        if score is None:
            return "score: not a number"
        if not low <= score <= high:
            return f"score: {score:g} is outside {low:g} to {high:g}"
        return Vote(line, row.get("sha256", ""), row.get("rater") or "", score, row.get("rated_at") or "")

    return _record(store, rows, _read_rows(rows, _RATING, rater, read), "votes", source, found)


def record_comparisons(store: Store, rows: Sequence[Any], *, source: str, rater: str | None = None) -> SentLabels:
    """Record comparisons, one mapping per comparison: `first`, `second`, and `choice` or `share`.

    A choice is first, second or tie; a share is that of the votes for the first, with `weight` of them. Rows without a
    `rater` are counted votes of nobody in particular.

    Args:
        store: A store at the current migration.
        rows: What was sent, at most `MOST_ROWS`.
        source: Key of the study.
        rater: As for `record_ratings`.

    Raises:
        InvalidInput: No row, or too many.
    """
    source = clean_key(source, "study (source)")
    _require_rows(rows)

    def read(line: int, row: Mapping[str, Any]) -> Comparison | str:
        share, weight = _share(row), _number(row.get("weight", 1))
        if isinstance(share, str):
            return share
        if weight is None or not 0 < weight <= MAX_WEIGHT:
            return "weight: not a number above 0"
        if rater is not None and weight != 1:
            return "weight: a person's own choice counts once"
        one, other = row.get("first", ""), row.get("second", "")
        if one == other:
            return "a creative is compared with itself"
        return Comparison(
            line=line, first=one, second=other, share=share, weight=weight, rater=row.get("rater") or "",
            time=row.get("compared_at") or "",
        )  # fmt: skip

    return _record(store, rows, _read_rows(rows, _COMPARISON, rater, read), "comparisons", source, None)


def _require_rows(rows: Sequence[Any]) -> None:
    if not 1 <= len(rows) <= MOST_ROWS:
        hint = f"send 1 to {MOST_ROWS:,}; `abkit ratings import` takes tables of any length"
        raise InvalidInput(f"a request with {len(rows):,} rows cannot be taken", hint=hint)


def _read_rows(rows: Sequence[Any], fields: Sequence[str], rater: str | None, read: Any) -> Labels:
    """Check each row by itself; `read` knows what only ratings, or only comparisons, have."""
    good: list[Any] = []
    bad: list[tuple[int, str]] = []
    seen: dict[tuple[str, ...], int] = {}
    for line, row in enumerate(rows, 1):
        fault = _fault(row, fields, rater)
        one = fault or read(line, {**row, "rater": row.get("rater") or rater})
        if not isinstance(one, str) and (key := _key(one)) and (former := seen.setdefault(key, line)) != line:
            one = f"the same rater said something of it before, in row {former}"
        if isinstance(one, str):
            bad.append((line, one))
        else:
            good.append(one)
    return Labels(kind="", layout="request", scale=None, rows=tuple(good), rejected=tuple(bad), sha256="")


def _fault(row: Any, fields: Sequence[str], rater: str | None) -> str:
    """Return what is wrong with a row whatever it is about, or ""."""
    if not isinstance(row, Mapping):
        return "not an object with fields"
    if unknown := [name for name in row if name not in fields]:
        return f"no field is called {str(unknown[0])[:50]!r}; there are {', '.join(fields)}"
    for name in fields:
        value = row.get(name)
        if name in ("sha256", "first", "second"):
            if not isinstance(value, str) or not _SHA256.fullmatch(value):
                return f"{name}: not the digest of a creative, 64 hexadecimal digits"
        elif name in ("rater", "rated_at", "compared_at") and value is not None:
            if not isinstance(value, str):
                return f"{name}: not text"
            if fault := name_fault(value):
                return f"{name}: {fault}"
    if rater is None and "score" in fields and not row.get("rater"):
        return "rater: nobody is named"
    if rater is not None and row.get("rater") not in (None, "", rater):
        return "rater: who may label sends their own judgments; those of others take the permission to operate"
    return ""


def _key(one: Vote | Comparison) -> tuple[str, ...]:
    """Return what a rater says once; () where nobody in particular does."""
    if not one.rater:
        return ()
    if isinstance(one, Vote):
        return one.rater, one.image
    return one.rater, *sorted((one.first, one.second))


def _share(row: Mapping[str, Any]) -> float | str:
    share, choice = row.get("share"), row.get("choice")
    if (share is None) == (choice is None):
        return "give either choice or share"
    if choice is not None:
        said = choice.lower() if isinstance(choice, str) else ""
        found = 0.5 if said in TIES else CHOICES.get(said)
        return "choice: neither first, second nor tie" if found is None else found
    found = _number(share)
    return "share: not between 0 and 1" if found is None or not 0 <= found <= 1 else found


def _number(value: Any) -> float | None:
    """Return a finite number; None where it is something else, or too large for one."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def _scale_of(store: Store, source: str, scale: tuple[float, float] | None) -> tuple[float, float]:
    if scale is not None:
        if not (all(map(math.isfinite, scale)) and scale[0] < scale[1]):
            raise InvalidInput("this is not a scale", hint="the lowest rating, and a higher one: [1, 5]")
        return scale
    with store.read() as session:
        known = session.scalars(select(RatingSource).where(RatingSource.key == source)).one_or_none()
        if known is not None and known.scale_low is not None and known.scale_high is not None:
            return known.scale_low, known.scale_high
    raise UsageError(f"the study {source!r} has no ratings yet: nobody knows its scale", hint="send scale: [1, 5]")


def _record(
    store: Store, sent: Sequence[Any], labels: Labels, kind: str, source: str, scale: tuple[float, float] | None
) -> SentLabels:
    names = labels.images()
    # Who rated is not among the arguments: a run stays when its rater is forgotten.
    with recorded_run(store, "ratings import", {"source": source, "sent": kind, "scale": scale}) as run:
        with store.read() as session:
            known = creatives.creative_ids(session, names)
        with store.write() as session:
            source_id, salt = rating_publish.source_of(session, run, source, scale)
        # Keyed, as the rows name people: nobody finds out by trying names.
        said = json.dumps([sent, kind, scale, source, sorted(known)], sort_keys=True).encode()
        digest = hmac.new(salt, said, hashlib.sha256).hexdigest()
        labels = replace(labels, kind=kind, scale=scale, sha256=digest)
        header = rating_publish.LabelHeader(
            digest=digest, name=f"sent {kind}", source_id=source_id, kind=kind,
            options={"layout": labels.layout, "scale": scale, "table_sha256": digest}, run_id=run.id,
        )  # fmt: skip
        missing = dict.fromkeys((name for name in names if name not in known), "no creative has this content")
        made = store_rows(store, labels, known, missing, salt, header, source)
        run.outcome.update({name: getattr(made, name) for name in ("rows", "imported", "unchanged", "rejected")})
    with store.read() as session:
        refused = _refused(imports.rating_rejects(session, made.import_id, MOST_ROWS))
    return SentLabels(
        source=source,
        kind=kind,
        scale=scale,
        rows=len(sent),
        imported=made.imported,
        # Votes of nobody in particular on one pair are counted into one row.
        unchanged=len(sent) - made.imported - made.rejected,
        rejected=made.rejected,
        refused=refused,
        import_id=made.import_id,
        again=made.again,
    )


def _refused(rejects: Iterable[Mapping[str, Any]]) -> tuple[RefusedRow, ...]:
    return tuple(RefusedRow(row=one["line"], reason=one["reason"]) for one in rejects)
