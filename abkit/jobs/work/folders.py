"""Watched folders: images that are scored where they are, KPI exports that are imported and archived."""

import os
import time
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator
from sqlalchemy import select

from abkit.addresses import is_nearly_an_address
from abkit.alerts.rules import Rules
from abkit.config import ImportOptions, Settings
from abkit.errors import AbkitError
from abkit.intake.remote.address import is_address
from abkit.jobs.job import Arguments, Tick
from abkit.jobs.work.openings import Openings, WatchedImages, overtaken, shown
from abkit.store.database.engine import Store
from abkit.store.jobs import openings
from abkit.store.schema import KpiImport

COUNTS = ("rows", "imported", "updated", "unchanged", "unlinked", "rejected", "set_aside")
# Files that are named in the outcome of a tick.
_MOST_NAMED = 50
_SCORED = ("scored", "known", "rejected", "skipped")
_POISONED = "make the export smaller, or give the job more memory or time, then put it back into the folder"
# Endings of files that a program is still writing.
_UNFINISHED = (".part", ".partial", ".tmp", ".temp", ".crdownload", ".filepart", ".swp", "~")


def _of_this_machine(folder: object) -> object:
    if isinstance(folder, str) and (is_address(folder) or is_nearly_an_address(folder)):
        raise ValueError("a watched folder lies on this machine; addresses are fetched by a [[source]]")
    return folder


Folder = Annotated[Path, BeforeValidator(_of_this_machine)]


class ScoreFolder(Arguments):
    """Arguments of `score_folder`."""

    folder: Folder = Field(description="watched folder, relative to the workspace")
    campaign: str = Field(default="default", description="campaign that its images are candidates of")
    stable_seconds: float = Field(default=2, ge=0, le=300, description="files that grow within this time wait")


class ImportKpis(ImportOptions, Arguments):
    """Arguments of `import_kpis`: the folder, and the options of `abkit kpi import`."""

    folder: Folder = Field(description="watched folder inside the workspace; done/ and failed/ are created in it")
    stable_seconds: float = Field(default=2, ge=0, le=300, description="files that grow within this time wait")
    period: tuple[date, date] | None = None

    @field_validator("period", mode="before")
    @classmethod
    def _period(cls, value: object) -> object:
        from abkit.intake.kpis.reading import parse_period

        return parse_period(value) if isinstance(value, str) else value


def score_folder(store: Store, settings: Settings, tick: Tick, arguments: ScoreFolder) -> Mapping[str, Any]:
    """Score the images of a folder that are not scored yet. Running it again changes nothing.

    Images are noted before they are opened, some hundred at a time. Those during which a job died are opened one by
    one, after all others; one that ended its job too often is left out, and an alert names it.
    """
    from abkit.intake.media.images import find_images
    from abkit.workflows.learning.retraining.shadow import score_beside
    from abkit.workflows.scoring.score import TOGETHER, score_paths

    folder = _watched(settings.workspace, arguments.folder)
    found = find_images([folder])
    ready, waiting = stable_files(found.files, tick.started_at, arguments.stable_seconds)
    counts: dict[str, Any] = {"files": len(ready), "still_written": waiting, "ignored": found.ignored}
    left_out = dict((*found.skipped, *found.unusable))
    dead = "the link points to nothing, or is part of a loop"
    left_out |= {path: dead for path in found.files if _is_dead_link(path)}
    opened = Openings.of(store, tick)
    deadly = {path: why for path in ready if (why := opened.kills(path))}
    left_out |= deadly
    suspects = [path for path in ready if path not in deadly and opened.is_suspect(path)]
    others = [path for path in ready if path not in deadly and not opened.is_suspect(path)]
    _observe_deadly(store, settings, tick, {_below(path, folder): why for path, why in deadly.items()})
    done: dict[str, Any] = {}
    known: list[int] = []
    for paths, together in ((others, TOGETHER), (suspects, 1)):
        if not paths:
            continue
        tick.run.outcome.clear()
        scored = score_paths(
            store,
            settings,
            paths,
            campaign=arguments.campaign,
            run=tick.run,
            opening=opened.note,
            together=together,
        )
        sums = {name: done.get(name, 0) + tick.run.outcome.get(name, 0) for name in _SCORED if name in tick.run.outcome}
        done |= tick.run.outcome | sums
        known += [file.creative_id for file in scored.files if file.creative_id is not None]
        left_out |= {Path(file.path): file.reason for file in scored.files if file.reason}
    if done:
        opened.note([])
        said = score_beside(store, settings, known, WatchedImages(settings, opened))
        counts = {**done, **counts, **({"note": said} if said else {})}
    if left_out:
        named = {_below(path, folder): reason for path, reason in left_out.items()}
        counts["not_read"] = dict(list(named.items())[:_MOST_NAMED])
        counts |= {"not_read_more": len(named) - _MOST_NAMED} if len(named) > _MOST_NAMED else {}
    # The next tick must know them: they stay in the folder.
    return counts | ({"deaths": opened.of_files(deadly)} if deadly else {})


