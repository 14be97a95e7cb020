"""Where the images of creatives are now: under one of the names that they came by, with the same content."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from abkit.store.catalog import creatives


@dataclass(frozen=True)
class KnownNames:
    """What a creative's image is called, by the store.

    Attributes:
        sha256: Digest of its content.
        paths: Where it was, the latest first.
    """

    sha256: str
    paths: tuple[Path, ...]


def image_names(session: Session, ids: Collection[int]) -> dict[int, KnownNames]:
    """Return where the image of each creative was; no file is read."""
    contents = creatives.contents_of(session, ids)
    names = creatives.creative_names(session, ids)
    return {
        one: KnownNames(sha256, tuple(Path(full) for full, _ in names.get(one, ()) if os.path.isabs(full)))
        for one, sha256 in contents.items()
    }


def find_images(names: Mapping[int, KnownNames]) -> dict[int, Path]:
    """Return the file of each creative that is still where it was, and unchanged.

    Every file is read: call it when the transaction that read the names has ended.
    """
    found: dict[int, Path] = {}
    for creative, known in names.items():
        path = next((one for one in known.paths if _content(one) == known.sha256), None)
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
