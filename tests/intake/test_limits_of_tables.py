"""Small tables that hold far more than their size says: refused in one sentence, before they take the memory."""

import gzip
import os
import resource
import subprocess
import sys
import zipfile
from datetime import date
from pathlib import Path

import polars as pl
import pytest

import abkit
import abkit_model
from abkit.errors import AbkitError
from abkit.intake.cells.columns import read_columns
from abkit.intake.kpis.reading import KpiOptions, countable_rows, header_of, read_table
from abkit.intake.kpis.rows import checks
from abkit_model.data.csv_table import read_csv
from abkit_model.data.files import packing, parquet, text_rows

HEADER = "day,ad id,impressions,clicks\n"


def kpi_refusal(path: Path, **options: object) -> tuple[str, str]:
    with pytest.raises(AbkitError) as caught:
        read_table(path, KpiOptions(**options))  # type: ignore[arg-type]
    return caught.value.message, caught.value.hint


def parquet_of(path: Path, text: str, rows: int, kind: pl.DataType = pl.String) -> Path:  # type: ignore[assignment]
    columns = {"day": date(2026, 9, 1), "ad id": "a", "impressions": text, "clicks": 0}
    frame = pl.select(**{name: pl.lit(value) for name, value in columns.items()})
    frame = pl.concat([frame] * rows).with_columns(pl.col("impressions").cast(kind))
    frame.write_parquet(path)
    return path


@pytest.mark.parametrize("kind", [pl.String, pl.Categorical])
def test_parquet_is_refused_for_the_bytes_that_come_out_of_it(tmp_path: Path, kind: pl.DataType) -> None:
    path = parquet_of(tmp_path / "text.parquet", "1" * 50_000, 3_000, kind)
    assert path.stat().st_size < 20_000
    message, hint = kpi_refusal(path, max_file_mb=100)
    assert message == "the table unpacks to more than 100 MB"
    assert "max_file_mb" in hint
    assert "packed so tightly" in kpi_refusal(path)[0]
    with pytest.raises(AbkitError, match="packed so tightly"):
        read_columns(path, ["impressions"])
    with pytest.raises(AbkitError, match="packed so tightly"):
        read_csv(path)
    assert read_csv(path, header_only=True).columns == ("day", "ad id", "impressions", "clicks")


def test_columns_that_are_not_read_do_not_count(tmp_path: Path) -> None:
    path = parquet_of(tmp_path / "text.parquet", "1" * 50_000, 1_000)
    frame = pl.read_parquet(path).with_columns(pl.col("impressions").alias("comment"), impressions=pl.lit(5))
    frame.write_parquet(path)
    assert read_table(path, KpiOptions(mapping={"comment": ""})).rows == 1_000


def test_the_poison_that_needs_gigabytes_is_refused_within_one(tmp_path: Path) -> None:
    """A file of 12 KB with 50 GB of text, under limits that end the process where they are passed."""
    make = (
        "import numpy as np, pyarrow as pa, pyarrow.parquet as pq, sys\n"
        "n = 1_000_000; z = pa.array(np.zeros(n, np.int32))\n"
        "rep = lambda v: pa.DictionaryArray.from_arrays(z, pa.array([v]))\n"
        "t = {'day': rep('2026-09-01'), 'ad id': rep('a'), 'impressions': rep('1' * 50_000), 'clicks': rep('1')}\n"
        "pq.write_table(pa.table(t), sys.argv[1], compression='zstd')"
    )
    path = tmp_path / "poison.parquet"
    subprocess.run([sys.executable, "-c", make, str(path)], check=True, timeout=60)
    program = (
        "import sys; from pathlib import Path\n"
        "from abkit.errors import AbkitError; from abkit.intake.kpis.reading import KpiOptions, read_table\n"
        "try: read_table(Path(sys.argv[1]), KpiOptions())\n"
        "except AbkitError as error: print(error.message)"
    )
    folders = [str(Path(one.__file__).parent.parent) for one in (abkit, abkit_model)]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
        resource.setrlimit(resource.RLIMIT_CPU, (10, 10))

    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folders), "POLARS_MAX_THREADS": "1"},
        preexec_fn=limit,
    )
    assert done.stdout == "the table unpacks to more than 2,048 MB\n", done.stderr[-500:]


def test_damaged_parquet_says_so_and_nothing_else_reaches_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = parquet_of(tmp_path / "damaged.parquet", "12", 100)
    whole = path.read_bytes()
    said = []
    for place in range(8, len(whole), len(whole) // 3):
        path.write_bytes(whole[:place] + b"\xff\x00\xff" + whole[place + 3 :])
        for act in (header_of, countable_rows, read_table):
            try:
                act(path, KpiOptions())
            except AbkitError as error:
                said.append(error.message)
    assert said
    assert not any("\n" in message for message in said)
    assert capfd.readouterr().err == ""


def test_packed_text_is_refused_where_it_unpacks_to_far_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "FREE_UNPACKED_BYTES", 1 << 20)
    text = HEADER + "2026-09-01,a,1,0\n" * 200_000
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text.encode(), 9))
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("a.csv", text)
    for name in ("a.csv.gz", "a.zip"):
        message, hint = kpi_refusal(tmp_path / name)
        assert "packed so tightly" in message
        assert "unpack it" in hint


