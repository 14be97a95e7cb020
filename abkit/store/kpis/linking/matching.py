"""Which creative the name of an ad means: one, none, or several, and then none of them.

The rule, in the order of the code:

1. Candidates are the creatives with a name of the same key (`abkit.names.link_key`). One candidate is linked.
2. Of several, the one that has the ad's full path, where the ad gives a path.
3. Else those in the ad's campaign count, or all of them where the campaign has none (or the ad names no campaign):
   the only one with exactly this file name, else the only one whose name differs in extension, case and separators,
   else the only one at all. Another creative outside the campaign with a better match makes this a guess.
4. What would be a guess is ambiguous, and nothing is linked.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from abkit.names import base_name, composed, is_sha256, plain_key
from abkit.vocabulary import LinkedBy


@dataclass(frozen=True, slots=True)
class NamedCreative:
    """A creative under one of its names, in one of its campaigns; None where the name belongs to no campaign."""

    creative_id: int
    name: str
    base_name: str
    link_key: str
    campaign_id: int | None


@dataclass(frozen=True, slots=True)
class Match:
    """What a name means: the creative and how it was found; or None, and the creatives that it could mean."""

    creative_id: int | None = None
    linked_by: LinkedBy | None = None
    candidates: tuple[int, ...] = ()


_NOTHING = Match()


class _Level(IntEnum):
    """How well a name fits, the best first."""

    PATH = 0
    FILE = 1
    PLAIN = 2
    KEY = 3


_LINKED_BY = {_Level.FILE: LinkedBy.NAME, _Level.PLAIN: LinkedBy.NORMALIZED, _Level.KEY: LinkedBy.NORMALIZED}


class Candidates:
    """The creatives that names can mean, by the key of their names."""

    def __init__(self, creatives: Iterable[NamedCreative], hashes: Iterable[tuple[str, int]] = ()) -> None:
        """Take creatives under their names, and (sha256, creative id) of those that are named by their content."""
        self._by_key: dict[str, list[NamedCreative]] = defaultdict(list)
        for creative in creatives:
            self._by_key[creative.link_key].append(creative)
        self._hashes = dict(hashes)
        self._groups: dict[str, _Group] = {}

    def match(self, name: str, key: str, campaign: int | None) -> Match:
        """Return what a name with this key means in an ad of this campaign (None: the ad names none)."""
        if key not in self._by_key and key not in self._hashes:
            return _NOTHING
        if is_sha256(name) and key in self._hashes:
            return Match(self._hashes[key], LinkedBy.SHA256)
        rows = self._by_key.get(key, [])
        ids = {row.creative_id for row in rows}
        base = composed(base_name(name))
        if len(ids) <= 1:
            exact = any(row.base_name == base or row.name == name for row in rows)
            by = LinkedBy.NAME if exact else LinkedBy.NORMALIZED
            return Match(rows[0].creative_id, by) if rows else _NOTHING
        if key not in self._groups:
            self._groups[key] = _Group(rows)
        return self._groups[key].choose(name, base, campaign)


class _Group:
    """Several creatives whose names have one key: looked up by each way to write the name."""

    def __init__(self, rows: Iterable[NamedCreative]) -> None:
        self._found: dict[tuple[_Level, str, int | None], set[int]] = defaultdict(set)
        self._campaigns: set[int | None] = set()
        for row in rows:
            written = {
                _Level.PATH: row.name,
                _Level.FILE: row.base_name,
                _Level.PLAIN: plain_key(row.base_name),
                _Level.KEY: "",
            }
            for level, text in written.items():
                self._found[level, text, None].add(row.creative_id)
                if row.campaign_id is not None:
                    self._found[level, text, row.campaign_id].add(row.creative_id)
            self._campaigns.add(row.campaign_id)

    def _at(self, level: _Level, text: str, campaign: int | None) -> set[int]:
        return self._found.get((level, text, campaign), set())

    def choose(self, name: str, base: str, campaign: int | None) -> Match:
        if base != composed(name) and len(whole := self._at(_Level.PATH, name, None)) == 1:
            return Match(next(iter(whole)), LinkedBy.NAME)
        scope = campaign if campaign in self._campaigns else None
        written = {_Level.FILE: base, _Level.PLAIN: plain_key(name), _Level.KEY: ""}
        for level, text in written.items():
            elsewhere = self._at(level, text, None)
            here = self._at(level, text, scope)
            if len(here) == 1:
                return Match(next(iter(here)), _LINKED_BY[level])
            if elsewhere:
                break
        everywhere = self._at(_Level.KEY, "", scope)
        return Match(candidates=tuple(sorted(everywhere)))
