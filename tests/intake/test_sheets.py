"""Spreadsheets through the same doors as text: header found, types kept, faulty cells named, bombs refused."""

import io
import re
import time
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from abkit.errors import AbkitError
from abkit.intake.kpis.reading import KpiOptions, read_table
from abkit.intake.tables.experiments import read_arms, read_experiments
from abkit.intake.tables.samples import read_numbers
from abkit.store.database.engine import Store
from abkit.store.imports import kpi_rejects
from abkit_model.data.csv_table import read_csv
from abkit_model.data.files.spreadsheets.ods_cells import look_through
from abkit_model.data.files.tables import TableOptions
from abkit_model.errors import ReadingNote, TableError
from tests.kpi_files import figures, run_import

HEADER = ("Date", "Ad ID", "Creative name", "Impressions", "Clicks", "Spend")


def rows(n: int = 3) -> list[tuple[Any, ...]]:
    return [(date(2026, 1, 1 + day), 7001, "héro.png", 1204 + day, 35, 1.204 + day) for day in range(n)]


def write(path: Path, sheets: dict[str, list[tuple[Any, ...]]], *, column: int = 0, row: int = 0) -> Path:
    with xlsxwriter.Workbook(path) as book:
        day = book.add_format({"num_format": "dd/mm/yyyy"})
        for name, lines in sheets.items():
            sheet = book.add_worksheet(name)
            for number, cells in enumerate(lines, row):
                for place, cell in enumerate(cells, column):
                    if isinstance(cell, date):
                        sheet.write_datetime(number, place, cell, day)
                    elif isinstance(cell, str) and cell.startswith("=/"):
                        sheet.write_formula(number, place, cell[1:], None, "#DIV/0!")
                    else:
                        sheet.write(number, place, cell)
    return path


def test_the_sheet_and_its_header_are_found_and_cells_keep_their_types(tmp_path: Path) -> None:
    table = [("Account report",), (), HEADER, *rows()]
    path = write(tmp_path / "k.xlsx", {"Cover": [("Impressions of January",)], "Report": table}, column=2, row=3)
    read = read_table(path, KpiOptions())
    assert read.frame["day"].to_list() == [date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 3)]
    assert read.frame["impressions"].to_list() == [1204, 1205, 1206]
    assert read.frame["spend"].to_list() == [1.204, 2.204, 3.204]
    assert read.frame["line"].to_list() == [7, 8, 9]
    assert (read.reading["sheet"], read.reading["header_line"]) == ("Report", 6)


def test_two_sheets_that_could_both_be_the_table_are_refused_until_one_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "k.xlsx", {"Jan": [HEADER, *rows()], "Feb": [HEADER, *rows(2)]})
    with pytest.raises(AbkitError, match="'Jan', 'Feb' could all be the table") as refused:
        read_table(path, KpiOptions())
    assert "--sheet" in refused.value.hint
    assert read_table(path, KpiOptions(sheet="Feb")).rows == 2
    with pytest.raises(AbkitError, match="no sheet 'March'"):
        read_table(path, KpiOptions(sheet="March"))


def test_the_row_of_the_header_can_be_said(tmp_path: Path) -> None:
    path = write(tmp_path / "k.xlsx", {"A": [("file", "score"), ("Name", "Count"), ("x", 3)]})
    assert read_csv(path, TableOptions(header_line=2)).rows == ((3, {"Name": "x", "Count": "3"}),)


def test_an_error_a_formula_without_value_and_a_merged_cell_reject_their_row_with_sheet_and_cell(
    sqlite_store: Store, tmp_path: Path
) -> None:
    lines = rows(5)
    lines[1] = (*lines[1][:4], "=/1/0", lines[1][5])
    lines[2] = (*lines[2][:3], "=SUM(D2:D3)", *lines[2][4:])
    lines[3] = (*lines[3][:3], "many", *lines[3][4:])
    path = write(tmp_path / "k.xlsx", {"Report": [HEADER, *lines]})
    summary = run_import(sqlite_store, path)[0]
    assert (summary.imported, summary.rejected) == (2, 3)
    with sqlite_store.read() as session:
        reasons = {row["line"]: row["reason"] for row in kpi_rejects(session, None, 9)}
    assert reasons[3] == "cell E3 has an error: #DIV/0! (sheet 'Report', row 3)"
    assert reasons[4].startswith("cell D4 has a formula that was never calculated")
    assert reasons[5] == "impressions is not a number: 'many' (sheet 'Report', cell D5)"
    assert sum(summary.reasons.values()) == 3


