"""Properties of images: each follows what it is called after, and nothing else."""

from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from abkit.intake.media.properties import image_properties, restored_properties


def photograph(size: tuple[int, int] = (640, 480)) -> Image.Image:
    """Colored noise at several scales, as photographs have it."""
    rng = np.random.default_rng(1)
    layers = [
        np.asarray(Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC))
        for noise in (rng.integers(0, 256, (side, side, 3), np.uint8) for side in (6, 40, 300))
    ]
    return Image.fromarray((0.5 * layers[0] + 0.3 * layers[1] + 0.2 * layers[2]).astype(np.uint8))


@pytest.mark.parametrize(
    ("name", "enhancer"),
    [
        ("brightness", ImageEnhance.Brightness),
        ("contrast", ImageEnhance.Contrast),
        ("colorfulness", ImageEnhance.Color),
        ("sharpness", ImageEnhance.Sharpness),
    ],
)
def test_a_property_follows_what_it_is_called_after(name: str, enhancer: type) -> None:
    image = photograph()
    found = [getattr(image_properties(enhancer(image).enhance(factor)), name) for factor in (0.4, 0.7, 1.0)]
    assert found == sorted(found)
    assert found[0] < 0.9 * found[2]


def test_figures_are_those_of_the_pixels() -> None:
    gray = np.tile(np.repeat(np.array([51, 153], np.uint8), 50), (80, 1))
    found = image_properties(Image.fromarray(np.dstack([gray] * 3)))
    assert found.brightness == pytest.approx(0.4)
    assert found.contrast == pytest.approx(0.2)
    assert found.colorfulness == 0
    assert found.color in ("#333333", "#999999")


def test_sharpness_is_judged_at_full_size() -> None:
    noise = np.random.default_rng(2).integers(0, 256, (900, 1200, 3), np.uint8)
    large = Image.blend(photograph((1200, 900)), Image.fromarray(noise), 0.2)
    sharp, blurred = (image_properties(one).sharpness for one in (large, large.filter(ImageFilter.GaussianBlur(3))))
    assert blurred < 0.5 * sharp


def test_print_is_text_and_a_photograph_is_not() -> None:
    from PIL import ImageDraw, ImageFont

    page = Image.new("RGB", (480, 480), "white")
    draw = ImageDraw.Draw(page)
    for row in range(12):
        draw.text((20, 20 + 36 * row), "Twenty percent off all shoes", fill="black", font=ImageFont.load_default(24))
    assert image_properties(page).text_share > 0.1
    assert image_properties(photograph()).text_share < 0.02


@pytest.mark.parametrize(
    ("color", "name"),
    [("black", "black"), ("#f4f4f4", "white"), ("#888888", "gray"), ("#d01818", "red"), ("#e88020", "orange"),
     ("#6b4423", "brown"), ("#f0e020", "yellow"), ("#20a040", "green"), ("#20c8e0", "cyan"), ("#2040d0", "blue"),
     ("#8030e0", "purple"), ("#f040b0", "pink")],
)  # fmt: skip
def test_a_color_has_the_name_that_people_give_it(color: str, name: str) -> None:
    found = image_properties(Image.new("RGB", (40, 30), color))
    assert found.color_name == name
    assert found.color.startswith("#")


@pytest.mark.parametrize("size", [(1, 1), (2, 500), (500, 2), (3, 3), (1, 4000)])
def test_images_of_any_shape_have_finite_properties(size: tuple[int, int]) -> None:
    found = asdict(image_properties(Image.new("RGB", size, "navy")))
    assert all(np.isfinite(value) for value in found.values() if isinstance(value, float))


def test_properties_of_other_rules_are_not_known() -> None:
    stored = image_properties(photograph()).stored()
    assert restored_properties(stored) is not None
    assert restored_properties({**stored, "rules": 0}) is None
