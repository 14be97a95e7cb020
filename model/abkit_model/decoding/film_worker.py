"""The process that decodes one film: `python film_worker.py FILE` writes a line of JSON, then frames as raw RGB.

It imports nothing of abkit. Whatever a hostile film does ends with this process.
"""

from __future__ import annotations

import json
import sys
from typing import Any

#: Ads are seconds long; beyond this it is another kind of film.
MAX_SECONDS = 600
#: More than 8K. Refused from the header.
MAX_PIXELS = 36_000_000
MIN_SIDE = 32
#: Frames are scaled down to about so many pixels, several times what an encoder looks at.
FRAME_PIXELS = 1_000_000
#: At these parts of its length a film is looked at, after the poster.
PARTS = (0.25, 0.5, 0.75)
# A frame whose colors vary less (standard deviation, of 255 levels) is blank or fading: one of the next may do.
_FAINT = 12.0
_POSTER_WITHIN = 120
_TRY_NEXT = 12
_MEMORY = 4 * 2**30
_CPU_SECONDS = 60
_MOST_FRAMES = MAX_SECONDS * 120


class Refused(Exception):
    """The film is not decoded; the text says why."""


def main(path: str) -> None:
    """Decode the frames of a film and write them to standard output."""
    _limit()
    import cv2

    cv2.setNumThreads(1)
    try:
        header, frames = decode(cv2, path)
    except Refused as refused:
        header, frames = {"refused": str(refused)}, []
    sys.stdout.buffer.write(json.dumps(header).encode() + b"\n")
    for frame in frames:
        sys.stdout.buffer.write(frame.tobytes())


def _limit() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits; the time limit of the caller holds there too
        return
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def decode(cv2: Any, path: str) -> tuple[dict[str, Any], list[Any]]:
    """Return what is known of the film, and its frames as arrays `(H, W, 3)` of uint8.

    1. Read size and length from the header, and refuse what is too large or too long.
    2. The poster: the first frame that shows something.
    3. A frame at each part of the length.
    """
    film = _opened(cv2, path)
    width, height = int(film.get(cv2.CAP_PROP_FRAME_WIDTH)), int(film.get(cv2.CAP_PROP_FRAME_HEIGHT))
    if width * height > MAX_PIXELS:
        raise Refused(f"the video has {width}×{height} pixels, more than {MAX_PIXELS // 1_000_000} megapixels")
    if min(width, height) < MIN_SIDE:
        raise Refused(f"the video has {width}×{height} pixels, under {MIN_SIDE} per side")
    rate = film.get(cv2.CAP_PROP_FPS)
    rate = rate if 0 < rate <= 1000 else 25.0
    count = int(film.get(cv2.CAP_PROP_FRAME_COUNT))
    if count <= 0:
        count = _counted(film)
        film = _opened(cv2, path)
    if count / rate > MAX_SECONDS or count > _MOST_FRAMES:
        raise Refused(f"the video is longer than {MAX_SECONDS // 60} minutes")
    found = [_first_that_shows(film, 0, _POSTER_WITHIN)]
    for part in PARTS:
        place = round(part * count)
        if place > found[0][0] and place not in {number for number, _ in found}:
            film.set(cv2.CAP_PROP_POS_FRAMES, place)
            found.append(_first_that_shows(film, place, _TRY_NEXT))
    shown = [(number, frame) for number, frame in found if frame is not None]
    if not shown:
        raise Refused("no frame of the video can be decoded: it is damaged, or in a codec that is not read")
    height, width = shown[0][1].shape[:2]
    shown = [(number, frame) for number, frame in shown if frame.shape[:2] == (height, width)]
    scale = min(1.0, (FRAME_PIXELS / (width * height)) ** 0.5)
    size = (max(MIN_SIDE, round(width * scale)), max(MIN_SIDE, round(height * scale)))
    frames = [frame if scale == 1 else cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for _, frame in shown]
    header = {
        "film": [width, height],
        "size": [width, height] if scale == 1 else list(size),
        "seconds": [round(number / rate, 3) for number, _ in shown],
        "duration": round(count / rate, 3),
    }
    return header, [cv2.cvtColor(frame, cv2.COLOR_BGR2RGB) for frame in frames]


def _opened(cv2: Any, path: str) -> Any:
    film = cv2.VideoCapture(path, cv2.CAP_FFMPEG)
    if not film.isOpened():
        raise Refused("the video is damaged, or in a codec that is not read")
    return film


def _counted(film: Any) -> int:
    """Return how many frames there are where the header does not say it."""
    count = 0
    while count <= _MOST_FRAMES and film.grab():
        count += 1
    return count


def _first_that_shows(film: Any, number: int, within: int) -> tuple[int, Any]:
    """Return the next frame that is not blank, with its number; the next one at all where all are blank."""
    first = None
    for place in range(number, number + within):
        whole, frame = film.read()
        if not whole or frame is None:
            break
        if first is None:
            first = frame
        small = frame[:: max(1, frame.shape[0] // 64), :: max(1, frame.shape[1] // 64)].reshape(-1, 3)
        if float(small.astype(float).var(axis=0).sum()) >= _FAINT**2:
            return place, frame
    return number, first


if __name__ == "__main__":
    main(sys.argv[1])
