"""Style sheets and scripts: a handful of known files, each read once."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Final

# Name → the package it lies in, its path there, its media type.
PLACES: Final = {
    "theme.css": ("abkit.reporting", "templates/report.css", "text/css"),
    "abkit.css": ("abkit.web", "static/abkit.css", "text/css"),
    "abkit.js": ("abkit.web", "static/abkit.js", "text/javascript"),
    "chart.js": ("abkit.web", "static/chart.js", "text/javascript"),
    "label.css": ("abkit.web", "static/label.css", "text/css"),
    "review.css": ("abkit.web", "static/review.css", "text/css"),
    "review.js": ("abkit.web", "static/review.js", "text/javascript"),
    "label.js": ("abkit.web", "static/label.js", "text/javascript"),
    "mapping.js": ("abkit.web", "static/mapping.js", "text/javascript"),
    "htmx.js": ("abkit.web", "static/htmx.min.js", "text/javascript"),
}


@cache
def content(name: str) -> bytes:
    """Return one of the known files."""
    package, path, _ = PLACES[name]
    return files(package).joinpath(path).read_bytes()


#: Changes with any of the files, and is part of their addresses.
VERSION: Final = hashlib.sha256(b"".join(content(name) for name in PLACES)).hexdigest()[:12]
