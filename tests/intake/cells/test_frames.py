"""One way to read tables: KPI exports, tables of labels and tables of experiments, in any dress, with one outcome."""

import gzip
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from datetime import date
from pathlib import Path

import pytest

from abkit.errors import AbkitError
from abkit.intake.cells import columns as column_tables
from abkit.intake.kpis.reading import KpiOptions, read_table
from abkit.intake.tables.experiments import read_experiments
from abkit.intake.tables.samples import read_numbers
from abkit_model.data import csv_table
from abkit_model.data.csv_table import read_csv
from abkit_model.data.files.tables import TableOptions

COLUMNS = ("experiment", "creative", "impressions", "clicks")
NAMED = dict(zip(("experiment", "variant", "trials", "successes"), COLUMNS, strict=True))
NAMES = ("Frühling ß", "春のセール", "plain")
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "cp932")

#: By row: experiment, creative, impressions, clicks; and line with reason of each row that was refused.
Outcome = tuple[list[tuple[str, ...]], list[tuple[int, str]]]


def kpis(path: Path) -> Outcome:
    january = (date(2026, 1, 1), date(2026, 1, 31))
    table = read_table(path, KpiOptions(mapping={"experiment": "campaign"}, period=january, max_file_mb=25))
    frame = table.frame.select("campaign", "creative", "impressions", "clicks")
    return [tuple(map(str.strip, row)) for row in frame.iter_rows()], [(row.line, row.reason) for row in table.broken]


def labels(path: Path) -> Outcome:
    table = read_csv(path)
    return [tuple(row[column].strip() for column in COLUMNS) for _, row in table.rows], list(table.rejected)


def experiments(path: Path) -> Outcome:
    table = read_experiments(path, **NAMED)
    rows = [
        (table.experiments[place], variant, f"{trials:g}", f"{successes:g}")
        for place, variant, trials, successes in zip(
            table.experiment, table.variants, table.trials, table.successes, strict=True
        )
    ]
    raw = column_tables.read_columns(path, COLUMNS)
    names = (column_tables.LINE, column_tables.BROKEN)
    broken = raw.filter(raw[names[1]].is_not_null()).select(names)
    return rows, broken.rows()


DOORS = pytest.mark.parametrize("door", [kpis, labels, experiments])


def write(path: Path, *lines: str, delimiter: str = ",", encoding: str = "utf-8", end: str = "\n") -> Path:
    """Write a table; a name that ends in .gz is packed."""
    text = end.join(delimiter.join(line.split(",")) for line in (",".join(COLUMNS), *lines)) + end
    data = text.encode(encoding)
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path


@DOORS
@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_dress_of_a_table_is_read_through_every_door(
    tmp_path: Path, door: Callable[[Path], Outcome], encoding: str, delimiter: str, end: str, name: str
) -> None:
    campaign = {"cp1252": NAMES[0], "cp932": NAMES[1]}.get(encoding, " ".join(NAMES))
    lines = [f"{campaign},a.png,1000,20", "", f"{campaign},b.png,1100", f"{campaign},c.png,1200,30"]
    if door is experiments:  # a broken row refuses its experiment
        lines[2] = "other,b.png,1100"
    path = write(tmp_path / name, *lines, delimiter=delimiter, encoding=encoding, end=end)
    guessed = encoding in ("cp1252", "cp932", "utf-16-le", "utf-16-be")
    with pytest.warns(UnicodeWarning, match="is not UTF-8: read as") if guessed else nullcontext():
        rows, refused = door(path)
    assert rows == [(campaign, "a.png", "1000", "20"), (campaign, "c.png", "1200", "30")]
    assert refused == [(4, "3 cells where the header has 4: cut short")]


