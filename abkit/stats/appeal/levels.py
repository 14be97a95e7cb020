"""What is expected of a creative in its cells: levels of cells and rates of creatives, found in turns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array

from abkit.stats.appeal.rows import Arranged, Floats, crossed
from abkit.stats.within_groups import group_sums

_SWEEPS = 1000
_CLOSE = 1e-6
_UNEVEN = 0.1  # of a unit's share in its cells, beyond that in its group: below, the approximation is as good
_MOST_EXACT = 400


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
    by_unit = crossed(unit, cell, base, units, cells)
    by_cell = by_unit.T.tocsr()

    def again(log_rate: Floats) -> tuple[Floats, Floats]:
        """Return new log rates, and what was expected at the old ones."""
        level = in_cell / (by_cell @ np.exp(log_rate)).clip(1e-300)
        expected = np.asarray(by_unit @ level, np.float64)
        sums = group_sums(group, expected[compared], groups)
        # Levels and rates are known up to a factor in each group: events and expected get one sum.
        expected[compared] *= of_group[compared] / sums[group].clip(1e-300)
        return np.log((of_unit + 0.5) / (expected + 0.5)), expected

    log_rate, expected = _settled(again, np.zeros(units))
    rate = np.exp(log_rate)
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


def _settled(again: Callable[[Floats], tuple[Floats, Floats]], start: Floats) -> tuple[Floats, Floats]:
    """Repeat until nothing moves, in leaps where it moves slowly.

    SQUAREM: Varadhan & Roland 2008, doi 10.1111/j.1467-9469.2007.00585.x.
    """
    now, expected = start, start
    for _ in range(_SWEEPS // 3):
        one, expected = again(now)
        step = one - now
        if np.abs(step).max(initial=0) < _CLOSE:
            return one, expected
        two, expected = again(one)
        bend = two - one - step
        leap = max(1.0, float(np.linalg.norm(step)) / max(float(np.linalg.norm(bend)), 1e-300))
        far = now + 2 * leap * step + leap * leap * bend
        after, _ = again(far)
        # A leap that has gone astray moves more than the step before it did.
        ahead = np.isfinite(far).all() and np.abs(after - far).max(initial=0) <= np.abs(two - one).max(initial=0)
        now = after if ahead else two
    return now, expected


def looseness(rows: Arranged, found: Expected) -> Floats:
    """Return by what the variance of each unit is larger than where all of its group run in the same cells; shape (m,).

    By the information matrix of the rates in a group, given the levels of the cells: exactly in groups of up to 400
    units, beyond that by what a unit's own events make of its cells.
    """
    loose: Floats = 1 / (1 - (found.own - found.of_group).clip(0, 0.95))
    keep = rows.shared
    unit, cell = rows.unit[keep], rows.cell[keep]
    group = rows.group[unit]
    uneven = np.zeros(int(rows.group.max(initial=-1)) + 1, bool)
    compared = rows.group >= 0
    uneven[rows.group[compared & (found.own - found.of_group > _UNEVEN)]] = True
    small = np.bincount(rows.group[compared], minlength=len(uneven)) <= _MOST_EXACT
    chosen = np.flatnonzero((uneven & small)[group])
    order = chosen[np.argsort(group[chosen], kind="stable")]
    for part in np.split(order, np.flatnonzero(np.diff(group[order])) + 1) if len(order) else []:
        mine, of_unit = np.unique(unit[part], return_inverse=True)
        cells, of_cell = np.unique(cell[part], return_inverse=True)
        shares = coo_array((found.fitted[part], (of_unit, of_cell)), shape=(len(mine), len(cells))).tocsr()
        fit, total = np.asarray(shares.sum(axis=1)).ravel(), np.asarray(shares.sum(axis=0)).ravel()
        shared = (shares * (1 / total.clip(1e-300))[None, :] @ shares.T).toarray()
        information = np.diag(fit) - shared + np.outer(fit, fit) / fit.sum()
        loose[mine] = (np.diag(np.linalg.pinv(information, hermitian=True)) * fit).clip(1)
    return loose


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
