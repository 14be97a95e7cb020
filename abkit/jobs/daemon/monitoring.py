"""/healthz and Prometheus metrics on a local port."""

import json
import logging
from collections.abc import Callable, Collection, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from abkit.errors import AbkitError, StoreError
from abkit.jobs.daemon.loop import Daemon
from abkit.jobs.job import wall_clock
from abkit.jobs.status import BAD_STATES, schedule_status
from abkit.store import alerts
from abkit.store.engine import Store
from abkit.store.schema import AlertDelivery, Run

log = logging.getLogger("abkit.jobs")

_POLLS_MISSED = 5
_REQUEST_S = 10


class StoreMetrics(Collector):
    """What the store knows, read when it is asked for: the same from every daemon."""

    def __init__(self, store: Store, jobs: Collection[str]) -> None:
        self._store = store
        self._jobs = jobs

    def collect(self) -> Iterable[Metric]:
        """All metrics; none but `abkit_store_up 0` when the store does not answer."""
        up = GaugeMetricFamily("abkit_store_up", "1 if the store answers")
        try:
            metrics = list(self._from_store())
        except (StoreError, SQLAlchemyError):
            up.add_metric([], 0)
            return [up]
        up.add_metric([], 1)
        return [up, *metrics]

    def _from_store(self) -> Iterable[Metric]:
        now = wall_clock()
        with self._store.read() as session:
            statuses = schedule_status(session, self._jobs, now)
            ended = session.execute(
                select(Run.schedule, Run.what, Run.state, func.count())
                .where(Run.schedule != "")
                .group_by(Run.schedule, Run.what, Run.state)
            ).all()
            deliveries = session.execute(
                select(AlertDelivery.channel, AlertDelivery.state, func.count()).group_by(
                    AlertDelivery.channel, AlertDelivery.state
                )
            ).all()
            opened = [(alert.severity, alerts.state_of(alert, now)) for alert in alerts.open_alerts(session)]
        runs = GaugeMetricFamily("abkit_runs", "runs in the store", labels=["schedule", "job", "state"])
        for schedule, job, state, count in ended:
            runs.add_metric([schedule, job, state], count)
        attempts = GaugeMetricFamily("abkit_alert_deliveries", "attempts to deliver", labels=["channel", "state"])
        for channel, state, count in deliveries:
            attempts.add_metric([channel, state], count)
        open_now = GaugeMetricFamily("abkit_alerts_open", "open alerts", labels=["severity", "state"])
        for pair in sorted(set(opened)):
            open_now.add_metric(list(pair), opened.count(pair))
        bad = GaugeMetricFamily(
            "abkit_schedule_state", "1 for the state a schedule is in", labels=["schedule", "state"]
        )
        due = GaugeMetricFamily("abkit_schedule_next_run_timestamp_seconds", "the next tick", labels=["schedule"])
        failures = GaugeMetricFamily("abkit_schedule_failures", "failures in a row", labels=["schedule"])
        for one in statuses:
            for state in ("ok", "new", "running", "paused", *BAD_STATES):
                bad.add_metric([one.key, state], one.state == state)
            due.add_metric([one.key], one.next_run_at.timestamp())
            failures.add_metric([one.key], one.failures)
        return runs, attempts, open_now, bad, due, failures


class _DaemonMetrics(Collector):
    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    def collect(self) -> Iterable[Metric]:
        age = GaugeMetricFamily("abkit_last_poll_age_seconds", "since this daemon reached the store")
        age.add_metric([], self._daemon.seconds_since_poll)
        running = GaugeMetricFamily("abkit_jobs_running", "jobs that run in this daemon")
        running.add_metric([], self._daemon.running)
        ended = CounterMetricFamily("abkit_jobs_ended", "jobs that ended in this daemon", labels=["state"])
        for state, count in self._daemon.ended.items():
            ended.add_metric([state], count)
        return [age, running, ended]


def health(daemon: Daemon, poll_seconds: float) -> tuple[int, dict[str, object]]:
    """Status code and body of /healthz: 200 while this daemon polls the store, 503 when it does not."""
    age = daemon.seconds_since_poll
    limit = max(30.0, _POLLS_MISSED * poll_seconds)
    well = age <= limit
    problem = (
        "" if well else f"the store was not reached for {age:.0f} s" if age < 1e9 else "the store was never reached"
    )
    return (200 if well else 503), {"ok": well, "problem": problem, "running": daemon.running}


def listen(daemon: Daemon, store: Store, jobs: Collection[str], *, host: str, port: int, poll_seconds: float) -> int:
    """Serve /healthz and /metrics in the background.

    Returns:
        The port that is listened on.

    Raises:
        AbkitError: the port is taken, or the host is not one of this machine.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_DaemonMetrics(daemon))
    registry.register(StoreMetrics(store, jobs))
    pages: dict[str, Callable[[], tuple[int, str, bytes]]] = {
        "/healthz": lambda: _json(*health(daemon, poll_seconds)),
        "/metrics": lambda: (200, CONTENT_TYPE_LATEST, generate_latest(registry)),
    }

    class Handler(BaseHTTPRequestHandler):
        timeout = _REQUEST_S

        def do_GET(self) -> None:
            page = pages.get(self.path.partition("?")[0])
            status, kind, body = page() if page else _json(404, {"pages": sorted(pages)})
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            log.debug(format, *arguments)

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        raise AbkitError(
            f"cannot listen on {host} port {port}: {(error.strerror or str(error)).lower()}",
            hint="another daemon on this machine? choose another port with --port, or none with --port 0",
        ) from error
    Thread(target=server.serve_forever, name="monitoring", daemon=True).start()
    return int(server.server_address[1])


def _json(status: int, body: dict[str, object]) -> tuple[int, str, bytes]:
    return status, "application/json", json.dumps(body).encode()
