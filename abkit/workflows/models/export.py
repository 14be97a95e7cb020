"""Export a scorer as ONNX, for a service or a device that has no torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from abkit.errors import UsageError

if TYPE_CHECKING:
    from abkit_model.portable.records import Exported
    from abkit_model.scorer import Scorer


def export(
    scorer: Scorer,
    out: Path,
    *,
    images: Path | None = None,
    int8: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> Exported:
    """Write a scorer as ONNX into a new folder, and hold the copy against the original.

    Args:
        scorer: What is exported.
        out: The folder; it must be new.
        images: A folder of images of the kind that will be scored, to compare on; 8-bit integers need it.
        int8: Whether the encoder's convolutions shall compute in 8-bit integers.
        progress: Called with the stage, how much of it is done, and how much there is.

    Raises:
        UsageError: The folder of images has none.
        ModelError: The extra `onnx` is missing, the folder exists, or the copy does not agree with the original.
    """
    from abkit.intake.media.images import find_images
    from abkit_model.portable.export import export_scorer

    found: list[Path] = []
    if images is not None:
        found = list(find_images([images]).files)
        if not found:
            raise UsageError(f"{images} has no images", hint="name a folder of creatives: --images FOLDER")
    return export_scorer(scorer, out, images=found, int8=int8, progress=progress)
