"""Images with marks and with motion, as the tests of preflight make them."""

import io
import struct
import zlib
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from tests.images import make_image

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description Iptc4xmpExt:DigitalSourceType='
    b'"http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"/></rdf:RDF></x:xmpmeta>'
)
# A superbox "jumb" with the label of a C2PA manifest store; enough to be found, too little to be verified.
_DESCRIPTION = b"jumd" + b"c2pa\0\x11\0\x10\x80\0\0\xaa\0\x38\x9b\x71" + b"\3c2pa\0"
JUMBF = struct.pack(">I", 42) + b"jumb" + struct.pack(">I", 34) + _DESCRIPTION


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    made = io.BytesIO()
    image.save(made, kind, **options)
    return made.getvalue()


def png_with(image: Image.Image, kind: bytes, content: bytes) -> bytes:
    data = encoded(image, "PNG")
    chunk = struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return data[:33] + chunk + data[33:]  # behind IHDR


def jpeg_with(image: Image.Image, marker: int, content: bytes) -> bytes:
    data = encoded(image, "JPEG", quality=95)
    return data[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content + data[2:]


def webp_with(image: Image.Image, kind: bytes, content: bytes) -> bytes:
    data = encoded(image, "WEBP") + kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
    return data[:4] + struct.pack("<I", len(data) - 8) + data[8:]


def png_with_text(image: Image.Image, *, packed: bool) -> bytes:
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", XMP.decode(), zip=packed)
    return encoded(image, "PNG", pnginfo=text)


def with_text(size: tuple[int, int], lines: list[str], at: tuple[int, int], height: int, seed: int = 2) -> Image.Image:
    """An image with white text on calm colors."""
    image = make_image(seed, size)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=height)
    draw.rectangle((at[0] - 10, at[1] - 10, size[0], at[1] + round(len(lines) * height * 1.4)), fill="#203040")
    for number, line in enumerate(lines):
        draw.text((at[0], at[1] + round(number * height * 1.3)), line, font=font, fill="white")
    return image


def animated(path: Path, delay: int, *, loop: int | None = 0, first: int = 0) -> Path:
    """Save four moving frames of 300×250; `delay` in milliseconds per frame, `loop` as Pillow takes it."""
    poster, *more = [make_image(seed, (300, 250)) for seed in range(first, first + 4)]
    options = {} if loop is None else {"loop": loop}
    poster.save(path, save_all=True, append_images=more, duration=delay, **options)
    return path
