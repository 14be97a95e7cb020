"""The temporary tables in which a KPI file waits until it is published."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Date, Float, Integer, MetaData, Table, Text

from abkit.metrics import FIGURES, WHOLE
from abkit.store.schema import Json
from abkit.vocabulary import PLACES, Dimension

SEGMENT_KEY = (*map(str, Dimension), *PLACES)

TEMPORARY = MetaData()


def _table(name: str, *columns: Column[Any]) -> Table:
    return Table(name, TEMPORARY, *columns, prefixes=["TEMPORARY"])


STAGE_AD = _table(
    "stage_ad",
    # On SQLite, an INTEGER primary key is the position of the row.
    Column("ad_no", Integer, primary_key=True, autoincrement=False),
    Column("platform", Text),
    Column("account", Text),
    Column("external_id", Text),
    Column("creative", Text),
    Column("campaign", Text),
    Column("campaign_name", Text),
    Column("ad_set", Text),
    Column("idle", Integer),  # 1 where no row of the file has any delivery: such an ad is not made
    Column("ad_id", BigInteger),
)
STAGE_NAME = _table("stage_name", Column("ad_no", BigInteger), Column("creative", Text))
STAGE_SEGMENT = _table(
    "stage_segment",
    Column("segment_no", Integer, primary_key=True, autoincrement=False),
    *(Column(name, Text) for name in SEGMENT_KEY),
    Column("campaign_name", Text),
    Column("idle", Integer),  # as of ads; archives of an earlier release have neither
    Column("segment_id", BigInteger),
)
STAGE_KPI = _table(
    "stage_kpi",
    # Counts up as rows are staged: in the order of the table's key, the engines insert them two times as fast.
    Column("place", Integer, primary_key=True),
    Column("line", Integer),
    Column("rows", Integer),  # of the file: several where they were added up
    Column("idle", Integer),  # 1 where nothing was delivered: the row is in stage_reject too
    Column("ad_no", BigInteger),
    Column("segment_no", BigInteger),
    Column("period_start", Date),
    Column("period_end", Date),
    Column("event", Text),
    Column("attribution_window", Text),
    Column("currency", Text),
    *(Column(name, BigInteger if name in WHOLE else Float(53)) for name in FIGURES),
)
# The periods of the rows, each once: a million rows have a few days.
STAGE_PERIOD = _table("stage_period", Column("period_start", Date), Column("period_end", Date))
STAGE_REJECT = _table(
    "stage_reject",
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text),
    Column("reason", Text),
    Column("content", Json),
)
# The rows of the file whose key is in the store already.
STAGE_MATCH = _table(
    "stage_match",
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("kpi_id", BigInteger),
    Column("differs", Integer),
)
# Campaigns that the store has under another key than the rows of the file: by what these have.
STAGE_CAMPAIGN = _table(
    "stage_campaign",
    Column("campaign", Text, primary_key=True),
    Column("campaign_name", Text, primary_key=True),
    Column("key", Text),
)
