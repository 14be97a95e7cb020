"""Tools that change something: only where they were asked for, in the name of a person, and never too much."""

import asyncio
import json
from typing import Any

import pytest
from mcp.client.client import Client
from sqlalchemy import func, select
from starlette.testclient import TestClient

from abkit import Workspace
from abkit.mcp.server import http_app, make_server
from abkit.store.schema import Audit, Base, Comparison, JobRequest, Rating
from abkit.workflows.active_model import this_person
from abkit.workflows.upkeep.people import add_person, create_token, set_role
from tests.mcp.calls import call, said

CHANGES = {"record_choice", "record_rating", "propose_variants", "request_analysis"}
CHOICE = {"first": "spring_03.png", "second": "spring_04.png", "choice": "first", "rater": "mia", "study": "talks"}


def counts(shop: Workspace) -> dict[str, int]:
    with shop.store.read() as session:
        tables = Base.metadata.sorted_tables
        return {one.name: session.scalar(select(func.count()).select_from(one)) or 0 for one in tables}


def audit(shop: Workspace) -> list[tuple[str, str]]:
    with shop.store.read() as session:
        return [(one.who, one.act) for one in session.scalars(select(Audit).order_by(Audit.id))]


def test_they_are_there_only_with_the_flag_and_say_that_they_change_something(stocked: Workspace) -> None:
    async def tools(write: bool) -> dict[str, Any]:
        async with Client(make_server(stocked, write=write)) as client:
            return {tool.name: tool for tool in (await client.list_tools()).tools}

    reading, writing = asyncio.run(tools(False)), asyncio.run(tools(True))
    assert set(writing) - set(reading) == CHANGES
    for name in CHANGES:
        assert writing[name].annotations.read_only_hint is False
        assert writing[name].annotations.destructive_hint is False
        assert "context" not in writing[name].input_schema["properties"]
    assert call(stocked, "record_choice", **CHOICE).is_error


def test_a_choice_and_a_rating_of_a_person_land_once(own_stocked: Workspace) -> None:
    before = counts(own_stocked)
    assert json.loads(said(call(own_stocked, "record_choice", write=True, **CHOICE)))["imported"] == 1
    assert json.loads(said(call(own_stocked, "record_choice", write=True, **CHOICE)))["again"]
    rating = {"creative": "spring_03.png", "score": 6, "rater": "mia", "study": "stars"}
    unknown = call(own_stocked, "record_rating", write=True, **rating)
    assert unknown.is_error
    assert "scale" in said(unknown)
    assert not call(own_stocked, "record_rating", write=True, **rating, lowest=1, highest=7).is_error
    outside = call(own_stocked, "record_rating", write=True, **rating | {"score": 8})
    assert outside.is_error
    assert "outside 1 to 7" in said(outside)
    after = counts(own_stocked)
    assert {name: after[name] - before[name] for name in (Comparison.__tablename__, Rating.__tablename__)} == {
        Comparison.__tablename__: 1, Rating.__tablename__: 1,
    }  # fmt: skip
    me = this_person()
    assert audit(own_stocked) == [(me, "send comparisons"), (me, "send comparisons"), (me, "send ratings")]


def test_variants_are_proposed_and_not_approved(own_stocked: Workspace) -> None:
    wanted = {"campaign": "spring", "creatives": ["spring_50.png", "spring_51.png"], "reason": "bold"}
    done = json.loads(said(call(own_stocked, "propose_variants", write=True, **wanted)))
    assert set(done["done"].values()) == {"proposed"}
    assert audit(own_stocked) == [(this_person(), "propose variants")]
    assert call(own_stocked, "propose_variants", write=True, **wanted | {"campaign": "nothing"}).is_error


def test_an_analysis_is_asked_for_and_nothing_else(own_stocked: Workspace) -> None:
    asked = json.loads(said(call(own_stocked, "request_analysis", write=True, job="correlate")))
    assert asked["state"] == "waiting"
    for job in ("retrain", "score_addresses", "import_kpis", "prune"):
        assert call(own_stocked, "request_analysis", write=True, job=job).is_error
    wrong = call(own_stocked, "request_analysis", write=True, job="correlate", arguments={"folder": "/etc"})
    assert wrong.is_error
    assert "there is no such argument" in said(wrong)
    with own_stocked.store.read() as session:
        assert [one.job for one in session.scalars(select(JobRequest))] == ["correlate"]


@pytest.mark.parametrize(
    ("role", "scopes", "tool", "arguments", "words"),
    [
        ("viewer", ["view"], "record_choice", CHOICE | {"rater": "ada"}, "permission to label"),
        ("rater", ["view"], "record_choice", CHOICE | {"rater": "ada"}, "permission to label"),
        ("rater", ["view", "label"], "record_choice", CHOICE | {"rater": "ada"}, ""),
        ("rater", ["view", "label"], "record_choice", CHOICE, "the judgments of ada alone"),
        ("admin", ["view", "label", "operate"], "record_choice", CHOICE, ""),
        ("rater", ["view", "label"], "propose_variants", {"campaign": "spring", "creatives": ["spring_50.png"]},
         "permission to review"),
        ("reviewer", ["view", "review"], "propose_variants", {"campaign": "spring", "creatives": ["spring_50.png"]},
         ""),
        ("reviewer", ["view", "review"], "request_analysis", {"job": "correlate"}, "permission to operate"),
    ],
)  # fmt: skip
def test_a_token_does_what_its_scopes_and_its_person_may(
    own_stocked: Workspace, role: str, scopes: list[str], tool: str, arguments: dict[str, Any], words: str
) -> None:
    add_person(own_stocked.store, "root", "admin", None)
    add_person(own_stocked.store, "ada", role, None)
    token = create_token(own_stocked.store, "ada", label="mcp", scopes=scopes, days=1).secret
    answer = _over_http(own_stocked, token, tool, arguments)
    assert answer["isError"] is bool(words)
    assert words in answer["content"][0]["text"]
    assert [who for who, _ in audit(own_stocked)] == ([] if words else ["ada"])
    # A role that was taken away takes its tokens' permission with it.
    set_role(own_stocked.store, "ada", "viewer")
    assert _over_http(own_stocked, token, tool, arguments)["isError"]


def _over_http(shop: Workspace, token: str, tool: str, arguments: dict[str, Any]) -> Any:
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
    headers = {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2025-06-18",
        "Authorization": f"Bearer {token}",
    }
    app = http_app(shop, host="127.0.0.1", hosts=(), token=True, write=True)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        answer = client.post("/mcp", json=asked, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["result"]
