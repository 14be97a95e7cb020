"""Names of files, columns and campaigns, written one way so that equal names are equal texts."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

_LONG = 60  # characters of a name in a sentence


def composed(name: str) -> str:
    """Return a name in Unicode's composed form (NFC): an accent is part of its letter.

    Macs hand on file names with the accents apart (`e` and `´`), most exports have them in one (`é`). Both look the
    same on any screen, so names are compared in this form, wherever they come from.

    >>> composed("cafe\\u0301.png") == "caf\\u00e9.png"
    True
    """
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def some_of(names: Iterable[str], most: int = 20) -> str:
    """Return names for a sentence: the first of many, each shortened where it is long.

    Args:
        names: Names from outside, such as the columns of a file.
        most: How many at the most.

    >>> some_of(["day", "ad"]), some_of(["a", "b", "c"], most=2)
    ("'day', 'ad'", "'a', 'b' and 1 more")
    """
    every = list(names)
    shown = ", ".join(repr(name if len(name) <= _LONG else name[:_LONG] + "…") for name in every[:most])
    return f"{shown} and {len(every) - most:,} more" if len(every) > most else shown
