"""What scoring on a cluster returns: counts, and what was left out; the scores themselves are too many to return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from abkit.records import Record, RecordList


@dataclass(frozen=True, kw_only=True)
class LeftOut(Record):
    """One image without a score.

    Attributes:
        place: Its path or address, without what may be secret.
        status: rejected, or skipped for its kind.
        reason: Why, and what to do.
    """

    place: str
    status: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class ClusterResult(RecordList):
    """How many images of one scoring on a cluster were scored, and which were not.

    Attributes:
        images: How many were listed.
        scored: Contents and copies of them that were scored now.
        known: Scored before by this version.
        rejected: Without a score because of the image, or because it could not be fetched.
        skipped: Of kinds that are not read.
        left_out: The first of those without a score.
        again: How many were tried a second time, one by one, because a worker died with them.
        workers: Processes that scored, each with its own scorer.
        seconds: Time by the clock from the first listing to the last write, without the start of the cluster.
        written_to: Where the scores are: the campaign's key, or a folder of Parquet files.
        notice: What everybody who sees a score of this scorer has to be told.
    """

    images: int
    scored: int
    known: int
    rejected: int
    skipped: int
    left_out: tuple[LeftOut, ...] = field(default=(), repr=False)
    again: int = 0
    workers: int
    seconds: float
    written_to: str
    model_version: str
    model_name: str
    notice: str
    run_id: int

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per image that was left out, as far as they are kept here."""
        return [one.to_dict() for one in self.left_out]

    @property
    def counts(self) -> Mapping[str, int]:
        """Images by what became of them; they add up to all that were listed."""
        return {name: getattr(self, name) for name in ("scored", "known", "rejected", "skipped")}