def _observe_deadly(store: Store, settings: Settings, tick: Tick, deadly: Mapping[str, str]) -> None:
    with store.write() as session:
        rules = Rules(session, settings.alerts, tick.at, tick.run.id)
        rules.files_left_out(deadly, tick.schedule)


def _is_dead_link(path: Path) -> bool:
    return path.is_symlink() and not os.path.exists(path)


def _below(path: Path, folder: Path) -> str:
    name = path.relative_to(folder) if path.is_relative_to(folder) else path
    return str(name).encode("utf-8", "backslashreplace").decode()


def import_kpis(store: Store, settings: Settings, tick: Tick, arguments: ImportKpis) -> Mapping[str, Any]:
    """Import the files of a folder, oldest first, and archive each: in done/, or in failed/ with the reason beside it.

    Oldest first, because a later file that restates a period replaces its figures. A crash between the import and the
    move does no harm: the file is imported once more, which changes nothing. What needs a person is in the store before
    the file is moved, and on the disk: a job that dies after the move leaves the alert behind, and a power cut loses no
    rows of a file that lies in done/. Each file is noted before it is opened:
    one that has killed its job too often goes to failed/ unopened.
    """
    from abkit.workflows.kpis.import_kpis import ImportSummary, import_files, options_of

    folder = _watched(settings.workspace, arguments.folder, writable=True)
    found = [entry for entry in folder.iterdir() if _is_export(entry)]
    ready, waiting = stable_files(found, tick.started_at, arguments.stable_seconds)
    options = options_of(settings, **arguments.said(), period=arguments.period)
    failed: dict[str, str] = {}
    opened = Openings.of(store, tick)
    dealt_with: list[ImportSummary] = []
    for path in ready:
        if why := opened.kills(path):
            summary = ImportSummary(file=shown(path), error=why, hint=_POISONED)
        else:
            opened.note([path])
            (summary,) = import_files(store, [path], options, run=tick.run)
        opened.forget(path)
        dealt_with.append(summary)
        limit = settings.alerts.reject_share * max(summary.rows - summary.set_aside, 1)
        if summary.error is not None or summary.rejected > limit:
            refused = {path.name: summary.error} if summary.error is not None else {}
            observe_imports(store, settings, tick, refused, imported=bool(refused))
        opened.keep()
        if summary.error is None:
            _archive(path, folder / "done")
        else:
            failed[path.name] = summary.error
            _archive(path, folder / "failed", reason=f"{summary.error}\n{summary.hint or ''}".strip() + "\n")
    done = observe_imports(store, settings, tick, failed, imported=bool(ready))
    # The outcome is that of all files and attempts, not of the last one: another attempt may have imported some.
    tick.run.outcome.clear()
    imported = {row.id: row for row in done}
    counted: list[KpiImport | ImportSummary] = [imported.pop(one.import_id or 0, one) for one in dealt_with]
    counted += imported.values()
    rows = {name: sum(getattr(one, name) for one in counted) for name in COUNTS if counted}
    counts = {"files": len(counted), "refused_files": len(failed), "still_written": waiting, **rows}
    return counts | {"reasons": dict(list(failed.items())[:20])} if failed else counts


