"""Images that long work opens, each noted before: a job that died over one leaves it out in the end.

A command needs none of this: who runs it sees which image ends it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from abkit.config import Settings
from abkit.workflows.scoring.kept_tokens import token_cache
from abkit.workflows.scoring.score import TOGETHER

if TYPE_CHECKING:
    from abkit_model.encoders.frozen import FrozenEncoder


class ImageWatch(Protocol):
    """What a job knows of the images that it opens."""

    def kills(self, path: Path | str) -> str:
        """Return why an image is not to be opened again; "" if it may be."""

    def is_suspect(self, path: Path | str) -> bool:
        """Return whether a job has died while this image was open, perhaps among others."""

    def note(self, paths: Sequence[Path | str]) -> None:
        """Note that images are opened now; with none, that nothing is open any more."""


class Unwatched:
    """The watch of a command: it opens what there is."""

    def kills(self, path: Path | str) -> str:
        """Return "": it may be opened."""
        return ""

    def is_suspect(self, path: Path | str) -> bool:
        """Return False: nothing is known of it."""
        return False

    def note(self, paths: Sequence[Path | str]) -> None:
        """Note nothing."""


UNWATCHED = Unwatched()


def harmless(watch: ImageWatch, paths: Mapping[int, Path]) -> tuple[dict[int, Path], str]:
    """Return the images of creatives without those that ended their job too often, and a note about these, or ""."""
    kept = {creative: path for creative, path in paths.items() if not watch.kills(path)}
    if len(kept) == len(paths):
        return kept, ""
    lost = [path.name for creative, path in paths.items() if creative not in kept]
    more = f" and {len(lost) - 1:,} more" if len(lost) > 1 else ""
    return kept, f"left out, because reading it ended the job again and again: {lost[0]}{more}"


def encode_ahead(watch: ImageWatch, settings: Settings, encoder: FrozenEncoder, paths: Sequence[Path]) -> None:
    """Encode the images of a training ahead of it, so that each is noted when it is opened.

    The training finds their tokens in the workspace's cache. Without a cache it encodes them itself; then they are
    decoded here, because that is where hostile images end a process.

    Args:
        watch: Where they are noted; with `UNWATCHED` nothing is done.
        settings: The workspace's settings, for its token cache.
        encoder: That of the training.
        paths: The images, none of which has ended its job too often.
    """
    if watch is UNWATCHED:
        return
    from abkit_model.data.tokens import extract
    from abkit_model.errors import ImageRejected
    from abkit_model.images import open_image

    cache = token_cache(settings)
    suspects = [path for path in paths if watch.is_suspect(path)]
    others = [path for path in paths if not watch.is_suspect(path)]
    # Those over which a job died are opened one by one.
    for some, together in ((others, TOGETHER), (suspects, 1)):
        for start in range(0, len(some), together):
            part = some[start : start + together]
            watch.note(part)
            if cache is not None:
                for mirrored in (False, True):
                    extract(part, encoder, cache=cache, mirrored=mirrored)
                continue
            for path in part:
                with suppress(ImageRejected):  # the training says so itself
                    open_image(path)
    watch.note([])
