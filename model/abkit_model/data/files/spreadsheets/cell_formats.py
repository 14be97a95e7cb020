"""What a spreadsheet shows instead of the number that a cell holds: per cent, or a word for thousands behind it.

An XLSX keeps formats in `styles.xml` and their index in each cell. A cell that is shown as "5 %" holds 0.05, and one
that is shown as "12 k" may hold 12: neither says what is meant where a count is wanted.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import unescape

from abkit_model.data.numbers import written

PERCENT_OF_OLD = {9: "0%", 10: "0.00%"}  # formats that every spreadsheet program knows by their numbers
MOST_FAULTS = 100_000  # of a sheet: with more it is no table
IN_CURRENCY = "in "
ERROR = "has an error"
NEVER = "has a formula that was never calculated: open the file in a spreadsheet program and save it"
_MOST_FORMATS = 100_000
_TAG = r"<(?:\w+:)?"
_CODE = re.compile(_TAG + r"numFmt\b([^<>]*)>")
_USED = re.compile(_TAG + r"cellXfs\b[^<>]*>")
_USED_ENDS = re.compile(r"</(?:\w+:)?cellXfs\s*>")
_FORMAT = re.compile(_TAG + r"xf\b([^<>]*)>")
_ATTRIBUTE = re.compile(r"\b(\w+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_LITERAL = re.compile(r"\"([^\"]*)\"|\\(.)|[_*].|\[[^\]]*\]", re.DOTALL)
_CURRENCY_OF_PLACE = re.compile(r"\[\$([^\-\]]+)(?:-[^\]]*)?\]")
_BARE_SIGN = re.compile(r"[$€£¥]")
_MULTIPLES = frozenset({
    "k", "m", "mm", "b", "bn", "mio", "mio.", "mn", "mln", "mln.", "mrd", "mrd.", "bio", "mil", "mille",
    "tsd", "tsd.", "tausend", "thousand", "thousands", "million", "millions", "billion", "billions", "millones",
    "milhões", "тыс", "тыс.", "млн", "млн.", "千", "万", "萬", "百万", "億", "亿", "천", "만", "억",
    "0", "00", "000", "000000",
})  # fmt: skip
_CELL = re.compile(rb"<(?:\w+:)?c\b([^<>]*)>")
_STYLE = re.compile(rb"\bs\s*=\s*[\"'](\d{1,6})[\"']")
_PLACE = re.compile(rb"\br\s*=\s*[\"']([A-Z]{1,3})([0-9]{1,7})[\"']")


def column_letters(index: int) -> str:
    """Return what a spreadsheet calls a column.

    >>> column_letters(0), column_letters(25), column_letters(26), column_letters(701)
    ('A', 'Z', 'AA', 'ZZ')
    """
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def misleading_formats(styles: bytes) -> dict[int, str]:
    """Return what the formats of a workbook show, by their index in its cells; only those that mislead.

    Formats with a currency are among them, as `in EUR`, where the workbook has those of several.

    Args:
        styles: The part `xl/styles.xml`.
    """
    text = styles.decode("utf-8-sig", "replace")
    codes = {str(number): code for number, code in PERCENT_OF_OLD.items()}
    for found in _CODE.finditer(text):
        said = _attributes(found.group(1))
        codes[said.get("numFmtId", "")] = said.get("formatCode", "")
    begins = _USED.search(text)
    ends = _USED_ENDS.search(text, begins.end()) if begins else None
    used = text[begins.end() : ends.start()] if begins and ends else ""
    numbers = [_attributes(found.group(1)).get("numFmtId", "0") for found in _FORMAT.finditer(used)]
    return formats_shown([codes.get(one, "") for one in numbers])


def formats_shown(codes: Sequence[str]) -> dict[int, str]:
    """Return what formats show, by their place among all that cells use; see `misleading_formats`."""
    shown: dict[int, str] = {}
    currencies: dict[int, str] = {}
    for index, code in enumerate(codes[:_MOST_FORMATS]):
        if reason := misleads(code):
            shown[index] = reason
        elif currency := currency_of(code):
            currencies[index] = f"{IN_CURRENCY}{currency}"
    return shown | currencies if len(set(currencies.values())) > 1 else shown


def currency_of(code: str) -> str:
    """Return the currency that a format shows beside the number, or its sign where that is of several; '' for none.

    >>> currency_of("#,##0.00 [$€-407]"), currency_of('#,##0.00" zł"'), currency_of("$#,##0"), currency_of('0" clicks"')
    ('EUR', 'PLN', '$', '')
    """
    signs = _CURRENCY_OF_PLACE.findall(code) + ["".join(found).strip() for found in _LITERAL.findall(code)]
    signs += _BARE_SIGN.findall(_LITERAL.sub("", code))
    known = (written(f"1 {sign}") for sign in signs if sign)
    return next((one.currency for one in known if one and one.currency), "")


def misleads(code: str) -> str:
    """Return what a format shows besides the number, in words for a message; '' where it shows the number.

    >>> misleads("0.0%"), misleads('0.0" Tsd."'), misleads("#,##0.00 [$€-407]"), misleads('0" clicks"')
    ('as a percentage', "with 'Tsd.' behind it", '', '')
    """
    literals = ["".join(found).strip() for found in _LITERAL.findall(code)]
    if "%" in _LITERAL.sub("", code) or any("%" in literal for literal in literals):
        return "as a percentage"
    return next((f"with {literal!r} behind it" for literal in literals if literal.casefold() in _MULTIPLES), "")


def word_behind(number: str, shown: str) -> str:
    """Return the word for thousands or more, or the zeros, that a cell shows behind its number; else ''.

    >>> word_behind("12", "12 k"), word_behind("9.5", "9,50 Tsd."), word_behind("9", "9000"), word_behind("9", "9 €")
    ('k', 'Tsd.', '000', '')
    """
    words = re.findall(r"[^\W\d_]+\.?", shown)
    if word := next((word for word in words if word.casefold() in _MULTIPLES), ""):
        return word
    zeros = shown.strip().removeprefix(number)
    return zeros if zeros != shown.strip() and re.fullmatch("(?:000)+", zeros) else ""


def _attributes(text: str) -> Mapping[str, str]:
    return {key: unescape(one or other) for key, one, other in _ATTRIBUTE.findall(text)}


class ShownOtherwise:
    """The cells of a sheet that show something else than their number: by column, rows and the format of each.

    Rows are packed: a column of rates has as many as the table.
    """

    def __init__(self, formats: Mapping[int, str]) -> None:
        self._formats = dict(formats)
        self._styles: dict[str, int] = {}
        self._rows: dict[bytes, tuple[array[int], array[int]]] = {}

    def look(self, xml: bytes) -> None:
        """Note the cells of a part of the sheet."""
        if not self._formats:
            return
        for attributes in _CELL.findall(xml):
            style = _STYLE.search(attributes)
            if style is None or int(style.group(1)) not in self._formats:
                continue
            if place := _PLACE.search(attributes):
                rows, styles = self._rows.setdefault(place.group(1), (array("L"), array("L")))
                rows.append(int(place.group(2)))
                styles.append(int(style.group(1)))

    def note(self, row: int, column: str, what: str) -> None:
        """Note what one cell shows, by the letters of its column."""
        style = self._styles.setdefault(what, len(self._styles))
        self._formats[style] = what
        rows, styles = self._rows.setdefault(column.encode(), (array("L"), array("L")))
        rows.append(row)
        styles.append(style)

    def cells(self, column: str) -> Iterator[tuple[int, str]]:
        """Yield row and what is shown, of a column by its letters."""
        for row, style in zip(*self._rows.get(column.encode(), ((), ())), strict=True):
            yield row, self._formats[style]


@dataclass
class SeenSheet:
    """What is said about one sheet.

    Attributes:
        faults: What is wrong with single cells, by row from 1 and column from 0.
        hidden: Number of rows with a value that are hidden.
        shown: The cells that show something else than their number.
    """

    faults: dict[tuple[int, int], str] = field(default_factory=dict)
    hidden: int = 0
    shown: ShownOtherwise = field(default_factory=lambda: ShownOtherwise({}))