def observe_imports(
    store: Store, settings: Settings, tick: Tick, failed: Mapping[str, str], *, imported: bool
) -> Sequence[KpiImport]:
    """Open or resolve the alerts about what a tick imported: a large share of rejects, files that were refused.

    Returns:
        What the run has imported, in all of its attempts.

    Raises:
        AbkitError: Another daemon has taken the run over. What this attempt could not read, that one has moved away.
    """
    with store.write() as session:
        if not openings.is_ours(session, tick.run.id, tick.attempt):
            raise overtaken()
        rules = Rules(session, settings.alerts, tick.at, tick.run.id)
        done = session.scalars(select(KpiImport).where(KpiImport.run_id == tick.run.id).order_by(KpiImport.id)).all()
        # One observation per tick: the file with the largest share of rejects stands for all.
        if done:
            worst = max(done, key=lambda row: row.rejected / max(row.rows - row.set_aside, 1))
            rules.file_imported(worst, tick.schedule)
        if imported:
            rules.file_failed(failed, tick.schedule)
    return done


def stable_files(files: Sequence[Path], now: datetime, seconds: float) -> tuple[list[Path], int]:
    """Return the files whose size and time do not change for a moment, oldest first, and how many still grow.

    Files that disappear in the meantime are neither.

    Args:
        files: Files to look at.
        now: The clock; files last changed well before need no second look.
        seconds: How long a file must stay unchanged.
    """
    first = {path: mark for path in files if (mark := _mark(path)) is not None}
    settled_before = now.timestamp() - max(60.0, 2 * seconds)
    if seconds and any(changed > settled_before for _, changed in first.values()):
        time.sleep(seconds)
    second = {path: mark if mark[1] <= settled_before else _mark(path) for path, mark in first.items()}
    ready = sorted((path for path in first if second[path] == first[path]), key=lambda path: (first[path][1], path))
    return ready, sum(mark is not None for mark in second.values()) - len(ready)


def _mark(path: Path) -> tuple[int, float] | None:
    try:
        status = path.stat()
    except OSError:
        return None  # it has disappeared in the meantime
    return status.st_size, status.st_mtime


def _is_export(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".") and not path.name.lower().endswith(_UNFINISHED)


def _watched(workspace: Path, folder: Path, *, writable: bool = False) -> Path:
    path = (workspace / folder).resolve()
    if writable and not path.is_relative_to(workspace.resolve()):
        raise AbkitError(
            f"the watched folder {path} is outside the workspace {workspace}, and abkit moves files only inside it",
            hint="have the exports delivered to a folder of the workspace",
        )
    try:
        if not path.is_dir():
            raise AbkitError(
                f"the watched folder {path} does not exist" if not path.exists() else f"{path} is not a folder",
                hint="create it, or correct the folder of the schedule",
            )
        os.scandir(path).close()
    except OSError as error:
        raise AbkitError(
            f"the watched folder {path} cannot be read: {os.strerror(error.errno or 0).lower()}",
            hint="give the user of the daemon permission to read it",
        ) from error
    return path


def check_folder(workspace: Path, folder: Path, *, writable: bool = False) -> None:
    """Check that a watched folder can be read and, where files are moved, written.

    Raises:
        AbkitError: It cannot.
    """
    path = _watched(workspace, folder, writable=writable)
    if writable and not os.access(path, os.W_OK | os.X_OK):
        raise AbkitError(
            f"files cannot be moved out of the watched folder {path}",
            hint="give the user of the daemon write permission on the folder",
        )


def _archive(path: Path, folder: Path, reason: str | None = None) -> None:
    try:
        folder.mkdir(exist_ok=True)
        target, number = folder / path.name, 1
        while target.exists():
            target, number = folder / f"{path.stem}-{number}{path.suffix}", number + 1
        if reason is not None:
            target.with_name(f"{target.name}.reason.txt").write_text(reason, encoding="utf-8")
        path.rename(target)
    except OSError as error:
        raise AbkitError(
            f"{path} was imported or refused, but cannot be moved to {folder}: {os.strerror(error.errno or 0).lower()}",
            hint="give the user of the daemon write permission on the folder",
        ) from error
