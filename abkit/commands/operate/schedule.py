"""`abkit schedule`: run the daemon, and define and inspect schedules."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abkit.commands.context import CommandContext
from abkit.commands.output import Format, FormatOption, note, print_rows
from abkit.vocabulary import LogFormat, MissedTicks, RunState

if TYPE_CHECKING:
    from abkit.config import Settings
    from abkit.jobs.status import ScheduleStatus

app = typer.Typer(help="Run jobs on a schedule: the daemon and its schedules.", no_args_is_help=True)

Key = Annotated[str, typer.Argument(help="Name of the schedule.")]
_STATUS_COLUMNS = ("key", "state", "last_tick", "last_state", "next_run_at", "missed", "failures", "problem")
_LIST_COLUMNS = ("key", "job", "cron", "next_run_at", "state", "missed", "grace_s", "source")
_RUN = ("tick", "state", "attempt", "started_at", "finished_at", "outcome")


@app.command()
def run(
    ctx: typer.Context,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of /healthz and /metrics; 0 switches them off.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, max=64, help="Number of jobs at a time.")] = None,
    log_format: Annotated[LogFormat | None, typer.Option(help="Format of the log on stderr.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check folders, mappings, commands, addresses, secrets; start nothing.")
    ] = False,
) -> None:
    """Run the jobs of the schedules until stopped (SIGTERM, Ctrl-C). Several daemons can share one store."""
    import signal

    from abkit.jobs.daemon import logs
    from abkit.jobs.daemon.loop import Daemon
    from abkit.jobs.daemon.monitoring import listen
    from abkit.jobs.job import wall_clock
    from abkit.jobs.schedules import CATALOG, synchronize

    context: CommandContext = ctx.obj
    given = {"port": port, "workers": workers, "log_format": log_format}
    daemon_settings = context.settings.daemon.model_copy(update={k: v for k, v in given.items() if v is not None})
    settings = context.settings.model_copy(update={"daemon": daemon_settings})
    with context.store() as store:
        if dry_run:
            _rehearse(settings)
            return
        changed = synchronize(store, settings.schedules, wall_clock(), settings.alerts)
        logs.set_up(daemon_settings.log_format)
        for key, what in changed.items():
            note(f"schedule {key}: {what}") if daemon_settings.log_format is LogFormat.TEXT else None
        daemon = Daemon(store, settings, CATALOG, preload=["abkit.commands.app", "abkit.jobs.schedules"])
        if daemon_settings.port:
            listen(daemon)
        signal.signal(signal.SIGTERM, daemon.stop)
        signal.signal(signal.SIGINT, daemon.stop)
        daemon.run()


def _rehearse(settings: Settings) -> None:
    from abkit.jobs.rehearsal import rehearse

    checks = rehearse(settings)
    rows = [asdict(one) for one in checks]
    print_rows(rows, Format.TABLE, columns=("what", "ok", "problem"), empty="nothing is configured to be checked")
    if not all(one.ok for one in checks):
        raise typer.Exit(1)


@app.command("list")
def list_schedules(ctx: typer.Context, form: FormatOption = Format.TABLE) -> None:
    """List the schedules, and those of abkit.toml that the next daemon brings into the store (not started)."""
    from abkit.jobs.job import wall_clock
    from abkit.jobs.schedules import not_started

    context: CommandContext = ctx.obj
    known = _statuses(ctx)
    waiting = not_started(context.settings.schedules, [one.key for one in known], wall_clock())
    rows = [asdict(one) for one in (*known, *waiting)]
    print_rows(rows, form, columns=_LIST_COLUMNS, empty="no schedules yet: add one, or start `abkit schedule run`")
    if waiting:
        note(f"{len(waiting)} not started: `abkit schedule run` brings them into the store, --dry-run checks them")


@app.command()
def status(
    ctx: typer.Context,
    key: Annotated[str | None, typer.Argument(help="Show only this schedule, with its last runs.")] = None,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 3 if one needs attention.")] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Show the state of the schedules: in time, late, failing, paused."""
    statuses = _statuses(ctx)
    if key is not None:
        from abkit.jobs.status import unknown_schedule

        statuses = [one for one in statuses if one.key == key]
        if not statuses:
            raise unknown_schedule(key)
    rows = [asdict(one) for one in statuses]
    if key is not None and form is not Format.CSV:
        rows[0]["runs"] = _runs(ctx, key)
    if key is not None and form is Format.TABLE:
        _show_one(rows[0])
    else:
        print_rows(rows, form, columns=_STATUS_COLUMNS, empty="no schedules yet")
    gone = _no_daemon(statuses) if key is None else ""
    if gone:
        note(f"{gone}; start one: abkit schedule run")
    if exit_code and (gone or any(one.needs_attention for one in statuses)):
        raise typer.Exit(3)


