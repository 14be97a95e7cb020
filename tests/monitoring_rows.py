"""Rows in a store, made by hand: creatives with scores and embeddings, ads, and what they delivered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from abkit.store.database.engine import Store
from abkit.store.kpis.once.counting import recount
from abkit.store.models import ReferenceSample
from abkit.store.runs import begin_run
from abkit.store.schema import (
    Ad,
    AdCreative,
    Campaign,
    CampaignCreative,
    Creative,
    Embedding,
    Kpi,
    KpiImport,
    ModelVersion,
    Score,
    Segment,
)

NOW = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass
class Seed:
    """The ids that rows need, and how to make more of them."""

    store: Store
    run_id: int
    version_id: int
    import_id: int

    def creatives(
        self,
        campaign: str,
        scores: Sequence[float | None],
        *,
        embeddings: np.ndarray | None = None,
        launched: Sequence[date | None] | None = None,
        link: bool = True,
        prefix: str = "",
        account: str = "",
    ) -> list[int]:
        """Creatives of a campaign with an ad each; returns the ids of the ads."""
        with self.store.write() as session:
            campaign_id = session.scalars(select(Campaign.id).where(Campaign.key == campaign)).one_or_none()
            if campaign_id is None:
                campaign_id = self._add(session, Campaign, key=campaign, created_at=NOW)
            ads = []
            for i, score in enumerate(scores):
                name = f"{prefix}{campaign}-{i}"
                creative = self._add(
                    session,
                    Creative,
                    sha256=name,
                    perceptual_hash="0" * 16,
                    width=640,
                    height=480,
                    media_type="image/png",
                    bytes=1000,
                    created_at=NOW,
                )
                self._add(
                    session,
                    CampaignCreative,
                    campaign_id=campaign_id,
                    creative_id=creative,
                    launched_on=launched[i] if launched else None,
                    created_at=NOW,
                )
                if score is not None:
                    self._add(session, Score, **score_row(creative, self.version_id, score))
                if embeddings is not None:
                    vector = np.asarray(embeddings[i], "<f2").tobytes()
                    self._add(session, Embedding, creative_id=creative, encoder_fingerprint="enc", vector=vector)
                ad = self._add(
                    session, Ad, external_id=name, creative_name=name, campaign_id=campaign_id, account=account
                )
                if link:
                    self._add(session, AdCreative, ad_id=ad, creative_id=creative, linked_by="name")
                ads.append(ad)
        return ads

    def link(self, ad: int, other_ad: int) -> None:
        """The ad may show the creative of the other ad, too."""
        with self.store.write() as session:
            creative = session.scalars(select(AdCreative.creative_id).where(AdCreative.ad_id == other_ad)).one()
            self._add(session, AdCreative, ad_id=ad, creative_id=creative, linked_by="hand")

    def segment(self, **dimensions: str) -> int:
        """The id of a segment."""
        with self.store.write() as session:
            meant = select(Campaign.id).where(Campaign.key == dimensions.get("campaign", ""))
            row = Segment(**dimensions, campaign_id=session.scalars(meant).one_or_none())
            session.add(row)
            session.flush()
            return row.id

    def kpis(self, rows: Sequence[dict[str, Any]], *, segment: int | None = None) -> None:
        """KPI rows: ad_id, day (or period_start and period_end), impressions, clicks, conversions, spend, revenue."""
        with self.store.write() as session:
            segment = segment or self._everything(session)
            values = []
            for row in rows:
                day = row.get("day")
                values.append(
                    {
                        "ad_id": row["ad_id"],
                        "segment_id": row.get("segment_id", segment),
                        "period_start": row.get("period_start", day),
                        "period_end": row.get("period_end", day),
                        "event": row.get("event", ""),
                        "attribution_window": "",
                        "currency": row.get("currency", "EUR"),
                        "impressions": int(row["impressions"]),
                        "clicks": int(row["clicks"]),
                        "conversions": row.get("conversions", 0),
                        "spend": row.get("spend"),
                        "revenue": row.get("revenue"),
                        "kpi_import_id": row.get("kpi_import_id", self.import_id),
                    }
                )
            if values:
                session.execute(insert(Kpi), values)
                recount(session, sorted({row["ad_id"] for row in values}))

    def _everything(self, session: Session) -> int:
        found = session.scalars(select(Segment.id).where(Segment.platform == "", Segment.placement == "")).first()
        if found is not None:
            return found
        row = Segment()
        session.add(row)
        session.flush()
        return row.id

    def _add(self, session: Session, table: Any, **values: Any) -> int:
        row = table(**values, run_id=self.run_id)
        session.add(row)
        session.flush()
        return int(row.id)


def score_row(creative: int, version: int, mean: float) -> dict[str, Any]:
    return {
        "creative_id": creative,
        "model_version_id": version,
        "mean": mean,
        "std": 1.0,
        "epistemic_std": None,
        "distribution": [1.0],
        "ci_low": mean - 1,
        "ci_high": mean + 1,
        "ci_level": 0.9,
        "query_activations": [],
        "scored_at": NOW,
    }


def seeded(store: Store, reference: ReferenceSample | None = None) -> Seed:
    """A store with one model version and one import."""
    run = begin_run(store, "test", {})
    with store.write() as session:
        version = ModelVersion(
            digest="d" * 64,
            name="test-model",
            location="shipped",
            encoder="test",
            encoder_fingerprint="enc",
            scale_low=1,
            scale_high=7,
            demonstration=False,
            card={},
            reference=reference.to_bytes() if reference else None,
            created_at=NOW,
            run_id=run.id,
        )
        imported = KpiImport(
            digest="i" * 64,
            name="kpi.csv",
            options={},
            rows=100,
            imported=100,
            updated=0,
            unchanged=0,
            unlinked=0,
            rejected=0,
            imported_at=NOW,
            run_id=run.id,
        )
        session.add_all([version, imported])
        session.flush()
        return Seed(store, run.id, version.id, imported.id)
