"""What tells that two candidates of a campaign are one idea: their names, sizes, hashes and embeddings.

What is put together without being asked is what leaves little doubt: files of one name but for the size, and copies in
another resolution. Names of one size, near copies and alike images are suggested, and wait for a person: two variants
of one layout, made to be tested against each other, look as much alike as two crops of one idea.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from abkit.intake.idea_names import idea_name
from abkit.intake.media.images import ALIKE_BITS, COPY_BITS, SAME_SHAPE
from abkit.records import Record
from abkit.store.catalog import creatives, ideas
from abkit.store.catalog.ideas import Member
from abkit.store.database.statements import wait_for_turn
from abkit.store.runs import RunRecord
from abkit.vocabulary import IdeaSource

#: Cosine of the embeddings. Resized copies have 0.96 and more in 19 of 20 cases; between different images of one kind
#: 0.94 to 0.99 is passed by 1 pair in 1,000: alone it says little.
COPY_COSINE = 0.93
ALIKE_COSINE = 0.985
#: A hash with fewer steps up, or fewer down, tells next to nothing.
FEWEST_STEPS = 6

IDEA_LOCK = 6_223_821
_PAIRS_AT_ONCE = 2**18
_MOST_PAIRS = 20_000
_MOST_OF_ONE_NAME = 20
_MOST_COMPARED = 5_000


@dataclass(frozen=True, kw_only=True)
class Suggestion(Record):
    """Two creatives that may be one idea, for a person to say.

    Attributes:
        first, second: Their names in the campaign.
        why: The evidence for it.
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
    growing = _Ideas(everyone, ideas.joined_by_hand(session))
    for group in _same_name(everyone, names):
        if any(one.creative_id in new for one in group):
            growing.join(group, IdeaSource.NAME)
    for pair in _copies(everyone, new):
        growing.join(pair, IdeaSource.COPY)
    ideas.join(session, run, growing.joinings(names))


class _Ideas:
    """The ideas of a campaign while they grow together: whole ideas join, and never two that have a size in common.

    Two files of one size are variants to be tested against each other, or two revisions: a person has to say.
    """

    def __init__(self, everyone: Sequence[Member], by_hand: Collection[int]) -> None:
        self._by_hand = by_hand
        self._label = {one.creative_id: one.idea or -one.creative_id for one in everyone}
        self._members: dict[int, list[Member]] = defaultdict(list)
        for one in everyone:
            self._members[self._label[one.creative_id]].append(one)
        self._source: dict[int, IdeaSource] = {}
        self._taken: dict[int, list[int]] = {}

    def join(self, group: Sequence[Member], source: IdeaSource) -> None:
        """Make one idea of the ideas of a group, unless a person has put some of them into different ones."""
        labels = list(dict.fromkeys(self._label[one.creative_id] for one in group))
        by_hand = [label for label in labels if label in self._by_hand]
        if len(by_hand) > 1:
            # those that nobody has judged stay where they are
            return
        into = (by_hand or sorted(label for label in labels if label > 0) or labels)[0]
        for label in labels:
            if label != into and not _sizes(self._members[label]) & _sizes(self._members[into]):
                self._take(into, label, source)

    def _take(self, into: int, label: int, source: IdeaSource) -> None:
        joining = self._members.pop(label)
        for one in (*joining, *self._members[into]):
            self._label[one.creative_id] = into
            self._source.setdefault(one.creative_id, source)
        self._members[into] += joining
        self._taken.setdefault(into, []).extend([*self._taken.pop(label, []), label])

    def joinings(self, names: Mapping[int, tuple[str, str]]) -> list[ideas.Joining]:
        """Return what has to be written."""
        return [
            ideas.Joining(
                into=into if into > 0 else None,
                name=names[self._members[into][0].creative_id][0],
                ideas=tuple(label for label in taken if label > 0),
                creatives=tuple(
                    (one.creative_id, self._source[one.creative_id]) for one in self._members[into] if one.idea is None
                ),
            )
            for into, taken in self._taken.items()
        ]


def idea_names(session: Session, campaign: int, everyone: Sequence[Member]) -> dict[int, tuple[str, str]]:
    """Return by creative what its latest name says about its idea, and the folder of that file."""
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
        yield from (inside for inside in folders.values() if len(_sizes(inside)) == len(inside) > 1)


