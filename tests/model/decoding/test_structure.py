"""Files that cost a decoder far more than their size in pixels says."""

import os
import resource
import struct
import subprocess
import sys
import threading
import time
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import abkit_model
from abkit_model.decoding import structure
from abkit_model.decoding.colors import scaled_to_8_bit
from abkit_model.decoding.grounds import compose
from abkit_model.errors import ImageRejected
from abkit_model.images import open_image, to_rgb
from abkit_model.limits import NotRegular, Room, read_limited, require_regular


def reason(data: bytes | Path) -> str:
    with pytest.raises(ImageRejected) as caught:
        open_image(data)
    return caught.value.reason


def progressive(side: int, *, scans: int) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    buffer = BytesIO()
    Image.radial_gradient("L").resize((side, side)).convert("RGB").save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * scans + data[-2:]


def test_a_progressive_jpeg_is_read_and_one_with_too_many_scans_is_refused() -> None:
    assert open_image(progressive(256, scans=0)).width == 256
    assert "more than 100 scans" in reason(progressive(256, scans=100))


def test_a_large_jpeg_may_have_fewer_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structure, "MAX_SCANNED_PIXELS", 256 * 256 * 20)
    assert open_image(progressive(256, scans=5)).width == 256
    assert "more than 20 scans, too many for 256×256 pixels" in reason(progressive(256, scans=20))


def test_an_animation_with_too_many_frames_is_refused_before_they_are_counted() -> None:
    frame = b",\0\0\0\0\1\0\1\0\0\2\2D\1\0"
    gif = b"GIF89a" + struct.pack("<HH", 40, 40) + b"\x80\0\0\0\0\0\xff\xff\xff"
    assert "more than 10,000 frames" in reason(gif + frame * 10_001 + b";")


def tiff(entries: int, count: int, pages: int = 1) -> bytes:
    """A TIFF whose tags all point to the same `count` bytes."""
    size = 2 + entries * 12 + 4
    shared = 8 + pages * size
    data = b"II*\0" + struct.pack("<I", 8)
    for page in range(pages):
        tags = b"".join(struct.pack("<HHII", 40_000 + tag, 7, count, shared) for tag in range(entries))
        following = 8 + (page + 1) * size if page + 1 < pages else 0
        data += struct.pack("<H", entries) + tags + struct.pack("<I", following)
    return data + bytes(count)


def test_a_tiff_whose_tags_hold_the_same_bytes_again_and_again_is_refused() -> None:
    assert "hold more than the file does" in reason(tiff(2_000, 100_000))
    assert "more than 10,000 pages" in reason(tiff(1, 4, pages=10_001))


def test_exif_of_that_kind_turns_nothing() -> None:
    buffer = BytesIO()
    image = Image.radial_gradient("L")
    image.save(buffer, "WEBP", exif=b"Exif\0\0" + tiff(2_000, 100_000))
    started = time.process_time()
    assert open_image(buffer.getvalue()).width == 256
    assert time.process_time() - started < 1


def test_deep_gray_and_transparent_images_come_out_alike_in_one_piece_and_in_bands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = np.random.default_rng(0)
    deep = Image.fromarray(random.integers(0, 65_536, (50, 60), dtype=np.uint16))
    real = Image.fromarray(random.random((50, 60)).astype(np.float32) * 200)
    layer = Image.fromarray(random.integers(0, 256, (50, 60, 4), dtype=np.uint8), "RGBA")

    def everything() -> list[bytes]:
        return [scaled_to_8_bit(deep).tobytes(), scaled_to_8_bit(real).tobytes(), compose(layer).image.tobytes()]

    whole = everything()
    for module in ("colors", "grounds"):
        monkeypatch.setattr(f"abkit_model.decoding.{module}._BAND", 60 * 7)
    assert everything() == whole


def test_numbers_that_are_not_finite_are_found_in_any_band(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("abkit_model.decoding.colors._BAND", 100)
    pixels = np.zeros((50, 60), np.float32)
    pixels[49, 59] = np.nan
    with pytest.raises(ImageRejected, match="not finite"):
        to_rgb(Image.fromarray(pixels))


def deep_gray(path: Path, side: int) -> Path:
    """A small PNG of many pixels of 16 bits."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress((b"\0" + b"\1" * 2 * side) * side, 9)
    header = struct.pack(">IIBBBBB", side, side, 16, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
    return path


def test_two_large_images_of_16_bits_at_once_stay_within_768_megabytes(tmp_path: Path) -> None:
    paths = [deep_gray(tmp_path / f"{name}.png", 5_000) for name in "ab"]
    program = (
        "import sys; from pathlib import Path; from concurrent.futures import ThreadPoolExecutor\n"
        "from abkit_model.images import open_image\n"
        "open_ = lambda path: open_image(Path(path)).image.resize((9, 8)).size\n"
        "print(list(ThreadPoolExecutor(2).map(open_, sys.argv[1:])))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(abkit_model.__file__).parent.parent)}

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (3 * 2**28, 3 * 2**28))

    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**environment, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        preexec_fn=limit,
    )
    assert done.stdout.strip() == "[(9, 8), (9, 8)]", done.stderr[-500:]


def test_room_lets_one_wait_for_the_other_and_never_refuses() -> None:
    room, order = Room(10), []

    def work(name: str) -> None:
        with room.for_use_of(25):
            order.append(name)
            time.sleep(0.05)
            order.append(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert order in (list("aabb"), list("bbaa"))
    assert room.free == 10


def test_pipes_and_devices_are_refused_without_being_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    assert reason(tmp_path / "pipe.png") == "not a regular file"
    for path in (tmp_path / "pipe.png", Path("/dev/zero")):
        with pytest.raises(NotRegular):
            require_regular(path)
        with pytest.raises(NotRegular):
            read_limited(path, 10)
    (tmp_path / "long").write_bytes(bytes(11))
    with pytest.raises(ValueError, match="larger than"):
        read_limited(tmp_path / "long", 10)
