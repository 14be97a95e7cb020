"""Films that the tests make, with what the extra `video` brings along."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

# Codec by suffix: those that OpenCV's wheels can write.
CODECS = {".mp4": "mp4v", ".mov": "mp4v", ".m4v": "mp4v", ".webm": "VP80"}


def save_film(path: Path, frames: Sequence[Image.Image], rate: float = 10) -> Path:
    """Write frames of one size as a film whose format follows the suffix."""
    import cv2

    width, height = frames[0].size
    code = cv2.VideoWriter_fourcc(*CODECS[path.suffix])  # type: ignore[attr-defined]
    named = path.with_suffix(".mp4") if path.suffix == ".m4v" else path
    film = cv2.VideoWriter(str(named), cv2.CAP_FFMPEG, code, rate, (width, height))
    assert film.isOpened()
    for frame in frames:
        film.write(np.ascontiguousarray(np.asarray(frame.convert("RGB"))[:, :, ::-1]))
    film.release()
    return named.rename(path)