def _sizes(group: Sequence[Member]) -> set[tuple[int, int]]:
    return {(one.width, one.height) for one in group}


def _copies(everyone: Sequence[Member], new: Collection[int]) -> Iterator[tuple[Member, Member]]:
    """Yield pairs of one shape in two resolutions whose hash and embedding agree, the closest first.

    One of each pair is new.
    """
    widths, shapes = np.array([one.width for one in everyone]), _shapes(everyone)
    heights = np.array([one.height for one in everyone])
    steps = _ones(_hashes(everyone))
    # What has hardly a step in brightness (blank, a gradient, a line of text on white) is near everything like it.
    tells = (steps >= FEWEST_STEPS) & (steps <= 64 - FEWEST_STEPS)

    def may_be_one(one: NDArray[np.intp], other: NDArray[np.intp]) -> NDArray[np.bool_]:
        resolutions = (widths[one] != widths[other]) | (heights[one] != heights[other])
        alike = abs(shapes[one] - shapes[other]) <= SAME_SHAPE
        found: NDArray[np.bool_] = alike & resolutions & tells[one] & tells[other]
        return found

    some = np.array([one.creative_id in new for one in everyone], bool)
    found = [
        (bits, -cosine, one, other)
        for one, other, bits in _near(everyone, some, COPY_BITS, may_be_one)
        if (cosine := _cosine(one, other)) is not None and cosine >= COPY_COSINE
    ]
    yield from ((one, other) for _, _, one, other in sorted(found, key=lambda pair: pair[:2]))


def _near(
    everyone: Sequence[Member],
    some: NDArray[np.bool_],
    bits: int,
    wanted: Callable[[NDArray[np.intp], NDArray[np.intp]], NDArray[np.bool_]],
) -> Iterator[tuple[Member, Member, int]]:
    """Yield wanted pairs of some members with any others whose hashes differ in at most so many bits.

    Two hashes that differ in `bits` places agree in one of `bits + 1` parts of them: only members that share a part are
    compared, so that thousands of creatives that are scored once more cost seconds and not minutes. Where there are
    more pairs than a person can ever look at, these are the closest.
    """
    hashes, mine = _hashes(everyone), np.flatnonzero(some)
    found = np.empty((3, 0), np.intp)  # first, second, bits
    parts = _parts(bits + 1)
    for number, part in enumerate(parts):
        for firsts, seconds in _sharing(hashes & part, mine):
            differ = hashes[firsts] ^ hashes[seconds]
            apart = _ones(differ)
            # A pair of two of them is met twice, and everybody meets themselves.
            kept = (apart <= bits) & ((firsts < seconds) | ~some[seconds])
            for earlier in parts[:number]:  # it was met there
                kept &= (differ & earlier) != 0
            firsts, seconds, apart = firsts[kept], seconds[kept], apart[kept]
            kept = wanted(firsts, seconds)
            pairs = np.stack([firsts, seconds, apart.astype(np.intp)])[:, kept]
            found = np.concatenate([found, pairs], axis=1)
            if found.shape[1] > _MOST_PAIRS:
                found = found[:, np.lexsort((found[1], found[0], found[2]))[:_MOST_PAIRS]]
    for one, other, apart_in in found[:, np.lexsort((found[1], found[0], found[2]))].T.tolist():
        yield everyone[one], everyone[other], apart_in


