"""What is expected of a creative in its cells: levels of cells and rates of creatives, found in turns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from abkit.stats.appeal.rows import Arranged, Floats
from abkit.stats.within_groups import group_sums

_SWEEPS = 500
_CLOSE = 1e-5


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What was expected and what came, in cells that a unit shares with others.

    Attributes:
        events, expected, exposure: Shape (m,), of each unit; over each group, events and expected have one sum.
        fit: Shape (m,): events by the fit: those expected at the unit's own rate.
        own: Shape (m,): the unit's share in the level of its cells, which its own events have helped to make.
        of_group: Shape (m,): its share in all events of its group; the same as `own` where all run in the same cells.
        fitted: Shape (n,): what the fit makes of each row that counts, those where `Arranged.shared` holds.
    """

    events: Floats
    expected: Floats
    exposure: Floats
    fit: Floats
    own: Floats
    of_group: Floats
    fitted: Floats


def expected_events(rows: Arranged, age_effect: Floats) -> Expected:
    """Find the levels of cells at which each cell's events are those fitted, and from them what each unit should have.

    The rates of units are drawn a little to that of their group (half an event), so that one without events has a rate.

    Args:
        rows: The delivery.
        age_effect: Shape (n,): effect of age on the log of the rate.
    """
    keep, units, cells = rows.shared, rows.units, rows.cells
    unit, cell = rows.unit[keep], rows.cell[keep]
    y, base = rows.events[keep], rows.exposure[keep] * np.exp(np.clip(age_effect[keep], -30, 30))
    in_cell, of_unit = group_sums(cell, y, cells), group_sums(unit, y, units)
    compared = rows.group >= 0
    group = rows.group[compared]
    groups = int(group.max(initial=-1)) + 1
    of_group = np.zeros(units)
    of_group[compared] = group_sums(group, of_unit[compared], groups)[group]

    rate, expected = np.ones(units), of_unit.copy()
    for _ in range(_SWEEPS):
        level = in_cell / group_sums(cell, base * rate[unit], cells).clip(1e-300)
        expected = group_sums(unit, base * level[cell], units)
        sums = group_sums(group, expected[compared], groups)
        # Levels and rates are known up to a factor in each group: events and expected get one sum.
        expected[compared] *= of_group[compared] / sums[group].clip(1e-300)
        new = (of_unit + 0.5) / (expected + 0.5)
        moved, rate = np.abs(np.log(new / rate)).max(initial=0), new
        if moved < _CLOSE:
            break
    fitted = base * rate[unit]
    fitted *= (in_cell / group_sums(cell, fitted, cells).clip(1e-300))[cell]
    of_fit = group_sums(unit, fitted, units)
    own = group_sums(unit, fitted * fitted / in_cell[cell].clip(1e-300), units) / of_fit.clip(1e-300)
    return Expected(
        events=of_unit,
        expected=expected,
        exposure=group_sums(unit, rows.exposure[keep], units),
        fit=of_fit,
        own=np.where(compared, own, 1.0),
        of_group=np.where(compared, of_fit / of_group.clip(1e-300), 1.0),
        fitted=fitted,
    )


def day_dispersion(rows: Arranged, found: Expected) -> Floats:
    """Return the day over-dispersion of each unit: variance of its events ÷ that of counting, less 1; shape (m,).

    A day has luck of its own for each creative; what all creatives of a cell share is in its level. The variance of
    that luck, on the log of the rate, is one for all. It is found by moments: squared residuals of unit and day ÷
    fitted, less 1, over fitted.
    """
    keep = rows.shared
    days = int(rows.day.max(initial=-1)) + 1
    day = rows.day[keep]
    fitted = group_sums(day, found.fitted, days)
    residual = group_sums(day, rows.events[keep] - found.fitted, days)
    in_cell = group_sums(rows.cell[keep], rows.events[keep], rows.cells)[rows.cell[keep]].clip(1e-300)
    of_cell = group_sums(day, found.fitted**2 / in_cell, days)
    unit = np.zeros(days, np.int64)
    unit[day] = rows.unit[keep]
    told = fitted > 0
    unit, fitted, residual, of_cell = unit[told], fitted[told], residual[told], of_cell[told]
    of_unit = group_sums(unit, fitted, rows.units)
    total = of_unit / found.of_group.clip(1e-300)
    # What of its fit a row has made itself: by its cell, by its unit, less what both share.
    free = 1 - of_cell / fitted - fitted / of_unit[unit].clip(1e-300) + fitted / total[unit].clip(1e-300)
    several = free > 0.01
    free, excess = free[several], (residual**2 / fitted)[several].sum() - free[several].sum()
    weight = float(fitted[several] @ free)
    variance = max(0.0, float(excess) / weight) if free.sum() >= 1 else 0.0
    dispersion: Floats = variance * group_sums(unit, fitted**2, rows.units) / of_unit.clip(1e-300)
    return dispersion
