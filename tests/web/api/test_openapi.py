"""The OpenAPI says what the API does: requests made from it never fail inside, and answers have the shapes it says."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, seed, settings

from abkit import Workspace
from abkit.config import WebSettings
from abkit.web.app import create_app

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
PATH = "/api/v1/openapi.json"


@pytest.fixture
def document(reader: TestClient) -> Any:
    """The document."""
    return reader.get(PATH).json()


def test_it_is_openapi_3_1_and_names_every_route_once(document: Any) -> None:
    assert document["openapi"] == "3.1.0"
    named = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(named) == len(set(named)) > 25
    assert all(path.startswith("/api/v1/") for path in document["paths"])


def test_every_operation_has_words_and_a_shape(document: Any) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["description"], (method, path)
            success = next(code for code in operation["responses"] if code.startswith("2"))
            assert operation["responses"][success]["content"]["application/json"]["schema"], (method, path)
            assert "Problem" in str(operation["responses"]["404"])


def test_every_change_can_be_made_once(document: Any) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            names = {parameter["name"] for parameter in operation.get("parameters", ())}
            assert ("Idempotency-Key" in names) == (method == "post"), (method, path)


def test_references_lead_somewhere(document: Any) -> None:
    def references(part: Any) -> Iterator[str]:
        if isinstance(part, dict):
            if isinstance(part.get("$ref"), str):
                yield part["$ref"]
            for value in part.values():
                yield from references(value)
        elif isinstance(part, list):
            for value in part:
                yield from references(value)

    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) <= known


def try_out(workspace: Workspace, examples: int, *, only: str | None = None) -> int:
    """Send requests that are made from the document, valid ones and others; return how many operations there were."""
    web = WebSettings(requests_per_minute=1_000_000)
    app = create_app(workspace.settings.model_copy(update={"web": web}))
    from schemathesis.specs.openapi import checks

    wanted = [
        schemathesis.checks.not_a_server_error,
        checks.response_schema_conformance,
        checks.content_type_conformance,
    ]
    schema = schemathesis.openapi.from_asgi(PATH, app, headers={"Host": "127.0.0.1"})
    headers = {"Host": "127.0.0.1"}
    tried = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        if (only is None) == (operation.path == "/api/v1/score"):
            continue
        tried += 1

        @seed(16)
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.generate],
        )
        @given(case=operation.as_strategy())
        def send(case: Any) -> None:
            case.call_and_validate(headers=headers, base_url="http://127.0.0.1", checks=wanted)

        send()
    return tried


def test_no_request_fails_inside(own_stocked: Workspace) -> None:
    assert try_out(own_stocked, 1) > 25


def test_nothing_that_is_sent_to_be_scored_fails_inside(studio: Workspace) -> None:
    assert try_out(studio, 4, only="/api/v1/score") == 1


@pytest.mark.long
def test_no_request_of_many_fails_inside(own_stocked: Workspace) -> None:
    assert try_out(own_stocked, 40) > 25
