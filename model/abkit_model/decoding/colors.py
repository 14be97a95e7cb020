"""Colors as a screen shows them: embedded profiles, inks and samples of more than 8 bits become sRGB."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageCms

from abkit_model.errors import ImageRejected

#: Larger profiles than those of printing presses, which have about 2 MB, are ignored.
MAX_PROFILE_BYTES = 16 * 2**20
#: A profile that moves no color by more than this many of 255 levels is sRGB under another name: pixels stay.
_SAME = 2
_SPACES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
_BAND = 1 << 21  # pixels that are converted at a time
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION
# Whether a profile is sRGB, by its digest and the mode of the pixels, of so many profiles at most.
_verdicts: dict[tuple[bytes, str], bool] = {}
_MOST_VERDICTS = 256


@dataclass(frozen=True)
class Colored:
    """Pixels in sRGB.

    Attributes:
        image: Mode RGB, or RGBA where the image is transparent somewhere.
        notes: What was done, or could not be done, in words.
        changed: Whether a profile moved the colors.
    """

    image: Image.Image
    notes: tuple[str, ...] = ()
    changed: bool = False


def in_srgb(image: Image.Image) -> Colored:
    """Return a decoded image of any mode in sRGB, with its alpha channel where it has one.

    The embedded profile is followed (relative colorimetric, with black point compensation). Without a profile RGB and
    gray are taken for sRGB, and inks (CMYK) are converted by the plain formula: 255 less each ink, less black.

    Raises:
        ImageRejected: Samples are not finite numbers.
    """
    profile = image.info.get("icc_profile")
    if image.mode == "LAB":
        return Colored(_from_lab(image), ("converted from Lab to sRGB",), changed=True)
    profile = profile if isinstance(profile, bytes) else b""
    if not profile and image.mode == "RGBA" and "transparency" not in image.info:
        return Colored(image)
    pixels, alpha = _plain(image)
    if not profile:
        note = ("CMYK without a color profile: converted by formula",) if pixels.mode == "CMYK" else ()
        return Colored(_joined(pixels.convert("RGB") if pixels.mode != "RGB" else pixels, alpha), note)
    converted, note_of_profile, changed = _converted(pixels, profile)
    notes = (note_of_profile,) if note_of_profile else ()
    return Colored(_joined(converted, alpha), notes, changed)


def _plain(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Return an image as RGB, L or CMYK of 8 bits, and its alpha channel."""
    if image.mode.startswith("I") or image.mode == "F":
        return scaled_to_8_bit(image), None
    if "A" in image.mode or "a" in image.mode or "transparency" in image.info:
        if image.mode in ("L", "LA", "La") and "transparency" not in image.info:
            layer = image.convert("LA")
            return layer.getchannel("L"), layer.getchannel("A")
        layer = image.convert("RGBA")
        return layer.convert("RGB"), layer.getchannel("A")
    if image.mode in ("RGB", "L", "CMYK"):
        return image, None
    return image.convert("L" if image.mode == "1" else "RGB"), None


def _joined(pixels: Image.Image, alpha: Image.Image | None) -> Image.Image:
    if alpha is None:
        return pixels
    pixels.putalpha(alpha)  # nobody else has these pixels: alpha comes with a copy
    return pixels


def _converted(pixels: Image.Image, profile: bytes) -> tuple[Image.Image, str, bool]:
    """Return RGB pixels, what there is to say, and whether the profile moved colors."""
    if len(profile) > MAX_PROFILE_BYTES:
        return pixels.convert("RGB"), "the color profile is too large and was ignored", False
    try:
        opened = ImageCms.ImageCmsProfile(BytesIO(profile))
        space = str(opened.profile.xcolor_space).strip()
        mode = _SPACES.get(space)
        if mode is None or (mode == "CMYK") != (pixels.mode == "CMYK"):
            said = f"the color profile is for {printable(space) or 'another kind of image'} and was ignored"
            return pixels.convert("RGB"), said, False
        if mode == "L" and pixels.mode != "L":
            if not _is_gray(pixels):
                return pixels.convert("RGB"), "the color profile is for gray images and was ignored", False
            pixels = pixels.getchannel(0)  # a format without gray, such as WebP
        if mode != "CMYK" and _is_srgb(opened, profile, mode):
            return pixels.convert("RGB"), "", False
        transform = _transform(opened, mode)
        done = ImageCms.applyTransform(pixels if pixels.mode == mode else pixels.convert(mode), transform)
        assert done is not None  # noqa: S101  # a new image where it is not asked to change the old one
        done.info.pop("icc_profile", None)
        return done, f"converted from the color profile {_description(opened)} to sRGB", True
    except Exception:  # a damaged profile raises whatever its parser meets
        return pixels.convert("RGB"), "the color profile is damaged and was ignored", False


