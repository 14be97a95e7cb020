"""The rendered adverts: the same for a seed, of every format and layout, on free photographs only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from abkit.demo.adverts import FORMATS, designs, render, write_adverts
from abkit.demo.layouts import LAYOUTS
from abkit.demo.photographs import PHOTOGRAPHS, load_photograph
from abkit.errors import AbkitError

pytest.importorskip("skimage", reason="the photographs come with scikit-image (extra: demo)")


def test_it_draws_the_same_image_for_the_same_seed() -> None:
    first, second = designs(seed=3, per_campaign=2), designs(seed=3, per_campaign=2)
    assert first == second
    assert render(first[1]).tobytes() == render(second[1]).tobytes()


def test_another_seed_gives_other_designs() -> None:
    assert designs(seed=3) != designs(seed=4)


def test_there_are_three_campaigns_of_twenty_with_every_format_and_layout() -> None:
    drawn = designs()
    assert len(drawn) == 60
    for campaign in {design.campaign for design in drawn}:
        mine = [design for design in drawn if design.campaign == campaign]
        assert len(mine) == 20
        assert {design.format for design in mine} == set(FORMATS)
        assert {design.layout for design in mine} == set(LAYOUTS)
    assert len({design.name for design in drawn}) == 60


def test_good_adverts_and_spoiled_ones_are_both_there() -> None:
    faultless = [design for design in designs() if not design.faults]
    assert 15 <= len(faultless) <= 40


def test_no_two_adverts_look_the_same(tmp_path: Path) -> None:
    adverts = write_adverts(tmp_path, per_campaign=5)
    assert len({advert.path.read_bytes() for advert in adverts}) == len(adverts)
    for advert in adverts:
        with Image.open(advert.path) as image:
            assert image.size == FORMATS[advert.design.format]
            assert np.asarray(image).std() > 10


def test_every_photograph_is_in_the_installed_wheel_and_free() -> None:
    for name, photograph in PHOTOGRAPHS.items():
        assert min(load_photograph(name).size) >= 300
        assert photograph.license in ("CC0", "public domain")


def test_it_says_what_to_install_when_the_photographs_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    from abkit.demo import photographs

    monkeypatch.setattr(photographs, "find_spec", lambda name: None)
    with pytest.raises(AbkitError) as caught:
        photographs.photograph_folder()
    assert "abkit[demo]" in str(caught.value.hint)
