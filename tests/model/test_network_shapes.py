"""A card names the sizes of a network: they are compared with its arrays before anything is built."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from abkit_model import checkpoint as checkpoints
from abkit_model import network_shapes
from abkit_model.checkpoint import CARD_FILE, WEIGHTS_FILE, Checkpoint
from abkit_model.errors import CheckpointError
from abkit_model.network_shapes import refuse_other_arrays, shapes


def sealed(folder: Path, **network: Any) -> Path:
    """Change the sizes on a card, so that its digest is that of the new card."""
    path = folder / CARD_FILE
    facts = json.loads(path.read_text())
    facts["network"] |= network
    facts["scale"]["bins"] = facts["network"]["bins"]
    facts["weights_sha256"] = hashlib.sha256((folder / WEIGHTS_FILE).read_bytes()).hexdigest()
    facts["digest"] = checkpoints._digest(facts)
    path.write_text(json.dumps(facts))
    return folder


def complaint(folder: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        checkpoints.load(folder)
    return caught.value.message


def test_the_shapes_are_those_of_the_network_itself(random_checkpoint: Checkpoint) -> None:
    found = dict(shapes(random_checkpoint.card.network))
    assert found == {name: array.shape for name, array in random_checkpoint.weights.items()}


SIZES = "token_dim embedding_dim components members depth queries width hidden bins"


@pytest.mark.parametrize("name", SIZES.split())
def test_a_size_that_the_arrays_do_not_have_is_refused_before_the_network_is_built(
    checkpoint_folder: Path, name: str
) -> None:
    assert "is not a usable checkpoint: " in complaint(sealed(checkpoint_folder, **{name: 2**31}))
    assert str(2**31) in complaint(checkpoint_folder) or "has an array members" in complaint(checkpoint_folder)


def test_values_that_are_no_numbers_are_refused(checkpoint_folder: Path) -> None:
    path = checkpoint_folder / WEIGHTS_FILE
    arrays = safetensors.numpy.load(path.read_bytes())
    for wrong in (np.full((4, 16), np.nan, np.float32), np.ones((4, 16), np.int32)):
        path.write_bytes(safetensors.numpy.save(arrays | {"members.0.queries": wrong}))
        assert "members.0.queries has values that are not finite" in complaint(sealed(checkpoint_folder))


def test_a_network_of_too_many_parameters_is_refused(
    random_checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_shapes, "MAX_PARAMETERS", 10_000)
    with pytest.raises(ValueError, match="more than 10,000 parameters"):
        refuse_other_arrays(random_checkpoint.card.network, random_checkpoint.weights)


@pytest.mark.parametrize("name", [CARD_FILE, WEIGHTS_FILE])
def test_a_pipe_or_a_file_that_is_too_large_is_refused_unread(
    checkpoint_folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = "MAX_CARD_BYTES" if name == CARD_FILE else "MAX_WEIGHTS_BYTES"
    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, limit, 100)
        assert "larger than" in complaint(checkpoint_folder)
    (checkpoint_folder / name).unlink()
    os.mkfifo(checkpoint_folder / name)
    assert "not a regular file" in complaint(checkpoint_folder)
