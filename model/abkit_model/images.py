"""From a file that somebody else made to the pixels that an encoder sees, without torch.

`open_image` makes RGB of what can be scored and gives a reason for what cannot; `prepare` scales and pads it.
"""

from __future__ import annotations

import errno
import os
import stat
import warnings
from dataclasses import dataclass
from io import BytesIO
from math import ceil, sqrt
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from abkit_model.decoding import animations, formats, heif, png, structure, video
from abkit_model.decoding.colors import in_srgb
from abkit_model.decoding.formats import MEDIA_TYPES, SUPPORTED
from abkit_model.decoding.grounds import compose, single_color
from abkit_model.errors import ImageRejected, KindNotRead
from abkit_model.limits import MAX_IMAGE_BYTES, MAX_PIXELS, MAX_WEBP_PIXELS, MIN_SIDE, NotRegular, Room, require_regular

#: A large JPEG may be decoded at 1/2, 1/4 or 1/8 of its size while this many pixels remain,
#: several times what any bundled encoder looks at.
DRAFT_PIXELS = 1_000_000

# Pillow's own bomb guard warns between 89 and 179 megapixels and raises above. The limit here is lower and
# always raises, so its warning would only be noise on the terminal.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# Pillow warns of damaged EXIF; what cannot be decoded is told as a reason, and what can be is no news.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

CUT_OFF = "the image is cut off: the file ends too early"
#: What is said about every score of a video.
FRAMES_ONLY = "video, frames only: the mean of its poster and up to three more frames, without sound and motion"
#: How a file becomes pixels. It counts up when the same file gives other pixels than before.
RULES = 2

