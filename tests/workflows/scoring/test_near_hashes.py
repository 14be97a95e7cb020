"""Hashes that are near each other are found without comparing all of them, and exactly the same pairs."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abkit.intake.media.images import ALIKE_BITS, COPY_BITS
from abkit.store.catalog.ideas import Member
from abkit.workflows.scoring import same_idea

EVERY_PAIR = 10**9
#: Of all pairs of hashes that have nothing to do with each other, at most this many are compared.
SHARE = 1 / 100


def member(number: int, bits: int) -> Member:
    return Member(
        creative_id=number, sha256=f"{number:064x}", perceptual_hash=f"{bits:016x}", width=100, height=100,
        idea=None, source=None, vector=None,
    )  # fmt: skip


@st.composite
def crowds(draw: st.DrawFn) -> tuple[list[Member], np.ndarray]:
    """Members whose hashes lie around a few others, some of them new."""
    centers = draw(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=4))
    flips = st.lists(st.integers(0, 63), max_size=4)
    hashes = [
        draw(st.sampled_from(centers)) ^ sum({1 << place for place in draw(flips)})
        for _ in range(draw(st.integers(0, 25)))
    ]
    new = draw(st.lists(st.booleans(), min_size=len(hashes), max_size=len(hashes)))
    return [member(number, bits) for number, bits in enumerate(hashes)], np.array(new, bool)


@settings(max_examples=150, deadline=None)
@given(crowd=crowds(), bits=st.sampled_from([0, 1, COPY_BITS, ALIKE_BITS]), most=st.sampled_from([3, EVERY_PAIR]),
       at_once=st.sampled_from([1, 7, 2**18]))  # fmt: skip
def test_the_pairs_found_are_those_of_comparing_everyone_with_everyone(
    crowd: tuple[list[Member], np.ndarray], bits: int, most: int, at_once: int
) -> None:
    everyone, new = crowd

    def odd_or_far(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return (one + other) % 3 != 0

    wanted = sorted(
        (apart, one, other)
        for one, other in combinations(range(len(everyone)), 2)
        if (new[one] or new[other]) and (one + other) % 3 != 0
        if (apart := (int(everyone[one].perceptual_hash, 16) ^ int(everyone[other].perceptual_hash, 16)).bit_count())
        <= bits
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(same_idea, "_MOST_PAIRS", most)
        patch.setattr(same_idea, "_PAIRS_AT_ONCE", at_once)
        found = [
            (apart, *sorted((one.creative_id, other.creative_id)))
            for one, other, apart in same_idea._near(everyone, new, bits, odd_or_far)
        ]
    if most == EVERY_PAIR:
        assert sorted(found) == wanted
        assert [apart for apart, _, _ in found] == [apart for apart, _, _ in wanted]
    else:
        assert [apart for apart, _, _ in found] == [apart for apart, _, _ in wanted[:most]]
        assert set(found) <= set(wanted)


@pytest.mark.parametrize("count", [2_500, 5_000])
def test_of_thousands_of_creatives_that_come_once_more_few_pairs_are_compared(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    hashes = random.integers(0, 2**63, count)
    hashes[-1] = hashes[0] ^ 0b101
    everyone = [member(number, int(bits)) for number, bits in enumerate(hashes)]
    compared = 0
    sharing = same_idea._sharing

    def counted(keys: np.ndarray, mine: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        nonlocal compared
        for firsts, seconds in sharing(keys, mine):
            compared += len(firsts)
            yield firsts, seconds

    monkeypatch.setattr(same_idea, "_sharing", counted)
    near = same_idea._near(everyone, np.ones(count, bool), COPY_BITS, lambda one, other: one != other)
    assert [(one.creative_id, other.creative_id, bits) for one, other, bits in near] == [(0, count - 1, 2)]
    assert 0 < compared < SHARE * count**2
