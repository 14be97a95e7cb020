"""Where the header of a table is, what is between its cells, and what every row ends in."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from abkit_model.data.csv_table import read_csv
from abkit_model.data.files.layouts import find_layout
from abkit_model.data.files.tables import TableOptions, open_table
from abkit_model.data.files.text_rows import BrokenRow
from abkit_model.errors import TableError
from abkit_model.names import composed

HEADER = ("Date", "Ad", "Impressions", "Clicks")


def known(cells: Sequence[str]) -> int:
    return len(set(cells) & set(HEADER))


def read(
    path: Path, content: str | bytes, options: TableOptions | None = None
) -> tuple[list[list[str]], list[tuple[int, str]]]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    broken: list[BrokenRow] = []
    with open_table(path, max_bytes=1e8, options=options) as table:
        rows = [cells for _, cells in table.rows(table.layout(known), broken)]
    return rows, [(row.line, row.reason) for row in broken]


ROWS = [["2026-01-01", "7001", "1204", "35"], ["2026-01-02", "7002", "1310", "41"]]


def lines(delimiter: str = ",", end: str = "") -> str:
    return "".join(delimiter.join(cells) + end + "\n" for cells in (HEADER, *ROWS))


@pytest.mark.parametrize("above", [0, 1, 29, 30, 48, 3_000])
def test_the_header_is_found_below_any_number_of_lines(tmp_path: Path, above: int) -> None:
    titles = "".join(f"Advertiser,Equals:ACME {n} (1{n:03})\n" for n in range(above))
    assert read(tmp_path / "t.csv", titles + lines()) == (ROWS, [])


def test_a_quote_that_is_never_closed_above_the_header_costs_its_own_line(tmp_path: Path) -> None:
    assert read(tmp_path / "t.csv", 'Report,"Spring\n' * 3 + lines()) == (ROWS, [])


def test_the_line_of_the_header_can_be_said(tmp_path: Path) -> None:
    path, content = tmp_path / "t.csv", "Date,Ad,Impressions,Clicks\n\nA,B,C,D\n1,2,3,4\n"
    assert read(path, content, TableOptions(header_line=3)) == ([["1", "2", "3", "4"]], [])
    with pytest.raises(TableError, match="line 2 holds no header"):
        read(path, content, TableOptions(header_line=2))
    with pytest.raises(TableError, match="line 9 holds no header"):
        read(path, content, TableOptions(header_line=9))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "^", "~", "\x01"])
def test_delimiters_are_found(tmp_path: Path, delimiter: str) -> None:
    assert read(tmp_path / "t.csv", lines(delimiter)) == (ROWS, [])


def test_a_rare_delimiter_counts_only_where_a_header_says_so() -> None:
    assert find_layout("a^b^c\n1^2^3\n", lambda _: 0).delimiter != "^"


@pytest.mark.parametrize("line", ["sep=;\n", '"sep=;"\r\n', "\ufeffSEP=;\n"])
def test_a_first_line_that_says_the_delimiter_is_no_row(tmp_path: Path, line: str) -> None:
    assert read(tmp_path / "t.csv", line + lines(";")) == (ROWS, [])
    (tmp_path / "t.csv").write_text(line + "name;a,b\nx;1,5\n", encoding="utf-8")
    assert read_csv(tmp_path / "t.csv").rows == ((3, {"name": "x", "a,b": "1,5"}),)


@pytest.mark.parametrize(("delimiter", "end"), [(",", ","), (";", ";;"), ("\t", "\t")])
def test_rows_that_all_end_in_a_delimiter_are_whole(tmp_path: Path, delimiter: str, end: str) -> None:
    header, *rest = lines(delimiter, end).splitlines(keepends=True)
    assert read(tmp_path / "t.csv", header.replace(end + "\n", "\n") + "".join(rest)) == (ROWS, [])
    without = lines(delimiter).splitlines(keepends=True)
    assert read(tmp_path / "t.csv", header + "".join(without[1:])) == ([[*row, *[""] * len(end)] for row in ROWS], [])


def test_one_row_with_an_empty_cell_too_many_may_be_shifted_and_is_set_aside(tmp_path: Path) -> None:
    content = "Ad,Impressions,Clicks\na,10,1\nhero, v2,1000,\nb,20,2\n"
    assert read(tmp_path / "t.csv", content) == (
        [["a", "10", "1"], ["b", "20", "2"]],
        [(3, "4 cells where the header has 3: a delimiter too many")],
    )


def test_a_row_without_the_trailing_delimiter_of_all_others_is_set_aside(tmp_path: Path) -> None:
    rows = [f"a{n},{n},1," for n in range(300)]
    content = "\n".join(["Ad,Impressions,Clicks", *rows, "x,1000", "y,5,1,7"]) + "\n"
    read_rows, broken = read(tmp_path / "t.csv", content)
    assert len(read_rows) == 300
    assert [line for line, _ in broken] == [302, 303]


def test_cells_escaped_for_spreadsheets_mean_their_text(tmp_path: Path) -> None:
    content = 'Date,Ad,Impressions,Clicks\n2026-01-01,"=""0012""",="7",\'35\n\'2026-01-02,\'t Hof,"\'-5",\'=A1\n'
    assert read(tmp_path / "t.csv", content) == (
        [["2026-01-01", "0012", "7", "35"], ["2026-01-02", "'t Hof", "-5", "=A1"]],
        [],
    )


def test_letters_come_composed(tmp_path: Path) -> None:
    apart = "e\u0301te\u0301 가".replace("가", "\u1100\u1161")
    rows, _ = read(tmp_path / "t.csv", f"Date,Ad,Impressions,Clicks\n1,{apart},3,4\n")
    assert rows[0][1] == composed(apart) == "été 가"


def test_a_header_of_quoted_names_over_several_lines_is_one_header(tmp_path: Path) -> None:
    content = '"Date","Ad","Impressions","Cost\n(EUR)","Clicks"\n1,2,3,4,5\n'
    assert read(tmp_path / "t.csv", content) == ([["1", "2", "3", "4", "5"]], [])