def test_a_fault_in_a_column_that_is_not_used_does_no_harm(tmp_path: Path) -> None:
    lines = [(*cells, "=/1/0") for cells in rows()]
    read = read_table(write(tmp_path / "k.xlsx", {"R": [(*HEADER, "CTR"), *lines]}), KpiOptions())
    assert (read.frame.height, read.broken) == (3, [])


def test_a_row_under_a_merged_cell_is_set_aside(tmp_path: Path) -> None:
    with xlsxwriter.Workbook(tmp_path / "k.xlsx") as book:
        sheet = book.add_worksheet("R")
        sheet.merge_range("A1:B1", "January")
        sheet.write_row("A2", ["name", "count"])
        sheet.merge_range("A3:A4", "x")
        sheet.write("B3", 1)
        sheet.write("B4", 2)
    table = read_csv(tmp_path / "k.xlsx", usual=("name", "count"))
    assert table.rows == ((3, {"name": "x", "count": "1"}),)
    assert table.rejected == ((4, "sheet 'R', cell A4 is merged with A3: undo the merging"),)


def test_an_id_that_the_spreadsheet_rounded_is_rejected(sqlite_store: Store, tmp_path: Path) -> None:
    lines = [(cells[0], number, *cells[2:]) for cells, number in zip(rows(2), (7001, 120200000000000011), strict=True)]
    summary = run_import(sqlite_store, write(tmp_path / "k.xlsx", {"R": [HEADER, *lines]}))[0]
    assert (summary.imported, summary.rejected) == (1, 1)
    assert "rounded by a spreadsheet" in next(iter(summary.reasons))


def test_experiments_numbers_and_labels_come_through_the_same_door(tmp_path: Path) -> None:
    arms = [("experiment", "variant", "successes", "trials"), ("x", "A", 20, 1000), ("x", "B", 25, 1000)]
    path = write(tmp_path / "e.xlsx", {"R": [("Tests",), *arms]})
    table = read_experiments(path, experiment="experiment", variant="variant", trials="trials", successes="successes")
    assert (table.variants, table.trials.tolist(), table.successes.tolist()) == (["A", "B"], [1000, 1000], [20, 25])
    assert list(read_arms(path)) == ["A", "B"]
    assert read_numbers(path, "successes").values.tolist() == [20, 25]
    usual = ("variant", "successes", "trials")
    assert read_csv(path, usual=usual).rows[0] == (
        3,
        {"experiment": "x", "variant": "A", "successes": "20", "trials": "1000"},
    )


