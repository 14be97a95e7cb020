"""Image files on their way into the store: found, hashed, decoded beside the model; or rejected, with the reason."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from abkit.config import ScoringSettings
from abkit.intake.images import Content, find_images, hash_file, read_content
from abkit.vocabulary import FileState
from abkit_model.errors import ImageRejected, KindNotRead

if TYPE_CHECKING:
    from PIL import Image

    from abkit_model.images import Reading

Prepared = TypeVar("Prepared")

_DECODERS = 2


@dataclass(slots=True)
class ImageFile:
    """One file, and how far it has come.

    Attributes:
        path: Path as it was found.
        state: found, then hashed, then known or scored; or rejected on the way, or skipped for its kind.
        sha256: Digest of its content, 64 hex digits; "" before it is hashed.
        reason: Why it was rejected or skipped; "" otherwise.
        creative_id: Id of its content in the store; None until it is written.
        reading: How its pixels came about; None where that is not known.
    """

    path: Path
    state: FileState = FileState.FOUND
    sha256: str = ""
    reason: str = ""
    creative_id: int | None = None
    reading: Reading | None = None

    @property
    def settled(self) -> bool:
        """Whether nothing more happens to this file."""
        return self.state not in (FileState.FOUND, FileState.HASHED)

    def reject(self, reason: str) -> None:
        """Leave the file out from here on."""
        self.state, self.reason = FileState.REJECTED, reason

    def refuse(self, error: Exception) -> None:
        """Leave the file out for what its reader raised: as skipped where nothing is wrong with it but its kind."""
        if isinstance(error, ImageRejected):
            self.reject(error.reason)
        else:  # whatever one file does, the others go on
            self.reject(f"it cannot be read ({type(error).__name__}: {error})")
        if isinstance(error, KindNotRead):
            self.state = FileState.SKIPPED

    def share_fate(self, original: ImageFile) -> None:
        """Settle a copy like the file that was decoded for their common content."""
        if original.state in (FileState.REJECTED, FileState.SKIPPED):
            # what cannot be decoded cannot be decoded under another name either
            self.state, self.reason = original.state, original.reason
        elif original.sha256 != self.sha256:
            self.reject("its content changed while it was being read; try again")
        else:
            self.state = original.state


@dataclass(frozen=True, slots=True)
class Decoded(Generic[Prepared]):
    """One file with its content, and its pixels as an encoder wants them: one image, or the frames of a video."""

    file: ImageFile
    content: Content
    frames: tuple[Prepared, ...]


def all_frames(batch: Sequence[Decoded[Prepared]]) -> tuple[list[Prepared], list[slice]]:
    """Return the frames of a batch one after the other, and which of them belong to each file."""
    frames = [frame for decoded in batch for frame in decoded.frames]
    ends = list(accumulate(len(decoded.frames) for decoded in batch))
    return frames, [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]


def find_files(paths: Sequence[Path]) -> tuple[list[ImageFile], int]:
    """Return the image files under these paths, what is unusable already rejected or skipped; and how many others were
    ignored.
    """
    found = find_images(paths)
    files = [ImageFile(path) for path in found.files]
    files += [ImageFile(path, FileState.REJECTED, reason=reason) for path, reason in found.unusable]
    files += [ImageFile(path, FileState.SKIPPED, reason=reason) for path, reason in found.skipped]
    return files, found.ignored


@contextmanager
def decoders() -> Iterator[ThreadPoolExecutor]:
    """Open the threads that hash and decode. After a Ctrl-C nobody waits for what is still to be decoded."""
    pool = ThreadPoolExecutor(_DECODERS, thread_name_prefix="decode")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def hash_files(pool: ThreadPoolExecutor, files: Sequence[ImageFile], settings: ScoringSettings) -> None:
    """Hash the files that were found; those that cannot be read or are too large are rejected, whatever they raise."""

    def attempt(file: ImageFile) -> None:
        try:
            file.sha256 = hash_file(file.path, max_bytes=max_bytes(settings))
            file.state = FileState.HASHED
        except Exception as error:
            file.refuse(error)

    list(pool.map(attempt, [file for file in files if file.state is FileState.FOUND]))


def one_of_each(files: Sequence[ImageFile]) -> dict[str, ImageFile]:
    """Return the first hashed file of each content that is not settled yet, by digest."""
    first: dict[str, ImageFile] = {}
    for file in files:
        if file.state is FileState.HASHED:
            first.setdefault(file.sha256, file)
    return first


def decode_batches(
    pool: ThreadPoolExecutor,
    files: Sequence[ImageFile],
    prepare: Callable[[Image.Image], Prepared],
    settings: ScoringSettings,
) -> Iterator[list[Decoded[Prepared]]]:
    """Yield batches of decoded files in their order; while one is being looked at, the next is decoded.

    Files that cannot be decoded are rejected. The digest of the others becomes that of the content that was decoded.

    Args:
        pool: The threads of `decoders`.
        files: Which files to decode.
        prepare: Turns an upright RGB image into what the encoder takes; runs in the threads.
        settings: Batch size and the largest file that is read.
    """
    size = settings.batch_size

    def attempt(file: ImageFile) -> Decoded[Prepared] | None:
        try:
            content = read_content(file.path, max_bytes=max_bytes(settings))
            frames = tuple(prepare(image) for image in (content.decoded.image, *content.decoded.more))
        except Exception as error:
            file.refuse(error)
            return None
        file.sha256, file.reading = content.sha256, content.decoded.reading
        return Decoded(file, content, frames)

    waiting = iter(files)
    ahead: deque[Future[Decoded[Prepared] | None]] = deque()
    batch: list[Decoded[Prepared]] = []
    while True:
        # At most two batches of pixels are in memory, whatever the number of files.
        while len(ahead) < 2 * size and (file := next(waiting, None)) is not None:
            ahead.append(pool.submit(attempt, file))
        if not ahead:
            break
        if (decoded := ahead.popleft().result()) is not None:
            batch.append(decoded)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def max_bytes(settings: ScoringSettings) -> int:
    """Return the size of the largest image file that is read."""
    return round(settings.max_file_mb * 2**20)
