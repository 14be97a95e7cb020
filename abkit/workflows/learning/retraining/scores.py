"""What a version says about creatives of the store, from kept tokens where there are any, and from images elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from abkit.config import Settings
from abkit.records import to_plain
from abkit.store import schema, scores
from abkit.store.catalog import creatives
from abkit.store.database.engine import Store
from abkit.store.runs import RunRecord
from abkit.workflows.active_model import ActiveModel
from abkit.workflows.creatives.creative_files import find_images, image_names
from abkit.workflows.learning.retraining.image_watch import UNWATCHED, ImageWatch
from abkit.workflows.scoring.kept_tokens import KeptTokens

if TYPE_CHECKING:
    from abkit_model.scorer import Score


def scores_of(
    store: Store,
    settings: Settings,
    run: RunRecord,
    version: ActiveModel,
    ids: Collection[int],
    watch: ImageWatch = UNWATCHED,
) -> dict[int, Score]:
    """Return the scores of creatives by a version; a creative whose image is gone, or is a video, has none.

    Nor has one whose image has ended the job too often, by its watch.
    """
    with store.read() as session:
        contents = creatives.contents_of(session, ids)
    creative = {sha256: one for one, sha256 in contents.items()}
    scorer, found = version.scorer, dict[int, "Score"]()
    for digests, encoded in KeptTokens(settings, version.version.encoder_fingerprint).batches(sorted(creative)):
        found |= {creative[sha256]: score for sha256, score in zip(digests, scorer.score_tokens(encoded), strict=True)}
        run.still_alive()
    with store.read() as session:
        names = image_names(session, set(contents) - set(found))
    for one, path in find_images(names).items():
        if watch.kills(path):
            continue
        watch.note([path])
        (score,) = scorer.score([path], errors="keep")
        if not isinstance(score, Exception):
            found[one] = score
        run.still_alive()
    watch.note([])
    return found


def log_scores(store: Store, run: RunRecord, version: ActiveModel, made: Mapping[int, Score]) -> None:
    """Write scores to the log; what is there already stays as it is."""
    columns = schema.Score.__table__.columns
    items = list(made.items())
    for start in range(0, len(items), 256):
        some = dict(items[start : start + 256])
        with store.write() as session:
            contents = creatives.contents_of(session, some)
            known = creatives.creative_columns(session, contents.values())
            rows = [
                scores.ScoredContent(
                    creative=known[contents[one]],
                    score={name: to_plain(value) for name, value in vars(score).items() if name in columns},
                    embedding=score.embedding.astype("<f2").tobytes(),
                )
                for one, score in some.items()
            ]
            scores.write_scores(session, run, version.version, rows)
            run.still_alive(session)


def score_as(
    store: Store,
    settings: Settings,
    run: RunRecord,
    version: ActiveModel,
    former: int,
    watch: ImageWatch = UNWATCHED,
) -> int:
    """Score, by another version, all creatives that a former one has scored; return how many were new."""
    with store.read() as session:
        wanted = set(scores.mean_scores(session, former)) - set(scores.mean_scores(session, version.version.id))
    made = scores_of(store, settings, run, version, wanted, watch)
    log_scores(store, run, version, made)
    return len(made)
