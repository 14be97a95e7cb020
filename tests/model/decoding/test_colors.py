"""Colors of files as a color-managed screen shows them."""

import zlib
from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from abkit_model.decoding import colors
from abkit_model.images import DecodedImage, open_image
from tests.images import make_image
from tests.profiles import RGB, SRGB, gray_profile, in_space, ink_profile, rgb_profile

ORIGINAL = make_image(3, (120, 80))
FORMATS = {"PNG": {}, "TIFF": {}, "JPEG": {"quality": 98, "subsampling": 0}, "WEBP": {"lossless": True}}


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def apart(decoded: DecodedImage, wanted: Image.Image | NDArray[np.uint8]) -> float:
    return float(np.abs(np.asarray(decoded.image).astype(int) - np.asarray(wanted).astype(int)).mean())


@pytest.mark.parametrize("kind", [*FORMATS, "AVIF"])
@pytest.mark.parametrize("space", RGB)
def test_an_image_in_another_color_space_becomes_the_srgb_image_that_it_was_made_from(space: str, kind: str) -> None:
    pixels = Image.fromarray(in_space(np.asarray(ORIGINAL), RGB[space]))
    options = FORMATS.get(kind, {"quality": 100, "subsampling": "4:4:4"})
    decoded = open_image(saved(pixels, kind, icc_profile=rgb_profile(space, RGB[space]), **options))
    assert apart(decoded, ORIGINAL) < 2
    assert decoded.reading.changed
    assert decoded.reading.notes == (f"converted from the color profile “{space}” to sRGB",)


@pytest.mark.parametrize("mode", ["RGBA", "P", "L"])
def test_a_profile_counts_in_every_mode_and_leaves_transparency_alone(mode: str) -> None:
    pixels = Image.fromarray(in_space(np.asarray(ORIGINAL), RGB["Adobe RGB"]))
    wanted: Image.Image = ORIGINAL
    profile = rgb_profile("Adobe RGB", RGB["Adobe RGB"])
    if mode == "RGBA":
        pixels.putalpha(255)
        pixels.paste((255, 0, 0, 0), (0, 0, 120, 20))
        wanted = ORIGINAL.copy()
        wanted.paste("white", (0, 0, 120, 20))
    elif mode == "P":
        pixels = pixels.convert("P", palette=Image.Palette.ADAPTIVE, colors=256)
    else:
        gray = np.asarray(ORIGINAL.convert("L"))
        pixels = Image.fromarray(np.rint(255 * (gray / 255) ** 0.8).astype(np.uint8))
        wanted = open_image(saved(pixels)).image
    decoded = open_image(saved(pixels, icc_profile=profile))
    assert apart(decoded, wanted) < 3
    assert decoded.reading.changed


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("bits", [8, 16])
def test_gray_with_a_curve_of_its_own_is_converted(kind: str, bits: int) -> None:
    if bits == 16 and kind not in ("PNG", "TIFF"):
        pytest.skip(f"{kind} has no 16-bit gray")
    ramp = np.tile(np.linspace(0, 1, 128), (64, 1))
    stored = np.rint(ramp * (255 if bits == 8 else 65535)).astype(np.uint8 if bits == 8 else np.uint16)
    decoded = open_image(saved(Image.fromarray(stored), kind, icc_profile=gray_profile("linear", 1.0), **FORMATS[kind]))
    light = np.where(ramp <= 0.0031308, ramp * 12.92, 1.055 * ramp ** (1 / 2.4) - 0.055)
    assert np.abs(np.asarray(decoded.image)[..., 0] - light * 255)[:, 4:].max() < 6
    assert decoded.reading.changed


@pytest.mark.parametrize("kind", FORMATS)
def test_a_profile_that_says_srgb_leaves_every_bit_as_it_is(kind: str) -> None:
    from PIL import ImageCms

    plain = open_image(saved(ORIGINAL, kind, **FORMATS[kind]))
    for profile in (rgb_profile("monitor", SRGB), ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()):
        decoded = open_image(saved(ORIGINAL, kind, icc_profile=profile, **FORMATS[kind]))
        assert decoded.image.tobytes() == plain.image.tobytes()
        assert decoded.reading == plain.reading == open_image(saved(ORIGINAL)).reading


