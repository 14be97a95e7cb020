"""Spreadsheets as tables: the sheet and its header are found, cells keep their types, faulty cells keep their name.

The library that reads them gives an empty cell for an error (`#N/A`) and for a formula that was never calculated, and
it makes room for every cell between the first and the last one. So a file is looked through first: which cells have no
value that could be trusted; of an XLSX, too, how large it unpacks and how far its cells reach.
"""

from __future__ import annotations

import hashlib
import io
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from html import unescape
from typing import TYPE_CHECKING, Any, BinaryIO
from xml.parsers import expat  # nothing is built from it, and a DOCTYPE ends it

from abkit_model.data.files.layouts import Layout, bare
from abkit_model.data.files.packing import most_unpacked, refuse_ratio
from abkit_model.data.files.panics import unprinted_panics
from abkit_model.data.files.spreadsheets.cell_formats import (
    ERROR,
    IN_CURRENCY,
    MOST_FAULTS,
    NEVER,
    SeenSheet,
    ShownOtherwise,
    column_letters,
    misleading_formats,
)
from abkit_model.data.files.spreadsheets.ods_cells import look_through
from abkit_model.data.files.spreadsheets.side_tables import columns_of_others
from abkit_model.data.files.spreadsheets.xls_cells import look_through_old
from abkit_model.data.files.text_rows import BrokenRow
from abkit_model.data.numbers import SEVERAL
from abkit_model.errors import ReadingNote, TableError
from abkit_model.limits import FREE_CELLS, MAX_CELLS, MAX_CELLS_RATIO
from abkit_model.names import composed

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

Cell = str | float | int | bool | date | datetime | time | timedelta

_HEADER_WITHIN = 20_000  # rows
_CHUNK = 1 << 22
_A_TABLE = 3  # known names in a header
_EXACT = 1e15  # spreadsheets keep 15 digits of a number
_SAVE = "open it in a spreadsheet program, and save the table as XLSX or CSV"
_TAG = rb"<(?:\w+:)?"
# Nothing here looks further than a cell reaches: hostile texts would make it look at everything from everywhere.
_CELL_BEGINS = re.compile(rb"(?=" + _TAG + rb"c\b)")
_CELL = re.compile(_TAG + rb"c\b([^<>]{0,999}[^<>/])>")
_CELL_ENDS = re.compile(rb"</(?:\w+:)?c\s*>")
# The start of every row and cell, and of those as nearly all programs write them: the others are looked at one by one.
_BEGINS = re.compile(_TAG + rb"(?:c|row)(?=[\s/>])")
_USUAL = re.compile(
    rb"<c r=\"([A-Z]{1,3})([0-9]{1,7})\"(?: [a-z]{1,9}=\"[^\"<>]{0,99}\"){0,9}(/?)>"
    rb"|<row r=\"[0-9]{1,7}\"(?: [\w:.]{1,99}=\"[^\"<>]{0,99}\"){0,30} ?/?>"
)
_ANY = re.compile(_TAG + rb"(c|row)(?=[\s/>])((?:[^<>\"']++|\"[^\"<]{0,9999}+\"|'[^'<]{0,9999}+'){0,999}+)>")
_ADDRESS = re.compile(rb"(?:^|\s)r\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_CELL_ADDRESS = re.compile(rb"\s*([A-Za-z]{1,3})([0-9]{1,7})\s*")
_PLACE = re.compile(rb"\br\s*=\s*[\"']([A-Z]{1,3})([0-9]{1,7})[\"']")
_ERROR = re.compile(rb"\bt\s*=\s*[\"']e[\"']")
_FORMULA = re.compile(_TAG + rb"f\b")
_VALUE = re.compile(_TAG + rb"v\b[^<>]*>([^<]*)<")
_HIDDEN = re.compile(_TAG + rb"row\b[^<>]*\bhidden\s*=\s*[\"'](?:1|true)")
_REPEATED = re.compile(
    rb"<table:table-(?:row|cell)\b[^<>]*number-(?:rows|columns)-repeated\s*=\s*[\"'](\d{4,})[\"'](?:[^<>]*[^<>/])?>(.{0,2000})",
    re.DOTALL,
)


def cell_text(cell: Cell) -> str:
    """Return a cell as text that can be read in one way only.

    A number has a decimal point, never three digits after it, so that no one takes it for thousands; a whole number of
    more than 15 digits shows that the spreadsheet rounded it. A date is ISO, and a time of midnight is left out.

    >>> cell_text(1204.0), cell_text(1.204), cell_text(1.2e17), cell_text(datetime(2026, 1, 5))
    ('1204', '1.2040', '1.200000000000000E+17', '2026-01-05')
    """
    if isinstance(cell, str):
        return bare(composed(cell))
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, int | float):
        if abs(cell) >= _EXACT:
            return f"{cell:.15E}"
        if cell == int(cell):
            return str(int(cell))
        text = f"{cell:.15g}" if abs(cell) >= 1e-4 else f"{cell:.17f}".rstrip("0")
        return f"{text}0" if re.search(r"\.\d{3}$", text) else text
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat(" ", "seconds")
    return str(cell)


