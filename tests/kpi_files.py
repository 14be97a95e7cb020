"""KPI exports that the tests write, and creatives that they claim to have scored."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select

from abkit.intake.kpis.reading import KpiOptions
from abkit.store.catalog.creatives import write_names
from abkit.store.database.engine import Store
from abkit.store.runs import begin_run
from abkit.store.schema import Campaign, Creative, Kpi
from abkit.workflows.kpis.import_kpis import ImportSummary, import_files

HEADER = "day,ad,creative,campaign,impressions,clicks,conversions,spend,currency"


def rows(*lines: str, header: str = HEADER, end: str = "\n") -> str:
    """A CSV of lines."""
    return end.join((header, *lines)) + end


def write(path: Path, content: str | bytes, encoding: str = "utf-8") -> Path:
    """Write a file, bytes as they are."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def run_import(store: Store, *paths: Path, **options: object) -> list[ImportSummary]:
    """Import files; of each, every row is accounted for."""
    summaries = import_files(store, paths, KpiOptions(**options))  # type: ignore[arg-type]
    for summary in summaries:
        landed = summary.imported + summary.updated + summary.unchanged
        assert landed + summary.rejected + summary.set_aside == summary.rows, summary
        assert summary.unlinked <= landed, summary
    return summaries


def figures(store: Store) -> list[tuple[object, ...]]:
    """Day, impressions, clicks and conversions of all rows, in order."""
    with store.read() as session:
        statement = select(Kpi.period_start, Kpi.impressions, Kpi.clicks, Kpi.conversions)
        return [tuple(row) for row in session.execute(statement.order_by(Kpi.period_start, Kpi.ad_id, Kpi.id))]


def add_creatives(store: Store, *paths: str, campaign: str = "spring", content: str | None = None) -> list[str]:
    """Rows as scoring leaves them: creatives with their names, in a campaign. Returns the sha256 of each."""
    run = begin_run(store, "test", {})
    now = datetime.now(UTC)
    hashes = []
    with store.write() as session:
        target = session.scalar(select(Campaign).where(Campaign.key == campaign))
        if target is None:
            target = Campaign(key=campaign, created_at=now, run_id=run.id)
            session.add(target)
            session.flush()
        for path in paths:
            sha256 = hashlib.sha256((content or path).encode()).hexdigest()
            creative = session.scalar(select(Creative).where(Creative.sha256 == sha256))
            if creative is None:
                creative = Creative(
                    sha256=sha256,
                    perceptual_hash="0" * 16,
                    width=10,
                    height=10,
                    media_type="image/png",
                    bytes=1,
                    created_at=now,
                    run_id=run.id,
                )
                session.add(creative)
                session.flush()
            write_names(session, run, [(creative.id, path, path.rsplit("/", 1)[-1])], campaign=target.id)
            hashes.append(sha256)
    return hashes
