"""Frames of a film: the poster and three more, decoded in a process of its own that may fail, hang or eat memory."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from abkit_model.decoding import film_worker
from abkit_model.errors import ImageRejected, KindNotRead

#: A film that is not decoded after so many seconds is refused.
MAX_DECODE_SECONDS = 60


@dataclass(frozen=True)
class Film:
    """Some frames of a film, upright, in RGB.

    Attributes:
        frames: The poster, which is the first frame that shows something, and up to three more in their order.
        seconds: When each of them is shown.
        width: Width of the film in pixels.
        height: Its height.
        duration: Its length in seconds.
    """

    frames: tuple[Image.Image, ...]
    seconds: tuple[float, ...]
    width: int
    height: int
    duration: float


def open_film(data: bytes) -> Film:
    """Decode four frames of a film.

    Raises:
        KindNotRead: The extra `video` is not installed.
        ImageRejected: The film is too long or too large, damaged, or in a codec that is not read.
    """
    if importlib.util.find_spec("cv2") is None:
        raise KindNotRead("a video is read with an extra: pip install 'abkit[video]', or save its poster as an image")
    with tempfile.TemporaryDirectory(prefix="abkit-film-") as folder:
        path = Path(folder) / "film"
        path.write_bytes(data)
        header, pixels = _decode(path)
    if reason := header.get("refused"):
        raise ImageRejected(str(reason))
    width, height = header["size"]
    length = width * height * 3
    frames = tuple(
        Image.frombytes("RGB", (width, height), pixels[place : place + length])
        for place in range(0, len(pixels) - length + 1, length)
    )
    if not frames:
        raise ImageRejected("no frame of the video can be decoded")
    return Film(
        frames=frames,
        seconds=tuple(header["seconds"]),
        width=int(header["film"][0]),
        height=int(header["film"][1]),
        duration=float(header["duration"]),
    )


def _decode(path: Path) -> tuple[dict[str, Any], bytes]:
    # Isolated, so that nothing in the folder of the user is imported; one thread, so that films do not compete.
    command = [sys.executable, "-I", str(Path(film_worker.__file__)), str(path)]
    alone = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    environment = {**os.environ, **alone, "OPENCV_LOG_LEVEL": "OFF", "OPENCV_FFMPEG_LOGLEVEL": "-8"}
    try:
        done = subprocess.run(  # noqa: S603  # our own file, with the path of our own copy
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=MAX_DECODE_SECONDS, env=environment
        )
    except subprocess.TimeoutExpired as error:
        raise ImageRejected(f"the video takes more than {MAX_DECODE_SECONDS} seconds to decode") from error
    line, _, pixels = done.stdout.partition(b"\n")
    if done.returncode or not line:
        raise ImageRejected("the video is damaged, or needs more memory than is allowed")
    return json.loads(line), pixels
