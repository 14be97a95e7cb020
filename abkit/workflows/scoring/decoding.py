"""Decode pictures beside the model: while one batch is being looked at, the next is decoded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from abkit.config import ScoringSettings
from abkit.intake.images import Content, read_content
from abkit_model.errors import ImageRejected

if TYPE_CHECKING:
    from PIL import Image

    from abkit_model.images import Prepared

_DECODERS = 2


@dataclass(frozen=True)
class Decoded:
    """One file: its path, its content, and its pixels as an encoder wants them."""

    path: Path
    content: Content
    prepared: Prepared


@contextmanager
def decoders() -> Iterator[ThreadPoolExecutor]:
    """The threads that decode. After a Ctrl-C nobody waits for what is still to be decoded."""
    pool = ThreadPoolExecutor(_DECODERS, thread_name_prefix="decode")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def max_bytes(settings: ScoringSettings) -> int:
    """The largest picture file that is read."""
    return round(settings.max_file_mb * 2**20)


def decoded(
    pool: ThreadPoolExecutor,
    files: Sequence[Path],
    prepare: Callable[[Image.Image], Prepared],
    settings: ScoringSettings,
    rejected: dict[Path, str],
) -> Iterator[list[Decoded]]:
    """Batches of decoded pictures, in the order of the files; what cannot be decoded is added to `rejected`."""
    limit = max_bytes(settings)
    size = settings.batch_size

    def attempt(path: Path) -> Decoded | ImageRejected:
        try:
            content = read_content(path, max_bytes=limit)
            return Decoded(path, content, prepare(content.decoded.image))
        except ImageRejected as refused:
            return refused

    waiting = iter(files)
    ahead: deque[tuple[Path, Future[Decoded | ImageRejected]]] = deque()
    batch: list[Decoded] = []
    while True:
        # At most two batches of pixels are in memory, whatever the number of files.
        while len(ahead) < 2 * size and (path := next(waiting, None)) is not None:
            ahead.append((path, pool.submit(attempt, path)))
        if not ahead:
            break
        path, future = ahead.popleft()
        result = future.result()
        if isinstance(result, ImageRejected):
            rejected[path] = result.reason
        else:
            batch.append(result)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
