"""Every route, asked by everybody: who is let in, and that no change is taken from a form that is not ours."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from abkit import Workspace
from abkit.store.schema import Audit, JobRequest, Person
from abkit.web.access.limits import RateLimit
from abkit.web.app import create_app
from tests.web.conftest import PASSWORD, code_of
from tests.web.test_access import OPEN, SignsIn, _routes

ROLES = ("viewer", "rater", "reviewer", "admin")
#: The first role that a route is open to, where that is not the viewer.
FROM = {
    "rater": (
        "label", "label_image", "label_figures", "label_vote", "label_undo", "label_leave", "api_send_ratings",
        "api_send_comparisons",
    ),
    "reviewer": (
        "tag_creative", "untag_creative", "decide", "decide_experiment", "acknowledge_alert", "silence_alert",
        "api_tag_creative", "api_acknowledge", "api_silence",
    ),
    "admin": (
        "raters", "training_state", "upload", "uploaded_exports", "requested_job", "people", "add_person", "set_role",
        "remove_person", "refresh_campaign", "make_rater_link", "revoke_rater_link", "train_on_labels",
        "agree_review_flow", "analyze_experiment", "check_drift_now", "promote_model", "roll_back_model", "undo_import",
        "link_one", "link_above", "run_job", "upload_images", "upload_exports", "import_exports", "api_undo_import",
        "api_ask_for_job",
    ),
}  # fmt: skip
#: Changes that a viewer may make: of what is their own, or of nothing that is kept.
OF_VIEWERS = {"sign_out", "make_overlay", "change_password", "create_token", "revoke_token", "api_score"}
PARTS = {"sha256": "0" * 64, "token": "0" * 32, "digest": "0" * 64, "side": "left", "name": "x", "ending": "csv"}


def _address(route: APIRoute) -> str:
    def part(found: re.Match[str]) -> str:
        if route.name in ("requested_job", "api_job"):
            return "0" * 32
        return PARTS.get(found.group(1), "x" if found.group(1) == "key" else "96" if found.group(1) == "size" else "1")

    return re.sub(r"\{(\w+)(?::path)?\}", part, route.path)


def _asked(shop: Workspace) -> Iterator[tuple[str, str, str]]:
    """Name, method and address of each route."""
    for route in _routes(create_app(shop.settings)):
        for method in set(route.methods or ()) - {"HEAD"}:
            yield route.name, method, _address(route)


def _lowest(name: str) -> str:
    return next((role for role, names in FROM.items() if name in names), "viewer")


def _ours(browser: TestClient, **more: str) -> dict[str, str]:
    """Headers as a script of ours sends them."""
    said = code_of(browser.get("/account").text)
    return {"origin": str(browser.base_url).rstrip("/"), "x-csrf-token": said, "hx-request": "true", **more}


def test_every_change_names_the_role_that_it_is_open_to(shop: Workspace) -> None:
    asked = list(_asked(shop))
    named = OF_VIEWERS.union(*FROM.values())
    assert {name for name, method, _ in asked if method != "GET"} - OPEN - named == set()
    assert named <= {name for name, _, _ in asked}


@pytest.mark.parametrize("role", ROLES)
def test_a_route_is_open_to_its_roles_and_to_no_other(shop: Workspace, signed_in: SignsIn, role: str) -> None:
    browser = signed_in("ada", role)
    browser.app.state.requests = browser.app.state.sign_ins = RateLimit(10**6)  # type: ignore[attr-defined]
    headers, wrong = _ours(browser), []
    for name, method, address in _asked(shop):
        if name in OPEN or name == "sign_out":
            continue
        may = ROLES.index(role) >= ROLES.index(_lowest(name))
        status = browser.request(method, address, headers=headers).status_code
        if (status == 403) is may or status in (401, 405) or status >= 500:
            wrong.append((name, address, status))
    assert not wrong


def test_nothing_is_open_to_somebody_who_has_not_signed_in(
    shop: Workspace, served_to_others: Callable[[], TestClient]
) -> None:
    browser = served_to_others()
    browser.app.state.requests = RateLimit(10**6)  # type: ignore[attr-defined]
    for name, method, address in _asked(shop):
        if name in OPEN:
            continue
        answer = browser.request(method, address)
        led_away = answer.status_code == 303 and answer.headers["location"].startswith("/sign-in")
        assert answer.status_code == 401 or (method == "GET" and led_away), (name, answer.status_code)


def _forged(own: str, foreign: str) -> list[dict[str, Any]]:
    """Ways to send a form that is not ours: without its code, with a wrong one, with the one of another browser."""
    script = {"origin": own, "hx-request": "true"}
    return [
        {"headers": {"origin": own}},
        {"headers": script},
        {"headers": script | {"x-csrf-token": "0" * 64}},
        {"headers": script | {"x-csrf-token": ""}},
        {"headers": script | {"x-csrf-token": foreign}},
        {"headers": {"origin": own}, "data": {"csrf": foreign}},
        {"headers": {"origin": own, "content-type": "application/json"}, "content": b"{}"},
    ]


def test_no_change_is_taken_from_a_form_that_is_not_ours(shop: Workspace, signed_in: SignsIn) -> None:
    root, other = signed_in("root", "admin"), signed_in("second", "admin")
    root.app.state.requests = root.app.state.sign_ins = RateLimit(10**6)  # type: ignore[attr-defined]
    forged = _forged("http://ads.example", code_of(other.get("/account").text))
    changes = [(name, address) for name, method, address in _asked(shop) if method == "POST"]
    assert len(changes) > 30
    before = _kept(shop)
    for name, address in changes:
        for sent in forged:
            assert root.post(address, **sent).status_code == 403, (name, sent)
    assert _kept(shop) == before
    assert root.get("/account").status_code == 200


def test_on_this_machine_a_browser_needs_the_code_too(client: TestClient, shop: Workspace) -> None:
    client.app.state.requests = RateLimit(10**6)  # type: ignore[attr-defined]
    client.get("/people")
    foreign = code_of(TestClient(client.app, base_url="http://127.0.0.1").get("/people").text)
    for name, method, address in _asked(shop):
        for sent in [*_forged("http://127.0.0.1", foreign), {}] if method == "POST" else []:
            assert client.post(address, **sent).status_code == 403, (name, sent)


def test_nobody_is_signed_in_by_a_page_elsewhere(shop: Workspace, signed_in: SignsIn) -> None:
    """Somebody who is signed in under a foreign name would put their work there."""
    signed_in("ada", "viewer")
    ben = signed_in("ben", "viewer")
    fields = {"name": "ada", "password": PASSWORD}
    assert ben.post("/sign-in", data=fields).status_code == 403
    code = code_of(ben.get("/account").text)
    for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}):
        assert ben.post("/sign-in", data={**fields, "csrf": code}, headers=headers).status_code == 403
    assert "<h1>ben</h1>" in ben.get("/account").text or ">ben</a>" in ben.get("/account").text


def _kept(shop: Workspace) -> list[int]:
    with shop.store.read() as session:
        return [session.scalar(select(func.count()).select_from(one)) or 0 for one in (Audit, JobRequest, Person)]
