"""Uploads: files that come from a browser, kept below the workspace under names that cannot lead out of it.

One that a server opens itself is noted before, in a file beside it, as a server that is killed cannot write into a
store what killed it: what ended the server again and again is not opened again.
"""

from __future__ import annotations

import re
import secrets
import shutil
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from abkit.config import Settings
from abkit.errors import AbkitError, InvalidInput, UsageError
from abkit.records import Record
from abkit.written_files import whole_file

#: Bytes of a name in a folder: file systems take 255, and jobs add endings of their own.
MAX_NAME = 150
MOST_FILES = 500
_PIECE = 1 << 20
_TOKEN = re.compile("[0-9a-f]{32}")
_IMAGES, _EXPORTS = "images", "exports"
#: Deaths of a server after which an upload is not opened again.
MOST_DEATHS = 3
#: How often each is open in this process at the moment: two who read the same are no deaths.
_OPEN: Counter[Path] = Counter()
_LOCK = threading.Lock()


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


@contextmanager
def opened(path: Path, called: str = "") -> Iterator[None]:
    """Note that an upload is open until the block ends, however it ends but by the death of the process.

    Args:
        path: The upload; the note is beside it.
        called: What the message calls it; the name of the file by default.

    Raises:
        InvalidInput: It was open when the server ended, and that three times.
        AbkitError: The note cannot be written.
    """
    note = path.with_name(f".{path.name}.opened")
    with _LOCK:
        if not _OPEN[note]:
            _begin(note, called or path.name)
        _OPEN[note] += 1
    try:
        yield
    finally:
        with _LOCK:
            _OPEN[note] -= 1
            if not _OPEN[note]:
                del _OPEN[note]
                with suppress(OSError):
                    note.unlink()


def _begin(note: Path, called: str) -> None:
    deaths = _deaths(note)
    if deaths >= MOST_DEATHS:
        raise InvalidInput(
            f"{called}: reading it ended the server {deaths} times: it was killed or ran out of memory",
            hint="make the file smaller and upload it again, or give the server more memory",
        )
    try:
        note.write_text(str(deaths + 1))
    except OSError as error:
        raise AbkitError(
            f"the folder {note.parent} cannot be written: {error.strerror}",
            hint="free some space there, or get permission",
        ) from error


def _deaths(note: Path) -> int:
    try:
        return int(note.read_text())
    except (OSError, ValueError):
        return 0
