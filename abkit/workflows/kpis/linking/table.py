"""Read a person's table of links: one row per ad and creative."""

from dataclasses import dataclass
from pathlib import Path

from abkit.errors import InvalidInput
from abkit.intake.cells.frames import read_frame, refusing_damage
from abkit_model.data.files.tables import TableOptions, open_table
from abkit_model.data.files.text_rows import BrokenRow

MOST_BYTES = 256 * 2**20
_NEEDED = ("ad", "creative")
_COLUMNS = (*_NEEDED, "platform", "account")


@dataclass(frozen=True, kw_only=True)
class LinkRow:
    """One line of the table; platform and account are None where it has no such column, or nothing in it."""

    line: int
    ad: str
    creative: str
    platform: str | None
    account: str | None


def read_links(path: Path, options: TableOptions | None = None) -> tuple[list[LinkRow], list[tuple[int, str]]]:
    """Return the rows of a table with the columns ad and creative, and line and reason of those that are refused.

    Raises:
        TableError: The file cannot be read.
        InvalidInput: A column is missing.
    """
    broken: list[BrokenRow] = []
    with refusing_damage(), open_table(path, max_bytes=MOST_BYTES, options=options) as table:
        layout = table.layout(lambda cells: len({cell.strip().lower() for cell in cells} & set(_COLUMNS)))
        header = [name.strip().lower() for name in layout.header]
        missing = [name for name in _NEEDED if name not in header]
        if missing:
            raise InvalidInput(
                f"{path} has no column {' and '.join(missing)}; its columns are: {', '.join(layout.header)[:200]}",
                hint="call the columns ad and creative (and platform, account where ids repeat)",
            )
        position = {name: header.index(name) for name in _COLUMNS if name in header}
        frame = read_frame(table, layout, position, broken)
    rows: list[LinkRow] = []
    refused = [(row.line, row.reason) for row in broken]
    for cells in frame.to_dicts():
        ad, creative = ((cells[name] or "").strip() for name in _NEEDED)
        if not ad or not creative:
            refused.append((cells["line"], "no ad" if not ad else "no creative"))
            continue
        where = {name: (cells.get(name) or "").strip() or None for name in ("platform", "account")}
        rows.append(LinkRow(line=cells["line"], ad=ad, creative=creative, **where))
    return rows, sorted(refused)
