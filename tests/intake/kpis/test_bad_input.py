"""Every kind of bad export: each row is imported or kept as a reject, and both add up to the rows of the file."""

import itertools
import shlex
from pathlib import Path

import pytest

from abkit.intake.kpis.header.fields import parse_mapping
from abkit.store import imports
from abkit.store.database.engine import Store
from tests.kpi_files import figures, rows, run_import, write

GOOD = "2026-01-01,1,a.png,spring,1000,20,3,4.50,USD"
SHORT = "day,ad,impressions,clicks"


def reasons(store: Store) -> list[str]:
    with store.read() as session:
        return [row["reason"] for row in imports.kpi_rejects(session, None, 100)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("2026-01-02,2,a.png,spring,10,11,0,1.10,USD", "clicks above impressions over all rows of the ad"),
        ("2026-01-02,1,a.png,spring,-10,1,0,1.10,USD", "impressions is negative"),
        ("2026-01-02,1,a.png,spring,10,-1,0,1.10,USD", "clicks is negative"),
        ("2026-01-02,1,a.png,spring,10,1.5,0,1.10,USD", "clicks is not a whole number"),
        ("2026-01-02,1,a.png,spring,10,1,-0.5,1.10,USD", "conversions is negative"),
        ("2026-01-02,1,a.png,spring,10,1,0,-1.10,USD", "spend is negative"),
        ("2026-02-30,1,a.png,spring,10,1,0,1.10,USD", "impossible date"),
        ("02/01/2026,1,a.png,spring,10,1,0,1.10,USD", "does not fit the format"),
        (",1,a.png,spring,10,1,0,1.10,USD", "day is empty"),
        ("2026-01-02,1,a.png,spring,,1,0,1.10,USD", "impressions is empty"),
        ("2026-01-02,,,spring,10,1,0,1.10,USD", "no ad and no creative"),
        ("2026-01-02,1,a.png,spring,10,1%,0,1.10,USD", "percent sign"),
        ("2026-01-02,1,a.png,spring,ten,1,0,1.10,USD", "not a number"),
        ("2026-01-02,1,a.png,spring,10,1,0,1.10,dollars", "three letters"),
        ("2026-01-02,1.2E+17,a.png,spring,10,1,0,1.10,USD", "rounded by a spreadsheet"),
        ("2026-01-02,1,a.png", "3 cells where the header has 9"),
        ("2026-01-02,1,a.png,spring,1,000,1,0,1.10,USD", "a delimiter too many"),
        ('2026-01-02,1,"a.png,spring,10,1,0,1.10,USD', "quote that is not closed"),
        ("2026-01-02,1,a\0.png,spring,10,1,0,1.10,USD", "null byte"),
        (f"2026-01-02,1,{'x' * 9000}.png,spring,10,1,0,1.10,USD", "more than 1,000 characters"),
        (f"2026-01-02,1,{'x' * 200_000}.png,spring,10,1,0,1.10,USD", "more than 131,072 characters"),
        (",,,,,,,,", "day is empty; no ad and no creative"),
        (GOOD, "duplicate of line 2"),
    ],
)
def test_a_bad_row_is_a_reject_and_the_good_ones_are_imported(
    sqlite_store: Store, tmp_path: Path, line: str, reason: str
) -> None:
    after = "2026-01-03,1,a.png,spring,500,1,0,1.00,USD"
    summary = run_import(sqlite_store, write(tmp_path / "k.csv", rows(GOOD, line, after)))[0]

    assert (summary.rows, summary.imported, summary.rejected) == (3, 2, 1)
    assert reason in reasons(sqlite_store)[0]


def test_the_same_row_with_other_figures_is_refused_both_times(sqlite_store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "k.csv", rows(GOOD, GOOD.replace("1000", "1001"), GOOD.replace("-01,", "-02,", 1)))
    summary = run_import(sqlite_store, path)[0]
    assert (summary.imported, summary.rejected) == (1, 2)
    assert reasons(sqlite_store) == [
        "different figures from line 3 for the same ad, period and segment",
        "different figures from line 2 for the same ad, period and segment",
    ]


