"""Render a page as one HTML file that needs nothing else, and write it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from markupsafe import Markup

from abkit.reporting.charts.theme import readable
from abkit.reporting.page.responsive import responsive
from abkit.written_files import whole_file


class WithThumbnail(Protocol):
    """A creative that is shown on a page."""

    @property
    def sha256(self) -> str:
        """SHA-256 of its content."""

    @property
    def thumbnail(self) -> str:
        """A data URI, or ""."""


def drawing(make: Callable[[int], Any], prefix: str) -> Markup:
    """Return a chart for the page; names in it are escaped where it is drawn."""
    return Markup(responsive(make, prefix))  # noqa: S704


def render(template: str, creatives: Sequence[WithThumbnail], **values: Any) -> str:
    """Return a page: everything is escaped but what was made here.

    Args:
        template: Name of the template.
        creatives: Those whose thumbnails are on the page; each is in it once, as a background.
        values: What the template shows.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("abkit.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_readable_text,
    )

    def source(name: str) -> str:
        return environment.loader.get_source(environment, name)[0] if environment.loader else ""

    images = {one.sha256: one.thumbnail for one in creatives if one.thumbnail}
    numbers = {sha256: number for number, sha256 in enumerate(images)}
    backgrounds = "\n".join(f".t{numbers[sha256]}{{background-image:url({uri})}}" for sha256, uri in images.items())
    script = source("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template(template).render(
        css=Markup(source("report.css")),  # noqa: S704
        thumbnail_css=Markup(backgrounds),  # noqa: S704
        thumbnails=numbers,
        script=Markup(script),  # noqa: S704
        script_hash=f"sha256-{digest}",
        **values,
    )


def write_page(page: str, path: Path) -> Path:
    """Write the page, whole or not at all; others may read it once its owner lets them.

    Raises:
        AbkitError: The file cannot be written.
    """
    with whole_file(
        path, what="the report", hint="name another file with --out, or free some space", folders=True
    ) as unfinished:
        unfinished.write_text(page, encoding="utf-8")
    return path


def _readable_text(value: Any) -> Any:
    # Markup is a str too, and is ours; only plain text may hold what cannot be read.
    return readable(value) if type(value) is str else value
