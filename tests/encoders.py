"""Bundled encoders are built once in a test process: reading their weights takes as long as a test of a command."""

import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

_NAME = "abkit_model.encoders.bundled"


def share() -> None:
    """Let every load of the same weights return the same network from now on, once its module was imported.

    A network has no state but its weights, which never change. Where it may move between devices it is not shared.
    """
    bundled: Any = sys.modules.get(_NAME)
    if bundled is None or hasattr(bundled.load, "unshared") or bundled.torch.cuda.is_available():
        return
    load = bundled.load

    @lru_cache(maxsize=4)
    def loaded(name: str, _variant: object, _weights: Path, _changed: tuple[int, int]) -> Any:
        return load(name)

    def shared(name: str) -> Any:
        """What `load` does; a test may name other sizes or weights, and weights may be missing."""
        variant = bundled.VARIANTS.get(name)
        weights = variant and bundled.package_file(variant.package, variant.weights)
        if not weights or not weights.is_file():
            return load(name)
        found = weights.stat()
        return loaded(name, variant, weights, (found.st_mtime_ns, found.st_size))

    shared.unshared = load
    bundled.load = shared
