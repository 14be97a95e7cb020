"""A large store by bulk insert, for `kpi_scale.py`: creatives with scores and embeddings, ads, rows that count."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import insert, text
from web_load import _bulk, _set_sequences

from abkit.store.database.engine import Store
from abkit.store.kpis.once.rule import breakdown_of
from abkit.store.runs import recorded_run
from abkit.store.schema import KpiImport
from abkit.workflows.active_model import ensure_active_model

if TYPE_CHECKING:
    from kpi_scale import Plan

Rows = Iterator[tuple[Any, ...]]
SEED, QUERIES, EMBEDDED = 20_261_127, 24, 256
NOW = datetime.now(UTC).replace(microsecond=0)


def fill(url: str, plan: Plan) -> int:
    """Fill an empty store; return how many KPI rows it has."""
    store = Store(url)
    rows = 0
    with recorded_run(store, "score", {}) as run:
        version = ensure_active_model(store, run).version
        with store.write() as session:
            counts = dict.fromkeys(("rows", "imported", "updated", "unchanged", "unlinked", "rejected"), 0)
            own = {
                "digest": "1" * 64,
                "name": "scale.parquet",
                "options": {"has_totals": False},
                "imported_at": NOW,
                "run_id": run.id,
            }
            session.execute(insert(KpiImport).values(**counts, **own))
            for table, columns, values in _tables(plan, version, run.id):
                _bulk(session, table, columns, values)
            if store.dialect == "postgresql":
                _set_sequences(session)
                last = "(SELECT max(id) FROM segment)"
                session.execute(text(f"SELECT setval(pg_get_serial_sequence('segment', 'id'), {last})"))
            rows = session.execute(text("SELECT count(*) FROM kpi")).scalar_one()
            session.execute(text(f"UPDATE kpi_import SET rows = {rows}, imported = {rows}"))
    store.close()
    return rows


def _tables(plan: Plan, version: Any, run: int) -> Iterator[tuple[str, str, Rows]]:
    n, now = plan.creatives, NOW.replace(tzinfo=None).isoformat(" ")
    rng = np.random.default_rng(SEED)
    means = rng.normal(4, 0.6, n).tolist()
    bins = json.dumps([0.05, 0.1, 0.2, 0.3, 0.2, 0.1, 0.05])
    # A thousand of each are enough: what is read is as large as it would be.
    activations = [json.dumps(row) for row in np.round(rng.normal(size=(1_000, QUERIES)), 5).tolist()]
    vectors = [row.tobytes() for row in rng.normal(size=(1_000, EMBEDDED)).astype("<f2")]
    campaigns = plan.campaigns
    yield ("campaign", "id,key,name,created_at,run_id",
           ((c + 1, f"campaign-{c}", "", now, run) for c in range(campaigns)))  # fmt: skip
    yield ("creative", "id,sha256,perceptual_hash,width,height,media_type,bytes,created_at,run_id",
           ((i + 1, hashlib.sha256(b"%d" % i).hexdigest(), f"{i:016x}", 1080, 1350, "image/png", 90_000, now, run)
            for i in range(n)))  # fmt: skip
    yield ("creative_alias", "id,creative_id,name,base_name,link_key,created_at,run_id",
           ((i + 1, i + 1, f"/ads/c{i}.png", f"c{i}.png", f"c{i}", now, run) for i in range(n)))  # fmt: skip
    launched = [(plan.first_day + timedelta(days=day)).isoformat() for day in range(plan.days)]
    span = plan.days - plan.life + 1
    yield ("campaign_creative", "id,campaign_id,creative_id,launched_on,created_at,run_id",
           ((i + 1, i % campaigns + 1, i + 1, launched[i * span // n], now, run) for i in range(n)))  # fmt: skip
    yield ("score", "id,creative_id,model_version_id,mean,std,distribution,ci_low,ci_high,ci_level,query_activations,"
           "novelty,scored_at,run_id",
           ((i + 1, i + 1, version.id, means[i], 1.0, bins, means[i] - 0.8, means[i] + 0.8, 0.9,
             activations[i % 1_000], 0.5, now, run) for i in range(n)))  # fmt: skip
    yield ("embedding", "id,creative_id,encoder_fingerprint,vector,run_id",
           ((i + 1, i + 1, version.encoder_fingerprint, vectors[i % 1_000], run) for i in range(n)))  # fmt: skip
    yield ("ad", "id,platform,account,external_id,creative_name,campaign_id,run_id",
           ((i + 1, "social", "act_1", f"120{i + 10**10}", f"c{i}.png", i % campaigns + 1, run)
            for i in range(n)))  # fmt: skip
    yield ("ad_name", "id,ad_id,name,link_key,run_id",
           ((i + 1, i + 1, f"c{i}.png", f"c{i}", run) for i in range(n)))  # fmt: skip
    yield ("ad_creative", "id,ad_id,creative_id,linked_by,run_id",
           ((i + 1, i + 1, i + 1, "name", run) for i in range(n)))  # fmt: skip
    places = ("feed", "story")
    key = "platform,placement,country,device,age,gender,other,region,campaign,ad_set"
    yield ("segment", f"id,{key},campaign_id,breakdown",
           ((2 * c + p + 1, "social", place, "", "", "", "", "", "", f"campaign-{c}", "", c + 1,
             breakdown_of({"platform": "social", "placement": place, "campaign": f"campaign-{c}"}))
            for c in range(campaigns) for p, place in enumerate(places)))  # fmt: skip
    yield ("kpi", "ad_id,segment_id,period_start,period_end,event,attribution_window,currency,impressions,clicks,"
           "conversions,spend,revenue,kpi_import_id", _delivery(plan))  # fmt: skip


def _delivery(plan: Plan) -> Rows:
    for day in range(plan.days):
        when = (plan.first_day + timedelta(days=day)).isoformat()
        for creative, place, _, *figures in plan.day(day).iter_rows():
            segment = creative % plan.campaigns * 2 + place + 1
            yield creative + 1, segment, when, when, "", "", "EUR", *figures, 1
