import numpy as np
from PIL import Image

from abkit.workflows.models.contact_sheet import TILE, Tile, contact_sheet


def test_every_image_is_on_the_sheet_and_keeps_its_shape() -> None:
    wide, tall = Image.new("RGB", (400, 50), (200, 0, 0)), Image.new("RGB", (50, 400), (0, 0, 200))
    sheet = np.asarray(contact_sheet(["Sheet"], [("most", [Tile(wide, "w", "1"), Tile(tall, "t", "0")])])).astype(int)
    red = (sheet[..., 0] > 150) & (sheet[..., 1] < 60)
    blue = (sheet[..., 2] > 150) & (sheet[..., 1] < 60)
    assert np.ptp(np.flatnonzero(red.any(axis=0))) + 1 == TILE[0]
    assert np.ptp(np.flatnonzero(blue.any(axis=1))) + 1 == TILE[1]
    assert red.sum() < TILE[0] * TILE[1] / 4


def test_an_image_that_is_gone_leaves_a_place_that_says_so() -> None:
    gone = contact_sheet(["Sheet"], [("most", [Tile(None, "gone.png", "1.0")])])
    assert (np.asarray(gone) == (230, 232, 238)).all(axis=-1).any()


def test_more_images_take_more_rows() -> None:
    tiles = [Tile(None, f"{number}.png", "1") for number in range(13)]
    assert contact_sheet(["a"], [("b", tiles)]).height > contact_sheet(["a"], [("b", tiles[:12])]).height


def test_odd_names_are_drawn_and_not_a_reason_to_fail() -> None:
    names = ["", "x" * 5000, "日本語.png", "a\x00b\n\t.png", "\u202eevil.png", "😀"]
    sheet = contact_sheet(names, [(name, [Tile(None, name, name)]) for name in names])
    assert sheet.width < 2000
