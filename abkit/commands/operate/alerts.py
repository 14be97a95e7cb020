"""`abkit alerts`: list, acknowledge and silence alerts, and test channels."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from abkit.commands.context import CommandContext
from abkit.commands.output import Format, FormatOption, note, print_json, print_rows, shown

if TYPE_CHECKING:
    from abkit.store.schema import Alert

app = typer.Typer(help="Show, acknowledge and silence alerts; test their channels.", no_args_is_help=True)

AlertId = Annotated[int, typer.Argument(help="Number of the alert, as shown by `abkit alerts list`.")]
_COLUMNS = ("id", "state", "severity", "title", "opened_at", "times_seen", "times_returned", "sent_to")
_FIELDS = (
    *("id", "severity", "title", "message", "rule", "labels", "evidence", "opened_at", "last_seen_at", "times_seen"),
    *("times_returned", "clear_since", "resolved_at", "acknowledged_at", "acknowledged_by"),
    *("silenced_until", "silence_reason", "run_id"),
)
_ATTEMPT = ("channel", "kind", "sequence", "attempt", "state", "due_at", "finished_at", "error")


@app.command("list")
def list_alerts(
    ctx: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Include resolved alerts.")] = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 3 if an alert is firing.")] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """List the open alerts, newest first."""
    from abkit.store.jobs import alerts

    context: CommandContext = ctx.obj
    with context.store() as store, store.read() as session:
        found = alerts.recent_alerts(session, 200) if every else alerts.open_alerts(session)
        sent_to: dict[int, dict[str, None]] = {alert.id: {} for alert in found}
        for attempt in alerts.deliveries(session, list(sent_to)):
            if attempt.state == "delivered":
                sent_to[attempt.alert_id][attempt.channel] = None
        rows = [_row(alert) | {"sent_to": ", ".join(sent_to[alert.id]) or None} for alert in found]
        firing = any(state == "firing" for _, state in alerts.count_by_state(session, datetime.now(UTC)))
        more = 0 if every else alerts.count_open(session) - len(found)
    print_rows(rows, form, columns=_COLUMNS, empty="no open alerts")
    if more > 0:
        note(f"{more:,} more alerts are open; `abkit alerts show NUMBER` shows any of them")
    if exit_code and firing:
        raise typer.Exit(3)


@app.command()
def show(ctx: typer.Context, alert: AlertId, form: FormatOption = Format.TABLE) -> None:
    """Show one alert: what happened, the cause, what to do, the evidence, and each attempt to deliver it."""
    from abkit.alerts.handling import find_alert
    from abkit.store.jobs import alerts

    context: CommandContext = ctx.obj
    with context.store() as store, store.read() as session:
        row = _row(find_alert(session, alert))
        attempts = [{name: getattr(one, name) for name in _ATTEMPT} for one in alerts.deliveries(session, [alert])]
    if form is Format.JSON:
        print_json(row | {"deliveries": attempts})
        return
    if form is Format.CSV:
        print_rows(attempts, form)
        return
    for name, value in row.items():
        typer.echo(f"{name.replace('_', ' '):<16} {shown(value)}")
    typer.echo()
    print_rows(attempts, form, empty="not sent to any channel yet")


@app.command()
def ack(
    ctx: typer.Context,
    alert: AlertId,
    by: Annotated[str | None, typer.Option(help="Who acknowledges it; by default the user of this machine.")] = None,
) -> None:
    """Acknowledge an alert and stop its reminders. The message that it is resolved is still sent."""
    import getpass

    from abkit.alerts.handling import acknowledge

    who = by or getpass.getuser()
    context: CommandContext = ctx.obj
    with context.store() as store:
        acknowledge(store, alert, by=who)
    typer.echo(f"alert {alert}: acknowledged by {who}")


@app.command()
def silence(
    ctx: typer.Context,
    alert: AlertId,
    until: Annotated[datetime, typer.Option(help="Send nothing about it before this time (UTC).")],
    reason: Annotated[str, typer.Option(help="Reason, which the list shows to others.")],
) -> None:
    """Silence an alert until a date. It is still counted, and sent again if it is open then."""
    from abkit.alerts.handling import silence as silence_alert
    from abkit.errors import UsageError

    if not reason.strip():
        raise UsageError("--reason is empty", hint="give the reason for those who find it silenced")
    ends = until.replace(tzinfo=until.tzinfo or UTC)
    context: CommandContext = ctx.obj
    with context.store() as store:
        silence_alert(store, alert, until=ends, reason=reason)
    typer.echo(f"alert {alert}: silenced until {ends:%Y-%m-%d %H:%M} UTC")


@app.command("test")
def send_test(
    ctx: typer.Context,
    channel: Annotated[list[str] | None, typer.Argument(help="Channels to test; all by default.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the addresses without sending anything.")] = False,
) -> None:
    """Send a test message to the channels and show the result. Exits with 1 if a channel did not accept it."""
    from abkit.alerts.channels import try_channels
    from abkit.errors import UsageError

    context: CommandContext = ctx.obj
    settings = context.settings
    configured = {one.name: one for one in settings.alerts.channels}
    if unknown := [name for name in channel or [] if name not in configured]:
        raise UsageError(
            f"there is no channel {unknown[0]!r}",
            hint=f"configured are: {', '.join(configured) or 'none'} ([[alerts.channel]] in abkit.toml)",
        )
    if not configured:
        raise UsageError("no channel is configured", hint="add [[alerts.channel]] to abkit.toml; see docs/alerts.md")
    wanted = [configured[name] for name in channel or configured]
    results = try_channels(wanted, settings.workspace, settings.alerts.attempt_seconds, send=not dry_run)
    for name, error in results.items():
        typer.echo(f"{name}: {error or ('its address is valid' if dry_run else 'accepted')}")
    if any(results.values()):
        raise typer.Exit(1)
    if not dry_run:
        note("the services accepted the message; check that it arrived")


def _row(alert: Alert) -> dict[str, Any]:
    from abkit.store.jobs import alerts

    return {"state": alerts.state_of(alert, datetime.now(UTC))} | {name: getattr(alert, name) for name in _FIELDS}
