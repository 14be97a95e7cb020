"""Running a schedule's job at once, outside its cron line: in this process's care, as the daemon would."""

import logging
import threading

from sqlalchemy.exc import SQLAlchemyError

from abkit.config import Settings
from abkit.errors import AbkitError, StoreError, UsageError
from abkit.jobs.daemon import supervisor
from abkit.jobs.daemon.child import Assignment
from abkit.jobs.daemon.claims import Claims
from abkit.jobs.daemon.supervisor import Ending
from abkit.jobs.definitions import unknown
from abkit.jobs.tick import Catalogue, wall_clock
from abkit.store import schedules
from abkit.store.engine import Store
from abkit.store.runs import this_process
from abkit.store.schedules import Lease

log = logging.getLogger("abkit.jobs")


def trigger(store: Store, settings: Settings, catalogue: Catalogue, key: str) -> tuple[Lease, Ending]:
    """Run the job of a schedule now, and wait for its end. Its tick is the present instant.

    Raises:
        UsageError: no such schedule, or a job that does not exist.
        AbkitError: it is running already.
    """
    claims = Claims(store, settings, catalogue.keys(), this_process())
    now = wall_clock()
    with store.write() as session:
        schedule = schedules.find(session, key)
        if schedule is None:
            raise unknown(key)
        if schedule.job not in catalogue:
            raise UsageError(f"schedule {key}: there is no job {schedule.job!r}")
        lease = schedules.claim_extra(
            session, schedule, owner=claims.owner, now=now, lease_until=claims.lease_until(now)
        )
    if lease is None:
        raise AbkitError(f"{key} is running already", hint=f"wait for it: abkit schedule status {key}")
    supervisor.prepare(())
    assignment = Assignment(catalogue[lease.job], lease, settings.model_dump(mode="json"), now)
    ended, cancelled = threading.Event(), threading.Event()

    def keep_lease() -> None:
        while not ended.wait(settings.daemon.lease_seconds / 3):
            try:
                with store.write() as session:
                    lost = schedules.extend(session, [lease], claims.lease_until(wall_clock()))
            except (StoreError, SQLAlchemyError) as error:
                log.warning("the lease cannot be extended, trying again: %s", error)
                continue
            if lost:
                cancelled.set()

    threading.Thread(target=keep_lease, daemon=True).start()
    try:
        ending = supervisor.supervise(assignment, time_limit_s=schedule.time_limit_s, cancelled=cancelled)
    except (KeyboardInterrupt, SystemExit):
        with store.write() as session:
            schedules.finish(session, lease, state="interrupted", outcome={"how": "interrupted"}, now=wall_clock())
        raise
    finally:
        ended.set()
    if not claims.finish(lease, ending, wall_clock()):
        raise AbkitError(f"another daemon took {key} over", hint=f"look at it: abkit schedule status {key}")
    return lease, ending
