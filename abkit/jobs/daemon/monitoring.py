"""/healthz and Prometheus metrics on a local port."""

import json
import logging
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from abkit.errors import AbkitError, StoreError
from abkit.jobs.daemon.figures import figures
from abkit.jobs.daemon.loop import Daemon
from abkit.jobs.job import wall_clock
from abkit.jobs.status import BAD_STATES, schedule_status
from abkit.store import results
from abkit.store.database.engine import Store
from abkit.store.jobs import alerts
from abkit.store.schema import AlertDelivery, Run
from abkit.vocabulary import DriftDecision

log = logging.getLogger("abkit.jobs")

_UP = "1 if the store answers"
_POLLS_MISSED = 5
_REQUEST_S = 10


class StoreMetrics(Collector):
    """What the store knows, read when it is asked for: the same from every daemon."""

    def __init__(self, store: Store, jobs: Collection[str]) -> None:
        self._store = store
        self._jobs = jobs

    def collect(self) -> Iterable[Metric]:
        """Return all metrics; none but `abkit_store_up 0` when the store does not answer."""
        try:
            metrics = list(self._from_store())
        except (StoreError, SQLAlchemyError):
            return [_gauge("store_up", _UP, (), [((), 0)])]
        return [_gauge("store_up", _UP, (), [((), 1)]), *metrics]

    def _from_store(self) -> Iterator[Metric]:
        now = wall_clock()
        run_key = (Run.schedule, Run.what, Run.state)
        attempt_key = (AlertDelivery.channel, AlertDelivery.state)
        with self._store.read() as session:
            statuses = schedule_status(session, self._jobs, now)
            runs = session.execute(select(*run_key, func.count()).where(Run.schedule != "").group_by(*run_key)).all()
            attempts = session.execute(select(*attempt_key, func.count()).group_by(*attempt_key)).all()
            opened = alerts.count_by_state(session, now)
            checked = results.last_decision(session)
            found = list(figures(session))
        yield from (_gauge(*figure) for figure in found)
        if checked is not None:
            one_of = [([choice.value], float(choice == checked.decision)) for choice in DriftDecision]
            yield _gauge("drift_decision", "1 for what the last standing drift check decided", ("decision",), one_of)
            if checked.layers_judged is not None:
                judged = [((), float(checked.layers_judged))]
                yield _gauge("drift_layers_judged", "layers of five that it could judge", (), judged)
                only = "of these, layers judged for major shifts only"
                yield _gauge("drift_layers_judged_for_major_shifts_only", only, (), [((), float(checked.coarse))])
        states = ("ok", "new", "running", "paused", *BAD_STATES)
        state_of = {(one.key, state): one.state == state for one in statuses for state in states}
        yield _gauge("runs", "runs in the store", ("schedule", "job", "state"), ((key, n) for *key, n in runs))
        tried = ((key, n) for *key, n in attempts)
        yield _gauge("alert_deliveries", "attempts to deliver", ("channel", "state"), tried)
        yield _gauge("alerts_open", "open alerts", ("severity", "state"), sorted(opened.items()))
        yield _gauge("schedule_state", "1 for the state a schedule is in", ("schedule", "state"), state_of.items())
        next_runs = [([one.key], one.next_run_at.timestamp()) for one in statuses]
        yield _gauge("schedule_next_run_timestamp_seconds", "the next tick", ("schedule",), next_runs)
        failures = [([one.key], one.failures) for one in statuses]
        yield _gauge("schedule_failures", "failures in a row", ("schedule",), failures)


class _DaemonMetrics(Collector):
    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    def collect(self) -> Iterable[Metric]:
        age = [((), self._daemon.seconds_since_poll)]
        yield _gauge("last_poll_age_seconds", "since this daemon reached the store", (), age)
        yield _gauge("jobs_running", "jobs that run in this daemon", (), [((), self._daemon.running)])
        ended = CounterMetricFamily("abkit_jobs_ended", "jobs that ended in this daemon", labels=["state"])
        for state, count in self._daemon.ended.items():
            ended.add_metric([state], count)
        yield ended


def _gauge(
    name: str, what: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], float]]
) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(f"abkit_{name}", what, labels=labels)
    for key, value in values:
        gauge.add_metric(key, value)
    return gauge


class _Server(ThreadingHTTPServer):
    def handle_error(self, _request: object, _client: object) -> None:
        """Log a request that failed as a line; Python would write a traceback to stderr."""
        log.warning("a request to /healthz or /metrics failed: %s", sys.exc_info()[1])


def health(daemon: Daemon, poll_seconds: float) -> tuple[int, dict[str, object]]:
    """Return the status code and body of /healthz: 200 while this daemon polls the store and writes to it, else 503."""
    age = daemon.seconds_since_poll
    problem = daemon.trouble
    if age > max(30.0, _POLLS_MISSED * poll_seconds):
        problem = f"the store was not reached for {age:.0f} s" if age < 1e9 else "the store was never reached"
    return (503 if problem else 200), {"ok": not problem, "problem": problem, "running": daemon.running}


def listen(daemon: Daemon) -> None:
    """Serve /healthz and /metrics in the background, on the host and port of `[daemon]`.

    Raises:
        AbkitError: The port is taken, or the host is not one of this machine.
    """
    host, port = daemon.settings.daemon.host, daemon.settings.daemon.port
    poll_seconds = daemon.settings.daemon.poll_seconds
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_DaemonMetrics(daemon))
    registry.register(StoreMetrics(daemon.store, daemon.catalog))
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
        server = _Server((host, port), Handler)
    except OSError as error:
        raise AbkitError(
            f"cannot listen on {host} port {port}: {(error.strerror or str(error)).lower()}",
            hint="another daemon on this machine? choose another port with --port, or none with --port 0",
        ) from error
    Thread(target=server.serve_forever, name="monitoring", daemon=True).start()


def _json(status: int, body: dict[str, object]) -> tuple[int, str, bytes]:
    return status, "application/json", json.dumps(body).encode()
