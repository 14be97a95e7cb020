"""Exports of each platform come in whole: totals to the unit, days, currency and platform, without `--map`."""

from pathlib import Path

import pytest
from sqlalchemy import func, select

from abkit.intake.kpis.header.fields import parse_mapping
from abkit.store.database.engine import Store
from abkit.store.schema import Ad, AdCreative, Campaign, CreativeAlias, Kpi, Segment
from abkit.vocabulary import Dimension
from tests.kpi_files import add_creatives, run_import, write
from tests.platform_exports import AD_NAMES, CREATIVES, DAYS, EXPORTS, Export


def _id(export: Export) -> str:
    return f"{export.title} {export.language}"


@pytest.mark.parametrize("export", EXPORTS, ids=_id)
def test_an_export_of_the_platform_comes_in_whole(sqlite_store: Store, tmp_path: Path, export: Export) -> None:
    path = write(tmp_path / "export.csv", export.content(), "utf-8-sig")
    add_creatives(sqlite_store, *CREATIVES, campaign="Spring")
    mapping = parse_mapping(export.needs_map)
    if mapping:
        refused = run_import(sqlite_store, path)[0]
        assert refused.import_id is None
        for field in {"day", "impressions", "clicks", "creative"} & set(mapping.values()):
            accepted = ("ad", "ad_name", "creative") if field == "creative" else (field,)
            assert any(f"={name}'" in (refused.hint or "") for name in accepted)
    summary = run_import(sqlite_store, path, mapping=mapping)[0]

    assert (summary.error, summary.imported, summary.rejected) == (None, len(CREATIVES) * len(DAYS), 0), summary
    with sqlite_store.read() as session:
        for name, total in export.totals().items():
            assert session.scalar(select(func.sum(getattr(Kpi, name)))) == pytest.approx(total, abs=0.005), name
        days = session.scalars(select(Kpi.period_start).distinct().order_by(Kpi.period_start))
        assert [str(day) for day in days] == list(DAYS)
        assert session.scalar(select(func.count()).select_from(Kpi).where(Kpi.period_start != Kpi.period_end)) == 0
        assert set(session.scalars(select(Kpi.currency))) == {export.currency}
        ads = session.scalars(select(Ad)).all()
        assert len(ads) == len(CREATIVES)
        assert {ad.platform for ad in ads} == {export.platform}
        if "account" in export.has:
            assert {ad.account for ad in ads} == {"4455"}
        if "ad" in export.has:
            assert {ad.external_id for ad in ads} == {f"12020{number:04d}" for number in range(len(CREATIVES))}
        # The campaign of the scores is that of the export, which may call it by an id.
        expected = {"Spring"} | ({"881100"} if export.has & {"campaign", "campaign_name"} == {"campaign"} else set())
        assert set(session.scalars(select(Campaign.key))) == expected
        assert len(set(session.execute(select(*(getattr(Segment, name) for name in Dimension))))) == 1
        links = session.execute(
            select(Ad.creative_name, CreativeAlias.base_name)
            .join(AdCreative, AdCreative.ad_id == Ad.id)
            .join(CreativeAlias, CreativeAlias.creative_id == AdCreative.creative_id)
        )
        assert dict(map(tuple, links)) == dict(zip(AD_NAMES, CREATIVES, strict=True))
    assert summary.unlinked == 0


COLLISIONS = ("hero.png", "hero.jpg", "Hero_v1.png", "Hero_v11.png", "hero-2.png", "hero_2.jpg")


@pytest.mark.parametrize("export", EXPORTS, ids=_id)
def test_no_ad_is_linked_to_a_creative_that_only_looks_like_it(
    sqlite_store: Store, tmp_path: Path, export: Export
) -> None:
    add_creatives(sqlite_store, *COLLISIONS, campaign="Spring")
    path = write(tmp_path / "export.csv", export.content())
    summary = run_import(sqlite_store, path, mapping=parse_mapping(export.needs_map))[0]
    assert summary.unlinked == summary.imported == len(CREATIVES) * len(DAYS)
    with sqlite_store.read() as session:
        assert session.scalar(select(func.count()).select_from(AdCreative)) == 0


def test_the_same_export_as_parquet_comes_in_as_well(sqlite_store: Store, tmp_path: Path) -> None:
    import polars as pl

    for at, export in enumerate([export for export in EXPORTS if not export.needs_map][::4]):
        path = tmp_path / f"{at}.parquet"
        pl.read_csv(export.content().encode(), infer_schema_length=None).write_parquet(path)
        summary = run_import(sqlite_store, path)[0]
        assert (summary.error, summary.rejected, summary.rows) == (None, 0, len(CREATIVES) * len(DAYS)), export.title


def test_every_header_names_its_source() -> None:
    assert all(export.source for export in EXPORTS)


META = next(export for export in EXPORTS if export.platform == "meta" and "campaign" in export.has)


def test_a_campaign_that_is_new_has_its_id_as_key_and_its_name_as_label(store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "export.csv", META.content())
    run_import(store, path)
    with store.read() as session:
        assert [(one.key, one.name) for one in session.scalars(select(Campaign))] == [("881100", "Spring")]


def test_a_campaign_keeps_the_name_that_a_person_gave_it(store: Store, tmp_path: Path) -> None:
    add_creatives(store, "hero-1.png", campaign="881100")
    with store.write() as session:
        session.scalars(select(Campaign)).one().name = "Our spring"
    run_import(store, write(tmp_path / "export.csv", META.content()))
    with store.read() as session:
        assert [(one.key, one.name) for one in session.scalars(select(Campaign))] == [("881100", "Our spring")]


def test_an_id_stays_with_the_campaign_that_is_known_by_its_name(store: Store, tmp_path: Path) -> None:
    add_creatives(store, "hero-1.png", campaign="Spring")
    run_import(store, write(tmp_path / "export.csv", META.content()))
    with store.read() as session:
        assert [one.key for one in session.scalars(select(Campaign))] == ["Spring"]