def packed(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def repacked(path: Path, change: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    return packed(path, members | change)


def test_cells_that_reach_too_far_are_refused_before_they_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "k.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("R")
        sheet.write_row(0, 0, HEADER)
        sheet.write(1_048_575, 16_383, 1)
    with pytest.raises(AbkitError, match="reach to XFD1048576"):
        read_table(path, KpiOptions())


@pytest.mark.parametrize(
    "cell",
    [
        '<c r="B2147483648" t="n"><v>1</v></c>',
        '<c r="XFD1048576"><v>1</v></c>',
        "<c t='n' r='XFD1048576'><v>1</v></c>",
        '<c r="xfd1048576"><v>1</v></c>',
        '<x:c r="XFD1048576"><v>1</v></x:c>',
        '<c t=">" r="XFD1048576"><v>1</v></c>',
        f'<c t="{"n" * 3000}" r="XFD1048576"><v>1</v></c>',
        '<c r="XFDXFD1"><v>1</v></c>',
        '<c r="A0x10"><v>1</v></c>',
        '</row><row r="2147483648"><c><v>1</v></c>',
        '</row><row r="1048576">' + "<c><v>1</v></c>" * 4,
        '<c r="A1" <c r="A1"><v>1</v></c>',
    ],
)
def test_a_cell_that_reaches_too_far_is_refused_however_it_is_written(tmp_path: Path, cell: str) -> None:
    """The reader would fill the memory with what lies between, and end the process."""
    path = write(tmp_path / "k.xlsx", {"Report": [HEADER, *rows()]})
    with zipfile.ZipFile(path) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
    hostile = sheet.replace("</row>", f"{cell}</row>", 1).encode()
    path = repacked(path, {"xl/worksheets/sheet1.xml": hostile})
    with pytest.raises(AbkitError, match=r"too far|none can have|cannot be read"):
        read_table(path, KpiOptions())


def test_rows_without_cells_and_cells_without_addresses_reach_no_further_than_they_do(tmp_path: Path) -> None:
    path = write(tmp_path / "k.xlsx", {"Report": [HEADER, *rows()]})
    whole = read_table(path, KpiOptions()).frame.to_dicts()
    with zipfile.ZipFile(path) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
    styled = sheet.replace("</sheetData>", '<row r="1048576" ht="15"/></sheetData>')
    bare = re.sub(r'<(row|c) r="[A-Z]*[0-9]+"', r"<\1", sheet)
    for changed in (styled, bare):
        assert changed != sheet
        again = repacked(path, {"xl/worksheets/sheet1.xml": changed.encode()})
        assert read_table(again, KpiOptions()).frame.to_dicts() == whole


def test_a_spreadsheet_that_unpacks_to_more_than_its_limit_is_refused(tmp_path: Path) -> None:
    path = repacked(write(tmp_path / "k.xlsx", {"R": [HEADER, *rows()]}), {"xl/media/a.bin": b"0" * 30_000_000})
    with pytest.raises(AbkitError, match="unpacks to more than its limit"):
        read_table(path, KpiOptions(max_file_mb=20))


@pytest.mark.parametrize("cut", [200, 1_000, -400, -60])
def test_a_damaged_spreadsheet_is_refused(tmp_path: Path, cut: int) -> None:
    path = write(tmp_path / "k.xlsx", {"R": [HEADER, *rows()]})
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(AbkitError) as refused:
        read_table(path, KpiOptions())
    assert refused.value.hint


def test_documents_binary_spreadsheets_and_old_files_with_a_password_are_named(tmp_path: Path) -> None:
    content = b"<Types/>"
    document = packed(tmp_path / "a.docx", {"[Content_Types].xml": content, "word/document.xml": b"<w/>"})
    with pytest.raises(AbkitError, match="a document, not a spreadsheet"):
        read_table(document, KpiOptions())
    binary = packed(tmp_path / "a.xlsb", {"[Content_Types].xml": content, "xl/workbook.bin": b"0"})
    with pytest.raises(AbkitError, match="binary spreadsheet"):
        read_table(binary, KpiOptions())
    (tmp_path / "a.xls").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600)
    with pytest.raises(AbkitError, match="spreadsheet"):
        read_table(tmp_path / "a.xls", KpiOptions())


ODS = """<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"
xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0">
<office:body><office:spreadsheet><table:table table:name="R">{}</table:table></office:spreadsheet></office:body>
</office:document-content>"""


def ods_row(*cells: Any, repeated: int = 1) -> str:
    parts = (
        f'<table:table-cell office:value-type="float" office:value="{cell}"><text:p>{cell}</text:p></table:table-cell>'
        if isinstance(cell, int | float)
        else f'<table:table-cell office:value-type="string"><text:p>{cell}</text:p></table:table-cell>'
        for cell in cells
    )
    return f'<table:table-row table:number-rows-repeated="{repeated}">{"".join(parts)}</table:table-row>'


def ods(path: Path, *lines: str) -> Path:
    kind = b"application/vnd.oasis.opendocument.spreadsheet"
    manifest = b'<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>'
    content = ODS.format("".join(lines)).encode()
    return packed(path, {"mimetype": kind, "content.xml": content, "META-INF/manifest.xml": manifest})


def test_an_ods_is_read_and_one_that_repeats_a_row_without_end_is_refused(tmp_path: Path) -> None:
    lines = [ods_row("variant", "successes", "trials"), ods_row("A", 20, 1000), ods_row("B", 25, 1000)]
    assert read_arms(ods(tmp_path / "a.ods", *lines))["B"].successes == 25
    with pytest.raises(AbkitError, match="repeated 1,000,000 times"):
        read_arms(ods(tmp_path / "b.ods", *lines, ods_row("C", 1, 2, repeated=1_000_000)))


@pytest.mark.parametrize("end", ["</table:ta`le>", "", "</table:table-row>", "</table:tabl", "<!--"])
def test_an_ods_whose_elements_do_not_end_is_refused(tmp_path: Path, end: str) -> None:
    """Its reader looked for the end forever."""
    whole = ods(tmp_path / "k.ods", ods_row("date", "ad id", "impressions", "clicks"))
    with zipfile.ZipFile(whole) as archive:
        content = archive.read("content.xml").decode()
    assert content.count("</table:table>") == 1
    path = repacked(whole, {"content.xml": content.replace("</table:table>", end).encode()})
    with pytest.raises(AbkitError, match="damaged"):
        read_table(path, KpiOptions())
    bomb = content.replace("<office:document-content", '<!DOCTYPE x [<!ENTITY a "b">]><office:document-content', 1)
    with pytest.raises(AbkitError, match="declares a type"):
        read_table(repacked(whole, {"content.xml": bomb.encode()}), KpiOptions())


def test_errors_in_the_cells_of_an_ods_are_said(tmp_path: Path) -> None:
    kind = 'office:value-type="string" x:value-type="error"'
    error = f"<table:table-cell {kind}><text:p>#DIV/0!</text:p></table:table-cell>"
    row = ods_row("B", 25, 1000).replace("</table:table-row>", f"{error}</table:table-row>")
    lines = [ods_row("variant", "successes", "trials", "ctr"), ods_row("A", 20, 1000, 2), row]
    with pytest.warns(ReadingNote, match="1 cells have an error"):
        read_arms(ods(tmp_path / "a.ods", *lines))


def ods_cell(value: object, said: str, tag: str = "table-cell") -> str:
    return f"<table:{tag} {said}><text:p>{value}</text:p></table:{tag}>"


FLOAT = 'office:value-type="float" office:value="35"'


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        (
            ods_cell("", 'table:formula="of:=[.A1]"').replace("<text:p></text:p>", ""),
            "a formula that was never calculated",
        ),
        (ods_cell("", "", tag="covered-table-cell"), "is merged with another"),
        (ods_cell("#DIV/0!", 'table:formula="of:=1/0" x:value-type="error"'), "has an error"),
        (ods_cell("35 k", FLOAT), "holds 35 and is shown with 'k' behind it"),
        (ods_cell("35<text:s/>Tsd.", FLOAT), "holds 35 and is shown with 'Tsd.' behind it"),
        (ods_cell("35000", FLOAT), "holds 35 and is shown with '000' behind it"),
        (ods_cell("200%", 'office:value-type="percentage" office:value="2"'), "is shown as a percentage"),
    ],
)
def test_cells_of_an_ods_that_hold_no_figure_refuse_their_row_and_name_it(
    sqlite_store: Store, tmp_path: Path, cell: str, why: str
) -> None:
    good = ods_cell(35, f'table:formula="of:=[.A1]" {FLOAT}')
    header, title = ods_row("date", "ad id", "impressions", "clicks"), ods_row("Report")
    begin = ods_row("2026-01-01", "7001", 1204).removesuffix("</table:table-row>")
    lines = [f"{begin}{one}</table:table-row>" for one in (good, cell)]
    lines[1] = lines[1].replace("2026-01-01", "2026-01-02")
    (done,) = run_import(sqlite_store, ods(tmp_path / "k.ods", title, header, *lines))
    assert (done.imported, done.rejected) == (1, 1)
    with sqlite_store.read() as session:
        (reject,) = kpi_rejects(session, done.import_id, 9)
    assert why in reject["reason"]
    assert "cell D4" in reject["reason"]


