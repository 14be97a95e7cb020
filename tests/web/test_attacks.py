"""Attacks on the page: each is refused, costs little, and leaves nothing behind."""

import inspect
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import annotated_types
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from abkit import Workspace
from abkit.config import WebSettings
from abkit.errors import InvalidInput
from abkit.jobs.requests import requested_jobs
from abkit.store.schema import Campaign, Creative, CreativeAlias, Experiment, LeaderboardEntry, SignIn
from abkit.web.access.limits import FORM_BYTES, RateLimit, TooMuch, Turns
from abkit.web.app import create_app
from abkit.web.drawing import Axis, Point, bins, days, scatter
from abkit.workflows.upkeep.people import add_person, create_token
from abkit.workflows.uploads import keep_exports
from tests.web.conftest import PASSWORD, code_of, submit
from tests.web.test_access import _routes

SignsIn = Callable[..., TestClient]
TOO_LARGE = FORM_BYTES + 1
TRIES = 3


def _multipart(*, kind: str = "", **fields: bytes) -> dict[str, Any]:
    """Return the body of a form by hand: a client library would not send what an attacker does."""
    parts = b"".join(
        b"--x\r\nContent-Disposition: form-data; name=%s\r\n\r\n%s\r\n" % (name.encode(), value)
        for name, value in fields.items()
    )
    headers = {"content-type": f"multipart/form-data; boundary=x{kind}"}
    return {"content": parts + b"--x--\r\n", "headers": headers}


# --- what is too large, before anybody has said who they are ------------------------------------------------------


@pytest.mark.parametrize("path", ["/upload/images", "/upload/exports", "/api/v1/score", "/sign-in", "/people"])
def test_whoever_has_not_signed_in_sends_nothing_large(served_to_others: Callable[[], TestClient], path: str) -> None:
    assert served_to_others().post(path, **_multipart(name=b"x" * TOO_LARGE)).status_code == 413


def test_files_are_taken_from_those_who_may_send_them_and_where_they_belong(
    shop: Workspace, signed_in: SignsIn
) -> None:
    ada = signed_in("ada", "viewer")
    large = _multipart(name=b"x" * TOO_LARGE)
    assert ada.post("/upload/images", **large).status_code == 413
    operator = create_token(shop.store, "ada", label="x", scopes=["view"]).secret
    headers = {**large["headers"], "authorization": f"Bearer {operator}"}
    assert ada.post("/api/v1/score", content=large["content"], headers=headers).status_code == 422


@pytest.mark.parametrize("kind", ["application/json", "image/png", "multipart/form-data; boundary=x", "text/plain"])
def test_a_route_without_files_reads_no_large_body_whatever_it_is_called(client: TestClient, kind: str) -> None:
    answer = client.post("/api/v1/jobs", content=b"x" * TOO_LARGE, headers={"content-type": kind})
    assert answer.status_code == 413


@pytest.mark.parametrize("kind", ["; charset=unicode_escape", '; charset="idna"', "; charset*=utf-8''punycode"])
def test_a_form_does_not_choose_the_codec_by_which_it_is_read(client: TestClient, kind: str) -> None:
    client.get("/people")
    assert client.post("/people", **_multipart(kind=kind, csrf=b"\\ud800")).status_code == 415
    assert client.post("/people", **_multipart(kind="; charset=utf-8", csrf=b"x")).status_code == 403


def test_letters_that_are_none_are_refused_in_json(client: TestClient, shop: Workspace) -> None:
    browser = TestClient(client.app, base_url="http://127.0.0.1", raise_server_exceptions=False)
    body = b'{"job": "correlate", "arguments": {"metric": "\\ud800"}}'
    assert browser.post("/api/v1/jobs", content=body, headers={"content-type": "application/json"}).status_code == 422
    assert not requested_jobs(shop.store)[0]


# --- numbers -------------------------------------------------------------------------------------------------------


def _upper(field: Any) -> float:
    said = [one.le for one in field.field_info.metadata if isinstance(one, annotated_types.Le)]
    said += [one.lt for one in field.field_info.metadata if isinstance(one, annotated_types.Lt)]
    return min(said, default=float("inf"))


def test_every_whole_number_in_an_address_or_a_form_has_an_end_that_a_store_can_hold(shop: Workspace) -> None:
    found, endless = 0, []
    for route in _routes(create_app(shop.settings)):
        dependant = route.dependant
        for field in (*dependant.path_params, *dependant.query_params, *dependant.body_params):
            if field.field_info.annotation in (int, int | None):
                found += 1
                if _upper(field) > 2**63 - 1:
                    endless.append((route.name, field.name))
    assert found > 20
    assert not endless


@pytest.mark.parametrize(
    "path",
    ["/campaigns/{0}", "/campaigns?page={0}", "/campaigns/1/pair?creative={0}&creative={0}", "/people?before={0}"],
)
def test_a_number_that_no_store_can_hold_is_no_fault_of_ours(client: TestClient, path: str) -> None:
    browser = TestClient(client.app, base_url="http://127.0.0.1", raise_server_exceptions=False)
    assert 400 <= browser.get(path.format(10**30)).status_code < 500


