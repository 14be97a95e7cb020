"""The folder of pulled weights. It can be copied to a machine without network as it is."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from abkit_model.encoders.libraries import file_digest
from abkit_model.errors import EncoderUnavailable

#: Names another folder than the usual one.
FOLDER_VARIABLE = "ABKIT_ENCODERS"
_FACTS = "pulled.json"
_MAX_BYTES = 100_000


@dataclass(frozen=True, kw_only=True)
class Pulled:
    """Weights in the folder.

    Attributes:
        name: The encoder.
        file: Name of the file.
        url: Where it came from.
        sha256: Its digest when it came.
        license: As it was shown; "" where it was not known.
        pinned: Whether the digest is the one that the owner published; else it was recorded on first use, and
            nobody vouches for it.
        pulled_on: The date, ISO 8601.
    """

    name: str
    file: str
    url: str
    sha256: str
    license: str
    pinned: bool
    pulled_on: str


def folder() -> Path:
    """Return the folder: that of the variable ABKIT_ENCODERS, or the user's own."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named).expanduser() if named else Path("~/.cache/abkit/encoders").expanduser()


def folder_of(name: str) -> Path:
    """Return where the weights of one encoder lie.

    >>> folder_of("openclip:ViT-L-14/openai").name
    'openclip-ViT-L-14-openai'
    """
    return folder() / re.sub(r"[^A-Za-z0-9._]+", "-", name).strip(".-")


def weights_of(name: str) -> Path | None:
    """Return the file with the pulled weights of an encoder; None where they were not pulled.

    Raises:
        EncoderUnavailable: The file is not the one that was pulled.
    """
    found = read(folder_of(name))
    if found is None or found.name != name:
        return None
    path = folder_of(name) / found.file
    if not path.is_file() or file_digest(path) != found.sha256:
        raise EncoderUnavailable(
            f"{path} is not the file that was pulled: its SHA-256 differs from {found.sha256[:12]}…",
            f"pull it again: abkit encoder pull {name}",
        )
    return path


def read(place: Path) -> Pulled | None:
    """Return what is recorded in the folder of one encoder; None where nothing readable is."""
    try:
        with (place / _FACTS).open("rb") as file:
            facts = Pulled(**json.loads(file.read(_MAX_BYTES)))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    plain = all(isinstance(getattr(facts, name), str) for name in ("name", "file", "url", "sha256"))
    return facts if plain and Path(facts.file).name == facts.file else None


def record(place: Path, facts: Pulled) -> None:
    """Write what is known of weights beside them, whole or not at all."""
    unfinished = place / f"{_FACTS}.unfinished"
    unfinished.write_text(json.dumps(asdict(facts), indent=2) + "\n", encoding="utf-8")
    os.replace(unfinished, place / _FACTS)


def everything() -> Iterator[Pulled]:
    """Yield what was pulled, by name."""
    try:
        places = sorted(folder().iterdir())
    except OSError:
        return
    yield from (facts for place in places if (facts := read(place)) is not None)
