import json
from dataclasses import replace
from pathlib import Path

import pytest

from abkit_model import checkpoint as checkpoints
from abkit_model.checkpoint import CARD_FILE, FORMAT, WEIGHTS_FILE, Checkpoint
from abkit_model.encoders import FrozenEncoder
from abkit_model.errors import CheckpointError
from abkit_model.scorer import Scorer


def complaint(folder: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        checkpoints.load(folder)
    assert caught.value.hint
    return caught.value.message


def test_what_is_loaded_is_what_was_saved(random_checkpoint: Checkpoint, tmp_path: Path) -> None:
    card = checkpoints.save(random_checkpoint, tmp_path / "one")
    loaded = checkpoints.load(tmp_path / "one")
    assert loaded.card == card == replace(random_checkpoint.card, digest=card.digest)
    assert all((loaded.arrays[k] == v).all() for k, v in random_checkpoint.arrays.items())


def test_the_same_content_has_the_same_digest(random_checkpoint: Checkpoint, tmp_path: Path) -> None:
    one = checkpoints.save(random_checkpoint, tmp_path / "one")
    two = checkpoints.save(random_checkpoint, tmp_path / "two")
    renamed = replace(random_checkpoint, card=replace(random_checkpoint.card, name="other"))
    assert one.digest == two.digest
    assert checkpoints.save(renamed, tmp_path / "three").digest != one.digest


def test_it_refuses_weights_that_were_cut_off(checkpoint_folder: Path) -> None:
    weights = checkpoint_folder / WEIGHTS_FILE
    weights.write_bytes(weights.read_bytes()[:-100])
    assert "wrong digest" in complaint(checkpoint_folder)


def test_it_refuses_a_card_that_was_altered(checkpoint_folder: Path) -> None:
    card = checkpoint_folder / CARD_FILE
    card.write_text(card.read_text().replace('"half_width": 1.25', '"half_width": 0.25'))
    assert "altered" in complaint(checkpoint_folder)


def test_it_refuses_a_card_that_was_cut_off(checkpoint_folder: Path) -> None:
    card = checkpoint_folder / CARD_FILE
    card.write_text(card.read_text()[:200])
    assert "cut off" in complaint(checkpoint_folder)


def test_it_refuses_a_newer_format(checkpoint_folder: Path) -> None:
    card = checkpoint_folder / CARD_FILE
    card.write_text(json.dumps(json.loads(card.read_text()) | {"format": FORMAT + 1}))
    assert f"format {FORMAT + 1}, this version reads up to {FORMAT}" in complaint(checkpoint_folder)


def test_it_refuses_a_format_whose_network_is_no_longer_built(checkpoint_folder: Path) -> None:
    card = checkpoint_folder / CARD_FILE
    card.write_text(json.dumps(json.loads(card.read_text()) | {"format": 1}))
    assert "no longer built" in complaint(checkpoint_folder)


def test_it_refuses_a_folder_that_holds_no_checkpoint(tmp_path: Path) -> None:
    assert "not a checkpoint" in complaint(tmp_path)


def test_it_never_writes_over_a_checkpoint(random_checkpoint: Checkpoint, checkpoint_folder: Path) -> None:
    with pytest.raises(CheckpointError, match="exists already"):
        checkpoints.save(random_checkpoint, checkpoint_folder)


def test_it_refuses_queries_of_another_encoder(random_checkpoint: Checkpoint, encoder: FrozenEncoder) -> None:
    other = replace(random_checkpoint.card, encoder_fingerprint="0123456789abcdef")
    with pytest.raises(CheckpointError, match="another encoder"):
        Scorer(Checkpoint(other, random_checkpoint.arrays), encoder)


def test_it_refuses_weights_that_do_not_fit_the_card(random_checkpoint: Checkpoint, encoder: FrozenEncoder) -> None:
    network = {**random_checkpoint.card.network, "queries": 9}
    with pytest.raises(CheckpointError, match="do not fit"):
        Scorer(Checkpoint(replace(random_checkpoint.card, network=network), random_checkpoint.arrays), encoder)