# --- signing in ----------------------------------------------------------------------------------------------------


def _tries(browser: TestClient, times: int, **headers: str) -> int:
    code = code_of(browser.get("/sign-in", headers=headers).text)
    fields = {"csrf": code, "name": "ada", "password": "wrong " * 4}
    return [browser.post("/sign-in", data=fields, headers=headers).status_code for _ in range(times)][-1]


@pytest.fixture
def proxied(shop: Workspace) -> Iterator[Callable[[str], TestClient]]:
    web = WebSettings(hosts=("ads.example",), proxies=("10.0.0.1", "10.0.0.2"))
    app = create_app(shop.settings.model_copy(update={"web": web}), local=False)
    app.state.sign_ins = RateLimit(TRIES)
    with TestClient(app, base_url="http://ads.example"):
        yield lambda address: TestClient(
            app, base_url="http://ads.example", follow_redirects=False, client=(address, 5000)
        )


def test_nobody_is_kept_out_by_wrong_passwords_of_somebody_else(
    shop: Workspace, proxied: Callable[[str], TestClient]
) -> None:
    add_person(shop.store, "ada", "viewer", PASSWORD)
    enough = TRIES + 1
    assert _tries(proxied("203.0.113.5"), enough) == 429
    assert submit(proxied("203.0.113.6"), "/sign-in", name="ada", password=PASSWORD).status_code == 303
    # Behind a proxy all have one address; the proxy says which one each has.
    proxy = proxied("10.0.0.1")
    assert _tries(proxy, enough, **{"x-forwarded-for": "203.0.113.7, 10.0.0.2"}) == 429
    assert _tries(proxy, 1, **{"x-forwarded-for": "203.0.113.8"}) == 401


def test_an_address_that_somebody_invents_gains_nothing(shop: Workspace, proxied: Callable[[str], TestClient]) -> None:
    add_person(shop.store, "ada", "viewer", PASSWORD)
    direct, proxy, six = proxied("203.0.113.5"), proxied("10.0.0.1"), proxied("2001:db8::1")
    for number in range(TRIES):
        assert _tries(direct, 1, **{"x-forwarded-for": f"198.51.100.{number}"}) == 401
        assert _tries(proxy, 1, **{"x-forwarded-for": f"198.51.100.{number}, 203.0.113.9"}) == 401
        assert _tries(proxied(f"2001:db8::{number + 1}"), 1) == 401
    assert _tries(direct, 1, **{"x-forwarded-for": "198.51.100.99"}) == 429
    assert _tries(proxy, 1, **{"x-forwarded-for": "198.51.100.99, 203.0.113.9"}) == 429
    assert _tries(six, 1) == 429


def test_the_password_of_a_browser_that_is_signed_in_cannot_be_tried_without_end(signed_in: SignsIn) -> None:
    ada = signed_in("ada", "viewer")
    ada.app.state.sign_ins = RateLimit(TRIES)  # type: ignore[attr-defined]
    code = code_of(ada.get("/account").text)
    fields = {"csrf": code, "old": "wrong " * 4, "new": PASSWORD}
    answers = [ada.post("/account/password", data=fields).status_code for _ in range(TRIES + 1)]
    assert (answers[0], answers[-1]) == (422, 429)


def test_a_crowd_that_wants_something_heavy_is_told_to_come_again() -> None:
    turns = Turns(1, 0)
    with turns:
        with pytest.raises(Exception, match="503") as told, turns:
            pass
        assert not isinstance(told.value, TooMuch)
    with turns:
        pass


def test_what_is_heavy_is_done_for_some_at_a_time(editor: TestClient, own_stocked: Workspace) -> None:
    with own_stocked.store.read() as session:
        alias = select(Creative.sha256).join(CreativeAlias).where(CreativeAlias.base_name == "spring_04.png")
        digest = session.scalars(alias).one()
    kept = keep_exports(own_stocked.settings, [("a.csv", BytesIO(b"day,ad_id,clicks\n2026-01-01,a1,10\n"))])
    editor.app.state.heavy = Turns(0, 0)  # type: ignore[attr-defined]
    for path in ("/campaigns/1/creatives.csv", f"/creatives/{digest}/preflight", f"/upload/exports/{kept.token}"):
        assert editor.get(path).status_code == 503, path


def test_addresses_that_answer_slowly_do_not_take_all_threads(client: TestClient) -> None:
    full = Turns(0, 0)
    client.app.state.fetching = full  # type: ignore[attr-defined]
    answer = client.post("/api/v1/score", json={"urls": ["https://slow.invalid/ad.png"]})
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert answer.headers["content-type"] == "application/problem+json"


def test_looking_at_a_page_waits_for_no_job_that_holds_the_store(shop: Workspace, signed_in: SignsIn) -> None:
    ada = signed_in("ada", "viewer")
    with shop.store.write() as session:
        session.execute(update(SignIn).values(seen_at=datetime.now(UTC) - timedelta(hours=1)))
    with closing(sqlite3.connect(shop.settings.workspace / "abkit.db", isolation_level=None)) as job:
        job.execute("BEGIN IMMEDIATE")
        assert ada.get("/account").status_code == 200
        job.execute("ROLLBACK")


