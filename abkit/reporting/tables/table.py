"""A table, apart from where it is shown: columns, rows, and how both become text or HTML."""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from html import escape
from typing import TYPE_CHECKING, Any

from abkit.records import percent

if TYPE_CHECKING:
    from rich.table import Table as RichTable

#: Columns of text where no terminal says how wide it is: a pipe, a file, a notebook.
PIPE_WIDTH = 120
_LEAST_NAME = 12  # a shortened name keeps at least this many characters


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows to show.

    Attributes:
        columns: Keys of the rows, in the order of the columns; underscores are shown as spaces.
        rows: One mapping per row. Numbers are formatted here; texts are shown as they are.
        title: Line above the table, or "".
        names: The column of names, which is shortened so that no two names look the same, or "".
        images: Makes one data URI per row for HTML, "" where there is none; None for a table without images.
    """

    columns: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]
    title: str = ""
    names: str = ""
    images: Callable[[], Sequence[str]] | None = None

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]], *, title: str = "", names: str = "") -> Table:
        """Make a table of all keys of the first row."""
        return cls(columns=tuple(rows[0]) if rows else (), rows=tuple(rows), title=title, names=names)

    def text(self, width: int = PIPE_WIDTH) -> str:
        """Return the table as plain text, at most `width` columns wide.

        >>> print(Table.of([{"creative": "a.png", "score": 5.125, "n": 1200}]).text())
        creative  score      n
        a.png     5.125  1,200
        """
        from rich.console import Console

        console = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False, force_jupyter=False)
        with console.capture() as capture:
            console.print(self.renderable(width))
        return "\n".join(line.rstrip() for line in capture.get().splitlines())

    def renderable(self, width: int) -> RichTable:
        """Return the table for a Rich console."""
        from rich.table import Table as RichTable
        from rich.text import Text

        shown_rows = [[shown(row.get(column)) for column in self.columns] for row in self.rows]
        if self.names in self.columns:
            at = self.columns.index(self.names)
            room = width - sum(
                2 + max([len(name), *(len(row[i]) for row in shown_rows)])
                for i, name in enumerate(self.columns)
                if i != at
            )
            for row, name in zip(shown_rows, distinct([row[at] for row in shown_rows], room), strict=True):
                row[at] = name
        # A title may be wider than its table: it is not wrapped to the table's width.
        title = Text(printable(self.title), no_wrap=True, overflow="ignore") if self.title else None
        table = RichTable(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
        numeric = self._numeric_columns()
        for i, column in enumerate(self.columns):
            right = column in numeric
            table.add_column(
                Text(printable(column.replace("_", " "))),
                justify="right" if right else "left",
                overflow="fold",
                no_wrap=column == self.names,
                min_width=min(len(shown_rows[0][i]), _LEAST_NAME) if shown_rows and right else None,
            )
        for row in shown_rows:
            table.add_row(*map(Text, row))
        return table

    def html(self) -> str:
        """Return the table as an HTML element; every text in it is escaped."""
        numeric = self._numeric_columns()
        images = self.images() if self.images is not None else ()
        head = "".join(_cell("th", column.replace("_", " "), column in numeric) for column in self.columns)
        body = []
        for i, row in enumerate(self.rows):
            cells = "".join(_cell("td", shown(row.get(column)), column in numeric) for column in self.columns)
            image = f"<td>{_image(images[i])}</td>" if images else ""
            body.append(f"<tr>{image}{cells}</tr>")
        title = f'<caption style="text-align:left">{escape(self.title)}</caption>' if self.title else ""
        return (
            f"<table>{title}<thead><tr>{'<th></th>' if images else ''}{head}</tr></thead>"
            f"<tbody>{''.join(body)}</tbody></table>"
        )

    def _numeric_columns(self) -> set[str]:
        return {column for column in self.columns if all(_looks_numeric(row.get(column)) for row in self.rows)}


def shown(value: Any) -> str:
    """Return a value as a person reads it: – for nothing, three decimals, ISO dates.

    >>> shown(0.12345), shown(None), shown(1200)
    ('0.123', '–', '1,200')
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.3f}" if abs(value) >= 0.0005 or value == 0 else f"{value:.2e}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M UTC")
    if isinstance(value, date):
        return value.isoformat()
    return printable(value)


def printable(value: object) -> str:
    """Return a text from outside without what could move the cursor of the reader's terminal.

    >>> printable("spring" + chr(27) + "[2J.png")
    'spring�[2J.png'
    """
    text = str(value).encode("utf-8", "backslashreplace").decode()
    return "".join(char if char.isprintable() else "�" for char in text)


def distinct(names: Sequence[str], room: int) -> list[str]:
    """Shorten names to a width without making two of them look the same.

    What all names share at the beginning or the end gives way first, then the middle, then all but the surroundings of
    the first difference; names that are still alike end with a number.

    >>> distinct(["spring-sale-hero-blue.png", "spring-sale-hero-red.png"], 14)
    ['…hero-blue.png', '…-hero-red.png']
    >>> distinct(["spring-sale-hero-blue-1080x1920.png", "spring-sale-hero-red-1080x1920.png"], 14)
    ['…blue-1080x19…', '…red-1080x192…']
    """
    room = max(room, _LEAST_NAME)
    if all(len(name) <= room for name in names):
        return list(names)
    different = len(set(names))
    half = room // 2
    for before, after in ((0, room - 1), (room - 1, 0), (half, room - half - 1)):
        short = [name if len(name) <= room else f"{name[:before]}…{name[len(name) - after :]}" for name in names]
        if len(set(short)) == different:
            return short
    columns = zip(*(name for name in names if len(name) > room), strict=False)
    start = next((at for at, letters in enumerate(columns) if len(set(letters)) > 1), 0)
    short = [name if len(name) <= room else f"…{name[start : start + room - 2]}…" for name in names]
    if len(set(short)) == different:
        return short
    numbers = {name: f"…{number}" for number, name in enumerate(dict.fromkeys(names), start=1)}
    return [name if len(name) <= room else name[: room - len(numbers[name])] + numbers[name] for name in names]


def interval(low: float, high: float, digits: int = 2, *, sign: bool = False) -> str:
    """Return an interval of shares; open ends are dashes.

    >>> interval(0.01, float("inf"), sign=True)
    '[+1.00 %, –]'
    """
    return f"[{percent(low, digits, sign=sign)}, {percent(high, digits, sign=sign)}]"


def terminal_width() -> int:
    """Return how many columns stdout has; `PIPE_WIDTH` where it is no terminal."""
    import shutil

    return shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else PIPE_WIDTH


def _looks_numeric(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    if value is None or isinstance(value, int | float):
        return True
    text = str(value).removesuffix("%").strip().lstrip("+-−<>").replace(",", "").replace(".", "", 1)
    return text == "–" or text.isdigit()


def _image(uri: str) -> str:
    return f'<img src="{escape(uri)}" height="64" alt="">' if uri else ""


def _cell(tag: str, text: str, right: bool) -> str:
    return f'<{tag} style="text-align:{"right" if right else "left"}">{escape(text)}</{tag}>'
