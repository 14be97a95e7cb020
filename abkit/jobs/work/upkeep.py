"""The jobs that look after abkit itself: deliver alerts, prune old records, report that all is well."""

import os
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator
from sqlalchemy import CursorResult, delete, select
from sqlalchemy.orm import Session

from abkit.alerts.channels import read_address
from abkit.alerts.deliveries import deliver
from abkit.alerts.rules import Rules
from abkit.config import SecretFile, Settings
from abkit.errors import AbkitError
from abkit.intake.remote.answers import opener
from abkit.jobs.job import Arguments, Tick
from abkit.jobs.status import schedule_status
from abkit.jobs.work.charts import draw_charts
from abkit.store.database.engine import Store
from abkit.store.jobs import alerts
from abkit.store.runs import close_left, without_traces
from abkit.store.schema import Alert, AlertDelivery, Run

_DELETED_TOGETHER = 500
_HEARTBEAT_S = 10
_REFUSALS = 3


def deliver_alerts(store: Store, settings: Settings, tick: Tick, _arguments: Arguments) -> Mapping[str, Any]:
    """Look for schedules that are overdue and for commands that were killed, then send every channel its alerts."""
    with store.write() as session:
        _observe_overdue(session, settings, tick)
        close_left(session, tick.started_at)
        # This job is run by a daemon: an alert that none runs (`abkit schedule check`) is over.
        Rules(session, settings.alerts, tick.started_at, tick.run.id).daemon_seen("")
    draw = partial(draw_charts, store, settings)
    sent = deliver(store, settings.alerts, settings.workspace, now=tick.started_at, run_id=tick.run.id, draw=draw)
    failed = {channel: error for channel, error in sent.items() if error}
    return {"messages": len(sent) - len(failed)} | ({"failed": failed} if failed else {})


def _observe_overdue(session: Session, settings: Settings, tick: Tick) -> None:
    rules = Rules(session, settings.alerts, tick.started_at, tick.run.id)
    for status in schedule_status(session, tick.jobs, tick.started_at):
        if status.state in ("late", "broken") and status.key != tick.schedule:
            what_now = f"It is still waiting: {status.problem}."
            rules.job_started(status.key, status.job, status.next_run_at, late=True, what_now=what_now)


def prune(store: Store, settings: Settings, tick: Tick, _arguments: Arguments) -> Mapping[str, Any]:
    """Remove old records that no figure points to: attempts to deliver, and runs that left nothing in the store."""
    before = tick.at - timedelta(days=settings.daemon.keep_days)
    with store.write() as session:
        resolved = select(Alert.id).where(Alert.resolved_at < before)
        result = session.execute(
            delete(AlertDelivery)
            .where(AlertDelivery.alert_id.in_(resolved), AlertDelivery.state.in_(("delivered", "failed", "given_up")))
            .execution_options(synchronize_session=False)
        )
        assert isinstance(result, CursorResult)  # noqa: S101  # a DELETE counts its rows
        old = without_traces(session, before)
        for start in range(0, len(old), _DELETED_TOGETHER):
            some = Run.id.in_(old[start : start + _DELETED_TOGETHER])
            session.execute(delete(Run).where(some).execution_options(synchronize_session=False))
    return {"deliveries": result.rowcount, "runs": len(old)}


class Heartbeat(Arguments):
    """Arguments of `heartbeat`: a reference to an address, a file, or both."""

    url_env: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="environment variable with the address to call",
    )
    url_file: SecretFile | None = Field(default=None, description="or a file with the address")
    file: SecretFile | None = Field(default=None, description="file of the workspace that gets the time of the tick")

    @model_validator(mode="after")
    def _has_a_target(self) -> Self:
        if self.url_env is None and self.url_file is None and self.file is None:
            raise ValueError("heartbeat needs url_env, url_file or file")
        return self


