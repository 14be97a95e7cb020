"""Watching the daemon from outside, as a line of cron does: does one run, does any schedule need attention?"""

from collections.abc import Collection
from concurrent.futures import wait
from datetime import datetime

from abkit.alerts.channels import Channel, error_of, in_background
from abkit.alerts.deliveries import deliver
from abkit.alerts.messages import Message, Tone
from abkit.alerts.rules import Rules
from abkit.config import Settings
from abkit.errors import StoreError
from abkit.jobs.status import no_daemon, schedule_status
from abkit.store.database.engine import Store
from abkit.store.runs import recorded_run


def problems(store: Store, jobs: Collection[str], quick: Collection[str], now: datetime) -> dict[str, str]:
    """Return what needs attention: the daemon, then schedules by name, each with one sentence.

    Args:
        store: The schedules and their runs.
        jobs: Names of the jobs that exist.
        quick: Those of them that never wait for a worker.
        now: The clock.
    """
    with store.read() as session:
        statuses = schedule_status(session, jobs, now)
    gone = no_daemon(statuses, quick, now)
    found = {"daemon": gone} if gone else {}
    return found | {f"schedule {one.key}": one.problem for one in statuses if one.needs_attention}


def tell(store: Store, settings: Settings, gone: str, now: datetime) -> dict[str, str]:
    """Open the alert that no daemon runs, or let it resolve, and send all pending messages, as the daemon would.

    Args:
        store: Alerts and deliveries.
        settings: `[alerts]`.
        gone: Why it seems that no daemon runs; "" if one does: then nothing is sent here.
        now: The clock.

    Returns:
        Why each channel that was tried failed, without secrets; "" if it accepted its message.
    """
    if not gone:
        return {}
    with recorded_run(store, "schedule check", {}) as run:
        with store.write() as session:
            Rules(session, settings.alerts, now, run.id).daemon_seen(gone)
        sent = deliver(store, settings.alerts, settings.workspace, now=now, run_id=run.id)
        run.outcome.update(messages=sum(not error for error in sent.values()))
    return sent


def tell_without_store(settings: Settings, error: StoreError) -> dict[str, str]:
    """Send one message to every channel: the store fails, so that no alert can be opened.

    Returns:
        Why each channel failed, without secrets; "" if it accepted its message.
    """
    body = f"{error.message}\n\n{error.hint}\n\nNo job runs until then. Look at it: abkit schedule check"
    message = Message("[abkit] The store cannot be read", body, Tone.FAILURE)
    patience = settings.alerts.attempt_seconds
    sent = {
        one.name: in_background(Channel(one, settings.workspace, patience), message) for one in settings.alerts.channel
    }
    wait(sent.values())
    return {name: error_of(future) for name, future in sent.items()}
