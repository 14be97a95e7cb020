import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from abkit_model import checkpoint as checkpoints
from abkit_model.checkpoint import CARD_FILE, FORMAT, WEIGHTS_FILE, Checkpoint
from abkit_model.encoders.frozen import FrozenEncoder
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


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"metrics":' + "[" * 300 + "]" * 300 + "}"], ids=["without end", "closed again"]
)
def test_it_refuses_a_card_that_is_nested_without_end(checkpoint_folder: Path, text: str) -> None:
    (checkpoint_folder / CARD_FILE).write_text(text)
    assert "nested too deeply" in complaint(checkpoint_folder)


def rewrite(folder: Path, *keys: str, value: Any) -> None:
    """Change one value on a card and put a digest on it that is right for what it says now."""
    facts = json.loads((folder / CARD_FILE).read_text())
    place = facts
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    facts["digest"] = checkpoints._digest(facts)
    (folder / CARD_FILE).write_text(json.dumps(facts))


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        (["encoder"], None, "encoder is not text"),
        (["name"], 7, "name is not text"),
        (["demonstration"], "no", "demonstration is not true or false"),
        (["metrics"], [], "metrics is not a table"),
        (["activations"], {"std": ["a"]}, "activations.std is not a list of numbers"),
        (["activations"], {"std": 1}, "activations.std is not a list of numbers"),
        (["novelty_limit"], "1", "novelty_limit is neither a number nor null"),
        (["scale"], None, "scale is not a table"),
        (["scale", "high"], "7", "scale.high is not a number"),
        (["scale", "high"], math.nan, "scale.high is not a number"),
        (["scale", "high"], 10**400, "scale.high is not a number"),
        (["scale", "low"], 7, "scale does not rise"),
        (["scale", "bins"], 7.0, "scale.bins is not a whole number above 0"),
        (["scale", "bins"], 1, "scale.bins is not above 1"),
        (["scale", "bins"], 5, "the network has 7 bins, the scale 5"),
        (["interval"], [], "interval is not a table"),
        (["interval", "level"], None, "interval.level is not a number"),
        (["interval", "half_width"], math.inf, "interval.half_width is neither a number nor null"),
        (["interval", "n"], "100", "interval.n is not a number"),
        (["network"], "large", "network is not a table"),
        (["network", "heads"], 0, "network.heads is not a whole number above 0"),
        (["network", "heads"], 3, "a network of width 16 cannot have 3 heads"),
        (["network", "depth"], 0, "network.depth is not a whole number above 0"),
        (["network", "queries"], True, "network.queries is not a whole number above 0"),
        (["network", "dropout"], 2, "network.dropout is not between 0 and 1"),
        (["network", "clip"], None, "network.clip is not a number"),
    ],
)
def test_it_refuses_a_card_whose_values_cannot_be_though_its_digest_is_right(
    checkpoint_folder: Path, keys: list[str], value: Any, said: str
) -> None:
    rewrite(checkpoint_folder, *keys, value=value)
    told = complaint(checkpoint_folder)
    assert told == f"{checkpoint_folder} is not a usable checkpoint: {said}"


@pytest.mark.parametrize("name", ["encoder", "scale", "network", "interval"])
def test_it_names_what_is_missing_on_a_card(checkpoint_folder: Path, name: str) -> None:
    facts = json.loads((checkpoint_folder / CARD_FILE).read_text())
    del facts[name]
    facts["digest"] = checkpoints._digest(facts)
    (checkpoint_folder / CARD_FILE).write_text(json.dumps(facts))
    assert complaint(checkpoint_folder).endswith(f"is not a usable checkpoint: {name} is missing")


def test_a_card_of_text_that_is_no_unicode_is_refused(checkpoint_folder: Path) -> None:
    card = checkpoint_folder / CARD_FILE
    card.write_text(card.read_text().replace('"name": "random"', '"name": "\\ud800"'))
    assert "\\ud800" in card.read_text()
    assert complaint(checkpoint_folder)


def test_figures_that_are_not_defined_are_null_on_the_card_and_the_card_is_json(
    random_checkpoint: Checkpoint, tmp_path: Path
) -> None:
    metrics = {
        "grouped_folds": {"srcc": {"value": 0.5, "low": math.nan, "high": math.inf}, "srcc_by_fold": [0.1, math.nan]},
        "pairs": ({"ece": -math.inf},),
    }
    card = checkpoints.save(replace_metrics(random_checkpoint, metrics), tmp_path / "one")
    written = json.loads((tmp_path / "one" / CARD_FILE).read_text(), parse_constant=pytest.fail)
    assert written["metrics"] == {
        "grouped_folds": {"srcc": {"value": 0.5, "low": None, "high": None}, "srcc_by_fold": [0.1, None]},
        "pairs": [{"ece": None}],
    }
    assert checkpoints.load(tmp_path / "one").card == card
    assert card.metrics == written["metrics"]


def replace_metrics(checkpoint: Checkpoint, metrics: dict[str, Any]) -> Checkpoint:
    return Checkpoint(replace(checkpoint.card, metrics=metrics), checkpoint.arrays)


def test_figures_that_an_earlier_release_wrote_as_nan_are_read_as_null(checkpoint_folder: Path) -> None:
    rewrite(checkpoint_folder, "metrics", value={"srcc_by_fold": [math.nan, 0.5]})
    assert checkpoints.load(checkpoint_folder).card.metrics == {"srcc_by_fold": [None, 0.5]}


def test_a_scorer_whose_own_numbers_are_not_finite_is_not_written(
    random_checkpoint: Checkpoint, tmp_path: Path
) -> None:
    broken = replace(random_checkpoint.card, novelty_limit=math.nan)
    with pytest.raises(CheckpointError, match="not finite") as caught:
        checkpoints.save(Checkpoint(broken, random_checkpoint.arrays), tmp_path / "one")
    assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_the_shipped_checkpoint_is_whole_and_its_card_is_json() -> None:
    folder = checkpoints.default_checkpoint()
    checkpoints.load(folder)
    json.loads((folder / CARD_FILE).read_text(), parse_constant=pytest.fail)
