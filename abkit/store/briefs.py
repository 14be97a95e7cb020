"""How well creatives fit briefs: embeddings of the encoder that reads, and the fits themselves."""

from collections.abc import Mapping
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from abkit.store.runs import RunRecord
from abkit.store.schema import BriefFit, CampaignCreative, Embedding
from abkit.store.upsert import insert_missing


def embeddings(session: Session, campaign: int, fingerprint: str) -> dict[int, bytes]:
    """Creative → embedding by one encoder (float16, little-endian), of a campaign's creatives that have one."""
    rows = session.execute(
        select(Embedding.creative_id, Embedding.vector)
        .join(CampaignCreative, CampaignCreative.creative_id == Embedding.creative_id)
        .where(CampaignCreative.campaign_id == campaign, Embedding.encoder_fingerprint == fingerprint)
    )
    return {creative_id: bytes(vector) for creative_id, vector in rows}


def write_embeddings(session: Session, run: RunRecord, fingerprint: str, vectors: Mapping[int, bytes]) -> None:
    """Write embeddings of one encoder, by creative; what is there already stays as it is."""
    rows = [
        {"creative_id": id_, "encoder_fingerprint": fingerprint, "vector": vector, "run_id": run.id}
        for id_, vector in vectors.items()
    ]
    insert_missing(session, Embedding, rows, key=["creative_id", "encoder_fingerprint"])


def write_fits(
    session: Session,
    run: RunRecord,
    cosines: Mapping[int, float],
    *,
    encoder: str,
    encoder_fingerprint: str,
    brief: str,
    brief_sha256: str,
) -> None:
    """Write the fits of one brief, by creative; one that was made before stays with the run that made it."""
    now = datetime.now(UTC)
    rows = [
        {
            "creative_id": id_,
            "encoder": encoder,
            "encoder_fingerprint": encoder_fingerprint,
            "brief": brief,
            "brief_sha256": brief_sha256,
            "cosine": cosine,
            "made_at": now,
            "run_id": run.id,
        }
        for id_, cosine in cosines.items()
    ]
    insert_missing(session, BriefFit, rows, key=["creative_id", "encoder_fingerprint", "brief_sha256"])
