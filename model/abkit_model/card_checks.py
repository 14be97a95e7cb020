"""What has to hold of a card that was read: its digest says that it is whole, not that a scorer can be made of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

#: Deeper than any card; what walks through one calls itself for each level.
DEEPEST = 30

Check = Callable[[Any], bool]


def is_too_deep(value: Any, levels: int = DEEPEST) -> bool:
    """Whether lists and tables lie in each other deeper than in any card."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels == 0 or any(is_too_deep(one, levels - 1) for one in inside)


def without_undefined(value: Any) -> Any:
    """Plain JSON with null for numbers that are not finite, which JSON cannot say.

    >>> without_undefined({"srcc_by_fold": (0.5, float("nan"))})
    {'srcc_by_fold': [0.5, None]}
    """
    if isinstance(value, Mapping):
        return {key: without_undefined(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [without_undefined(one) for one in value]
    return value if not isinstance(value, float) or _is_number(value) else None


def refuse_impossible(facts: Mapping[str, Any]) -> None:
    """Check what a card says; keys that are not known here are left alone.

    Raises:
        ValueError: the first value that is missing or cannot be, in words.
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
    "novelty_limit", "interval.coverage",
}  # fmt: skip

#: Values on a card, how each is checked, and what is said when it is not that; a table before what is in it.
RULES: tuple[tuple[str, Check, str], ...] = (
    ("name encoder encoder_fingerprint digest segment notice parent", _is(str), "is not text"),
    ("demonstration", _is(bool), "is not true or false"),
    ("scale network interval activations metrics data training", _is(dict), "is not a table"),
    ("scale.low scale.high interval.level interval.n network.clip network.dropout", _is_number, "is not a number"),
    ("network.dropout", lambda value: 0 <= value <= 1, "is not between 0 and 1"),
    (
        "interval.half_width interval.coverage novelty_limit",
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
