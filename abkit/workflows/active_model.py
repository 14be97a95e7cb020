"""The active model and the others: load a version, register checkpoints, promote and roll back."""

from __future__ import annotations

import getpass
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abkit.errors import AbkitError, UsageError
from abkit.store import models
from abkit.store.database.engine import Store
from abkit.store.runs import RunRecord, recorded_run
from abkit.store.schema import ModelVersion

if TYPE_CHECKING:
    from abkit_model.checkpoint import Checkpoint
    from abkit_model.scorer import Scorer

SHIPPED = "shipped"


@dataclass
class ActiveModel:
    """The version that scores, and its scorer, which is loaded when it is first needed."""

    version: ModelVersion
    note: str = ""

    @cached_property
    def scorer(self) -> Scorer:
        """The network and its encoder, ready to score.

        Raises:
            AbkitError: The model's libraries, weights or checkpoint are not usable; the hint says what to do.
        """
        scorer = load_scorer(self._folder)
        self._refuse_another(scorer.card.digest)
        return scorer

    @property
    def checkpoint(self) -> Checkpoint:
        """Its card and arrays, without the encoder, for a scorer that is built elsewhere.

        Raises:
            AbkitError: The model's libraries or checkpoint are not usable; the hint says what to do.
        """
        checkpoint = read_checkpoint(self._folder)
        self._refuse_another(checkpoint.card.digest)
        return checkpoint

    @property
    def _folder(self) -> Path | None:
        return None if self.version.location == SHIPPED else Path(self.version.location)

    def _refuse_another(self, digest: str) -> None:
        if digest != self.version.digest:
            raise AbkitError(
                f"the checkpoint in {self.version.location} is not the one that was registered "
                f"(digest {digest[:12]}, expected {self.version.digest[:12]})",
                hint="put the former checkpoint back, or promote another version (`abkit model list`)",
            )

    @property
    def notice(self) -> str:
        """What everybody who sees a score has to be told."""
        return str(self.version.card.get("notice", ""))


def active_or_shipped(store: Store) -> ActiveModel | Checkpoint:
    """Return the active model, or the shipped scorer where that is to become it; nothing is written."""
    with store.read() as session:
        version = models.promoted_models(session).get("")
    if version is not None and version.location != SHIPPED:
        return ActiveModel(version)
    shipped = read_checkpoint(None)
    if version is not None and version.digest == shipped.card.digest:
        return ActiveModel(version)
    return shipped


def ensure_active_model(store: Store, run: RunRecord) -> ActiveModel:
    """Return the active model; make the shipped scorer active where a store that is about to score needs it.

    A store without a promotion gets the shipped scorer as its first active model. When an upgrade of abkit brought
    other shipped weights, those become active, and the note says so: the former ones are no longer there. No network
    is loaded for this.
    """
    found = active_or_shipped(store)
    if isinstance(found, ActiveModel):
        return found
    with store.write() as session:
        former = models.promoted_models(session).get("")
        if former is not None and (former.location != SHIPPED or former.digest == found.card.digest):
            return ActiveModel(former)  # another process was first
        why = "the scorer that ships with abkit" if former is None else "abkit was upgraded and ships another scorer"
        row = models.register(session, run, entry_of(found, SHIPPED))
        models.promote(session, run, row, segment="", by="abkit", why=why)
    return ActiveModel(row, "" if former is None else f"{why}: from now on scores are by {row.digest[:12]}")


def find_model(store: Store, wanted: str) -> ActiveModel:
    """Return the version that a name or the beginning of a digest means. Nothing is written, no network is loaded.

    Raises:
        UsageError: There is no such version, or there are several.
        AbkitError: The version is a shipped one whose weights are no longer here.
    """
    with store.read() as session:
        version = models.find_by_prefix(session, wanted)
    if version.location == SHIPPED and version.digest != read_checkpoint(None).card.digest:
        raise AbkitError(
            f"the weights of {version.name} {version.digest[:12]} were shipped with another abkit and are not here",
            hint="install that version of abkit, or use another model (`abkit model list`)",
        )
    return ActiveModel(version)


def read_checkpoint(folder: Path | None) -> Checkpoint:
    """Return a checkpoint with its card and arrays, without its encoder; None means the shipped one.

    Raises:
        AbkitError: The extra `model` is not installed.
        ModelError: The checkpoint is damaged, altered or too new.
    """
    try:
        from abkit_model import checkpoint
    except ModuleNotFoundError as error:
        raise _missing_extra(error) from error
    return checkpoint.load(folder or checkpoint.default_checkpoint())


def load_scorer(folder: Path | None) -> Scorer:
    """Return the scorer of a checkpoint; None means the shipped one.

    Raises:
        AbkitError: The extra `model` is not installed.
        ModelError: The checkpoint or its encoder is not usable.
    """
    try:
        from abkit_model.scorer import Scorer
    except ModuleNotFoundError as error:
        raise _missing_extra(error) from error
    return Scorer.load(folder)


