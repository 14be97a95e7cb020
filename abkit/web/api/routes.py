"""All routes of the API."""

from __future__ import annotations

from importlib import import_module

from fastapi import FastAPI
from fastapi.routing import APIRoute

_MODULES = ("openapi", "catalog", "pages", "kpis", "findings", "labels", "alerts", "scoring", "jobs")


def install(app: FastAPI) -> None:
    """Add the API to the application."""
    routes: list[APIRoute] = []
    for name in _MODULES:
        router = import_module(f"abkit.web.api.{name}").router
        app.include_router(router)
        routes += [route for route in router.routes if isinstance(route, APIRoute)]
    app.state.api_routes = routes