@dataclass(frozen=True)
class _Sheet:
    name: str
    rows: Sequence[Sequence[Cell]]
    first_column: int
    faults: Mapping[tuple[int, int], str]  # by row from 1 and column from 0


@dataclass(frozen=True, kw_only=True)
class OpenSheets:
    """A spreadsheet that is open for reading: the same methods as a table of text, and `cells`.

    Attributes:
        workbook: The spreadsheet.
        digest: SHA-256 of its bytes.
        said_sheet: The sheet that the user named.
        said_line: The row that the user named.
        scanned: What is wrong with single cells, by sheet.
        hidden: How many rows are hidden, by sheet.
        shown: The cells that show something else than their number, by sheet.
        from_1904: Whether the numbers of days are counted from 1904.
        encoding: Spreadsheets have none.
    """

    workbook: CalamineWorkbook
    digest: str
    said_sheet: str | None = None
    said_line: int | None = None
    scanned: Mapping[str, Mapping[tuple[int, int], str]] = field(default_factory=dict)
    hidden: Mapping[str, int] = field(default_factory=dict)
    shown: Mapping[str, ShownOtherwise] = field(default_factory=dict)
    from_1904: bool = False
    encoding: str = ""
    _read: dict[str, _Sheet] = field(default_factory=dict)

    def sha256(self) -> str:
        """Return the digest of the bytes of the spreadsheet."""
        return self.digest

    def layout(self, known: Callable[[Sequence[str]], int]) -> Layout:
        """Find the sheet and its header: the row that names the most known columns.

        Raises:
            TableError: No sheet has a table, or several have one and none was named.
        """
        names = [self.said_sheet] if self.said_sheet else self._visible()
        headers = filter(None, (self._header(name, known) for name in names))
        found = [(known(one.header), one) for one in headers]
        if not found:
            at = f" in row {self.said_line:,}" if self.said_line else ""
            raise TableError(f"no sheet has a header{at}", hint=f"it has the sheets {_listed(self._visible())}")
        most = max(count for count, _ in found)
        best = [layout for count, layout in found if count == most]
        if len(best) > 1:
            raise TableError(
                f"the sheets {_listed([one.sheet for one in best])} could all be the table",
                hint=f"say which: --sheet {best[0].sheet!r}",
            )
        others = [one.sheet for count, one in found if one is not best[0] and count >= _A_TABLE]
        if others and not self.said_sheet:
            _say(f"sheet {best[0].sheet!r} is read, and {_listed(others)} not (--sheet {others[0]!r})")
        if hidden := self.hidden.get(best[0].sheet):
            _say(f"{hidden:,} hidden rows of sheet {best[0].sheet!r} are read like the others")
        return self._without_tables_beside(best[0], known)

    def _without_tables_beside(self, layout: Layout, known: Callable[[Sequence[str]], int]) -> Layout:
        if "" not in layout.header:
            return layout
        rows = self._sheet(layout.sheet).rows[layout.lines_before :]
        others = columns_of_others(layout.header, rows, known)
        named = [layout.header[index] for index in others if layout.header[index]]
        if not named:
            return layout
        _say(f"sheet {layout.sheet!r} has another table beside the first; its columns are not read: {_listed(named)}")
        header = ["" if index in others else name for index, name in enumerate(layout.header)]
        sheet = self._sheet(layout.sheet)
        blank = [["" if index in others else cell for index, cell in enumerate(row)] for row in rows]
        self._read[layout.sheet] = replace(sheet, rows=[*sheet.rows[: layout.lines_before], *blank])
        return replace(layout, header=header)

    def rows(self, layout: Layout, broken: list[BrokenRow]) -> Iterator[tuple[int, list[str]]]:
        """Yield the number and the cells, as texts, of each row below the header that is not blank."""
        named = [index for index, name in enumerate(layout.header) if name]
        for number, cells in self.cells(layout):
            texts = [cell_text(cell) for cell in cells]
            if fault := self.fault(layout, number, named):
                broken.append(BrokenRow(number, fault, texts))
            else:
                yield number, texts

    def cells(self, layout: Layout) -> Iterator[tuple[int, Sequence[Cell]]]:
        """Yield the number and the cells, with their types, of each row below the header that is not blank."""
        sheet = self._sheet(layout.sheet)
        for number, cells in enumerate(sheet.rows[layout.lines_before :], layout.lines_before + 1):
            faulty = bool(sheet.faults) and bool(self.fault(layout, number, range(len(cells))))
            if faulty or any(cell != "" for cell in cells):
                yield number, cells

    def fault(self, layout: Layout, number: int, columns: Sequence[int]) -> str:
        """Return what is wrong with a row in these columns, or ''."""
        sheet = self._sheet(layout.sheet)
        if not sheet.faults:
            return ""
        for column in (sheet.first_column + index for index in columns):
            if (number, column) in sheet.faults:
                return f"cell {column_letters(column)}{number} {sheet.faults[number, column]}"
        return ""

    def refuse_shown_otherwise(self, layout: Layout, columns: Sequence[int]) -> None:
        """Make faults of the cells that show something else than their number, in columns where that is what counts."""
        sheet, shown = self._sheet(layout.sheet), self.shown.get(layout.sheet)
        if shown is None:
            return
        faults = dict(sheet.faults)
        for column in (sheet.first_column + index for index in columns):
            for row, what in shown.cells(column_letters(column)):
                if what.startswith(IN_CURRENCY):
                    continue
                value = sheet.rows[row - 1][column - sheet.first_column] if 0 < row <= len(sheet.rows) else ""
                if row > layout.lines_before and isinstance(value, int | float) and value:
                    faults[row, column] = f"holds {cell_text(value)} and is shown {what}: format it as a number"
        self._read[layout.sheet] = replace(sheet, faults=faults)

    def currencies_shown(self, layout: Layout, columns: Sequence[int]) -> list[str]:
        """Return the currencies in which amounts of these columns are shown, where they are shown in several."""
        sheet, shown = self._sheet(layout.sheet), self.shown.get(layout.sheet)
        found: set[str] = set()
        for column in (sheet.first_column + index for index in columns):
            for row, what in shown.cells(column_letters(column)) if shown else ():
                value = sheet.rows[row - 1][column - sheet.first_column] if 0 < row <= len(sheet.rows) else ""
                amount = row > layout.lines_before and isinstance(value, int | float) and value
                if amount and what.startswith(IN_CURRENCY):
                    found.add(what.removeprefix(IN_CURRENCY))
        # A sign of several is that of the one of them that others name.
        found -= {sign for sign in found if found & set(SEVERAL.get(sign, ()))}
        return sorted(found) if len(found) > 1 else []

    def _visible(self) -> list[str]:
        from python_calamine import SheetTypeEnum, SheetVisibleEnum

        return [
            one.name
            for one in self.workbook.sheets_metadata
            if one.typ == SheetTypeEnum.WorkSheet and one.visible == SheetVisibleEnum.Visible
        ]

    def _sheet(self, name: str) -> _Sheet:
        if name not in self._read:
            if name not in self.workbook.sheet_names:
                raise TableError(f"there is no sheet {name!r}", hint=f"it has {_listed(self.workbook.sheet_names)}")
            sheet = _guarded(lambda: self.workbook.get_sheet_by_name(name))
            faults = dict(self.scanned.get(name, {}))
            _add_merged(sheet, faults)
            first = sheet.start[1] if sheet.start else 0
            self._read[name] = _Sheet(name, _guarded(lambda: list(sheet.iter_rows())), first, faults)
        return self._read[name]

    def _header(self, name: str, known: Callable[[Sequence[str]], int]) -> Layout | None:
        best: tuple[int, Layout] | None = None
        sheet = self._sheet(name)
        for number, cells in enumerate(sheet.rows[:_HEADER_WITHIN], 1):
            if self.said_line not in (None, number):
                continue
            if number > 30 and best and best[0] >= 3:
                break
            header = [cell_text(cell).strip() for cell in cells]
            if any(header) and (best is None or known(header) > best[0]):
                best = (
                    known(header),
                    Layout(
                        delimiter="\t",
                        header=header,
                        header_line=number,
                        lines_before=number,
                        trailing=0,
                        sheet=name,
                        first_column=sheet.first_column,
                    ),
                )
        return best[1] if best else None