def heartbeat(store: Store, settings: Settings, tick: Tick, arguments: Heartbeat) -> Mapping[str, Any]:
    """Call an address if all is well. The service that expects the call raises the alarm when it does not come.

    All is well when no other schedule is late, failing, stuck or broken, and every channel accepts its alerts.
    """
    with store.read() as session:
        everything = schedule_status(session, tick.jobs, tick.started_at)
        refusing = alerts.stubborn_channels(session, _REFUSALS)
    unwell = {one.key: one.problem for one in everything if one.needs_attention and one.key != tick.schedule}
    # Otherwise nobody would hear of a problem.
    unwell |= {f"channel {name}": "it does not accept its alerts" for name in refusing}
    if unwell:
        return {"called": False, "unwell": unwell}
    if arguments.file is not None:
        _touch(settings.workspace, arguments.file, tick)
    if arguments.url_env is not None or arguments.url_file is not None:
        address = read_address(
            "heartbeat", env=arguments.url_env, file=arguments.url_file, workspace=settings.workspace
        )
        call(address, _HEARTBEAT_S)
    return {"called": True}


def check_heartbeat(workspace: Path, arguments: Heartbeat) -> None:
    """Check that the address of a heartbeat is there; nothing is called.

    Raises:
        AbkitError: It is not, or it is no http or https address.
    """
    if arguments.url_env is None and arguments.url_file is None:
        return
    address = read_address("heartbeat", env=arguments.url_env, file=arguments.url_file, workspace=workspace)
    if not address.startswith(("https://", "http://")):
        raise AbkitError("heartbeat: the address must begin with https:// or http://", hint="correct the reference")


def _touch(workspace: Path, file: Path, tick: Tick) -> None:
    path = (workspace / file).resolve()
    if not path.is_relative_to(workspace.resolve()):
        raise AbkitError(f"heartbeat: {path} is outside the workspace", hint="abkit writes only inside it")
    try:
        path.write_text(f"{tick.at.isoformat()}\n", encoding="utf-8")
    except OSError as error:
        raise AbkitError(
            f"heartbeat: {path} cannot be written: {os.strerror(error.errno or 0).lower()}",
            hint="correct the file of the schedule, or give the user of the daemon permission",
        ) from error


class _Nowhere(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow no redirect: then its status is the answer."""


def call(address: str, seconds: float) -> None:
    """Call an address and return once the service has answered with success; what it says is not read.

    Args:
        address: http or https; a secret.
        seconds: How long it may take in all: to be found, to connect, and to answer.

    Raises:
        AbkitError: It did not; the message holds nothing of the address.
    """
    if not address.startswith(("https://", "http://")):
        raise AbkitError("heartbeat: the address must begin with https:// or http://", hint="correct the reference")
    failures: list[AbkitError] = []

    def attempt() -> None:
        try:
            _get(address, seconds)
        except AbkitError as error:
            failures.append(error)

    # A time-out of sockets begins anew with each byte, and looking up a name has none. The thread that is left
    # behind ends with the process of the job.
    thread = threading.Thread(target=attempt, name="heartbeat", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise AbkitError(
            f"heartbeat: no answer within {seconds:g} s",
            hint="look whether the service works; the next tick calls it again",
        )
    if failures:
        raise failures[0]


def _get(address: str, seconds: float) -> None:
    try:
        with opener(_Nowhere).open(address, timeout=seconds):
            pass
    except urllib.error.HTTPError as error:
        status = error.code
        error.close()
        if 300 <= status < 400:
            raise AbkitError(
                f"heartbeat: the service redirects (status {status}), which is not followed",
                hint="use the address that it leads to",
            ) from None
        raise AbkitError(f"heartbeat: the service answered with status {status}") from None
    except Exception as error:  # a hostile answer makes http.client raise more than OSError
        # The text of the error may hold the address.
        raise AbkitError(f"heartbeat: the service cannot be reached ({type(error).__name__})") from None
