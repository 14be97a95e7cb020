"""Sources: run a command of the user, or fetch an address, and import the export that comes.

What comes goes to a private temporary file first, within limits of time and size. Neither the address nor the arguments
of the command nor what it prints is shown or stored: all of them may hold secrets.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import Field

from abkit.config import Settings, SourceSettings
from abkit.errors import AbkitError
from abkit.intake.remote.answers import opener
from abkit.intake.remote.web import SameHost, require_whole
from abkit.jobs.job import Arguments, Tick
from abkit.jobs.work.folders import COUNTS, observe_imports
from abkit.jobs.work.openings import Openings
from abkit.redaction import keep_secret
from abkit.store.database.engine import Store

if TYPE_CHECKING:
    from abkit.intake.kpis.reading import KpiOptions
    from abkit.workflows.kpis.import_kpis import ImportSummary

_POISONED = "fetch less at a time, or give the job more memory or time"
_CHUNK = 1 << 16
_LOOK_S = 0.05


class ImportSource(Arguments):
    """Arguments of `import_source`."""

    source: str = Field(description="key of the `[[source]]`")


def import_source(store: Store, settings: Settings, tick: Tick, arguments: ImportSource) -> Mapping[str, Any]:
    """Get the export of a source and import it. What came before changes nothing, unless other figures came since.

    What comes is noted before it is opened: what has killed its job too often is refused until something else comes.
    """
    from abkit.workflows.kpis.import_kpis import options_of

    source = next((one for one in settings.source if one.key == arguments.source), None)
    if source is None:
        raise AbkitError(
            f"there is no source {arguments.source!r} in abkit.toml",
            hint="add a [[source]] with this key, or remove the schedule",
        )
    options = options_of(settings, **source.said())
    # Only this user can read the folder.
    with tempfile.TemporaryDirectory(prefix="abkit-source-") as folder:
        path = Path(folder) / source.key
        if source.command:
            _run(source, settings.workspace, tick, path)
        else:
            _fetch(source, tick, path)
        size = path.stat().st_size
        summary = _import(store, tick, path, options, source)
    failed = {source.key: summary.error} if summary.error else {}
    done = observe_imports(store, settings, tick, failed, imported=True)
    tick.run.outcome.clear()
    if summary.error:
        hint = (summary.hint or "").replace(str(path), "FILE")
        raise AbkitError(
            f"source {source.key}: {summary.error}",
            hint=f"{hint} (options of the [[source]] in abkit.toml: mapping, decimal, …)".strip(),
        )
    # What another attempt of this run has imported is what the run has imported.
    counted = next((row for row in done if row.id == summary.import_id), summary)
    return {"bytes": size, **{name: getattr(counted, name) for name in COUNTS}}


def _import(store: Store, tick: Tick, path: Path, options: KpiOptions, source: SourceSettings) -> ImportSummary:
    from abkit.workflows.kpis.import_kpis import ImportSummary, import_files

    opened = Openings.of(store, tick)
    with path.open("rb") as file:
        content = f"source {source.key}, content {hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"
    if why := opened.kills(content):
        opened.note([])  # the next tick must know it: the same content may come again
        return ImportSummary(file=source.key, error=why, hint=_POISONED)
    opened.note([content])
    (summary,) = import_files(store, [path], options, run=tick.run, shown_as=f"source {source.key}", newest=True)
    return summary


def check_source(source: SourceSettings, workspace: Path) -> None:
    """Check that the command of a source exists, or that its address and headers are there; nothing is fetched.

    Raises:
        AbkitError: Something is missing.
    """
    if source.command:
        program = source.command[0]
        # As the job starts it: in the folder of the workspace.
        path = str(workspace / program) if os.sep in program and not os.path.isabs(program) else program
        if shutil.which(path) is None:
            raise AbkitError(
                f"source {source.key}: there is no program {Path(program).name!r}, or it may not be run",
                hint="give its full path, and let the user of the daemon run it",
            )
        return
    _host(source, _variable(source, source.url_env) if source.url_env else source.url)
    for variable in source.headers_env.values():
        _variable(source, variable)


def _dated(text: str, tick: Tick) -> str:
    """Put the day of the tick and the one before into a text, both in UTC."""
    day = tick.at.date()
    return text.replace("{today}", day.isoformat()).replace("{yesterday}", (day - timedelta(days=1)).isoformat())


# --- a command ------------------------------------------------------------------------------------------------------


def _run(source: SourceSettings, workspace: Path, tick: Tick, path: Path) -> None:
    """Run the command without a shell, its output into the file.

    Raises:
        AbkitError: It cannot be started, fails, takes too long, or prints too much.
    """
    deadline = time.monotonic() + source.timeout_seconds
    argv = [_dated(part, tick) for part in source.command]
    program = Path(argv[0]).name
    environment = {**os.environ, "ABKIT_TICK": tick.at.isoformat()}
    with path.open("wb") as out:
        try:
            process = subprocess.Popen(  # noqa: S603  # the user's own command, as arguments, without a shell
                argv,
                cwd=workspace,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.DEVNULL,
            )
        except (OSError, ValueError) as error:
            why = os.strerror(error.errno or 0).lower() if isinstance(error, OSError) else "an argument has a null byte"
            raise AbkitError(
                f"source {source.key}: the command {program!r} cannot be started: {why}",
                hint="give its full path, and let the user of the daemon run it",
            ) from None
        try:
            while (code := _ended(process)) is None:
                if time.monotonic() > deadline:
                    raise _too_slow(source, f"the command {program!r}")
                if path.stat().st_size > source.max_bytes:
                    raise _too_large(source)
        finally:
            process.kill()
            process.wait()
    if code != 0:
        how = f"ended with exit code {code}" if code > 0 else f"was ended by signal {-code}"
        raise AbkitError(
            f"source {source.key}: the command {program!r} {how}",
            hint="run it by hand to see what it says: abkit shows nothing of it, because it may hold secrets",
        )
    if path.stat().st_size > source.max_bytes:
        raise _too_large(source)


def _ended(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(_LOOK_S)
    except subprocess.TimeoutExpired:
        return None


# --- an address -----------------------------------------------------------------------------------------------------


def _fetch(source: SourceSettings, tick: Tick, path: Path) -> None:
    """Fetch the address into the file.

    Raises:
        AbkitError: It cannot be fetched, answers with an error, takes too long, is too large, or redirects elsewhere.
    """
    deadline = time.monotonic() + source.timeout_seconds
    address = _dated(_variable(source, source.url_env) if source.url_env else source.url, tick)
    host = _host(source, address)
    headers = {name: _variable(source, variable) for name, variable in source.headers_env.items()}
    try:
        request = urllib.request.Request(address, headers=headers)  # noqa: S310  # the scheme was checked
        with opener(SameHost).open(request, timeout=source.timeout_seconds) as answer, path.open("wb") as out:
            require_whole(answer.status)
            size = 0
            while chunk := answer.read1(_CHUNK):
                out.write(chunk)
                size += len(chunk)
                if size > source.max_bytes:
                    raise _too_large(source)
                if time.monotonic() > deadline:
                    raise _too_slow(source, f"{host}")
            announced = answer.headers.get("Content-Length", "")
            if announced.isdigit() and size < int(announced):
                raise AbkitError(f"source {source.key}: {host} ended its answer too early", hint="try again")
    except urllib.error.HTTPError as error:
        code = error.code
        error.close()
        hint = "check the address and the credentials" if code in (401, 403, 404) else "try again later"
        raise AbkitError(f"source {source.key}: {host} answered with status {code}", hint=hint) from None
    except AbkitError as error:
        if not error.message.startswith("source "):
            raise AbkitError(f"source {source.key}: {host}: {error.message}", hint=error.hint) from None
        raise
    except TimeoutError:
        raise _too_slow(source, host) from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            raise _too_slow(source, host) from None
        # The text of the error may hold the address.
        raise AbkitError(
            f"source {source.key}: {host} cannot be reached ({type(reason).__name__})", hint="check the address"
        ) from None


def _host(source: SourceSettings, address: str) -> str:
    """Return the host of an address; anything but http and https is refused."""
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        raise AbkitError(
            f"source {source.key}: the address must begin with https:// or http://", hint="correct url or url_env"
        )
    return host


def _variable(source: SourceSettings, name: str) -> str:
    value = os.environ.get(name, "").strip()
    if not value or "\n" in value:
        raise AbkitError(
            f"source {source.key}: the environment variable {name} is not set, empty, or of several lines",
            hint="set it where the daemon runs, for example in its systemd unit",
        )
    keep_secret(value)
    return value


def _too_slow(source: SourceSettings, what: str) -> AbkitError:
    return AbkitError(
        f"source {source.key}: {what} took longer than {source.timeout_seconds:g} s",
        hint="raise timeout_seconds of the source, or fetch less at a time",
    )


def _too_large(source: SourceSettings) -> AbkitError:
    return AbkitError(
        f"source {source.key}: the export is larger than {source.max_mb:g} MB",
        hint="raise max_mb of the source, or fetch less at a time",
    )
