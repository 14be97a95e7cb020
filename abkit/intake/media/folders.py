"""What lies below a folder, or matches a pattern: bounded, wherever links lead and however deep folders lie."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fnmatch import translate
from functools import cache
from glob import has_magic
from itertools import islice
from pathlib import Path
from re import Pattern
from re import compile as compiled

from abkit_model.limits import MAX_ENTRIES, MAX_FOLDER_LEVELS, MAX_READ_AGAIN

_ANY_DEPTH = "**"


def walk(top: Path) -> Iterator[tuple[Path, str]]:
    """Yield the files below a folder, depth first by name, with "" or why something cannot be read.

    Links to folders are followed, except back to a folder above. Hidden files and folders are left out.
    """
    reading = _Reading()
    # What is still to be looked at, the next one last; levels count from the folder that was named.
    waiting: list[tuple[Path, int]] = [(top, 0)]
    while waiting:
        path, level = waiting.pop()
        if not os.path.isdir(path):
            yield path, ""
            continue
        names = reading.names_in(path, level)
        if reading.too_many:
            yield top, reading.too_many
            return
        if reading.refusal:
            yield path, reading.refusal
        waiting += [(path / name, level + 1) for name in reversed(names)]


def matches(pattern: Path) -> tuple[list[Path], str]:
    """Return the files and folders that a pattern matches (`*`, `?`, `[…]`, and `**` for any depth), sorted.

    Returns:
        The paths, and why these may not be all, or "".
    """
    parts = pattern.parts
    first = next(index for index, part in enumerate(parts) if has_magic(part))
    reading = _Reading()
    found: dict[Path, None] = {}
    waiting = [(Path(*parts[:first]), first, 0)]
    seen = set(waiting)
    refusal = ""
    while waiting and not reading.too_many:
        path, index, level = waiting.pop()
        if index == len(parts):
            found[path] = None
            continue
        part = parts[index]
        if not has_magic(part):
            further = [(path / part, index + 1, level + 1)] if os.path.lexists(path / part) else []
        elif not os.path.isdir(path):
            continue
        else:
            inside = [(path / name, name) for name in reading.names_in(path, level)]
            refusal = refusal or reading.refusal
            if part == _ANY_DEPTH:
                further = [(path, index + 1, level)] if index + 1 < len(parts) else []
                further += [(one, index, level + 1) for one, _ in inside if os.path.isdir(one)]
                further += [(one, len(parts), level + 1) for one, _ in inside if index + 1 == len(parts)]
            else:
                further = [(one, index + 1, level + 1) for one, name in inside if _pattern(part).fullmatch(name)]
        waiting += [one for one in further if one not in seen]
        seen.update(further)
    return sorted(found), reading.too_many or refusal


@cache
def _pattern(part: str) -> Pattern[str]:
    return compiled(translate(part))


class _Reading:
    """Folders that are read one after the other, depth first: what they took so far.

    Attributes:
        refusal: Why the last folder was not read, or "".
        too_many: Why no further folder is read, or "".
    """

    def __init__(self) -> None:
        self.refusal = self.too_many = ""
        self._above: list[tuple[int, int]] = []
        self._linked: list[bool] = []
        self._seen: dict[tuple[int, int], Path] = {}
        self._entries = self._again = 0

    def names_in(self, folder: Path, level: int) -> list[str]:
        """Return the names in a folder, sorted; none where it is not read."""
        self.refusal = ""
        if level > MAX_FOLDER_LEVELS:
            self.refusal = f"the folder lies more than {MAX_FOLDER_LEVELS} levels down: name it, or one nearer to it"
            return []
        del self._above[level:], self._linked[level:]
        try:
            status = folder.stat()
            here = (status.st_dev, status.st_ino)
            if here in self._above:
                self.refusal = "the link leads back to a folder above it"
                return []
            # A folder that no link is on the way to is always read.
            linked = level > 0 and (any(self._linked[:level]) or folder.is_symlink())
            self._again += linked and self._seen.setdefault(here, folder) != folder
            if linked and self._again > MAX_READ_AGAIN:
                self.refusal = "links lead to this folder in too many ways: it is read under other names"
                return []
            with os.scandir(folder) as entries:
                visible = (entry.name for entry in entries if not entry.name.startswith("."))
                names = sorted(islice(visible, MAX_ENTRIES + 1))
        except OSError as error:
            self.refusal = f"the folder cannot be read: {os.strerror(error.errno or 0).lower()}"
            return []
        self._above.append(here)
        self._linked.append(linked)
        self._entries += len(names)
        if self._entries > MAX_ENTRIES:
            self.too_many = f"more than {MAX_ENTRIES:,} files and folders are in it: name folders with fewer"
        return names
