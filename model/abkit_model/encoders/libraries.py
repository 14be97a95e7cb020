"""Libraries and weights on this machine: heavy, sometimes missing, and never fetched over the network."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import sys
import threading
from pathlib import Path
from types import ModuleType

from abkit_model.errors import EncoderUnavailable

_lock = threading.Lock()
_kept: list[object] = []  # an operator schema lives as long as the Library object that declared it


def load(name: str) -> ModuleType:
    """Import `torch`, `timm`, `open_clip` or `safetensors`.

    Raises:
        EncoderUnavailable: It is not installed; the hint names the extra to install.
    """
    # Weights come from files on this machine. A library that would quietly fetch some must fail instead.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        with _lock:
            if name in ("timm", "open_clip") and name not in sys.modules:
                _make_torchvision_importable()
            return importlib.import_module(name)
    except ImportError as error:
        raise EncoderUnavailable(
            f"the scorer needs {error.name or name}, which is not installed",
            'install the model extra: pip install "abkit[model]"',
        ) from error


def _make_torchvision_importable() -> None:
    """Let torchvision import beside a torch build for which its compiled operators were not made.

    PyPI's torchvision wheel and a CPU-only torch from elsewhere are a common pair. torchvision then skips loading
    its compiled library, yet at import registers shape functions for operators of that library and fails with
    "operator torchvision::nms does not exist". Declaring the schemas of these two detection operators is enough for
    the import to succeed. Nothing here ever calls them; calling one would fail loudly, having no implementation.
    """
    try:
        importlib.import_module("torchvision")
        return
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    torch = importlib.import_module("torch")
    declared = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        declared.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _kept.append(declared)
    for module in [m for m in sys.modules if m == "torchvision" or m.startswith("torchvision.")]:
        del sys.modules[module]  # half-imported by the failed attempt
    importlib.import_module("torchvision")


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def package_file(package: str, relative: str) -> Path | None:
    """Return where an installed package keeps a data file, without importing the package."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / relative
