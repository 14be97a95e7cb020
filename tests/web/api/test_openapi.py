"""The OpenAPI says what the API does: requests made from it never fail inside, and answers have the shapes it says."""

import copy
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, seed, settings
from sqlalchemy import func, select

from abkit import Workspace
from abkit.config import WebSettings
from abkit.store.schema import (
    Alert,
    Audit,
    Comparison,
    Creative,
    CreativeTag,
    JobRequest,
    KpiUndo,
    Rating,
)
from abkit.vocabulary import Permission
from abkit.web.app import create_app
from abkit.workflows.upkeep.people import add_person, create_token

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


Answers = dict[tuple[str, str], Counter[int]]


def try_out(
    workspace: Workspace,
    examples: int,
    *,
    wanted: Callable[[str, str], bool] = lambda _method, path: path != "/api/v1/score",
    token: str = "",
    document: Any = None,
) -> Answers:
    """Send requests that are made from the document, valid ones and others; return how each operation was answered.

    Args:
        workspace: What is served.
        examples: Requests per operation.
        wanted: Whether an operation is tried, by its method and its path.
        token: What the requests carry; without one the server is that of this machine alone.
        document: What the requests are made from, in place of the one that is served.
    """
    web = WebSettings(requests_per_minute=1_000_000)
    app = create_app(workspace.settings.model_copy(update={"web": web}), local=not token)
    app.state.openapi = document
    from schemathesis.specs.openapi import checks

    checked = [
        schemathesis.checks.not_a_server_error,
        checks.response_schema_conformance,
        checks.content_type_conformance,
    ]
    headers = {"Host": "127.0.0.1"} | ({"Authorization": f"Bearer {token}"} if token else {})
    schema = schemathesis.openapi.from_asgi(PATH, app, headers=headers)

    def send_all(operation: Any) -> Counter[int]:
        statuses: Counter[int] = Counter()

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
            answer = case.call_and_validate(headers=headers, base_url="http://127.0.0.1", checks=checked)
            statuses[answer.status_code] += 1

        send()
        return statuses

    operations = [result.ok() for result in schema.get_all_operations()]
    named = {(one.method.upper(), one.path): one for one in operations}
    return {name: send_all(operation) for name, operation in named.items() if wanted(*name)}


def change_what_is_there(workspace: Workspace, document: Any, examples: int) -> Answers:
    """Send changes with a token that may make them, by a client that knows what is there; else nearly all are refused.

    Args:
        workspace: What is served.
        document: Its OpenAPI.
        examples: Requests per operation.
    """
    export = workspace.settings.workspace / "week.csv"
    export.write_text("day,ad_id,impressions,clicks,spend\n2026-01-01,a1,1000,10,5.00\n")
    (imported,) = workspace.import_kpis([export])
    with workspace.store.read() as session:
        digests = list(session.scalars(select(Creative.sha256).order_by(Creative.id).limit(4)))
        known: dict[str, list[Any]] = {
            "sha256": digests,
            "alert_id": list(session.scalars(select(Alert.id))),
            "import_id": [imported.import_id],
        }
    told = copy.deepcopy(document)
    for path in told["paths"].values():
        for parameter in path.get("post", {}).get("parameters", ()):
            if parameter["name"] in known:
                parameter["schema"] = {"enum": known[parameter["name"]]}
    shapes = told["components"]["schemas"]
    shapes["JobOrder"]["properties"]["arguments"] = {"enum": [{}]}
    shapes["Silence"]["properties"]["until"] = {"enum": ["2099-01-01T00:00:00Z"]}
    shapes["Tags"]["properties"]["add"]["items"] = {"enum": ["bold", "spring"]}
    # Schemathesis makes of a pair what its own validator refuses.
    shapes["UndoReport"]["properties"]["still_one"] = {"type": "array", "items": {"type": "array"}}
    one, other = {"enum": digests[:2]}, {"enum": digests[2:]}
    rows = {
        "Ratings": {"sha256": one, "score": {"enum": [1, 5.5, 9]}, "rater": {"enum": ["mia", "tom"]}},
        "Comparisons": {"first": one, "second": other, "choice": {"enum": ["first", "second", "tie"]}},
    }
    for name, row in rows.items():
        shape = {"type": "object", "properties": row, "required": list(row), "additionalProperties": False}
        shapes[name]["properties"][name.lower()] = {"type": "array", "minItems": 1, "maxItems": 5, "items": shape}
        shapes[name]["properties"]["source"] = {"enum": ["search"]}
    shapes["Ratings"]["properties"]["scale"] = {"enum": [[1, 7]]}
    shapes["Ratings"]["required"] = ["scale", "ratings"]
    add_person(workspace.store, "ada", "admin", None)
    scopes = [one for one in Permission if one is not Permission.ADMINISTER]
    token = create_token(workspace.store, "ada", label="search", scopes=scopes, days=1).secret
    changes = lambda method, path: method == "POST" and path != "/api/v1/score"  # noqa: E731
    return try_out(workspace, examples, wanted=changes, token=token, document=told)


def not_done(answers: Answers) -> list[tuple[str, str]]:
    """Return the operations of which no request was done."""
    return [one for one, statuses in answers.items() if not any(200 <= status < 300 for status in statuses)]


def test_no_request_fails_inside(own_stocked: Workspace) -> None:
    assert len(try_out(own_stocked, 1)) > 25


def test_changes_by_a_token_that_may_make_them_are_made_and_none_fails_inside(
    own_stocked: Workspace, document: Any
) -> None:
    changed = (Rating, Comparison, CreativeTag, JobRequest, KpiUndo)

    def rows() -> list[int]:
        with own_stocked.store.read() as session:
            return [session.scalar(select(func.count()).select_from(one)) or 0 for one in changed]

    before = rows()
    answers = change_what_is_there(own_stocked, document, 3)
    assert len(answers) == sum("post" in operations for operations in document["paths"].values()) - 1
    assert not_done(answers) == []
    grown = {one.__tablename__: after - former for one, after, former in zip(changed, rows(), before, strict=True)}
    assert all(number > 0 for number in grown.values()), grown
    with own_stocked.store.read() as session:
        assert set(session.scalars(select(Audit.who))) == {"ada"}


def test_nothing_that_is_sent_to_be_scored_fails_inside(studio: Workspace) -> None:
    assert len(try_out(studio, 4, wanted=lambda _method, path: path == "/api/v1/score")) == 1


@pytest.mark.long
def test_no_request_of_many_fails_inside(own_stocked: Workspace, document: Any) -> None:
    assert len(try_out(own_stocked, 40)) > 25
    assert not_done(change_what_is_there(own_stocked, document, 40)) == []
