"""Rows of units from files: however they are written and in however many parts they come, the figures are the same."""

from pathlib import Path

import polars as pl
import pytest

from abkit.errors import AbkitError, InvalidInput
from abkit.intake.tables import unit_rows as reading
from abkit.intake.tables.unit_rows import UnitColumns, unit_rows
from abkit_model.data.files.tables import TableOptions

COLUMNS = UnitColumns(unit="user", variant="arm", metric="revenue", denominator="visits")
ROWS = pl.DataFrame(
    {
        "user": ["ü1", "ü1", "u2", "", "u4"],
        "arm": ["old", "old", "new", "new", None],
        "revenue": [1234.5, 0.25, -3.0, 1.0, None],
        "visits": [1.0, 2.0, 3.0, 4.0, 5.0],
    }
)
EXPECTED = ROWS.rename({"user": "unit", "arm": "variant", "revenue": "y", "visits": "x"}).with_columns(
    unit=pl.Series(["ü1", "ü1", "u2", None, "u4"])
)


def read(path: Path, columns: UnitColumns = COLUMNS, **options: str) -> pl.DataFrame:
    with unit_rows(path, columns, TableOptions(**options)) as rows:  # type: ignore[arg-type]
        return pl.concat(rows.parts())


def english(path: Path) -> None:
    path.write_text("user,more,arm,revenue,visits\n" + "".join(
        f'{user or ""},x,{arm or ""},"{"" if revenue is None else f"{revenue:,}"}",{visits:.0f}\n'
        for user, arm, revenue, visits in ROWS.iter_rows()
    ), "utf-8")  # fmt: skip


def german(path: Path) -> None:
    path.write_text("Bericht\n\nuser;arm;revenue;visits\n" + "".join(
        f"{user or ''};{arm or ''};{'' if revenue is None else str(revenue).replace('.', ',')} €;{visits:.0f}\n"
        for user, arm, revenue, visits in ROWS.iter_rows()
    ).replace("; €", ";"), "windows-1252")  # fmt: skip


def parquet(path: Path) -> None:
    ROWS.write_parquet(path)


def folder(path: Path) -> None:
    path.mkdir()
    for number in range(3):
        ROWS[2 * number : 2 * number + 2].write_parquet(path / f"{number}.parquet")


def sheet(path: Path) -> None:
    ROWS.write_excel(path)


@pytest.mark.parametrize(
    ("write", "name"),
    [(english, "rows.csv"), (german, "rows.txt"), (parquet, "rows.parquet"), (folder, "rows"), (sheet, "rows.xlsx")],
)
@pytest.mark.parametrize("part", [2, 1_000_000])
@pytest.mark.filterwarnings("ignore::UnicodeWarning")
def test_rows_are_the_same_whatever_the_file_and_the_size_of_a_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: object, name: str, part: int
) -> None:
    monkeypatch.setattr(reading, "PART", part)
    write(tmp_path / name)  # type: ignore[operator]
    assert read(tmp_path / name).equals(EXPECTED)


def test_a_mean_has_one_per_row_for_its_denominator(tmp_path: Path) -> None:
    parquet(tmp_path / "rows.parquet")
    found = read(tmp_path / "rows.parquet", UnitColumns(unit="user", variant=None, metric="revenue"))
    assert found["x"].to_list() == [1.0] * 5
    assert found["variant"].to_list() == ["all"] * 5


def test_the_decimal_sign_is_settled_over_all_parts_or_refused_with_both_readings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PART", 2)
    path = tmp_path / "rows.csv"
    path.write_text("user;arm;revenue\na;old;1.234\nb;old;2.500\nc;new;7\nd;new;1,5\n")
    columns = UnitColumns(unit="user", variant="arm", metric="revenue")
    assert read(path, columns)["y"].to_list() == [1234, 2500, 7, 1.5]
    path.write_text("user;arm;revenue\na;old;1.234\nb;old;2.500\nc;new;7\nd;new;9\n")
    with pytest.raises(InvalidInput, match=r"'1\.234' is 1\.234 or 1234"):
        read(path, columns)
    assert read(path, columns, decimal=".")["y"].to_list() == [1.234, 2.5, 7, 9]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("user,arm,revenue\na,old,1\nb,old,many\n", "has 'many' in row 2 below the header"),
        ("user,arm,revenue\na,old,1\nb,old\n", "line 3"),
        ("user,arm,revenue\na,old,1\nb,old,1,2\n", "line 3"),
        ("user,arm\na,old\n", "no column 'revenue'; it has 'user', 'arm'"),
        ("user,arm,revenue,revenue\na,old,1,2\n", "2 columns 'revenue'"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(text)
    with pytest.raises(AbkitError, match=said):
        read(path, UnitColumns(unit="user", variant="arm", metric="revenue"))


def test_parquet_with_a_metric_of_another_type_and_a_folder_without_parquet_are_refused(tmp_path: Path) -> None:
    ROWS.with_columns(revenue=pl.date(2026, 3, 1)).write_parquet(tmp_path / "rows.parquet")
    with pytest.raises(AbkitError, match="'revenue' holds Date"):
        read(tmp_path / "rows.parquet")
    (tmp_path / "empty").mkdir()
    with pytest.raises(AbkitError, match="no Parquet file"):
        read(tmp_path / "empty")


def test_nothing_that_was_written_for_reading_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "tmp").mkdir()
    english(tmp_path / "rows.csv")
    read(tmp_path / "rows.csv")
    assert not list((tmp_path / "tmp").iterdir())


@pytest.mark.parametrize("part", [2, 1_000_000])
@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("u1,a,5%", "u2,b,6%", "u3,a,7"), "several kinds: %, plain numbers"),
        (("u1,a,€5", "u2,b,€6", "u3,a,£7"), "several kinds: EUR, GBP"),
        (("u1,a,5", "u2,b,6", "Total,a,11"), "'Total' is a total"),
        (("1.2E+17,a,5", "1.3E+17,b,6"), "rounded by a spreadsheet"),
    ],
)
def test_cells_in_several_units_and_rows_of_no_unit_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int, lines: tuple[str, ...], said: str
) -> None:
    monkeypatch.setattr(reading, "PART", part)
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(("user,arm,revenue", *lines)) + "\n", "utf-8")
    with pytest.raises(InvalidInput, match=said):
        read(path, UnitColumns(unit="user", variant="arm", metric="revenue"))


def test_amounts_and_percentages_with_zeros_are_of_one_kind(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    for cells, values in ((("5%", "0", "-"), [0.05, 0, None]), (("€5", "0", "6"), [5, 0, 6])):
        path.write_text("user,arm,revenue\n" + "".join(f"u{n},a,{cell}\n" for n, cell in enumerate(cells)), "utf-8")
        assert read(path, UnitColumns(unit="user", variant="arm", metric="revenue"))["y"].to_list() == values


def test_what_units_did_before_is_read_as_every_other_number(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("user;arm;revenue;before\n" + "a;old;1,5;2.000,25\nb;new;2,5;\n", "utf-8")
    found = read(path, UnitColumns(unit="user", variant="arm", metric="revenue", covariate="before"))
    assert found["c"].to_list() == [2000.25, None]
    found.with_columns(x=1.0).write_parquet(tmp_path / "rows.parquet")
    columns = UnitColumns(unit="unit", variant="variant", metric="y", covariate="c", covariate_denominator="x")
    assert read(tmp_path / "rows.parquet", columns)["d"].to_list() == [1.0, 1.0]
