"""The OpenAPI of the API: what FastAPI knows of the requests, and the shapes of the records that answer them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema
from starlette.responses import Response

from abkit.version import __version__
from abkit.web.access.guard import Viewer
from abkit.web.api.answers import PREFIX, Shown, answer, shows

router = APIRouter(prefix=PREFIX, tags=["about"])

_REFERENCE = "#/components/schemas/{model}"
_ABOUT = (
    "The records of abkit as JSON: the same fields as in Python. Lists come in pages: `next`, and the header `Link`, "
    "say how to go on. Every answer to GET has an `ETag`. What changes something takes an `Idempotency-Key`. "
    "Errors are problem+json (RFC 9457)."
)
_PROBLEM: dict[str, Any] = {
    "title": "Problem",
    "type": "object",
    "description": "What was wrong, in one sentence (`title`), and what to do (`detail`).",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
    "required": ["type", "title", "status"],
}
# Beside its own answers, every route may give these.
_PROBLEMS = {
    "400": "The request cannot be read, or asks for what is not there.",
    "401": "Nobody is signed in.",
    "403": "This person or token may not do it.",
    "404": "There is no such thing.",
    "409": "It cannot be done as things are.",
    "413": "The request is too large.",
    "422": "A value is not valid.",
    "429": "Too many requests.",
    "503": "The store does not answer.",
}


class _Shapes(GenerateJsonSchema):
    """Shapes as `to_plain` writes them: a number that is not finite is null."""

    def float_schema(self, schema: core_schema.FloatSchema) -> JsonSchemaValue:
        return {"anyOf": [super().float_schema(schema), {"type": "null"}]}


@router.get("/openapi.json", name="api_openapi")
@shows(dict[str, Any])
def openapi(request: Request, person: Viewer) -> Response:
    """Describe the API: this document."""
    state = request.app.state
    if getattr(state, "openapi", None) is None:
        state.openapi = describe(state.api_routes, prefix=request.scope.get("root_path", ""))
    return answer(request, state.openapi)


def describe(routes: Iterable[APIRoute], *, prefix: str = "") -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of routes.

    Args:
        routes: The routes of the API, with their whole paths.
        prefix: What a proxy puts before each path.
    """
    listed = list(routes)
    document = get_openapi(
        title="abkit", version=__version__, openapi_version="3.1.0", description=_ABOUT, routes=listed,
        servers=[{"url": prefix or "/"}],
    )  # fmt: skip
    components = document.setdefault("components", {}).setdefault("schemas", {})
    shapes = _shapes(listed, components)
    for route in listed:
        for method in route.methods or ():
            operation = document["paths"][route.path_format][method.lower()]
            _say_answers(operation, route, shapes[route.name])
    for unused in ("HTTPValidationError", "ValidationError"):
        components.pop(unused, None)
    components["Problem"] = _PROBLEM
    bearer = {"type": "http", "scheme": "bearer", "description": "A token, as `abkit token create` makes it."}
    document["components"]["securitySchemes"] = {"token": bearer}
    document["security"] = [{"token": []}, {}]
    return document


def _shapes(routes: Iterable[APIRoute], components: dict[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Return the shape that each route answers with, by its name, and put what they share among the components."""
    mode: Literal["serialization"] = "serialization"
    adapters = [(route.name, mode, TypeAdapter[Any](_said(route).found())) for route in routes]
    found, shared = TypeAdapter.json_schemas(adapters, schema_generator=_Shapes, ref_template=_REFERENCE)
    components |= shared.get("$defs", {})
    return {name: found[name, mode] for name, _, _ in adapters}


def _say_answers(operation: dict[str, Any], route: APIRoute, shape: Mapping[str, Any]) -> None:
    if _said(route).is_page:
        shape = {
            "type": "object",
            "properties": {
                "items": {"type": "array", "items": shape},
                "next": {"anyOf": [{"type": "integer"}, {"type": "null"}], "description": "`cursor` of the next page"},
            },
            "required": ["items", "next"],
        }
    status = str(route.status_code or 200)
    answers = {status: {"description": "The answer.", "content": {"application/json": {"schema": shape}}}}
    if "GET" in (route.methods or ()):
        answers["304"] = {"description": "The client has it already."}
    problem = {"application/problem+json": {"schema": {"$ref": _REFERENCE.format(model="Problem")}}}
    answers |= {code: {"description": text, "content": problem} for code, text in _PROBLEMS.items()}
    operation["responses"] = answers


def _said(route: APIRoute) -> Shown:
    said: Shown = vars(route.endpoint)["shown"]
    return said