@DOORS
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("b,b.png,1,000,20", "5 cells where the header has 4: a delimiter too many"),
        ('b,"b.png,100,20', "a quote that is not closed"),
        (f"b,{'x' * 200_000},100,20", "a cell of more than 131,072 characters, or a quote that is not closed"),
    ],
)
def test_a_row_that_cannot_be_divided_into_cells_is_set_aside_with_line_and_reason(
    tmp_path: Path, door: Callable[[Path], Outcome], line: str, reason: str
) -> None:
    path = write(tmp_path / "table.csv", "a,a.png,1000,20", line, "a,c.png,1200,30")
    assert door(path) == ([("a", "a.png", "1000", "20"), ("a", "c.png", "1200", "30")], [(3, reason)])


@DOORS
@pytest.mark.parametrize(("end", "name"), [("\n", "table.csv"), ("\r\n", "table.csv.gz"), ("\r", "table.csv")])
@pytest.mark.parametrize(
    ("utf8", "other", "encoding"),
    [
        ("Frühling", "Größe", "cp1252"),
        ("Frühling", "cafés", "cp1252"),
        ("春のセール", "Größe", "cp1252"),
        ("春のセール", "夏のセール", "cp932"),
        ("Größe", "\x81", "latin-1"),
        ("Łódź", "caf\xe9", "latin-1"),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_a_table_whose_lines_are_in_mixed_encodings_is_refused_with_the_line(
    tmp_path: Path,
    door: Callable[[Path], Outcome],
    utf8: str,
    other: str,
    encoding: str,
    end: str,
    name: str,
    order: int,
) -> None:
    lines = [f"a,a.png,1,1{end}".encode()] * 3
    both = [f"{utf8},b.png,1,1{end}".encode(), f"{other},c.png,1,1{end}".encode(encoding)]
    content = (",".join(COLUMNS) + end).encode() + b"".join([*lines, *both[::order], *lines])
    (tmp_path / name).write_bytes(gzip.compress(content, mtime=0) if name.endswith("gz") else content)
    with pytest.raises(AbkitError, match="mixed encodings") as refused:
        door(tmp_path / name)
    at = (5, 6)[::order]
    assert f"line {at[0]} is UTF-8, line {at[1]} is not" in refused.value.message
    assert "UTF-8" in refused.value.hint


@DOORS
@pytest.mark.parametrize(
    ("names", "encoding"),
    [
        (("CAFÉ’S", "Größe", "naïve"), "cp1252"),  # the first line is valid UTF-8 too
        (("ﾃｽ", "春のセール", "ﾊﾞﾅｰ広告"), "cp932"),  # so is this
        (("ﾊﾞﾅｰ", "ﾃｽ", "ﾃｨ"), "cp932"),
    ],
)
def test_a_line_that_is_valid_utf_8_by_chance_does_not_make_encodings_mixed(
    tmp_path: Path, door: Callable[[Path], Outcome], names: tuple[str, ...], encoding: str
) -> None:
    lines = [f"{name},{arm}.png,1000,20" for name in names for arm in "ab"]
    with pytest.warns(UnicodeWarning, match="table.csv is not UTF-8"):
        rows, refused = door(write(tmp_path / "table.csv", *lines, encoding=encoding))
    assert ([row[0] for row in rows[::2]], refused) == (list(names), [])


def test_an_encoding_that_was_given_is_no_guess(tmp_path: Path) -> None:
    path = write(tmp_path / "table.csv", "Größe,a.png,1000,20", encoding="cp1252")
    january = (date(2026, 1, 1), date(2026, 1, 31))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = read_table(path, KpiOptions(period=january, encoding="windows-1252"))
    assert table.reading["encoding"] == "windows-1252"


@DOORS
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf \n\n", "the file is empty"),
        (b"\x00\x01\x02\x03" * 500, "a binary file"),
        (b"PK\x03\x04aaaaaaaaaaa", "the ZIP archive or spreadsheet cannot be read"),
        (gzip.compress(b"%PDF-1.7 and so on", mtime=0), "a PDF"),
        (gzip.compress(b"experiment,creative,impressions,clicks\n" * 99, mtime=0)[:40], "damaged"),
        (b"experiment,creative,impressions,clicks\na\x81b,c,1,1\n", "reads as no language"),
        (b"experiment,creative,impressions,clicks\n" + b"x" * 20_000_000, "more than 16,777,216 characters"),
        (gzip.compress(b"0" * 30_000_000, mtime=0), "more than 25 MB"),
        (None, "there is no file with this name"),
    ],
    ids=lambda value: value if isinstance(value, str) else "content",
)
def test_what_is_no_table_is_refused_with_the_reason_and_what_to_do(
    tmp_path: Path, door: Callable[[Path], Outcome], content: bytes | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_table, "MAX_BYTES", 25_000_000)
    monkeypatch.setattr(column_tables, "MOST_BYTES", 25_000_000)
    if content is not None:
        (tmp_path / "table.csv").write_bytes(content)
    with pytest.raises(AbkitError, match=said) as refused:
        door(tmp_path / "table.csv")
    assert refused.value.hint
    if door is not kpis:  # whose caller names the file
        assert "table.csv" in refused.value.message