@pytest.mark.parametrize(
    "shown", ["35", "35 clicks", "35,00", "35<office:annotation><text:p>k</text:p></office:annotation>"]
)
def test_a_cell_of_an_ods_that_shows_its_number_is_read(sqlite_store: Store, tmp_path: Path, shown: str) -> None:
    begin = ods_row("2026-01-01", "7001", 1204).removesuffix("</table:table-row>")
    header = ods_row("date", "ad id", "impressions", "clicks")
    line = f"{begin}{ods_cell(shown, FLOAT)}</table:table-row>"
    (done,) = run_import(sqlite_store, ods(tmp_path / "k.ods", header, line))
    assert (done.imported, done.rejected) == (1, 0)
    assert figures(sqlite_store)[0][2] == 35


def test_amounts_of_an_ods_in_several_currencies_are_refused_and_hidden_rows_are_said(
    sqlite_store: Store, tmp_path: Path
) -> None:
    def money(currency: str) -> str:
        said = f'office:value-type="currency" office:currency="{currency}" office:value="3"'
        row = ods_row("2026-01-01", f"700{currency}", 1204, 35)
        return row.replace("</table:table-row>", f"{ods_cell(3, said)}</table:table-row>")

    header = ods_row("date", "ad id", "impressions", "clicks", "spend")
    (done,) = run_import(sqlite_store, ods(tmp_path / "k.ods", header, money("EUR"), money("USD")))
    assert "are shown in EUR and USD" in (done.error or "")
    one = money("EUR").replace("<table:table-row", '<table:table-row table:visibility="filter"')
    (done,) = run_import(sqlite_store, ods(tmp_path / "l.ods", header, one))
    assert done.imported == 1
    assert "1 hidden rows of sheet 'R' are read like the others" in done.notes


