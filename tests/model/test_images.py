import contextlib
import os
import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from abkit_model.errors import ImageRejected
from abkit_model.images import open_image


def gradient(width: int = 96, height: int = 64) -> Image.Image:
    across, down = np.linspace(0, 255, width), np.linspace(0, 255, height)
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[..., 0], pixels[..., 1], pixels[..., 2] = across, down[:, None], 128
    return Image.fromarray(pixels)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_header_only(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def reason(source: Path | bytes) -> str:
    with pytest.raises(ImageRejected) as caught:
        open_image(source)
    return caught.value.reason


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
def test_it_opens_every_supported_format_and_names_it_by_content(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "name says nothing.txt"
    path.write_bytes(encoded(gradient(), kind))
    decoded = open_image(path)
    assert decoded.image.mode == "RGB"
    assert (decoded.width, decoded.height) == (96, 64)
    assert decoded.media_type == f"image/{kind.lower()}"


def test_it_says_why_it_refuses_what_is_no_image(tmp_path: Path) -> None:
    text = tmp_path / "text.jpg"
    text.write_text("not an image")
    assert "not an image" in reason(text)
    assert reason(b"") == "the file is empty"
    assert "a PDF" in reason(b"%PDF-1.7 whatever")
    assert "does not exist" in reason(tmp_path / "nothing.png")
    assert reason(tmp_path) == "not a regular file"


def test_it_refuses_broken_links_and_loops_of_links(tmp_path: Path) -> None:
    (tmp_path / "broken.png").symlink_to(tmp_path / "gone.png")
    assert "points to nothing" in reason(tmp_path / "broken.png")
    (tmp_path / "a.png").symlink_to(tmp_path / "b.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    assert "loop" in reason(tmp_path / "a.png")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_it_says_so_when_a_file_is_not_readable(tmp_path: Path) -> None:
    path = tmp_path / "locked.png"
    path.write_bytes(encoded(gradient(), "PNG"))
    path.chmod(0)
    assert "permission denied" in reason(path)


def test_it_refuses_a_pipe_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert reason(tmp_path / "pipe.jpg") == "not a regular file"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF"])
def test_it_refuses_an_image_that_is_cut_off(kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 96, 3), dtype=np.uint8))
    data = encoded(noise, kind)
    message = reason(data[: len(data) // 2])
    assert "cut off" in message or "damaged" in message or "not an image" in message


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_bytes_raise_nothing_but_a_rejection() -> None:
    rng = np.random.default_rng(1)
    for kind in ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"):
        data = encoded(gradient(), kind)
        for _ in range(40):
            broken = bytearray(data)
            for position in rng.integers(0, len(broken), 8):
                broken[position] = int(rng.integers(256))
            with contextlib.suppress(ImageRejected):
                open_image(bytes(broken))


def test_it_refuses_a_decompression_bomb_from_its_header() -> None:
    assert "megapixels" in reason(png_header_only(60_000, 60_000))
    assert "megapixels" in reason(png_header_only(9_000, 9_000))
    vp8x = b"VP8X" + struct.pack("<I", 10) + bytes(4) + (16_000).to_bytes(3, "little") * 2
    assert "megapixels" in reason(b"RIFF" + struct.pack("<I", 4 + len(vp8x)) + b"WEBP" + vp8x)


def test_it_refuses_an_image_under_32_pixels_a_side() -> None:
    assert "under 32 pixels" in reason(encoded(gradient(31, 400), "PNG"))
    assert open_image(encoded(gradient(32, 400), "PNG")).width == 32


def test_it_turns_an_image_as_exif_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    decoded = open_image(encoded(gradient(), "JPEG", exif=exif, quality=95))
    assert (decoded.width, decoded.height) == decoded.image.size == (64, 96)
    upright = np.asarray(gradient().rotate(-90, expand=True)).astype(int)
    assert np.abs(np.asarray(decoded.image).astype(int) - upright).mean() < 3


def test_it_composites_transparency_over_white() -> None:
    clear = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    assert open_image(encoded(clear, "PNG")).image.getpixel((5, 5)) == (255, 255, 255)
    palette = Image.new("P", (64, 64), 0)
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.paste(1, (0, 0, 32, 64))
    decoded = open_image(encoded(palette, "PNG", transparency=0)).image
    assert decoded.getpixel((50, 5)) == (255, 255, 255)
    assert decoded.getpixel((5, 5)) == (0, 0, 255)


def test_it_scales_16_bit_samples_instead_of_clipping_them() -> None:
    ramp = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (64, 1))
    for kind in ("PNG", "TIFF"):
        red = np.asarray(open_image(encoded(Image.fromarray(ramp), kind)).image)[..., 0].astype(int)
        assert abs(red[0] - np.linspace(0, 255, 64)).max() <= 1


def test_it_reads_cmyk_and_gray_as_the_same_colors() -> None:
    cmyk = open_image(encoded(gradient().convert("CMYK"), "JPEG", quality=95)).image
    assert np.abs(np.asarray(cmyk).astype(int) - np.asarray(gradient()).astype(int)).mean() < 12
    gray = np.asarray(open_image(encoded(gradient().convert("L"), "PNG")).image)
    assert (gray[..., 0] == gray[..., 2]).all()
    assert open_image(encoded(gradient().convert("1"), "PNG")).image.mode == "RGB"


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_it_takes_the_first_frame_of_an_animation(kind: str) -> None:
    red, blue = Image.new("RGB", (64, 64), "red"), Image.new("RGB", (64, 64), "blue")
    data = encoded(red, kind, save_all=True, append_images=[blue])
    pixel = open_image(data).image.getpixel((20, 20))
    assert isinstance(pixel, tuple)
    assert pixel[0] > 240
    assert pixel[2] < 15


def test_a_large_jpeg_decoded_at_reduced_size_still_reports_its_own_size() -> None:
    decoded = open_image(encoded(gradient(4000, 3000), "JPEG"))
    assert (decoded.width, decoded.height) == (4000, 3000)
    assert decoded.image.size == (2000, 1500)
