"""Small tables that belong to the plan of an experiment: which stratum a geography is in, which day was whose."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from abkit.errors import InvalidInput, UsageError

_MOST_BYTES = 5_000_000


def read_strata(path: Path) -> dict[str, str]:
    """Read the stratum of each geography from a CSV with the columns geography,stratum.

    Raises:
        UsageError: The file cannot be read, or is not such a table.
        InvalidInput: A cell is empty, or a geography is named twice.
    """
    expected = "expected the columns geography,stratum: DE,1"
    return dict(_rows(path, ("geography", "stratum"), expected))


def read_schedule(path: Path) -> dict[date, str]:
    """Read the variant of each day from a CSV with the columns date,variant.

    Raises:
        UsageError: The file cannot be read, or is not such a table.
        InvalidInput: A cell is empty or not a date, or a day is named twice.
    """
    expected = "expected the columns date,variant: 2026-03-02,new"
    found = {}
    for text, variant in _rows(path, ("date", "variant"), expected):
        try:
            found[date.fromisoformat(text)] = variant
        except ValueError:
            raise InvalidInput(f"{path.name}: the date is {text[:20]!r}; expected one such as 2026-03-02") from None
    return found


def _rows(path: Path, columns: tuple[str, str], expected: str) -> Iterator[tuple[str, str]]:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}", hint=expected) from error
    if len(content) > _MOST_BYTES:
        raise UsageError(f"{path} is larger than {_MOST_BYTES // 1_000_000} MB; {expected}")
    try:
        text = content.decode("utf-8-sig")
        sign = ";" if ";" in text.partition("\n")[0] else ","
        lines = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=sign)
        header = [cell.strip().lower() for cell in next(lines, [])]
        if sorted(header) != sorted(columns):
            raise UsageError(f"{path.name} has the columns {', '.join(header)[:200] or 'none'}", hint=expected)
        seen: set[str] = set()
        for cells in lines:
            if not any(cell.strip() for cell in cells):
                continue
            where = f"{path.name}, line {lines.line_num}"
            if len(cells) != 2 or not all(cell.strip() for cell in cells):
                raise InvalidInput(f"{where} has {len(cells)} cells, or an empty one", hint=expected)
            row = dict(zip(header, (cell.strip() for cell in cells), strict=True))
            if row[columns[0]] in seen:
                raise InvalidInput(f"{where} names {row[columns[0]][:50]!r} a second time")
            seen.add(row[columns[0]])
            yield row[columns[0]], row[columns[1]]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} is not a CSV file in UTF-8: {error}", hint=expected) from error
