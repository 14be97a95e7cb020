"""Cells of an ODS that hold something else than they seem to: errors, formulas without a value, merged or dressed.

The library that reads the file gives an empty cell for the first three, and the bare number of the last.
"""

from __future__ import annotations

import re
from xml.parsers import expat  # nothing is built from it; the document was parsed once, and has no DOCTYPE

from abkit_model.data.files.spreadsheets.cell_formats import (
    ERROR,
    IN_CURRENCY,
    MOST_FAULTS,
    NEVER,
    SeenSheet,
    column_letters,
    word_behind,
)
from abkit_model.errors import TableError
from abkit_model.limits import FREE_CELLS, MAX_CELLS, MAX_CELLS_RATIO

# Most files have none of it, and need no second look.
_WORTH_A_LOOK = re.compile(
    rb"covered-table-cell|:formula\s*=|:currency\s*=|:value-type\s*=\s*[\"'](?:percentage|error)"
    rb"|:visibility\s*=\s*[\"'](?:collapse|filter)"
    # A number that is shown with something else than a digit at its end, or with zeros behind it.
    rb"|:value-type\s*=\s*[\"']float[\"'][^<>]*>\s*<[^<>]*>(?:[^<>]*<[^<>]*/>)*[^<>]*[^<>\s\d]\s*</"
    rb"|:value\s*=\s*[\"'](\d+)[\"'][^<>]*>\s*<[^<>]*>\1(?:000)+\s*</"
)
_HIDDEN = ("collapse", "filter")


def look_through(content: bytes) -> dict[str, SeenSheet]:
    """Return by name what is said about the sheets of a document.

    Args:
        content: The part `content.xml`.

    Raises:
        TableError: Too many cells cannot be trusted, or are repeated.
    """
    if _WORTH_A_LOOK.search(content) is None:
        return {}
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = reader.begin, reader.end
    parser.CharacterDataHandler = reader.text
    parser.Parse(content, True)
    return reader.sheets


class _Reader:
    def __init__(self) -> None:
        self.sheets: dict[str, SeenSheet] = {}
        self._sheet: SeenSheet | None = None
        self._row, self._column = 1, 0
        self._written = self._noted = 0  # cells that are written, and those that they stand for and are noted
        self._rows, self._visible, self._filled = 1, True, False
        self._found: list[tuple[int, int, str]] = []  # column, how many, fault
        self._shown: list[tuple[int, int, str]] = []
        self._held, self._text, self._times, self._beside = "", "", 1, 0

    def begin(self, tag: str, said: dict[str, str]) -> None:
        name = tag.rpartition(":")[2]
        if name == "annotation":
            self._beside += 1
        elif name == "s" and not self._beside:
            self._text += " "
        elif name == "table":
            self._sheet = self.sheets.setdefault(_said(said, "name"), SeenSheet())
            self._row = 1
        elif name == "table-row":
            self._rows, self._column = _number(said, "number-rows-repeated"), 0
            self._visible, self._filled = _said(said, "visibility") not in _HIDDEN, False
            self._found, self._shown = [], []
        elif name in ("table-cell", "covered-table-cell"):
            times = _number(said, "number-columns-repeated")
            self._written += 1
            kinds = [value for key, value in said.items() if key.endswith(":value-type")]
            self._filled |= bool(kinds)
            if fault := _fault(name, said, kinds):
                self._found.append((self._column, times, fault))
            if "percentage" in kinds:
                self._shown.append((self._column, times, "as a percentage"))
            elif currency := _said(said, "currency"):
                self._shown.append((self._column, times, f"{IN_CURRENCY}{currency}"))
            self._column += times
            self._times, self._text = times, ""
            self._held = _said(said, "value") if {"float", "currency"} & set(kinds) else ""

    def text(self, text: str) -> None:
        if self._held and not self._beside:
            self._text += text

    def end(self, tag: str) -> None:
        name = tag.rpartition(":")[2]
        self._beside -= name == "annotation"
        if name == "table-cell" and self._held:
            if word := word_behind(self._held, self._text):
                self._shown.append((self._column - self._times, self._times, f"with {word!r} behind it"))
            self._held = ""
        if name != "table-row" or self._sheet is None:
            return
        if self._filled:
            self._note(self._sheet)
        self._row += self._rows

    def _note(self, sheet: SeenSheet) -> None:
        sheet.hidden += 0 if self._visible else self._rows
        cells = self._rows * sum(times for _, times, _ in (*self._found, *self._shown))
        if not cells:
            return  # however often such a row is repeated
        if cells > MOST_FAULTS or len(sheet.faults) > MOST_FAULTS:
            raise TableError("too many cells of a sheet are merged, have errors, or have formulas without a value")
        self._noted += cells
        if self._noted > min(MAX_CELLS, max(FREE_CELLS, MAX_CELLS_RATIO * self._written)):
            raise TableError("too many cells of a sheet are repeated", hint="save the table as CSV")
        for row in range(self._row, self._row + self._rows):
            for column, times, fault in self._found:
                sheet.faults.update(((row, column + more), fault) for more in range(times))
            for column, times, what in self._shown:
                for more in range(times):
                    sheet.shown.note(row, column_letters(column + more), what)


def _fault(name: str, said: dict[str, str], kinds: list[str]) -> str:
    if name == "covered-table-cell":
        return "is merged with another: undo the merging"
    if "error" in kinds:
        return ERROR
    return NEVER if _said(said, "formula") and not kinds else ""


def _said(attributes: dict[str, str], name: str) -> str:
    return next((value for key, value in attributes.items() if key.rpartition(":")[2] == name), "")


def _number(attributes: dict[str, str], name: str) -> int:
    text = _said(attributes, name)
    return int(text) if re.fullmatch(r"[0-9]{1,7}", text) else 1
