"""What a file name says about the idea that it shows: the name without the size, the placement and the extension."""

import re
from pathlib import PurePath

from abkit_model.names import composed

# Words that say for which place a file was cut, and nothing of what it shows.
_PLACES = {
    *("square", "portrait", "landscape", "vertical", "horizontal", "sq", "vert", "horiz", "wide", "tall"),
    *("story", "stories", "reel", "reels", "feed", "thumb", "thumbnail", "fullscreen", "interstitial"),
    *("banner", "leaderboard", "skyscraper", "billboard", "rectangle", "mrec", "mpu", "halfpage"),
}
_SIZE = re.compile(r"\d{2,5}[x×]\d{2,5}(px)?|\d{1,2}([x×:]|by)\d{1,2}|[1-4]x|\d{2,5}px")
_BETWEEN = re.compile(r"[\s_\-.+,@()\[\]{}]+")
_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,5}$")


def idea_name(path: str, width: int, height: int) -> str:
    """Return what a file's name says about its idea; its folder's where the name is nothing but a size; "" for nothing.

    Args:
        path: The name, with its folders as far as they are known.
        width: Pixels: a number in the name that is the width or the height is a size.
        height: Pixels.

    >>> idea_name("ads/Spring-Sale_hero_1080x1920.png", 1080, 1920), idea_name("spring sale hero 9x16.jpg", 360, 640)
    ('spring-sale-hero', 'spring-sale-hero')
    >>> idea_name("ads/blue/1080x1080.png", 1080, 1080)
    'blue'
    """
    parts = PurePath(composed(path).replace("\\", "/"))
    name = _without_size(_EXTENSION.sub("", parts.name), width, height)
    return name or _without_size(parts.parent.name, width, height)


def _without_size(text: str, width: int, height: int) -> str:
    words = [word for word in _BETWEEN.split(text.casefold()) if word]
    sizes = {str(width), str(height)}
    kept = [word for word in words if not (word in sizes or word in _PLACES or _SIZE.fullmatch(word))]
    return "-".join(kept)