@app.command()
def check(
    ctx: typer.Context,
    tell: Annotated[bool, typer.Option("--tell", help="Tell the channels if no daemon runs, or the store fails.")] = (
        False
    ),
) -> None:
    """Say what needs attention, and exit with 3 if something does: for a line of cron beside the daemon."""
    from abkit.errors import StoreError
    from abkit.jobs import watch
    from abkit.jobs.job import wall_clock
    from abkit.jobs.schedules import CATALOG, QUICK

    context: CommandContext = ctx.obj
    settings, now = context.settings, wall_clock()
    try:
        with context.store() as store:
            found = watch.problems(store, CATALOG, QUICK, now)
            sent = watch.tell(store, settings, found.get("daemon", ""), now) if tell else {}
    except StoreError as error:
        sent = watch.tell_without_store(settings, error) if tell else {}
        _print_sent(sent)
        raise
    for what, problem in found.items():
        typer.echo(f"{what}: {problem}")
    _print_sent(sent)
    if found:
        raise typer.Exit(3)
    typer.echo("ok")


def _print_sent(sent: dict[str, str]) -> None:
    for name, error in sent.items():
        note(f"channel {name}: {error or 'accepted'}")


def _no_daemon(statuses: list[ScheduleStatus]) -> str:
    from abkit.jobs.job import wall_clock
    from abkit.jobs.schedules import QUICK
    from abkit.jobs.status import no_daemon

    return no_daemon(statuses, QUICK, wall_clock())


