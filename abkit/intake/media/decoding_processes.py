"""Images decoded in several processes: threads of one wait for each other at every step that Python takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import numpy as np
from PIL import Image

from abkit.intake.media.images import Content
from abkit.intake.media.properties import ImageProperties
from abkit_model.errors import ImageRejected, KindNotRead
from abkit_model.images import Canvas, DecodedImage, Prepared, Reading
from abkit_model.limits import MAX_PIXELS

#: More are not needed by any encoder here, and each takes some 100 MB.
MOST = 16
# What a decoder frees is what the next image takes: given back to the kernel it would be cleared every time (glibc).
_KEEP_FREED = {"MALLOC_TRIM_THRESHOLD_": str(128 * 2**20), "MALLOC_MMAP_THRESHOLD_": str(2**30)}
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_PIPE_BYTES = 2**20
_STOP_SECONDS = 5
_NO_PIXELS = Image.new("RGB", (1, 1))


class DecodingProcesses:
    """So many processes at most, each started when a thread needs one more; all of them end with the `with` block.

    Together they have as many pixels at the same time as the threads of one process may have.
    """

    def __init__(self, most: int) -> None:
        self._pixels = MAX_PIXELS // most
        self._turns = threading.BoundedSemaphore(most)
        self._idle: list[subprocess.Popen[bytes]] = []  # a list is changed by one thread at a time
        self._all: list[subprocess.Popen[bytes]] = []
        self._usable = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._usable = False  # after a Ctrl-C threads go on for a moment
        for process in self._all:
            _stop_asking(process)  # all of them end at the same time
        for process in self._all:
            _end(process)

    def read(self, canvas: Canvas, path: Path, max_bytes: int) -> tuple[Content, tuple[Prepared, ...]] | None:
        """Read, decode and prepare one file, without its pixels at full size; None where that is left to the thread.

        Raises:
            ImageRejected: The file cannot be used, or the process ended over it.
        """
        asked = {"path": os.path.abspath(path), "max_bytes": max_bytes, "canvas": asdict(canvas)}
        with self._turns:
            process = self._taken() or self._started()
            if process is None:
                return None
            try:
                header, frames = _ask(process, asked)
            except (OSError, ValueError) as error:  # it ended, and at most a part of an answer came
                _end(process)
                raise ImageRejected(f"the process that decoded it ended ({_ending(process.returncode)})") from error
            self._idle.append(process)
        if header.get("left"):
            return None
        if reason := header.get("refused"):
            raise KindNotRead(reason) if header["kind"] else ImageRejected(reason)
        reading: dict[str, Any] = header["reading"]
        reading |= {name: tuple(value) for name, value in reading.items() if isinstance(value, list)}
        content = Content(
            sha256=header["sha256"],
            perceptual_hash=header["perceptual_hash"],
            size=header["size"],
            decoded=DecodedImage(image=_NO_PIXELS, **header["decoded"], reading=Reading(**reading)),
            properties=ImageProperties(**header["properties"]),
        )
        return content, frames

    def _taken(self) -> subprocess.Popen[bytes] | None:
        with suppress(IndexError):
            return self._idle.pop()
        return None

    def _started(self) -> subprocess.Popen[bytes] | None:
        """Return a new process; None where there can be none, now and from here on."""
        if not self._usable:
            return None
        command = [sys.executable, "-P", "-m", "abkit.intake.media.decoding_worker", str(self._pixels)]
        modules = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        environment = {**os.environ, **_ONE_THREAD, **_KEEP_FREED, **modules}
        try:
            process = subprocess.Popen(  # noqa: S603  # our own module
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
            )
        except OSError:  # too many processes, or no memory
            self._usable = False
            return None
        self._all.append(process)
        try:
            _widen(process)
            _answered(process)
        except (OSError, ValueError):
            self._usable = False
        if not self._usable:  # it cannot work, or the block has ended meanwhile
            _end(process)
            return None
        return process


def _ask(process: subprocess.Popen[bytes], what: dict[str, Any]) -> tuple[dict[str, Any], tuple[Prepared, ...]]:
    """Send a line and return the answer.

    Raises:
        OSError, ValueError: The process ended.
    """
    assert process.stdin  # noqa: S101  # a pipe
    process.stdin.write(json.dumps(what).encode() + b"\n")
    process.stdin.flush()
    return _answered(process)


def _answered(process: subprocess.Popen[bytes]) -> tuple[dict[str, Any], tuple[Prepared, ...]]:
    assert process.stdout  # noqa: S101  # a pipe
    header: dict[str, Any] = json.loads(process.stdout.readline())
    frames = []
    for rows, columns, width, height in header.pop("frames", ()):
        pixels = np.empty((rows, columns, 3), np.uint8)
        if cast(BufferedReader, process.stdout).readinto(pixels.data) != pixels.nbytes:
            raise ValueError("the answer is not whole")
        frames.append(Prepared(pixels=pixels, width=width, height=height))
    return header, tuple(frames)


def _widen(process: subprocess.Popen[bytes]) -> None:
    """Let a whole image lie in the pipe, where the system can."""
    if sys.platform == "linux":
        import fcntl

        assert process.stdout  # noqa: S101
        with suppress(OSError):
            fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Close what a process reads, which ends it, and wait for that; kill it where it does not end."""
    _stop_asking(process)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    assert process.stdout  # noqa: S101  # a pipe
    process.stdout.close()  # last: a thread that waits for an answer holds it until the process is no more


def _stop_asking(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin  # noqa: S101  # a pipe
    with suppress(OSError):
        process.stdin.close()


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit status {code}"