@DOORS
def test_a_header_that_names_a_needed_column_twice_is_refused(tmp_path: Path, door: Callable[[Path], Outcome]) -> None:
    path = tmp_path / "table.csv"
    path.write_text("experiment,creative,impressions,clicks,clicks\na,a.png,10,1,2\na,b.png,10,1,2\n")
    with pytest.raises(AbkitError, match="clicks") as refused:
        read_csv(path).column("clicks", (), "the clicks") if door is labels else door(path)
    assert "rename all but one" in refused.value.hint


def test_a_name_with_a_null_byte_refuses_its_experiment(tmp_path: Path) -> None:
    path = write(tmp_path / "table.csv", "a,a\0.png,1000,20", "a,b.png,1000,30", "b,a,1000,20", "b,b,1000,30")
    table = read_experiments(path, **NAMED)
    assert table.experiments == ["b"]
    assert [(one.experiment, one.reason) for one in table.refused] == [
        ("a", "variant 'a\ufffd.png': a null byte in a name")
    ]


def test_a_column_of_numbers_may_be_called_line(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("line,name\n3,a\n5,b\n")
    assert read_numbers(tmp_path / "table.csv", "line").values.tolist() == [3, 5]
    assert read_numbers(tmp_path / "table.csv", None).values.tolist() == [3, 5]


def test_keys_that_look_like_numbers_stay_as_they_are_written(tmp_path: Path) -> None:
    path = write(tmp_path / "table.csv", "007,1.0,1000,20", "007,2.0,1000,30")
    table = read_experiments(path, **NAMED)
    assert (table.experiments, table.variants) == (["007"], ["1.0", "2.0"])


def test_counts_of_experiments_may_have_thousands_and_two_readings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(";".join(COLUMNS) + "\na;a;1.234.567;1.204\na;b;1.200.000;998\n")
    table = read_experiments(path, **NAMED)
    assert (table.trials.tolist(), table.successes.tolist()) == ([1234567, 1200000], [1204, 998])
    path.write_text(path.read_text().replace("1.234.567", "234.567").replace("1.200.000", "200.000"))
    with pytest.raises(AbkitError, match=r"'234\.567' is 234\.567 or 234567") as refused:
        read_experiments(path, **NAMED)
    assert "--decimal" in refused.value.hint
    assert read_experiments(path, **NAMED, options=TableOptions(decimal=",")).trials.tolist() == [234567, 200000]


@pytest.mark.parametrize("text", ["12%", "$5", "5 apples", "--", "1_000", "nan", "2.5"])
def test_a_count_that_is_no_number_refuses_its_experiment(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "table.csv", f"a,a,1000,{text}", "a,b,1000,30", "b,a,1000,20", "b,b,1000,30")
    table = read_experiments(path, **NAMED)
    assert table.experiments == ["b"]
    assert [one.experiment for one in table.refused] == ["a"]
    assert text in table.refused[0].reason