def test_a_small_ods_of_cells_that_are_repeated_takes_neither_time_nor_memory() -> None:
    def document(row: str, times: int) -> bytes:
        names = 'xmlns:table="urn:table" xmlns:office="urn:office"'
        formula = ods_row(1).replace("</table:table-row>", '<table:table-cell table:formula="x"/></table:table-row>')
        return f'<doc {names}><table:table table:name="S">{formula}{row * times}</table:table></doc>'.encode()

    value = '<table:table-cell table:number-columns-repeated="{}" office:value-type="{}"/></table:table-row>'
    plain = ods_row(repeated=9_999_999).replace("</table:table-row>", value.format(1, "float"))
    before = time.thread_time()
    (sheet,) = look_through(document(plain, 20)).values()
    assert time.thread_time() - before < 1
    assert list(sheet.faults) == [(1, 1)]
    shares = ods_row(repeated=100).replace("</table:table-row>", value.format(999, "percentage"))
    assert look_through(document(shares, 20))
    with pytest.raises(TableError, match="too many cells of a sheet are repeated"):
        look_through(document(shares, 40))


def test_a_zip_with_one_table_is_that_table(tmp_path: Path) -> None:
    text = ",".join(HEADER) + "\n2026-01-01,7001,héro.png,1204,35,1.20\n"
    book = write(tmp_path / "k.xlsx", {"R": [HEADER, *rows()]}).read_bytes()
    system = {"__MACOSX/._k.csv": b"0", "folder/": b"", ".DS_Store": b"0", "readme.pdf": b"%PDF"}
    for name, data, height in (("deep/k.csv", text.encode(), 1), ("k.xlsx", book, 3)):
        path = packed(tmp_path / "k.zip", system | {name: data})
        assert read_table(path, KpiOptions()).frame["creative"].to_list() == ["héro.png"] * height


def test_a_member_of_a_zip_without_a_name_is_no_table(tmp_path: Path) -> None:
    text = ",".join(HEADER) + "\n2026-01-01,7001,héro.png,1204,35,1.20\n"
    path = packed(tmp_path / "k.zip", {"x.txt": b"1", "k.csv": text.encode()})
    path.write_bytes(path.read_bytes().replace(b"x.txt", b"\0.txt"))  # a name ends where a zero is
    assert read_table(path, KpiOptions()).frame["creative"].to_list() == ["héro.png"]


def test_a_zip_with_several_tables_or_none_is_refused_with_their_names(tmp_path: Path) -> None:
    with pytest.raises(AbkitError, match=r"2 tables: 'a.csv', '../b.csv'"):
        read_table(packed(tmp_path / "k.zip", {"a.csv": b"1", "../b.csv": b"2"}), KpiOptions())
    with pytest.raises(AbkitError, match=r"no table; it has 'a.pdf'"):
        read_table(packed(tmp_path / "k.zip", {"a.pdf": b"1"}), KpiOptions())
    bomb = packed(tmp_path / "k.zip", {"a.csv": b"0" * 30_000_000})
    with pytest.raises(AbkitError, match="more than 20 MB"):
        read_table(bomb, KpiOptions(max_file_mb=20))
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("a.csv", "1")
    with pytest.raises(AbkitError):
        read_table(packed(tmp_path / "k.zip", {"a.zip": inner.getvalue()}), KpiOptions())


def test_a_folder_stands_for_its_tables_and_a_bad_one_stops_no_other(sqlite_store: Store, tmp_path: Path) -> None:
    from abkit.workflows.kpis.import_kpis import import_files

    folder = tmp_path / "exports"
    (folder / "old").mkdir(parents=True)
    (folder / "a.csv").write_text("nothing\n", encoding="utf-8")
    (folder / "b.csv").write_text(",".join(HEADER) + "\n2026-02-01,7001,h.png,12,3,1.20\n", encoding="utf-8")
    write(folder / "c.xlsx", {"R": [HEADER, *rows()]})
    (folder / "notes.md").write_text("read me", encoding="utf-8")
    (folder / ".hidden.csv").write_text("x", encoding="utf-8")
    notes: list[str] = []
    summaries = import_files(sqlite_store, [folder], KpiOptions(), note=notes.append)
    assert [(Path(one.file).name, one.imported, bool(one.error)) for one in summaries] == [
        *(("a.csv", 0, True), ("b.csv", 1, False), ("c.xlsx", 3, False))
    ]
    assert any("'notes.md', 'old'" in note for note in notes)