def test_two_creatives_of_one_ad_on_one_day_are_refused_with_that_reason(sqlite_store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "k.csv", rows(GOOD, GOOD.replace("a.png", "b.png").replace("1000", "900")))
    assert run_import(sqlite_store, path)[0].rejected == 2
    assert "a different creative from line" in reasons(sqlite_store)[0]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_unicode_encodings_are_found(sqlite_store: Store, tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path / "k.csv", rows(GOOD.replace("spring", "été")), encoding)
    assert run_import(sqlite_store, path)[0].imported == 1


@pytest.mark.parametrize(
    ("encoding", "campaign"),
    [("cp932", "春のセール"), ("cp932", "ﾊﾞﾅｰ広告"), ("cp1252", "Frühling à Paris"), ("cp1252", "Größe £5")],
)
def test_legacy_encodings_are_told_apart(sqlite_store: Store, tmp_path: Path, encoding: str, campaign: str) -> None:
    from sqlalchemy import select

    from abkit.store.schema import Campaign

    path = write(tmp_path / "k.csv", rows(GOOD.replace("spring", campaign)), encoding)
    assert run_import(sqlite_store, path)[0].imported == 1
    with sqlite_store.read() as session:
        assert session.scalars(select(Campaign.key)).all() == [campaign]


def test_japanese_headers_in_shift_jis_are_known(sqlite_store: Store, tmp_path: Path) -> None:
    content = '日,広告ID,インプレッション数,クリック数,コスト\n2026年1月2日,1,"1,234",5,10.5\n'
    path = write(tmp_path / "k.csv", content, "cp932")
    assert run_import(sqlite_store, path)[0].imported == 1
    assert figures(sqlite_store)[0][1] == 1234


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_other_delimiters_and_line_ends_are_found(
    sqlite_store: Store, tmp_path: Path, delimiter: str, end: str
) -> None:
    content = rows(GOOD, end=end).replace(",", delimiter)
    assert run_import(sqlite_store, write(tmp_path / "k.csv", content))[0].imported == 1


def test_a_header_in_the_third_line_is_found_and_lines_count_from_the_first(
    sqlite_store: Store, tmp_path: Path
) -> None:
    bad = "2026-01-02,1,a.png,spring,x,1,0,1.10,USD"
    path = write(tmp_path / "k.csv", 'Report,"January, 2026"\n\n' + rows(GOOD, bad))
    assert run_import(sqlite_store, path)[0].imported == 1
    with sqlite_store.read() as session:
        assert imports.kpi_rejects(session, None, 1)[0]["line"] == 5


@pytest.mark.parametrize("impressions", ['"1,234,567"', '"1 234 567"', "1'234'567"])
def test_thousands_separators_are_read(sqlite_store: Store, tmp_path: Path, impressions: str) -> None:
    path = write(tmp_path / "k.csv", rows(GOOD.replace("1000", impressions)))
    assert run_import(sqlite_store, path)[0].imported == 1
    assert figures(sqlite_store)[0][1] == 1_234_567


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf \n\n", "empty"),
        (b"day,ad,impressions,clicks\n", "no rows"),
        (b"hello\nworld\n", "no header"),
        (b"\x00\x01\x02\x03" * 500, "binary"),
        (b"PK\x03\x04aaaaaaaaaaa", "spreadsheet"),
        (b"\x1f\x8baaaaaaaaaaa", "gzip"),
        (b"PAR1aaaaaaaaaaaaaaaPAR1", "damaged"),
        (b"day,ad,impressions\n2026-01-01,1,5\n", "no column is clicks"),
        (b"day,impressions,clicks\n2026-01-01,1,5\n", "no column is ad (or creative)"),
        (b"day,ad,impressions,clicks,Link clicks,Click\n2026-01-01,1,5,1,1,1\n", None),
        (b"day,ad,impressions,Link clicks,Click\n2026-01-01,1,5,1,1\n", "could both be clicks"),
        (b"x" * 20_000_000, "no header"),
        (b"day,ad,impressions,clicks\n" + b"x" * 20_000_000, "more than 16,777,216 characters"),
    ],
)
def test_a_file_that_is_none_is_refused_with_the_reason(
    sqlite_store: Store, tmp_path: Path, content: bytes, error: str | None
) -> None:
    summary = run_import(sqlite_store, write(tmp_path / "k.csv", content))[0]
    if error is None:
        assert summary.imported == 1
    else:
        assert error in (summary.error or "")
        assert summary.import_id is None


