"""Marks of origin in real files, of every container, and in files that end anywhere."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abkit.intake.media.animation_times import playing
from abkit.intake.media.containers import parts
from abkit.intake.media.image_marks import Marks, marks_of
from tests.images import make_image
from tests.workflows.preflight.files import (
    JUMBF,
    XMP,
    animated,
    encoded,
    jpeg_with,
    png_with,
    png_with_text,
    webp_with,
)

IMAGE = make_image(1)
C2PA_BOX = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")


def box(kind: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + kind + content


FILM = box(b"ftyp", b"isom\0\0\2\0isom")
NONE = Marks(c2pa=False, ai=False)
WITH_C2PA = Marks(c2pa=True, ai=False)
WITH_AI = Marks(c2pa=False, ai=True)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "AVIF"])
def test_a_plain_image_has_no_marks(kind: str) -> None:
    assert marks_of(encoded(IMAGE, kind)) == NONE


@pytest.mark.parametrize(
    "data",
    [
        png_with(IMAGE, b"caBX", JUMBF),
        jpeg_with(IMAGE, 0xEB, b"JP\0\1\0\0\0\1" + JUMBF),
        webp_with(IMAGE, b"C2PA", JUMBF),
        FILM + box(b"uuid", C2PA_BOX + JUMBF),
    ],
    ids=["png", "jpeg", "webp", "mp4"],
)
def test_a_c2pa_manifest_is_found(data: bytes) -> None:
    assert marks_of(data) == WITH_C2PA


@pytest.mark.parametrize(
    "data",
    [
        png_with_text(IMAGE, packed=False),
        png_with_text(IMAGE, packed=True),
        jpeg_with(IMAGE, 0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP),
        webp_with(IMAGE, b"XMP ", XMP),
        encoded(IMAGE, "TIFF", tiffinfo={700: XMP}),
        FILM + box(b"mdat", b"\0\0" + XMP),
    ],
    ids=["png", "png packed", "jpeg", "webp", "tiff", "mp4"],
)
def test_the_mark_of_a_trained_model_is_found(data: bytes) -> None:
    assert marks_of(data) == WITH_AI


def test_other_segments_and_other_sources_are_no_marks() -> None:
    assert marks_of(jpeg_with(IMAGE, 0xEB, b"HDR_RI ver=11")) == NONE
    taken = XMP.replace(b"trainedAlgorithmicMedia", b"digitalCapture")
    assert marks_of(jpeg_with(IMAGE, 0xE1, b"http://ns.adobe.com/xap/1.0/\0" + taken)) == NONE
    assert marks_of(FILM + box(b"uuid", b"\0" * 16 + JUMBF)) == NONE


def test_a_manifest_that_names_a_trained_model_says_both() -> None:
    assert marks_of(png_with(IMAGE, b"caBX", JUMBF + XMP)) == Marks(c2pa=True, ai=True)


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp"])
@pytest.mark.parametrize(("loop", "plays"), [(0, 0), (3, 3)])
def test_frames_seconds_and_repeats_are_read(tmp_path: Path, suffix: str, loop: int, plays: int) -> None:
    found = playing(animated(tmp_path / f"moving{suffix}", 250, loop=loop).read_bytes())
    assert found is not None
    assert (found.frames, found.seconds) == (4, 1.0)
    assert found.plays == (plays + 1 if suffix == ".gif" and loop else plays)


def test_a_gif_without_a_number_of_loops_plays_once_and_delays_of_nothing_take_a_tenth(tmp_path: Path) -> None:
    found = playing(animated(tmp_path / "moving.gif", 0, loop=None).read_bytes())
    assert found is not None
    assert (found.plays, found.seconds, found.total) == (1, 0.4, 0.4)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_a_still_image_does_not_play(kind: str) -> None:
    assert playing(encoded(IMAGE, kind)) is None


_WHOLE = [
    png_with(IMAGE, b"caBX", JUMBF),
    jpeg_with(IMAGE, 0xEB, b"JP\0\1" + JUMBF),
    webp_with(IMAGE, b"XMP ", XMP),
    encoded(IMAGE, "GIF"),
    encoded(IMAGE, "TIFF"),
    FILM + box(b"uuid", C2PA_BOX),
]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(_WHOLE), st.integers(0, 400), st.binary(max_size=24), st.integers(0, 400))
def test_hostile_bytes_never_raise(data: bytes, at: int, changed: bytes, end: int) -> None:
    data = (data[:at] + changed + data[at + len(changed) :])[: len(data) - end]
    marks_of(data), playing(data)
    assert len(list(parts(data))) < 200_000
