"""The web application: its routes, and what surrounds every one of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module

from fastapi import FastAPI

from abkit.config import Settings
from abkit.version import __version__
from abkit.web import errors, rendering
from abkit.web.access import guard
from abkit.web.api import routes
from abkit.web.background import Background
from abkit.web.figures import CampaignFigures
from abkit.workspace import Workspace

#: Modules with a `router`, in the order in which their routes are tried.
PAGES = (
    "static",
    "health",
    "people.sign_in",
    "creatives.images",
    "overview",
    "creatives.campaigns",
    "creatives.creatives",
    "creatives.label",
    "people.raters",
    "creatives.reviews",
    "findings.experiments",
    "findings.drift",
    "findings.models",
    "findings.kpis",
    "alerts",
    "jobs",
    "creatives.upload",
    "people.account",
    "people.people",
)


def create_app(settings: Settings, *, local: bool = True) -> FastAPI:
    """Put the application together; the store is opened with its first request.

    Args:
        settings: The configuration of the workspace.
        local: It is served to this machine alone. Else everyone has to sign in.

    >>> from abkit.config import Settings
    >>> create_app(Settings()).title
    'abkit'
    """
    workspace = Workspace(settings)
    background = Background()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        background.close()
        workspace.close()

    app = FastAPI(
        title="abkit",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # It would lead to the name that the request gives itself, and away from TLS behind a proxy.
        redirect_slashes=False,
    )
    app.state.workspace = workspace
    app.state.background = background
    app.state.figures = CampaignFigures(workspace, background)
    app.state.templates = rendering.environment()
    app.state.looked_at = {}
    guard.install(app, settings, local=local)
    errors.install(app)
    for name in PAGES:
        app.include_router(import_module(f"abkit.web.pages.{name}").router, include_in_schema=False)
    routes.install(app)
    return app
