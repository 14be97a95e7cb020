"""What files are, by their bytes and by their names; and what surrounds pixels without mattering to them."""

import struct
import subprocess
import sys
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile, PngImagePlugin

from abkit_model.decoding import formats, png
from abkit_model.decoding.formats import kind_of, kind_of_suffix, video_type
from abkit_model.errors import ImageRejected, KindNotRead
from abkit_model.images import open_creative, open_image
from tests.images import make_image


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunks(*chunks: bytes) -> bytes:
    data = saved(make_image(1))
    return data[:33] + b"".join(chunks) + data[33:]


def test_the_jpeg_of_a_phone_with_a_second_image_behind_it_is_a_jpeg() -> None:
    photo, depth = make_image(1, (320, 240)), make_image(2, (80, 60))
    exif = Image.Exif()
    exif[0x0112] = 6
    decoded = open_image(saved(photo, "MPO", save_all=True, append_images=[depth], exif=exif))
    assert (decoded.media_type, decoded.width, decoded.height) == ("image/jpeg", 240, 320)
    assert (decoded.reading.frame, decoded.reading.notes) == (None, ())


@pytest.mark.parametrize("name", ["MPO", "SOMETHING-NEW"])
def test_whatever_name_pillow_gives_to_a_format_one_file_is_one_reason(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = saved(make_image(1))
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "format", name)
    if name in formats.MEDIA_TYPES:
        assert open_image(data).media_type == "image/jpeg"
    else:
        with pytest.raises(KindNotRead, match="SOMETHING-NEW is not read"):
            open_image(data)


@pytest.mark.parametrize("error", [KeyError("x"), RuntimeError("x"), RecursionError(), MemoryError()])
@pytest.mark.parametrize("place", ["open", "load"])
def test_whatever_a_decoder_raises_is_a_rejection(
    error: Exception, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    data = saved(make_image(1))
    monkeypatch.setattr(*((Image, "open") if place == "open" else (ImageFile.ImageFile, "load")), fail)
    with pytest.raises(ImageRejected):
        open_image(data)


@pytest.mark.parametrize("size", [3, 40])
@pytest.mark.parametrize("kind", ["tEXt", "zTXt", "iTXt", "iTXt compressed"])
def test_megabytes_of_text_beside_the_pixels_do_not_matter(kind: str, size: int) -> None:
    text = np.random.default_rng(0).integers(97, 122, size * 2**20, dtype=np.uint8).tobytes()
    body = {
        "tEXt": b"Comment\0" + text,
        "zTXt": b"Comment\0\0" + zlib.compress(text, 1),
        "iTXt": b"XML:com.adobe.xmp\0\0\0\0\0" + text,
        "iTXt compressed": b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(text, 1),
    }[kind]
    decoded = open_image(with_chunks(chunk(kind[:4].encode(), body)))
    assert decoded.image.tobytes() == make_image(1).tobytes()


def test_many_texts_that_unpack_to_gigabytes_are_left_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(50 * 2**20), 9))
    unpacked, decompressed = [], png._decompressed

    def counted(data: bytes, most: int) -> bytes | None:
        text = decompressed(data, most)
        unpacked.append(len(text or b""))
        return text

    def refused(*_: object) -> None:
        raise AssertionError("Pillow met a text that should have been dropped")

    monkeypatch.setattr(png, "_decompressed", counted)
    monkeypatch.setattr(PngImagePlugin, "_safe_zlib_decompress", refused)
    assert open_image(with_chunks(*[bomb] * 60)).image.tobytes() == make_image(1).tobytes()
    assert len(unpacked) == 60
    assert max(unpacked) <= 2**20 + 1


def test_a_small_text_stays_and_an_orientation_in_it_counts() -> None:
    xmp = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    upright = open_image(saved(make_image(1)))
    turned = open_image(with_chunks(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp.encode())))
    assert turned.image.size == upright.image.size[::-1]


@pytest.mark.parametrize("packed", [b"not compressed", zlib.compress(bytes(40 * 2**20), 9)])
def test_a_damaged_or_huge_profile_in_a_png_is_dropped_with_a_note(packed: bytes) -> None:
    decoded = open_image(with_chunks(chunk(b"iCCP", b"profile\0\0" + packed)))
    assert decoded.image.tobytes() == make_image(1).tobytes()
    assert decoded.reading.notes == ("the color profile is damaged and was ignored",)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_avif_is_read(mode: str) -> None:
    decoded = open_image(saved(make_image(4).convert(mode), "AVIF", quality=95))
    assert decoded.media_type == "image/avif"
    wanted = np.asarray(make_image(4).convert(mode).convert("RGB")).astype(int)
    assert np.abs(np.asarray(decoded.image).astype(int) - wanted).mean() < 6


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)


def test_heic_without_its_extra_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(KindNotRead, match=r"pip install 'abkit\[heic\]'"):
        open_image(HEIC)


