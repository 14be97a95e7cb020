"""Score pictures: find the files, skip what is known, decode beside the scorer, log batch by batch, rank."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abkit.config import Settings
from abkit.errors import AbkitError
from abkit.intake.images import FoundImages, find_images, hash_file, names_of
from abkit.store import creatives, scores
from abkit.store.engine import Store
from abkit.store.runs import RunRecord, recorded_run
from abkit.workflows.models.active import Champion, find_champion
from abkit.workflows.scoring.brief import Fit, fit_pictures, read_brief
from abkit.workflows.scoring.decoding import decoded, decoders, max_bytes
from abkit.workflows.scoring.kept_tokens import KeptTokens
from abkit.workflows.scoring.result import ScoredFile, ScoringResult
from abkit_model.errors import ImageRejected

if TYPE_CHECKING:
    from abkit_model.scorer import Score

# Files looked up in the store at once; small enough that a stop loses little work.
_CHUNK = 512

Progress = Callable[[int, int], None]


@dataclass
class _Tally:
    """Files by what became of them, while the work goes on."""

    seen: dict[Path, str] = field(default_factory=dict)  # path → sha256
    new: set[str] = field(default_factory=set)
    rejected: dict[Path, str] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        scored = sum(sha256 in self.new for sha256 in self.seen.values())
        return {"scored": scored, "known": len(self.seen) - scored, "rejected": len(self.rejected)}


def score_paths(
    store: Store,
    settings: Settings,
    paths: Sequence[Path],
    *,
    campaign: str,
    model: str | None = None,
    brief: str | None = None,
    brief_encoder: str | None = None,
    run: RunRecord | None = None,
    progress: Progress | None = None,
) -> ScoringResult:
    """Score files, folders and globs as candidates of a campaign, and log everything.

    Each content is scored once by a model version, whatever its names. What the encoder saw is kept: a picture that
    it saw before is scored by another version without it. Every batch is one transaction: a stop at any moment
    leaves whole rows, and the next call goes on where this one stopped.

    Args:
        store: where scores are logged.
        settings: limits and batch size.
        paths: files, folders or globs.
        campaign: key of the campaign; it is made when it is new.
        model: name or digest of a version; the champion when None.
        brief: a text; how well the pictures fit it is shown and logged beside the scores.
        brief_encoder: the encoder that reads the brief, where that of the scorer cannot.
        run: the run of a scheduled tick; a run is recorded when None.
        progress: called with (files done, files in all).

    Raises:
        AbkitError: nothing was found, or the scorer, the brief's encoder or the store cannot be used.
        ModelError: the encoder of the scorer or of the brief is not usable, or the brief is not.
    """
    found = find_images(paths)
    if not found.files and not found.unusable:
        left = f" ({found.ignored} files with other names were left alone)" if found.ignored else ""
        raise AbkitError(
            f"there are no pictures in {', '.join(str(path) for path in paths)}{left}",
            hint="name files, folders or a pattern such as 'ads/*.png'",
        )
    arguments: dict[str, Any] = {"paths": [str(path) for path in paths], "campaign": campaign, "model": model}
    if brief is not None:
        arguments |= {"brief": brief, "brief_encoder": brief_encoder}
    show = progress or (lambda done, total: None)
    with recorded_run(store, "score", arguments, run=run) as run:
        champion = find_champion(store, run, wanted=model)
        # First, so that a text that cannot be read costs nothing.
        text = (
            read_brief(brief, champion, brief_encoder or settings.scoring.brief_encoder) if brief is not None else None
        )
        tally = _Tally(rejected=dict(found.unusable))
        with store.write() as session:
            campaign_id = creatives.ensure_campaign(session, run, campaign)
        kept = KeptTokens(settings, champion.version.encoder_fingerprint)
        _score_files(_Work(store, settings, campaign_id, champion, run, tally, kept), found, show)
        run.outcome.update(tally.counts())
        files = _ranked(store, campaign_id, champion, tally)
        if text is not None:
            pictures = {file.creative_id: file.path for file in files if file.creative_id is not None}
            fits = fit_pictures(store, settings.scoring, run, campaign_id, text, pictures, show)
            files = [_with_fit(file, fits) for file in files]
            run.outcome.update(encoder=text.encoder.name, encoder_fingerprint=text.encoder.fingerprint, fits=len(fits))
    return ScoringResult(
        files=tuple(files),
        campaign=campaign,
        model_version=champion.version.digest,
        model_name=champion.version.name,
        demonstration=champion.version.demonstration,
        notice=champion.notice,
        run_id=run.id,
        ignored=found.ignored,
        note="; ".join(note for note in (champion.note, kept.note) if note),
        brief=text.text if text else "",
        brief_encoder=text.encoder.name if text else "",
        from_tokens=kept.used,
    )


@dataclass(frozen=True)
class _Work:
    """What all steps of one scoring share."""

    store: Store
    settings: Settings
    campaign_id: int
    champion: Champion
    run: RunRecord
    tally: _Tally
    kept: KeptTokens


def _score_files(work: _Work, found: FoundImages, progress: Progress) -> None:
    tally, version = work.tally, work.champion.version
    total = len(found.unusable) + len(found.files)
    progress(len(found.unusable), total)
    with decoders() as pool:
        for start in range(0, len(found.files), _CHUNK):
            chunk = found.files[start : start + _CHUNK]
            hashes = _hash(pool, chunk, max_bytes(work.settings.scoring), tally)
            with work.store.read() as session:
                known = scores.scored_contents(session, version.id, set(hashes.values()))
            named = {path: sha256 for path, sha256 in hashes.items() if sha256 in known}
            first_of = {sha256: path for path, sha256 in reversed(hashes.items()) if sha256 not in known}
            for done in _score_new(work, pool, first_of):
                progress(min(total, start + len(found.unusable) + done), total)
            scored_now = {path: sha256 for path, sha256 in hashes.items() if path not in named and sha256 in tally.new}
            _reject_copies(hashes, first_of, tally)
            _name(work.store, work.run, work.campaign_id, named | scored_now, tally)
            for path in hashes.keys() - tally.seen.keys() - tally.rejected.keys():
                tally.rejected[path] = "its content changed while it was being read; score it again"
            progress(len(tally.seen) + len(tally.rejected), total)
            work.run.still_alive()


def _score_new(work: _Work, pool: ThreadPoolExecutor, first_of: Mapping[str, Path]) -> Iterator[int]:
    """Score contents that this version has not scored, and log them batch by batch; yields how many are done.

    1. Contents that the store knows and whose tokens are kept go through the queries only.
    2. The others are decoded, go through encoder and queries, and their tokens are kept.
    """
    if not first_of:
        return
    scorer, done = work.champion.scorer, 0
    with work.store.read() as session:
        columns = creatives.creative_columns(session, first_of)
    remaining = dict(first_of)
    for names, encoded in work.kept.batches([sha256 for sha256 in first_of if sha256 in columns]):
        _log(work, [(remaining.pop(name), columns[name]) for name in names], scorer.score_tokens(encoded))
        yield (done := done + len(names))
    for batch in decoded(pool, list(remaining.values()), scorer.prepare, work.settings.scoring, work.tally.rejected):
        encoded = scorer.encode([item.prepared for item in batch])
        _log(work, [(item.path, item.content.columns()) for item in batch], scorer.score_tokens(encoded))
        work.kept.keep([item.content.sha256 for item in batch], encoded)
        yield (done := done + len(batch))
    work.kept.trim()


def _hash(pool: ThreadPoolExecutor, files: Sequence[Path], most: int, tally: _Tally) -> dict[Path, str]:
    def attempt(path: Path) -> str | ImageRejected:
        try:
            return hash_file(path, max_bytes=most)
        except ImageRejected as rejected:
            return rejected

    hashes = {}
    for path, result in zip(files, pool.map(attempt, files), strict=True):
        if isinstance(result, ImageRejected):
            tally.rejected[path] = result.reason
        else:
            hashes[path] = result
    return hashes


def _log(work: _Work, pictures: Sequence[tuple[Path, dict[str, Any]]], made: Sequence[Score]) -> None:
    contents = [
        scores.ScoredContent(columns, _score(score), score.embedding.astype("<f2").tobytes())
        for (_, columns), score in zip(pictures, made, strict=True)
    ]
    named = {path: str(columns["sha256"]) for path, columns in pictures}
    with work.store.write() as session:
        scores.write_scores(session, work.run, work.champion.version, contents)
        ids = creatives.creative_ids(session, set(named.values()))
        names = [(ids[sha256], *names_of(path)) for path, sha256 in named.items()]
        creatives.write_names(session, work.run, names, campaign=work.campaign_id)
        work.run.still_alive(session)  # a large encoder may take long for the rest of the chunk
    work.tally.new.update(named.values())
    work.tally.seen.update(named)


def _score(score: Score) -> dict[str, Any]:
    return {
        "mean": score.mean,
        "std": score.std,
        "epistemic_std": _finite(score.epistemic_std),
        "distribution": list(score.distribution),
        "ci_low": _finite(score.ci_low),
        "ci_high": _finite(score.ci_high),
        "ci_level": score.ci_level,
        "query_activations": list(score.query_activations),
        "novelty": _finite(score.novelty),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _reject_copies(hashes: dict[Path, str], first_of: dict[str, Path], tally: _Tally) -> None:
    """A copy of a content that could not be decoded cannot be decoded either."""
    for path, sha256 in hashes.items():
        original = first_of.get(sha256)
        if original is not None and original in tally.rejected and path not in tally.seen:
            tally.rejected.setdefault(path, tally.rejected[original])


def _name(store: Store, run: RunRecord, campaign_id: int, named: dict[Path, str], tally: _Tally) -> None:
    with store.write() as session:
        ids = creatives.creative_ids(session, set(named.values()))
        names = [(ids[sha256], *names_of(path)) for path, sha256 in named.items()]
        creatives.write_names(session, run, names, campaign=campaign_id)
    tally.seen.update(named)


def _ranked(store: Store, campaign_id: int, champion: Champion, tally: _Tally) -> list[ScoredFile]:
    with store.read() as session:
        places = {place.sha256: place for place in scores.ranking(session, campaign_id, champion.version.id)}
    version = champion.version
    files = []
    for path, sha256 in tally.seen.items():
        place = places[sha256]
        score = place.score
        files.append(
            ScoredFile(
                path=path,
                status="scored" if sha256 in tally.new else "known",
                sha256=sha256,
                creative_id=place.creative_id,
                mean=score.mean,
                std=score.std,
                epistemic_std=score.epistemic_std,
                distribution=tuple(score.distribution),
                ci_low=score.ci_low,
                ci_high=score.ci_high,
                ci_level=score.ci_level,
                scale=(version.scale_low, version.scale_high),
                rank=place.rank,
                percentile=place.percentile,
                n=place.n,
                model_version=version.digest,
                novelty=score.novelty,
            )
        )
    files.sort(key=lambda file: (file.rank or 0, str(file.path)))
    return files + [
        ScoredFile(path=path, status="rejected", reason=reason) for path, reason in sorted(tally.rejected.items())
    ]


def _with_fit(file: ScoredFile, fits: Mapping[int, Fit]) -> ScoredFile:
    fit = fits.get(file.creative_id) if file.creative_id is not None else None
    return file if fit is None else replace(file, fit=fit.cosine, fit_rank=fit.rank, fit_n=fit.n)


__all__ = ["Progress", "ScoredFile", "ScoringResult", "score_paths"]