# Threads decode at the same time, and one image of the largest size takes most of a gigabyte meanwhile.
_room = Room(MAX_PIXELS)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How the pixels of a file came about, where that is not plain.

    Attributes:
        notes: What was done, assumed or noticed, a few words each.
        frame: Which frame of an animation this is, from 1; None where nothing moves, and of a video.
        frames: How many frames an animation has.
        seconds: When the frames of a video are shown; () for an image.
        changed: Whether an earlier release of abkit (`RULES` 1) made other pixels of the same file.
    """

    notes: tuple[str, ...] = ()
    frame: int | None = None
    frames: int | None = None
    seconds: tuple[float, ...] = ()
    changed: bool = False


@dataclass(frozen=True, kw_only=True)
class DecodedImage:
    """One image, upright, in RGB.

    Attributes:
        image: RGB pixels. May be smaller than the file says where a large JPEG was decoded at reduced size.
        width: Width in pixels as stored in the file, after rotation by EXIF.
        height: Height likewise.
        media_type: For example `image/png`, by content and not by name.
        reading: How the pixels came about.
        more: Further frames of a video, which count as much as `image`, its poster; () for an image.
    """

    image: Image.Image
    width: int
    height: int
    media_type: str
    reading: Reading = Reading()
    more: tuple[Image.Image, ...] = ()


def open_creative(source: Path | bytes) -> DecodedImage:
    """Decode an image as `open_image` does, or the poster and three more frames of a video.

    Raises:
        KindNotRead: This is not one of the formats that are read, or an extra is not installed.
        ImageRejected: This file cannot be scored; the reason says why.
    """
    data = source if isinstance(source, bytes) else read_file(source)
    media_type = formats.video_type(data)
    if not media_type:
        return open_image(data)
    _refuse_file_of(len(data))
    film = video.open_film(data)
    poster, more = film.frames[0], film.frames[1:]
    notes = [FRAMES_ONLY]
    if film.seconds[0] > 0:
        notes.append("the video starts with blank frames: its poster is the first that shows something")
    if all(single_color(frame) for frame in film.frames):
        notes.append(f"nothing to see: every pixel is {single_color(poster)}")
    reading = Reading(notes=tuple(notes), seconds=film.seconds)
    return DecodedImage(
        image=poster, width=film.width, height=film.height, media_type=media_type, reading=reading, more=more
    )


def open_image(source: Path | bytes) -> DecodedImage:
    """Decode one image from a file or from the bytes of one. Safe to call from several threads.

    Colors become sRGB: embedded profiles are followed, and inks and samples of 16 bits converted. Transparency is
    composited over white, or over a dark ground where white would hide the image. Of an animation the first frame
    counts, or the first one that shows something. EXIF rotation is applied.

    Raises:
        KindNotRead: This is not one of the formats that are read; the reason says which kind it is and what to do.
        ImageRejected: This file cannot be scored; the reason says why. Nothing else escapes from a hostile file.
    """
    data = source if isinstance(source, bytes) else read_file(source)
    if not data:
        raise ImageRejected("the file is empty")
    _refuse_file_of(len(data))
    _refuse_huge_webp(data)
    try:
        data, notes = png.without_oversized_chunks(data)
        structure.refuse_costly(data)
        with _open_header(data) as image:
            _refuse_size(*image.size)
            if image.format in ("JPEG", "MPO"):
                structure.refuse_scans(data, *image.size)
            media_type = heif.media_type(data) if image.format == "HEIF" else MEDIA_TYPES.get(str(image.format))
            if media_type is None:
                raise KindNotRead(f"{image.format} is not read; {SUPPORTED}")
            notes += heif.notes(image) if image.format == "HEIF" else ()
            stored = image.size
            turned = _turn(image) in (5, 6, 7, 8)
            _draft(image)
            with _room.for_use_of(image.width * image.height):
                pixels, reading = _decoded(image, notes)
    except ImageRejected:
        raise
    except Exception as error:  # a hostile file can raise anything; the rest of its folder goes on
        raise ImageRejected(_damage(error)) from error
    width, height = reversed(stored) if turned else stored
    return DecodedImage(image=pixels, width=width, height=height, media_type=media_type, reading=reading)


def decode_within(room: Room) -> None:
    """Share the pixels that are decoded at the same time in this process by this room from now on."""
    global _room  # one room per process is what it is for
    _room = room


ImageLike: TypeAlias = "str | os.PathLike[str] | bytes | Image.Image | NDArray[Any]"


def to_rgb(source: ImageLike) -> Image.Image:
    """Return the upright RGB pixels of a file, a PIL image or an array.

    Args:
        source: A path, the bytes of a file, a PIL image of any mode, or an array `(H, W, 3)` of uint8 or of floats from
            0 to 1.

    Raises:
        ImageRejected: This is not an image that can be scored; the reason says why.

    >>> to_rgb(np.ones((40, 60, 3))).size
    (60, 40)
    """
    if isinstance(source, str | os.PathLike | bytes):
        return open_image(source if isinstance(source, bytes) else Path(source)).image
    if isinstance(source, np.ndarray):
        source = _from_array(source)
    if not isinstance(source, Image.Image):
        raise ImageRejected(f"a {type(source).__name__} is not an image; pass a path, a PIL image or an array")
    _refuse_size(*source.size)
    return _decoded(source)[0]


def _from_array(pixels: NDArray[Any]) -> Image.Image:
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ImageRejected(f"an array of shape {pixels.shape} is not an RGB image; its shape must be (H, W, 3)")
    _refuse_size(pixels.shape[1], pixels.shape[0])
    if pixels.dtype.kind == "f":
        # NaN is on neither side of a number
        if not ((pixels >= 0) & (pixels <= 1)).all():
            raise ImageRejected("an array of floats must lie between 0 and 1; divide by 255, or pass uint8")
        pixels = np.rint(pixels * 255).astype(np.uint8)
    if pixels.dtype != np.uint8:
        raise ImageRejected(f"an array of {pixels.dtype} is not an image; pass uint8, or floats between 0 and 1")
    return Image.fromarray(np.ascontiguousarray(pixels))


def read_file(path: Path) -> bytes:
    """Read an image file.

    Raises:
        ImageRejected: A broken link, a loop of links, no permission, not a regular file, or larger than the limit.
    """
    try:
        status = require_regular(path)
        if stat.S_ISDIR(status.st_mode):
            raise ImageRejected("not a regular file")
        _refuse_file_of(status.st_size)
        with path.open("rb") as file:  # it may grow meanwhile
            data = file.read(status.st_size + 1)
        _refuse_file_of(len(data))
        return data
    except NotRegular as error:
        raise ImageRejected("not a regular file") from error
    except FileNotFoundError as error:
        reason = "the link points to nothing" if path.is_symlink() else "the file does not exist"
        raise ImageRejected(reason) from error
    except PermissionError as error:
        raise ImageRejected("the file is not readable: permission denied") from error
    except ValueError as error:
        raise ImageRejected("the name has a null character") from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ImageRejected("the link is part of a loop of links") from error
        raise ImageRejected(f"the file is not readable: {os.strerror(error.errno or 0)}") from error


def _decoded(image: Image.Image, notes: tuple[str, ...] = ()) -> tuple[Image.Image, Reading]:
    """Decode an image, turn it upright and make opaque sRGB of it."""
    said = dict.fromkeys(notes)
    changed = False

    def convert(frame: Image.Image) -> Image.Image:
        nonlocal changed
        frame.load()
        colored = in_srgb(_upright(frame))
        said.update(dict.fromkeys(colored.notes))
        changed |= colored.changed
        if colored.image.mode != "RGBA":
            return colored.image if colored.image is not frame else frame.copy()
        composed = compose(colored.image)
        said.update({composed.note: None} if composed.note else {})
        changed |= bool(composed.note)
        return composed.image

    try:
        pixels = convert(image)
        frames = animations.number_of_frames(image)
        chosen = animations.Chosen(pixels, 1)
        if frames > 1 and image.format in animations.MOVING:
            chosen = animations.choose_frame(image, pixels, convert)
            said[f"an animation: frame {chosen.frame} of {frames} was scored"] = None
        elif frames > 1 and image.format == "TIFF":
            said[f"{frames} pages: the first was scored"] = None
        if color := single_color(chosen.image):
            said[f"nothing to see: every pixel is {color}"] = None
    except ImageRejected:
        raise
    except MemoryError as error:
        raise ImageRejected("there is not enough memory to decode it") from error
    except Exception as error:  # a damaged file can raise nearly anything from a decoder
        raise ImageRejected(_damage(error)) from error
    moving = frames > 1 and image.format in animations.MOVING
    reading = Reading(
        notes=tuple(said),
        frame=chosen.frame if moving else None,
        frames=frames if moving else None,
        changed=changed or chosen.frame > 1,
    )
    return chosen.image, reading


def _open_header(data: bytes) -> Image.Image:
    try:
        if formats.is_heif(data):
            header = heif.open_header(data)
            if formats.ends_early(data):  # its decoder makes black tiles of what is missing
                raise ImageRejected(CUT_OFF)
            return header
        others = {"MPO", "HEIF"} | ({"BMP"} if formats.image_of(data) != "BMP" else set())  # many texts start with BM
        return Image.open(BytesIO(data), formats=[name for name in MEDIA_TYPES if name not in others])
    except Image.DecompressionBombError as error:
        raise ImageRejected(f"more than {MAX_PIXELS // 1_000_000} megapixels") from error
    except UnidentifiedImageError as error:
        raise _not_an_image(data) from error


def _not_an_image(data: bytes) -> ImageRejected:
    if formats.video_type(data):
        return KindNotRead("a video is not an image: `abkit score` scores its frames")
    if kind := formats.kind_of(data):
        return KindNotRead(kind.reason)
    if name := formats.image_of(data):
        more = ", or save it as JPEG" if name == "HEIC" else ""
        return ImageRejected(f"the {name} image is damaged or cut off: export or download it once more{more}")
    if not any(data):
        return ImageRejected("every byte of the file is zero: export or download it once more")
    return ImageRejected(f"not an image by its content; {SUPPORTED}")


def _damage(error: Exception) -> str:
    text = str(error).lower()
    if "truncated" in text or "end of file" in text or isinstance(error, EOFError):
        return CUT_OFF
    return f"the image is damaged ({error or type(error).__name__})"


def _refuse_file_of(size: int) -> None:
    if size > MAX_IMAGE_BYTES:
        raise ImageRejected(f"the file is larger than {MAX_IMAGE_BYTES // 2**20} MB")


def _refuse_size(width: int, height: int, most: int = MAX_PIXELS) -> None:
    if width * height > most:
        raise ImageRejected(f"{width}×{height} is more than {most // 1_000_000} megapixels: make it smaller")
    if min(width, height) < 1:
        raise ImageRejected("the image is damaged: its header names no size")
    if min(width, height) < MIN_SIDE:
        raise ImageRejected(f"{width}×{height} is under {MIN_SIDE} pixels per side")


def _refuse_huge_webp(data: bytes) -> None:
    # Pillow's WebP plugin allocates the whole canvas while opening, so its size is read here first.
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return
    kind, body = data[12:16], data[20:30]
    if kind == b"VP8X" and len(body) == 10:
        width = 1 + int.from_bytes(body[4:7], "little")
        height = 1 + int.from_bytes(body[7:10], "little")
    elif kind == b"VP8L" and len(body) >= 5:
        bits = int.from_bytes(body[1:5], "little")
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif kind == b"VP8 " and len(body) == 10:
        width = int.from_bytes(body[6:8], "little") & 0x3FFF
        height = int.from_bytes(body[8:10], "little") & 0x3FFF
    else:
        return
    _refuse_size(width, height, MAX_WEBP_PIXELS)


def _draft(image: Image.Image) -> None:
    width, height = image.size
    if image.format == "JPEG" and width * height > 4 * DRAFT_PIXELS:
        shrink = (DRAFT_PIXELS / (width * height)) ** 0.5
        # draft() takes the smallest size that is no smaller than the one asked for
        image.draft(None, (max(MIN_SIDE, round(width * shrink)), max(MIN_SIDE, round(height * shrink))))


def _turn(image: Image.Image) -> int:
    """Return how Exif says the image is turned, 1 to 8; 1 where it says nothing, or is damaged or costly."""
    try:
        if exif := image.info.get("exif"):
            structure.refuse_repeated_values(exif.removeprefix(b"Exif\0\0"))
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # damaged Exif says nothing about rotation
        return 1


def _upright(image: Image.Image) -> Image.Image:
    """Return the image as it is to be seen: itself where nothing turns it."""
    if _turn(image) not in range(2, 9):
        return image
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged Exif is no reason to refuse the image
        return image


@dataclass(frozen=True)
class Canvas:
    """The layout of images for an encoder.

    Attributes:
        area: An image is scaled to about this many pixels, whatever its shape, so that every shape costs the same.
        cell: Canvas sides are multiples of this (the coarsest stride of the encoder).
        longest: No side is longer than this; very long images are scaled down further.
        square: Side of the fixed square canvas of an encoder that takes no other shape, or 0.
    """

    area: int
    cell: int
    longest: int
    square: int = 0

    def fit(self, width: int, height: int) -> tuple[int, int]:
        """Return the size in pixels, at least 1, that an image is scaled to."""
        if self.square:
            scale = self.square / max(width, height)
        else:
            scale = min(sqrt(self.area / (width * height)), self.longest / max(width, height))
        return max(1, round(width * scale)), max(1, round(height * scale))

    def canvas_of(self, width: int, height: int) -> tuple[int, int]:
        """Return the size of the padded canvas of a scaled image."""
        if self.square:
            return self.square, self.square
        return ceil(width / self.cell) * self.cell, ceil(height / self.cell) * self.cell


@dataclass(frozen=True)
class Prepared:
    """One image, scaled and padded.

    The canvas depends on the image alone and never on its batch, so that a score does not either.

    Attributes:
        pixels: `(H, W, 3)` uint8. The padding right and below repeats the last column and row, so that no
            artificial edge appears.
        width: Columns that show the image.
        height: Rows that show the image.
    """

    pixels: np.ndarray
    width: int
    height: int

    @property
    def shape(self) -> tuple[int, int]:
        """Canvas height and width: images that agree in it can be encoded together."""
        return self.pixels.shape[0], self.pixels.shape[1]


def prepare(image: Image.Image, canvas: Canvas) -> Prepared:
    """Scale an RGB image to the canvas's area and pad it to whole cells."""
    width, height = canvas.fit(*image.size)
    # reducing_gap first shrinks by a whole factor, several times faster than one antialiased step
    scaled = image.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)
    across, down = canvas.canvas_of(width, height)
    pixels = np.pad(np.asarray(scaled), ((0, down - height), (0, across - width), (0, 0)), mode="edge")
    return Prepared(pixels=pixels, width=width, height=height)