def test_a_damaged_heic_is_rejected_as_one() -> None:
    pytest.importorskip("pi_heif")
    with pytest.raises(ImageRejected, match="HEIC image is damaged"):
        open_image(HEIC)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"%PDF-1.7\n", "a PDF"),
        (b"%!PS-Adobe-3.0 EPSF", "PostScript"),
        (b"8BPS\0\1" + bytes(30), "Photoshop"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- x --><SVG>", "SVG"),
        (b"<!DOCTYPE html><html>", "HTML"),
        (b"PK\x03\x04" + bytes(30), "archive"),
        (b"\xff\x0a" + bytes(30), "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(30), "JPEG 2000"),
        (b"II*\0\x10\0\0\0CR\2\0" + bytes(30), "RAW"),
        (b"\0\0\0\x18ftypcrx " + bytes(30), "RAW"),
        (b"RIFF\0\0\0\0AVI LIST" + bytes(30), "a video of another kind"),
        (b"\0\0\0\x18ftypisom" + bytes(30), "a video"),
    ],
)
def test_a_file_of_another_kind_is_named_by_its_bytes_with_what_to_do(data: bytes, name: str) -> None:
    with pytest.raises(KindNotRead) as refused:
        open_image(data)
    assert name in refused.value.reason
    assert ":" in refused.value.reason


READ = ["PNG", "JPEG", "GIF", "WEBP", "AVIF", "TIFF"]


@pytest.mark.parametrize("kind", READ)
def test_a_stub_of_an_image_is_damaged_or_cut_off_and_never_called_another_kind(kind: str) -> None:
    data = saved(make_image(1, (320, 240)), kind)
    for stub in (*(data[:length] for length in (12, 16, 20, 30, 60, 100, len(data) // 2)), data[:16] + bytes(500)):
        with pytest.raises(ImageRejected) as refused:
            open_creative(stub)
        assert not isinstance(refused.value, KindNotRead)
        assert "not an image" not in refused.value.reason, (kind, len(stub))
        assert "damaged" in refused.value.reason or "cut off" in refused.value.reason, (kind, len(stub))


def test_a_bmp_is_known_by_more_than_its_two_letters() -> None:
    data = saved(make_image(1), "BMP")
    for stub in (data[:18], data[:30], data[:200]):
        with pytest.raises(ImageRejected, match=r"cut off|damaged"):
            open_image(stub)
    with pytest.raises(ImageRejected, match="not an image"):
        open_image(b"BMW is not a bitmap, it is the start of a text")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"this is no film, whatever its name ends with", "not an image by its content"),
        (bytes(4096), "every byte of the file is zero"),
        (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(99), "the video is damaged"),
        (b"\x1a\x45\xdf\xa3" + bytes(99), "a video of another kind is not read"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git lfs pull"),
    ],
)
def test_what_only_bears_the_name_of_a_video_is_told_from_a_damaged_one(data: bytes, reason: str) -> None:
    if "video is damaged" in reason:
        pytest.importorskip("cv2")
    with pytest.raises(ImageRejected, match=reason):
        open_creative(data)


def test_damaged_exif_does_not_print_warnings_of_a_library_on_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "cut.tiff").write_bytes(saved(make_image(1), "TIFF")[:60])
    code = (
        "from pathlib import Path; from abkit_model.images import *; from abkit_model.errors import ImageRejected\n"
        f"try: open_image(Path({str(tmp_path / 'cut.tiff')!r}))\nexcept ImageRejected: pass"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


SUFFIXES = ".svg .PDF .psd .ai .eps .indd .CR2 .nef .dng .arw .jxl .jp2 .ico .avi .mkv .wmv"


@pytest.mark.parametrize("suffix", SUFFIXES.split())
def test_a_file_of_another_kind_is_known_by_its_name(suffix: str) -> None:
    kind = kind_of_suffix(suffix)
    assert kind is not None
    assert " is not read: " in kind.reason


def test_other_files_are_of_no_kind() -> None:
    assert kind_of_suffix(".csv") is None
    assert kind_of(b"date,clicks\n") is None
    assert video_type(b"date,clicks\n") == ""


@pytest.mark.parametrize(
    ("start", "wanted"),
    [
        (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41", "video/mp4"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "video/quicktime"),
        (b"\0\0\1\0moov" + bytes(20), "video/quicktime"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\1\x42\x82\x84webm", "video/webm"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", ""),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1", ""),
    ],
)
def test_a_video_is_known_by_its_first_bytes(start: bytes, wanted: str) -> None:
    assert video_type(start) == wanted


def test_no_parser_of_an_extra_is_loaded_for_a_plain_image() -> None:
    code = (
        "import sys, io; from PIL import Image; from abkit_model.images import open_creative; b = io.BytesIO(); "
        "Image.new('RGB', (40, 40)).save(b, 'PNG'); open_creative(b.getvalue()); "
        "print([m for m in ('pi_heif', 'cv2', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_png_with_other_pixels_than_its_checksums_say_is_damaged() -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    data = buffer.getvalue()
    for at in range(60, len(data) - 20, 500):
        damaged = bytearray(data)
        damaged[at] ^= 8
        with pytest.raises(ImageRejected, match="the PNG image is damaged"):
            open_image(bytes(damaged))
