"""Limits of requests, and what every answer says to the browser."""

import asyncio
import html
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from abkit import Workspace
from abkit.config import WebSettings
from abkit.web.access.headers import POLICY
from abkit.web.access.limits import FORM_BYTES, BodyLimit, RateLimit, Turns
from abkit.web.app import create_app
from abkit.workflows.upkeep.people import add_person, create_token


@pytest.mark.parametrize("path", ["/", "/nothing", "/api/v1/nothing", "/static/abkit.css", "/healthz", "/sign-in"])
def test_every_answer_has_the_policy_against_foreign_scripts(client: TestClient, path: str) -> None:
    answer = client.get(path, follow_redirects=False)
    policy = answer.headers["content-security-policy"]
    rules = {name: places for name, *places in (one.split() for one in policy.split(";"))}
    for name in ("default-src", "base-uri", "frame-ancestors"):
        assert rules.pop(name) == ["'none'"], name
    assert rules.pop("img-src") == ["'self'", "data:"]
    assert {"script-src", "style-src", "connect-src", "form-action"} <= set(rules)
    assert all(places == ["'self'"] for places in rules.values()), rules
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "cache-control" in answer.headers


def test_no_page_is_kept_by_anybody_but_the_browser_that_asked(reader: TestClient) -> None:
    for path in ("/", "/account", "/people", "/campaigns/1", "/nothing", "/label", "/raters"):
        assert reader.get(path).headers["cache-control"] == "no-store", path
    for path in ("/api/v1/campaigns", "/api/v1/ratings", "/api/v1/jobs"):
        assert reader.get(path).headers["cache-control"] == "private, no-cache", path