def _is_gray(pixels: Image.Image) -> bool:
    red, green, blue = pixels.split()
    return all(ImageChops.difference(red, other).getbbox() is None for other in (green, blue))


def _is_srgb(opened: ImageCms.ImageCmsProfile, profile: bytes, mode: str) -> bool:
    """Return whether a profile leaves colors as they are, so that pixels that say they are sRGB stay to the last bit.

    Most images have one of a few profiles, and probing one takes longer than decoding an image: verdicts are kept.

    Raises:
        Exception: What the parser of profiles raises.
    """
    key = (hashlib.sha256(profile).digest(), mode)
    verdict = _verdicts.get(key)  # threads decode at the same time: another one may clear it here
    if verdict is None:
        verdict = _leaves_colors(opened, mode)
        if len(_verdicts) >= _MOST_VERDICTS:
            _verdicts.clear()
        _verdicts[key] = verdict
    return verdict


def _leaves_colors(opened: ImageCms.ImageCmsProfile, mode: str) -> bool:
    if mode == "L":
        probe = Image.fromarray(np.arange(256, dtype=np.uint8)[None, :])
    else:
        steps = np.linspace(0, 255, 9).round().astype(np.uint8)
        probe = Image.fromarray(np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(27, 27, 3))
    moved = ImageCms.applyTransform(probe, _transform(opened, mode))
    apart = np.asarray(moved).astype(int) - np.asarray(probe.convert("RGB")).astype(int)
    return int(np.abs(apart).max()) <= _SAME


def _transform(profile: ImageCms.ImageCmsProfile, mode: str) -> ImageCms.ImageCmsTransform:
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    return ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, "RGB", intent, _FLAGS)


def _description(profile: ImageCms.ImageCmsProfile) -> str:
    try:
        name = printable(ImageCms.getProfileDescription(profile))
    except Exception:  # a profile need not have a name
        name = ""
    return f"“{name}”" if name else "of the file"


def printable(text: str) -> str:
    """Return foreign text as at most 60 characters that can be shown."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:60]


def _from_lab(image: Image.Image) -> Image.Image:
    transform = _transform(ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")), "LAB")
    done = ImageCms.applyTransform(image, transform)
    assert done is not None  # noqa: S101
    return done


def scaled_to_8_bit(image: Image.Image) -> Image.Image:
    """Return gray samples of more than 8 bits, scaled; converting in Pillow would clip them at 255.

    Raises:
        ImageRejected: Samples are not finite numbers.
    """
    if image.mode.startswith("I;16"):
        top = 65535.0
    else:  # 32-bit integers and floats do not say their range: take the smallest usual one that holds them
        largest = max(float(band.max()) for band in _bands(image))
        top = next((t for t in (1.0, 255.0, 65535.0) if largest <= t), largest)
        top = 255.0 if image.mode == "I" and top == 1.0 else top
    gray = np.empty((image.height, image.width), np.uint8)
    row = 0
    for band in _bands(image):
        gray[row : row + len(band)] = np.clip(band * (255.0 / top) + 0.5, 0, 255)
        row += len(band)
    return Image.fromarray(gray, "L")


def _bands(image: Image.Image) -> Iterator[NDArray[np.float64]]:
    """Yield some rows at a time: as numbers of 64 bits, a whole image takes eight times its memory."""
    rows = max(1, _BAND // image.width)
    for top in range(0, image.height, rows):
        values = np.asarray(image.crop((0, top, image.width, min(image.height, top + rows)))).astype(np.float64)
        if not np.isfinite(values).all():
            raise ImageRejected("the image has samples that are not finite numbers")
        yield values
