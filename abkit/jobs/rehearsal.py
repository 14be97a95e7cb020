"""What a daemon would need, looked at before it starts: folders, mappings, commands, addresses, secrets, the port."""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from abkit.alerts.channels import try_channels
from abkit.config import ScheduleSettings, Settings, SourceSettings
from abkit.errors import AbkitError
from abkit.intake.kpis.header.fields import parse_mapping
from abkit.jobs.schedules import CATALOG, check_all
from abkit.jobs.work.folders import ImportKpis, ScoreFolder, check_folder
from abkit.jobs.work.sources import check_source
from abkit.jobs.work.upkeep import Heartbeat, check_heartbeat
from abkit.records import Record


@dataclass(frozen=True, kw_only=True)
class Check(Record):
    """One thing that a daemon would need.

    Attributes:
        what: The schedule, source or channel, or the port.
        ok: Whether a daemon could use it now.
        problem: Why not, and what to do; "" if it could.
    """

    what: str
    ok: bool
    problem: str


def rehearse(settings: Settings) -> list[Check]:
    """Check all that the configuration names, without running, moving, fetching or sending anything.

    Raises:
        UsageError: The schedules themselves are wrong: nothing would start.
    """
    check_all(settings.schedules)
    checks = [_check(f"schedule {one.key}", partial(_schedule, settings, one)) for one in settings.schedule]
    checks += [_check(f"source {one.key}", partial(_source, settings, one)) for one in settings.source]
    channels = settings.alerts.channel
    problems = try_channels(channels, settings.workspace, settings.alerts.attempt_seconds, send=False)
    checks += [Check(what=f"channel {name}", ok=not problem, problem=problem) for name, problem in problems.items()]
    if settings.daemon.port:
        checks.append(_check("port of /healthz and /metrics", partial(_port, settings)))
    return checks


def _check(what: str, look: Callable[[], None]) -> Check:
    try:
        look()
    except AbkitError as error:
        return Check(what=what, ok=False, problem=f"{error.message} ({error.hint})" if error.hint else error.message)
    return Check(what=what, ok=True, problem="")


def _schedule(settings: Settings, entry: ScheduleSettings) -> None:
    arguments = CATALOG[entry.job].arguments.model_validate(entry.arguments)
    if isinstance(arguments, ImportKpis):
        check_folder(settings.workspace, arguments.folder, writable=True)
        _mapping(arguments.mapping)
    elif isinstance(arguments, ScoreFolder):
        check_folder(settings.workspace, arguments.folder)
    elif isinstance(arguments, Heartbeat):
        check_heartbeat(settings.workspace, arguments)


def _source(settings: Settings, source: SourceSettings) -> None:
    check_source(source, settings.workspace)
    _mapping(source.mapping)


def _mapping(mapping: dict[str, str]) -> None:
    parse_mapping([f"{column}={field}" for column, field in mapping.items()])


def _port(settings: Settings) -> None:
    host, port = settings.daemon.host, settings.daemon.port
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        raise AbkitError(
            f"{host} port {port} cannot be used: {(error.strerror or str(error)).lower()}",
            hint="a daemon may run already; else choose another port",
        ) from error
