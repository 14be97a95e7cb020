"""A flood of wrong passwords: an address that has sent none waits behind none that has."""

import asyncio
from collections import Counter
from collections.abc import Callable

import httpx
import pytest
from fastapi.testclient import TestClient
from starlette.exceptions import HTTPException

from abkit import Workspace
from abkit.web.access.lane import Failures, Lane
from abkit.web.pages.people import sign_in
from abkit.workflows.upkeep.people import add_person, password_fits
from tests.web.conftest import PASSWORD, code_of


async def _take_turn(lane: Lane, name: str, failures: int, order: list[str]) -> None:
    try:
        async with lane.turn(failures):
            order.append(name)
            await asyncio.sleep(0)
    except HTTPException as error:
        order.append(f"{name} is told {error.status_code}")


def test_a_newcomer_has_the_next_turn_however_many_wait_who_have_failed() -> None:
    order: list[str] = []

    async def flood() -> None:
        lane = Lane(4)
        async with lane.turn(0):
            tries = [asyncio.create_task(_take_turn(lane, "flood", 1 + number % 3, order)) for number in range(50)]
            await asyncio.sleep(0)
            tries.append(asyncio.create_task(_take_turn(lane, "ada", 0, order)))
            tries.append(asyncio.create_task(_take_turn(lane, "known", -1, order)))
            await asyncio.sleep(0)
        await asyncio.gather(*tries)

    asyncio.run(flood())
    assert [one for one in order if "told" not in one] == ["known", "ada", "flood", "flood"]
    assert order.count("flood is told 503") == 48


def test_those_who_are_alike_go_in_the_order_in_which_they_came() -> None:
    order: list[str] = []

    async def three() -> None:
        lane = Lane(4)
        await asyncio.gather(*(_take_turn(lane, name, 0, order) for name in "abc"))

    asyncio.run(three())
    assert order == ["a", "b", "c"]


def test_who_goes_away_while_waiting_leaves_the_lane_to_the_next() -> None:
    order: list[str] = []

    async def impatient() -> None:
        lane = Lane(4)
        first, second, third = (asyncio.create_task(_take_turn(lane, name, 0, order)) for name in "abc")
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(first, third)
        # One whose turn has come in the very moment, too.
        async with lane.turn(0):
            late = asyncio.create_task(_take_turn(lane, "late", 0, order))
            await asyncio.sleep(0)
        late.cancel()
        await asyncio.gather(late, return_exceptions=True)
        await asyncio.wait_for(_take_turn(lane, "d", 0, order), 5)

    asyncio.run(impatient())
    assert order == ["a", "c", "d"]


def test_wrong_passwords_are_forgotten_with_time_and_beyond_many_addresses() -> None:
    failures = Failures()
    for number in range(10_001):
        failures.note(f"{number}", now=1.0)
    assert failures.of("0", now=1.0) == 0
    failures.note("1", now=2.0)
    assert failures.of("1", now=3.0) == 2
    failures.note("1", now=4000.0)
    assert failures.of("1", now=4000.0) == 1


def test_a_person_at_a_new_address_signs_in_while_a_flood_tries_passwords(
    shop: Workspace, served_to_others: Callable[[], TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    add_person(shop.store, "ada", "viewer", PASSWORD)
    app = served_to_others().app
    state = app.state  # type: ignore[attr-defined]
    monkeypatch.setattr(state.sign_ins_as_one, "wait", lambda _name: 1.0)  # there were too many before
    answers: list[tuple[str, int]] = []
    tried: list[str] = []

    def fits(password: str, hashed: str | None) -> bool:
        tried.append(password)
        return password_fits(password, hashed)

    monkeypatch.setattr(sign_in, "password_fits", fits)

    async def try_from(address: str, password: str) -> None:
        transport = httpx.ASGITransport(app, client=(address, 5000))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as browser:
            code = code_of((await browser.get("/sign-in")).text)
            fields = {"csrf": code, "name": "ada", "password": password}
            answers.append((address, (await browser.post("/sign-in", data=fields)).status_code))

    async def flood() -> None:
        time_goes_on = asyncio.Event()
        monkeypatch.setattr(sign_in, "sleep", lambda _seconds: time_goes_on.wait())
        for number in range(5):
            state.wrong_passwords.note(f"address 203.0.113.{number}")
        tries = [asyncio.create_task(try_from(f"203.0.113.{number % 5}", "wrong " * 4)) for number in range(40)]
        while len(answers) < 23:
            await asyncio.sleep(0.01)
        tries.append(asyncio.create_task(try_from("198.51.100.7", PASSWORD)))
        while state.slow_sign_ins.waiting[0]:
            await asyncio.sleep(0.01)
        time_goes_on.set()
        await asyncio.gather(*tries)

    asyncio.run(asyncio.wait_for(flood(), 60))
    assert ("198.51.100.7", 303) in answers
    assert Counter(status for _, status in answers) == {503: 24, 401: 16, 303: 1}
    assert tried.index(PASSWORD) < 8
