"""The folder of an exported scorer: `scorer.onnx`, and `scorer.json` with what is needed to use it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from abkit_model.checkpoint import Card, Interval, Scale
from abkit_model.errors import CheckpointError
from abkit_model.images import RULES, Canvas
from abkit_model.limits import require_regular

GRAPH_FILE = "scorer.onnx"
FACTS_FILE = "scorer.json"
INPUTS = ("pixels", "width", "height")
OUTPUTS = ("probabilities", "activations", "embedding", "distance")

_FORMAT = 1
_MAX_BYTES = 1_000_000
_AGAIN = "export it again: `abkit model export`"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What goes with a graph.

    Attributes:
        name, digest, notice: Of the scorer that was exported.
        precision: "float32", or "int8" for the encoder's convolutions.
        canvas: How images are laid out before they go in.
        scale, interval, novelty_limit: As on the scorer's card.
        graph_sha256: Digest of the graph.
    """

    name: str
    digest: str
    notice: str
    precision: str
    canvas: Canvas
    scale: Scale
    interval: Interval
    novelty_limit: float | None
    graph_sha256: str


def write_facts(folder: Path, card: Card, *, canvas: Canvas, precision: str) -> None:
    """Write what goes with the graph that lies in a folder."""
    facts = {
        "format": _FORMAT,
        "name": card.name,
        "digest": card.digest,
        "notice": card.notice,
        "precision": precision,
        "image_rules": RULES,
        "canvas": asdict(canvas),
        "scale": asdict(card.scale),
        "interval": asdict(card.interval),
        "novelty_limit": card.novelty_limit,
        "graph_sha256": _digest(folder / GRAPH_FILE),
    }
    (folder / FACTS_FILE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def read_facts(folder: Path) -> Facts:
    """Read and check a folder.

    Raises:
        CheckpointError: Files are missing or damaged, do not belong together, or were made by another release.
    """
    path, graph = folder / FACTS_FILE, folder / GRAPH_FILE
    try:
        if require_regular(path).st_size > _MAX_BYTES:
            raise CheckpointError(f"{path} is larger than {_MAX_BYTES:,} bytes", _AGAIN)
        require_regular(graph)
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["format"] != _FORMAT or found["image_rules"] != RULES:
            raise CheckpointError(f"{folder} was exported by another release of abkit", _AGAIN)
        names = ("name", "digest", "notice", "precision", "novelty_limit", "graph_sha256")
        facts = Facts(
            canvas=Canvas(**found["canvas"]),
            scale=Scale(**found["scale"]),
            interval=Interval(**found["interval"]),
            **{name: found[name] for name in names},
        )
        whole = _digest(graph) == facts.graph_sha256
    except OSError as error:
        reason = error.strerror or str(error)
        raise CheckpointError(f"{error.filename or folder} cannot be read: {reason}", _AGAIN) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged", _AGAIN) from error
    if not whole:
        raise CheckpointError(f"{graph} is not the file that {path.name} describes: their digests differ", _AGAIN)
    return facts


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
