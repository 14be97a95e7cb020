"""Who may do what: signing in, roles, forms of other pages, tokens, and the word of a proxy."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import argon2
import pytest
from argon2.exceptions import VerifyMismatchError
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from abkit import Workspace
from abkit.config import WebSettings
from abkit.errors import UsageError
from abkit.store.schema import AccessToken, Audit, Person, SignIn
from abkit.web.access.guard import require_people
from abkit.web.access.limits import FORM_BYTES, RateLimit
from abkit.web.app import create_app
from abkit.workflows.upkeep.people import add_person, create_token, remove_person, set_password, set_role
from tests.web.conftest import PASSWORD, code_of, submit

SignsIn = Callable[..., TestClient]
Browsers = Callable[[], TestClient]
#: The only routes without a permission: what a browser needs to show the form, and the form.
OPEN = {"static", "health", "sign_in", "sign_in_now", "rater_link"}


def _routes(app: Any) -> Iterator[APIRoute]:
    for route in app.routes:
        if isinstance(route, APIRoute):
            yield route
        elif (inner := getattr(route, "original_router", None)) is not None:
            yield from _routes(inner)


def _needs(dependant: Any) -> Iterator[str]:
    if permission := getattr(dependant.call, "permission", None):
        yield permission
    for inner in dependant.dependencies:
        yield from _needs(inner)


def test_every_route_names_the_permission_that_it_needs(shop: Workspace) -> None:
    routes = list(_routes(create_app(shop.settings)))
    assert len(routes) > 10
    unguarded = {route.name for route in routes if not list(_needs(route.dependant))}
    assert unguarded <= OPEN


def test_nobody_sees_a_page_without_signing_in_and_is_led_back_after_it(
    shop: Workspace, served_to_others: Browsers
) -> None:
    add_person(shop.store, "ada", "viewer", PASSWORD)
    browser = served_to_others()
    away = browser.get("/account?x=1")
    assert away.status_code == 303
    form = browser.get(away.headers["location"])
    back = browser.post(
        "/sign-in", data={"csrf": code_of(form.text), "name": "ada", "password": PASSWORD, "to": "/account?x=1"}
    )
    assert back.headers["location"] == "/account?x=1"
    assert "Your role is viewer" in browser.get("/account").text


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "/\\evil.example", "/\tx", "javascript:1"])
def test_signing_in_leads_to_pages_of_ours_only(shop: Workspace, served_to_others: Browsers, to: str) -> None:
    add_person(shop.store, "ada", "viewer", PASSWORD)
    answer = submit(served_to_others(), "/sign-in", name="ada", password=PASSWORD, to=to)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(shop: Workspace, served_to_others: Browsers) -> None:
    add_person(shop.store, "ada", "viewer", PASSWORD)
    said = []
    for name in ("ada", "eve"):
        answer = submit(served_to_others(), "/sign-in", name=name, password="wrong " * 4)
        assert answer.status_code == 401
        # The code first: its letters may spell a name.
        said.append(answer.text.replace(code_of(answer.text), "").replace(name, "NAME"))
    assert said[0] == said[1]


def test_a_name_that_is_nobodys_costs_as_much_as_a_wrong_password(
    shop: Workspace, served_to_others: Browsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_person(shop.store, "ada", "viewer", PASSWORD)
    add_person(shop.store, "by proxy", "viewer", None)
    add_person(shop.store, "gone", "viewer", PASSWORD)
    remove_person(shop.store, "gone")
    work: list[str] = []

    class Counted:
        """Does what takes so long, and says that it did."""

        def hash(self, password: str) -> str:
            work.append(password)
            return ""

        def verify(self, _hashed: str, password: str) -> bool:
            work.append(password)
            raise VerifyMismatchError

    monkeypatch.setattr(argon2, "PasswordHasher", Counted)
    for name in ("ada", "eve", "by proxy", "gone"):
        work.clear()
        submit(served_to_others(), "/sign-in", name=name, password="wrong " * 4)
        assert work == ["wrong " * 4], name


def test_passwords_cannot_be_tried_without_end(shop: Workspace, served_to_others: Browsers) -> None:
    add_person(shop.store, "ada", "viewer", PASSWORD)
    browser = served_to_others()
    statuses = [submit(browser, "/sign-in", name="ada", password=PASSWORD[1:]).status_code for _ in range(12)]
    assert statuses[0] == 401
    assert statuses[-1] == 429


@pytest.mark.parametrize(
    ("role", "path", "status"),
    [("viewer", "/people", 403), ("reviewer", "/people", 403), ("admin", "/people", 200), ("viewer", "/", 200)],
)
def test_a_role_opens_what_it_may_and_nothing_else(signed_in: SignsIn, role: str, path: str, status: int) -> None:
    assert signed_in("ada", role).get(path).status_code == status


def test_a_viewer_cannot_make_themselves_an_admin(shop: Workspace, signed_in: SignsIn) -> None:
    signed_in("root", "admin")
    ada = signed_in("ada", "viewer")
    assert submit(ada, "/people/role", on="/account", name="ada", role="admin").status_code == 403
    with shop.store.read() as session:
        assert session.scalar(select(Person.role).where(Person.name == "ada")) == "viewer"


def test_a_form_of_another_page_or_of_another_browser_is_refused(signed_in: SignsIn) -> None:
    root, other = signed_in("root", "admin"), signed_in("second", "admin")
    fields = {"name": "eve", "role": "admin", "password": PASSWORD}
    foreign = code_of(other.get("/people").text)
    own = code_of(root.get("/people").text)
    assert root.post("/people", data=fields).status_code == 403
    assert root.post("/people", data={**fields, "csrf": foreign}).status_code == 403
    for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}):
        assert root.post("/people", data={**fields, "csrf": own}, headers=headers).status_code == 403
    assert "eve" not in root.get("/people").text
    assert root.post("/people", data={**fields, "csrf": own}).status_code == 303


def test_on_this_machine_a_page_elsewhere_cannot_send_a_form_and_a_program_can(client: TestClient) -> None:
    fields = {"name": "eve", "role": "admin", "password": PASSWORD}
    foreign = ("http://evil.example", "null", "http://[", "http://127.0.0.1@evil.example")
    for headers in (*({"origin": one} for one in foreign), {"sec-fetch-site": "cross-site"}):
        assert client.post("/people", data=fields, headers=headers).status_code == 403
    program = TestClient(client.app, base_url="http://127.0.0.1", follow_redirects=False)
    assert program.post("/people", data=fields).status_code == 303


def test_a_name_that_points_to_this_machine_from_elsewhere_is_not_served(client: TestClient) -> None:
    assert client.get("/", headers={"host": "rebound.example"}).status_code == 421
    assert client.get("/", headers={"host": "localhost:8715"}).status_code == 200
    for two in (["localhost", "rebound.example"], ["rebound.example", "localhost"]):
        assert client.get("/", headers=[("host", one) for one in two]).status_code == 421  # type: ignore[arg-type]


def test_no_answer_leads_to_the_name_that_a_request_gives_itself(shop: Workspace, served_to_others: Browsers) -> None:
    """Where any name is served, another one could be kept by a cache, or lead away from TLS behind a proxy."""
    browser = served_to_others()
    browser.app.state.requests = RateLimit(10**6)  # type: ignore[attr-defined]
    for route in _routes(browser.app):
        for path in (route.path_format, f"{route.path_format}/", f"/{route.path_format}"):
            for method in ("GET", "POST"):
                # By itself "//people" would be a host.
                answer = browser.request(method, f"http://ads.example{path}", headers={"host": "evil.example"})
                assert answer.request.url.path == path
                assert "evil.example" not in f"{answer.headers} {answer.text}", path
                assert answer.headers.get("location", "/").startswith("/"), path


def test_names_of_the_configuration_are_the_only_ones_off_this_machine_too(shop: Workspace) -> None:
    web = WebSettings(hosts=("ads.example",))
    app = create_app(shop.settings.model_copy(update={"web": web}), local=False)
    for host, status in (("ads.example", 200), ("ADS.example:443", 200), ("rebound.example", 421)):
        assert (
            TestClient(app, base_url="http://ads.example").get("/sign-in", headers={"host": host}).status_code == status
        )


def test_signing_in_gives_a_new_cookie_and_signing_out_ends_it(shop: Workspace, signed_in: SignsIn) -> None:
    browser = signed_in("ada", "viewer")
    stolen = browser.cookies["abkit_session"]
    assert submit(browser, "/sign-out", on="/account").status_code == 303
    thief = TestClient(browser.app, base_url="http://ads.example", follow_redirects=False)
    thief.cookies.set("abkit_session", stolen)
    assert thief.get("/account").status_code == 303
    with shop.store.read() as session:
        assert session.scalars(select(SignIn)).all() == []


def test_a_cookie_is_read_by_no_script_and_sent_with_no_form_of_another_page(signed_in: SignsIn) -> None:
    browser = signed_in("ada", "viewer")
    before = browser.cookies["abkit_session"]
    answer = submit(browser, "/sign-out", on="/account")
    for made in (answer, TestClient(browser.app, base_url="https://ads.example").get("/sign-in")):
        parts = {one.strip().lower() for one in made.headers["set-cookie"].split(";")[1:]}
        assert {"httponly", "samesite=lax", "path=/"} <= parts
        assert ("secure" in parts) == (made is not answer)
        assert not any(one.startswith("domain") for one in parts)
    assert browser.cookies["abkit_session"] != before, "the next person at this browser has the cookie of this one"


def test_only_a_proxy_says_that_the_browser_speaks_tls(
    shop: Workspace, behind_proxy: Callable[[str], TestClient]
) -> None:
    for address, secure in (("10.0.0.1", True), ("10.0.0.2", False)):
        answer = behind_proxy(address).get("/abkit/sign-in", headers={"x-forwarded-proto": "https"})
        assert ("Secure" in answer.headers["set-cookie"]) is secure


def test_a_cookie_that_was_there_before_signing_in_is_worth_nothing_after_it(
    shop: Workspace, served_to_others: Browsers
) -> None:
    add_person(shop.store, "ada", "viewer", PASSWORD)
    browser = served_to_others()
    browser.get("/sign-in")
    planted = browser.cookies["abkit_session"]
    submit(browser, "/sign-in", name="ada", password=PASSWORD)
    thief = served_to_others()
    thief.cookies.set("abkit_session", planted)
    assert thief.get("/account").status_code == 303


def test_the_store_keeps_no_cookie_no_token_and_no_password(shop: Workspace, signed_in: SignsIn) -> None:
    browser = signed_in("ada", "admin")
    token = create_token(shop.store, "ada", label="x", scopes=["view"])
    database = shop.store.file
    assert database is not None
    shop.close()
    kept = b"".join(path.read_bytes() for path in database.parent.glob("abkit.db*"))
    for secret in (browser.cookies["abkit_session"], token.secret, PASSWORD):
        assert secret.encode() not in kept


def test_an_idle_browser_is_signed_out(shop: Workspace, signed_in: SignsIn) -> None:
    browser = signed_in("ada", "viewer")
    with shop.store.write() as session:
        session.execute(update(SignIn).values(seen_at=datetime.now(UTC) - timedelta(hours=13)))
    assert browser.get("/account").status_code == 303


@pytest.mark.parametrize("ahead", [timedelta(minutes=5), timedelta(days=400)], ids=["little", "far"])
def test_a_browser_and_a_token_of_a_clock_that_ran_ahead_end_and_nobody_is_locked_out(
    shop: Workspace, signed_in: SignsIn, ahead: timedelta
) -> None:
    browser = signed_in("ada", "viewer")
    token = create_token(shop.store, "ada", label="x", scopes=["view"])
    later = datetime.now(UTC) + ahead
    with shop.store.write() as session:
        session.execute(update(SignIn).values(seen_at=later, signed_in_at=later))
        session.execute(
            update(AccessToken).values(created_at=later, expires_at=later + timedelta(days=1), used_at=later)
        )
    alive = ahead < timedelta(minutes=10)
    assert (browser.get("/account").status_code == 200) is alive
    assert (_with(browser, token.secret).get("/").status_code == 200) is alive
    again = signed_in("ben", "viewer")
    assert again.get("/account").status_code == 200
    with shop.store.read() as session:
        assert len(session.scalars(select(SignIn)).all()) == (2 if alive else 1)


def test_a_new_password_signs_out_every_browser(shop: Workspace, signed_in: SignsIn) -> None:
    browser = signed_in("ada", "viewer")
    set_password(shop.store, "ada", "another long password")
    assert browser.get("/account").status_code == 303


def test_a_removed_person_is_out_at_once_and_their_tokens_too(shop: Workspace, signed_in: SignsIn) -> None:
    root, ada = signed_in("root", "admin"), signed_in("ada", "viewer")
    token = create_token(shop.store, "ada", label="x", scopes=["view"])
    assert submit(root, "/people/remove", on="/people", name="ada").status_code == 303
    assert ada.get("/").status_code == 303
    assert _with(ada, token.secret).get("/").status_code == 303
    assert submit(root, "/people/remove", on="/people", name="root").status_code == 400


def test_somebody_who_is_marked_as_removed_has_nothing_left_that_opens(shop: Workspace, signed_in: SignsIn) -> None:
    """However that was done: no browser and no token of theirs counts."""
    ada = signed_in("ada", "viewer")
    token = _with(ada, create_token(shop.store, "ada", label="x", scopes=["view"]).secret)
    assert [one.get("/").status_code for one in (ada, token)] == [200, 200]
    with shop.store.write() as session:
        session.execute(update(Person).where(Person.name == "ada").values(removed_at=datetime.now(UTC)))
    assert [one.get("/").status_code for one in (ada, token)] == [303, 303]


def test_removing_somebody_takes_out_of_the_store_what_opened_it(shop: Workspace, signed_in: SignsIn) -> None:
    """Otherwise it would open again for the next person of that name."""
    signed_in("root", "admin")
    ada = signed_in("ada", "admin")
    token = create_token(shop.store, "ada", label="x", scopes=["view", "operate"])
    remove_person(shop.store, "ada")
    add_person(shop.store, "ada", "viewer", PASSWORD)
    assert ada.get("/account").status_code == 303
    assert _with(ada, token.secret).get("/").status_code == 303


def test_a_role_that_was_taken_away_is_gone_with_the_next_request(shop: Workspace, signed_in: SignsIn) -> None:
    signed_in("root", "admin")
    ada = signed_in("ada", "admin")
    token = _with(ada, create_token(shop.store, "ada", label="x", scopes=["operate", "view"]).secret)
    assert [ada.get("/people").status_code, token.get("/raters").status_code] == [200, 200]
    set_role(shop.store, "ada", "viewer")
    assert [ada.get("/people").status_code, token.get("/raters").status_code] == [403, 403]


def _with(browser: TestClient, token: str) -> TestClient:
    headers = {"authorization": f"Bearer {token}"}
    return TestClient(browser.app, base_url="http://ads.example", follow_redirects=False, headers=headers)


def test_a_token_does_what_its_scopes_say_of_what_its_person_may(shop: Workspace, signed_in: SignsIn) -> None:
    root = signed_in("root", "admin")
    only_view = _with(root, create_token(shop.store, "root", label="x", scopes=["view"]).secret)
    assert only_view.get("/").status_code == 200
    assert only_view.get("/people").status_code == 403
    wrong = _with(root, "abkit_nothing").get("/api/v1/nothing")
    assert wrong.status_code == 404
    assert _with(root, "abkit_nothing").get("/account").status_code == 303


def test_a_token_does_not_change_the_account_that_it_belongs_to(shop: Workspace, signed_in: SignsIn) -> None:
    root = signed_in("root", "admin")
    program = _with(root, create_token(shop.store, "root", label="x", scopes=["view", "operate"]).secret)
    with shop.store.read() as session:
        own = session.scalars(select(AccessToken)).one()
    for path, fields in (
        ("/account/tokens", {"label": "more", "scopes": "view"}),
        (f"/account/tokens/{own.id}/revoke", {}),
        ("/account/password", {"old": PASSWORD, "new": "another long password"}),
    ):
        answer = program.post(path, data=fields)
        assert (answer.status_code, "a token cannot change the account" in answer.text.lower()) == (400, True), path
    with shop.store.read() as session:
        assert [one.revoked_at for one in session.scalars(select(AccessToken))] == [None]
    assert root.get("/account").status_code == 200, "the password was changed"


def test_an_expired_or_revoked_token_is_refused(shop: Workspace, signed_in: SignsIn) -> None:
    root = signed_in("root", "admin")
    old, taken = (create_token(shop.store, "root", label=label, scopes=["view"]) for label in ("old", "taken"))
    with shop.store.write() as session:
        expired = datetime.now(UTC) - timedelta(seconds=1)
        session.execute(update(AccessToken).where(AccessToken.id == old.id).values(expires_at=expired))
    assert submit(root, f"/account/tokens/{taken.id}/revoke", on="/account").status_code == 303
    assert [_with(root, one.secret).get("/").status_code for one in (old, taken)] == [303, 303]


def test_nobody_takes_back_the_token_of_somebody_else(shop: Workspace, signed_in: SignsIn) -> None:
    signed_in("root", "admin")
    ada = signed_in("ada", "viewer")
    token = create_token(shop.store, "root", label="x", scopes=["view"])
    assert submit(ada, f"/account/tokens/{token.id}/revoke", on="/account").status_code == 400


def test_every_change_is_in_the_audit_log_with_who_made_it(shop: Workspace, signed_in: SignsIn) -> None:
    root = signed_in("root", "admin")
    submit(root, "/people", name="ada", role="viewer", password=PASSWORD)
    submit(root, "/people/role", on="/people", name="ada", role="rater")
    with shop.store.read() as session:
        said = [(one.who, one.act, one.about) for one in session.scalars(select(Audit).order_by(Audit.id))]
    assert said == [
        ("root", "sign in", ""), ("root", "add person", "ada as viewer"), ("root", "set role", "ada: rater"),
    ]  # fmt: skip


def test_names_are_shown_as_text(signed_in: SignsIn) -> None:
    root = signed_in("root", "admin")
    name = "<script>alert(1)</script>"
    assert submit(root, "/people", name=name, role="viewer", password=PASSWORD).status_code == 303
    page = root.get("/people").text
    assert name not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


# --- what a proxy says --------------------------------------------------------------------------------------------


@pytest.fixture
def behind_proxy(shop: Workspace) -> Iterator[Callable[[str], TestClient]]:
    web = WebSettings(user_header="X-User", proxies=("10.0.0.1",), prefix="/abkit")
    app = create_app(shop.settings.model_copy(update={"web": web}), local=False)
    with TestClient(app, base_url="http://ads.example"):
        yield lambda address: TestClient(
            app, base_url="http://ads.example", follow_redirects=False, client=(address, 5000)
        )


def test_the_word_of_the_proxy_counts_and_that_of_anybody_else_does_not(
    shop: Workspace, behind_proxy: Callable[[str], TestClient]
) -> None:
    add_person(shop.store, "ada", "viewer", None)
    proxy, other = behind_proxy("10.0.0.1"), behind_proxy("10.0.0.2")
    assert proxy.get("/abkit/account", headers={"x-user": "ada"}).status_code == 200
    assert proxy.get("/abkit/account", headers={"x-user": "eve"}).status_code == 303
    assert other.get("/abkit/account", headers={"x-user": "ada"}).status_code == 303
    add_person(shop.store, "gone", "viewer", None)
    remove_person(shop.store, "gone")
    assert proxy.get("/abkit/account", headers={"x-user": "gone"}).status_code == 303
    two = [("x-user", "eve"), ("x-user", "ada")]
    assert proxy.get("/abkit/account", headers=two).status_code == 303  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["/abkit/account", "/account"])
def test_links_have_the_prefix_whether_the_proxy_takes_it_off_or_not(
    shop: Workspace, behind_proxy: Callable[[str], TestClient], path: str
) -> None:
    add_person(shop.store, "ada", "viewer", None)
    answer = behind_proxy("10.0.0.1").get(path, headers={"x-user": "ada", "x-forwarded-proto": "https"})
    assert 'action="/abkit/account/tokens"' in answer.text
    assert 'href="/abkit/account" aria-current="page"' in answer.text
    cookie = answer.headers["set-cookie"]
    assert "Path=/abkit" in cookie
    assert "Secure" in cookie
    assert "HttpOnly" in cookie


def test_under_a_prefix_everything_is_known_by_its_own_path(
    shop: Workspace, behind_proxy: Callable[[str], TestClient]
) -> None:
    add_person(shop.store, "ada", "admin", None)
    proxy = behind_proxy("10.0.0.1")
    user = {"x-user": "ada"}
    for prefix in ("", "/abkit"):
        problem = proxy.get(f"{prefix}/api/v1/nothing", headers=user)
        assert (problem.status_code, problem.headers["content-type"]) == (404, "application/problem+json")
        stranger = proxy.get(f"{prefix}/api/v1/campaigns")
        assert (stranger.status_code, stranger.headers["content-type"]) == (401, "application/problem+json")
        assert proxy.get(f"{prefix}/account?x=1").headers["location"] == "/abkit/sign-in?to=%2Faccount%3Fx%3D1"
        large = {"content": b"x" * (FORM_BYTES + 1), "headers": {"content-type": "application/octet-stream"}}
        assert proxy.post(f"{prefix}/upload/images", **large).status_code == 413  # type: ignore[arg-type]
        large["headers"] |= user  # type: ignore[operator]
        assert proxy.post(f"{prefix}/upload/images", **large).status_code == 403  # type: ignore[arg-type]
    assert [proxy.get(path, headers=user).status_code for path in ("/", "/abkit", "/abkit/")] == [200] * 3
    # What only begins like the prefix is below it.
    assert proxy.get("/abkitchen", headers=user).status_code == 404
    assert 'href="/abkit/' in proxy.get("/abkitchen", headers=user).text


@pytest.mark.parametrize(
    ("web", "host", "local"),
    [
        ({}, "127.0.0.1", True),
        ({}, "::1", True),
        ({}, "0.0.0.0", False),  # noqa: S104
        ({}, "ads.example", False),
        ({"sign_in": True}, "127.0.0.1", False),
        ({"hosts": ("ads.example",)}, "127.0.0.1", False),
        ({"user_header": "X-User"}, "127.0.0.1", False),
    ],
)
def test_only_this_machine_alone_needs_no_sign_in(web: dict[str, Any], host: str, local: bool) -> None:
    assert WebSettings(**web).is_local(host) is local


def test_people_who_were_removed_are_nobody_who_could_sign_in(shop: Workspace) -> None:
    with pytest.raises(UsageError, match="nobody could sign in"):
        require_people(shop.settings)
    add_person(shop.store, "ada", "viewer", PASSWORD)
    require_people(shop.settings)
    remove_person(shop.store, "ada")
    with pytest.raises(UsageError, match="nobody could sign in"):
        require_people(shop.settings)


def test_wrong_passwords_from_everywhere_slow_a_name_and_lock_nobody_out(
    shop: Workspace, served_to_others: Callable[[], TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    from abkit.web.pages.people import sign_in

    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(sign_in, "sleep", sleep)
    add_person(shop.store, "ada", "viewer", PASSWORD)
    browser = served_to_others()
    state = browser.app.state  # type: ignore[attr-defined]
    for _ in range(1000):
        state.sign_ins_as_one.wait("name ada")
    assert submit(browser, "/sign-in", name="ada", password=PASSWORD).status_code == 303
    assert waits == [sign_in.SLOW_SECONDS]
    # From where she has signed in it is not even slow.
    assert submit(served_to_others(), "/sign-in", name="ada", password=PASSWORD).status_code == 303
    assert len(waits) == 1


def test_a_person_has_so_many_valid_tokens(shop: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from abkit.workflows.upkeep import people

    monkeypatch.setattr(people, "MOST_TOKENS", 2)
    add_person(shop.store, "ada", "viewer", PASSWORD)
    first = people.create_token(shop.store, "ada", label="x", scopes=["view"])
    people.create_token(shop.store, "ada", label="x", scopes=["view"])
    with pytest.raises(UsageError, match="valid tokens"):
        people.create_token(shop.store, "ada", label="x", scopes=["view"])
    people.revoke_token(shop.store, first.id)
    people.create_token(shop.store, "ada", label="x", scopes=["view"])
