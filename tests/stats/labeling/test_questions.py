"""Which questions come first: those whose answers are seen to make the ranking better known."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from abkit.stats.labeling.questions import next_images, next_pairs
from abkit.stats.labeling.taste import Labels, Taste, kernel, learn_taste
from abkit.vocabulary import Tells


def taste_of(n: int, labels: Labels | None = None, seed: int = 0) -> Taste:
    return learn_taste(kernel(np.random.default_rng(seed).standard_normal((n, 5))), labels or Labels.none())


def every(n: int) -> np.ndarray:
    return ~np.eye(n, dtype=bool)


def one_group(n: int) -> np.ndarray:
    return np.zeros(n, dtype=np.intp)


def unknown(covariance: np.ndarray, groups: np.ndarray) -> float:
    """Mean variance of the liking of each image against the mean of its group, by hand."""
    total = 0.0
    for group in np.unique(groups):
        own = np.flatnonzero(groups == group)
        center = np.eye(len(own)) - 1 / len(own)
        total += np.trace(center @ covariance[np.ix_(own, own)] @ center)
    return total / len(groups)


def test_the_first_pair_is_the_one_that_leaves_least_unknown() -> None:
    groups = np.array([0, 0, 0, 0, 1, 1, 1])
    taste = taste_of(7)
    allowed = every(7) & (groups[:, None] == groups[None, :])
    (asked,) = next_pairs(taste, allowed, groups, 1)
    left = {}
    for i, j in np.argwhere(np.triu(allowed)):
        c = taste.covariance[:, i] - taste.covariance[:, j]
        variance = c[i] - c[j]
        # expected information of an answer, by the average over what may be true
        d = np.linspace(-8, 8, 2001)
        density = np.exp(-(d**2) / (2 * variance))
        chance = 1 / (1 + np.exp(-1.2 * d))
        information = float(density @ (1.44 * chance * (1 - chance)) / density.sum())
        after = taste.covariance - np.outer(c, c) * information / (1 + information * variance)
        left[int(i), int(j)] = unknown(after, groups)
    assert (asked.first, asked.second) == min(left, key=left.__getitem__)
    before = unknown(taste.covariance, groups)
    assert asked.gain == pytest.approx((before - min(left.values())) / before, rel=0.05)


def test_the_next_pair_is_chosen_as_if_the_first_were_answered() -> None:
    taste, groups = taste_of(7, seed=5), np.array([0, 0, 0, 0, 1, 1, 1])
    allowed = every(7) & (groups[:, None] == groups[None, :])
    asked, at_first = next_pairs(taste, allowed, groups, 6), unknown(taste.covariance, groups)
    for one, following in pairwise(asked):
        c = taste.covariance[:, one.first] - taste.covariance[:, one.second]
        variance = c[one.first] - c[one.second]
        spread = 8 / np.pi + 1.44 * variance  # the mean is 0 everywhere
        information = 1.44 / np.sqrt(2 * np.pi * spread)
        after = taste.covariance - np.outer(c, c) * information / (1 + information * variance)
        left = unknown(after, groups) / at_first
        taste = replace(taste, covariance=after)
        allowed[one.first, one.second] = allowed[one.second, one.first] = False
        (alone,) = next_pairs(taste, allowed, groups, 1)
        assert (alone.first, alone.second) == (following.first, following.second)
        assert following.gain == pytest.approx(alone.gain * left)  # of what was unknown at first


def test_the_first_image_is_the_one_whose_rating_leaves_least_unknown() -> None:
    taste, groups = taste_of(6, seed=2), one_group(6)
    (asked,) = next_images(taste, np.ones(6, dtype=bool), groups, 1)
    C = taste.covariance
    left = [unknown(C - np.outer(C[:, i], C[:, i]) / (1 + C[i, i]), groups) for i in range(6)]
    assert asked.first == int(np.argmin(left))
    assert asked.gain == pytest.approx(1 - min(left) / unknown(C, groups))
    assert (asked.second, asked.chance) == (None, None)


def test_each_is_asked_once_and_only_what_is_allowed() -> None:
    allowed = every(5)
    allowed[0, 1] = allowed[1, 0] = False
    asked = next_pairs(taste_of(5), allowed, one_group(5), 50)
    pairs = [(one.first, one.second) for one in asked]
    assert len(set(pairs)) == len(pairs) == 9
    assert (0, 1) not in pairs
    images = next_images(taste_of(5), np.array([True, False, True, True, False]), one_group(5), 50)
    assert sorted(one.first for one in images) == [0, 2, 3]


def test_images_that_are_looked_for_are_in_every_question() -> None:
    wanted = np.array([False, False, True, False, True, False])
    asked = next_pairs(taste_of(6), every(6), one_group(6), 50, wanted=wanted)
    assert len(asked) == 9
    assert all(wanted[one.first] or wanted[one.second] for one in asked)
    assert {one.tells for one in asked} == {Tells.UNFAMILIAR}
    assert {one.first for one in next_images(taste_of(6), np.ones(6, bool), one_group(6), 9, wanted=wanted)} == {2, 4}


def test_pairs_whose_winner_is_known_are_not_asked() -> None:
    i, j = np.array([0] * 12), np.array([1] * 12)
    taste = taste_of(4, Labels.of_pairs(i, j, np.ones(12)), seed=4)
    (asked,) = next_pairs(taste, every(4), one_group(4), 1)
    assert {asked.first, asked.second} != {0, 1}


def test_what_is_left_of_well_known_images_is_close() -> None:
    pairs = np.array([(i, j) for i in range(4) for j in range(i + 1, 4)])
    labels = Labels.of_pairs(pairs[:, 0], pairs[:, 1], np.full(6, 0.5), np.full(6, 30.0))
    before = next_pairs(taste_of(4), every(4), one_group(4), 1)[0]
    after = next_pairs(taste_of(4, labels), every(4), one_group(4), 1)[0]
    assert (before.tells, after.tells) == (Tells.UNKNOWN, Tells.CLOSE)


def test_turning_a_question_turns_its_chance() -> None:
    labels = Labels.of_pairs(np.array([0, 0]), np.array([1, 2]), np.ones(2))
    asked = next_pairs(taste_of(3, labels), every(3), one_group(3), 1)[0]
    turned = asked.turned()
    assert (turned.first, turned.second, turned.chance) == (asked.second, asked.first, 1 - (asked.chance or 0))


def test_where_nothing_differs_every_pair_has_no_gain() -> None:
    taste = learn_taste(kernel(np.ones((3, 2))), Labels.none())
    assert [one.gain for one in next_pairs(taste, every(3), one_group(3), 2)] == [0.0, 0.0]


def test_active_choice_beats_random_choice_of_as_many() -> None:
    gained = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((60, 12)) * np.geomspace(3, 0.3, 12)
        alike, truth = kernel(X), X @ rng.standard_normal(12) / 3
        figures = []
        for active in (True, False):
            labels = Labels.none()
            if active:
                asked = next_pairs(learn_taste(alike, labels), every(60), one_group(60), 15)
                i, j = (np.array([getattr(one, side) for one in asked]) for side in ("first", "second"))
            else:
                i, j = rng.integers(60, size=(2, 15))
            answers = (truth[i] > truth[j]).astype(float)
            mean = learn_taste(alike, Labels.of_pairs(i, j, answers)).mean
            figures.append(np.corrcoef(mean, truth)[0, 1])
        gained.append(figures[0] - figures[1])
    assert np.mean(gained) > 0.03
