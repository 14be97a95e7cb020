"""What tells that two candidates of a campaign are one idea: their names, sizes, hashes and embeddings.

What is put together without being asked is what leaves little doubt: files of one name but for the size, and copies in
another resolution. Names of one size, near copies and alike images are suggested, and wait for a person: two variants
of one layout, made to be tested against each other, look as much alike as two crops of one idea.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from abkit.intake.idea_names import idea_name
from abkit.records import Record
from abkit.store import creatives, ideas
from abkit.store.database.statements import wait_for_turn
from abkit.store.ideas import Member
from abkit.store.runs import RunRecord
from abkit.vocabulary import IdeaSource

#: Of 64 bits of the perceptual hash. Different web ads, pages and photographs differ in 12 and more, resized and
#: re-encoded copies in 2 as the median; the variants of one layout in 1 to 4.
COPY_BITS = 2
ALIKE_BITS = 6
#: Cosine of the embeddings. Resized copies have 0.96 and more in 19 of 20 cases; between different images of one kind
#: 0.94 to 0.99 is passed by 1 pair in 1,000: alone it says little.
COPY_COSINE = 0.93
ALIKE_COSINE = 0.985
#: Sides of one shape: their ratios differ by no more than rounding to whole pixels makes them.
SAME_SHAPE = 0.02

IDEA_LOCK = 6_223_821
_BITS = np.array([bin(byte).count("1") for byte in range(256)], np.uint8)
_BYTES_AT_ONCE = 2**26
_MOST_OF_ONE_NAME = 20
_MOST_COMPARED = 5_000


@dataclass(frozen=True, kw_only=True)
class Suggestion(Record):
    """Two creatives that may be one idea, for a person to say.

    Attributes:
        first, second: Their names in the campaign.
        why: What speaks for it.
        bits: In how many of 64 bits their perceptual hashes differ.
        cosine: Of their embeddings; None where one has none.
    """

    first: str
    second: str
    why: str
    bits: int
    cosine: float | None


def find_ideas(session: Session, run: RunRecord, campaign: int, fingerprint: str, new: Collection[int]) -> None:
    """Put candidates of a campaign together that are one idea; what a person decided stays as it is.

    Args:
        session: A writing session.
        run: Whose work this is.
        campaign: Id of the campaign.
        fingerprint: Of the encoder whose embeddings are compared.
        new: Ids of the candidates that may have come since the last time.
    """
    wait_for_turn(session, IDEA_LOCK)
    found = ideas.members(session, campaign, fingerprint)
    everyone = [one for one in found if one.source is not IdeaSource.APART]
    names = idea_names(session, campaign, everyone)
    for group in _same_name(everyone, names):
        if any(one.creative_id in new for one in group):
            _join(session, run, group, IdeaSource.NAME, names)
    for pair in _copies(everyone, new):
        _join(session, run, pair, IdeaSource.COPY, names)


def _join(
    session: Session, run: RunRecord, group: Sequence[Member], source: IdeaSource, names: Mapping[int, tuple[str, str]]
) -> None:
    by_hand = {one.idea for one in group if one.source is IdeaSource.HAND}
    if len(by_hand) > 1:
        # A person has put them into different ideas: those that nobody has judged stay where they are.
        return
    ids = [one.creative_id for one in group]
    known = ideas.ideas_of(session, ids)
    if len(set(known.values())) > 1:
        free = [one.creative_id for one in group if one.source is not IdeaSource.HAND]
        anchor = [one.creative_id for one in group if one.source is IdeaSource.HAND][:1]
        ideas.put_together(session, run, [*anchor, *free], source, name=names[ids[0]][0])


def idea_names(session: Session, campaign: int, everyone: Sequence[Member]) -> dict[int, tuple[str, str]]:
    """Return by creative what its latest name says of its idea, and the folder of that file."""
    called = creatives.creative_names(session, [one.creative_id for one in everyone], campaign=campaign)
    found = {}
    for one in everyone:
        full = called[one.creative_id][0][0] if one.creative_id in called else ""
        found[one.creative_id] = (idea_name(full, one.width, one.height), full.rpartition("/")[0])
    return found


def _same_name(everyone: Sequence[Member], names: Mapping[int, tuple[str, str]]) -> Iterator[list[Member]]:
    """Yield groups of one name in several sizes; where a size comes twice, only files of one folder belong together."""
    groups: dict[str, list[Member]] = defaultdict(list)
    for one in everyone:
        if names[one.creative_id][0]:
            groups[names[one.creative_id][0]].append(one)
    for group in groups.values():
        if len(_sizes(group)) == len(group) > 1:
            yield group
            continue
        folders: dict[str, list[Member]] = defaultdict(list)
        for one in group:
            folders[names[one.creative_id][1]].append(one)
        yield from (inside for inside in folders.values() if len(_sizes(inside)) > 1)


def _sizes(group: Sequence[Member]) -> set[tuple[int, int]]:
    return {(one.width, one.height) for one in group}


def _copies(everyone: Sequence[Member], new: Collection[int]) -> Iterator[tuple[Member, Member]]:
    """Yield pairs of one shape in two resolutions whose hash and embedding agree; one of each pair is new."""
    for one, other, _ in _near(everyone, [one for one in everyone if one.creative_id in new], COPY_BITS):
        resolutions = (one.width, one.height) != (other.width, other.height)
        cosine = _cosine(one, other)
        if resolutions and _same_shape(one, other) and cosine is not None and cosine >= COPY_COSINE:
            yield one, other


def _near(everyone: Sequence[Member], some: Sequence[Member], bits: int) -> Iterator[tuple[Member, Member, int]]:
    """Yield pairs of some members with any others whose hashes differ in at most so many bits."""
    place = {one.creative_id: index for index, one in enumerate(everyone)}
    mine = {one.creative_id for one in some}
    hashes = _hashes(everyone)
    step = max(1, _BYTES_AT_ONCE // max(1, hashes.size))
    for start in range(0, len(some), step):
        block = some[start : start + step]
        apart = _BITS[_hashes(block)[:, None, :] ^ hashes[None, :, :]].sum(axis=2, dtype=np.uint8)  # (block, all)
        for row, column in zip(*(apart <= bits).nonzero(), strict=True):
            one, other = block[row], everyone[column]
            # A pair of two of them is met twice, and everybody meets themselves.
            if place[one.creative_id] < column or other.creative_id not in mine:
                yield one, other, int(apart[row, column])


def _hashes(some: Sequence[Member]) -> NDArray[np.uint8]:
    text = "".join(one.perceptual_hash for one in some)
    return np.frombuffer(bytes.fromhex(text), np.uint8).reshape(len(some), 8)


def _same_shape(one: Member, other: Member) -> bool:
    return abs(math.log(one.width / one.height * other.height / other.width)) <= SAME_SHAPE


def _cosine(one: Member, other: Member) -> float | None:
    if one.vector is None or other.vector is None or len(one.vector) != len(other.vector):
        return None
    a, b = (np.frombuffer(member.vector or b"", "<f2").astype(np.float64) for member in (one, other))
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / length if length else None


def suggestions(
    everyone: Sequence[Member], named: Mapping[int, str], names: Mapping[int, tuple[str, str]]
) -> list[Suggestion]:
    """Return pairs that may be one idea: names of one size, near copies, and alike images in different shapes."""
    if not everyone:
        return []
    bits = {(one.creative_id, other.creative_id): apart for one, other, apart in _near(everyone, everyone, ALIKE_BITS)}
    by_id = {one.creative_id: one for one in everyone}
    pairs = dict.fromkeys(bits, "nearly the same image")
    groups: dict[str, list[int]] = defaultdict(list)
    for id_, (name, _) in names.items():
        if name:
            groups[name].append(id_)
    for group in groups.values():
        pairs |= dict.fromkeys(combinations(group[:_MOST_OF_ONE_NAME], 2), "the same name but for the size")
    pairs |= {pair: "alike in another shape" for pair in _alike(everyone) if pair not in pairs}
    found = []
    for (first, second), why in pairs.items():
        one, other = by_id[first], by_id[second]
        # Two that a person has put into different ideas are not suggested again.
        judged = IdeaSource.APART in (one.source, other.source) or one.source == other.source == IdeaSource.HAND
        if judged or (one.idea is not None and one.idea == other.idea):
            continue
        apart = int(_BITS[_hashes([one])[0] ^ _hashes([other])[0]].sum())
        cosine = _cosine(one, other)
        found.append(Suggestion(first=named[first], second=named[second], why=why, bits=apart, cosine=cosine))
    return sorted(found, key=lambda one: (one.bits > ALIKE_BITS, -(one.cosine or 0.0), one.bits, one.first))


def _alike(everyone: Sequence[Member]) -> Iterator[tuple[int, int]]:
    """Yield pairs of different shapes whose embeddings are as alike as hardly any two different images are."""
    length = max((len(one.vector) for one in everyone if one.vector), default=0)
    seen = [one for one in everyone if one.vector and len(one.vector) == length][:_MOST_COMPARED]
    if len(seen) < 2:
        return
    vectors = np.frombuffer(b"".join(one.vector or b"" for one in seen), "<f2").reshape(len(seen), -1)
    unit = vectors.astype(np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True).clip(1e-6)
    cosines = np.triu(unit @ unit.T, 1)
    for row, column in zip(*(cosines >= ALIKE_COSINE).nonzero(), strict=True):
        if not _same_shape(seen[row], seen[column]):
            yield seen[row].creative_id, seen[column].creative_id
