"""The table of placements in docs/preflight.md is the one that comes with abkit."""

import os
from pathlib import Path

from abkit.intake.media.placements import placement_table

PAGE = Path(__file__).resolve().parent.parent / "docs" / "preflight.md"
START, END = "<!-- placements -->\n", "<!-- /placements -->"


def lines() -> str:
    table = placement_table()
    rows = [f"Table {table.version} of {table.date}.\n"]
    rows += ["| Placement | What it asks | Where it stands |", "| --- | --- | --- |"]
    for placement in table.placements.values():
        asks = "; ".join(figure.shown for figure in placement.figures.values())
        sources = {figure.source.url: figure.source for figure in placement.figures.values()}
        pages = ", ".join(f"[{one.title}]({url}){'*' * (one.by == 'other')}" for url, one in sources.items())
        rows.append(f"| `{placement.name}`: {placement.title} | {asks} | {pages} |")
    return "\n".join(rows) + "\n"


def test_the_page_has_the_table_of_this_version() -> None:
    before, _, rest = PAGE.read_text().partition(START)
    shown, _, after = rest.partition(END)
    if os.environ.get("ABKIT_WRITE_DOCS"):  # ABKIT_WRITE_DOCS=1 pytest … writes it anew after a change of the table
        PAGE.write_text(before + START + lines() + END + after)
        return
    assert shown == lines()
