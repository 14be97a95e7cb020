"""Transparency on a ground where it is seen, blank images, and the frame that stands for an animation."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageDraw

from abkit_model.decoding import animations
from abkit_model.images import open_image
from tests.images import make_image

SIZE = (160, 120)


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def logo(color: tuple[int, int, int, int], background: tuple[int, int, int, int] = (0, 0, 0, 0)) -> Image.Image:
    image = Image.new("RGBA", SIZE, background)
    draw = ImageDraw.Draw(image)
    draw.ellipse((20, 20, 90, 90), fill=color)
    draw.rectangle((100, 40, 140, 100), fill=color)
    return image


def corner(data: bytes) -> object:
    return open_image(data).image.getpixel((0, 0))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "AVIF", "GIF"])
@pytest.mark.parametrize("color", [(255, 255, 255, 255), (238, 238, 238, 255), (255, 255, 255, 128)])
def test_a_light_logo_stands_on_a_ground_on_which_it_is_seen(kind: str, color: tuple[int, int, int, int]) -> None:
    if kind == "GIF" and color[3] < 255:
        pytest.skip("GIF has no half transparency")
    decoded = open_image(saved(logo(color), kind))
    pixels = np.asarray(decoded.image).astype(int)
    assert pixels.max() - pixels.min() > 80
    assert any("on a dark ground" in note for note in decoded.reading.notes)
    assert decoded.reading.changed


@pytest.mark.parametrize("mode", ["LA", "PA", "P"])
def test_a_white_logo_is_seen_in_every_mode_with_transparency(mode: str) -> None:
    image = logo((255, 255, 255, 255))
    if mode == "P":
        image = image.quantize(16, method=Image.Quantize.FASTOCTREE)
    data = saved(image.convert(mode), "TIFF" if mode == "PA" else "PNG")
    assert corner(data) == (48, 48, 48)


@pytest.mark.parametrize("color", [(0, 0, 0, 255), (200, 30, 30, 255), (255, 220, 0, 255), (90, 90, 90, 160)])
def test_a_logo_that_is_seen_on_white_stays_on_white(color: tuple[int, int, int, int]) -> None:
    data = saved(logo(color))
    assert corner(data) == (255, 255, 255)
    assert open_image(data).reading.notes == ()


def test_a_logo_of_white_and_dark_parts_stands_on_the_ground_that_shows_both() -> None:
    image = logo((255, 255, 255, 255))
    ImageDraw.Draw(image).rectangle((100, 40, 120, 60), fill=(30, 30, 30, 255))
    assert corner(saved(image)) == (119, 119, 119)


def test_rounded_corners_do_not_change_the_ground_of_a_light_image() -> None:
    image = Image.new("RGBA", SIZE, (250, 250, 250, 255))
    image.paste((0, 0, 0, 0), (0, 0, 6, 6))
    assert corner(saved(image)) == (255, 255, 255)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
@pytest.mark.parametrize("color", ["white", "black", "#3366cc"])
def test_an_image_of_one_color_is_named(kind: str, color: str) -> None:
    (note,) = open_image(saved(Image.new("RGB", SIZE, color), kind)).reading.notes
    assert note.startswith("nothing to see: every pixel is #")


def test_an_image_with_nothing_visible_is_named() -> None:
    assert open_image(saved(Image.new("RGBA", SIZE, (9, 9, 9, 0)))).reading.notes == (
        "nothing to see: every pixel is #ffffff",
    )
    assert open_image(saved(make_image(1))).reading.notes == ()


def fading(frames: int = 9) -> list[Image.Image]:
    white, shown = Image.new("RGB", SIZE, "white"), make_image(5, SIZE)
    return [Image.blend(white, shown, number / (frames - 1)) for number in range(frames)]


MOVING = {"GIF": {}, "WEBP": {"lossless": True}, "PNG": {}, "AVIF": {"quality": 90}}


@pytest.mark.parametrize("kind", MOVING)
def test_an_animation_that_fades_in_is_scored_where_it_is_there(kind: str) -> None:
    first, *others = fading()
    data = saved(first, kind, save_all=True, append_images=others, duration=100, **MOVING[kind])
    decoded = open_image(data)
    assert decoded.reading.frames == 9
    assert decoded.reading.frame is not None
    assert decoded.reading.frame >= 6
    assert decoded.reading.changed
    assert f"an animation: frame {decoded.reading.frame} of 9 was scored" in decoded.reading.notes
    wanted = np.asarray(make_image(5, SIZE)).astype(int)
    assert np.abs(np.asarray(decoded.image).astype(int) - wanted).mean() < 45
    assert open_image(data).image.tobytes() == decoded.image.tobytes()


@pytest.mark.parametrize("kind", MOVING)
def test_an_animation_that_shows_something_at_once_is_scored_by_its_first_frame(kind: str) -> None:
    frames = [make_image(seed, SIZE) for seed in (1, 2, 3)]
    decoded = open_image(saved(frames[0], kind, save_all=True, append_images=frames[1:], **MOVING[kind]))
    assert (decoded.reading.frame, decoded.reading.frames, decoded.reading.changed) == (1, 3, False)
    assert decoded.reading.notes == ("an animation: frame 1 of 3 was scored",)


def test_an_animation_of_nothing_is_named_as_blank() -> None:
    frames = [Image.new("RGB", SIZE, color) for color in ("white", "#fefefe", "#fdfdfd")]
    decoded = open_image(saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert any(note.startswith("nothing to see") for note in decoded.reading.notes)


def test_pages_of_a_tiff_are_no_animation() -> None:
    decoded = open_image(saved(make_image(1), "TIFF", save_all=True, append_images=[make_image(2)]))
    assert decoded.image.tobytes() == make_image(1).tobytes()
    assert (decoded.reading.frame, decoded.reading.notes) == (None, ("2 pages: the first was scored",))


def test_of_an_animation_without_end_a_bounded_number_of_frames_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    white = Image.new("P", (1000, 1000), 0)
    white.putpalette([255, 255, 255, 0, 0, 0])
    once = saved(white, "GIF")
    body = once[once.index(b",") : -1]
    looked_at = []
    monkeypatch.setattr(animations, "spread", lambda image: looked_at.append(image.size) or 0.0)
    assert open_image(once[: once.index(b",")] + body * 2_000 + b";").reading.frame == 1
    assert looked_at == [(1000, 1000)] * 200
