"""Image files on their way into the store: found, hashed, decoded beside the model; or rejected, with the reason."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from abkit.config import ScoringSettings
from abkit.intake.media.decoding_processes import MOST, DecodingProcesses
from abkit.intake.media.images import Content, find_images, hash_file, names_of, read_content
from abkit.intake.remote.address import Address
from abkit.intake.remote.fetch import Fetched, Limits, Progress, fetched
from abkit.vocabulary import FileState
from abkit_model.decoding.formats import IMAGE_SUFFIXES, VIDEO_SUFFIXES, kind_of_suffix
from abkit_model.errors import ImageRejected, KindNotRead
from abkit_model.names import composed

if TYPE_CHECKING:
    from PIL import Image

    from abkit_model.images import Reading

Prepared = TypeVar("Prepared")
Read: TypeAlias = Callable[[Path, int], tuple[Content, tuple[Prepared, ...]] | None]

_FEWEST_DECODERS = 2
# With fewer cores, or for fewer files, threads decode as fast, and take no more memory.
_CORES_FOR_PROCESSES, _FILES_FOR_PROCESSES = 4, 64
# Cores that are left to the process that they decode for: one writes, one has a GPU at work.
_CORES_LEFT = 2


@dataclass(kw_only=True, slots=True)
class ImageFile:
    """One file, and how far it has come.

    Attributes:
        path: Path as it was found, or was fetched to.
        origin: Where it was fetched from; None for a file of this machine.
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
    origin: Address | None = None

    @property
    def names(self) -> tuple[str, str]:
        """Its full name and the last part of it, as the store keeps them."""
        if self.origin is None:
            return names_of(self.path)
        return composed(self.origin.shown), composed(self.origin.name)

    @property
    def shown(self) -> Path | str:
        """Its path as it was found, or the address that it was fetched from."""
        return self.path if self.origin is None else self.origin.shown

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


@contextmanager
def fetched_images(
    paths: Sequence[str | Path],
    settings: ScoringSettings,
    *,
    progress: Progress = lambda done, total: None,
    public: Limits | None = None,
) -> Iterator[Fetched]:
    """Yield the images behind paths and addresses (`s3://…`, `https://…`); what was fetched is gone afterwards.

    Args:
        paths: Files, folders, patterns or addresses.
        settings: The largest file that is read.
        progress: Called with (files fetched, files in all).
        public: Somebody else named them: only what is on the public web is fetched, within these limits.

    Raises:
        UsageError: An address is not of a kind that is read, or holds credentials.
    """
    limits = public or Limits(
        file_bytes=max_bytes(settings), size_hint="raise max_file_mb under [scoring] in abkit.toml"
    )
    with fetched(
        paths, wanted=_is_image, deep=True, limits=limits, progress=progress, public=public is not None
    ) as found:
        yield found


def _is_image(name: str) -> bool:
    return Path(name).suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES


def find_files(paths: Sequence[Path] | Fetched) -> tuple[list[ImageFile], int]:
    """Return the image files under these paths, what is unusable already rejected or skipped; and how many others were
    ignored.
    """
    if isinstance(paths, Fetched):
        files, ignored = find_files(paths.paths)
        for file in files:
            file.origin = paths.origins.get(file.path)
        return files + _not_fetched(paths), ignored + sum(
            kind_of_suffix(Path(name).suffix) is None for others in paths.left_alone.values() for name in others
        )
    found = find_images(paths)
    files = [ImageFile(path=path) for path in found.files]
    files += [ImageFile(path=path, state=FileState.REJECTED, reason=reason) for path, reason in found.unusable]
    files += [ImageFile(path=path, state=FileState.SKIPPED, reason=reason) for path, reason in found.skipped]
    return files, found.ignored


def _not_fetched(fetched: Fetched) -> list[ImageFile]:
    """Return a rejected file for what could not be fetched, a skipped one for what is of a kind that is not read."""
    files = [
        _elsewhere(one.address, FileState.REJECTED, f"{one.reason} ({one.hint})" if one.hint else one.reason)
        for one in fetched.refused
    ]
    others = [name for names in fetched.left_alone.values() for name in names]
    kinds = {name: kind_of_suffix(Path(name).suffix) for name in others}
    return files + [_elsewhere(name, FileState.SKIPPED, kind.reason) for name, kind in kinds.items() if kind]


def _elsewhere(shown: str, state: FileState, reason: str) -> ImageFile:
    origin = Address(scheme=shown.split(":", 1)[0], full=shown, shown=shown)
    return ImageFile(path=Path(origin.name), state=state, reason=reason, origin=origin)


@contextmanager
def decoders() -> Iterator[ThreadPoolExecutor]:
    """Open the threads that hash and decode. After a Ctrl-C nobody waits for what is still to be decoded."""
    pool = ThreadPoolExecutor(max(_FEWEST_DECODERS, _cores()), thread_name_prefix="decode")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def decoding_processes(files: int) -> Iterator[DecodingProcesses | None]:
    """Open the processes that decode so many files for an encoder that does not wait for threads, if it is worth it.

    Each is started by the first file that it decodes.
    """
    worth = _cores() >= _CORES_FOR_PROCESSES and files >= _FILES_FOR_PROCESSES
    with DecodingProcesses(min(_cores() - _CORES_LEFT, MOST)) if worth else nullcontext() as processes:
        yield processes


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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
    read: Read[Prepared] | None = None,
) -> Iterator[list[Decoded[Prepared]]]:
    """Yield batches of decoded files in their order; while one is being looked at, the next is decoded.

    Files that cannot be decoded are rejected. The digest of the others becomes that of the content that was decoded.

    Args:
        pool: The threads of `decoders`.
        files: Which files to decode.
        prepare: Turns an upright RGB image into what the encoder takes; runs in the threads.
        settings: Batch size and the largest file that is read.
        read: Another process decodes a file, given the size of the largest; what it returns None for, a thread does.
    """
    size = settings.batch_size

    def attempt(file: ImageFile) -> Decoded[Prepared] | None:
        try:
            if read and (elsewhere := read(file.path, max_bytes(settings))) is not None:
                content, frames = elsewhere
            else:
                content = read_content(file.path, max_bytes=max_bytes(settings))
                frames = tuple(prepare(image) for image in (content.decoded.image, *content.decoded.more))
        except Exception as error:
            file.refuse(error)
            return None
        file.sha256, file.reading = content.sha256, content.decoded.reading
        return Decoded(file, content.without_pixels(), frames)

    waiting = iter(files)
    ahead: deque[Future[Decoded[Prepared] | None]] = deque()
    batch: list[Decoded[Prepared]] = []
    # So many batches of pixels are in memory, whatever the number of files; other processes give small ones.
    most = size * (4 if read else 2)
    while True:
        while len(ahead) < most and (file := next(waiting, None)) is not None:
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
