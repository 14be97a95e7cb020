"""What ad placements ask of images and films: `placements.toml`, read and checked when somebody first asks."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from abkit.errors import InvalidInput, UsageError

_UNITS = {"KB": 1, "MB": 2, "GB": 3}
_SIDES = ("top", "bottom", "left", "right")


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a figure stands.

    Attributes:
        name: Its key in the table.
        title: The title of the page.
        url: Its address.
        by: "platform" where the platform published it, "other" where somebody repeats it.
        check: Where the platform itself says it, for those of the second kind; "" otherwise.
        note: How it was read, where that is not plain.
    """

    name: str
    title: str
    url: str
    by: str
    check: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure of a placement.

    Attributes:
        kind: What it limits, such as `weight`: a key of `KINDS`.
        value: Pixels as (width, height) pairs, ratios and weights as they are written, seconds, or a share.
        source: Where it stands.
        tolerance: How far a ratio may differ, as a share.
    """

    kind: str
    value: Any
    source: Source
    tolerance: float = 0.01

    @property
    def shown(self) -> str:
        """The value as a person reads it."""
        return KINDS[self.kind].format(_shown(self.value))


#: The kinds of figures, and how each is read out.
KINDS: Mapping[str, str] = {
    "formats": "{}",
    "sizes": "{} pixels exactly",
    "smallest": "at least {} pixels",
    "smallest_width": "at least {} pixels wide",
    "largest": "at most {} pixels",
    "recommended": "{} pixels recommended",
    "ratios": "{}",
    "usual_ratios": "{} recommended",
    "ratio_range": "{}",
    "weight": "at most {}",
    "usual_weight": "{} by other pages",
    "animation": "animation {}",
    "longest_animation": "at most {} s of animation",
    "frames_per_second": "at most {} frames per second",
    "frames": "at most {} frames",
    "zones": "covered: {}",
    "text_share": "text on at most {}",
    "film_formats": "film: {}",
    "film_weight": "film of at most {}",
    "film_longest": "film of at most {} s",
}


@dataclass(frozen=True, kw_only=True)
class Placement:
    """What one placement asks.

    Attributes:
        name: What `--placement` takes.
        title: Its name for people.
        figures: By kind.
    """

    name: str
    title: str
    figures: Mapping[str, Figure]

    def __getitem__(self, kind: str) -> Figure | None:
        return self.figures.get(kind)


@dataclass(frozen=True, kw_only=True)
class PlacementTable:
    """The whole table.

    Attributes:
        version: Counts up with every change.
        date: Day of that change.
        placements: By name.
    """

    version: int
    date: str
    placements: Mapping[str, Placement]


@lru_cache(maxsize=1)
def placement_table() -> PlacementTable:
    """Return the table that comes with abkit.

    >>> placement_table().placements["google-300x250"]["weight"].shown
    'at most 150 KB'
    """
    text = (files("abkit") / "intake" / "media" / "placements.toml").read_text(encoding="utf-8")
    return parse_table(text)


def parse_table(text: str) -> PlacementTable:
    """Return the table that a TOML text holds.

    Raises:
        InvalidInput: A figure has no source, or is not one that is known.
    """
    raw = tomllib.loads(text)
    sources = {name: Source(name=name, **entry) for name, entry in raw["source"].items()}
    templates = raw.get("template", {})
    placements = {}
    for name, entry in raw["placement"].items():
        entry = {**templates.get(entry.get("template"), {}), **entry}
        title = entry.pop("title")
        entry.pop("template", None)
        figures = {kind: _figure(name, kind, figure, sources) for kind, figure in entry.items()}
        placements[name] = Placement(name=name, title=title, figures=figures)
    return PlacementTable(version=raw["version"], date=raw["date"], placements=placements)


def _figure(placement: str, kind: str, entry: Mapping[str, Any], sources: Mapping[str, Source]) -> Figure:
    if kind not in KINDS:
        raise InvalidInput(f"{placement} has a figure {kind!r}, which is not one of {', '.join(KINDS)}")
    if entry.get("source") not in sources:
        hint = "name one of the table's sources, or leave the figure out"
        raise InvalidInput(f"{kind} of {placement} has no source", hint=hint)
    if kind == "zones" and not set(entry["is"]) <= set(_SIDES):
        raise InvalidInput(f"zones of {placement} are not top, bottom, left or right")
    rest = {"tolerance": entry["tolerance"]} if "tolerance" in entry else {}
    return Figure(kind=kind, value=entry["is"], source=sources[entry["source"]], **rest)


def placements_named(names: Sequence[str]) -> tuple[Placement, ...]:
    """Return the placements of these names, each once; a name may hold several, with commas between them.

    Raises:
        UsageError: There is no such placement.
    """
    table = placement_table().placements
    wanted = dict.fromkeys(part.strip().lower() for name in names for part in name.split(",") if part.strip())
    if not wanted:
        raise UsageError("no placement is named", hint=f"name some with --placement: {', '.join(table)}")
    for name in wanted:
        if name not in table:
            raise UsageError(f"there is no placement {name!r}", hint=f"placements: {', '.join(table)}")
    return tuple(table[name] for name in wanted)


def ratio_of(text: str) -> float:
    """Return width over height of a ratio as people write it.

    >>> ratio_of("9:16"), ratio_of("1.91:1")
    (0.5625, 1.91)
    """
    across, _, down = text.partition(":")
    return float(across) / float(down)


def weight_of(text: str) -> tuple[int, int]:
    """Return the bytes of a weight, counted in thousands and in steps of 1,024: pages do not say which they mean.

    >>> weight_of("150 KB")
    (150000, 153600)
    """
    found = re.fullmatch(r"(\d+) ([KMG]B)", text)
    if not found:
        raise InvalidInput(f"{text!r} is not a weight", hint="write it as 150 KB or 5 MB")
    number, power = int(found[1]), _UNITS[found[2]]
    return number * 1000**power, number * 1024**power


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{side} {_percent(share)}" for side, share in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_shown(one) if isinstance(one, str) else f"{one[0]}×{one[1]}" for one in value)
    if isinstance(value, float):
        return _percent(value)
    return str(value).removeprefix("image/").removeprefix("video/")


def _percent(share: float) -> str:
    return f"{share * 100:g} %"
