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

from abkit_model.errors import ImageRejected

#: Formats that are opened; Pillow knows many more, each of them a parser that nobody needs for ads.
MEDIA_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
}
#: Smaller images carry too little to be judged.
MIN_SIDE = 32
#: 64 megapixels take 192 MB once decoded. Refused from the header, before anything is decoded.
MAX_PIXELS = 64_000_000
MAX_FILE_BYTES = 256 * 2**20
#: A large JPEG may be decoded at 1/2, 1/4 or 1/8 of its size while this many pixels remain,
#: several times what any bundled encoder looks at.
DRAFT_PIXELS = 1_000_000

# Pillow's own bomb guard warns between 89 and 179 megapixels and raises above. The limit here is lower and
# always raises, so its warning would only be noise on the terminal.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

_KNOWN_OTHERS = {
    b"%PDF": "a PDF",
    b"8BPS": "a Photoshop file",
    b"<svg": "an SVG drawing",
    b"<?xm": "an XML or SVG file",
    b"<!DO": "an HTML page",
    b"<htm": "an HTML page",
    b"PK\x03\x04": "a ZIP archive",
}


@dataclass(frozen=True)
class DecodedImage:
    """One image, upright, in RGB.

    Attributes:
        image: RGB pixels. May be smaller than the file says where a large JPEG was decoded at reduced size.
        width: Width in pixels as stored in the file, after rotation by EXIF.
        height: Height likewise.
        media_type: For example `image/png`, by content and not by name.
    """

    image: Image.Image
    width: int
    height: int
    media_type: str


def open_image(source: Path | bytes) -> DecodedImage:
    """Decode one image from a file or from the bytes of one. Safe to call from several threads.

    Of an animation the first frame counts. Transparency is composited over white, 16-bit samples are scaled to
    8 bits, and EXIF rotation is applied.

    Raises:
        ImageRejected: This file cannot be scored; the reason says why.
    """
    data = source if isinstance(source, bytes) else read_file(source)
    if not data:
        raise ImageRejected("the file is empty")
    _refuse_file_of(len(data))
    _refuse_huge_webp(data)
    with _open_header(data) as image:
        _refuse_size(*image.size)
        media_type = MEDIA_TYPES[str(image.format)]
        stored = image.size
        turned = _is_turned(image)
        _draft(image)
        rgb = _decoded(image)
    width, height = reversed(stored) if turned else stored
    return DecodedImage(image=rgb, width=width, height=height, media_type=media_type)


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
    return _decoded(source)


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
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise ImageRejected("not a regular file")
        _refuse_file_of(status.st_size)
        return path.read_bytes()
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


def _decoded(image: Image.Image) -> Image.Image:
    """Decode an image, turn it upright and convert it to RGB."""
    try:
        image.load()
        return _in_rgb(_upright(image))
    except ImageRejected:
        raise
    except MemoryError as error:
        raise ImageRejected("there is not enough memory to decode it") from error
    except Exception as error:  # a damaged file can raise nearly anything from a decoder
        raise ImageRejected(_damage(error)) from error


def _open_header(data: bytes) -> Image.Image:
    try:
        return Image.open(BytesIO(data), formats=list(MEDIA_TYPES))
    except Image.DecompressionBombError as error:
        raise ImageRejected(f"more than {MAX_PIXELS // 1_000_000} megapixels") from error
    except UnidentifiedImageError as error:
        raise ImageRejected(_not_an_image(data)) from error
    except Exception as error:  # damaged headers raise nearly anything
        raise ImageRejected(_damage(error)) from error


def _not_an_image(data: bytes) -> str:
    other = next((name for magic, name in _KNOWN_OTHERS.items() if data.startswith(magic)), "")
    if not other and data[4:8] == b"ftyp":
        other = "an AVIF, HEIC or video file"
    supported = "JPEG, PNG, GIF, WebP, BMP and TIFF are read"
    return f"not a supported image but {other}; {supported}" if other else f"not an image; {supported}"


def _damage(error: Exception) -> str:
    text = str(error).lower()
    if "truncated" in text or "end of file" in text or isinstance(error, EOFError):
        return "the image is cut off: the file ends too early"
    return f"the image is damaged ({error or type(error).__name__})"


def _refuse_file_of(size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise ImageRejected(f"the file is larger than {MAX_FILE_BYTES // 2**20} MB")


def _refuse_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ImageRejected(f"{width}×{height} is more than {MAX_PIXELS // 1_000_000} megapixels")
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
    _refuse_size(width, height)


def _draft(image: Image.Image) -> None:
    width, height = image.size
    if image.format == "JPEG" and width * height > 4 * DRAFT_PIXELS:
        shrink = (DRAFT_PIXELS / (width * height)) ** 0.5
        # draft() takes the smallest size that is no smaller than the one asked for
        image.draft(None, (max(MIN_SIDE, round(width * shrink)), max(MIN_SIDE, round(height * shrink))))


def _is_turned(image: Image.Image) -> bool:
    try:
        return int(image.getexif().get(0x0112, 1)) in (5, 6, 7, 8)
    except Exception:  # damaged EXIF says nothing about rotation
        return False


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged EXIF is no reason to refuse the image
        return image


def _in_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return _scale_to_8_bit(image).convert("RGB")
    if image.mode == "LAB":
        raise ImageRejected("color mode LAB is not supported; export it as RGB")
    if "A" in image.mode or "a" in image.mode or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.copy() if image.mode == "RGB" else image.convert("RGB")


def _scale_to_8_bit(image: Image.Image) -> Image.Image:
    """Scale samples of more than 8 bits; converting in Pillow would clip them at 255."""
    values = np.asarray(image).astype(np.float64)
    if not np.isfinite(values).all():
        raise ImageRejected("the image has samples that are not finite numbers")
    if image.mode.startswith("I;16"):
        top = 65535.0
    else:  # 32-bit integers and floats do not say their range: take the smallest usual one that holds them
        top = next((t for t in (1.0, 255.0, 65535.0) if values.max() <= t), float(values.max()))
        top = 255.0 if image.mode == "I" and top == 1.0 else top
    return Image.fromarray(np.clip(values * (255.0 / top) + 0.5, 0, 255).astype(np.uint8), "L")


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
