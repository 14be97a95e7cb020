"""Uploads: files that come from a browser, kept below the workspace under names that cannot lead out of it."""

from __future__ import annotations

import re
import secrets
import shutil
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from abkit.config import Settings
from abkit.errors import InvalidInput, UsageError
from abkit.records import Record
from abkit.written_files import whole_file

#: Bytes of a name in a folder: file systems take 255, and jobs add endings of their own.
MAX_NAME = 150
MOST_FILES = 500
_PIECE = 1 << 20
_TOKEN = re.compile("[0-9a-f]{32}")
_IMAGES, _EXPORTS = "images", "exports"


@dataclass(frozen=True, kw_only=True)
class Uploaded(Record):
    """Files that were put into a folder of their own.

    Attributes:
        token: The name of the folder: 32 random letters.
        folder: The folder, relative to the workspace.
        names: Of the files in it.
    """

    token: str
    folder: str
    names: tuple[str, ...]


def keep_images(settings: Settings, files: Iterable[tuple[str, BinaryIO]]) -> Uploaded:
    """Keep images, to be scored.

    Args:
        settings: Where the workspace is, and how large an image may be.
        files: The name that each had, and its content.

    Raises:
        InvalidInput: There are none, too many, or one is too large.
    """
    return _keep(settings, _IMAGES, files, settings.scoring.max_file_mb, "[scoring] max_file_mb")


def keep_exports(settings: Settings, files: Iterable[tuple[str, BinaryIO]]) -> Uploaded:
    """Keep exports of KPIs, to be looked at and imported.

    Raises:
        InvalidInput: There are none, too many, or one is too large.
    """
    return _keep(settings, _EXPORTS, files, settings.kpi.max_file_mb, "[kpi] max_file_mb")


def kept_exports(settings: Settings, token: str) -> Uploaded:
    """Return exports that were kept before.

    Raises:
        UsageError: There are none under this token.
    """
    folder = _folder(settings, _EXPORTS, token)
    there = folder.iterdir() if folder.is_dir() else ()
    names = sorted(path.name for path in there if path.is_file() and not path.name.startswith("."))
    if not names:
        raise UsageError("there is no such upload, or it was imported already", hint="upload the files again")
    return Uploaded(token=token, folder=str(folder.relative_to(settings.workspace)), names=tuple(names))


def safe_name(name: str) -> str:
    """Return a name under which a file can be kept: without its path, and without what a file system may not like.

    >>> safe_name("C:\\\\ads\\\\Frühling 1.png"), safe_name("../../etc/passwd"), safe_name("..")
    ('Frühling 1.png', 'passwd', 'file')
    """
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    kept = "".join("_" if char in '<>:"|?*' or not char.isprintable() else char for char in last)
    kept = kept.encode("utf-8", "replace").decode().strip(". ")
    stem, dot, ending = kept.rpartition(".")
    while len(kept.encode()) > MAX_NAME:
        if not stem:
            return "file"
        stem = stem[:-1]
        kept = f"{stem}{dot}{ending}"
    return kept or "file"


def _keep(
    settings: Settings, kind: str, files: Iterable[tuple[str, BinaryIO]], max_mb: float, setting: str
) -> Uploaded:
    token = secrets.token_hex(16)
    folder = _folder(settings, kind, token)
    names: list[str] = []
    try:
        for name, content in files:
            if len(names) >= MOST_FILES:
                raise InvalidInput(f"there are more than {MOST_FILES} files", hint="upload them in several parts")
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            kept = _unused(folder, safe_name(name))
            _write(folder / kept, content, max_mb, kept, setting)
            names.append(kept)
    except BaseException:
        # Nobody learns the token of an upload that was refused: its files would stay for ever.
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if not names:
        raise InvalidInput("no file was chosen")
    return Uploaded(token=token, folder=str(folder.relative_to(settings.workspace)), names=tuple(names))


def _write(path: Path, content: BinaryIO, max_mb: float, name: str, setting: str) -> None:
    left = round(max_mb * 2**20)
    no_room = "free some space in the workspace"
    with whole_file(path, what="an upload", hint=no_room) as unfinished, unfinished.open("wb") as file:
        while piece := content.read(_PIECE):
            left -= len(piece)
            if left < 0:
                break
            file.write(piece)
    if left < 0:
        raise InvalidInput(f"{name} is larger than {max_mb:g} MB", hint=f"{setting} of abkit.toml sets it")


def _unused(folder: Path, name: str) -> str:
    stem, ending = Path(name).stem, Path(name).suffix
    number = 1
    while (folder / name).exists():
        number += 1
        name = f"{stem} ({number}){ending}"
    return name


def _folder(settings: Settings, kind: str, token: str) -> Path:
    if not _TOKEN.fullmatch(token):
        raise UsageError("there is no such upload", hint="upload the files again")
    return settings.workspace / "uploads" / kind / token
