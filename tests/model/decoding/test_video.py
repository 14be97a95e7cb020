"""Films: four frames, bounded in every direction, in a process of their own."""

import contextlib
import importlib.util
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from abkit_model.decoding import film_worker, video
from abkit_model.errors import ImageRejected, KindNotRead
from abkit_model.images import FRAMES_ONLY, open_creative, open_image
from tests.films import CODECS, save_film
from tests.images import make_image

pytest.importorskip("cv2")

SIZE = (160, 120)
SCENES = [make_image(seed, SIZE) for seed in range(4)]
FRAMES = [scene for scene in SCENES for _ in range(10)]  # 4 seconds


def near(image: Image.Image, wanted: Image.Image) -> bool:
    apart = np.abs(np.asarray(image).astype(int) - np.asarray(wanted.resize(image.size)).astype(int))
    return float(apart.mean()) < 12


@pytest.mark.parametrize("suffix", CODECS)
def test_a_film_is_its_poster_and_a_frame_at_each_quarter(suffix: str, tmp_path: Path) -> None:
    decoded = open_creative(save_film(tmp_path / f"film{suffix}", FRAMES))
    wanted = {".mp4": "video/mp4", ".m4v": "video/mp4", ".webm": "video/webm"}.get(suffix, "video/quicktime")
    assert decoded.media_type == wanted
    assert (decoded.width, decoded.height) == SIZE
    assert decoded.reading.seconds == (0.0, 1.0, 2.0, 3.0)
    assert decoded.reading.notes == (FRAMES_ONLY,)
    frames = (decoded.image, *decoded.more)
    assert [near(frame, scene) for frame, scene in zip(frames, SCENES, strict=True)] == [True] * 4
    assert not near(frames[0], SCENES[1])


def test_the_poster_of_a_film_that_fades_in_is_the_first_frame_that_shows_something(tmp_path: Path) -> None:
    black = [Image.new("RGB", SIZE)] * 8
    decoded = open_creative(save_film(tmp_path / "film.mp4", black + FRAMES))
    assert decoded.reading.seconds[0] == pytest.approx(0.8)
    assert near(decoded.image, SCENES[0])
    assert any("starts with blank frames" in note for note in decoded.reading.notes)


def test_a_film_of_nothing_is_named_and_one_of_a_single_frame_has_one(tmp_path: Path) -> None:
    blank = open_creative(save_film(tmp_path / "blank.mp4", [Image.new("RGB", SIZE, "white")] * 20))
    assert any(note.startswith("nothing to see") for note in blank.reading.notes)
    single = open_creative(save_film(tmp_path / "single.mp4", SCENES[:1]))
    assert (single.reading.seconds, single.more) == ((0.0,), ())


def test_large_frames_are_scaled_down_and_the_film_keeps_its_size(tmp_path: Path) -> None:
    decoded = open_creative(save_film(tmp_path / "film.mp4", [make_image(1, (1920, 1080))] * 4))
    assert (decoded.width, decoded.height) == (1920, 1080)
    assert decoded.image.width * decoded.image.height <= 1_010_000


def test_the_same_film_gives_the_same_pixels(tmp_path: Path) -> None:
    path = save_film(tmp_path / "film.mp4", FRAMES)
    one, other = open_creative(path), open_creative(path)
    assert [frame.tobytes() for frame in (one.image, *one.more)] == [
        frame.tobytes() for frame in (other.image, *other.more)
    ]


def test_an_image_is_decoded_as_ever_and_a_film_is_no_image(tmp_path: Path) -> None:
    make_image(1).save(tmp_path / "a.png")
    assert open_creative(tmp_path / "a.png").image.tobytes() == make_image(1).tobytes()
    with pytest.raises(KindNotRead, match="a video is not an image"):
        open_image(save_film(tmp_path / "film.mp4", FRAMES))


def test_without_the_extra_a_film_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_film(tmp_path / "film.mp4", FRAMES)
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "cv2" else find(name, *rest))
    with pytest.raises(KindNotRead, match=r"pip install 'abkit\[video\]'"):
        open_creative(path)


@pytest.mark.parametrize("damage", ["cut", "noise", "header only", "text behind the brand", "zeros"])
def test_a_damaged_film_is_one_sentence(damage: str, tmp_path: Path) -> None:
    data = save_film(tmp_path / "film.mp4", FRAMES).read_bytes()
    random = np.random.default_rng(0)
    broken = {
        "cut": data[: len(data) // 2],
        "noise": data[:32] + random.bytes(len(data)),
        "header only": data[:32],
        "text behind the brand": data[:32] + b"#EXTM3U\nfile:///etc/passwd\n",
        "zeros": data[:32] + bytes(10_000),
    }[damage]
    with pytest.raises(ImageRejected, match="video"):
        open_creative(broken)


def test_whatever_is_damaged_in_a_film_ends_in_frames_or_in_a_rejection(tmp_path: Path) -> None:
    data = save_film(tmp_path / "film.mp4", FRAMES).read_bytes()
    random = np.random.default_rng(1)
    for _ in range(4):
        broken = bytearray(data)
        for place in random.integers(40, len(data), 30):
            broken[place] = int(random.integers(256))
        with contextlib.suppress(ImageRejected):
            assert open_creative(bytes(broken)).image.mode == "RGB"


def test_a_film_that_is_too_long_is_refused(tmp_path: Path) -> None:
    slow = save_film(tmp_path / "slow.mp4", FRAMES, rate=0.05)  # 40 frames of 20 seconds
    with pytest.raises(ImageRejected, match="longer than 10 minutes"):
        open_creative(slow)


@pytest.mark.parametrize(("limit", "value"), [("MAX_PIXELS", 10_000), ("MIN_SIDE", 150)])
def test_a_film_that_is_too_large_or_too_small_is_refused_from_its_header(
    limit: str, value: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import cv2

    monkeypatch.setattr(film_worker, limit, value)
    with pytest.raises(film_worker.Refused, match="160×120"):
        film_worker.decode(cv2, str(save_film(tmp_path / "film.mp4", FRAMES)))


def test_a_film_that_takes_too_long_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "MAX_DECODE_SECONDS", 0.01)
    started = time.monotonic()
    with pytest.raises(ImageRejected, match="seconds to decode"):
        open_creative(save_film(tmp_path / "film.mp4", FRAMES))
    assert time.monotonic() - started < 10
