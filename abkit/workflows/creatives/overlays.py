"""Overlays for pages: where the score of a creative comes from, made once by the active model and kept on disk."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from abkit.errors import AbkitError
from abkit.records import Record
from abkit.store import models
from abkit.store.catalog.creatives import creative_ids
from abkit.store.database.engine import Store
from abkit.workflows.active_model import ActiveModel
from abkit.workflows.creatives.creative_files import find_images, image_names
from abkit.written_files import whole_file

if TYPE_CHECKING:
    from abkit_model.scorer import Scorer

SIDE = 960
# A scorer takes seconds to load and much memory: one is kept, and one image is explained at a time.
_turn = threading.Lock()
_loaded: dict[str, Scorer] = {}


@dataclass(frozen=True, kw_only=True)
class Overlay(Record):
    """An overlay that was made: a JPEG, and which area matters most, in a sentence."""

    image: Path
    sentence: str


def kept_overlay(cache: Path, sha256: str, digest: str) -> Overlay | None:
    """Return the overlay of a creative by a model version, where it was made before."""
    image = _path(cache, sha256, digest)
    with suppress(OSError):
        if not image.is_file():
            return None
        return Overlay(image=image, sentence=image.with_suffix(".txt").read_text(encoding="utf-8"))
    return None


def make_overlay(store: Store, cache: Path, sha256: str) -> Overlay:
    """Return the overlay of a creative by the active model; it takes some seconds where it was not made before.

    Args:
        store: The store.
        cache: Folder of kept overlays.
        sha256: Digest of the content that was scored.

    Raises:
        AbkitError: There is no such creative or model, no file has this content any more, or the image cannot be read.
    """
    with store.read() as session:
        version = models.active_model(session)
        known = creative_ids(session, [sha256]).get(sha256)
        names = image_names(session, [known]) if known is not None else {}
    if version is None or known is None:
        raise AbkitError("nothing has scored this creative", hint="score it first: abkit score")
    if found := kept_overlay(cache, sha256, version.digest):
        return found
    path = find_images(names).get(known)
    if path is None:
        raise AbkitError("no file has the scored content any more", hint="put the file back, or score it again")
    with _turn:
        if version.digest not in _loaded:
            _loaded.clear()
            _loaded[version.digest] = ActiveModel(version).scorer
        return _drawn(_loaded[version.digest], path, _path(cache, sha256, version.digest))


def _drawn(scorer: Scorer, path: Path, target: Path) -> Overlay:
    from abkit_model.errors import ImageRejected
    from abkit_model.explain import explain
    from abkit_model.images import open_creative
    from abkit_model.overlays import describe, overlay

    try:
        image = open_creative(path).image  # of a video its poster
    except ImageRejected as error:
        raise AbkitError(f"{path.name}: {error.reason}") from error
    image.thumbnail((SIDE, SIDE))
    prepared = scorer.prepare(image)
    heat = explain(scorer, prepared).score
    sentence = describe(heat)
    with whole_file(target.with_suffix(".txt"), what="the words of an overlay", folders=True) as unfinished:
        unfinished.write_text(sentence, encoding="utf-8")
    with whole_file(target, what="an overlay") as unfinished:  # it comes last: where it is, the words are too
        overlay(image, prepared, heat, signed=True).save(unfinished, "JPEG", quality=85)
    return Overlay(image=target, sentence=sentence)


def _path(cache: Path, sha256: str, digest: str) -> Path:
    return cache / sha256[:2] / f"{sha256}-{digest[:16]}.jpg"
