"""What people, programs and services say to abkit, for the fuzzing: options, names, addresses, requests, answers."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import random
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from fuzz_files import CELLS, mutated

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: 32\r\n\r\nday,ad,impressions\n2026-09-01,a,1"
REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: /b.csv\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
PARTS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nday\r\n0\r\nX: y\r\n\r\n"
MORE = [ANSWER, REDIRECT, PARTS, b"HTTP/1.1 100 Continue\r\n\r\n"]
NOW = datetime(2026, 9, 1, tzinfo=UTC)
CRON = ("*/15 6-18 1,15 * mon-fri", "@daily", "0 30 6 * * 1-5", "0 0 29 2 *", "59 23 31 12 7", "0 0 L * *")
ADDRESSES = (
    "postgresql://ada:s%40crét@127.0.0.1:1/ads?sslmode=require&connect_timeout=1", "sqlite:///ads.db", "sqlite://",
    "host=127.0.0.1 port=1 password='a b' dbname=x", "https://ada:pw@example.com:443/a.csv?X-Amz-Signature=1#x",
    "s3://bucket/a*/{b}.csv", "gs://b/c", "az://b/c", "file:///etc/passwd", "mysql+pymysql://u:p@127.0.0.1:1/x",
)  # fmt: skip
NAMES = ("{campaign}_{format}_{day:%Y%m%d}", "{a}-{b}", "spring 2026", "ads/IMG_0001 (1).PNG", "a" * 64)
QUERIES = (
    "SELECT day, ad FROM kpi", "WITH a AS (SELECT 1) SELECT * FROM a", "DELETE FROM kpi; --", "SELECT 1; DROP TABLE x"
)  # fmt: skip
CALC = {
    "compare": {"--control": "480/10000", "--treatment": "540/10000", "--level": "0.9", "--alternative": "greater"},
    "sample-size": {"--baseline": "0.02", "--lift": "0.1", "--power": "0.8", "--alpha": "0.05", "--arms": "3"},
    "srm": {"--observed": "5000,5100", "--expected": "1,1"},
    "rank": {"--arm": "A=50/1000", "--prior": "1,1", "--seed": "1"},
    "drift": {"--reference": "1,2,3,4,5", "--current": "2,3,4,5,6"},
}  # fmt: skip


def text_of(draw: random.Random, *begun: str) -> str:
    """Return one of the texts, changed, or a hostile cell."""
    if draw.random() < 0.15:
        return draw.choice(CELLS)
    whole = draw.choice(begun).encode()
    for _ in range(draw.randrange(3)):
        whole = mutated(draw, whole, [one.encode() for one in begun])
    return whole[:20_000].decode("utf-8", draw.choice(("replace", "surrogateescape", "ignore")))


def read_answers(draw: random.Random, folder: Path) -> None:
    """Fetch, call, and download from a service that answers with something else."""
    from abkit.config import SourceSettings
    from abkit.intake.kpis.files import fetched_exports
    from abkit.intake.kpis.reading import KpiOptions
    from abkit.intake.remote import weights
    from abkit.jobs.job import Tick
    from abkit.jobs.work import sources
    from abkit.jobs.work.upkeep import call

    answer = mutated(draw, draw.choice(MORE), MORE)
    with _service(lambda: itertools.repeat(answer, draw.choice((1, 1, 3)))) as address:
        match draw.randrange(5):
            case 0:
                call(address, 20)
            case 1:
                tick = Tick(schedule="s", at=NOW, started_at=NOW, attempt=1, run=None)  # type: ignore[arg-type]
                sources._fetch(SourceSettings(key="s", url=address, timeout_seconds=20), tick, folder / "a.csv")
            case 2:
                size = weights.size_of(address)
                weights.fetch(address, folder / "w", min(size, 10**6), progress=lambda *_: None)
            case 3:
                from abkit.alerts.webhooks import post

                assert "\n" not in post(address, "secret", "{}", timeout_s=5)  # noqa: S101
            case _:
                with fetched_exports([address], KpiOptions(max_file_mb=1)) as found:
                    assert all(one.reason for one in found.refused)  # noqa: S101


@contextlib.contextmanager
def _service(answers: Callable[[], Iterator[bytes]]) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client = server.accept()[0]
                except OSError:
                    return
                with client, contextlib.suppress(OSError):
                    client.settimeout(2)
                    client.recv(4096)
                    for answer in answers():
                        client.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/a.csv"
        finally:
            # Closing alone would leave the thread waiting.
            server.shutdown(socket.SHUT_RDWR)


def read_schedules(draw: random.Random, _folder: Path) -> None:
    """Read a cron line and count its ticks, and the arguments of a job."""
    from abkit.jobs.cron import Cron
    from abkit.jobs.schedules import CATALOG

    if draw.random() < 0.5:
        cron = Cron(text_of(draw, *CRON))
        cron.between(NOW, NOW + timedelta(days=draw.choice((1, 4000))), 1000)
        return
    job = draw.choice([*CATALOG.values()])
    names = [*job.arguments.model_fields, "folder", "x"]
    given = {draw.choice(names): _value(draw) for _ in range(draw.randrange(4))}
    job.check(given, "schedule s")


def _value(draw: random.Random, depth: int = 0) -> Any:
    """Return something that JSON can say."""
    match draw.randrange(8 if depth < 3 else 6):
        case 0:
            return draw.choice((0, -1, 2**31, 2**63, 10**400, 1e308, float("nan"), float("inf"), 0.5))
        case 1:
            return draw.choice((None, True, False))
        case 6:
            return [_value(draw, depth + 1) for _ in range(draw.randrange(4))]
        case 7:
            return {text_of(draw, *NAMES): _value(draw, depth + 1) for _ in range(draw.randrange(3))}
    return text_of(draw, *NAMES, "ctr", "campaign:spring", "2026-01-01..2026-02-01", "30d", "1", "-3.5")


def read_names(draw: random.Random, _folder: Path) -> None:
    """Read keys that people choose, patterns of names, and the words of file names."""
    from abkit import names
    from abkit.intake.idea_names import idea_name
    from abkit.intake.name_patterns import parse_pattern, read_name
    from abkit.store.keys import clean_key

    text = text_of(draw, *NAMES)
    for read in (names.link_key, names.plain_key, names.folded, names.stem, names.words, names.base_name):
        read(text)
    idea_name(text, 64, 48)
    if draw.random() < 0.5:
        read_name([parse_pattern(text)], text_of(draw, *NAMES))
    else:
        clean_key(text, "campaign").encode()


def read_addresses(draw: random.Random, folder: Path) -> None:
    """Take apart addresses of stores, databases and files, and statements: nothing secret is said about them."""
    from abkit.addresses import masked_url, may_be_secret
    from abkit.errors import AbkitError
    from abkit.intake.databases.dialects import require_select
    from abkit.intake.databases.warehouse import shown_url
    from abkit.intake.remote.address import is_address, parse_address
    from abkit.store.database.engine import Store

    text = text_of(draw, *ADDRESSES)
    masked_url(text), shown_url(text), may_be_secret(text)
    match draw.randrange(3):
        case 0:
            if is_address(text):
                parse_address(text)
        case 1:
            with contextlib.suppress(AbkitError):
                require_select(text_of(draw, *QUERIES))
            Store(text.replace("ads.db", str(folder / "ads.db"))).close()
        case _:
            require_select(text_of(draw, *QUERIES))


def read_options(draw: random.Random, _folder: Path) -> None:
    """Run `abkit calc` with options that were changed: it ends with 0 or 2, or in one sentence."""
    from abkit.commands.app import app

    command, usual = draw.choice([*CALC.items()])
    arguments = ["calc", command]
    for name, value in usual.items():
        if draw.random() < 0.9:
            arguments += [name, text_of(draw, value) if draw.random() < 0.4 else value]
    if command == "rank":
        arguments += ["--arm", "B=60/1000"]
    # No command line can have a null byte.
    arguments = [argument.replace("\0", "") for argument in arguments]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        ended: int | str | None = None
        try:
            app(arguments, standalone_mode=True)
        except SystemExit as said:
            ended = said.code
    assert ended in (0, 1, 2, None), ended  # noqa: S101


@cache
def _served() -> tuple[Any, list[tuple[str, str, list[str]]]]:
    """Return a client of an empty workspace, and its routes."""
    import tempfile

    from abkit import Workspace

    folder = tempfile.mkdtemp(prefix="abkit-fuzz-web-")
    Workspace.create(Path(folder) / "w").close()
    return serve(Workspace.open(Path(folder) / "w"))


def serve(shop: Any) -> tuple[Any, list[tuple[str, str, list[str]]]]:
    """Return a client of a workspace, and the routes: method, path and the names of what they take."""
    from fastapi.testclient import TestClient

    from abkit.web.app import create_app

    app = create_app(shop.settings)
    app.state.requests.wait = lambda _key: 0  # as many requests as there are
    routes = []
    for route in _routes(app.routes):
        dependant = route.dependant
        flat = [*dependant.query_params, *dependant.body_params]
        for inner in dependant.dependencies:
            flat += [*inner.query_params, *inner.body_params]
        routes += [(method, route.path, [one.name for one in flat]) for method in sorted(route.methods - {"HEAD"})]
    return TestClient(app, base_url="http://127.0.0.1", follow_redirects=False), routes


def _routes(several: Any) -> Iterator[Any]:
    for route in several:
        if hasattr(route, "dependant"):
            yield route
        elif inner := getattr(route, "original_router", None) or getattr(route, "app", None):
            yield from _routes(getattr(inner, "routes", ()))


def read_requests(draw: random.Random, _folder: Path) -> None:
    """Ask the page and the API for something: no answer blames abkit."""
    ask(draw, *_served())


def ask(draw: random.Random, client: Any, routes: list[tuple[str, str, list[str]]]) -> None:
    """Send one request."""
    from urllib.parse import quote

    method, path, takes = draw.choice(routes)
    for name in {part.split("}")[0] for part in path.split("{")[1:]}:
        said = text_of(draw, "1", "spring", "0" * 32).encode("utf-8", "surrogateescape")[:2000]
        path = path.replace("{" + name + "}", quote(said, safe="") or "x")
    names = [*takes, "limit", "cursor", "page", "order", "x"]
    fields = {draw.choice(names): text_of(draw, "1", "spring", "ctr", "2026-01-01") for _ in range(draw.randrange(5))}
    fields = {name: said.encode("utf-8", "replace").decode()[:3000] for name, said in fields.items()}
    client.cookies.clear()
    sent: dict[str, Any] = {"params": fields}
    if method != "GET":
        body = mutated(draw, json.dumps({name: _value(draw) for name in names}).encode(), [b"[[[[", b'{"a":', b"\xff"])
        called = text_of(draw, "a.png").encode("utf-8", "replace").decode()
        boundary = draw.choice(("a", "", "\\", "-" * 300))
        kind = draw.choice(("application/json", "image/png", "text/plain", "x" * 500))
        sent = draw.choice(
            (
                {"data": fields},
                {"files": {draw.choice((*names, "image", "files")): (called, body)}},
                {"content": body, "headers": {"content-type": kind}},
                {"content": body, "headers": {"content-type": f"multipart/form-data; boundary={boundary}"}},
            )
        )
    if draw.random() < 0.3:
        name = draw.choice(("if-none-match", "idempotency-key", "authorization", "origin", "range", "accept"))
        said = text_of(draw, '"a"', "Bearer x", "bytes=0-").encode("ascii", "ignore")
        sent.setdefault("headers", {})[name] = bytes(sign for sign in said[:2000] if sign > 31)
    answer = client.request(method, path, **sent)
    if answer.status_code >= 500 and answer.status_code != 503:
        raise RuntimeError(f"{method} {path[:80]}: {answer.status_code} {answer.text[:200]}")


READERS: dict[str, Callable[[random.Random, Path], None]] = {
    "answers": read_answers,
    "schedules": read_schedules,
    "names": read_names,
    "addresses": read_addresses,
    "options": read_options,
    "requests": read_requests,
}
