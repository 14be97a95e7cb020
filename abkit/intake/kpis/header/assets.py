"""Recognize reports by asset: headlines, logos and images of one ad, each with the impressions of the whole ad."""

import re
from collections.abc import Sequence

from abkit.errors import InvalidInput
from abkit.intake.kpis.header.fields import plain_name

# Column names without case, spaces and signs: "Asset type", "Asset performance", `asset_group_asset.field_type`.
_BY_ASSET = re.compile(
    r"assets?(field)?(type|typ|tipo|performance|performancelabel|leistung|rendimiento|desempenho)"
    r"|(type|typ|tipo|rendimiento|desempenho)(of|de|do|del|der|des|di|d|dela)?(assets?|recursos?|composants?)"
    r"|asset(view)?(field|performance)(type|label)"
    r"|アセット(の)?(タイプ|種類|掲載結果)|(애셋|확장소재)(유형|실적)|素材资源(类型|效果)"
)
# An asset within its group: Performance Max has no ads, and each asset has the impressions of the whole group.
_ASSET = re.compile(r"assets?(id|name|text|url)?|アセット(名)?|애셋|素材资源")
_GROUP = re.compile(r"assetgroups?(id|name)?|assetgruppen?(name)?|アセットグループ(名)?|애셋그룹|素材资源组")


def refuse_assets(names: Sequence[str]) -> None:
    """Refuse a report by asset: its rows cannot be summed.

    Args:
        names: The column names of a file.

    Raises:
        InvalidInput: One of them tells what kind of asset a row is, or how it performs beside the others.
    """
    found = [name for name in names if _BY_ASSET.search(plain_name(name))]
    if any(_GROUP.fullmatch(plain_name(name)) for name in names):
        found += [name for name in names if _ASSET.fullmatch(plain_name(name))]
    if found:
        raise InvalidInput(
            f"a report by asset cannot be summed (column {found[0]!r}): one impression of an ad counts for its "
            "headline, its logo and its images alike",
            hint="export by ad or ad group, without assets: headlines, logos and videos are no image creatives",
        )
