"""What the platforms call their columns: recipes, one TOML file each, read when the first export comes.

A recipe lists header names by language, and each list names its source. `docs/platforms.md` says how to write one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from abkit.errors import InvalidInput
from abkit.intake.kpis.header.fields import FIELDS, RESULTS, plain_name
from abkit_model.limits import read_limited

UNUSED = "unused"  # columns that are known and not needed, as rates and reach
_MOST_BYTES = 1 << 20
_MOST_FILES = 100


@dataclass(frozen=True, kw_only=True)
class Headers:
    """Header names of one platform in one language, from one source.

    Attributes:
        language: Two letters, as in "en".
        source: Where the names are published: an address, a repository with a path, or "reported export".
        names: By field, by `results` or by `unused`, the header names; the first of a field is preferred.
        events: By header name of a count of conversions, which event it counts.
        windows: By header name of a count of conversions, its attribution window.
    """

    language: str
    source: str
    names: Mapping[str, Sequence[str]]
    events: Mapping[str, str] = field(default_factory=dict)
    windows: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What a column name means: its field, and how far it is preferred (0 before 1) over others of that field."""

    field: str
    rank: int
    event: str = ""
    window: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Recipe:
    """How a platform names the columns of its exports.

    Attributes:
        platform: What `platform` is for its rows; "" for names that belong to no platform.
        title: Its name for people.
        signatures: Sets of plain names; a header that has all of one set is of this platform.
        headers: The names as the file lists them.
        meanings: By plain name, what it means.
    """

    platform: str
    title: str
    signatures: Sequence[frozenset[str]]
    headers: Sequence[Headers]
    meanings: Mapping[str, Meaning]


def load_recipes(extra: Path | None = None) -> tuple[Recipe, ...]:
    """Return the recipes that come with abkit, with those of the user before them.

    Args:
        extra: A TOML file of the user, or a folder of them. Where it has a platform that is known, its names come
            before those of abkit.

    Raises:
        InvalidInput: A file of the user is not a recipe.
    """
    if extra is None:
        return _shipped()
    return _with_own(tuple((path.name, _read(path)) for path in _user_files(extra)))


@lru_cache(maxsize=4)
def _with_own(texts: tuple[tuple[str, str], ...]) -> tuple[Recipe, ...]:
    own = [_parse(name, text) for name, text in texts]
    known = {recipe.platform: recipe for recipe in _shipped()}
    merged = [_merged(recipe, known.pop(recipe.platform)) if recipe.platform in known else recipe for recipe in own]
    return (*merged, *known.values())


def content_of(extra: Path | None) -> str:
    """Return all that the user's recipes say, as one text: part of the identity of an import."""
    return "\n".join(_read(path) for path in _user_files(extra)) if extra else ""


@lru_cache(maxsize=1)
def _shipped() -> tuple[Recipe, ...]:
    folder = files("abkit") / "intake" / "kpis" / "header" / "recipes"
    found = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".toml")), key=lambda entry: entry.name)
    return tuple(_parse(entry.name, entry.read_text(encoding="utf-8")) for entry in found)


def _user_files(extra: Path) -> list[Path]:
    if not extra.is_dir():
        return [extra]
    found = sorted(extra.glob("*.toml"))
    if len(found) > _MOST_FILES:
        raise InvalidInput(f"{extra} has more than {_MOST_FILES} recipes", hint="keep one file per platform")
    return found


def _read(path: Path) -> str:
    try:
        return read_limited(path, _MOST_BYTES).decode("utf-8")
    except (OSError, ValueError) as error:
        raise InvalidInput(
            f"the recipe {path} cannot be read: {error}", hint="check recipes under [kpi] in abkit.toml"
        ) from error


def _parse(name: str, text: str) -> Recipe:
    try:
        return _recipe(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise InvalidInput(f"{name} is not a recipe: {reason}", hint="docs/platforms.md shows one") from error


def _recipe(given: Mapping[str, Any]) -> Recipe:
    sources = _texts(given.get("sources", {}))
    headers = []
    for block in given["headers"]:
        block = dict(block)
        source = block.pop("source")
        headers.append(
            Headers(
                language=str(block.pop("language")),
                source=str(sources.get(source) or source),
                events=_texts(block.pop("events", {})),
                windows=_texts(block.pop("windows", {})),
                names={key: _list(key, names) for key, names in block.items()},
            )
        )
    return Recipe(
        platform=str(given["platform"]),
        title=str(given["title"]),
        signatures=[frozenset(map(plain_name, names)) for names in given.get("signatures", [])],
        headers=headers,
        meanings=dict(_meanings(headers)),
    )


def _texts(given: Mapping[str, Any]) -> dict[str, str]:
    return {str(key): str(value) for key, value in given.items()}


def _list(key: str, names: Any) -> tuple[str, ...]:
    if key not in (*FIELDS, RESULTS, UNUSED):
        raise ValueError(f"there is no field {key!r}")
    if not isinstance(names, list) or not all(isinstance(name, str) and plain_name(name) for name in names):
        raise ValueError(f"{key} is not a list of names")
    return tuple(names)


def _meanings(headers: Sequence[Headers]) -> Iterator[tuple[str, Meaning]]:
    """Yield each plain name with what it means: the first block that has it decides."""
    seen: set[str] = set()
    rank = 0
    for block in headers:
        events = {plain_name(name): event for name, event in block.events.items()}
        windows = {plain_name(name): window for name, window in block.windows.items()}
        for key, names in block.names.items():
            for plain in map(plain_name, names):
                if plain not in seen:
                    seen.add(plain)
                    rank += 1
                    yield (
                        plain,
                        Meaning(field=key, rank=rank, event=events.get(plain, ""), window=windows.get(plain, "")),
                    )


def _merged(own: Recipe, known: Recipe) -> Recipe:
    headers = [*own.headers, *known.headers]
    return Recipe(
        platform=own.platform,
        title=own.title,
        signatures=[*own.signatures, *known.signatures],
        headers=headers,
        meanings=dict(_meanings(headers)),
    )


def recognize(plain: frozenset[str], recipes: Sequence[Recipe]) -> Recipe | None:
    """Return the recipe of the platform that a header comes from.

    A header has all names of a signature. Where it has those of several platforms, the one that knows most of its
    names; where two know as many, none.

    Args:
        plain: The plain names of the header.
        recipes: What `load_recipes` returns.
    """
    matching = [recipe for recipe in recipes if any(signature <= plain for signature in recipe.signatures)]
    known = sorted(((len(plain & recipe.meanings.keys()), at) for at, recipe in enumerate(matching)), reverse=True)
    if not known or (len(known) > 1 and known[0][0] == known[1][0]):
        return None
    return matching[known[0][1]]


@lru_cache(maxsize=4)
def common_meanings(recipes: tuple[Recipe, ...]) -> Mapping[str, Meaning]:
    """Return what names mean wherever they are used: those of no platform, and those that all platforms agree on."""
    general: dict[str, Meaning] = {}
    for recipe in (recipe for recipe in recipes if not recipe.platform):
        general |= recipe.meanings
    found: dict[str, Meaning | None] = {}
    for recipe in (recipe for recipe in recipes if recipe.platform):
        for plain, meaning in recipe.meanings.items():
            earlier = found.setdefault(plain, meaning)
            if earlier is not None and earlier.field != meaning.field:
                found[plain] = None
    return {plain: meaning for plain, meaning in found.items() if meaning is not None} | general
