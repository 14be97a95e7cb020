"""Reports by asset: one impression counts for every asset of an ad, so they are refused as a whole."""

from pathlib import Path

import polars as pl
import pytest

from abkit.errors import InvalidInput
from abkit.intake.kpis.header.assets import refuse_assets
from abkit.store.database.engine import Store
from tests.kpi_files import figures, run_import, write

ASSETS = [
    {"day": "2026-01-01", "ad": "1", "Asset": "Buy now", "Asset type": "Headline", "impressions": 1000, "clicks": 20},
    {"day": "2026-01-01", "ad": "1", "Asset": "a.png", "Asset type": "Image", "impressions": 1000, "clicks": 20},
]


@pytest.mark.parametrize(
    "name",
    [
        "Asset type", "ASSET TYPE", "Asset Performance", "asset_group_asset.field_type", "Asset-Typ",
        "ad_group_ad_asset_view.performance_label", "Tipo de recurso", "アセットの種類", "애셋 유형", "素材资源类型",
    ],
)  # fmt: skip
def test_a_column_that_tells_kinds_of_assets_is_recognized(name: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be summed"):
        refuse_assets(["Day", name, "Impr."])


@pytest.mark.parametrize("name", ["Asset file", "Asset", "Ad type", "Device type", "Campaign type", "Performance"])
def test_other_columns_are_left_alone(name: str) -> None:
    refuse_assets(["Day", name, "Impr."])


@pytest.mark.parametrize(
    "names", [("Asset group", "Asset"), ("Asset Group Name", "Asset ID"), ("アセット グループ", "アセット")]
)
def test_an_asset_within_its_group_is_no_ad_even_where_a_mapping_says_so(names: tuple[str, str]) -> None:
    with pytest.raises(InvalidInput, match="cannot be summed"):
        refuse_assets(["Day", *names, "Impr."])
    refuse_assets(["Day", names[0], "Impr."])


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_report_by_asset_is_refused_with_what_to_export_and_nothing_lands(
    sqlite_store: Store, tmp_path: Path, kind: str
) -> None:
    frame, path = pl.DataFrame(ASSETS), tmp_path / f"assets.{kind}"
    if kind == "csv":
        write(path, frame.write_csv())
    else:
        frame.write_parquet(path)
    summary = run_import(sqlite_store, path)[0]
    assert "one impression of an ad counts for its headline" in (summary.error or "")
    assert "export by ad" in (summary.hint or "")
    assert (summary.rejected, figures(sqlite_store)) == (2, [])
