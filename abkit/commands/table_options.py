"""What commands that read a table let the user say about how it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from abkit_model.data.tables import TableOptions

EncodingOption = Annotated[
    str | None,
    typer.Option(
        "--encoding",
        help="Encoding of a text: utf-8, utf-16, windows-1250 to -1258, mac-roman, gb18030, big5, shift_jis, euc-kr, "
        "…; detected by default.",
    ),
]
HeaderLineOption = Annotated[
    int | None, typer.Option("--header-line", min=1, help="Line (or row of a sheet) of the header; found by default.")
]
SheetOption = Annotated[str | None, typer.Option("--sheet", help="Sheet of a spreadsheet; found by default.")]


def table_options(encoding: str | None, header_line: int | None, sheet: str | None) -> TableOptions:
    """Return what the user said.

    Raises:
        TableError: There is no such encoding.
    """
    from abkit_model.data.tables import TableOptions

    return TableOptions(encoding=encoding, header_line=header_line, sheet=sheet)