def _say(text: str) -> None:
    warnings.warn(text, ReadingNote, stacklevel=4)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names[:20])


def _add_merged(sheet: CalamineSheet, faults: dict[tuple[int, int], str]) -> None:
    """Note the cells that are hidden under a merged one: nobody says whether its value counts for each of them."""
    for (top, left), (bottom, right) in sheet.merged_cell_ranges or []:
        if (bottom - top + 1) * (right - left + 1) + len(faults) > MOST_FAULTS:
            raise TableError("too many cells are merged", hint="undo the merging, and save it again")
        first = f"{column_letters(left)}{top + 1}"
        for row in range(top, bottom + 1):
            for column in range(left, right + 1):
                if (row, column) != (top, left):
                    faults.setdefault((row + 1, column), f"is merged with {first}: undo the merging")


def open_sheets(
    content: BinaryIO, *, max_bytes: float, sheet: str | None = None, header_line: int | None = None
) -> OpenSheets:
    """Open a spreadsheet: XLSX, XLSM, XLS or ODS.

    Args:
        content: Its bytes, from the beginning.
        max_bytes: Limit of what it unpacks to.
        sheet: The sheet that the user named.
        header_line: The row of the header that the user named.

    Raises:
        TableError: Damaged, protected with a password, too large, or another kind of file.
    """
    data = io.BytesIO(content.read())
    scanned: Mapping[str, Mapping[tuple[int, int], str]] = {}
    hidden: dict[str, int] = {}
    shown: dict[str, ShownOtherwise] = {}
    from_1904 = False
    if data.getvalue().startswith(b"PK"):
        with zipfile.ZipFile(data) as archive:
            scanned = _scan(archive, data, max_bytes, hidden, shown)
            from_1904 = _counts_from_1904(archive)
    else:
        old, from_1904 = look_through_old(data.getvalue())
        scanned = _seen(old, hidden, shown)
    data.seek(0)

    def opened() -> CalamineWorkbook:
        from python_calamine import CalamineWorkbook

        return CalamineWorkbook.from_filelike(data)

    digest = hashlib.sha256(data.getvalue()).hexdigest()
    return OpenSheets(
        workbook=_guarded(opened),
        digest=digest,
        said_sheet=sheet,
        said_line=header_line,
        scanned=scanned,
        hidden=hidden,
        shown=shown,
        from_1904=from_1904,
    )


