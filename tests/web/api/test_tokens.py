"""A token may do over the API what its scopes and its person may, and nothing else."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from abkit import Workspace
from abkit.web.app import create_app
from abkit.workflows.upkeep.people import add_person, create_token

ROOT = "/api/v1"
CHANGES = {"jobs": "operate", "imports/1/undo": "operate", "alerts/1/acknowledge": "review"}


@pytest.fixture
def outside(own_stocked: Workspace) -> TestClient:
    """A client of a server that others reach: everybody has to say who they are."""
    for name, role in (("vi", "viewer"), ("ria", "reviewer"), ("ada", "admin")):
        add_person(own_stocked.store, name, role, "a long password")
    return TestClient(create_app(own_stocked.settings, local=False), base_url="http://127.0.0.1")


def token(workspace: Workspace, person: str, *scopes: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {create_token(workspace.store, person, label='x', scopes=scopes).secret}"}


def test_nobody_gets_an_answer_without_a_token(outside: TestClient) -> None:
    for path in ("campaigns", "openapi.json", "drift"):
        answer = outside.get(f"{ROOT}/{path}")
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
    assert outside.post(f"{ROOT}/score", content=b"x", headers={"Content-Type": "image/png"}).status_code == 401
    assert outside.get(f"{ROOT}/campaigns", headers={"Authorization": "Bearer abkit_x"}).status_code == 401


@pytest.mark.parametrize(
    ("person", "scopes", "may"),
    [
        ("vi", ("view",), set()),
        ("vi", ("view", "review", "operate"), set()),
        ("ria", ("view", "review"), {"review"}),
        ("ada", ("view",), set()),
        ("ada", ("operate",), {"operate"}),
    ],
)
def test_a_change_needs_its_scope_and_a_person_who_may(
    outside: TestClient, own_stocked: Workspace, person: str, scopes: tuple[str, ...], may: set[str]
) -> None:
    headers = token(own_stocked, person, *scopes)
    assert (outside.get(f"{ROOT}/campaigns", headers=headers).status_code == 200) == ("view" in scopes)
    for path, needed in CHANGES.items():
        body = {"job": "worth"} if path == "jobs" else None
        answer = outside.post(f"{ROOT}/{path}", json=body, headers=headers)
        assert (answer.status_code == 403) == (needed not in may), (path, answer.text)


def test_a_key_of_one_person_is_not_that_of_another(outside: TestClient, own_stocked: Workspace) -> None:
    def ask(person: str) -> Any:
        headers = token(own_stocked, person, "operate") | {"Idempotency-Key": "k"}
        return outside.post(f"{ROOT}/jobs", json={"job": "worth"}, headers=headers)

    first, again = ask("ada"), ask("ada")
    assert first.json()["key"] == again.json()["key"]
    add_person(own_stocked.store, "bo", "admin", "a long password")
    other = ask("bo")
    assert other.status_code == 202
    assert other.json()["key"] != first.json()["key"]
