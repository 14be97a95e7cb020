"""The photographs under the demo's adverts: the ones in the scikit-image wheel that are CC0 or public domain.

Left out on purpose: `astronaut` (public domain, but NASA asks that a recognizable person not be made to endorse a
product), `camera` (CC0, but it shows a person too), `motorcycle` (a research benchmark without a free license) and
`moon`, `coins` and `page` (no license that names its terms). What scikit-image downloads on demand is left out too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from abkit.errors import AbkitError

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Photograph:
    """A photograph of the wheel.

    Attributes:
        file: Its name in `skimage/data`.
        license: As scikit-image's documentation states it.
        credit: Who made it.
        subject: Center of what it shows, as fractions of its width and height. A good crop keeps it.
    """

    file: str
    license: str
    credit: str
    subject: tuple[float, float]


PHOTOGRAPHS: dict[str, Photograph] = {
    "coffee": Photograph("coffee.png", "CC0", "Rachel Michetti, courtesy of Pikolo Espresso Bar", (0.48, 0.42)),
    "cat": Photograph("chelsea.png", "CC0", "Stefan van der Walt", (0.52, 0.40)),
    "rocket": Photograph("rocket.jpg", "public domain", "SpaceX", (0.50, 0.66)),
    "galaxies": Photograph("hubble_deep_field.jpg", "public domain", "NASA", (0.45, 0.55)),
    "brick": Photograph("brick.png", "CC0", "CC0Textures, Bricks25", (0.5, 0.5)),
    "gravel": Photograph("gravel.png", "CC0", "CC0Textures, Gravel04", (0.5, 0.5)),
    "grass": Photograph("grass.png", "CC0", "linolafett, DeviantArt", (0.5, 0.5)),
}


def photograph_folder() -> Path:
    """Return the folder of images of the installed scikit-image wheel, without importing scikit-image.

    Raises:
        AbkitError: scikit-image is not installed.
    """
    spec = find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        raise AbkitError(
            "The demo's photographs come with scikit-image, which is not installed.",
            hint="pip install 'abkit[demo]'",
        )
    return Path(next(iter(spec.submodule_search_locations))) / "data"


@lru_cache(maxsize=len(PHOTOGRAPHS))
def load_photograph(name: str) -> Image:
    """Open one of `PHOTOGRAPHS` as an RGB image. Callers must not draw on it: it is shared.

    Raises:
        AbkitError: The wheel that is installed no longer contains the image.
    """
    from PIL import Image

    path = photograph_folder() / PHOTOGRAPHS[name].file
    if not path.is_file():
        raise AbkitError(
            f"The installed scikit-image has no image {path.name}.",
            hint="Install the version that abkit's constraints.txt names.",
        )
    with Image.open(path) as image:
        return image.convert("RGB")