def _guarded(act: Callable[[], Any]) -> Any:
    """Turn whatever the reading library says about a spreadsheet into a refusal."""
    from python_calamine import CalamineError, PasswordError

    try:
        with unprinted_panics():
            return act()
    except PasswordError as error:
        raise TableError("the spreadsheet is protected with a password", hint="save a copy without it") from error
    except CalamineError as error:
        raise TableError(f"the spreadsheet cannot be read: {str(error)[:200]}", hint=_SAVE) from error
    except BaseException as error:
        # A panic inside the library is no Exception, and its class cannot be imported.
        if type(error).__name__ == "PanicException":
            raise TableError("the spreadsheet is damaged", hint=_SAVE) from error
        raise


def _counts_from_1904(archive: zipfile.ZipFile) -> bool:
    if "xl/workbook.xml" not in archive.namelist():
        return False
    return re.search(rb"\bdate1904\s*=\s*[\"'](?:1|true)[\"']", archive.read("xl/workbook.xml")) is not None


def _scan(
    archive: zipfile.ZipFile, data: BinaryIO, max_bytes: float, hidden: dict[str, int], shown: dict[str, ShownOtherwise]
) -> dict[str, dict[tuple[int, int], str]]:
    """Look through an XLSX or ODS before it is opened: its size, its extent, and its faulty cells by sheet.

    Raises:
        TableError: It unpacks to more than the limit, or its cells reach too far.
    """
    names = archive.namelist()
    if any(name.startswith("xl/") and name.endswith(".bin") and "workbook" in name for name in names):
        raise TableError("the file is a binary spreadsheet (XLSB)", hint=_SAVE)
    if not any(name.endswith(("workbook.xml", "content.xml")) for name in names):
        raise TableError("the file is a document, not a spreadsheet", hint="save the table as XLSX or CSV")
    packed = data.seek(0, io.SEEK_END)
    most, size = min(max_bytes, most_unpacked(packed)), 0
    for one in archive.infolist():
        size += _unpacked_size(data, one, most - size)
        refuse_ratio(packed, size)
        if size > max_bytes:
            raise TableError("the spreadsheet unpacks to more than its limit", hint="split the table")
    if "content.xml" in names:
        _refuse_malformed(archive.read("content.xml"))
        _refuse_repetition(archive)
        return _seen(look_through(archive.read("content.xml")), hidden, shown)
    paths = _paths_of_sheets(archive)
    stale = re.search(rb"fullCalcOnLoad\s*=\s*[\"'](?:1|true)", archive.read("xl/workbook.xml")) is not None
    formats = misleading_formats(archive.read("xl/styles.xml")) if "xl/styles.xml" in names else {}
    there = {name: path for name, path in paths.items() if path in names}
    shown.update((name, ShownOtherwise(formats)) for name in there)
    return {name: _faults(archive, path, stale, name, hidden, shown[name]) for name, path in there.items()}


