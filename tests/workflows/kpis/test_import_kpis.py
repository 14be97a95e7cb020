"""Importing KPI exports: what lands, what is refused, what a second file changes."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import func, select

from abkit.store import imports
from abkit.store.database.engine import Store
from abkit.store.schema import Ad, Campaign, CampaignCreative, Kpi, KpiImport, KpiReject, KpiRevision, Run, Segment
from tests.kpi_files import add_creatives, figures, rows, run_import, write
from tests.smadex import write_periods

ONE = "2026-01-01,1,a.png,spring,1000,20,3,4.5,USD"
TWO = "2026-01-02,1,a.png,spring,1100,25,40,5.5,USD"


def count(store: Store, table: type) -> int:
    with store.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_rows_land_with_their_ad_campaign_segment_and_import(store: Store, tmp_path: Path) -> None:
    content = rows(
        "2026-01-01,1,a.png,spring,social,feed,1000,20,3,4.5,usd",
        "2026-01-01,1,a.png,spring,social,stories,500,5,,,usd",
        header="Date,Ad ID,Creative,Campaign,Platform,Placement,Impr.,Link clicks,Conversions,Amount spent,Currency",
    )
    summary = run_import(store, write(tmp_path / "k.csv", content))[0]

    assert (summary.rows, summary.imported, summary.unlinked, summary.rejected) == (2, 2, 2, 0)
    with store.read() as session:
        ad = session.scalars(select(Ad)).one()
        assert (ad.platform, ad.external_id, ad.creative_name) == ("social", "1", "a.png")
        assert session.scalars(select(Campaign)).one().key == "spring"
        assert {one.placement for one in session.scalars(select(Segment))} == {"feed", "stories"}
        feed, stories = session.scalars(select(Kpi).order_by(Kpi.impressions.desc())).all()
        assert (feed.period_start, feed.period_end, feed.spend, feed.currency) == (
            date(2026, 1, 1),
            date(2026, 1, 1),
            4.5,
            "USD",
        )
        assert (stories.conversions, stories.spend) == (0, None)
        record = session.scalars(select(KpiImport)).one()
        assert (record.rows, record.imported, feed.kpi_import_id) == (2, 2, record.id)
        assert session.scalars(select(Run).where(Run.what == "kpi import")).one().outcome["imported"] == 2


def test_the_same_file_again_changes_nothing(store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "k.csv", rows(ONE, TWO, "2026-01-03,1,a.png,spring,10,x,0,1,USD"))
    run_import(store, path)
    again = run_import(store, path, write(tmp_path / "copy.csv", path.read_bytes()))

    assert [(one.imported, one.unchanged, one.rejected) for one in again] == [(0, 2, 1), (0, 2, 1)]
    assert (count(store, KpiImport), count(store, Kpi), count(store, KpiRevision)) == (1, 2, 0)


def test_a_later_file_restates_a_period_and_the_former_figures_are_kept(store: Store, tmp_path: Path) -> None:
    run_import(store, write(tmp_path / "first.csv", rows(ONE, TWO)))
    later = rows("2026-01-02,1,a.png,spring,1200,30,41,6.5,USD", ONE, "2026-01-03,1,a.png,spring,5,1,0,0,USD")
    second = run_import(store, write(tmp_path / "second.csv", later))[0]

    assert (second.imported, second.updated, second.unchanged) == (1, 1, 1)
    assert figures(store) == [
        (date(2026, 1, 1), 1000, 20, 3),
        (date(2026, 1, 2), 1200, 30, 41),
        (date(2026, 1, 3), 5, 1, 0),
    ]
    with store.read() as session:
        former = session.scalars(select(KpiRevision)).one()
        assert (former.impressions, former.clicks, former.conversions, former.spend) == (1100, 25, 40, 5.5)
        assert former.kpi_import_id == second.import_id


def test_a_large_restatement_is_joined_as_a_set(store: Store, tmp_path: Path) -> None:
    # Row by row this is 400 million comparisons, and the test runs into its time-out.
    n = pl.int_range(20_000, eager=True)
    frame = pl.DataFrame(
        {"day": [date(2026, 1, 1)] * n.len(), "ad": n // 2, "placement": n % 2, "impressions": n + 10, "clicks": n % 10}
    )
    frame.write_parquet(tmp_path / "first.parquet")
    frame.with_columns(pl.col("impressions") + pl.col("ad") % 2).write_parquet(tmp_path / "second.parquet")
    run_import(store, tmp_path / "first.parquet")
    second = run_import(store, tmp_path / "second.parquet")[0]

    assert (second.updated, second.unchanged) == (10_000, 10_000)
    assert count(store, KpiRevision) == 10_000


def test_importing_the_older_file_again_does_not_bring_its_figures_back(store: Store, tmp_path: Path) -> None:
    first = write(tmp_path / "first.csv", rows(ONE))
    run_import(store, first)
    run_import(store, write(tmp_path / "second.csv", rows(ONE.replace("1000", "2000"))))
    run_import(store, first)

    assert figures(store)[0][1] == 2000


def test_what_a_restating_file_does_not_say_stays(store: Store, tmp_path: Path) -> None:
    run_import(store, write(tmp_path / "first.csv", rows(ONE)))
    short = rows("2026-01-01,1,999,20", header="day,ad,impressions,clicks")
    assert run_import(store, write(tmp_path / "second.csv", short))[0].updated == 1

    with store.read() as session:
        row = session.scalars(select(Kpi)).one()
        assert (row.impressions, row.conversions, row.spend, row.currency) == (999, 3, 4.5, "USD")
        assert session.scalars(select(Ad)).one().creative_name == "a.png"


def test_conversions_may_exceed_clicks(sqlite_store: Store, tmp_path: Path) -> None:
    summary = run_import(sqlite_store, write(tmp_path / "k.csv", rows(TWO)))[0]
    assert (summary.imported, summary.rejected) == (1, 0)


def test_rejects_are_kept_with_line_reason_and_cells(store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "k.csv", rows(ONE, "2026-02-30,1,a.png,spring,10,1\0,0,1,USD", "2026-01-01,1"))
    summary = run_import(store, path)[0]

    with store.read() as session:
        kept = imports.kpi_rejects(session, summary.import_id, 10)
    assert [row["line"] for row in kept] == [3, 4]
    assert "impossible date: '2026-02-30'" in kept[0]["reason"]
    assert kept[0]["content"]["day"] == "2026-02-30"
    assert "2 cells where the header has 9" in kept[1]["reason"]


def test_lines_are_those_of_the_file_also_behind_quoted_newlines(sqlite_store: Store, tmp_path: Path) -> None:
    content = rows('2026-01-01,1,a.png,"spring\nsale\n2026",1000,20,3,4.5,USD', "2026-01-02,1,a.png,spring,x,1,0,0,USD")
    run_import(sqlite_store, write(tmp_path / "k.csv", content))
    with sqlite_store.read() as session:
        assert imports.kpi_rejects(session, None, 10)[0]["line"] == 5
        assert "spring\nsale\n2026" in session.scalars(select(Campaign.key)).all()


def test_an_ad_without_id_is_its_creative_in_its_campaign(sqlite_store: Store, tmp_path: Path) -> None:
    header = "day,creative,campaign,impressions,clicks"
    lines = ["2026-01-01,a.png,spring,10,1", "2026-01-01,a.png,summer,20,1", "2026-01-01,b.png,,30,1"]
    summary = run_import(sqlite_store, write(tmp_path / "k.csv", rows(*lines, header=header)))[0]

    assert summary.imported == 3
    with sqlite_store.read() as session:
        assert set(session.scalars(select(Ad.external_id))) == {"spring/a.png", "summer/a.png", "b.png"}


def test_a_broken_file_does_not_stop_the_others(sqlite_store: Store, tmp_path: Path) -> None:
    good = write(tmp_path / "good.csv", rows(ONE))
    broken = write(tmp_path / "broken.parquet", b"PAR1 and nothing else")
    empty = tmp_path / "empty"
    empty.mkdir()
    found = run_import(sqlite_store, broken, tmp_path / "missing.csv", empty, good)

    assert [one.imported for one in found] == [0, 0, 0, 1]
    assert "damaged" in (found[0].error or "")
    assert "there is no file" in (found[1].error or "")
    assert "is a folder" in (found[2].error or "")


def test_an_ambiguous_file_is_refused_with_all_its_rows_and_leaves_nothing(sqlite_store: Store, tmp_path: Path) -> None:
    header = "day,ad,impressions,clicks"
    path = write(tmp_path / "k.csv", rows("01/02/2026,1,10,1", "02/03/2026,1,10,1", header=header))
    refused = run_import(sqlite_store, path)[0]
    assert (refused.rows, refused.rejected) == (2, 2)
    assert "--dayfirst" in (refused.hint or "")
    assert count(sqlite_store, KpiImport) == count(sqlite_store, Ad) == 0

    assert run_import(sqlite_store, path, dayfirst=True)[0].imported == 2


def test_totals_without_dates_need_their_period(sqlite_store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "k.csv", rows("1,10,1", header="ad,impressions,clicks"))
    assert "--period" in (run_import(sqlite_store, path)[0].hint or "")

    period = (date(2017, 8, 1), date(2017, 8, 31))
    assert run_import(sqlite_store, path, period=period)[0].imported == 1
    with sqlite_store.read() as session:
        row = session.scalars(select(Kpi)).one()
        assert (row.period_start, row.period_end) == period


def test_parquet_keeps_its_types_and_its_row_numbers(store: Store, tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "day": [date(2026, 1, 1), date(2026, 1, 2), None],
            "ad": [10, 10, 10],
            "impressions": [100.0, 10.5, 100.0],
            "clicks": [1, 1, 1],
        }
    )
    frame.write_parquet(tmp_path / "k.parquet")
    summary = run_import(store, tmp_path / "k.parquet")[0]

    assert (summary.imported, summary.rejected) == (1, 2)
    with store.read() as session:
        assert session.scalars(select(Ad.external_id)).one() == "10"
        assert session.scalars(select(KpiReject.line).order_by(KpiReject.line)).all() == [2, 3]


def test_csv_and_parquet_of_the_same_rows_are_the_same(sqlite_store: Store, tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"day": [date(2026, 1, 1)] * 50, "ad": range(50), "impressions": range(100, 150), "clicks": range(50)}
    )
    frame.write_parquet(tmp_path / "k.parquet")
    frame.write_csv(tmp_path / "k.csv")
    assert run_import(sqlite_store, tmp_path / "k.parquet")[0].imported == 50
    assert run_import(sqlite_store, tmp_path / "k.csv")[0].unchanged == 50


@pytest.mark.realdata
def test_real_facebook_totals_import_unlinked(sqlite_store: Store, testdata: Path) -> None:
    options = {"mapping": {"Approved_Conversion": "conversions"}, "period": (date(2017, 8, 1), date(2017, 8, 31))}
    path = testdata / "kag_facebook_ads" / "KAG_conversion_data.csv"
    summary = run_import(sqlite_store, path, **options)[0]

    frame = pl.read_csv(path)
    assert (summary.rows, summary.imported, summary.unlinked) == (1143, 1143, 1143)
    with sqlite_store.read() as session:
        sums = session.execute(select(func.sum(Kpi.impressions), func.sum(Kpi.clicks), func.sum(Kpi.conversions))).one()
        assert tuple(sums) == tuple(frame[name].sum() for name in ("Impressions", "Clicks", "Approved_Conversion"))
        assert len(set(session.execute(select(Segment.age, Segment.gender)))) == 8


@pytest.mark.realdata
def test_smadex_periods_add_up_to_its_totals_and_link_by_file_name(
    sqlite_store: Store, testdata: Path, tmp_path: Path
) -> None:
    totals = write_periods(testdata / "smadex_synthetic", tmp_path / "periods.csv")
    for campaign, files in totals.group_by("campaign_id"):
        add_creatives(sqlite_store, *(f"/ads/{name}" for name in files["asset_file"]), campaign=str(campaign[0]))
    summary = run_import(sqlite_store, tmp_path / "periods.csv")[0]

    assert (summary.rows, summary.imported, summary.unlinked) == (3 * 1080, 3 * 1080, 0)
    with sqlite_store.read() as session:
        found = session.execute(
            select(Ad.creative_name, func.sum(Kpi.impressions), func.sum(Kpi.clicks), func.sum(Kpi.conversions))
            .join(Kpi, Kpi.ad_id == Ad.id)
            .group_by(Ad.creative_name)
        ).all()
        launched = session.execute(select(CampaignCreative.launched_on).distinct()).scalars().all()
    expected = totals.select("asset_file", "total_impressions", "total_clicks", "total_conversions").rows()
    assert sorted(tuple(row) for row in found) == sorted(expected)
    assert set(launched) == set(totals["creative_launch_date"])
