"""Keep the store small: move KPI rows of days that are long over into Parquet files, and give their space back."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abkit.config import Settings
from abkit.errors import AbkitError, StoreError, UsageError
from abkit.intake.kpis.reading import KpiOptions, digest_of
from abkit.metrics import FIGURES, WHOLE
from abkit.records import Record
from abkit.store.database import space
from abkit.store.database.engine import Store
from abkit.store.database.patience import LONG
from abkit.store.imports import CAME_FIRST, came_first
from abkit.store.kpis import retention
from abkit.store.kpis.publish import wait_for_imports
from abkit.store.kpis.retention import COLUMNS, Sums
from abkit.store.runs import recorded_run
from abkit.store.schema import KpiImport, KpiRetention

if TYPE_CHECKING:
    import polars as pl
    from sqlalchemy.orm import Session

_PER_FILE = 1_000_000
_HISTORY = "history"  # a folder inside: `abkit kpi import` reads the tables directly in the folder that is named
_PART = ".part"


@dataclass(frozen=True, kw_only=True)
class Archived(Record):
    """KPI rows that were moved out of the store.

    Attributes:
        before: Rows whose period ended before this day.
        folder: Where their files are; "" where there was nothing to do.
        files: How many files that are, without those of former figures.
        rows: Rows that left the store.
        first, last: Days that they cover; None without any.
        impressions, clicks, conversions: What they hold.
        stayed: Rows as old that stay, because rows that stay rest on them.
        left_rows, left_impressions: What the store holds afterwards.
        dry_run: Whether nothing was changed.
    """

    before: date
    folder: str
    files: int
    rows: int
    first: date | None
    last: date | None
    impressions: int
    clicks: int
    conversions: float
    stayed: int
    left_rows: int
    left_impressions: int
    dry_run: bool = False


@dataclass(frozen=True, kw_only=True)
class Vacuumed(Record):
    """What vacuuming the store gave back.

    Attributes:
        bytes_before, bytes_after: How large the store was and is. PostgreSQL keeps its files, and fills them again.
    """

    bytes_before: int
    bytes_after: int


def vacuum(store: Store) -> Vacuumed:
    """Give back the space of rows that are gone, and renew the statistics of the tables.

    Raises:
        StoreError: The disk has no room for it.
    """
    with recorded_run(store, "db vacuum", {}) as run:
        before = space.size_of(store)
        space.vacuum(store)
        after = space.size_of(store)
        run.outcome.update(bytes_before=before, bytes_after=after)
    return Vacuumed(bytes_before=before, bytes_after=after)


def archive(
    store: Store,
    settings: Settings,
    *,
    before: date | None = None,
    folder: Path | None = None,
    today: date | None = None,
    dry_run: bool = False,
) -> Archived:
    """Move KPI rows of days that are long over out of the store into Parquet files.

    1. In one writing transaction, with imports held back: choose the rows, such that those that stay count as before.
    2. Write them into a new folder, one file per import and million rows, as exports.
    3. Read the files back, and compare their sums with those of the store.
    4. Give the folder its name, delete the rows, and commit. Killed before that, the store has all rows, and the folder
       holds copies of them that nothing needs.

    `abkit kpi import FOLDER` brings the rows back.

    Args:
        store: The store.
        settings: `[kpi]` has `keep_days`; the workspace is where the folder goes by default.
        before: Rows whose period ended before this day leave; `keep_days` before today by default.
        folder: The new folder; `archive/kpi-before-DAY` in the workspace by default.
        today: The day from which `keep_days` counts; today (UTC) by default.
        dry_run: Say what would leave, and change nothing.

    Raises:
        UsageError: Neither a day nor `keep_days`; an experiment that is not decided needs days before that one; or the
            folder exists.
        AbkitError: The files cannot be written, or do not hold what the store holds; nothing was deleted.
    """
    today = today or datetime.now(UTC).date()
    before = before or _kept_from(settings, today)
    if before > today:
        raise UsageError(f"{before} is in the future", hint="name the first day that stays")
    arguments = {"before": before.isoformat(), "dry_run": dry_run}
    with recorded_run(store, "db archive", arguments) as run, store.write(LONG) as session:
        wait_for_imports(session)
        if needing := retention.undecided_since(session, before):
            raise UsageError(
                f"experiment {needing[0]!r} began before {before} and is not decided: it needs its days",
                hint="decide it, or archive it (`abkit experiment archive`), or name an earlier day",
            )
        retention.choose_leaving(session, before)
        leaving, every = retention.sums_of_leaving(session), retention.sums_of_all(session)
        stayed = retention.count_held(session, before)
        target, files = None, 0
        if leaving.rows and not dry_run:
            target = _free(folder or settings.workspace / "archive" / f"kpi-before-{before}", named=folder is not None)
            files = _write(session, target, leaving)
            assert leaving.first is not None and leaving.last is not None  # noqa: S101, PT018  # there are rows
            record = KpiRetention(
                before=before,
                folder=str(target),
                rows=leaving.rows,
                impressions=leaving.impressions,
                first_day=leaving.first,
                last_day=leaving.last,
                made_at=datetime.now(UTC),
                run_id=run.id,
            )
            if retention.take_out(session, before, record) != leaving.rows:
                raise StoreError("the rows changed while they were archived", hint="run it again")
        gone = Sums() if dry_run else leaving
        found = Archived(
            before=before,
            folder=str(target or ""),
            files=files,
            rows=leaving.rows,
            first=leaving.first,
            last=leaving.last,
            impressions=leaving.impressions,
            clicks=leaving.clicks,
            conversions=leaving.conversions,
            stayed=stayed,
            left_rows=every.rows - gone.rows,
            left_impressions=every.impressions - gone.impressions,
            dry_run=dry_run,
        )
        run.outcome.update(rows=leaving.rows, folder=found.folder, stayed=stayed)
        if target is not None:
            run.outcome[CAME_FIRST] = _first_comings(session, target)
    return found


def _kept_from(settings: Settings, today: date) -> date:
    if not settings.kpi.keep_days:
        raise UsageError(
            "nothing says how long KPI rows are kept", hint="--before DAY, or keep_days under [kpi] of abkit.toml"
        )
    return today - timedelta(days=settings.kpi.keep_days)


# --- files ----------------------------------------------------------------------------------------------------------


def _free(folder: Path, *, named: bool) -> Path:
    """Return a folder that does not exist: what an earlier archive wrote is never replaced."""
    if named and folder.exists():
        raise UsageError(f"{folder} is there already", hint="name a new folder: an archive replaces nothing")
    others = (folder.with_name(f"{folder.name}-{number}") for number in range(2, 10_000))
    return folder if not folder.exists() else next(one for one in others if not one.exists())


def _write(session: Session, target: Path, leaving: Sums) -> int:
    """Write the rows that leave, and return how many files they are in; the folder appears when all is verified."""
    part = target.with_name(target.name + _PART)
    try:
        shutil.rmtree(part, ignore_errors=True)  # of a process that was killed
        part.mkdir(mode=0o700, parents=True)
        files = _write_rows(session, part)
        if former := retention.leaving_revisions(session):
            (part / _HISTORY).mkdir()
            _save(_frame_of_revisions(former), part / _HISTORY / "revisions.parquet")
        _require_same(leaving, _sums_of(files))
        os.rename(part, target)
        _reach_disk(target.parent)
    except OSError as error:
        raise AbkitError(
            f"{target} cannot be written: {error.strerror or error}",
            hint="nothing was deleted; make room, or name another folder with --to",
        ) from error
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return len(files)


def _first_comings(session: Session, target: Path) -> dict[str, str]:
    """Return when the rows of each file came first, by the digest with which an import knows the file again."""
    found = {}
    for path in sorted(target.glob("import-*.parquet")):
        record = session.get_one(KpiImport, int(path.name.split("-")[1]))
        found[digest_of(path, KpiOptions())] = came_first(record).isoformat()
    return found


def _write_rows(session: Session, folder: Path) -> list[Path]:
    import polars as pl

    files: list[Path] = []
    held: list[pl.DataFrame] = []
    of = number = 0

    def close() -> None:
        nonlocal held, number
        if held:
            number += 1
            files.append(folder / f"import-{of:06d}-{number:03d}.parquet")
            _save(pl.concat(held), files[-1])
            held = []

    for import_id, rows in retention.leaving_rows(session):
        if import_id != of:
            close()
            of, number = import_id, 0
        held.append(_frame(rows))
        if sum(one.height for one in held) >= _PER_FILE:
            close()
    close()
    return files


def _frame(rows: Iterable[tuple[Any, ...]]) -> pl.DataFrame:
    import polars as pl

    schema = dict.fromkeys(COLUMNS, pl.String) | {
        **dict.fromkeys(("period_start", "period_end"), pl.Date),
        **{name: pl.Int64 if name in WHOLE else pl.Float64 for name in FIGURES},
    }
    return pl.DataFrame(list(rows), schema=schema, orient="row")


def _frame_of_revisions(rows: list[dict[str, Any]]) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(rows, infer_schema_length=None)


def _save(frame: pl.DataFrame, path: Path) -> None:
    frame.write_parquet(path, compression="zstd")
    _reach_disk(path)


def _reach_disk(path: Path) -> None:
    """Wait until a file or a folder outlives a power cut: what it holds is deleted from the store."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _sums_of(files: list[Path]) -> Sums:
    """Return what files hold, read back from the disk."""
    import polars as pl

    names = [field.name for field in fields(Sums)][1:-2]
    rows = pl.scan_parquet(files).select(
        pl.len().alias("rows"),
        *(pl.col(name).sum() for name in names),
        pl.col("period_start").min().alias("first"),
        pl.col("period_end").max().alias("last"),
    )
    return Sums(**rows.collect().row(0, named=True))


def _require_same(stored: Sums, written: Sums) -> None:
    """Refuse files that do not hold what the store holds."""
    for name, value in asdict(stored).items():
        other = getattr(written, name)
        same = math.isclose(value, other, rel_tol=1e-9, abs_tol=1e-6) if isinstance(value, float) else value == other
        if not same:
            raise AbkitError(
                f"the files hold {other} {name}, and the store {value}", hint="nothing was deleted; run it again"
            )