def test_a_missing_column_names_those_found_and_the_option_to_write(sqlite_store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "k.csv", rows("2026-01-01,1,5,1", header="day,ad,Views,clicks"))
    summary = run_import(sqlite_store, path)[0]
    assert "'Views'" in (summary.error or "")
    assert "--map 'Views=impressions'; check the guesses: 'Views' is impressions by its cells" in (summary.hint or "")
    assert run_import(sqlite_store, path, mapping={"views": "impressions"})[0].imported == 1


def test_ten_thousand_columns_are_no_problem(sqlite_store: Store, tmp_path: Path) -> None:
    header = SHORT + "," + ",".join(f"c{number}" for number in range(10_000))
    line = "2026-01-01,1,10,1" + ",0" * 10_000
    assert run_import(sqlite_store, write(tmp_path / "k.csv", rows(line, header=header)))[0].imported == 1


def test_a_file_above_the_limit_is_not_read(sqlite_store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "k.csv", rows(GOOD) * 2000)
    assert "max_file_mb" in (run_import(sqlite_store, path, max_file_mb=0.05)[0].hint or "")


def test_parquet_with_nested_columns_is_refused(sqlite_store: Store, tmp_path: Path) -> None:
    import polars as pl

    frame = pl.DataFrame({"day": ["2026-01-01"], "ad": ["1"], "impressions": [[1, 2]], "clicks": [1]})
    frame.write_parquet(tmp_path / "k.parquet")
    assert "not text, number or date" in (run_import(sqlite_store, tmp_path / "k.parquet")[0].error or "")
    assert "max_rows" in (run_import(sqlite_store, tmp_path / "k.parquet", max_rows=0)[0].hint or "")


def test_many_open_quotes_lose_only_their_own_rows(sqlite_store: Store, tmp_path: Path) -> None:
    lines = [f'2026-01-{day:02},"1,10,1' if day % 3 == 0 else f"2026-01-{day:02},1,10,1" for day in range(1, 29)]
    summary = run_import(sqlite_store, write(tmp_path / "k.csv", rows(*lines, header=SHORT)))[0]
    assert summary.rows == 28
    assert summary.imported + summary.rejected == 28
    assert summary.imported >= 14


@pytest.mark.parametrize(
    "content",
    [
        "day,ad,clicks\n2026-01-01,1,5\n\n2026-01-02,1,6\n2026-01-03,1\n",
        "day,ad,impressions,Link clicks,Click\n2026-01-01,1,5,1,1\n2026-01-02,1,5,1,1\n2026-01-03,1,5,1,1\n",
    ],
)
def test_a_refused_file_counts_all_its_rows_as_rejected(sqlite_store: Store, tmp_path: Path, content: str) -> None:
    summary = run_import(sqlite_store, write(tmp_path / "k.csv", content))[0]
    assert summary.error
    assert (summary.rows, summary.imported, summary.rejected) == (3, 0, 3)


def test_a_refused_parquet_counts_all_its_rows_as_rejected(sqlite_store: Store, tmp_path: Path) -> None:
    import polars as pl

    day = ["2026-01-01", "2026-01-02"]
    pl.DataFrame({"day": day, "ad": ["1", "1"], "impressions": [5, 5]}).write_parquet(tmp_path / "no-clicks.parquet")
    typed = pl.DataFrame({"day": day, "ad": ["1", "1"], "impressions": [5, 5], "clicks": [True, False]})
    typed.write_parquet(tmp_path / "bool.parquet")
    found = run_import(sqlite_store, tmp_path / "no-clicks.parquet", tmp_path / "bool.parquet")
    assert [(one.rows, one.rejected) for one in found] == [(2, 2), (2, 2)]


def test_the_same_column_name_twice_is_to_be_renamed_as_map_cannot_tell_them_apart(
    sqlite_store: Store, tmp_path: Path
) -> None:
    path = write(tmp_path / "k.csv", "day,ad,impressions,clicks,clicks\n2026-01-01,1,5,1,2\n")
    assert "rename" in (run_import(sqlite_store, path)[0].hint or "")


