"""Platforms under several names: what Meta delivers is delivered on Facebook, Instagram and its other places.

An export without that breakdown is of the platform as a whole, and one with it names the places: their sum is the
same delivery. A collection of several platforms may also call one of them as people do ("Facebook Ads").
"""

from __future__ import annotations

from abkit.names import plain_key

# What recipes call a platform, and the other names under which all of it or a part of it is delivered; the places of
# Meta are those of `publisher_platform` in its API.
_PARTS = {
    "meta": "facebook instagram messenger audiencenetwork threads whatsapp oculus unknown metaads facebookads "
    "instagramads facebookinstagram",
    "google-ads": "google googleads adwords googleadwords",
    "tiktok": "tiktok tiktokads",
    "linkedin": "linkedin linkedinads",
    "pinterest": "pinterest pinterestads",
    "snapchat": "snapchat snapchatads snap",
    "microsoft": "microsoft microsoftads microsoftadvertising bing bingads",
    "x": "x xads twitter twitterads",
}
_PARTS_OF = {whole: frozenset(names.split()) for whole, names in _PARTS.items()}


def is_whole(platform: str) -> bool:
    """Return whether other names may be of a part of this platform."""
    return platform in _PARTS_OF


def is_part(platform: str, whole: str) -> bool:
    """Return whether what is delivered on one platform may be a part of another, or all of it.

    >>> is_part("Audience Network", "meta"), is_part("meta", "meta"), is_part("facebook", "tiktok")
    (True, False, False)
    """
    return platform != whole and plain_key(platform) in _PARTS_OF.get(whole, ())


def whole_of(platform: str) -> str:
    """Return the platform of which this one may be a part; itself without any.

    >>> whole_of("instagram"), whole_of("tiktok"), whole_of("somebody else")
    ('meta', 'tiktok', 'somebody else')
    """
    return next((whole for whole in _PARTS_OF if is_part(platform, whole)), platform)


def agree_on_platform(one: str, other: str) -> bool:
    """Return whether two platforms may be one: they are equal, one is not known, or is a part of the other."""
    return one == other or not one or not other or is_part(one, other) or is_part(other, one)
