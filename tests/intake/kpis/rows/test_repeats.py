"""Rows of one key: hours are summed to days, ad sets kept apart or summed, currencies stay with their rows."""

import shlex
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import func, select

from abkit.intake.kpis.reading import KpiOptions
from abkit.store.database.engine import Store
from abkit.store.schema import Ad, Kpi
from abkit.workflows.kpis.import_kpis import ImportSummary, import_files
from tests.kpi_files import figures, rows, run_import, write


@pytest.mark.parametrize("column", ["Hour", "Time of day", "Hour of day (ad account time zone)"])
def test_hours_are_summed_to_days(sqlite_store: Store, tmp_path: Path, column: str) -> None:
    lines = [f"2026-01-0{day},1,{hour:02}:00:00 - {hour:02}:59:59,10,1,0.5" for day in (1, 2) for hour in range(24)]
    header = f"day,ad,{column},impressions,clicks,conversions"
    summary = run_import(sqlite_store, write(tmp_path / "k.csv", rows(*lines, header=header)))[0]
    assert (summary.imported, summary.rejected) == (48, 0)
    assert [row[1:] for row in figures(sqlite_store)] == [(240, 24, 12), (240, 24, 12)]


def test_hours_in_the_column_of_days_are_summed_too(sqlite_store: Store, tmp_path: Path) -> None:
    lines = [f"2026-01-01 {hour:02}:00:00,1,10,1" for hour in range(24)]
    summary = run_import(sqlite_store, write(tmp_path / "k.csv", rows(*lines, header="day,ad,impressions,clicks")))[0]
    assert (summary.imported, summary.rejected) == (24, 0)
    assert [row[1:3] for row in figures(sqlite_store)] == [(240, 24)]


def test_one_hour_never_stands_for_its_day(sqlite_store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "k.csv", rows("2026-01-01,1,13,10,1", header="day,ad,hour,impressions,clicks"))
    assert run_import(sqlite_store, path)[0].rejected == 1
    path = write(tmp_path / "t.csv", rows("2026-01-01 13:00,1,10,1", header="day,ad,impressions,clicks"))
    assert run_import(sqlite_store, path)[0].rejected == 1


def test_one_ad_name_in_several_ad_sets_is_imported_as_it_is(sqlite_store: Store, tmp_path: Path) -> None:
    lines = [f"2026-01-{day:02},spring,set {n},a.png,{100 * n},{n}" for day in range(1, 8) for n in range(1, 4)]
    header = "day,campaign,Ad set name,creative,impressions,clicks"
    summary = run_import(sqlite_store, write(tmp_path / "k.csv", rows(*lines, header=header)))[0]
    assert (summary.imported, summary.rejected) == (21, 0)
    with sqlite_store.read() as session:
        assert set(session.scalars(select(Ad.external_id))) == {f"spring/set {n}/a.png" for n in range(1, 4)}
        assert set(session.scalars(select(Ad.ad_set))) == {"set 1", "set 2", "set 3"}


def test_an_ad_id_in_several_ad_sets_is_one_ad_and_its_rows_stay_apart(sqlite_store: Store, tmp_path: Path) -> None:
    header = "day,ad,Ad set name,impressions,clicks"
    lines = ["2026-01-01,7,x,100,1", "2026-01-01,7,y,50,2", "2026-01-01,7,y,50,2"]
    summary = run_import(sqlite_store, write(tmp_path / "k.csv", rows(*lines, header=header)))[0]
    assert (summary.imported, summary.rejected) == (2, 1)
    assert [row[1:3] for row in figures(sqlite_store)] == [(100, 1), (50, 2)]
    with sqlite_store.read() as session:
        assert session.scalars(select(Ad.external_id)).all() == ["7"]
    total = write(tmp_path / "total.csv", rows("2026-01-01,7,150,3", header="day,ad,impressions,clicks"))
    (aside,) = run_import(sqlite_store, total)[0].not_counted
    assert (aside.reason.value, aside.impressions) == ("breakdown", 150)


def test_two_currencies_come_in_with_their_rows(sqlite_store: Store, tmp_path: Path) -> None:
    lines = ["2026-01-01,1,10,1,2.5,EUR", "2026-01-01,2,10,1,3.5,USD", "2026-01-02,1,10,1,2.5,EUR"]
    header = "day,ad,impressions,clicks,spend,currency"
    assert run_import(sqlite_store, write(tmp_path / "k.csv", rows(*lines, header=header)))[0].imported == 3
    with sqlite_store.read() as session:
        sums = session.execute(select(Kpi.currency, func.sum(Kpi.spend)).group_by(Kpi.currency)).all()
    assert sorted(map(tuple, sums)) == [("EUR", 5.0), ("USD", 3.5)]


@pytest.mark.parametrize(
    ("result", "conversions"),
    [("Purchase", 4), ("actions:offsite_conversion.fb_pixel_lead", 4), ("reach", 0), ("actions:link_click", 0)],
)
def test_results_are_conversions_only_where_their_type_is_one(
    sqlite_store: Store, tmp_path: Path, result: str, conversions: int
) -> None:
    line = f"2026-01-01,1,10,1,4,{result}"
    header = "Day,Ad ID,Impressions,Link clicks,Results,Result indicator"
    summary = run_import(sqlite_store, write(tmp_path / "k.csv", rows(line, header=header)))[0]
    assert (summary.error, summary.imported) == (None, 1)
    assert figures(sqlite_store)[0][3] == conversions


