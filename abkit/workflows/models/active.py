"""Which scorer speaks: load the champion of a segment, register checkpoints, promote and roll back."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abkit.errors import AbkitError, UsageError
from abkit.store import models
from abkit.store.engine import Store
from abkit.store.runs import RunRecord, recorded_run
from abkit.store.schema import ModelVersion

if TYPE_CHECKING:
    from abkit_model.checkpoint import Checkpoint
    from abkit_model.scorer import Scorer

SHIPPED = "shipped"


@dataclass
class Champion:
    """The version that speaks, and its scorer, which is loaded when it is first needed."""

    version: ModelVersion
    note: str = ""

    @cached_property
    def scorer(self) -> Scorer:
        """The network and its encoder, ready to score.

        Raises:
            AbkitError: the model's libraries, weights or checkpoint are not usable; the hint says what to do.
        """
        shipped = self.version.location == SHIPPED
        scorer = load_scorer(None if shipped else Path(self.version.location))
        if scorer.card.digest != self.version.digest:
            raise AbkitError(
                f"the checkpoint in {self.version.location} is not the one that was registered "
                f"(digest {scorer.card.digest[:12]}, expected {self.version.digest[:12]})",
                hint="put the former checkpoint back, or promote another version (`abkit model list`)",
            )
        return scorer

    @property
    def notice(self) -> str:
        """What everybody who sees a score has to be told."""
        return str(self.version.card.get("notice", ""))


def find_champion(store: Store, run: RunRecord, *, segment: str = "", wanted: str | None = None) -> Champion:
    """The champion of a segment, or the version that is named; no network is loaded for this.

    A store without a champion gets the shipped scorer as its first. When an upgrade of abkit brought other shipped
    weights, those become champion, and the note says so: the former ones are no longer there.

    Args:
        store: the store.
        run: whose work this is.
        segment: '' for all; a segment without a champion of its own is served by the global one.
        wanted: name or beginning of the digest of a version, instead of the champion.

    Raises:
        UsageError: no such version.
        AbkitError: the version is a shipped one whose weights are no longer here.
    """
    with store.read() as session:
        version = models.champion(session, segment) if wanted is None else models.find_by_prefix(session, wanted)
        if version is None and segment:
            version = models.champion(session)
    if version is not None and version.location != SHIPPED:
        return Champion(version)
    shipped = read_checkpoint(None)
    if version is not None and version.digest == shipped.card.digest:
        return Champion(version)
    if wanted is not None and version is not None:
        raise AbkitError(
            f"the weights of {version.name} {version.digest[:12]} were shipped with another abkit and are not here",
            hint="install that version of abkit, or use another model (`abkit model list`)",
        )
    why = "the scorer that ships with abkit" if version is None else "abkit was upgraded and ships another scorer"
    with store.write() as session:
        row = models.register(session, run, entry_of(shipped, SHIPPED))
        models.promote(session, run, row, segment="", by="abkit", why=why)
    return Champion(row, "" if version is None else f"{why}: from now on scores are by {row.digest[:12]}")


def read_checkpoint(folder: Path | None) -> Checkpoint:
    """Read a checkpoint's card and arrays, without its encoder; None for the shipped one.

    Raises:
        AbkitError: the extra `model` is not installed.
        ModelError: damaged, altered or too new.
    """
    try:
        from abkit_model import checkpoint
    except ModuleNotFoundError as error:
        raise _missing_extra(error) from error
    return checkpoint.load(folder or checkpoint.default_checkpoint())


def load_scorer(folder: Path | None) -> Scorer:
    """Load a checkpoint; None for the shipped one.

    Raises:
        AbkitError: the extra `model` is not installed.
        ModelError: the checkpoint or its encoder is not usable.
    """
    try:
        from abkit_model.scorer import Scorer
    except ModuleNotFoundError as error:
        raise _missing_extra(error) from error
    return Scorer.load(folder)


def _missing_extra(error: ModuleNotFoundError) -> AbkitError:
    return AbkitError(f"scoring needs {error.name}, which is not installed", hint="pip install 'abkit[model]'")


def entry_of(checkpoint: Checkpoint, location: str) -> models.ModelEntry:
    """What the store keeps of a checkpoint."""
    card = checkpoint.card
    return models.ModelEntry(
        digest=card.digest,
        name=card.name,
        location=location,
        encoder=card.encoder,
        encoder_fingerprint=card.encoder_fingerprint,
        scale_low=card.scale.low,
        scale_high=card.scale.high,
        segment=card.segment,
        demonstration=card.demonstration,
        card=asdict(card),
        reference=_reference(checkpoint),
        parent=card.parent or None,
    )


def _reference(checkpoint: Checkpoint) -> models.ReferenceSample | None:
    scores, embeddings = (checkpoint.arrays.get(f"reference.{name}") for name in ("score", "embedding"))
    if scores is None or embeddings is None:
        return None
    return models.ReferenceSample(scores.astype("float64"), embeddings.astype("float16"))


def register_checkpoint(store: Store, folder: Path, *, run: RunRecord | None = None) -> ModelVersion:
    """Write a checkpoint's version to the store, without promoting it. It is loaded with its encoder first.

    Raises:
        ModelError: the checkpoint or its encoder is not usable.
    """
    folder = folder.resolve()
    load_scorer(folder)
    with (
        recorded_run(store, "model register", {"checkpoint": str(folder)}, run=run) as run,
        store.write() as session,
    ):
        return models.register(session, run, entry_of(read_checkpoint(folder), str(folder)))


def promote(store: Store, wanted: str, *, segment: str = "", why: str, by: str | None = None) -> ModelVersion:
    """Make a version champion of a segment. Its checkpoint is loaded first: a broken one never becomes champion.

    Raises:
        UsageError: no such version.
        AbkitError: its checkpoint is not usable.
    """
    with recorded_run(store, "model promote", {"model": wanted, "segment": segment, "why": why}) as run:
        if wanted == SHIPPED:
            shipped = read_checkpoint(None)
            with store.write() as session:
                models.register(session, run, entry_of(shipped, SHIPPED))
            wanted = shipped.card.digest
        return _promote(store, run, wanted, segment=segment, by=by, why=why)


def rollback(store: Store, *, segment: str = "", why: str, by: str | None = None) -> ModelVersion:
    """Make the champion before the present one champion again.

    Raises:
        UsageError: there was none before.
        AbkitError: its checkpoint is not usable any more.
    """
    with recorded_run(store, "model rollback", {"segment": segment, "why": why}) as run:
        with store.read() as session:
            former = models.champion_before(session, segment)
        if former is None:
            raise UsageError(
                f"there is no champion to go back to{f' for segment {segment!r}' if segment else ''}",
                hint="`abkit model list` shows the versions; `abkit model promote` chooses one",
            )
        return _promote(store, run, former.digest, segment=segment, by=by, why=f"rollback: {why}")


def _promote(store: Store, run: RunRecord, wanted: str, *, segment: str, by: str | None, why: str) -> ModelVersion:
    chosen = find_champion(store, run, segment=segment, wanted=wanted)
    _ = chosen.scorer  # a checkpoint that cannot be loaded must not become champion
    with store.write() as session:
        models.promote(session, run, chosen.version, segment=segment, by=by or _person(), why=why)
    return chosen.version


def _person() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


@dataclass(frozen=True)
class VersionLine:
    """A model version in a list.

    Attributes:
        champion_of: segments that it is champion of, "all" for the global one; '' when of none.
        scale: "low…high".
        srcc, plcc: figures on the card, with their intervals, as text; '–' where the card has none.
        picks_winner: of queries that learned from choices alone, the same.
        n_images: how many pictures those figures rest on; None where the card does not say.
    """

    digest: str
    name: str
    champion_of: str
    scale: str
    srcc: str
    plcc: str
    picks_winner: str
    n_images: int | None
    encoder: str
    segment: str
    demonstration: bool
    location: str
    parent: str | None
    created_at: datetime


def list_versions(store: Store) -> list[VersionLine]:
    """All versions of the store, oldest first."""
    with store.read() as session:
        reigns = models.champions(session)
        rows = models.all_versions(session)
    digests = {row.id: row.digest for row in rows}
    return [
        VersionLine(
            digest=row.digest,
            name=row.name,
            champion_of=", ".join(segment or "all" for segment, id_ in reigns.items() if id_ == row.id),
            scale=f"{row.scale_low:g}…{row.scale_high:g}",
            srcc=_figure(row.card, "srcc"),
            plcc=_figure(row.card, "plcc"),
            picks_winner=_figure(row.card, "picks_winner"),
            n_images=_held_out(row.card).get("n"),
            encoder=row.encoder,
            segment=row.segment,
            demonstration=row.demonstration,
            location=row.location,
            parent=digests.get(row.parent_id) if row.parent_id else None,
            created_at=row.created_at,
        )
        for row in rows
    ]


def _held_out(card: Mapping[str, Any]) -> Mapping[str, Any]:
    metrics = card.get("metrics", {})
    found = metrics.get("grouped_folds", metrics.get("choice_folds", {}))
    return found if isinstance(found, Mapping) else {}


def _figure(card: Mapping[str, Any], name: str) -> str:
    found = _held_out(card).get(name)
    # a figure that is not defined, of constant scores for one, is null
    if isinstance(found, Mapping) and all(found.get(end) is not None for end in ("value", "low", "high")):
        return f"{found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"
    return "–"