def _parts(count: int) -> list[np.uint64]:
    """Return masks that cut the 64 bits of a hash into so many parts of about one length."""
    edges = [64 * number // count for number in range(count + 1)]
    return [np.uint64((1 << high) - (1 << low)) for low, high in pairwise(edges)]


def _sharing(keys: NDArray[np.uint64], mine: NDArray[np.intp]) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield the pairs of some members with all that have the same key, a bounded number at a time."""
    order = np.argsort(keys, kind="stable")
    in_order = keys[order]
    starts = np.searchsorted(in_order, keys[mine], "left")
    counts = np.searchsorted(in_order, keys[mine], "right") - starts
    mine, starts, counts = (values[counts > 1] for values in (mine, starts, counts))  # all have their own key
    parts = (np.cumsum(counts) - 1) // _PAIRS_AT_ONCE
    for part in np.unique(parts):
        here = parts == part
        of, ends = counts[here], np.cumsum(counts[here])
        within = np.arange(ends[-1]) - np.repeat(ends - of, of)
        yield np.repeat(mine[here], of), order[np.repeat(starts[here], of) + within]


def _hashes(some: Sequence[Member]) -> NDArray[np.uint64]:
    return np.array([int(one.perceptual_hash, 16) for one in some], np.uint64)


def _ones(words: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Return how many of the 64 bits of each word are 1: of every 2, 4 and 8 bits, then all of them."""
    words = words - ((words >> np.uint64(1)) & np.uint64(0x5555_5555_5555_5555))
    pairs = np.uint64(0x3333_3333_3333_3333)
    words = (words & pairs) + ((words >> np.uint64(2)) & pairs)
    words = (words + (words >> np.uint64(4))) & np.uint64(0x0F0F_0F0F_0F0F_0F0F)
    return ((words * np.uint64(0x0101_0101_0101_0101)) >> np.uint64(56)).astype(np.uint8)


def _shapes(some: Sequence[Member]) -> NDArray[np.float64]:
    return np.log([one.width / one.height for one in some])


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
    labels = np.array([one.idea or -one.creative_id for one in everyone])
    apart = np.array([one.source is IdeaSource.APART for one in everyone], bool)
    by_hand = np.array([one.source is IdeaSource.HAND for one in everyone], bool)

    def open_(one: NDArray[np.intp], other: NDArray[np.intp]) -> NDArray[np.bool_]:
        # Two that a person has put into different ideas are not suggested again.
        judged = apart[one] | apart[other] | (by_hand[one] & by_hand[other])
        found: NDArray[np.bool_] = ~judged & (labels[one] != labels[other])
        return found

    pairs: dict[tuple[int, int], tuple[Member, Member, str]] = {}
    for one, other, _ in _near(everyone, np.ones(len(everyone), bool), ALIKE_BITS, open_):
        pairs[one.creative_id, other.creative_id] = (one, other, "nearly the same image")
    groups: dict[str, list[int]] = defaultdict(list)
    for index, member in enumerate(everyone):
        if name := names[member.creative_id][0]:
            groups[name].append(index)
    for group in groups.values():
        for first, second in combinations(group[:_MOST_OF_ONE_NAME], 2):
            if open_(np.array([first]), np.array([second]))[0]:
                one, other = everyone[first], everyone[second]
                pairs[one.creative_id, other.creative_id] = (one, other, "the same name but for the size")
    for one, other in _alike(everyone, open_):
        pairs.setdefault((one.creative_id, other.creative_id), (one, other, "alike in another shape"))
    found = [
        Suggestion(
            first=named[one.creative_id],
            second=named[other.creative_id],
            why=why,
            bits=(int(one.perceptual_hash, 16) ^ int(other.perceptual_hash, 16)).bit_count(),
            cosine=_cosine(one, other),
        )
        for one, other, why in pairs.values()
    ]
    return sorted(found, key=lambda one: (one.bits > ALIKE_BITS, -(one.cosine or 0.0), one.bits, one.first))


def _alike(
    everyone: Sequence[Member], wanted: Callable[[NDArray[np.intp], NDArray[np.intp]], NDArray[np.bool_]]
) -> Iterator[tuple[Member, Member]]:
    """Yield wanted pairs of different shapes whose embeddings are as alike as hardly any two different images are."""
    length = max((len(one.vector) for one in everyone if one.vector), default=0)
    seen = [index for index, one in enumerate(everyone) if one.vector and len(one.vector) == length][:_MOST_COMPARED]
    if len(seen) < 2:
        return
    vectors = np.frombuffer(b"".join(everyone[index].vector or b"" for index in seen), "<f2").reshape(len(seen), -1)
    unit = vectors.astype(np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True).clip(1e-6)
    cosines = np.triu(unit @ unit.T, 1)
    rows, columns = (cosines >= ALIKE_COSINE).nonzero()
    place, shapes = np.array(seen), _shapes(everyone)
    one, other = place[rows], place[columns]
    kept = wanted(one, other) & (abs(shapes[one] - shapes[other]) > SAME_SHAPE)
    best = np.argsort(-cosines[rows, columns][kept], kind="stable")[:_MOST_PAIRS]
    for first, second in zip(one[kept][best].tolist(), other[kept][best].tolist(), strict=True):
        yield everyone[first], everyone[second]
