"""Images and videos on disk: which files a person meant, and what one file contains."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from glob import has_magic
from pathlib import Path
from typing import Any, Self

import numpy as np
from PIL import Image

from abkit.intake.media.folders import matches, walk
from abkit.intake.media.properties import ImageProperties, image_properties
from abkit_model.decoding.formats import IMAGE_SUFFIXES, VIDEO_SUFFIXES, kind_of_suffix
from abkit_model.errors import ImageRejected
from abkit_model.images import RULES, DecodedImage, Reading, open_creative, read_file
from abkit_model.names import composed

#: What tells copies by `perceptual_hash`, in bits of 64. Resized and re-encoded copies differ in 2 as the median,
#: variants of one layout in 1 to 4, different web ads, pages and photographs in 12 and more.
COPY_BITS = 2
ALIKE_BITS = 6
#: Two images are of one shape where width over height differs by no more than rounding to whole pixels makes it.
SAME_SHAPE = 0.02


@dataclass(frozen=True)
class FoundImages:
    """What was found under the paths that were given.

    Attributes:
        files: Images, in order of their names within a folder; no path twice.
        unusable: Path and reason of what was named but cannot be read.
        skipped: Path and reason of images, designs and videos in folders of a kind that is not read.
        ignored: Number of all other files in folders.
    """

    files: tuple[Path, ...]
    unusable: tuple[tuple[Path, str], ...]
    skipped: tuple[tuple[Path, str], ...]
    ignored: int


def find_images(paths: Sequence[Path]) -> FoundImages:
    """Turn files, folders (with all below them) and globs into a list of image files.

    A file that is named outright is taken whatever its suffix; in folders and globs only image suffixes count.
    Links to folders are followed; a link back to a folder above itself is reported, not followed.
    """
    # `os.path` and not the methods of Path: these raise where a folder on the way may not be searched.
    files: dict[Path, None] = {}
    unusable: dict[Path, str] = {}
    skipped: dict[Path, str] = {}
    ignored = 0
    for path in paths:
        if has_magic(str(path)) and not os.path.lexists(path):
            named, reason = matches(path)
            if not named or reason:
                unusable[path] = reason or "no file matches this pattern"
        else:
            named = [path]
        for match in named:
            if os.path.isdir(match):
                for entry, reason in walk(match):
                    if reason:
                        unusable[entry] = reason
                    elif entry.suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES:
                        files[entry] = None
                    elif kind := kind_of_suffix(entry.suffix):
                        skipped[entry] = kind.reason
                    else:
                        ignored += 1
            else:
                files[match] = None
    return FoundImages(tuple(files), tuple(unusable.items()), tuple(skipped.items()), ignored)


@dataclass(frozen=True)
class Content:
    """The content of one file, decoded.

    Attributes:
        sha256: Digest of the file's bytes, 64 hex digits.
        perceptual_hash: 16 hex digits; near-duplicates differ in few of the 64 bits.
        size: Bytes of the file.
        decoded: Upright RGB pixels with width, height (pixels) and media type.
        properties: What can be said about the pixels in words; of a film, of its first frame.
    """

    sha256: str
    perceptual_hash: str
    size: int
    decoded: DecodedImage
    properties: ImageProperties

    def columns(self) -> dict[str, Any]:
        """Return what the store keeps of it in `creative`, by column."""
        return {
            "sha256": self.sha256,
            "perceptual_hash": self.perceptual_hash,
            "width": self.decoded.width,
            "height": self.decoded.height,
            "media_type": self.decoded.media_type,
            "bytes": self.size,
            "reading": stored_reading(self.decoded.reading),
            "properties": self.properties.stored(),
        }

    def without_pixels(self) -> Self:
        """Return all but the pixels, which take most of the memory, in place of them an image of one pixel."""
        return replace(self, decoded=replace(self.decoded, image=Image.new("RGB", (1, 1)), more=()))


def stored_reading(reading: Reading) -> dict[str, Any]:
    """Return how pixels came about, as the store keeps it: with the rules that made them."""
    found = asdict(reading)
    del found["changed"]
    return {"rules": RULES, **{name: value for name, value in found.items() if value}}


def restored_reading(stored: Mapping[str, Any] | None) -> Reading | None:
    """Return what the store keeps as a record; None where other rules made the pixels, or it is not known which.

    >>> restored_reading(stored_reading(Reading(frame=3, frames=12)))
    Reading(notes=(), frame=3, frames=12, seconds=(), changed=False)
    """
    if stored is None or stored.get("rules") != RULES:
        return None
    return Reading(
        notes=tuple(stored.get("notes", ())),
        frame=stored.get("frame"),
        frames=stored.get("frames"),
        seconds=tuple(stored.get("seconds", ())),
    )


def names_of(path: Path) -> tuple[str, str]:
    """Return the full name of a file and its last part, composed (NFC), as text that every database accepts."""
    full = _storable(os.fsencode(path.absolute()))
    return full, full.rsplit("/", 1)[-1]


def file_called(name: str) -> Path:
    """Return the file that `names_of` gave this full name, however its accents are composed on disk.

    Where there is none any more, the name is returned as it is.
    """
    path = Path(name)
    if os.path.lexists(path) or (name.isascii() and "\\" not in name):
        return path
    found = Path(path.anchor)
    for part in path.relative_to(found).parts:
        here = found / part
        if not os.path.lexists(here):
            try:
                entries = sorted(os.scandir(found), key=lambda entry: entry.name)
            except OSError:
                return path
            here = next((Path(entry) for entry in entries if _storable(os.fsencode(entry.name)) == part), path)
            if here == path:
                return path
        found = here
    return found


def _storable(name: bytes) -> str:
    # A name that is not UTF-8 is kept readable: no database takes lone surrogates.
    return composed(name.decode("utf-8", "backslashreplace"))


def hash_file(path: Path, *, max_bytes: int) -> str:
    """Return the SHA-256 of a file's bytes, 64 hex digits.

    Raises:
        ImageRejected: The file cannot be read, or is larger than the limit.
    """
    return hashlib.sha256(_read(path, max_bytes)).hexdigest()


def read_content(path: Path, *, max_bytes: int) -> Content:
    """Read and decode one image file.

    Raises:
        ImageRejected: The file cannot be used; nothing else escapes from a hostile file.
    """
    data = _read(path, max_bytes)
    decoded = open_creative(data)
    return Content(
        hashlib.sha256(data).hexdigest(),
        perceptual_hash(decoded.image),
        len(data),
        decoded,
        image_properties(decoded.image),
    )


def _read(path: Path, max_bytes: int) -> bytes:
    # What is not a file, or is out of reach, has no size here; reading it says what is wrong.
    if os.path.isfile(path) and os.path.getsize(path) > max_bytes:
        raise ImageRejected(f"the file is larger than {max_bytes / 2**20:g} MB ([scoring] max_file_mb)")
    return read_file(path)


def perceptual_hash(image: Image.Image) -> str:
    """Return the difference hash of an image: 64 bits, one per step in brightness along the rows of a 9×8 thumbnail.

    Returns:
        16 hex digits.

    >>> perceptual_hash(Image.linear_gradient("L").transpose(Image.Transpose.ROTATE_90))
    'ffffffffffffffff'
    """
    small = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.BOX), dtype=np.int16)  # (8, 9)
    return np.packbits(small[:, 1:] > small[:, :-1]).tobytes().hex()