@app.command()
def add(
    ctx: typer.Context,
    key: Key,
    job: Annotated[str, typer.Option(help="score_folder, import_kpis, correlate, drift_check, heartbeat, …")],
    cron: Annotated[str, typer.Option(help='When, in UTC: "minute hour day month weekday", or with seconds first.')],
    arg: Annotated[list[str] | None, typer.Option(help="Argument of the job: NAME=VALUE, repeatable.")] = None,
    jitter: Annotated[int, typer.Option(min=0, help="Start up to this many seconds later.")] = 0,
    grace: Annotated[int, typer.Option(min=0, help="Seconds after which a start is late.")] = 300,
    time_limit: Annotated[int, typer.Option(min=1, help="Seconds after which the job is ended.")] = 3600,
    missed: Annotated[MissedTicks, typer.Option(help="What to do with late ticks.")] = MissedTicks.RUN_LAST,
    start: Annotated[datetime | None, typer.Option(help="Earliest time of the first tick (UTC).")] = None,
) -> None:
    """Add a schedule. `abkit schedule run` adds those of abkit.toml ([[schedule]]) itself."""
    from pydantic import ValidationError

    from abkit.config import ScheduleSettings, in_words
    from abkit.errors import UsageError
    from abkit.jobs.job import wall_clock
    from abkit.jobs.schedules import add as add_schedule

    try:
        entry = ScheduleSettings(
            key=key,
            job=job,
            cron=cron,
            arguments=_arguments(arg or []),
            jitter_seconds=jitter,
            grace_seconds=grace,
            time_limit_seconds=time_limit,
            missed=missed,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(
            f"schedule {key!r}: {first['loc'][0]}: {in_words(first['msg'])}",
            hint="names have letters, digits, . _ and -",
        ) from error
    context: CommandContext = ctx.obj
    with context.store() as store:
        first_tick = add_schedule(
            store, entry, now=wall_clock(), start=start.replace(tzinfo=start.tzinfo or UTC) if start else None
        )
    typer.echo(f"{key}: first at {first_tick:%Y-%m-%d %H:%M:%S} UTC")


@app.command()
def remove(ctx: typer.Context, key: Key) -> None:
    """Remove a schedule that was added by command; its runs stay. Remove those of abkit.toml there."""
    from abkit.jobs.job import wall_clock
    from abkit.jobs.schedules import remove as remove_schedule

    context: CommandContext = ctx.obj
    with context.store() as store:
        remove_schedule(store, key, context.settings.alerts, now=wall_clock())
    typer.echo(f"{key}: removed")


@app.command()
def pause(ctx: typer.Context, key: Key) -> None:
    """Pause a schedule; a job that is running goes on to its end."""
    _set_enabled(ctx, key, enabled=False)
    typer.echo(f"{key}: paused")


@app.command()
def resume(ctx: typer.Context, key: Key) -> None:
    """Resume a paused schedule from its next tick; ticks in between are not made up for."""
    next_run_at = _set_enabled(ctx, key, enabled=True)
    typer.echo(f"{key}: next at {next_run_at:%Y-%m-%d %H:%M:%S} UTC")


@app.command()
def trigger(ctx: typer.Context, key: Key) -> None:
    """Run the job of a schedule now, in this terminal, and wait for its end. Exits with 1 if it failed."""
    from abkit.errors import AbkitError
    from abkit.jobs.daemon import logs
    from abkit.jobs.daemon.loop import trigger as trigger_job
    from abkit.jobs.schedules import CATALOG

    context: CommandContext = ctx.obj
    logs.set_up(LogFormat.TEXT)
    with context.store() as store:
        lease, ending = trigger_job(store, context.settings, CATALOG, key)
    if ending.state is not RunState.DONE:
        raise AbkitError(
            f"{key} {ending.state.replace('_', ' ')}: {ending.outcome.get('error', 'no reason was given')}",
            hint=ending.outcome.get("hint") or f"run {lease.run_id} is on record: abkit schedule status {key}",
        )
    typer.echo(f"{key}: done, run {lease.run_id}: {json.dumps(ending.outcome, ensure_ascii=False)}")


def _statuses(ctx: typer.Context) -> list[ScheduleStatus]:
    from abkit.jobs.job import wall_clock
    from abkit.jobs.schedules import CATALOG
    from abkit.jobs.status import schedule_status

    context: CommandContext = ctx.obj
    with context.store() as store, store.read() as session:
        return schedule_status(session, CATALOG, wall_clock())


def _runs(ctx: typer.Context, key: str) -> list[dict[str, Any]]:
    from abkit.store.jobs.schedules import runs_of

    context: CommandContext = ctx.obj
    with context.store() as store, store.read() as session:
        runs = runs_of(session, key, limit=10)
        return [{"run": run.id} | {name: getattr(run, name) for name in _RUN} for run in runs]


def _show_one(row: dict[str, Any]) -> None:
    from abkit.commands.output import shown

    for name in ("key", "job", "arguments", "cron", "state", "problem", "next_run_at", "missed", "grace_s", "source"):
        typer.echo(f"{name.replace('_', ' '):<12} {shown(row[name])}")
    runs = [run | {"outcome": json.dumps(run["outcome"], ensure_ascii=False)} for run in row["runs"]]
    typer.echo()
    print_rows(runs, Format.TABLE, empty="it has not run yet")


def _set_enabled(ctx: typer.Context, key: str, *, enabled: bool) -> datetime:
    from abkit.jobs.job import wall_clock
    from abkit.jobs.schedules import set_enabled

    context: CommandContext = ctx.obj
    with context.store() as store:
        return set_enabled(store, key, context.settings.alerts, enabled=enabled, now=wall_clock())


def _arguments(given: list[str]) -> dict[str, Any]:
    from abkit.errors import UsageError

    arguments: dict[str, Any] = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals:
            raise UsageError("--arg needs NAME=VALUE", hint="for example --arg folder=inbox")
        try:
            arguments[name] = json.loads(value)
        except json.JSONDecodeError:
            arguments[name] = value
    return arguments
