"""Tags: put some on creatives, take them off, and see which there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from abkit.errors import InvalidInput, UsageError
from abkit.records import Record, RecordList
from abkit.store.catalog import tags as stored
from abkit.store.catalog.creatives import creatives_named, find_campaign
from abkit.store.database.engine import Store
from abkit.store.keys import clean_key
from abkit.store.runs import recorded_run

#: Letters of a tag, tags of a creative, and creatives of one call, at most.
LONGEST, MOST_OF_ONE, MOST_AT_ONCE = 50, 30, 1_000


@dataclass(frozen=True, kw_only=True)
class TagChange(Record):
    """What happened to the tags of some creatives.

    Attributes:
        creatives: How many they are.
        tags: The tags that were put on or taken off.
        changed: How many tags are new, or gone: one that was there, or not there, does not count.
        removed: Whether they were taken off.
    """

    creatives: int
    tags: tuple[str, ...]
    changed: int
    removed: bool


@dataclass(frozen=True, kw_only=True)
class TagLine(Record):
    """A tag, and how many creatives have it."""

    tag: str
    creatives: int


@dataclass(frozen=True, kw_only=True)
class TagList(RecordList):
    """The 200 most frequent tags, the most frequent first."""

    tags: tuple[TagLine, ...]

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per tag."""
        return [one.to_dict() for one in self.tags]


def clean_tag(tag: str) -> str:
    """Return a tag without spaces around it, its letters composed.

    Raises:
        UsageError: It is empty, too long, or has a comma or control characters.

    >>> clean_tag(" founder on camera ")
    'founder on camera'
    """
    cleaned = clean_key(tag, "tag")
    if len(cleaned) > LONGEST:
        raise UsageError(f"a tag has {len(cleaned):,} characters", hint=f"{LONGEST} at most")
    if "," in cleaned:
        raise UsageError(f"the tag {cleaned!r} has a comma", hint="commas stand between tags: give each by itself")
    return cleaned


def clean_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """Return tags as they are kept, each once.

    Raises:
        UsageError: One is not valid.
        InvalidInput: There is none, or there are too many.
    """
    if not 1 <= len(tags) <= MOST_OF_ONE:
        raise InvalidInput(f"{len(tags):,} tags cannot be taken at once", hint=f"give 1 to {MOST_OF_ONE}")
    return tuple(dict.fromkeys(map(clean_tag, tags)))


def tag_creatives(store: Store, creatives: Sequence[str], tags: Sequence[str]) -> TagChange:
    """Put tags on creatives; one that a creative has already stays as it is.

    Args:
        store: A store at the current migration.
        creatives: Names, paths or sha256.
        tags: The tags.

    Raises:
        UsageError: A tag is not valid, a name is not that of one creative, or a creative would have too many tags.
        InvalidInput: No creative or tag, or too many at once.
    """
    wanted = clean_tags(tags)
    ids = _creatives(store, creatives)
    with recorded_run(store, "creative tag", {"tags": list(wanted)}) as run, store.write() as session:
        before = stored.count_tags(session, ids)
        stored.add_tags(session, run, ids, wanted)
        if any(len(mine) > MOST_OF_ONE for mine in stored.tags_of(session, ids).values()):
            raise UsageError(f"a creative would have more than {MOST_OF_ONE} tags", hint="take others off first")
        changed = stored.count_tags(session, ids) - before
        run.outcome.update(creatives=len(ids), changed=changed)
    return TagChange(creatives=len(ids), tags=wanted, changed=changed, removed=False)


def untag_creatives(store: Store, creatives: Sequence[str], tags: Sequence[str]) -> TagChange:
    """Take tags off creatives; one that a creative does not have changes nothing.

    Args:
        store: A store at the current migration.
        creatives: Names, paths or sha256.
        tags: The tags.

    Raises:
        UsageError: A tag is not valid, or a name is not that of one creative.
        InvalidInput: No creative or tag, or too many at once.
    """
    wanted = clean_tags(tags)
    ids = _creatives(store, creatives)
    with recorded_run(store, "creative untag", {"tags": list(wanted)}) as run, store.write() as session:
        changed = stored.remove_tags(session, ids, wanted)
        run.outcome.update(creatives=len(ids), changed=changed)
    return TagChange(creatives=len(ids), tags=wanted, changed=changed, removed=True)


def list_tags(store: Store, *, campaign: str | None = None) -> TagList:
    """Return the tags, the most frequent first; only those of a campaign where it is given.

    Raises:
        UsageError: There is no such campaign.
    """
    with store.read() as session:
        of = find_campaign(session, campaign) if campaign is not None else None
        return TagList(tags=tuple(TagLine(tag=tag, creatives=n) for tag, n in stored.known_tags(session, campaign=of)))


def _creatives(store: Store, names: Sequence[str]) -> list[int]:
    if not 1 <= len(names) <= MOST_AT_ONCE:
        raise InvalidInput(f"{len(names):,} creatives cannot be taken at once", hint=f"name 1 to {MOST_AT_ONCE:,}")
    found: list[int] = []
    with store.read() as session:
        known = creatives_named(session, set(names))
    for name in names:
        _, ids = known.get(name, ("", set()))
        if len(ids) != 1:
            what = f"no creative is called {name!r}" if not ids else f"{len(ids)} creatives are called {name!r}"
            raise UsageError(what, hint="`abkit creative list` lists them with their sha256")
        found += ids
    return sorted(set(found))
