"""Where the scores of a cluster go: into the store, or into Parquet files; one process writes, batch by batch."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from abkit.errors import AbkitError
from abkit.intake.media.images import restored_reading
from abkit.names import link_key
from abkit.store import schema, scores
from abkit.store.catalog import creatives
from abkit.store.database.engine import Store
from abkit.store.kpis.linking.links import relink
from abkit.store.runs import RunRecord
from abkit.vocabulary import FileState

_ROWS = 10_000  # of one Parquet file
_OURS = re.compile(r"scores-\d+-\d{5}\.parquet")

#: One row of what the workers answered, with what the image is called.
Answer = Mapping[str, Any]


class Writer(Protocol):
    """Takes what the workers answered; a row may come twice, and counts once."""

    place: str

    def known(self) -> Iterator[Sequence[str]]:
        """Yield the digests of contents that this version has scored, part by part."""

    def outdated(self, sha256s: Sequence[str]) -> set[str]:
        """Return which of these known contents have to be read anew after all."""

    def write(self, rows: Sequence[Answer]) -> None:
        """Write scored and known rows, all or nothing."""

    def close(self) -> None:
        """Write what still waits."""


class StoreWriter:
    """Writes creatives, scores, embeddings and names into the store, one transaction per batch."""

    def __init__(self, store: Store, run: RunRecord, version: schema.ModelVersion, campaign: str) -> None:
        self.store, self.run, self.version, self.place = store, run, version, campaign
        self._campaign_id: int | None = None

    def known(self) -> Iterator[Sequence[str]]:
        """Yield the digests of the contents that this version has scored."""
        with self.store.read() as session:
            yield from scores.all_scored_contents(session, self.version.id)

    def outdated(self, sha256s: Sequence[str]) -> set[str]:
        """Return the contents whose pixels an earlier release made by other rules."""
        with self.store.read() as session:
            found = creatives.readings(session, sha256s)
        return {sha256 for sha256, reading in found.items() if restored_reading(reading) is None}

    def write(self, rows: Sequence[Answer]) -> None:
        """Write scored and known rows; link the ads that have waited for their names."""
        if not rows:
            return
        scored = [row for row in rows if row["state"] == FileState.SCORED and row["score"]]
        with self.store.write() as session:
            self._forget_outdated(session, scored)
            scores.write_scores(session, self.run, self.version, [_content(row) for row in scored])
            if self._campaign_id is None:
                self._campaign_id = creatives.ensure_campaign(session, self.run, self.place)
            ids = creatives.creative_ids(session, {row["sha256"] for row in rows})
            names = [(ids[row["sha256"]], row["shown"], _last(row["shown"])) for row in rows]
            creatives.write_names(session, self.run, names, campaign=self._campaign_id)
            keys = {link_key(last) for _, _, last in names} | {row["sha256"] for row in rows}
            relink(session, self.run.id, keys=keys)
            self.run.still_alive(session)

    def close(self) -> None:
        """Do nothing: every batch is in the store."""

    def _forget_outdated(self, session: Any, rows: Sequence[Answer]) -> None:
        by_content = {row["sha256"]: row for row in rows}
        found = creatives.readings(session, by_content)
        outdated = [by_content[sha256] for sha256, reading in found.items() if restored_reading(reading) is None]
        creatives.update_readings(session, [json.loads(row["creative"]) for row in outdated])
        scores.forget_scores(session, [row["sha256"] for row in outdated if row["changed"]])


def _content(row: Answer) -> scores.ScoredContent:
    return scores.ScoredContent.of(json.loads(row["creative"]), json.loads(row["score"]), row["embedding"])


def _last(shown: str) -> str:
    return shown.rsplit("/", 1)[-1]


class ParquetWriter:
    """Writes scores into Parquet files of a folder: complete ones only, so that a stop loses a part of one at most.

    Columns: sha256, place, width, height (pixels), media_type, bytes, mean, std, ci_low, ci_high, ci_level,
    epistemic_std, novelty, distribution, query_activations, embedding (float16, little-endian), model.
    """

    def __init__(self, folder: Path, run: RunRecord, version: schema.ModelVersion) -> None:
        self.folder, self.run, self.version, self.place = folder, run, version, str(folder)
        self._waiting: dict[str, dict[str, Any]] = {}
        self._written: set[str] = set()
        self._parts = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(folder, error) from error

    def known(self) -> Iterator[Sequence[str]]:
        """Yield the digests that the files of this folder have by this version."""
        import polars as pl

        for path in sorted(path for path in self.folder.iterdir() if _OURS.fullmatch(path.name)):
            try:
                frame = pl.read_parquet(path, columns=["sha256", "model"])
            except (pl.exceptions.PolarsError, OSError) as error:
                raise AbkitError(
                    f"{path} cannot be read: {error}", hint="move it away; its images are then scored again"
                ) from error
            yield frame.filter(pl.col("model") == self.version.digest)["sha256"].to_list()

    def outdated(self, sha256s: Sequence[str]) -> set[str]:
        """Return nothing: the files say which scorer made their rows, and no release has read them otherwise yet."""
        return set()

    def write(self, rows: Sequence[Answer]) -> None:
        """Keep scored rows until there are enough for a file; each content is written once."""
        for row in rows:
            if row["state"] == FileState.SCORED and row["score"] and row["sha256"] not in self._written:
                self._waiting.setdefault(row["sha256"], _parquet_row(row))
        self.run.still_alive()
        if len(self._waiting) >= _ROWS:
            self._write_file()

    def close(self) -> None:
        """Write the last file."""
        if self._waiting:
            self._write_file()

    def _write_file(self) -> None:
        import polars as pl

        path = self.folder / f"scores-{self.run.id}-{self._parts:05d}.parquet"
        part = path.with_suffix(".part")
        try:
            with part.open("wb") as file:
                pl.DataFrame(list(self._waiting.values()), infer_schema_length=None).write_parquet(file)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except (OSError, pl.exceptions.PolarsError) as error:
            with suppress(OSError):
                part.unlink()
            raise _unwritable(path, error) from error
        self._written |= self._waiting.keys()
        self._waiting.clear()
        self._parts += 1


def _parquet_row(row: Answer) -> dict[str, Any]:
    creative, score = json.loads(row["creative"]), json.loads(row["score"])
    kept = ("width", "height", "media_type", "bytes")
    figures = {name: value for name, value in score.items() if name != "notice"}
    return {
        "sha256": row["sha256"],
        "place": row["shown"],
        **{name: creative[name] for name in kept},
        **figures,
        "embedding": row["embedding"],
    }


def _unwritable(path: Path, error: Exception) -> AbkitError:
    why = getattr(error, "strerror", None) or str(error)
    return AbkitError(
        f"{path} cannot be written: {why}",
        hint="what was written before is complete; make room or name another folder, and run the same command again",
    )
