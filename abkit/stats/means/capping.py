"""Heavy tails: values above a stated quantile are counted as that quantile (winsorized), so that no single one decides.

What is compared then is the capped mean, and not the mean: a treatment that only brings more very large orders looks
like no treatment. That is why the cap and what it takes away are a part of every result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abkit.errors import InvalidInput
from abkit.records import Record, percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap(Record):
    """What capping did.

    Attributes:
        quantile: Of the values of all units of all arms.
        value: The cap: larger values count as this one.
        units: How many were capped.
        of_units: Of how many.
        taken: Share of the sum that capping takes away.
    """

    quantile: float
    value: float
    units: int
    of_units: int
    taken: float

    def __str__(self) -> str:
        """Return what was done, for people."""
        return (
            f"capped at {self.value:,.2f}, the {percent(self.quantile, 1)} quantile of the units of all arms: "
            f"{self.units:,} of {self.of_units:,} units and {percent(self.taken, 1)} of the sum; the capped mean is "
            "compared, not the mean"
        )


def cap_values(
    arms: Mapping[str, ArrayLike] | Sequence[ArrayLike], quantile: float
) -> tuple[list[NDArray[np.float64]], Cap]:
    """Return the values of each arm with those above a quantile of all of them brought down to it.

    One cap for all arms, found without regard to who is in which: it does not favor an arm when nothing differs.

    Args:
        arms: Values of the units of each arm.
        quantile: In (0.5, 1), such as 0.99.

    Raises:
        InvalidInput: The quantile is outside of that range, or so many values are 0 that the cap would be 0, too.

    >>> arms, cap = cap_values([[1, 2, 3, 4], [2, 3, 4, 100]], 0.75)
    >>> cap.value, arms[1].tolist(), cap.units
    (4.0, [2.0, 3.0, 4.0, 4.0], 1)
    """
    if not 0.5 < quantile < 1:
        raise InvalidInput(f"the quantile of the cap is {quantile}; expected one between 0.5 and 1, such as 0.99")
    sides = [np.asarray(values, np.float64) for values in (arms.values() if isinstance(arms, Mapping) else arms)]
    both = np.concatenate(sides) if sides else np.zeros(0)
    if not len(both):
        raise InvalidInput("there are no units to cap")
    value = float(np.quantile(both, quantile))
    if value <= 0:
        some = float((both > 0).mean())
        raise InvalidInput(
            f"{percent(1 - some, 1)} of the units have nothing, so that a cap at the {percent(quantile, 1)} quantile "
            "would take everything away",
            hint=f"a higher quantile: above {1 - some:.4f}",
        )
    above, total = both > value, float(both.sum())
    cap = Cap(
        quantile=quantile,
        value=value,
        units=int(above.sum()),
        of_units=len(both),
        taken=float((both[above] - value).sum()) / total if total > 0 else 0.0,
    )
    return [np.minimum(values, value) for values in sides], cap
