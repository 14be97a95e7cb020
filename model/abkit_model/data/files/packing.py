"""How far a packed table may unpack: a small file must not fill the memory."""

from __future__ import annotations

from abkit_model.errors import TableError
from abkit_model.limits import FREE_UNPACKED_BYTES, MAX_UNPACKED_RATIO


def most_unpacked(packed: int) -> int:
    """Return the size in bytes that a packed table of some bytes may unpack to.

    >>> most_unpacked(1_000), most_unpacked(1_000_000)
    (33554432, 100000000)
    """
    return max(FREE_UNPACKED_BYTES, MAX_UNPACKED_RATIO * packed)


def refuse_ratio(packed: int, unpacked: int) -> None:
    """Refuse a table that unpacks to far more than real ones do.

    Raises:
        TableError: It is packed too tightly.
    """
    if unpacked > most_unpacked(packed):
        raise TableError(
            f"the table is packed so tightly that more than {MAX_UNPACKED_RATIO} times its size comes out of it",
            hint="unpack it yourself and look at it; save it as CSV if it is what you expect",
        )
