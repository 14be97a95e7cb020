"""Names of files, columns and campaigns, written one way so that equal names are equal texts."""

from __future__ import annotations

import unicodedata


def composed(name: str) -> str:
    """Return a name in Unicode's composed form (NFC): an accent is part of its letter.

    Macs hand on file names with the accents apart (`e` and `´`), most exports have them in one (`é`). Both look the
    same on any screen, so names are compared in this form, wherever they come from.

    >>> composed("cafe\\u0301.png") == "caf\\u00e9.png"
    True
    """
    return name if name.isascii() else unicodedata.normalize("NFC", name)