def _seen(
    sheets: Mapping[str, SeenSheet], hidden: dict[str, int], shown: dict[str, ShownOtherwise]
) -> dict[str, dict[tuple[int, int], str]]:
    """Note what is said of sheets; return their faulty cells."""
    if errors := sum(what == ERROR for sheet in sheets.values() for what in sheet.faults.values()):
        _say(f"{errors:,} cells have an error, such as #DIV/0!: rows whose figures they are are refused")
    hidden.update((name, sheet.hidden) for name, sheet in sheets.items() if sheet.hidden)
    shown.update((name, sheet.shown) for name, sheet in sheets.items())
    return {name: sheet.faults for name, sheet in sheets.items()}


def _unpacked_size(data: BinaryIO, member: zipfile.ZipInfo, most: float) -> int:
    """Return how much a member unpacks to, up to a little above the limit; its entry in the archive could lie."""
    if member.header_offset < 0:
        raise zipfile.BadZipFile("a member begins before the archive")
    data.seek(member.header_offset + 26)
    if len(lengths := data.read(4)) < 4:
        raise zipfile.BadZipFile("a member begins behind the archive")
    name, extra = struct.unpack("<HH", lengths)
    data.seek(name + extra, io.SEEK_CUR)
    if member.flag_bits & 1:
        raise TableError("the spreadsheet is protected with a password", hint="save a copy without it")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise TableError("the spreadsheet is packed in an unusual way", hint=_SAVE)
    if member.compress_type == zipfile.ZIP_STORED:
        return member.compress_size
    unpack, left, size = zlib.decompressobj(-zlib.MAX_WBITS), member.compress_size, 0
    while left > 0 and (packed := data.read(min(left, _CHUNK))):
        left -= len(packed)
        while packed:
            size += len(unpack.decompress(packed, _CHUNK))
            packed = unpack.unconsumed_tail
            if size > most:
                return size
    return size


