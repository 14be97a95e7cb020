"""How records of statistics are printed: JSON as they are, CSV flattened, a table of figures for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from abkit.commands.output import Format, print_json, print_rows


def print_record(
    record: Any, form: Format, *, rows: Sequence[Mapping[str, Any]] | None = None, title: str | None = None
) -> None:
    """Print one record.

    Args:
        record: a frozen record, or a mapping of them.
        form: table, json or csv.
        rows: what the table shows; the flattened record by default.
        title: above the table.
    """
    from abkit.records import to_plain

    plain = to_plain(record)
    if form is Format.JSON:
        print_json(plain)
    elif form is Format.CSV:
        print_rows([flattened(plain)], form)
    else:
        shown = (
            rows if rows is not None else [{"figure": key, "value": value} for key, value in flattened(plain).items()]
        )
        print_rows(shown, form, title=title)


def flattened(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, keys joined by dots.

    >>> flattened({"lift": {"estimate": 0.1}, "n": 3})
    {'lift.estimate': 0.1, 'n': 3}
    """
    flat: dict[str, Any] = {}
    for key, item in value.items():
        if isinstance(item, Mapping):
            flat |= flattened(item, f"{prefix}{key}.")
        elif isinstance(item, list):
            flat[f"{prefix}{key}"] = "; ".join(map(str, item)) if item and not isinstance(item[0], Mapping) else item
        else:
            flat[f"{prefix}{key}"] = item
    return flat


def percent(value: float | None, digits: int = 2, *, sign: bool = False) -> str:
    """A share as a person reads it.

    >>> percent(0.0125), percent(-0.1, 1, sign=True), percent(float("inf"))
    ('1.25 %', '-10.0 %', '–')
    """
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value * 100:{'+' if sign else ''}.{digits}f} %"


def interval(low: float, high: float, digits: int = 2, *, sign: bool = False) -> str:
    """An interval of shares; open ends are dashes.

    >>> interval(0.01, float("inf"), sign=True)
    '[+1.00 %, –]'
    """
    return f"[{percent(low, digits, sign=sign)}, {percent(high, digits, sign=sign)}]"


def comparison_rows(comparison: Any) -> list[dict[str, Any]]:
    """The rows of a comparison's table: what, figure, interval."""
    from abkit.stats.estimate import ArmRate

    rows: list[dict[str, Any]] = []
    for name in ("control", "treatment"):
        arm = getattr(comparison, name)
        if isinstance(arm, ArmRate):
            rows.append({"what": name, "figure": percent(arm.rate, 3), "interval": f"{arm.successes:,} of {arm.n:,}"})
        else:
            rows.append({"what": name, "figure": f"{arm.mean:.5g}", "interval": f"n {arm.n:,g}"})
    rates = isinstance(comparison.control, ArmRate)
    difference, lift = comparison.difference, comparison.lift
    if rates:
        cells = (
            percent(difference.estimate, 3, sign=True),
            interval(difference.ci_low, difference.ci_high, 3, sign=True),
        )
    else:
        cells = (f"{difference.estimate:+.5g}", f"[{difference.ci_low:+.5g}, {difference.ci_high:+.5g}]")
    rows.append({"what": "difference", "figure": cells[0], "interval": cells[1]})
    rows.append(
        {
            "what": "lift",
            "figure": percent(lift.estimate, 1, sign=True),
            "interval": interval(lift.ci_low, lift.ci_high, 1, sign=True),
        }
    )
    if math.isfinite(comparison.p_value):
        rows.append({"what": "p-value", "figure": f"{comparison.p_value:.4g}", "interval": comparison.alternative})
    if comparison.bayes is not None:
        posterior = comparison.bayes
        rows.append(
            {"what": "chance to win", "figure": percent(posterior.chance_to_win, 1), "interval": posterior.prior}
        )
        rows.append({"what": "expected loss", "figure": percent(posterior.expected_loss, 4), "interval": "if shipped"})
    return rows
