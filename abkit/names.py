"""Names of files and ads: their last part, their spelling, and the key under which they are linked.

Two names have the same key when they differ in their extension, in case, in what separates their words, in the way an
accent is composed, or in what a platform appends to the name of a duplicate. Everything else distinguishes them:
`hero_v1` and `hero_v11`, `hero_1080x1080` and `hero_9x16`, `hero` and `hero (1)` are different.

Keys are stored (`creative_alias.link_key`, `ad_name.link_key`); a change of the rule needs a migration.
"""

import re
from contextlib import suppress
from urllib.parse import unquote

from abkit_model.names import composed

__all__ = ["base_name", "composed", "folded", "is_sha256", "link_key", "plain_key", "stem", "words"]

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
_PARTS = re.compile(r"[/\\]")
_ROOT = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|[/\\]|[A-Za-z]:[/\\]")
# Of images and of the videos that ads are made of. Any other ending, such as ".2" in "hero_v1.2", is part of the name.
_EXTENSION = re.compile(
    r"\.(jpe?g|jpe|jfif|png|apng|gif|webp|bmp|tiff?|avif|hei[cf]|mpo|jp2|jxl|mp4|m4v|mov|webm|avi|mkv)$", re.IGNORECASE
)
# Ads managers name a duplicate after its original: "Hero - Copy", "Hero – Kopie", "Hero - Copy 2". The blank before the
# dash tells that apart from a name about copy ("long-copy"). A number in brackets is not in this list: it comes from
# a computer that found another file of that name, which may show something else.
_DUPLICATE = re.compile(r"(?<=\S)\s+[-–—]\s*(copy|kopie)(\s+\d+)?$", re.IGNORECASE)
_WORD = re.compile(r"\d+|[^\W\d_]+")
_SEPARATOR = re.compile(r"[\s_.+/\\\-\u2010-\u2015\u2212]+")


def is_sha256(name: str) -> bool:
    """Return whether a name is the SHA-256 of a content rather than a name."""
    return _SHA256.fullmatch(name) is not None


def base_name(name: str) -> str:
    """Return the last part of a path, of either kind.

    >>> base_name("ads/a.png"), base_name("C:\\\\ads\\\\b.png")
    ('a.png', 'b.png')
    """
    return _PARTS.split(name)[-1]


def link_key(name: str) -> str:
    """Return what is left of a name without what linking ignores; names with the same key may be the same.

    Separators between two digits count as one and stay: `v1_1` is not `v11`.

    >>> link_key("ads/Summer_Sale-v1.PNG"), link_key("summer sale v1"), link_key("Summer%20Sale+V1.jpg – Kopie")
    ('summersalev1', 'summersalev1', 'summersalev1')
    >>> link_key("hero_v1_1.png"), link_key("hero_v11.png"), link_key("Hero 1080x1080 (1)")
    ('herov1 1', 'herov11', 'hero1080x1080(1)')
    """
    return _key(name, duplicates=True)


def plain_key(name: str) -> str:
    """Return the key of a name that keeps what marks a duplicate.

    >>> plain_key("Hero - Copy"), link_key("Hero - Copy")
    ('herocopy', 'hero')
    """
    return _key(name, duplicates=False)


def folded(name: str) -> str:
    """Return a name without what two spellings of one differ in: case, blanks, how accents are composed.

    >>> folded("Summer  Sale.PNG "), folded("hero.jpg") == folded("hero.png")
    ('summer sale.png', False)
    """
    return composed(" ".join(name.split()).casefold())


def stem(name: str) -> str:
    """Return a name in lower case without its folder, its extension and what marks a duplicate.

    >>> stem("ads/Hero_v1.PNG"), stem("Hero_v1 - Copy")
    ('hero_v1', 'hero_v1')
    """
    return _stem(name, duplicates=True)


def words(name: str) -> list[str]:
    """Return the words and numbers of a name, without extension and case; a number has no leading zeros.

    >>> words("Summer_Sale-v01 1080x1080.PNG")
    ['summer', 'sale', 'v', '1', '1080', 'x', '1080']
    """
    text = _EXTENSION.sub("", _file_part(name)).casefold()
    return [word.lstrip("0") or word for word in _WORD.findall(composed(text))]


def _key(name: str, *, duplicates: bool) -> str:
    if is_sha256(name):
        return name.lower()
    text = _stem(name, duplicates=duplicates)

    def between_digits(found: re.Match[str]) -> str:
        around = text[found.start() - 1 : found.start()] + text[found.end() : found.end() + 1]
        return " " if len(around) == 2 and around.isdecimal() else ""

    return _SEPARATOR.sub(between_digits, text) or composed(name.strip().casefold())


def _stem(name: str, *, duplicates: bool) -> str:
    text = _file_part(name)
    before = None
    while text != before:
        before = text
        if duplicates:
            text = _DUPLICATE.sub("", text).strip()
        text = _EXTENSION.sub("", text).strip() or text
    # Letters that casefold to several can be composed differently afterwards.
    return composed(text.casefold())


def _file_part(name: str) -> str:
    """Return the file of a path or address; the whole of a name that only has strokes in it ("DE/Prospecting/Hero")."""
    text = name.strip()
    if "://" in text:
        text = re.split(r"[?#]", text)[0]
    if _PERCENT.search(text):
        with suppress(UnicodeDecodeError):  # "100%ad" is no address
            text = unquote(text, errors="strict")
    text = composed(text).strip()
    last = base_name(text)
    return last if last and (_ROOT.match(text) or _EXTENSION.search(last)) else text