def test_so_are_spreadsheets_and_those_with_hardly_a_cell_in_a_wide_area(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    xlsxwriter = pytest.importorskip("xlsxwriter")

    def sheet(name: str, far: tuple[int, int] | None = None) -> Path:
        book = xlsxwriter.Workbook(str(tmp_path / name))
        page = book.add_worksheet()
        for number, row in enumerate([["day", "ad id", "impressions", "clicks"], ["2026-09-01", "a", 5, 1]]):
            page.write_row(number, 0, row)
        if far:
            page.write(*far, "x")
        book.close()
        return tmp_path / name

    assert read_table(sheet("near.xlsx"), KpiOptions()).rows == 1
    assert "which is too far" in kpi_refusal(sheet("far.xlsx", (4_999, 999)))[0]
    monkeypatch.setattr(packing, "FREE_UNPACKED_BYTES", 1_000)
    monkeypatch.setattr(packing, "MAX_UNPACKED_RATIO", 1)
    assert "packed so tightly" in kpi_refusal(sheet("near.xlsx"))[0]


@pytest.mark.parametrize("wrong", [200, 100_000])
def test_a_spreadsheet_whose_members_begin_before_it_is_refused_in_a_sentence(tmp_path: Path, wrong: int) -> None:
    path = tmp_path / "week.xlsx"
    pl.DataFrame({"day": ["2026-09-01"], "ad id": ["a"], "impressions": [10], "clicks": [1]}).write_excel(path)
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\x05\x06") + 16
    content[at : at + 4] = (int.from_bytes(content[at : at + 4], "little") + wrong).to_bytes(4, "little")
    path.write_bytes(content)
    assert kpi_refusal(path)[0].startswith("the ZIP archive or spreadsheet cannot be read")


def test_rows_that_cannot_be_divided_are_kept_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_rows, "MAX_BROKEN_ROWS", 20)
    path = tmp_path / "rows.csv"
    path.write_text(HEADER + "2026-09-01,a,1,0\n" + "a,b\n" * 20)
    assert len(read_table(path, KpiOptions()).broken) == 20
    path.write_text(path.read_text() + "a,b\n" * 2)
    message, hint = kpi_refusal(path)
    assert message.startswith("more than 20 rows do not have the 4 cells of the header")
    assert hint


def test_a_file_of_which_hardly_a_row_can_be_read_is_refused_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "MAX_BROKEN_ROWS", 20)

    def checked(good: int, bad: int) -> checks.CheckedRows:
        path = tmp_path / "rows.csv"
        rows = [f"2026-09-01,{number},1,0" for number in range(good)] + ["2026-09-01,b,many,0"] * bad
        path.write_text(HEADER + "\n".join(rows))
        return checks.check(read_table(path, KpiOptions()), KpiOptions(), lambda _: {}, date(2026, 9, 2))

    assert checked(0, 20).rejects.height == 20
    assert checked(5, 21).rejects.height == 21
    with pytest.raises(AbkitError, match="21 of 22 rows cannot be read, such as line 3: impressions is not a number"):
        checked(1, 21)


def test_text_with_more_rows_than_one_file_may_have_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(HEADER + "2026-09-01,a,1,0\n" * 3)
    assert "more than the 2 rows" in kpi_refusal(path, max_rows=2)[0]


def test_reading_a_table_may_take_so_much_processor_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_rows, "MAX_TABLE_SECONDS", 0)
    monkeypatch.setattr(text_rows, "_LOOK_AT_CLOCK", 1)
    path = tmp_path / "rows.csv"
    path.write_text(HEADER + "2026-09-01,a,1,0\n" * 3)
    assert "processor time" in kpi_refusal(path)[0]


def test_tables_that_are_pipes_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.parquet")
    with pytest.raises(AbkitError, match="not a regular file"):
        read_csv(tmp_path / "pipe.parquet")
    with pytest.raises(AbkitError, match="not a regular file"):
        read_columns(tmp_path / "pipe.parquet", [])
    assert "not a regular file" in kpi_refusal(tmp_path / "pipe.parquet")[0]
    with pytest.raises(AbkitError, match="not a regular file"):
        header_of(Path("/dev/zero"), KpiOptions())


def test_what_looks_through_parquet_ends_with_the_one_who_asks(tmp_path: Path) -> None:
    path = parquet_of(tmp_path / "good.parquet", "12", 10)
    with parquet.examined(path, path, max_rows=20) as found:
        assert (found.rows, list(found.names)) == (20, ["day", "ad id", "impressions", "clicks"])
        found.require(found.names, max_bytes=1e6)
    with pytest.raises(AbkitError, match="10 rows are more than the 9"), parquet.examined(path, max_rows=9):
        pass
