"""Exports of each platform come in whole: totals to the unit, days, currency and platform, without `--map`."""

from pathlib import Path

import pytest
from sqlalchemy import func, select

from abkit.intake.kpis.fields import parse_mapping
from abkit.store.database.engine import Store
from abkit.store.schema import Ad, Campaign, Kpi, Segment
from tests.kpi_files import run_import, write
from tests.platform_exports import CREATIVES, DAYS, EXPORTS, Export


def _id(export: Export) -> str:
    return f"{export.title} {export.language}"


@pytest.mark.parametrize("export", EXPORTS, ids=_id)
def test_an_export_of_the_platform_comes_in_whole(sqlite_store: Store, tmp_path: Path, export: Export) -> None:
    path = write(tmp_path / "export.csv", export.content(), "utf-8-sig")
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
        campaigns = session.scalars(select(Campaign)).all()
        if "campaign" in export.has:
            label = "Spring" if "campaign_name" in export.has else ""
            assert [(one.key, one.name) for one in campaigns] == [("881100", label)]
        elif "campaign_name" in export.has:
            assert [one.key for one in campaigns] == ["Spring"]
        assert len(session.scalars(select(Segment)).all()) == 1


def test_every_header_names_its_source() -> None:
    assert all(export.source for export in EXPORTS)


def test_an_id_keeps_the_campaign_that_is_known_by_its_name(sqlite_store: Store, tmp_path: Path) -> None:
    from tests.kpi_files import add_creatives

    add_creatives(sqlite_store, "hero-1.png", campaign="Spring")
    meta = next(export for export in EXPORTS if export.platform == "meta" and export.language == "en")
    run_import(sqlite_store, write(tmp_path / "export.csv", meta.content()))
    with sqlite_store.read() as session:
        assert [one.key for one in session.scalars(select(Campaign))] == ["Spring"]