# --- what is left behind -------------------------------------------------------------------------------------------


def test_an_upload_that_is_refused_leaves_no_file_at_all(shop: Workspace) -> None:
    small = shop.settings.model_copy(update={"kpi": shop.settings.kpi.model_copy(update={"max_file_mb": 0.001})})
    with pytest.raises(InvalidInput):
        keep_exports(small, [("a.csv", BytesIO(b"x")), ("b.csv", BytesIO(b"x" * 2000))])
    assert not [path for path in (shop.settings.workspace / "uploads").rglob("*") if path.is_file()]


#: Changes that are no acts of a person on the workspace: votes are kept with who gave them, an overlay is a cache, and
#: a rater who leaves changes their own browser.
NOT_AUDITED = {"label_vote", "label_undo", "label_leave", "make_overlay"}


def test_every_change_is_audited(shop: Workspace) -> None:
    routes = [route for route in _routes(create_app(shop.settings)) if not {"GET", "HEAD"} & set(route.methods or ())]
    assert len(routes) > 20
    silent = set()
    for route in routes:
        said = inspect.getsource(route.endpoint)
        for helper in ("_ask", "_let_in"):
            if f"{helper}," in said or f"{helper}(request" in said:
                said += inspect.getsource(getattr(inspect.getmodule(route.endpoint), helper))
        if "record(served" not in said and "add_audit(" not in said:
            silent.add(route.name)
    assert silent == NOT_AUDITED


# --- texts that want to be run -------------------------------------------------------------------------------------

HOSTILE = """\'"><script>alert(1)</script><img src=x onerror=alert(1) hx-get=//evil.example style=x>{{7*7}}"""


#: Attributes that only ever hold words.
_WORDS = ("value", "alt", "title", "aria-label", "data-label", "data-confirm")


class _Runs(HTMLParser):
    """Notes what a browser, or htmx, would do because of a text."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            runs = name.startswith("on") or name == "style" or "evil.example" in (value or "")
            if name in ("href", "src", "action", "hx-get", "hx-post") and "javascript:" in (value or ""):
                runs = True
            quoted = name in _WORDS or (name == "href" and (value or "").startswith("/"))
            if runs and not quoted:
                self.found.append(f"{tag} {name}={value}")
        if tag == "script" and "src" not in dict(attrs):
            self.found.append(tag)


def test_no_text_of_a_chart_is_run_by_a_browser() -> None:
    axis = Axis(title=HOSTILE, show=lambda _: HOSTILE)
    points = [Point(x=x, y=x, name=HOSTILE, href=HOSTILE) for x in (1.0, 2.0)]
    made = (
        scatter(points, axis, axis, HOSTILE, cross=(1, 2)),
        bins([(HOSTILE, [0.5, 0.5])], (1, 2), HOSTILE),
        days([(HOSTILE, 0.1, 5), ("2026-01-02", 0.2, 3)], lambda _: HOSTILE, HOSTILE),
    )
    for chart in made:
        runs = _Runs()
        runs.feed(chart)
        assert "alert(1)" in chart
        assert "<script" not in chart
        assert not [one for one in runs.found if not one.startswith("a href=")]
        assert "<img" not in chart


PAGES = (
    "/", "/campaigns", "/campaigns/1", "/campaigns/1/pair?creative=1&creative=2", "/campaigns/1/review", "/reviews",
    "/experiments", "/drift", "/models", "/kpis", "/alerts", "/jobs", "/links", "/raters", "/people", "/label",
)  # fmt: skip


def test_no_name_of_anything_is_run_by_a_browser(editor: TestClient, own_stocked: Workspace) -> None:
    with own_stocked.store.write() as session:
        session.execute(update(Campaign).where(Campaign.id == 1).values(key=HOSTILE))
        session.execute(update(LeaderboardEntry).values(name=HOSTILE))
        first = session.scalars(select(CreativeAlias)).first()
        assert first is not None
        first.base_name = HOSTILE
        experiment = session.query(Experiment).first()
        assert experiment is not None
        experiment.key = HOSTILE
        shas = [one.sha256 for one in session.query(Creative).filter(Creative.id.in_([1, first.creative_id]))]
    shown = 0
    keyed = {"key": HOSTILE}
    wanted = [*((path, {}) for path in PAGES), ("/experiment", keyed), ("/job", keyed), ("/campaigns", {"q": HOSTILE})]
    for path, query in [*wanted, *((f"/creatives/{sha}", {}) for sha in shas), (f"/{HOSTILE}", {})]:
        page = editor.get(path, params=query or None).text
        runs = _Runs()
        runs.feed(page)
        assert not runs.found, path
        assert "alert(1)</script>" not in page, path
        shown += "alert(1)" in page
    assert shown >= 5


def test_hostile_requests_of_any_kind_never_blame_abkit(shop: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    import fuzz_words

    client, routes = fuzz_words.serve(shop)
    with client:
        for number in range(25):
            fuzz_words.ask(random.Random(f"17-{number}"), client, routes)
