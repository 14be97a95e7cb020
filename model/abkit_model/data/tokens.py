"""Encoder tokens on disk, so that training and re-scoring run the encoder once per image."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy
import safetensors.torch
import torch
from PIL import ImageOps

from abkit_model.encoders.frozen import Encoded, FrozenEncoder, Row, collate
from abkit_model.errors import ImageRejected
from abkit_model.images import RULES, open_image, read_file

_DIGEST_BYTES = 32
_UNFINISHED = ".unfinished"
# A process that was killed while it wrote leaves such a file behind.
_ABANDONED_SECONDS = 3600


@dataclass(frozen=True)
class TokenCache:
    """Tokens in one file per image and encoder, in half precision. Any number of processes may share the folder.

    A file is its SHA-256 followed by safetensors. It appears whole or not at all; one that does not match its digest,
    or does not hold tokens, is dropped and made again. A cache is never a reason to fail: what cannot be read is made
    again, and what cannot be stored is not.

    Attributes:
        folder: Where the files lie.
        max_bytes: When more than this is stored, the files used longest ago go first.
    """

    folder: Path
    max_bytes: int = 2 * 2**30

    def get(self, sha256: str, fingerprint: str) -> Row | None:
        """Return the tokens of an image as this encoder saw it, or None when they must be made."""
        path = self._path(sha256, fingerprint)
        try:
            stored = memoryview(path.read_bytes())
        except OSError:
            return None
        digest, data = stored[:_DIGEST_BYTES], stored[_DIGEST_BYTES:]
        row = _unpacked(bytes(data)) if hashlib.sha256(data).digest() == digest else None
        # Another process may have dropped the file meanwhile, or the folder may be read-only.
        with suppress(OSError):
            if row is None:
                path.unlink()
            else:
                os.utime(path)  # the time of last use decides what goes when space runs out
        return row

    def put(self, sha256: str, fingerprint: str, row: Row) -> bool:
        """Store tokens and return whether that worked; on a full disk it does not, and nothing is left behind."""
        tokens, mask, embedding, grid = row
        data = safetensors.numpy.save(
            {
                "tokens": tokens.half().contiguous().numpy(),
                "mask": mask.contiguous().numpy(),
                "embedding": embedding.contiguous().numpy(),
                "grid": np.array(grid),
            }
        )
        path = self._path(sha256, fingerprint)
        unfinished = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, suffix=_UNFINISHED, delete=False) as file:
                unfinished = Path(file.name)
                file.write(hashlib.sha256(data).digest())
                file.write(data)
            os.replace(unfinished, path)
        except OSError:
            if unfinished is not None:
                with suppress(OSError):
                    unfinished.unlink()
            return False
        return True

    def trim(self) -> int:
        """Delete the files used longest ago until the limit holds, and return how many were deleted."""
        files = []
        for path in self.folder.rglob("*"):
            with suppress(OSError):  # another process may be tidying up too
                status = path.stat()
                if path.suffix == ".tokens":
                    files.append((status.st_mtime, status.st_size, path))
                elif path.suffix == _UNFINISHED and status.st_mtime < time.time() - _ABANDONED_SECONDS:
                    path.unlink()
        total = sum(size for _, size, _ in files)
        deleted = 0
        for _, size, path in sorted(files):
            if total <= self.max_bytes:
                break
            with suppress(OSError):
                path.unlink()
                deleted += 1
            total -= size
        return deleted

    def _path(self, sha256: str, fingerprint: str) -> Path:
        # Other rules make other pixels of the same file, and these other tokens.
        return self.folder / f"{fingerprint}-{RULES}" / sha256[:2] / f"{sha256}.tokens"


def _unpacked(data: bytes) -> Row | None:
    """Return tokens from safetensors, or None where something else is in there."""
    try:
        arrays = safetensors.torch.load(data)
        down, across = arrays["grid"].tolist()
        tokens, mask, embedding = arrays["tokens"].float(), arrays["mask"], arrays["embedding"].float()
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError):
        return None
    whole = tokens.ndim == 2 and embedding.ndim == 1 and mask.dtype == torch.bool
    if not whole or mask.shape != (down * across,) or len(tokens) != down * across:
        return None
    return tokens, mask, embedding, (down, across)


@dataclass(frozen=True)
class Features:
    """Tokens of many images, in memory, in half precision.

    Attributes:
        rows: One per image.
        sha256: Digest of each file's content.
    """

    rows: Sequence[Row]
    sha256: Sequence[str]

    def __reduce__(self) -> tuple[Callable[..., Features], tuple[object, ...]]:
        # Between processes torch sends a tensor as an open file, one each: a few hundred images are too many.
        return _from_arrays, ([(t.numpy(), m.numpy(), e.numpy(), g) for t, m, e, g in self.rows], self.sha256)

    def batch(self, indices: Iterable[int]) -> Encoded:
        """Return the images at some positions, padded to one length."""
        return collate([self.rows[i] for i in indices])

    def subset(self, keep: Iterable[int]) -> Features:
        """Return the images at some positions, as a set of their own."""
        chosen = list(keep)
        return Features([self.rows[i] for i in chosen], [self.sha256[i] for i in chosen])

    @property
    def embeddings(self) -> np.ndarray:
        """Embeddings of all images, `(n, E)` float32."""
        return torch.stack([row[2] for row in self.rows]).numpy()


def _from_arrays(
    rows: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray, tuple[int, int]]], sha256: Sequence[str]
) -> Features:
    tensor = torch.from_numpy
    return Features([(tensor(t), tensor(m), tensor(e), g) for t, m, e, g in rows], sha256)


def extract(
    paths: Sequence[Path],
    encoder: FrozenEncoder,
    *,
    cache: TokenCache | None = None,
    mirrored: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Features, dict[int, str]]:
    """Return the tokens of images on disk, and the reason for each position that has none.

    Args:
        paths: Image files.
        encoder: The frozen encoder.
        cache: Where to look first and to keep what was made.
        mirrored: Look at the images in a mirror, as augmentation.
        progress: Called with done and total after each batch.
    """
    rows: dict[int, Row] = {}
    digests: dict[int, str] = {}
    rejected: dict[int, str] = {}
    suffix = "-mirrored" if mirrored else ""
    waiting: list[int] = []
    for index, path in enumerate(paths):
        try:
            digests[index] = hashlib.sha256(read_file(path)).hexdigest()
        except ImageRejected as error:
            rejected[index] = error.reason
            continue
        row = cache.get(digests[index] + suffix, encoder.fingerprint) if cache else None
        if row is None:
            waiting.append(index)
        else:
            rows[index] = _half(row)
    size = max(16, encoder.together)
    for start in range(0, len(waiting), size):
        _encode(waiting[start : start + size], paths, encoder, mirrored, rows, rejected)
        for index in waiting[start : start + size]:
            if cache and index in rows:
                cache.put(digests[index] + suffix, encoder.fingerprint, rows[index])
        if progress:
            progress(len(rows) + len(rejected), len(paths))
    if cache:
        cache.trim()
    kept = sorted(rows)
    return Features([rows[i] for i in kept], [digests[i] for i in kept]), rejected


def _encode(
    indices: Sequence[int],
    paths: Sequence[Path],
    encoder: FrozenEncoder,
    mirrored: bool,
    rows: dict[int, Row],
    rejected: dict[int, str],
) -> None:
    prepared = {}
    for index in indices:
        try:
            image = open_image(paths[index]).image
        except ImageRejected as error:
            rejected[index] = error.reason
            continue
        prepared[index] = encoder.prepare(ImageOps.mirror(image) if mirrored else image)
    encoded = encoder.encode(list(prepared.values()))
    for position, index in enumerate(prepared):
        rows[index] = _half(split(encoded, position))


def split(encoded: Encoded, row: int) -> Row:
    """Return one image of a batch, without the padding of its length."""
    down, across = encoded.grid[row]
    length = down * across
    return encoded.tokens[row, :length], encoded.mask[row, :length], encoded.embedding[row], (down, across)


def _half(row: Row) -> Row:
    tokens, mask, embedding, grid = row
    return tokens.half(), mask, embedding, grid
