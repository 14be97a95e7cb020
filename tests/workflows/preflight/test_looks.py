"""What can be seen: blank and faint images, and estimates of text beside what was drawn."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from abkit.workflows.preflight.looks import look_at
from tests.images import make_image
from tests.workflows.preflight.files import with_text

LINES = ["Summer sale starts now", "Up to forty percent off", "Only while stocks last"]


def drawn(height: int, size: tuple[int, int] = (1080, 1080), color: str = "white") -> tuple[Image.Image, float]:
    """Black lines of text on one color, and the share of the area that their boxes take."""
    image = Image.new("RGB", size, color)
    draw, font, area = ImageDraw.Draw(image), ImageFont.load_default(size=height), 0.0
    for number, line in enumerate(LINES):
        left, top, right, bottom = draw.textbbox((30, 40 + number * height * 1.3), line, font=font)
        draw.text((30, 40 + number * height * 1.3), line, font=font, fill="black")
        area += (right - left) * (bottom - top)
    return image, area / (size[0] * size[1])


@pytest.mark.parametrize("height", [28, 40, 56, 72, 88])
def test_text_is_estimated_within_a_factor_of_two(height: int) -> None:
    image, share = drawn(height)
    assert share / 2 < look_at(image).text_share < share * 2


@pytest.mark.parametrize("seed", range(4))
def test_shapes_gradients_and_noise_are_no_text(seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 255, (600, 600, 3), dtype=np.uint8)
    assert look_at(make_image(seed, (1080, 1080))).text_share < 0.005
    assert look_at(Image.fromarray(noise)).text_share < 0.005
    assert look_at(Image.linear_gradient("L").convert("RGB")).text_share == 0


def test_photographs_have_little_text() -> None:
    data = pytest.importorskip("skimage.data")
    for name in ("astronaut", "coffee", "chelsea", "rocket", "coins"):
        assert look_at(Image.fromarray(getattr(data, name)()).convert("RGB")).text_share < 0.03, name


def test_bands_along_the_sides_are_looked_at_one_by_one() -> None:
    looks = look_at(with_text((1080, 1920), LINES[:1], (90, 1700), 70))
    inside = looks.share_in({"top": 0.14, "bottom": 0.2, "left": 0.02})
    assert inside["bottom"] > 0.05
    assert inside["top"] == 0
    assert inside["left"] < 0.02


def test_one_color_is_blank_and_white_on_white_is_faint() -> None:
    assert look_at(Image.new("RGB", (300, 250), "#fefefe")).blank
    pale = Image.new("RGB", (300, 250), "white")
    ImageDraw.Draw(pale).text((30, 60), "Sale", font=ImageFont.load_default(size=60), fill="#eeeeee")
    assert (look_at(pale).blank, look_at(pale).faint) == (False, True)
    ImageDraw.Draw(pale).text((30, 60), "Sale", font=ImageFont.load_default(size=60), fill="#888888")
    assert (look_at(pale).blank, look_at(pale).faint) == (False, False)


@pytest.mark.parametrize("size", [(32, 32), (32, 2000), (2000, 32), (320, 50), (5000, 33)])
def test_every_shape_can_be_looked_at(size: tuple[int, int]) -> None:
    looks = look_at(Image.new("RGB", size, "red"))
    assert looks.blank
    assert looks.share_in({"top": 0.1, "right": 0.1}) == {"top": 0.0, "right": 0.0}
