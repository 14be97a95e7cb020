"""Limits of requests, and what every answer says to the browser."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from abkit import Workspace
from abkit.config import WebSettings
from abkit.web.access.limits import FORM_BYTES, RateLimit
from abkit.web.app import create_app


@pytest.mark.parametrize("path", ["/", "/nothing", "/api/v1/nothing", "/static/abkit.css", "/healthz", "/sign-in"])
def test_every_answer_has_the_policy_against_foreign_scripts(client: TestClient, path: str) -> None:
    answer = client.get(path, follow_redirects=False)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "cache-control" in answer.headers


def test_a_fault_of_ours_has_the_policy_too_and_shows_no_traceback(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("abkit.web.pages.people.people.list_people", broken)
    quiet = TestClient(client.app, base_url="http://127.0.0.1", raise_server_exceptions=False)
    answer = quiet.get("/people")
    assert answer.status_code == 500
    assert "content-security-policy" in answer.headers
    assert "secret detail" not in answer.text
    assert "This is a fault of abkit" in answer.text


def test_pages_have_no_script_and_no_style_inside(client: TestClient) -> None:
    for path in ("/", "/people"):
        page = client.get(path).text
        assert "<style" not in page
        assert " style=" not in page
        assert "<script>" not in page
        assert " onclick" not in page


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


def test_the_limit_forgets_who_asked_long_ago_and_not_who_asks_now() -> None:
    limit = RateLimit(2)
    assert limit.wait("ada", now=0) == limit.wait("ada", now=0) == 0
    for number in range(9_999):
        limit.wait(f"{number}", now=1)
    assert limit.wait("ada", now=1) > 0
    for number in range(10_001):
        limit.wait(f"{number}", now=2)
    assert limit.wait("ada", now=2) == 0
