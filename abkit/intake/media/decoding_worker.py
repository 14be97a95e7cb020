"""The process that decodes images for another one: asked by lines of JSON, it answers with one and the prepared pixels.

`python -m abkit.intake.media.decoding_worker PIXELS`: each line names a file and says how it is laid out. What has more
pixels, or fails in an unforeseen way, is left to the process that asks.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from abkit.intake.media.images import read_content
from abkit_model import images
from abkit_model.errors import ImageRejected, KindNotRead
from abkit_model.images import Canvas, Prepared, prepare
from abkit_model.limits import Room


class _LeftAlone(ImageRejected):
    """This file is decoded by the process that asks."""


class _OwnShare(Room):
    """The pixels that one of several processes may have decoded: nobody gives more back, so nobody waits."""

    @contextmanager
    def for_use_of(self, units: int) -> Iterator[None]:
        """Go on where so many units are in the share."""
        if units > self.free:
            raise _LeftAlone("too large for one of several processes")
        yield


def main() -> None:
    """Answer until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the process that asks
    images.decode_within(_OwnShare(int(sys.argv[1])))
    _say({})
    for line in sys.stdin:  # to its end: the process that asks closes it, or is no more
        asked = json.loads(line)
        header, frames = _answer(Path(asked["path"]), asked["max_bytes"], Canvas(**asked["canvas"]))
        _say(header, *(frame.pixels.tobytes() for frame in frames))


def _say(header: dict[str, Any], *pixels: bytes) -> None:
    sys.stdout.buffer.write(json.dumps(header).encode() + b"\n")
    for part in pixels:
        sys.stdout.buffer.write(part)
    sys.stdout.buffer.flush()


def _answer(path: Path, max_bytes: int, canvas: Canvas) -> tuple[dict[str, Any], list[Prepared]]:
    try:
        content = read_content(path, max_bytes=max_bytes)
        frames = [prepare(image, canvas) for image in (content.decoded.image, *content.decoded.more)]
    except _LeftAlone:
        return {"left": True}, []
    except KindNotRead as error:
        return {"refused": error.reason, "kind": True}, []
    except ImageRejected as error:
        return {"refused": error.reason, "kind": False}, []
    except Exception:  # whatever it is, it is met again there, and told
        return {"left": True}, []
    decoded = content.decoded
    header = {
        "sha256": content.sha256,
        "perceptual_hash": content.perceptual_hash,
        "size": content.size,
        "properties": asdict(content.properties),
        "decoded": {"width": decoded.width, "height": decoded.height, "media_type": decoded.media_type},
        "reading": asdict(decoded.reading),
        "frames": [[*frame.shape, frame.width, frame.height] for frame in frames],
    }
    return header, frames


if __name__ == "__main__":
    main()
