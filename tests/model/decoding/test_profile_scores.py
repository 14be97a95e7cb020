"""What a color profile may do to a score: the same colors in another space, and in inks, by the shipped weights."""

from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from abkit.demo.adverts import designs, render
from abkit_model.images import open_image
from abkit_model.scorer import Scorer
from tests.profiles import RGB, SRGB, encoded, even_ink_profile, in_space, linear, printed, rgb_profile, to_d50

#: Scores of the same colors may differ by so much.
BOUND = 0.05
#: Eight bits of ProPhoto have too few steps for dark and for saturated colors: what is lost in the file stays lost.
BOUND_OF_PROPHOTO = 0.1

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def shipped() -> Scorer:
    return Scorer.load()


def read(pixels: Image.Image, **options: object) -> Image.Image:
    """Read pixels back from a file, which keeps every one of them."""
    buffer = BytesIO()
    pixels.save(buffer, "TIFF", **options)
    return open_image(buffer.getvalue()).image


def in_profile(pixels: Pixels, space: str) -> Image.Image:
    return read(Image.fromarray(in_space(pixels, RGB[space])), icc_profile=rgb_profile(space, RGB[space]))


def by_hand(pixels: Pixels, space: str) -> Image.Image:
    """The pixels after a space of 8 bits, as well as floats can bring them back: what no reader can do better."""
    light = linear(in_space(pixels, RGB[space]) / 255, RGB[space][4]) @ to_d50(RGB[space]).T
    back = encoded(light @ np.linalg.inv(to_d50(SRGB)).T, 0.0)
    return Image.fromarray(np.rint(back * 255).astype(np.uint8))


def means(scorer: Scorer, images: list[Image.Image]) -> NDArray[np.float64]:
    return np.array([scorer.score(image).mean for image in images])


def apart(
    scorer: Scorer, originals: Mapping[str, Pixels], convert: Callable[[Pixels], Image.Image]
) -> NDArray[np.float64]:
    """How far the score of each converted image is from that of its original."""
    plain = means(scorer, [Image.fromarray(pixels) for pixels in originals.values()])
    return np.abs(means(scorer, [convert(pixels) for pixels in originals.values()]) - plain)


def adverts(step: int) -> dict[str, Pixels]:
    return {str(number): np.asarray(render(design)) for number, design in enumerate(designs()[::step])}


def photographs(folder: Path, names: tuple[str, ...], each: int) -> dict[str, Pixels]:
    found = {}
    for name in names:
        paths = sorted(path for path in (folder / name).rglob("*") if path.suffix.lower() in (".jpg", ".png"))
        for path in paths[:: max(1, len(paths) // each)][:each]:
            found[f"{name}/{path.name}"] = np.asarray(open_image(path).image)
    return found


@pytest.mark.parametrize("space", ["Display P3", "Adobe RGB"])
def test_an_ad_scores_the_same_in_another_color_space(shipped: Scorer, space: str) -> None:
    originals = adverts(15)
    assert apart(shipped, originals, lambda pixels: in_profile(pixels, space)).max() <= BOUND


def test_without_the_profile_the_same_pixels_would_not_score_the_same(shipped: Scorer) -> None:
    def ignored(pixels: Pixels) -> Image.Image:
        return read(Image.fromarray(in_space(pixels, RGB["Adobe RGB"])))

    assert apart(shipped, adverts(15), ignored).max() > BOUND


def test_an_ad_in_inks_scores_like_the_colors_that_they_print(shipped: Scorer) -> None:
    for pixels in adverts(20).values():
        inks = np.concatenate([255 - pixels, pixels[..., :1] // 3], axis=-1)
        wanted = Image.fromarray(printed(inks))
        found = read(Image.fromarray(inks, "CMYK"), icc_profile=even_ink_profile("press"))
        assert np.abs(np.asarray(found).astype(int) - np.asarray(wanted)).mean() < 1
        one, other = means(shipped, [wanted, found])
        assert abs(one - other) <= BOUND
        plain = read(Image.fromarray(pixels).convert("CMYK"))
        assert np.array_equal(np.asarray(plain), pixels)


@pytest.mark.long
@pytest.mark.parametrize("space", ["Display P3", "Adobe RGB", "ProPhoto"])
def test_thirty_ads_score_the_same_in_another_color_space(shipped: Scorer, space: str) -> None:
    _hold(shipped, adverts(2), space)


@pytest.mark.long
@pytest.mark.realdata
@pytest.mark.parametrize("space", ["Display P3", "Adobe RGB", "ProPhoto"])
def test_real_ads_and_photographs_score_the_same_in_another_color_space(
    shipped: Scorer, space: str, testdata: Path
) -> None:
    _hold(shipped, photographs(testdata, ("oasis_beauty", "web_ads_rated", "webpages_rated"), 15), space)


def _hold(scorer: Scorer, originals: Mapping[str, Pixels], space: str) -> None:
    assert len(originals) >= 30
    found = apart(scorer, originals, lambda pixels: in_profile(pixels, space))
    print(f"{space}: {len(found)} images, at most {found.max():.3f} apart, {found.mean():.3f} as the mean")
    if space != "ProPhoto":
        assert found.max() <= BOUND
        return
    assert found.max() <= BOUND_OF_PROPHOTO
    assert np.mean(found <= BOUND) >= 0.9
    # What is more than the bound was lost in the file: the exact conversion is as far from the original.
    exact = apart(scorer, originals, lambda pixels: by_hand(pixels, space))
    assert (exact[found > BOUND] > BOUND / 2).all()
