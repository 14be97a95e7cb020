"""Score image files: find them, skip what is known, decode beside the scorer, log batch by batch, rank.

One list of files goes through all steps. Each file carries how far it has come: found, hashed, then known, scored or
rejected (`image_files.py`).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy.orm import Session

from abkit.config import ScoringSettings, Settings
from abkit.errors import AbkitError, UsageError
from abkit.intake.media.decoding_processes import DecodingProcesses
from abkit.intake.media.images import restored_reading
from abkit.intake.remote.fetch import Fetched
from abkit.names import link_key
from abkit.store import scores
from abkit.store.catalog import creatives, ideas
from abkit.store.database.engine import Store
from abkit.store.keys import clean_key
from abkit.store.kpis.linking.links import relink
from abkit.store.runs import RunRecord, recorded_run
from abkit.vocabulary import FileState
from abkit.workflows.active_model import ActiveModel, ensure_active_model, find_model
from abkit.workflows.scoring.brief import Fit, fit_images, read_brief
from abkit.workflows.scoring.image_files import (
    Decoded,
    ImageFile,
    Prepared,
    Read,
    all_frames,
    decode_batches,
    decoders,
    decoding_processes,
    find_files,
    hash_files,
    one_of_each,
)
from abkit.workflows.scoring.kept_tokens import KeptTokens
from abkit.workflows.scoring.results import (
    UNLIKE,
    ScoredFile,
    ScoringResult,
    anew_note,
    is_far,
    known_interval,
)
from abkit.workflows.scoring.same_idea import find_ideas
from abkit_model import devices

if TYPE_CHECKING:
    from abkit_model.encoders.frozen import Encoded
    from abkit_model.scorer import Score, Scorer

# Files looked up in the store at once; small enough that a stop loses little work.
_CHUNK = 512

# What a ranked file says about its score, as the store has it.
_FIGURES = ("mean", "std", "epistemic_std", "ci_low", "ci_high", "ci_level", "novelty")

# Files that are announced and decoded together where somebody wants to know what is opened.
TOGETHER = 256

_Batch: TypeAlias = list[Decoded[Any]]
Progress = Callable[[int, int], None]
Opening = Callable[[Sequence[Path]], None]


@dataclass(kw_only=True)
class _Scoring:
    """What all steps of one scoring share.

    The campaign is made with the names of its first candidates: where no image can be read, it is not made.
    """

    store: Store
    settings: Settings
    run: RunRecord
    campaign: str
    active: ActiveModel
    kept: KeptTokens
    opening: Opening = lambda _: None
    together: int = TOGETHER
    campaign_id: int | None = None
    reading: ScoringSettings | None = None  # those of the encoder, once it is loaded
    processes: DecodingProcesses | None = None
    device: str = ""
    anew: list[str] = field(default_factory=list)  # names of files whose pixels an earlier release made otherwise


def score_paths(
    store: Store,
    settings: Settings,
    paths: Sequence[Path] | Fetched,
    *,
    campaign: str,
    model: str | None = None,
    brief: str | None = None,
    brief_encoder: str | None = None,
    run: RunRecord | None = None,
    progress: Progress | None = None,
    opening: Opening = lambda _: None,
    together: int = TOGETHER,
) -> ScoringResult:
    """Score files, folders and globs as candidates of a campaign, and log everything.

    Each content is scored once by a model version, whatever its names. What the encoder saw is kept: an image that
    it saw before is scored by another version without it. Every batch is one transaction: a stop at any moment
    leaves whole rows, and the next call goes on where this one stopped.

    Args:
        store: Where scores are logged.
        settings: Limits and batch size.
        paths: Files, folders or globs, fetched or not.
        campaign: Key of the campaign; it is made when it is new.
        model: Name or digest of a version; the active model when None.
        brief: A text; how well the images fit it is returned and logged beside the scores.
        brief_encoder: The encoder that reads the brief, where that of the scorer cannot.
        run: The run of a scheduled tick; a run is recorded when None.
        progress: Called with (files done, files in all).
        opening: Called with the files that are decoded next, before they are.
        together: At most so many at a time.

    Files of kinds that are not read are named in the result, each with what to do.

    Raises:
        AbkitError: Nothing was found, or the scorer, an encoder, the brief or the store cannot be used.
    """
    campaign = clean_key(campaign, "campaign")
    files, ignored = find_files(paths)
    asked = list(paths.named) if isinstance(paths, Fetched) else [str(path) for path in paths]
    if run is None and files and not any(os.path.lexists(file.path) for file in files):
        # A mistyped path leaves no campaign and no run behind.
        if isinstance(paths, Fetched) and paths.refused:
            first = paths.refused[0]
            raise AbkitError(f"{first.address}: {first.reason}", hint=first.hint)
        named = ", ".join(map(repr, asked[:5]))
        raise UsageError(f"there is no file or folder {named}", hint="check the path")
    if not files:
        left = f" ({ignored} files with other names were ignored)" if ignored else ""
        raise AbkitError(
            f"there are no images in {', '.join(asked)}{left}",
            hint="name files, folders or a pattern such as 'ads/*.png'",
        )
    arguments: dict[str, Any] = {"paths": asked, "campaign": campaign, "model": model}
    if brief is not None:
        arguments |= {"brief": brief, "brief_encoder": brief_encoder}
    show = progress or (lambda done, total: None)
    with recorded_run(store, "score", arguments, run=run) as run:
        active = find_model(store, model) if model else ensure_active_model(store, run)
        # The brief comes first, so that a text that cannot be read costs nothing.
        reader = brief_encoder or settings.scoring.brief_encoder
        text = read_brief(brief, active, reader) if brief is not None else None
        work = _Scoring(
            store=store,
            settings=settings,
            run=run,
            campaign=campaign,
            active=active,
            kept=KeptTokens(settings, active.version.encoder_fingerprint),
            opening=opening,
            together=together,
        )
        _score_files(work, files, show)
        _link(work, files)
        counts = Counter(file.state for file in files)
        run.outcome.update({state.value: counts[state] for state in (FileState.SCORED, FileState.KNOWN)})
        run.outcome.update(rejected=counts[FileState.REJECTED])
        if counts[FileState.SKIPPED]:
            run.outcome.update(skipped=counts[FileState.SKIPPED])
        if work.device:
            run.outcome.update(device=work.device)
        fits = {}
        if text is not None and work.campaign_id is not None:
            images = {file.creative_id: file.path for file in files if file.creative_id is not None}
            fits = fit_images(store, settings.scoring, run, work.campaign_id, text, images, show)
            run.outcome.update(encoder=text.encoder.name, encoder_fingerprint=text.encoder.fingerprint, fits=len(fits))
        ranked = _rank(work, files, fits)
        labels = _find_ideas(work, files)
    return ScoringResult(
        files=tuple(ranked),
        campaign=campaign,
        model_version=active.version.digest,
        model_name=active.version.name,
        demonstration=active.version.demonstration,
        notice=active.notice,
        run_id=run.id,
        ignored=ignored,
        note="; ".join(note for note in (active.note, work.kept.note, anew_note(work.anew)) if note),
        brief=text.text if text else "",
        brief_encoder=text.encoder.name if text else "",
        from_tokens=work.kept.used,
        ideas=len(set(labels.values())),
        device=work.device,
    )


def _score_files(work: _Scoring, files: Sequence[ImageFile], progress: Progress) -> None:
    """Take every file from found to known, scored or rejected, some hundred at a time.

    1. Hash the files.
    2. Read anew what the store knows from an earlier release, and forget scores of pixels that are others now.
    3. Ask the store which contents this version has scored: those files are known.
    4. Score one file of every other content, and log batch by batch.
    5. Copies share the fate of the file with their content.
    6. Write the names of known files and of copies.
    """
    progress(0, len(files))
    with decoders() as pool, decoding_processes(len(files)) as work.processes:
        for start in range(0, len(files), _CHUNK):
            chunk = files[start : start + _CHUNK]
            hash_files(pool, chunk, work.settings.scoring)
            _read_anew(work, pool, chunk)
            _mark_known(work, chunk)
            known = [file for file in chunk if file.state is FileState.KNOWN]
            originals = one_of_each(chunk)
            for _ in _score_new(work, pool, originals):
                progress(start + sum(file.settled for file in chunk), len(files))
            copies = [file for file in chunk if file.state is FileState.HASHED]
            for copy in copies:
                copy.share_fate(originals[copy.sha256])
            with work.store.write() as session:
                _write_names(session, work, known + [copy for copy in copies if copy.state is FileState.SCORED])
            progress(start + len(chunk), len(files))
            work.run.still_alive()
    scored = {file.sha256 for file in files if file.state is FileState.SCORED}
    for file in files:  # copies of a content that an earlier part of the list brought
        if file.state is FileState.KNOWN and file.sha256 in scored:
            file.state = FileState.SCORED


def _read_anew(work: _Scoring, pool: ThreadPoolExecutor, files: Sequence[ImageFile]) -> None:
    """Decode contents that the store knows under other rules than today's, and write how they read now.

    Where the pixels are others, scores, embeddings and fits of the former ones are deleted: beside those of today's
    rules they would be compared with what they cannot be compared with.
    """
    with work.store.read() as session:
        readings = creatives.readings(session, {file.sha256 for file in files if file.state is FileState.HASHED})
    for file in files:
        file.reading = restored_reading(readings.get(file.sha256))
    outdated = [file for sha256, file in one_of_each(files).items() if sha256 in readings and file.reading is None]
    for batch in _decoded(work, pool, outdated, lambda image: None):
        changed = [decoded.content for decoded in batch if decoded.content.decoded.reading.changed]
        with work.store.write() as session:
            creatives.update_readings(session, [decoded.content.columns() for decoded in batch])
            scores.forget_scores(session, [content.sha256 for content in changed])
        work.anew.extend(decoded.file.names[1] for decoded in batch if decoded.content in changed)
        work.run.still_alive()
    found = {file.sha256: file.reading for file in files if file.reading is not None}
    for file in files:
        file.reading = found.get(file.sha256)


def _mark_known(work: _Scoring, files: Sequence[ImageFile]) -> None:
    hashed = [file for file in files if file.state is FileState.HASHED]
    with work.store.read() as session:
        known = scores.scored_contents(session, work.active.version.id, {file.sha256 for file in hashed})
    for file in hashed:
        if file.sha256 in known:
            file.state = FileState.KNOWN


def _score_new(work: _Scoring, pool: ThreadPoolExecutor, originals: Mapping[str, ImageFile]) -> Iterator[None]:
    """Score contents that this version has not scored, and log them; yields after every batch.

    1. Contents that the store knows and whose tokens are kept go through the queries only.
    2. The others are decoded, go through encoder and queries, and their tokens are kept.
    """
    if not originals:
        return
    from abkit_model.scorer import mean_of_frames

    scorer = work.active.scorer
    with work.store.read() as session:
        columns = creatives.creative_columns(session, originals)
    remaining = dict(originals)
    for digests, encoded in work.kept.batches([sha256 for sha256 in originals if sha256 in columns]):
        seen = [remaining.pop(sha256) for sha256 in digests]
        _log(work, seen, [columns[sha256] for sha256 in digests], scorer.score_tokens(encoded))
        yield
    work.reading = work.settings.scoring.for_batches_of(scorer.encoder.together)
    read = None
    if work.processes and _on_gpu(scorer):
        read = partial(work.processes.read, scorer.encoder.canvas)
    batches = _decoded(work, pool, list(remaining.values()), scorer.prepare, read)
    for batch, parts, encoded in _encoded(scorer, batches):
        work.device = scorer.encoder.where
        contents = [decoded.content.columns() for decoded in batch]
        made = scorer.score_tokens(encoded)
        _log(work, [decoded.file for decoded in batch], contents, [mean_of_frames(made[part]) for part in parts])
        # Images only: the frames of a video are decoded again for another version.
        images = [
            (decoded.content.sha256, part.start)
            for decoded, part in zip(batch, parts, strict=True)
            if part.stop - part.start == 1
        ]
        work.kept.keep(dict(images), encoded)
        yield
    work.kept.trim()


def _encoded(scorer: Scorer, batches: Iterable[_Batch]) -> Iterator[tuple[_Batch, list[slice], Encoded]]:
    """Yield batches with what the encoder saw; a GPU looks at the next one while the one before is written."""

    def encode(batch: _Batch) -> tuple[_Batch, list[slice], Encoded]:
        frames, parts = all_frames(batch)
        return batch, parts, scorer.encode(frames)

    if not _on_gpu(scorer):  # a processor has nothing to spare
        yield from map(encode, batches)
        return
    with devices.few_threads(), ThreadPoolExecutor(1, thread_name_prefix="encode") as ahead:
        before: Future[tuple[_Batch, list[slice], Encoded]] | None = None
        for batch in batches:
            now = ahead.submit(encode, batch)
            if before is not None:
                yield before.result()
            before = now
        if before is not None:
            yield before.result()


def _on_gpu(scorer: Scorer) -> bool:
    return scorer.encoder.device.type != devices.CPU


def _decoded(
    work: _Scoring,
    pool: ThreadPoolExecutor,
    files: Sequence[ImageFile],
    prepare: Callable[[Any], Prepared],
    read: Read[Prepared] | None = None,
) -> Iterator[list[Decoded[Prepared]]]:
    """Yield batches of decoded files, each announced before it is opened."""
    for start in range(0, len(files), work.together):
        some = files[start : start + work.together]
        work.opening([file.path for file in some])
        yield from decode_batches(pool, some, prepare, work.reading or work.settings.scoring, read)


def _log(
    work: _Scoring, batch: Sequence[ImageFile], columns: Sequence[Mapping[str, Any]], made: Sequence[Score]
) -> None:
    """Write creatives, scores, embeddings and names of one batch, all or nothing."""
    contents = [
        scores.ScoredContent.of(creative, score.to_dict(), score.embedding.astype("<f2").tobytes())
        for creative, score in zip(columns, made, strict=True)
    ]
    with work.store.write() as session:
        scores.write_scores(session, work.run, work.active.version, contents)
        _write_names(session, work, batch)
        work.run.still_alive(session)  # a large encoder may take long for the rest of the chunk
    for file in batch:
        file.state = FileState.SCORED


def _write_names(session: Session, work: _Scoring, files: Sequence[ImageFile]) -> None:
    if not files:
        return
    if work.campaign_id is None:
        work.campaign_id = creatives.ensure_campaign(session, work.run, work.campaign)
    ids = creatives.creative_ids(session, {file.sha256 for file in files})
    for file in files:
        file.creative_id = ids[file.sha256]
    names = [(ids[file.sha256], *file.names) for file in files]
    creatives.write_names(session, work.run, names, campaign=work.campaign_id)


def _link(work: _Scoring, files: Sequence[ImageFile]) -> None:
    """Link the ads that have waited for these creatives; withdraw links that a second content makes unclear."""
    known = [file for file in files if file.creative_id is not None]
    keys = {link_key(file.names[1]) for file in known} | {file.sha256 for file in known}
    with work.store.write() as session:
        outcome = relink(session, work.run.id, keys=keys)
    if outcome.linked or outcome.withdrawn:
        work.run.outcome.update(ads_linked=outcome.linked, links_withdrawn=outcome.withdrawn)


def _find_ideas(work: _Scoring, files: Sequence[ImageFile]) -> dict[int, int]:
    """Put the files together that are one idea in several sizes; return the idea of each creative among them."""
    seen = {file.creative_id for file in files if file.creative_id is not None}
    if not seen or work.campaign_id is None:
        return {}
    with work.store.write() as session:
        find_ideas(session, work.run, work.campaign_id, work.active.version.encoder_fingerprint, seen)
        return ideas.ideas_of(session, seen)


def _rank(work: _Scoring, files: Sequence[ImageFile], fits: Mapping[int, Fit]) -> list[ScoredFile]:
    """Return every file with its place in the campaign, best first, then the rejected ones."""
    version = work.active.version
    places: dict[int, scores.RankedScore] = {}
    if work.campaign_id is not None:
        with work.store.read() as session:
            places = {place.creative_id: place for place in scores.ranking(session, work.campaign_id, version.id)}
    ranked, rejected = [], []
    readings = {file.sha256: file.reading for file in files if file.reading is not None}
    for file in sorted(files, key=lambda file: str(file.shown)):
        if file.creative_id is None:
            rejected.append(ScoredFile(path=file.shown, status=file.state, reason=file.reason))
            continue
        place = places[file.creative_id]
        figures: dict[str, Any] = {name: getattr(place.score, name) for name in _FIGURES}
        figures |= known_interval(place.score.ci_low, place.score.ci_high, place.score.novelty)
        figures["no_interval"] = UNLIKE if is_far(place.score.novelty) else ""
        if reading := file.reading or readings.get(file.sha256):
            figures |= {"notes": reading.notes, "frame": reading.frame, "frames": reading.frames}
            figures |= {"seconds": reading.seconds}
        if fit := fits.get(file.creative_id):
            figures |= {"fit": fit.cosine, "fit_rank": fit.rank, "fit_n": fit.n}
        ranked.append(
            ScoredFile(
                path=file.shown,
                status=file.state,
                sha256=file.sha256,
                creative_id=file.creative_id,
                distribution=tuple(place.score.distribution),
                scale=(version.scale_low, version.scale_high),
                rank=place.rank,
                percentile=place.percentile,
                n=place.n,
                model_version=version.digest,
                **figures,
            )
        )
    return sorted(ranked, key=lambda file: (file.rank or 0, str(file.path))) + rejected
