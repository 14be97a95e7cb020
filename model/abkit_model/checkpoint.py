"""A trained scorer on disk: a folder with `queries.safetensors` and `card.json`, one digest over both."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from abkit_model.errors import CheckpointError
from abkit_model.limits import MAX_CARD_BYTES, MAX_WEIGHTS_BYTES, read_limited
from abkit_model.network_shapes import refuse_other_arrays
from abkit_model.records import to_plain

FORMAT = 2
WEIGHTS_FILE = "queries.safetensors"
CARD_FILE = "card.json"
#: Name of the array with the first 8 bytes of the SHA-256 of each image that the queries learned from.
LEARNED_IMAGES = "reference.pictures"
RESTORE = "restore the whole folder from where it came, or train again"
DEMONSTRATION_NOTICE = (
    "Demonstration weights, trained on a small research set of general photographs. "
    "Do not decide about money with them; train on your own ratings or outcomes."
)


@dataclass(frozen=True)
class Scale:
    """The rating scale that scores are on.

    Attributes:
        low: Lowest rating, the first bin.
        high: Highest rating, the last bin.
        bins: Number of equidistant bins from low to high.
    """

    low: float
    high: float
    bins: int

    @property
    def values(self) -> NDArray[np.float64]:
        """Rating that each bin stands for, shape (bins,)."""
        return np.linspace(self.low, self.high, self.bins)


@dataclass(frozen=True, kw_only=True)
class Interval:
    """The conformal interval: it covers the mean opinion of a new image with the level.

    Its half-width is base + per_dissent · predicted standard deviation of opinions. Checkpoints of an earlier release
    have neither, and a half-width that is the same for every image.

    Attributes:
        level: Nominal coverage, for example 0.9.
        half_width: Half-width of an interval that is equally wide for every image, on the rating scale; None where
            nothing could be held out.
        n: Number of held-out images that it was calibrated on.
        coverage: Coverage measured on images of other subjects than those it was calibrated on, or None.
        base: Half-width where no dissent at all is predicted.
        per_dissent: By how much it grows with each step of the predicted standard deviation of opinions.
    """

    level: float
    half_width: float | None
    n: int
    coverage: float | None = None
    base: float | None = None
    per_dissent: float | None = None

    def half_width_at(self, dissent: float) -> float:
        """Return the half-width where this standard deviation of opinions is predicted; NaN without an interval."""
        if self.base is not None and self.per_dissent is not None:
            return self.base + self.per_dissent * dissent
        return float("nan") if self.half_width is None else self.half_width


@dataclass(frozen=True, kw_only=True)
class Card:
    """Facts about a trained scorer, all of them plain JSON.

    Attributes:
        name: Name for people.
        digest: SHA-256 over the weights and this card: the identity of the model version.
        encoder: Name of the frozen encoder.
        encoder_fingerprint: Fingerprint of its architecture, weights and preprocessing; tokens of another are refused.
        scale: The rating scale.
        segment: Slice that the queries were tuned for; '' means all.
        demonstration: True when scores of these weights must be labeled as a demonstration.
        notice: What to tell everyone who sees a score, or ''.
        network: The hyper-parameters of the network.
        interval: The conformal interval.
        activations: Mean and standard deviation over the training images, for each query of each member.
        metrics: Figures with intervals, by protocol. A number that is not defined is null.
        data: What it was trained on: digests, counts, grouping.
        training: Hyper-parameters and seed of the training.
        parent: Digest of the version that the queries were started from, or ''.
        novelty_limit: An image whose distance from the training images is larger than that of 95 % of the images
            held out is unlike anything that the queries were trained on. None where that was not measured.
        format: Version of this layout.
    """

    name: str
    encoder: str
    encoder_fingerprint: str
    scale: Scale
    network: Mapping[str, Any]
    interval: Interval
    digest: str = ""
    segment: str = ""
    demonstration: bool = False
    notice: str = ""
    activations: Mapping[str, list[float]] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    parent: str = ""
    novelty_limit: float | None = None
    format: int = FORMAT


@dataclass(frozen=True)
class Checkpoint:
    """A card and its arrays.

    Attributes:
        card: Facts about the scorer.
        arrays: Weights of the network by name, and under `reference.…` samples of embeddings and scores of the
            training images, for comparing what comes later with them.
    """

    card: Card
    arrays: Mapping[str, NDArray[Any]]

    @property
    def weights(self) -> dict[str, NDArray[Any]]:
        """Arrays of the network only."""
        return {k: v for k, v in self.arrays.items() if not k.startswith("reference.")}


def default_checkpoint() -> Path:
    """Return the folder of the queries that ship with abkit."""
    return Path(__file__).parent / "weights" / "default"


def save(checkpoint: Checkpoint, folder: Path) -> Card:
    """Write a checkpoint, whole or not at all, and return its card with the digest.

    Raises:
        CheckpointError: A number on the card is not finite, or the folder exists already or cannot be written.
    """
    data = safetensors.numpy.save({k: np.ascontiguousarray(v) for k, v in sorted(checkpoint.arrays.items())})
    facts = asdict(checkpoint.card)
    facts["metrics"] = to_plain(facts["metrics"])
    facts["weights_sha256"] = hashlib.sha256(data).hexdigest()
    facts["digest"] = _digest(facts)
    try:
        card = json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    except ValueError as error:
        raise CheckpointError(
            f"the scorer {checkpoint.card.name!r} cannot be used: a number on its card is not finite",
            "look for extreme values in the rating table; if there are none, report a bug in abkit",
        ) from error
    refuse_existing(folder)
    staged = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        (staged / WEIGHTS_FILE).write_bytes(data)
        (staged / CARD_FILE).write_text(card, encoding="utf-8")
        os.replace(staged, folder)
    except OSError as error:
        if staged is not None:
            shutil.rmtree(staged, ignore_errors=True)
        raise CheckpointError(
            f"the checkpoint cannot be written to {folder}: {error.strerror}", "name a folder that can be written to"
        ) from error
    return _card(facts)


def refuse_existing(folder: Path) -> None:
    """Refuse, before hours of training, a folder that could not be written afterwards.

    Raises:
        CheckpointError: The folder exists already and is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CheckpointError(f"{folder} exists already and is not empty", "name a new folder")