def _refuse_malformed(content: bytes) -> None:
    """Refuse an ODS whose elements do not end as they began: its reader would look for the end forever."""
    parser = expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise TableError("the spreadsheet declares a type of document, which none needs", hint=_SAVE)

    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise TableError(f"the spreadsheet is damaged: {error}", hint=_SAVE) from error


def _refuse_repetition(archive: zipfile.ZipFile) -> None:
    # A cell or row that has a value and is repeated a thousand times is no table, and fills the memory.
    for found in _REPEATED.finditer(archive.read("content.xml")):
        row = re.split(rb"</table:table-(?:row|cell)>", found.group(2))[0]
        if b"office:value" in row or b"<text:p" in row:
            raise TableError(f"a cell or row is repeated {int(found.group(1)):,} times", hint=_SAVE)


def _paths_of_sheets(archive: zipfile.ZipFile) -> dict[str, str]:
    """Return by the name of a sheet the path of its part in an XLSX."""

    def attributes(tag: str, text: str) -> Iterator[dict[str, str]]:
        for found in re.findall(rf"<(?:\w+:)?{tag}\b([^<>]{{0,9999}})>", text):
            pairs = re.findall(r"([\w:]{1,64})\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", found)
            yield {key.split(":")[-1]: unescape(one or other) for key, one, other in pairs}

    try:
        workbook = archive.read("xl/workbook.xml").decode("utf-8-sig")
        links = archive.read("xl/_rels/workbook.xml.rels").decode("utf-8-sig")
    except (KeyError, UnicodeDecodeError) as error:
        raise TableError("the spreadsheet is damaged: its list of sheets cannot be read", hint=_SAVE) from error
    target = {one.get("Id", ""): one.get("Target", "") for one in attributes("Relationship", links)}
    return {
        one["name"]: path[1:] if (path := target.get(one.get("id", ""), "")).startswith("/") else f"xl/{path}"
        for one in attributes("sheet", workbook)
        if "name" in one
    }


def _faults(
    archive: zipfile.ZipFile, path: str, stale: bool, name: str, hidden: dict[str, int], shown: ShownOtherwise
) -> dict[tuple[int, int], str]:
    """Return the cells of one sheet that have no value to be trusted.

    Raises:
        TableError: The sheet has too many of them, or its cells reach too far.
    """
    faults: dict[tuple[int, int], str] = {}
    reach = [1, 1, 0]
    with archive.open(path) as content:
        rest = b""
        while chunk := content.read(_CHUNK):
            rest += chunk
            cut = max(rest.rfind(b"<row"), rest.rfind(b":row"))
            if cut > 0:
                hidden[name] = hidden.get(name, 0) + len(_HIDDEN.findall(rest, 0, cut))
                _look(rest[:cut], stale, faults, reach)
                shown.look(rest[:cut])
                rest = rest[cut:]
            elif len(rest) > 16 * _CHUNK:
                raise TableError("a row of the spreadsheet has no end", hint=_SAVE)
        hidden[name] = hidden.get(name, 0) + len(_HIDDEN.findall(rest))
        _look(rest, stale, faults, reach)
        shown.look(rest)
    if reach[0] * reach[1] > min(MAX_CELLS, max(FREE_CELLS, MAX_CELLS_RATIO * reach[2])):
        last = f"{column_letters(reach[1] - 1)}{reach[0]}"
        raise TableError(
            f"the cells of a sheet reach to {last}, which is too far",
            hint="delete what stands far below or to the right of the table, or save the table as CSV",
        )
    if len(faults) > MOST_FAULTS:
        raise TableError("too many cells of a sheet have errors or formulas that were never calculated", hint=_SAVE)
    return faults


