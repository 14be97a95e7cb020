"""HEIC as phones save it: turned, in tiles, several in one file, with 10 bits, alpha and the colors of a phone."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from abkit_model.errors import ImageRejected
from abkit_model.images import DecodedImage, open_image
from tests.images import make_image

pytest.importorskip("pi_heif")

FILES = Path(__file__).parent / "heic"
SIZE = (128, 96)


def read(name: str) -> DecodedImage:
    return open_image(FILES / f"{name}.heic")


def pixels(decoded: DecodedImage) -> NDArray[np.int64]:
    return np.asarray(decoded.image).astype(np.int64)


def original(seed: int = 1) -> NDArray[np.int64]:
    return np.asarray(make_image(seed, SIZE)).astype(np.int64)


@pytest.mark.parametrize("name", ["grid", "ten_bit", "p3"])
def test_a_heic_shows_the_pixels_that_were_saved(name: str) -> None:
    decoded = read(name)
    assert (decoded.width, decoded.height, decoded.image.size, decoded.media_type) == (*SIZE, SIZE, "image/heic")
    assert np.abs(pixels(decoded) - original()).mean() < 1.5
    converted = ("converted from the color profile “Display P3” to sRGB",)
    assert decoded.reading.notes == (converted if name == "p3" else ())


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_the_turn_that_the_container_names_is_applied_once(quarters: int) -> None:
    data = (FILES / "turned.heic").read_bytes()
    place = data.index(b"irot") + 4
    # Counter-clockwise, as ISO 23008-12 has it; what is stored is the original, turned by three quarters.
    turned = open_image(data[:place] + bytes([quarters]) + data[place + 1 :])
    wanted = np.rot90(original(), quarters + 3)
    assert (turned.height, turned.width) == pixels(turned).shape[:2] == wanted.shape[:2]
    assert np.abs(pixels(turned) - wanted).mean() < 1.5


def test_of_several_images_the_main_one_is_scored_and_a_note_says_so() -> None:
    decoded = read("several")
    assert np.abs(pixels(decoded) - original(2)).mean() < 1.5
    assert decoded.reading.notes == ("2 images in one file: the main one was scored",)
    assert decoded.reading.frame is None


def test_transparency_in_a_heic_is_put_on_white() -> None:
    decoded = pixels(read("alpha"))
    assert decoded[:, :60].min() == 255
    assert np.abs(decoded[:, 66:] - original()[:, 66:]).mean() < 2


def test_colors_that_are_said_in_numbers_are_taken_for_srgb_with_a_note() -> None:
    decoded = read("nclx_p3")
    assert decoded.reading.notes == ("colors of another range than sRGB (Display P3) are taken for sRGB",)
    assert not decoded.reading.changed
    data = (FILES / "nclx_p3.heic").read_bytes()
    place = data.index(b"nclx") + 4
    for primaries, curve, name in ((9, 16, "Rec. 2020, HDR"), (9, 18, "Rec. 2020, HDR"), (9, 1, "Rec. 2020")):
        told = data[:place] + primaries.to_bytes(2, "big") + curve.to_bytes(2, "big") + data[place + 4 :]
        assert name in open_image(told).reading.notes[0]
    plain = data[:place] + bytes([0, 1, 0, 13]) + data[place + 4 :]
    assert open_image(plain).reading.notes == ()


@pytest.mark.parametrize("name", ["turned", "grid", "several", "alpha"])
def test_a_heic_that_ends_too_early_is_damaged_and_not_called_another_thing(name: str) -> None:
    data = (FILES / f"{name}.heic").read_bytes()
    for length in (*range(30, len(data) - 40, 150), len(data) - 40):
        with pytest.raises(ImageRejected) as refused:
            open_image(data[:length])
        assert "damaged" in refused.value.reason or "cut off" in refused.value.reason