def load(folder: Path) -> Checkpoint:
    """Read a checkpoint and check that it is what was written.

    Raises:
        CheckpointError: The folder is not a checkpoint, of a newer format, cut off, altered, with weights of another
            one, or with invalid values on its card.
    """
    facts = _read_facts(folder / CARD_FILE)
    version = facts.get("format")
    if not isinstance(version, int) or version > FORMAT:
        raise CheckpointError(
            f"{folder} has format {version}, this version reads up to {FORMAT}", "upgrade abkit, or train again"
        )
    if version < FORMAT:
        raise CheckpointError(f"{folder} has format {version}, whose network is no longer built", "train again")
    try:
        data = read_limited(folder / WEIGHTS_FILE, MAX_WEIGHTS_BYTES)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder / WEIGHTS_FILE} cannot be read: {_reason(error)}", RESTORE) from error
    if hashlib.sha256(data).hexdigest() != facts.get("weights_sha256"):
        raise CheckpointError(
            f"{folder / WEIGHTS_FILE} is cut off or is not the file that its card describes (wrong digest)", RESTORE
        )
    try:
        if facts.get("digest") != _digest(facts):
            raise CheckpointError(f"{folder / CARD_FILE} was altered after training (wrong digest)", RESTORE)
        refuse_invalid(facts)
        arrays = safetensors.numpy.load(data)
        refuse_other_arrays(facts["network"], arrays)
        return Checkpoint(card=_card(facts), arrays=arrays)
    except (TypeError, KeyError, ValueError, SafetensorError) as error:
        raise CheckpointError(f"{folder} is not a usable checkpoint: {error}", "train again") from error