def test_one_profile_of_many_images_is_probed_once_and_no_more_verdicts_are_kept_than_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    probed = []
    probe = colors._leaves_colors
    monkeypatch.setattr(colors, "_verdicts", {})
    monkeypatch.setattr(colors, "_MOST_VERDICTS", 2)
    monkeypatch.setattr(colors, "_leaves_colors", lambda *asked: probed.append(asked) or probe(*asked))
    plain = saved(ORIGINAL, "PNG")
    same, *others = (rgb_profile(name, SRGB) for name in ("one", "two", "three"))
    for profile in (same, same, same):
        decoded = open_image(saved(ORIGINAL, "PNG", icc_profile=profile))
        assert decoded.image.tobytes() == open_image(plain).image.tobytes()
    assert len(probed) == 1
    for profile in (*others, same):
        open_image(saved(ORIGINAL, "PNG", icc_profile=profile))
        assert len(colors._verdicts) <= 2
    assert len(probed) > 3


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_inks_follow_their_profile_and_without_one_a_formula_that_is_named(kind: str) -> None:
    inks = ORIGINAL.convert("CMYK")
    options = {"quality": 98, "subsampling": 0} if kind == "JPEG" else {}
    plain = open_image(saved(inks, kind, **options))
    assert apart(plain, ORIGINAL) < 3
    assert plain.reading.notes == ("CMYK without a color profile: converted by formula",)
    assert not plain.reading.changed
    printed = open_image(saved(inks, kind, icc_profile=ink_profile("press"), **options))
    assert printed.reading.notes == ("converted from the color profile “press” to sRGB",)
    assert apart(printed, plain.image) > 8
    paper = open_image(saved(Image.new("CMYK", (64, 64)), kind, icc_profile=ink_profile("press"), **options))
    assert np.asarray(paper.image).min() > 250


def test_lab_becomes_the_colors_that_it_means() -> None:
    lab = Image.new("LAB", (64, 64), (136, 208, 195))  # red of sRGB: L 53, a 80, b 67
    decoded = open_image(saved(lab, "TIFF"))
    assert np.abs(np.array(decoded.image.getpixel((5, 5))) - (255, 0, 0)).max() < 12


@pytest.mark.parametrize("space", RGB)
@pytest.mark.parametrize("damage", ["cut", "empty tags", "noise", "not a profile", "of inks", "of gray"])
def test_a_profile_that_cannot_be_followed_is_ignored_with_a_note(space: str, damage: str) -> None:
    profile = rgb_profile(space, RGB[space])
    random = np.random.default_rng(0)
    broken = {
        "cut": profile[:150],
        "empty tags": profile[:128] + bytes(4),
        "noise": profile[:128] + random.bytes(400),
        "not a profile": b"this is not a profile",
        "of inks": ink_profile("press"),
        "of gray": gray_profile("gray", 2.2),
    }[damage]
    decoded = open_image(saved(ORIGINAL, icc_profile=broken))
    assert apart(decoded, ORIGINAL) == 0
    assert len(decoded.reading.notes) == 1
    assert decoded.reading.notes[0].endswith("ignored")
    assert not decoded.reading.changed


def test_the_name_of_a_profile_is_foreign_text_and_shown_as_such() -> None:
    name = "\x1b[31mred" + "x" * 500
    pixels = in_space(np.asarray(ORIGINAL), RGB["ProPhoto"])
    (note,) = open_image(saved(Image.fromarray(pixels), icc_profile=rgb_profile(name, RGB["ProPhoto"]))).reading.notes
    assert "\x1b" not in note
    assert len(note) < 120


def _with_chunk(kind: bytes, body: bytes) -> bytes:
    data = saved(ORIGINAL)
    chunk = len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")
    return data[:33] + chunk + data[33:]


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        (b"gAMA", (100_000).to_bytes(4, "big"), "the gamma of the PNG (1) was not followed"),
        (b"gAMA", (55_556).to_bytes(4, "big"), "the gamma of the PNG (0.55556) was not followed"),
        (b"gAMA", (45_455).to_bytes(4, "big"), ""),
        (b"cICP", bytes([9, 16, 0, 1]), "the color space of the PNG (cICP 9, 16) was not followed"),
        (b"cICP", bytes([12, 13, 0, 1]), "the color space of the PNG (cICP 12, 13) was not followed"),
        (b"cICP", bytes([1, 13, 0, 1]), ""),
    ],
)
def test_colors_of_a_png_that_are_not_followed_are_said(kind: bytes, body: bytes, said: str) -> None:
    decoded = open_image(_with_chunk(kind, body))
    assert apart(decoded, ORIGINAL) == 0
    assert [note.split(":")[0] for note in decoded.reading.notes] == ([said] if said else [])


def test_a_profile_goes_before_a_gamma() -> None:
    data = saved(ORIGINAL, icc_profile=rgb_profile("sRGB", SRGB))
    gamma = _with_chunk(b"gAMA", (100_000).to_bytes(4, "big"))[33:49]
    assert open_image(data[:33] + gamma + data[33:]).reading.notes == ()