BROKEN_DOWN = {
    "day": ["2026-01-05"] * 5,
    "ad": ["1", "1", "2", "3", "3"],
    "Headline": ["Buy", "Try", "Buy", "Buy", "Buy"],
    "impressions": [1, 1, 7, 5, 5],
    "clicks": [0, 0, 1, 1, 1],
}


@pytest.mark.parametrize("kind", ["csv", "parquet", "xlsx"])
def test_rows_are_one_only_where_all_their_cells_are_equal(sqlite_store: Store, tmp_path: Path, kind: str) -> None:
    frame, path = pl.DataFrame(BROKEN_DOWN), tmp_path / f"k.{kind}"
    {"csv": frame.write_csv, "parquet": frame.write_parquet, "xlsx": frame.write_excel}[kind](path)  # type: ignore[operator]
    notes: list[str] = []
    (summary,) = import_files(sqlite_store, [path], KpiOptions(), note=notes.append)
    assert (summary.imported, summary.rejected) == (2, 3)
    assert [row[1] for row in figures(sqlite_store)] == [7, 5]
    assert any("another row in columns that are not used" in reason for reason in summary.reasons)
    assert any("2 rows have ad, period and segment in common and differ in 'Headline'" in note for note in notes), notes
    (mapped,) = run_import(sqlite_store, path, mapping={"Headline": "other"})
    assert mapped.imported + mapped.unchanged == 4
    assert sorted(row[1] for row in figures(sqlite_store) if row[1] == 1) == [1, 1]


def _run_again(store: Store, note: str) -> ImportSummary:
    """Run the command that a note gives: its file and its --map options."""
    words = shlex.split(note.split("run: ")[1].split(";")[0])
    assert words[:3] == ["abkit", "kpi", "import"]
    assert set(words[4::2]) <= {"--map"}
    mapping = dict(word.rsplit("=", 1) for word in words[5::2])
    return run_import(store, Path(words[3]), mapping=mapping)[0]


KINDS_OF_CONVERSIONS = {
    # The source follows from the action, and "All conv." is a figure: neither needs a field.
    "alone": (
        "Day,Ad ID,Conversion source,Conversion action,All conv.,Impr.,Clicks,Conversions",
        ["{d},70{a},Website,Purchase,{n},{i},9,2", "{d},70{a},Website,Sign-up,{n},{i},9,1"],
        [],
    ),
    "beside a breakdown": (
        "Day,Ad ID,Headline,Conversion action,Impr.,Clicks,Conversions",
        [f"{{d}},70{{a}},{h},{c},{{i}},9,{{n}}" for h in ("Buy", "Try now") for c in ("Purchase", "Sign-up")],
        ["Headline=other"],
    ),
}


@pytest.mark.parametrize("kind", KINDS_OF_CONVERSIONS)
def test_rows_by_conversion_action_come_with_the_one_command_that_imports_them_all(
    sqlite_store: Store, tmp_path: Path, kind: str
) -> None:
    header, forms, more = KINDS_OF_CONVERSIONS[kind]
    # By action first: the rows of one ad and day lie far apart.
    places = [(day, ad) for day in range(1, 29) for ad in range(20)]
    lines = [
        form.format(d=f"2026-03-{day:02}", a=ad, n=1 + number % 3, i=500 + ad)
        for form in forms
        for number, (day, ad) in enumerate(places)
    ]
    path = write(tmp_path / "my export.csv", rows(*lines, header=header))
    notes: list[str] = []
    (refused,) = import_files(sqlite_store, [path], KpiOptions(), note=notes.append)
    assert (refused.imported, refused.rejected) == (0, len(lines))
    (note,) = (note for note in notes if "in common and differ in" in note)
    assert "All conv." not in note.split("run: ")[1]
    assert note.count("--map") == 1 + len(more)
    for option in ["Conversion action=event", *more]:
        assert option in note
    assert _run_again(sqlite_store, note).imported == len(lines)
    with sqlite_store.read() as session:
        counted = session.scalar(select(func.sum(Kpi.impressions)).where(Kpi.left_out == ""))
    assert counted == sum(500 + ad for _, ad in places) * len(forms) // 2


def test_a_file_refused_for_its_columns_names_that_of_the_conversions_in_the_same_command(
    sqlite_store: Store, tmp_path: Path
) -> None:
    lines = [f"2026-03-0{day},{kind},Hero {ad},800,9,1" for day in (1, 2) for ad in (1, 2) for kind in ("Buy", "Call")]
    path = write(tmp_path / "k.csv", rows(*lines, header="Day,Conversion action,Thing,Impr.,Clicks,Conversions"))
    (refused,) = run_import(sqlite_store, path)
    assert "--map 'Conversion action=event'" in (refused.hint or "")
    assert "--map 'Thing=ad_name'" in (refused.hint or "")
    (imported,) = run_import(sqlite_store, path, mapping={"Conversion action": "event", "Thing": "ad_name"})
    assert imported.imported == len(lines)


def test_where_no_field_is_left_the_note_says_to_export_without_the_column(sqlite_store: Store, tmp_path: Path) -> None:
    lines = [f"2026-03-01,7,{one},{two},50,5" for one in ("Buy", "Try") for two in ("red", "blue")]
    path = write(tmp_path / "k.csv", rows(*lines, header="day,ad,Headline,Shade,impressions,clicks"))
    notes: list[str] = []
    import_files(sqlite_store, [path], KpiOptions(), note=notes.append)
    (note,) = (note for note in notes if "in common and differ in" in note)
    assert note.endswith("--map Headline=other; no field is left for 'Shade': export without it")
