"""Which frame of an animation stands for it: the first, or where that shows next to nothing the first that does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from abkit_model.decoding.grounds import spread

# GIF, WebP, PNG and AVIF move. The further images of an MPO or a TIFF are other views or pages.
MOVING = frozenset({"GIF", "WEBP", "PNG", "AVIF"})
# A frame with less to see is blank, or still fading in.
FAINT = 12.0
# Among the frames of such an animation the first that shows nearly as much as the best one.
_NEARLY = 0.8
# Frames have to be decoded one after the other, so a long animation is looked at up to here only.
_MOST_FRAMES = 200
_MOST_PIXELS = 200_000_000


@dataclass(frozen=True)
class Chosen:
    """A frame.

    Attributes:
        image: RGB pixels of the frame.
        frame: Its number, from 1.
    """

    image: Image.Image
    frame: int


def number_of_frames(image: Image.Image) -> int:
    """Return how many frames an opened file has; 1 where it cannot be known."""
    try:
        return int(getattr(image, "n_frames", 1) or 1)
    except Exception:  # counting the frames of a damaged file raises nearly anything
        return 1


def choose_frame(image: Image.Image, first: Image.Image, convert: Callable[[Image.Image], Image.Image]) -> Chosen:
    """Return the frame that stands for an animation.

    Args:
        image: The opened file, at its first frame.
        first: RGB pixels of that frame.
        convert: Makes RGB of the frame at which the file stands.
    """
    best = Chosen(first, 1)
    most = spread(first)
    if most >= FAINT:
        return best
    frames = min(number_of_frames(image), _MOST_FRAMES, max(2, _MOST_PIXELS // max(1, image.width * image.height)))
    for number in range(2, frames + 1):
        try:
            image.seek(number - 1)
            shown = convert(image)
        except Exception:  # what comes before a damaged frame can be scored
            break
        seen = spread(shown)
        if seen * _NEARLY > most:
            best, most = Chosen(shown, number), seen
    return best