def _read_facts(path: Path) -> dict[str, Any]:
    try:
        data = read_limited(path, MAX_CARD_BYTES)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path.parent} is not a checkpoint: {path.name} cannot be read ({_reason(error)})",
            f"name a folder that holds {CARD_FILE} and {WEIGHTS_FILE}",
        ) from error
    try:
        facts = json.loads(data.decode("utf-8"))
        if is_too_deep(facts):
            raise RecursionError
    except ValueError as error:
        raise CheckpointError(f"{path} is cut off or is not JSON", RESTORE) from error
    except RecursionError as error:
        raise CheckpointError(
            f"{path} is not a checkpoint card: it is nested too deeply", "name the folder of a checkpoint"
        ) from error
    if not isinstance(facts, dict):
        raise CheckpointError(f"{path} is not a checkpoint card", "train again")
    return facts


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)


def _digest(facts: Mapping[str, Any]) -> str:
    # weights_sha256 is one of the facts, so this one digest covers the weights too
    content = {k: v for k, v in facts.items() if k != "digest"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _card(facts: Mapping[str, Any]) -> Card:
    values = {f.name: facts[f.name] for f in fields(Card) if f.name in facts}
    parsed = {"scale": Scale(**values["scale"]), "interval": Interval(**values["interval"])}
    metrics = to_plain(values.get("metrics", {}))  # an earlier release wrote NaN
    return Card(**(values | parsed | {"metrics": metrics}))


#: Deeper than any card: functions that walk through one call themselves for each level.
DEEPEST = 30

Check = Callable[[Any], bool]


def is_too_deep(value: Any, levels: int = DEEPEST) -> bool:
    """Return whether lists and tables are nested deeper than in any card."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels == 0 or any(is_too_deep(one, levels - 1) for one in inside)


def refuse_invalid(facts: Mapping[str, Any]) -> None:
    """Check the values on a card; unknown keys are left alone.

    Raises:
        ValueError: A value is missing or invalid; the message names the first.
    """
    for paths, check, words in RULES:
        for path in paths.split():
            value: Any = facts
            for key in path.split("."):
                if key not in value:
                    break
                value = value[key]
            else:
                if not check(value):
                    raise ValueError(f"{path} {words}")
                continue
            if path not in OPTIONAL:
                raise ValueError(f"{path} is missing")
    for name, values in facts.get("activations", {}).items():
        if not isinstance(values, list) or not all(map(_is_number, values)):
            raise ValueError(f"activations.{name} is not a list of numbers")
    scale, network = facts["scale"], facts["network"]
    if scale["low"] >= scale["high"]:
        raise ValueError("scale does not rise")
    if network["bins"] != scale["bins"]:
        raise ValueError(f"the network has {network['bins']} bins, the scale {scale['bins']}")
    if network["width"] % network["heads"]:
        raise ValueError(f"a network of width {network['width']} cannot have {network['heads']} heads")


def _is_number(value: Any) -> bool:
    # NaN is on no side of a number, and a whole number may be larger than any float
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is(kind: type) -> Check:
    return lambda value: isinstance(value, kind)


OPTIONAL = {
    "digest", "segment", "notice", "parent", "demonstration", "activations", "metrics", "data", "training",
    "novelty_limit", "interval.coverage", "interval.base", "interval.per_dissent",
}  # fmt: skip

#: Values on a card, how each is checked, and what is said when it is not that; a table before what is in it.
RULES: tuple[tuple[str, Check, str], ...] = (
    ("name encoder encoder_fingerprint digest segment notice parent", _is(str), "is not text"),
    ("demonstration", _is(bool), "is not true or false"),
    ("scale network interval activations metrics data training", _is(dict), "is not a table"),
    ("scale.low scale.high interval.level interval.n network.clip network.dropout", _is_number, "is not a number"),
    ("network.dropout", lambda value: 0 <= value <= 1, "is not between 0 and 1"),
    (
        "interval.half_width interval.coverage interval.base interval.per_dissent novelty_limit",
        lambda value: value is None or _is_number(value),
        "is neither a number nor null",
    ),
    (
        "scale.bins network.bins network.token_dim network.embedding_dim network.queries network.members "
        "network.components network.width network.depth network.heads network.hidden",
        _is_size,
        "is not a whole number above 0",
    ),
    ("scale.bins", lambda value: value > 1, "is not above 1"),
)
