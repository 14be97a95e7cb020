"""Where the images of creatives are now: under one of the names that they came by, with the same content."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Mapping
from pathlib import Path

from sqlalchemy.orm import Session

from abkit.store.catalog import creatives


def find_images(session: Session, ids: Collection[int]) -> dict[int, Path]:
    """Return the file of each creative that is still where it was, and unchanged."""
    contents = creatives.contents_of(session, ids)
    found: dict[int, Path] = {}
    for creative, names in creatives.creative_names(session, ids).items():
        paths = (Path(full) for full, _ in names if os.path.isabs(full))
        path = next((one for one in paths if _content(one) == contents.get(creative)), None)
        if path is not None:
            found[creative] = path
    return found


def common_folder(paths: Collection[Path]) -> Path:
    """Return the folder that all of some files are in."""
    return Path(os.path.commonpath([path.parent for path in paths]))


def named_in(folder: Path, paths: Mapping[int, Path]) -> dict[int, str]:
    """Return the name of each file in a folder above it."""
    return {creative: path.relative_to(folder).as_posix() for creative, path in paths.items()}


def _content(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
