"""How unlike the training an image is, on tokens that are drawn: nothing is encoded."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from abkit_model.checkpoint import Checkpoint
from abkit_model.encoders.frozen import Row, collate
from abkit_model.errors import CheckpointError
from abkit_model.novelty import TextureReference, novelty_limit
from abkit_model.scorer import read_texture

CHANNELS = 6


def images(rng: np.random.Generator, n: int, *, tokens: int = 40, letters: float = 0.0) -> list[Row]:
    """Images whose texture channels go together; a share of the tokens is lettering, where they do not.

    Every single channel is distributed alike in both, so that only their covariance tells.
    """
    rows = []
    for _ in range(n):
        together = rng.normal(size=(tokens, 1)) + 0.1 * rng.normal(size=(tokens, CHANNELS))
        apart = rng.normal(size=(tokens, CHANNELS)) * together.std()
        is_letter = np.arange(tokens) < letters * tokens
        seen = np.where(is_letter[:, None], apart, together)
        seen = np.c_[seen, rng.normal(size=(tokens, 2))]  # two more channels that are not of texture
        mask = torch.ones(tokens + 2, dtype=torch.bool)
        mask[-2:] = False  # padding
        padded = torch.cat([torch.from_numpy(seen).half(), torch.full((2, CHANNELS + 2), 99.0).half()])
        rows.append((padded, mask, torch.zeros(1), (1, tokens + 2)))
    return rows


@pytest.fixture(scope="module")
def reference() -> TextureReference:
    return TextureReference.fit(images(np.random.default_rng(0), 80), range(CHANNELS))


@pytest.fixture(scope="module")
def limit(reference: TextureReference) -> float:
    limit = novelty_limit(reference.distances(images(np.random.default_rng(1), 400)))
    assert limit is not None
    return limit


def test_images_with_a_fifth_of_lettering_are_beyond_the_limit_and_new_ones_of_the_kind_are_not(
    reference: TextureReference, limit: float
) -> None:
    rng = np.random.default_rng(2)
    assert (reference.distances(images(rng, 100, letters=0.2)) > limit).mean() >= 0.95
    kind = (reference.distances(images(rng, 400)) > limit).mean()
    assert kind == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 * (1 / 400 + 1 / 400)))


def test_one_corner_of_an_image_however_strange_does_not_make_it_unlike_the_training(
    reference: TextureReference, limit: float
) -> None:
    seen = collate(images(np.random.default_rng(3), 200, tokens=120))
    seen.tokens[:, 0] = 50.0
    assert (reference.distance(seen.tokens, seen.mask).numpy() > limit).mean() < 0.15


def test_what_was_trained_on_lettering_knows_it(limit: float) -> None:
    rng = np.random.default_rng(4)
    known = TextureReference.fit([*images(rng, 80), *images(rng, 80, letters=0.5)], range(CHANNELS))
    own = novelty_limit(known.distances(images(rng, 200, letters=0.5)))
    assert own is not None
    assert (known.distances(images(rng, 200, letters=0.5)) > own).mean() <= 0.1


def test_neither_padding_nor_channels_that_are_no_texture_count(reference: TextureReference) -> None:
    seen = collate(images(np.random.default_rng(5), 8))
    distance = reference.distance(seen.tokens, seen.mask)
    changed = seen.tokens.clone()
    changed[:, -2:] = -7.0
    changed[:, :, CHANNELS:] = 3.0
    torch.testing.assert_close(reference.distance(changed, seen.mask), distance)


def test_an_image_has_one_distance_in_any_batch(reference: TextureReference) -> None:
    rng = np.random.default_rng(6)
    small, large = images(rng, 3, tokens=7), images(rng, 3, tokens=50)
    alone = np.r_[reference.distances(small), reference.distances(large)]
    np.testing.assert_allclose(reference.distances([*small, *large]), alone, rtol=1e-5)


def test_it_comes_back_from_a_checkpoint_as_it_was(reference: TextureReference) -> None:
    view = images(np.random.default_rng(7), 5)
    again = TextureReference.from_arrays(reference.arrays())
    assert again is not None
    assert (again.distances(view) == reference.distances(view)).all()
    assert TextureReference.from_arrays({"reference.score": np.zeros(3)}) is None


def test_parts_that_do_not_fit_are_refused(reference: TextureReference) -> None:
    with pytest.raises(ValueError, match="do not fit each other"):
        TextureReference.from_arrays(replace(reference, mean=reference.mean[1:]).arrays())
    arrays = reference.arrays()
    arrays.pop("reference.texture.basis")
    with pytest.raises(ValueError, match="is not whole"):
        TextureReference.from_arrays(arrays)


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("channels", torch.arange(6.0), "channels of the reference"),
        ("channels", torch.tensor([0, 1, 2, 3, 4, 8]), "names channels that a token does not have"),
        ("channels", torch.tensor([0, 1, 2, 3, 4, -1]), "names channels that a token does not have"),
        ("channels", torch.zeros(6, 1, dtype=torch.int64), "do not fit each other"),
        ("mean", torch.full((6,), torch.nan), "mean of the reference"),
        ("mean", torch.zeros(6, dtype=torch.float64), "mean of the reference"),
        ("whitening", torch.full((4, 6, 6), torch.inf).half(), "whitening of the reference"),
    ],
)
def test_parts_that_would_fail_while_scoring_are_refused_before(
    reference: TextureReference, random_checkpoint: Checkpoint, part: str, value: torch.Tensor, said: str
) -> None:
    arrays = replace(reference, **{part: value}).arrays()
    with pytest.raises(ValueError, match=said):
        TextureReference.from_arrays(arrays, CHANNELS + 2)
    card = replace(random_checkpoint.card, network={**random_checkpoint.card.network, "token_dim": CHANNELS + 2})
    with pytest.raises(CheckpointError, match=said):
        read_texture(Checkpoint(card, arrays))


@pytest.mark.parametrize("n", [1, 3])
def test_few_images_and_flat_ones_give_finite_distances(n: int) -> None:
    rng = np.random.default_rng(8)
    few = TextureReference.fit(images(rng, n, tokens=9))
    assert np.isfinite(few.distances(images(rng, 4))).all()
    row = (torch.zeros(9, CHANNELS), torch.ones(9, dtype=torch.bool), torch.zeros(1), (3, 3))
    flat = TextureReference.fit([row] * n)
    assert np.isfinite(flat.distances([row])).all()


def test_a_limit_needs_nineteen_images_and_leaves_out_what_was_not_measured() -> None:
    assert novelty_limit(np.arange(19.0)) == 18
    assert novelty_limit(np.arange(18.0)) is None
    assert novelty_limit(np.r_[np.arange(19.0), np.nan]) == 18
