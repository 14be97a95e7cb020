"""Several processes decode as the threads of one do; what one of them dies of costs one file."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from abkit.intake.media import decoding_processes
from abkit.intake.media.decoding_processes import DecodingProcesses
from abkit.intake.media.images import read_content
from abkit_model.errors import ImageRejected
from abkit_model.images import Canvas, prepare
from tests.images import broken_files, save_images, unusual_files

CANVAS = Canvas(area=96 * 96, cell=32, longest=384)
MOST_BYTES = 2**27


@pytest.fixture
def two() -> Iterator[DecodingProcesses]:
    with DecodingProcesses(2) as processes:
        yield processes


def refusal(read: Callable[..., object], *asked: object, **named: object) -> tuple[type, str] | None:
    try:
        read(*asked, **named)
    except ImageRejected as error:
        return type(error), error.reason
    return None


def test_they_make_of_every_file_what_a_thread_makes_of_it(two: DecodingProcesses, tmp_path: Path) -> None:
    good = [*save_images(tmp_path / "plain", 6), *unusual_files(tmp_path / "unusual")]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda path: two.read(CANVAS, path, MOST_BYTES), good))
    assert len(two._all) <= 2
    for path, answer in zip(good, answers, strict=True):
        assert answer is not None
        content, frames = answer
        here = read_content(path, max_bytes=MOST_BYTES)
        assert content.columns() == here.columns(), path
        assert content.decoded.reading == here.decoded.reading
        for image, frame in zip([here.decoded.image, *here.decoded.more], frames, strict=True):
            expected = prepare(image, CANVAS)
            assert np.array_equal(frame.pixels, expected.pixels), path
            assert (frame.width, frame.height) == (expected.width, expected.height)


def test_they_refuse_what_a_thread_refuses_with_the_same_reason(two: DecodingProcesses, tmp_path: Path) -> None:
    (tmp_path / "page.pdf").write_bytes(b"%PDF-1.7")
    broken = [tmp_path / name for name in broken_files(tmp_path)]
    good = save_images(tmp_path, 1)
    for path in [*broken, tmp_path / "page.pdf", tmp_path / "missing.png", *good]:
        there = refusal(two.read, CANVAS, path, MOST_BYTES)
        assert there == refusal(read_content, path, max_bytes=MOST_BYTES), path
        assert (there is None) == (path in good)
    assert len(two._all) == 1
    assert refusal(two.read, CANVAS, good[0], 10) == refusal(read_content, good[0], max_bytes=10) is not None


def test_an_image_beyond_the_share_of_one_process_is_left_to_the_thread(tmp_path: Path) -> None:
    Image.new("RGB", (2_100, 2_000), "red").save(tmp_path / "large.png")
    with DecodingProcesses(16) as sixteen:  # four megapixels each
        assert sixteen.read(CANVAS, tmp_path / "large.png", MOST_BYTES) is None
        assert sixteen.read(CANVAS, save_images(tmp_path, 1)[0], MOST_BYTES) is not None


def test_a_process_that_ends_over_a_file_costs_that_file_and_no_other(two: DecodingProcesses, tmp_path: Path) -> None:
    first, second, third = save_images(tmp_path, 3)
    two.read(CANVAS, first, MOST_BYTES)
    os.kill(two._all[0].pid, signal.SIGKILL)
    with pytest.raises(ImageRejected, match=r"^the process that decoded it ended \(signal 9\)$"):
        two.read(CANVAS, second, MOST_BYTES)
    assert two.read(CANVAS, third, MOST_BYTES) is not None


def test_where_no_process_can_be_started_all_is_left_to_threads(
    two: DecodingProcesses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    (path,) = save_images(tmp_path, 1)
    assert two.read(CANVAS, path, MOST_BYTES) is None
    monkeypatch.setattr(decoding_processes.subprocess, "Popen", None)  # and nobody tries again
    assert two.read(CANVAS, path, MOST_BYTES) is None


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no process can be stopped on Windows")
def test_the_block_ends_while_one_of_them_hangs_and_no_other_one_is_started_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding_processes, "_STOP_SECONDS", 0.2)
    (path,) = save_images(tmp_path, 1)
    pool = ThreadPoolExecutor(1)
    processes = DecodingProcesses(1)

    def interrupt() -> Future[object]:
        with processes:
            processes.read(CANVAS, path, MOST_BYTES)
            os.kill(processes._all[0].pid, signal.SIGSTOP)
            return pool.submit(processes.read, CANVAS, path, MOST_BYTES)

    try:
        ending = Future[Future[object]]()
        threading.Thread(target=lambda: ending.set_result(interrupt()), daemon=True).start()
        waits = ending.result(timeout=30)
        assert isinstance(waits.exception(timeout=30), ImageRejected)
        assert processes.read(CANVAS, path, MOST_BYTES) is None
        assert [process.returncode for process in processes._all] == [-signal.SIGKILL]
    finally:
        processes._all[0].kill()
        pool.shutdown()


def test_all_of_them_end_with_the_block(tmp_path: Path) -> None:
    with DecodingProcesses(1) as processes:
        processes.read(CANVAS, save_images(tmp_path, 1)[0], MOST_BYTES)
        assert processes._all[0].poll() is None
    assert processes._all[0].returncode == 0