def _missing_extra(error: ModuleNotFoundError) -> AbkitError:
    return AbkitError(f"scoring needs {error.name}, which is not installed", hint="pip install 'abkit[model]'")


def entry_of(checkpoint: Checkpoint, location: str) -> models.ModelEntry:
    """Return what the store keeps of a checkpoint."""
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
    """Write a checkpoint's version to the store without promoting it. It is loaded with its encoder first.

    Raises:
        ModelError: The checkpoint or its encoder is not usable.
    """
    folder = folder.resolve()
    load_scorer(folder)
    with (
        recorded_run(store, "model register", {"checkpoint": str(folder)}, run=run) as run,
        store.write() as session,
    ):
        return models.register(session, run, entry_of(read_checkpoint(folder), str(folder)))


def promote(store: Store, wanted: str, *, segment: str = "", why: str, by: str | None = None) -> ModelVersion:
    """Make a version the active model of a segment. Its checkpoint is loaded first: a broken one never gets there.

    Raises:
        UsageError: There is no such version.
        AbkitError: Its checkpoint is not usable.
    """
    with recorded_run(store, "model promote", {"model": wanted, "segment": segment, "why": why}) as run:
        if wanted == SHIPPED:
            shipped = read_checkpoint(None)
            with store.write() as session:
                models.register(session, run, entry_of(shipped, SHIPPED))
            wanted = shipped.card.digest
        return _promote(store, run, wanted, segment=segment, by=by, why=why)


def rollback(store: Store, *, segment: str = "", why: str, by: str | None = None) -> ModelVersion:
    """Make the model that was active before the present one active again.

    In the end that is the scorer that ships, or for a segment the model that is active for all. A former model whose
    checkpoint cannot be used any more is passed over, and the reason of the promotion says so.

    Raises:
        UsageError: There was none before, and the last resort is active.
    """
    with recorded_run(store, "model rollback", {"segment": segment, "why": why}) as run:
        with store.read() as session:
            promoted = models.promoted_models(session)
            former = [version.digest for version in models.models_before(session, segment)]
        shipped = read_checkpoint(None)
        for_all = promoted.get("") if segment else None
        last = for_all.digest if for_all else shipped.card.digest
        active = promoted.get(segment)
        if active is not None and active.digest != last and last not in former:
            former.append(last)
        if not former:
            raise UsageError(
                f"there is no earlier active model to go back to{f' for segment {segment!r}' if segment else ''}",
                hint="`abkit model list` shows the versions; `abkit model promote` chooses one",
            )
        if shipped.card.digest in former:
            with store.write() as session:
                models.register(session, run, entry_of(shipped, SHIPPED))
        return _first_usable(store, run, former, segment=segment, by=by, why=why)


def _first_usable(
    store: Store, run: RunRecord, former: Sequence[str], *, segment: str, by: str | None, why: str
) -> ModelVersion:
    passed: list[str] = []
    for digest in former[:-1]:
        said = f" (cannot be used any more: {', '.join(passed)})" if passed else ""
        try:
            return _promote(store, run, digest, segment=segment, by=by, why=f"{models.ROLLBACK}{why}{said}")
        except AbkitError:
            passed.append(digest[:12])
    said = f" (cannot be used any more: {', '.join(passed)})" if passed else ""
    return _promote(store, run, former[-1], segment=segment, by=by, why=f"{models.ROLLBACK}{why}{said}")


def _promote(store: Store, run: RunRecord, wanted: str, *, segment: str, by: str | None, why: str) -> ModelVersion:
    chosen = find_model(store, wanted)
    _ = chosen.scorer  # a checkpoint that cannot be loaded must not become active
    with store.write() as session:
        models.promote(session, run, chosen.version, segment=segment, by=by or this_person(), why=why)
    return chosen.version


def this_person() -> str:
    """Return the name of the user of this machine, or "unknown"."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


@dataclass(frozen=True, kw_only=True)
class VersionLine:
    """A model version in a list.

    Attributes:
        active_for: Segments whose active model it is, "all" for the global one; '' when of none.
        scale: "low…high".
        srcc, plcc: Figures on the card, with their intervals, as text; '–' where the card has none.
        picks_winner: The same, of queries that learned from comparisons alone.
        n_images: How many images those figures rest on; None where the card does not say.
    """

    digest: str
    name: str
    active_for: str
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
    """Return all versions of the store, oldest first."""
    with store.read() as session:
        active = models.promoted_models(session)
        rows = models.all_versions(session)
    digests = {row.id: row.digest for row in rows}
    return [
        VersionLine(
            digest=row.digest,
            name=row.name,
            active_for=", ".join(segment or "all" for segment, version in active.items() if version.id == row.id),
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
    found = metrics.get("grouped_folds", metrics.get("comparison_folds", {}))
    return found if isinstance(found, Mapping) else {}


def _figure(card: Mapping[str, Any], name: str) -> str:
    found = _held_out(card).get(name)
    # a figure that is not defined, of constant scores for one, is null
    if isinstance(found, Mapping) and all(found.get(end) is not None for end in ("value", "low", "high")):
        return f"{found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"
    return "–"
