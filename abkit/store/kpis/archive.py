"""What each import delivered, kept compressed: when one is taken back out, the rows of the others are put back from it.

A row of the store may have come with several files: days overlap in most exports. The row itself knows the last file
that changed it; the archive knows all files that had it, and what each of them said.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Table, delete, insert, select
from sqlalchemy.orm import Session

from abkit.store.schema import KpiArchive
from abkit.vocabulary import PLACES, Dimension

if TYPE_CHECKING:
    import polars as pl

# Rows in one part: engines limit the size of a value.
_ROWS = 1_000_000

Parts = Sequence[tuple[str, int, bytes]]


def pack(frames: Sequence[tuple[Table, pl.DataFrame]]) -> Parts:
    """Return staged frames as parts to keep: name of the staging table, number of the part, Parquet."""
    parts = []
    for table, frame in frames:
        for number, piece in enumerate(list(frame.iter_slices(_ROWS)) or [frame]):
            buffer = io.BytesIO()
            piece.write_parquet(buffer, compression="zstd", statistics=False)
            parts.append((table.name, number, buffer.getvalue()))
    return parts


def keep(session: Session, import_id: int, parts: Parts) -> None:
    """Keep the parts of an import."""
    for stage, number, content in parts:
        row = {"kpi_import_id": import_id, "stage": stage, "part": number, "content": content}
        session.execute(insert(KpiArchive), [row])


def unpack(session: Session, import_id: int) -> Mapping[str, pl.DataFrame]:
    """Return the frames of an import by the name of their staging table; empty if none were kept."""
    import polars as pl

    found: dict[str, list[pl.DataFrame]] = {}
    kept = select(KpiArchive.stage, KpiArchive.content).where(KpiArchive.kpi_import_id == import_id)
    for stage, content in session.execute(kept.order_by(KpiArchive.stage, KpiArchive.part)):
        found.setdefault(stage, []).append(pl.read_parquet(content))
    frames = {stage: pl.concat(pieces) for stage, pieces in found.items()}
    if (segments := frames.get("stage_segment")) is not None:
        # An earlier release added ad sets up, and knew no regions.
        missing = [pl.lit("").alias(name) for name in (Dimension.REGION, *PLACES) if name not in segments.columns]
        frames["stage_segment"] = segments.with_columns(missing)
    return frames


def forget(session: Session, import_id: int) -> None:
    """Remove what was kept of an import."""
    session.execute(delete(KpiArchive).where(KpiArchive.kpi_import_id == import_id))
