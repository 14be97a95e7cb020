"""Patterns of names, such as `{brand}_{concept}_v{n}_{size}`: the fields that a name has.

A pattern is fields in braces with text between them, and nothing of a regular expression. A name fits where it can be
read in exactly one way: `acme_spring_sale_v1` does not fit `{brand}_{concept}_v{n}`, because nothing says where the
brand ends.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from abkit.errors import UsageError
from abkit.names import composed, plain_key, stem

_HINT = (
    "write fields in braces with text between them: '{brand}_{concept}_v{n}_{size}' (--pattern, or name_pattern under "
    "[kpi] in abkit.toml)"
)
_FIELD = re.compile(r"[^\W\d]\w*")
_PARTS = re.compile(r"\{([^{}]*)\}")
_MOST_FIELDS = 12
_LONGEST = 300


@dataclass(frozen=True, kw_only=True)
class NamePattern:
    """Fields and the text around them.

    Attributes:
        fields: Names of the fields, in order.
        texts: What stands before, between and after them, one more than fields; case does not matter.
    """

    fields: tuple[str, ...]
    texts: tuple[str, ...]

    def read(self, name: str) -> list[Mapping[str, str]]:
        """Return the fields of a name, by each way to read it: none where it does not fit, two where there are more.

        Folders, the extension and what marks a duplicate are no part of the name. Values are as linking compares them:
        without case and separators, and numbers without leading zeros.

        >>> pattern = parse_pattern("{brand}_{concept}_v{n}")
        >>> pattern.read("ads/Acme_Summer-Sale_v01.png")
        [{'brand': 'acme', 'concept': 'summersale', 'n': '1'}]
        >>> len(pattern.read("acme_summer")), len(pattern.read("acme_summer_sale_v1"))
        (0, 2)
        """
        text = stem(name)
        if len(text) > _LONGEST:
            return []
        ways = self._ways(text)
        return [dict(zip(self.fields, map(_compared, way), strict=True)) for way in ways]

    def _ways(self, text: str) -> list[tuple[str, ...]]:
        """Return the ways to cut a text into the values of the fields: all of them, or two where there are more."""
        first, *between = self.texts
        last = between.pop()
        end = len(text) - len(last)
        if not (text.startswith(first) and text.endswith(last)) or len(first) >= end:
            return []
        # By the start of the next field, ways to get there; two are enough to know that there is more than one.
        reached: dict[int, list[tuple[str, ...]]] = {len(first): [()]}
        for separator in between:
            further: dict[int, list[tuple[str, ...]]] = {}
            for start, ways in reached.items():
                at = text.find(separator, start + 1, end)
                while at != -1:
                    there = further.setdefault(at + len(separator), [])
                    if len(there) < 2:
                        there += [(*way, text[start:at]) for way in ways][: 2 - len(there)]
                    at = text.find(separator, at + 1, end)
            reached = further
        found = [(*way, text[start:end]) for start, ways in reached.items() if start < end for way in ways]
        return found[:2]


def parse_pattern(written: str) -> NamePattern:
    """Return the pattern that a person wrote.

    Raises:
        UsageError: It is not one: no field, two without text between them, a field twice, a brace without its other.
    """
    what = f"{written[:80]!r} is not a pattern of names"
    pieces = _PARTS.split(written.strip())
    texts, fields = [composed(text.casefold()) for text in pieces[::2]], pieces[1::2]
    if any("{" in text or "}" in text for text in texts):
        raise UsageError(f"{what}: a brace is open or closed twice", hint=_HINT)
    if not fields:
        raise UsageError(f"{what}: it has no field", hint=_HINT)
    for field in fields:
        if not _FIELD.fullmatch(field):
            raise UsageError(f"{what}: {field!r} is not the name of a field", hint="use letters, digits and _")
    if len(set(fields)) < len(fields):
        twice = next(field for field in fields if fields.count(field) > 1)
        raise UsageError(f"{what}: {twice!r} is in it twice", hint="give each field its own name")
    if not all(texts[1:-1]):
        raise UsageError(f"{what}: two fields have no text between them", hint=_HINT)
    if len(fields) > _MOST_FIELDS or len(written) > _LONGEST:
        raise UsageError(f"{what}: it is too long", hint=f"use at most {_MOST_FIELDS} fields")
    if stem(f"x{texts[-1]}") == "x":
        # Names are read without their extension, so a pattern may have one or not.
        texts[-1] = ""
    return NamePattern(fields=tuple(fields), texts=tuple(texts))


def read_name(patterns: Sequence[NamePattern], name: str) -> Mapping[str, str]:
    """Return the fields of a name by the first pattern that it fits; none where it fits none, or in several ways."""
    for pattern in patterns:
        if ways := pattern.read(name):
            return ways[0] if len(ways) == 1 else {}
    return {}


def _compared(value: str) -> str:
    key = plain_key(value)
    return key.lstrip("0") or "0" if key.isdecimal() else key
