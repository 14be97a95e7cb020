"""Tables that commands read: files or addresses, and what the user can say about how they are written.

Every command that reads a table takes it through `file_or_address`, and has all four options (a test looks).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from abkit_model.data.files.tables import TableOptions

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


def file_or_address(text: str) -> str:
    """Return what names a table: a path, or an address such as `s3://…` or `https://…`."""
    return text


def _decimal(text: str) -> str:
    from abkit.errors import UsageError

    if text not in (".", ","):
        raise UsageError(f"the decimal sign cannot be {text!r}", hint="use --decimal . or --decimal ,")
    return text


DecimalOption = Annotated[
    str | None,
    typer.Option("--decimal", parser=_decimal, metavar="SIGN", help="The decimal sign, . or , where it is not clear."),
]
SheetOption = Annotated[str | None, typer.Option("--sheet", help="Sheet of a spreadsheet; found by default.")]


def table_options(
    encoding: str | None, header_line: int | None, sheet: str | None, decimal: str | None
) -> TableOptions:
    """Return what the user said.

    Raises:
        TableError: There is no such encoding or decimal sign.
    """
    from abkit_model.data.files.tables import TableOptions

    return TableOptions(encoding=encoding, header_line=header_line, sheet=sheet, decimal=decimal)