def _look(xml: bytes, stale: bool, faults: dict[tuple[int, int], str], reach: list[int]) -> None:
    _measure(xml, reach)
    if b"<f" not in xml and b":f" not in xml and not _ERROR.search(xml):
        return
    for cell in _CELL_BEGINS.split(xml):
        begins, ends = _CELL.match(cell), _CELL_ENDS.search(cell)
        if begins is None or ends is None:
            continue
        attributes, inside = begins.group(1), cell[begins.end() : ends.start()]
        error, formula = _ERROR.search(attributes), _FORMULA.search(inside)
        place = _PLACE.search(attributes)
        if not (error or formula):
            continue
        if place is None:
            raise TableError("the spreadsheet has an error or formula in a cell without an address", hint=_SAVE)
        value = _VALUE.search(inside)
        shown = value.group(1).strip() if value else b""
        key = int(place.group(2)), _column_index(place.group(1))
        if error:
            faults[key] = f"{ERROR}: {shown.decode('utf-8', 'replace')[:20]}"
        elif not shown or (stale and shown == b"0"):
            faults[key] = NEVER


def _measure(xml: bytes, reach: list[int]) -> None:
    """Raise the last row, the last column and the number of cells by what some whole rows hold.

    Raises:
        TableError: A cell or a row has no address that a spreadsheet has.
    """
    usual = _USUAL.findall(xml)
    if len(usual) != len(_BEGINS.findall(xml)):
        _measure_each(xml, reach)
        return
    columns = set()
    for letters, row, empty in usual:
        if row and not empty:
            columns.add(letters)
            reach[2] += 1
            reach[0] = max(reach[0], int(row))
    reach[1] = max([reach[1], *(_column_index(letters) + 1 for letters in columns)])


def _measure_each(xml: bytes, reach: list[int]) -> None:
    """Do the same where rows or cells are written in another way: without an address, they follow the last one."""
    row = column = end = 0
    for begins in _BEGINS.finditer(xml):
        if begins.start() < end:
            continue  # inside a value
        tag = _ANY.match(xml, begins.start())
        if tag is None:
            raise TableError("a cell of the spreadsheet cannot be read", hint=_SAVE)
        end = tag.end()
        found = _ADDRESS.search(tag[2])
        said = (found[1] if found[1] is not None else found[2]) if found else b""
        if tag[1] == b"row":
            if said and re.fullmatch(rb"\s*[0-9]{1,7}\s*", said) is None:
                raise TableError(_no_address("row", said), hint=_SAVE)
            row, column = int(said) if said else row + 1, 0
            continue
        address = _CELL_ADDRESS.fullmatch(said)
        if said and address is None:
            raise TableError(_no_address("cell", said), hint=_SAVE)
        row, column = (int(address[2]), _column_index(address[1].upper()) + 1) if address else (row, column + 1)
        if not tag[2].endswith(b"/"):
            reach[:] = max(reach[0], row), max(reach[1], column), reach[2] + 1


def _no_address(what: str, said: bytes) -> str:
    return f"a {what} of the spreadsheet has the address {said.decode('utf-8', 'replace')[:20]!r}, which none can have"


def _column_index(letters: bytes) -> int:
    index = 0
    for letter in letters:
        index = 26 * index + letter - 64
    return index - 1