def test_a_fault_of_ours_has_the_policy_too_and_shows_no_traceback(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("abkit.web.pages.people.people.people.list_people", broken)
    quiet = TestClient(client.app, base_url="http://127.0.0.1", raise_server_exceptions=False)
    answer = quiet.get("/people")
    assert answer.status_code == 500
    assert "content-security-policy" in answer.headers
    assert "secret detail" not in answer.text.lower()
    assert "This looks like a bug in abkit" in answer.text


@pytest.mark.parametrize("status", [304, 401, 403, 405, 413, 415, 421, 422, 429, 503])
def test_what_is_refused_before_a_page_has_looked_at_it_has_the_policy_too(shop: Workspace, status: int) -> None:
    few = shop.settings.model_copy(update={"web": WebSettings(requests_per_minute=1 if status == 429 else 1000)})
    app = create_app(few, local=status != 401)
    with TestClient(app, base_url="http://127.0.0.1", follow_redirects=False) as browser:
        answer = _refused(browser, status)
        assert answer.status_code == status
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"


def _refused(browser: TestClient, status: int) -> Any:
    """Let something be refused with a status."""
    large, form = b"x" * (FORM_BYTES + 1), {"content-type": "multipart/form-data; boundary=x; charset=idna"}
    if status == 304:
        first = browser.get("/api/v1/campaigns")
        return browser.get("/api/v1/campaigns", headers={"if-none-match": first.headers["etag"]})
    if status == 429:
        browser.get("/")
        return browser.get("/")
    if status == 503:
        browser.app.state.fetching = Turns(0, 0)  # type: ignore[attr-defined]
        return browser.post("/api/v1/score", json={"urls": ["https://slow.invalid/ad.png"]})
    asked: dict[int, dict[str, Any]] = {
        401: {"method": "POST", "url": "/api/v1/jobs"},
        403: {"method": "POST", "url": "/people", "headers": {"origin": "http://evil.example"}},
        405: {"method": "PUT", "url": "/people"},
        413: {"method": "POST", "url": "/people", "content": large},
        415: {
            "method": "POST",
            "url": "/people",
            "content": b"x",
            "headers": form,
        },
        421: {"method": "GET", "url": "/", "headers": {"host": "rebound.example"}},
        422: {"method": "GET", "url": "/drift/x"},
    }
    return browser.request(**asked[status])


def test_a_body_that_comes_too_slowly_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("abkit.web.access.limits.BODY_SECONDS", 0.05)
    began, sent = time.monotonic(), []

    async def reads(_scope: Any, receive: Any, _send: Any) -> None:
        while (await receive()).get("more_body"):
            pass

    async def ask() -> None:
        pieces: list[Any] = [{"type": "http.request", "body": b"x", "more_body": True}]

        async def receive() -> Any:
            if pieces:
                return pieces.pop()
            await asyncio.sleep(20)
            return None

        async def send(message: Any) -> None:
            sent.append(message)

        async def most(_scope: Any) -> int:
            return 1000

        await BodyLimit(reads, most)({"type": "http", "method": "POST", "headers": []}, receive, send)

    asyncio.run(ask())
    assert sent[0]["status"] == 408
    assert time.monotonic() - began < 10


def test_pages_have_no_script_and_no_style_inside(client: TestClient) -> None:
    pages = ("/", "/campaigns", "/label", "/reviews", "/experiments", "/drift", "/models", "/kpis", "/links", "/alerts",
             "/jobs", "/upload", "/raters", "/people", "/account", "/nothing")  # fmt: skip
    for path in pages:
        page = client.get(path).text
        assert "<style" not in page
        assert " style=" not in page
        assert "<script>" not in page
        assert not re.search(r"<[^>]*\son\w+=", page)
        told = json.loads(html.unescape(re.findall(r"name=\"htmx-config\" content='([^']*)'", page)[0]))
        assert (told["allowEval"], told["selfRequestsOnly"], told["includeIndicatorStyles"]) == (False, True, False)


def test_a_form_that_is_too_large_is_refused(client: TestClient) -> None:
    answer = client.post("/people", data={"name": "x" * (FORM_BYTES + 1)})
    assert answer.status_code == 413


def test_a_body_that_grows_beyond_what_it_may_is_refused_whatever_its_header_says(client: TestClient) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(FORM_BYTES // 1000 + 2):
            yield b"x" * 1000

    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert client.post("/people", content=endless(), headers=headers).status_code == 413


def test_whoever_asks_too_often_is_told_to_wait(shop: Workspace) -> None:
    few = shop.settings.model_copy(update={"web": WebSettings(requests_per_minute=3)})
    with TestClient(create_app(few), base_url="http://127.0.0.1") as browser:
        answers = [browser.get("/") for _ in range(5)]
    assert [one.status_code for one in answers] == [200, 200, 200, 429, 429]
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert "Too many requests" in answers[-1].text


def test_who_asks_too_often_slows_nobody_else(shop: Workspace) -> None:
    few = shop.settings.model_copy(update={"web": WebSettings(requests_per_minute=3)})
    for name in ("ada", "ben"):
        add_person(shop.store, name, "viewer", None)
    app = create_app(few, local=False)
    tokens = [create_token(shop.store, name, label="x", scopes=["view"]).secret for name in ("ada", "ada", "ben")]

    def ask(address: str, token: str = "") -> int:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        browser = TestClient(app, base_url="http://ads.example", headers=headers, client=(address, 1))
        return browser.get("/sign-in", follow_redirects=False).status_code

    first, second, other = tokens
    assert [ask("203.0.113.1", first) for _ in range(4)] == [303, 303, 303, 429]
    assert ask("203.0.113.2", second) == 429, "another token, or another address, is the same person"
    assert ask("203.0.113.1", other) == 303
    assert [ask("203.0.113.1") for _ in range(4)] == [200, 200, 200, 429]
    assert ask("203.0.113.2") == 200


def test_the_limit_forgets_who_asked_long_ago_and_not_who_asks_now() -> None:
    limit = RateLimit(2)
    assert limit.wait("ada", now=0) == limit.wait("ada", now=0) == 0
    for number in range(9_999):
        limit.wait(f"{number}", now=1)
    assert limit.wait("ada", now=1) > 0
    for number in range(10_001):
        limit.wait(f"{number}", now=2)
    assert limit.wait("ada", now=2) == 0
