"""Fifty people browse a large workspace while the daemon scores: what a request costs, beside a small workspace.

    python benchmarks/web_load.py [--creatives 10000 100000] [--engines sqlite postgresql] [--keep FOLDER]

For every size a workspace is filled by bulk insert: campaigns of 1,000 creatives, each with a score, an embedding and
30 days of delivery (3,000,000 KPI rows at 100,000 creatives). The leaderboards of five campaigns are made, as the page
does it when somebody opens one; people browse these five. All others get a copy of what the first one says, which the
list of campaigns shows. With `--keep` the filled workspaces stay in a folder, and the next run takes them from there:
filling takes most of the time. Then, in this order:

1. One client asks for the pages one after the other. The server adds to each answer the processor time of its whole
   process since the request came, and the number of SQL statements: nothing else is under way, so these are of the
   request.
2. Fifty people with five seconds of thought between pages browse for a minute, while `abkit schedule run` scores a
   folder of new images with one thread at the lowest priority. Wall-clock times are of this part (a page and three
   thumbnails), and so is the processor time of the server per page.

Goals: at most 60 ms of processor time at the 95th percentile, 20 statements and 200 kB a page; nothing is lost; at
100,000 creatives within 1.5 times of 10,000. Wall-clock time depends on what else the machine does, and is reported.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

DAYS, PER_CAMPAIGN, VISITED, REAL = 30, 1_000, 5, 50
THINK = 5.0
NOW = datetime.now(UTC).replace(microsecond=0)
SEED = 20_261_126


# --- a workspace by bulk insert -----------------------------------------------------------------------------------


def fill(store: Any, folder: Path, creatives: int) -> None:
    """Fill an empty store; every table in one go."""
    from sqlalchemy import insert

    from abkit.store.kpis.once.counting import recount
    from abkit.store.runs import recorded_run
    from abkit.store.schema import KpiImport, Segment
    from abkit.workflows.active_model import ensure_active_model

    rng = np.random.default_rng(SEED)
    with recorded_run(store, "score", {}) as run:
        version = ensure_active_model(store, run).version
        with store.write() as session:
            session.add(Segment(platform="meta", placement="feed"))
            counts = {"rows": creatives * DAYS, "imported": creatives * DAYS}
            counts |= dict.fromkeys(("updated", "unchanged", "unlinked", "rejected"), 0)
            own = {"digest": "1" * 64, "name": "load.csv", "options": {}, "imported_at": NOW, "run_id": run.id}
            session.execute(insert(KpiImport).values(**counts, **own))
            session.flush()
            for table, columns, rows in _tables(folder, creatives, version, run.id, rng):
                _bulk(session, table, columns, rows)
            if store.dialect == "postgresql":
                _set_sequences(session)
            recount(session, [1])


Rows = Iterator[tuple[Any, ...]]


def _tables(folder: Path, n: int, version: Any, run: int, rng: Any) -> Iterator[tuple[str, str, Rows]]:
    now = NOW.replace(tzinfo=None).isoformat(" ")
    digests = [hashlib.sha256(str(one).encode()).hexdigest() for one in range(n)]
    names = [f"{folder}/ads/c{one:06d}.png" for one in range(n)]
    for one, path in enumerate(_images(folder)):
        digests[one] = hashlib.sha256(path.read_bytes()).hexdigest()
    means, rates = rng.normal(4, 0.6, n), rng.lognormal(-4.4, 0.35, n)
    bins = json.dumps([0.05, 0.1, 0.2, 0.3, 0.2, 0.1, 0.05])
    campaigns = -(-n // PER_CAMPAIGN)
    yield ("campaign", "id,key,name,created_at,run_id",
           ((c + 1, f"campaign-{c:03d}", f"campaign-{c:03d}", now, run) for c in range(campaigns)))  # fmt: skip
    yield ("creative", "id,sha256,perceptual_hash,width,height,media_type,bytes,created_at,run_id",
           ((i + 1, digests[i], f"{i:016x}", 1080, (1080, 1350, 566)[i % 3], "image/png", 9000, now, run)
            for i in range(n)))  # fmt: skip
    yield ("creative_alias", "id,creative_id,name,base_name,link_key,created_at,run_id",
           ((i + 1, i + 1, names[i], f"c{i:06d}.png", f"c{i:06d}", now, run) for i in range(n)))  # fmt: skip
    first = (NOW.date() - timedelta(days=DAYS)).isoformat()
    yield ("campaign_creative", "id,campaign_id,creative_id,launched_on,created_at,run_id",
           ((i + 1, i // PER_CAMPAIGN + 1, i + 1, first, now, run) for i in range(n)))  # fmt: skip
    yield ("score", "id,creative_id,model_version_id,mean,std,distribution,ci_low,ci_high,ci_level,query_activations,"
           "novelty,scored_at,run_id",
           ((i + 1, i + 1, version.id, float(means[i]), 1.0, bins, float(means[i]) - 0.8, float(means[i]) + 0.8, 0.9,
             "[]", 0.5, now, run) for i in range(n)))  # fmt: skip
    yield ("embedding", "id,creative_id,encoder_fingerprint,vector,run_id",
           ((i + 1, i + 1, version.encoder_fingerprint, rng.normal(0, 1, 64).astype("<f2").tobytes(), run)
            for i in range(n)))  # fmt: skip
    yield ("ad", "id,platform,account,external_id,creative_name,campaign_id,run_id",
           ((i + 1, "meta", "1", f"ad-{i}", f"c{i:06d}.png", i // PER_CAMPAIGN + 1, run)
            for i in range(n)))  # fmt: skip
    yield ("ad_creative", "id,ad_id,creative_id,linked_by,run_id",
           ((i + 1, i + 1, i + 1, "name", run) for i in range(n)))  # fmt: skip
    yield ("kpi", "id,ad_id,segment_id,period_start,period_end,event,attribution_window,currency,impressions,clicks,"
           "conversions,spend,revenue,kpi_import_id", _delivery(n, means, rates, rng))  # fmt: skip


def _delivery(n: int, means: Any, rates: Any, rng: Any) -> Rows:
    number = 0
    for day in range(DAYS):
        when = (NOW.date() - timedelta(days=DAYS - day)).isoformat()
        shown = rng.integers(200, 3000, n)
        clicked = rng.binomial(shown, np.minimum(0.5, rates * np.exp(0.2 * (means - 4))))
        bought = rng.binomial(clicked, 0.06)
        for i, (s, c, b) in enumerate(zip(shown.tolist(), clicked.tolist(), bought.tolist(), strict=True)):
            number += 1
            yield number, i + 1, 1, when, when, "", "", "EUR", s, c, float(b), round(0.004 * s, 2), 12.0 * b, 1


def copy_boards(store: Any) -> None:
    """Let the list of campaigns say the same of all as of the first: to make each takes seconds."""
    from sqlalchemy import insert, select

    from abkit.store.leaderboards import stamps
    from abkit.store.schema import Leaderboard

    with store.write() as session:
        first = session.scalars(select(Leaderboard).where(Leaderboard.campaign_id == 1)).one()
        same = {name: getattr(first, name) for name in ("model_version_id", "as_of", "summary", "made_at", "run_id")}
        there = set(session.scalars(select(Leaderboard.campaign_id)))
        due = [(one, stamp) for one, stamp in stamps(session).items() if one not in there]
        rows = [{**same, "campaign_id": one, "stamp": stamp} for one, stamp in due]
        if rows:
            session.execute(insert(Leaderboard), rows)


def _images(folder: Path) -> list[Path]:
    from PIL import Image

    rng = np.random.default_rng(SEED)
    (folder / "ads").mkdir(exist_ok=True)
    paths = [folder / "ads" / f"c{one:06d}.png" for one in range(REAL)]
    for path in paths:
        Image.fromarray(rng.integers(0, 255, (90, 120, 3), np.uint8)).resize((480, 360)).save(path)
    return paths


def _bulk(session: Any, table: str, columns: str, rows: Iterator[tuple[Any, ...]]) -> None:
    connection = session.connection().connection.driver_connection
    if session.get_bind().dialect.name == "sqlite":
        marks = ",".join("?" * (columns.count(",") + 1))
        connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)
        return
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _set_sequences(session: Any) -> None:
    from sqlalchemy import text

    for table in ("campaign", "creative", "creative_alias", "campaign_creative", "score", "embedding", "ad",
                  "ad_creative", "kpi"):  # fmt: skip
        last = f"(SELECT max(id) FROM {table})"
        session.execute(text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {last})"))
    session.execute(text("ANALYZE"))


# --- the server, which says what a request cost -------------------------------------------------------------------


def serve(config: str, port: int) -> None:
    """Serve a workspace; each answer has `x-processor-ms` and `x-statements`."""
    import uvicorn
    from sqlalchemy import event

    from abkit.config import load_settings
    from abkit.web import server
    from abkit.web.app import create_app

    app = create_app(load_settings(Path(config)))
    # A request's thread knows whose it is; what is made beside the requests counts for none.
    own: ContextVar[list[str] | None] = ContextVar("own", default=None)

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if (statements := own.get()) is not None:
            statements.append(statement)

    event.listen(app.state.workspace.store.engine, "before_cursor_execute", note)

    async def measured(scope: Any, receive: Any, send: Any) -> None:
        begun, statements = time.process_time(), list[str]()
        own.set(statements)

        async def with_costs(message: Any) -> None:
            if message["type"] == "http.response.start":
                spent = 1000 * (time.process_time() - begun)
                message["headers"] = [
                    *message["headers"], (b"x-processor-ms", f"{spent:.2f}".encode()),
                    (b"x-statements", str(len(statements)).encode()),
                ]  # fmt: skip
            await send(message)

        await app(scope, receive, with_costs if scope["type"] == "http" else send)

    config = server.configured(measured)
    config.host, config.port = "127.0.0.1", port
    sys.setswitchinterval(server.SWITCH_SECONDS)
    uvicorn.Server(config).run()


# --- people -------------------------------------------------------------------------------------------------------


def pages_of(address: str, visited: int, files: list[Path]) -> dict[str, list[str]]:
    """Return addresses by kind of page, from what the pages link to; thumbnails are of the creatives with a file."""
    import re

    import httpx

    found: dict[str, list[str]] = {"overview": ["/"], "campaigns": ["/campaigns"], "campaign": [], "creative": [],
                                   "pair": []}  # fmt: skip
    found["image"] = [f"/images/{hashlib.sha256(path.read_bytes()).hexdigest()}/96.jpg" for path in files]
    with httpx.Client(base_url=address, timeout=120) as client:
        for campaign in range(1, visited + 1):
            text = client.get(f"/campaigns/{campaign}").text
            found["campaign"] += [
                f"/campaigns/{campaign}{query}"
                for query in ("", "?order=ctr", "?order=cpa&reverse=1", "?page=3&order=roas", "?action=drop", "?q=7")
            ]
            found["creative"] += sorted(set(re.findall(r"/creatives/[0-9a-f]{64}(?=\")", text)))[:20]
            ids = re.findall(r'name="creative" value="(\d+)"', text)[:8]
            found["pair"] += [f"/campaigns/{campaign}/pair?creative={a}&creative={b}" for a, b in pairwise(ids)]
    return found


SHARES = {"overview": 15, "campaigns": 10, "campaign": 40, "creative": 25, "pair": 10}


def one_by_one(address: str, pages: dict[str, list[str]], each: int) -> dict[str, list[tuple[float, int, int]]]:
    """Return processor time (ms), statements and bytes of requests that nothing else runs beside."""
    import httpx

    rng, found = random.Random(SEED), {}  # noqa: S311
    with httpx.Client(base_url=address, timeout=120) as client:
        for kind in SHARES:
            for path in pages[kind][:3]:
                client.get(path)  # templates and statements are compiled once
            rows = []
            for _ in range(each * SHARES[kind] // 25):
                answer = client.get(rng.choice(pages[kind]))
                answer.raise_for_status()
                rows.append((float(answer.headers["x-processor-ms"]), int(answer.headers["x-statements"]),
                             len(answer.content)))  # fmt: skip
            found[kind] = rows
    return found


def together(address: str, pages: dict[str, list[str]], people: int, seconds: float) -> dict[str, Any]:
    """Let people browse at once, from a process of their own; return what `browse_all` prints."""
    asked = {"address": address, "pages": pages, "people": people, "seconds": seconds}
    done = subprocess.run(
        [sys.executable, __file__, "--browse"], input=json.dumps(asked), capture_output=True, text=True, check=True
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def browse_all(address: str, pages: dict[str, list[str]], people: int, seconds: float) -> None:
    """Print the wall-clock times in ms by kind, how many requests failed, and the processor time of all this."""
    import httpx

    times: list[tuple[str, float, float]] = []
    failed = [0]
    end = time.monotonic() + seconds

    def browse(number: int) -> None:
        rng = random.Random(SEED + number)  # noqa: S311
        with httpx.Client(base_url=address, timeout=60) as client:
            time.sleep(rng.uniform(0, THINK))
            while time.monotonic() < end:
                kind = rng.choices(list(SHARES), list(SHARES.values()))[0]
                begun = time.monotonic()
                try:
                    good = client.get(rng.choice(pages[kind])).status_code == 200
                    first = time.monotonic()
                    for path in rng.sample(pages["image"], min(3, len(pages["image"]))):
                        client.get(path)
                except httpx.HTTPError:
                    good, first = False, time.monotonic()
                times.append((kind, 1000 * (first - begun), 1000 * (time.monotonic() - begun)))
                failed[0] += not good
                time.sleep(rng.expovariate(1 / THINK))

    threads = [threading.Thread(target=browse, args=(number,)) for number in range(people)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"times": times, "failed": failed[0], "processor_s": time.process_time()}))


# --- one workspace ------------------------------------------------------------------------------------------------


def study(
    engine: str, url: str, folder: Path, creatives: int, *, people: int, seconds: float, each: int
) -> dict[str, Any]:
    """Serve a workspace, filled now or by an earlier run, and return what requests cost."""
    from abkit import Workspace
    from abkit.config import load_settings
    from abkit.workflows.leaderboard.refresh import refresh_leaderboard

    begun = time.process_time()
    filled_before = (folder / "filled").exists()
    if not filled_before:
        Workspace.create(folder, database_url=url).close()
    shutil.rmtree(folder / "incoming", ignore_errors=True)
    (folder / "incoming").mkdir()
    lines = [f'database_url = "{url}"'] if url else []
    (folder / "abkit.toml").write_text(
        "\n".join(lines)
        + "\n[web]\nrequests_per_minute = 1000000\n"
        + '[[schedule]]\nkey = "score"\njob = "score_folder"\ncron = "* * * * *"\n'
        + 'arguments = {folder = "incoming", campaign = "incoming", stable_seconds = 0}\n'
    )
    shop = Workspace(load_settings(folder / "abkit.toml"))
    if not filled_before:
        fill(shop.store, folder, creatives)
        (folder / "filled").touch()
    filled = time.process_time() - begun
    made = []
    visited = min(VISITED, -(-creatives // PER_CAMPAIGN))
    for campaign in range(1, visited + 1):
        before = time.process_time()
        refresh_leaderboard(shop.store, shop.settings, campaign)
        made.append(time.process_time() - before)
    copy_boards(shop.store)
    shop.close()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = str(folder / "abkit.toml")
    server = subprocess.Popen([sys.executable, __file__, "--serve", config, "--port", str(port)])
    daemon = None
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(address)
        pages = pages_of(address, visited, sorted((folder / "ads").iterdir()))
        alone = one_by_one(address, pages, each)
        for number in range(200):
            new = folder / "incoming" / f"new{time.time_ns()}.png"
            shutil.copy(folder / "ads" / f"c{number % REAL:06d}.png", new)
            with new.open("ab") as file:
                file.write(new.name.encode())  # another content with the same pixels
        one_thread = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        daemon = subprocess.Popen(
            ["nice", "-n", "19", sys.executable, "-m", "abkit", "--config", config, "schedule", "run"],
            env={**os.environ, **one_thread}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        spent = _spent(server.pid)
        browsed = together(address, pages, people, seconds)
        spent = _spent(server.pid) - spent
    finally:
        for process in (daemon, server):
            if process is not None:
                process.send_signal(signal.SIGTERM)
                process.wait(60)
    times = [whole for _, _, whole in browsed["times"]]
    cost = np.array([row[0] for rows in alone.values() for row in rows])
    return {
        "engine": engine,
        "creatives": creatives,
        "kpi_rows": creatives * DAYS,
        "cpu_p50": float(np.median(cost)),
        "cpu_p95": float(np.quantile(cost, 0.95)),
        "statements": max(row[1] for rows in alone.values() for row in rows),
        "kilobytes": max(row[2] for rows in alone.values() for row in rows) / 1000,
        "requests": len(times),
        "failed": browsed["failed"],
        "cpu_together": 1000 * spent / max(1, len(times)),
        "wall_p50": float(np.median(times)),
        "wall_p95": float(np.quantile(times, 0.95)),
        "load": os.getloadavg()[0],
        "fill_s": filled,
        "refresh_s": float(np.median(made)),
        "kinds": {
            kind: (*np.quantile([row[0] for row in rows], (0.5, 0.95)).tolist(), max(row[1] for row in rows))
            for kind, rows in alone.items()
        },
        "waits": {
            kind: np.quantile([page for own, page, _ in browsed["times"] if own == kind] or [0.0], (0.5, 0.95)).tolist()
            for kind in SHARES
        },
        "browsers_s": browsed["processor_s"],
    }


def _wait_for(address: str) -> None:
    import httpx

    for _ in range(600):
        try:
            if httpx.get(address + "/healthz", timeout=5).status_code < 500:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise RuntimeError("the server did not start")


def _spent(pid: int) -> float:
    """Return the processor time that a process has used, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def report(rows: list[dict[str, Any]]) -> None:
    """Print a table, and the ratios between the largest and the smallest workspace of each engine."""
    names = (
        "engine", "creatives", "cpu_p50", "cpu_p95", "statements", "kilobytes", "requests", "failed", "cpu_together",
        "wall_p50", "wall_p95", "load", "fill_s", "refresh_s",
    )  # fmt: skip
    print("".join(f"{name:>13}" for name in names))
    for row in rows:
        print("".join(f"{row[name]:>13.1f}" if isinstance(row[name], float) else f"{row[name]:>13}" for name in names))
    for row in rows:
        kinds = (f"{kind} {low:.1f} {high:.1f} {most}" for kind, (low, high, most) in row["kinds"].items())
        print(row["engine"], row["creatives"], "processor ms by page, p50 and p95, and statements:", ", ".join(kinds))
        print(row["engine"], row["creatives"], "wall-clock ms of the page alone, p50 and p95:",
              ", ".join(f"{kind} {low:.0f} {high:.0f}" for kind, (low, high) in row["waits"].items()),
              f"; the people took {row['browsers_s']:.1f} s of processor time")  # fmt: skip
    for engine in dict.fromkeys(row["engine"] for row in rows):
        mine = sorted((row for row in rows if row["engine"] == engine), key=lambda row: row["creatives"])
        if len(mine) > 1:
            print(f"{engine}: cpu_p95 at {mine[-1]['creatives']:,} creatives is "
                  f"{mine[-1]['cpu_p95'] / mine[0]['cpu_p95']:.2f} times that at {mine[0]['creatives']:,}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--creatives", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--engines", nargs="+", default=["sqlite", "postgresql"], choices=["sqlite", "postgresql"])
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--each", type=int, default=100, help="requests one by one, of about every kind of page")
    parser.add_argument("--keep", type=Path, help="folder where filled workspaces stay, and are taken from")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--browse", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0)
    asked = parser.parse_args()
    if asked.serve:
        serve(asked.serve, asked.port)
        return
    if asked.browse:
        browse_all(**json.load(sys.stdin))
        return
    rows = []
    for engine in asked.engines:
        for creatives in asked.creatives:
            with tempfile.TemporaryDirectory() as passing:
                folder = asked.keep / f"{engine}-{creatives}" if asked.keep else Path(passing)
                folder.mkdir(parents=True, exist_ok=True)
                with databases(engine, folder / "postgresql" if asked.keep else None) as url:
                    rows.append(
                        study(engine, url, folder, creatives, people=asked.people, seconds=asked.seconds,
                              each=asked.each)
                    )  # fmt: skip
            report(rows[-1:])
    print()
    report(rows)
    print(f"memory of this process at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


class databases:  # noqa: N801
    """The URL of a database, kept in a folder or passing; "" for the SQLite file of the workspace."""

    def __init__(self, engine: str, kept: Path | None) -> None:
        self.engine, self.kept = engine, kept

    def __enter__(self) -> str:
        if self.engine == "sqlite":
            return ""
        from tests.postgres import postgres

        self.server = postgres(self.kept)
        return str(self.server.__enter__().get_uri())

    def __exit__(self, *error: Any) -> None:
        if self.engine != "sqlite":
            self.server.__exit__(*error)


if __name__ == "__main__":
    main()
