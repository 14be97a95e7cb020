"""Images that the tests make: small, distinct, and broken in every way that folders really hold."""

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def make_image(seed: int, size: tuple[int, int] = (96, 64)) -> Image.Image:
    """An image unlike that of any other seed: a gradient with a few blocks of colour."""
    random = np.random.default_rng(seed)
    width, height = size
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[:] = random.integers(0, 255, 3)
    pixels[..., 0] = np.linspace(0, 255, width, dtype=np.uint8)
    for _ in range(6):
        left, top = random.integers(0, width - 8), random.integers(0, height - 8)
        pixels[top : top + 24, left : left + 24] = random.integers(0, 255, 3)
    return Image.fromarray(pixels)


def save_images(folder: Path, count: int, *, first: int = 0, size: tuple[int, int] = (96, 64)) -> list[Path]:
    """Save `count` different PNG files and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"creative_{first + index:04d}.png" for index in range(count)]
    for index, path in enumerate(paths):
        make_image(first + index, size).save(path)
    return paths


def bomb(path: Path, side: int = 60_000) -> None:
    """A small PNG whose header promises `side`×`side` pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * 10_000)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))


def broken_files(folder: Path) -> dict[str, str]:
    """Write one file of every kind that cannot be scored; return a word of the reason for each name."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "text.jpg").write_text("this is not an image")
    (folder / "empty.png").touch()
    make_image(1, (400, 300)).save(folder / "whole.jpeg")
    data = (folder / "whole.jpeg").read_bytes()
    (folder / "whole.jpeg").unlink()
    (folder / "cut.jpg").write_bytes(data[: len(data) // 2])
    make_image(2, (64, 31)).save(folder / "small.png")
    bomb(folder / "bomb.png")
    (folder / "broken_link.png").symlink_to("nowhere.png")
    (folder / "loop_a.png").symlink_to("loop_b.png")
    (folder / "loop_b.png").symlink_to("loop_a.png")
    return {
        "text.jpg": "not an image",
        "empty.png": "empty",
        "cut.jpg": "cut off",
        "small.png": "under 32 pixels",
        "bomb.png": "megapixels",
        "broken_link.png": "points to nothing",
        "loop_a.png": "loop",
        "loop_b.png": "loop",
    }


def unusual_files(folder: Path) -> list[Path]:
    """Write one file of every unusual kind that can be scored."""
    folder.mkdir(parents=True, exist_ok=True)
    base = make_image(7, (120, 80))
    base.convert("CMYK").save(folder / "cmyk.jpg")
    grey16 = np.linspace(0, 65535, 120 * 80).reshape(80, 120).astype(np.uint16)
    Image.fromarray(grey16).save(folder / "sixteen_bit.png")
    base.convert("L").save(folder / "grey.png")
    palette = base.convert("P", palette=Image.Palette.ADAPTIVE)
    palette.save(folder / "palette.png", transparency=3)
    rotated = Image.Exif()
    rotated[0x0112] = 6
    base.save(folder / "rotated.jpg", exif=rotated)
    frames = [make_image(seed, (80, 60)) for seed in range(20, 24)]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    frames[0].save(folder / "moving.webp", save_all=True, append_images=frames[1:], lossless=True)
    make_image(8).save(folder / "a name with spaces.png")
    make_image(9).save(folder / "広告 – Größe ß.png")
    make_image(10, (64, 6000)).save(folder / "very_long.png")
    make_image(11, (6000, 64)).save(folder / "very_wide.png")
    return sorted(folder.iterdir())