EXPORTS = {
    "Meta Ads Manager": (
        "Reporting starts,Reporting ends,Campaign name,Ad name,Ad ID,Platform,Placement,Impressions,"
        '"Amount spent (EUR)",Link clicks,Clicks (all),Results,Result type,Attribution setting\n'
        "2026-01-01,2026-01-31,,,,,,1300,33.45,26,40,3,,\n"
        "2026-01-01,2026-01-31,Spring,Hero 1,120208000000000001,facebook,feed,1000,23.45,20,30,2,Purchase,7-day click\n"
        "2026-01-01,2026-01-31,Spring,Hero 2,120208000000000002,instagram,story,300,10,6,10,1,Purchase,7-day click\n",
        (2, 0, 1),
    ),
    "Google Ads": (
        'Ad performance report\n"January 1, 2026 - January 31, 2026"\n'
        "Day,Campaign,Ad group,Ad ID,Ad type,Currency code,Impr.,Clicks,CTR,Avg. CPC,Cost,Conversions,Conv. value\n"
        '2026-01-01,Brand,g,7001,Image ad,EUR,"1,234",12,0.97%,0.5,6.10,1.00,20.00\n'
        '2026-01-02,Brand,g,7001,Image ad,EUR,"2,000",15,0.75%,0.5,7.10,0.50,10.00\n'
        'Total: Account, --, --, --, --,EUR,"3,234",27,0.83%,0.5,13.20,1.50,30.00\n',
        (2, 0, 1),
    ),
    "TikTok Ads Manager": (
        "Ad name,Ad ID,By Day,Currency,Cost,Impressions,Clicks (destination),CTR (destination),Conversions\n"
        "x.png,1790000000000001,2026-01-01,USD,12.30,1000,10,1.00%,2\n"
        "Total of 1 results,-,-,USD,12.30,1000,10,1.00%,2\n",
        (1, 0, 1),
    ),
    "TikTok reporting API": (
        "stat_time_day,ad_id,campaign_name,spend,impressions,clicks,conversion\n"
        "2026-01-01 00:00:00,1790000000000002,Spring,12.30,1000,10,2\n",
        (1, 0, 0),
    ),
}


# No public source says what these call the ad's id: abkit guesses, and the person decides.
GUESSED = {
    "Meta Ads Manager in German": (
        'Tag,Kampagnenname,Werbeanzeigen-ID,Impressionen,Link-Klicks,"Ausgegebener Betrag (EUR)"\n'
        "2026-01-01,Frühling,120208000000000003,1000,10,12.34\n",
        (1, 0),
    ),
    "Google Ads in German": (
        "Anzeigenbericht\n1. Januar 2026 - 31. Januar 2026\n"
        "Tag\tKampagne\tAnzeigen-ID\tWährungscode\tImpr.\tKlicks\tCTR\tKosten\tConversions\n"
        "2026-01-01\tMarke\t7002\tEUR\t1.234\t12\t0,97 %\t6,10\t1,00\n",
        (1, 0),
    ),
}


@pytest.mark.parametrize("platform", GUESSED)
def test_a_column_without_a_known_name_is_guessed_and_the_command_of_the_hint_imports_the_file(
    sqlite_store: Store, tmp_path: Path, platform: str
) -> None:
    content, (imported, rejected) = GUESSED[platform]
    path = write(tmp_path / "k.csv", content)
    refused = run_import(sqlite_store, path)[0]
    assert refused.imported == 0
    command = shlex.split((refused.hint or "").partition(": ")[2].partition(";")[0])
    assert command[:4] == ["abkit", "kpi", "import", str(path)]
    options = [value for name, value in itertools.pairwise(command) if name == "--map"]
    summary = run_import(sqlite_store, path, mapping=parse_mapping(options))[0]
    assert (summary.error, summary.imported, summary.rejected) == (None, imported, rejected), summary.reasons


@pytest.mark.parametrize("platform", EXPORTS)
def test_exports_of_the_large_platforms_need_no_mapping(sqlite_store: Store, tmp_path: Path, platform: str) -> None:
    content, expected = EXPORTS[platform]
    summary = run_import(sqlite_store, write(tmp_path / "k.csv", content))[0]
    assert summary.error is None
    assert (summary.imported, summary.rejected, summary.set_aside) == expected, summary.reasons
