"""Where encoders compute: one place chooses, and a GPU whose memory ends takes fewer images at once."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import stats

from abkit_model import devices
from abkit_model.checkpoint import Checkpoint
from abkit_model.data.tokens import TokenCache, extract
from abkit_model.encoders.frozen import FrozenEncoder
from abkit_model.encoders.load import load_encoder
from abkit_model.errors import DeviceUnavailable
from abkit_model.explain import METHODS, score_map
from abkit_model.images import Prepared
from abkit_model.scorer import Scorer
from tests.model.conftest import photograph

SMALL = "bundled:efficientnet-lite0"
cuda = [pytest.mark.cuda, pytest.mark.skipif(bool(devices.why_no_cuda()), reason=devices.why_no_cuda() or "a GPU")]


@pytest.fixture(autouse=True)
def _no_preference() -> Iterator[None]:
    yield
    devices.prefer("auto")


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_auto_is_the_processor_and_cuda_is_refused_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert devices.chosen() == devices.chosen("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.version, "hip", None)
    with pytest.raises(DeviceUnavailable, match=r"cuda was asked for, and there is none here: torch .* without CUDA"):
        load_encoder(SMALL, device="cuda")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    with pytest.raises(DeviceUnavailable, match="torch finds no GPU") as caught:
        devices.chosen("cuda")
    assert "--device cpu" in caught.value.hint


def test_a_driver_that_is_too_old_is_named_in_the_reason_and_warns_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    import warnings

    def old_driver() -> bool:
        warnings.warn("CUDA initialization: The NVIDIA driver is too old (Triggered internally at …)", stacklevel=1)
        return False

    monkeypatch.setattr(torch.cuda, "is_available", old_driver)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert devices.chosen("auto").type == "cpu"
        assert devices.why_no_cuda() == "CUDA initialization: The NVIDIA driver is too old"


def test_what_a_process_prefers_holds_for_encoders_that_name_no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert devices.chosen().type == "cuda"
    devices.prefer("cpu")
    assert devices.chosen().type == "cpu"
    assert devices.chosen("auto").type == "cuda"
    for wrong in (lambda: devices.prefer("gpu"), lambda: devices.chosen("gpu")):
        with pytest.raises(ValueError, match="expected one of auto, cpu, cuda"):
            wrong()


class Narrow:
    """A backbone whose memory holds so many images at once, and whose half precision ends early."""

    def __init__(self, inside: object, holds: int) -> None:
        self.inside, self.holds, self.seen = inside, holds, []

    def __getattr__(self, name: str) -> object:
        return getattr(self.inside, name)

    def features(self, pixels: torch.Tensor, *sizes: torch.Tensor) -> tuple[torch.Tensor, ...]:
        self.seen.append((len(pixels), torch.is_autocast_enabled("cpu")))
        if len(pixels) > self.holds:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.inside.features(pixels, *sizes)


def narrow(encoder: FrozenEncoder, holds: int) -> FrozenEncoder:
    return FrozenEncoder(encoder.name, Narrow(encoder._backbone, holds), "float32", "cpu")


def batch_of(encoder: FrozenEncoder, count: int) -> list[Prepared]:
    return [encoder.prepare(photograph(seed, *((96, 96) if seed % 3 else (128, 72)))) for seed in range(count)]


def test_where_memory_ends_the_images_at_once_are_halved_and_stay_so_and_none_is_lost(encoder: FrozenEncoder) -> None:
    tight, images = narrow(encoder, holds=3), batch_of(encoder, 13)
    seen = tight.encode(images)
    assert tight.at_once == 2
    fitted = [count for count, _ in tight._backbone.seen if count <= 3]
    assert sum(fitted) == 13
    assert max(fitted) == 2  # 8, 4, then 2
    whole = FrozenEncoder(encoder.name, encoder._backbone, "float32", "cpu").encode(images)
    assert torch.allclose(seen.embedding, whole.embedding, atol=1e-4)
    assert seen.grid == whole.grid
    before = len(tight._backbone.seen)
    tight.encode(images[:2])
    assert all(count <= 2 for count, _ in tight._backbone.seen[before:])


def test_a_memory_that_does_not_hold_one_image_is_an_error_with_a_way_out(encoder: FrozenEncoder) -> None:
    with pytest.raises(DeviceUnavailable, match="does not hold bundled:efficientnet-lite0 and one image") as caught:
        narrow(encoder, holds=0).encode(batch_of(encoder, 1))
    assert "--device cpu" in caught.value.hint


def test_weights_that_leave_the_range_of_float16_compute_in_float32_from_then_on(encoder: FrozenEncoder) -> None:
    class Overflowing(Narrow):
        def features(self, pixels: torch.Tensor, *sizes: torch.Tensor) -> tuple[torch.Tensor, ...]:
            half = torch.is_autocast_enabled("cpu")
            tokens, mask, embedding = super().features(pixels, *sizes)
            return tokens, mask, embedding + (torch.inf if half else 0)

    backbone = Overflowing(encoder._backbone, 100)
    frozen = FrozenEncoder(encoder.name, backbone, "float16", "cpu")
    assert torch.isfinite(frozen.encode(batch_of(encoder, 2)).embedding).all()
    assert frozen.where == "cpu, float32"
    frozen.encode(batch_of(encoder, 1))
    assert [half for _, half in backbone.seen][-1] is False


def test_precisions_that_there_are_not_are_refused() -> None:
    with pytest.raises(ValueError, match="precision is 'int4'"):
        load_encoder(SMALL, "int4")


def test_a_scorer_on_the_processor_is_a_copy_that_leaves_the_other_alone(scorer: Scorer) -> None:
    other = scorer.on_cpu()
    assert other.encoder.where == "cpu, float32"
    assert other.encoder is not scorer.encoder
    moved = SimpleNamespace(type="cuda")
    elsewhere = FrozenEncoder(scorer.encoder.name, scorer.encoder._backbone, "float32", "cpu")
    elsewhere.device = moved
    back = elsewhere.on_cpu()
    assert back.device.type == "cpu"
    assert back._backbone is not elsewhere._backbone
    assert elsewhere.device is moved


def test_a_few_threads_are_those_of_before_afterwards() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(7)
    try:
        with devices.few_threads():
            assert torch.get_num_threads() == 4
        assert torch.get_num_threads() == 7
    finally:
        torch.set_num_threads(before)


def loaded(half: str, device: str = "cuda") -> Scorer:
    return Scorer.load(precision=half, device=device)


class TestOnAGpu:
    """What needs one; `pytest -m cuda` runs these alone."""

    pytestmark = cuda

    def test_float32_on_both_gives_the_same_scores_and_half_precision_the_same_order(self) -> None:
        images = [photograph(seed, 320 + 40 * (seed % 4), 300) for seed in range(60)]
        means = {}
        for half, device in (("float32", "cpu"), ("float32", "cuda"), ("float16", "cuda"), ("bfloat16", "cuda")):
            means[half, device] = np.array([one.mean for one in loaded(half, device).score(images, batch=30)])
        exact = means["float32", "cpu"]
        assert np.abs(means["float32", "cuda"] - exact).max() < 1e-3
        assert np.abs(means["float16", "cuda"] - exact).max() < 0.02
        assert np.abs(means["bfloat16", "cuda"] - exact).max() < 0.5  # why float16 is what auto takes
        assert stats.spearmanr(means["float16", "cuda"], exact).statistic >= 0.999

    def test_a_number_of_images_that_was_not_met_before_takes_no_second(self) -> None:
        encoder = loaded("float16").encoder
        prepared = [encoder.prepare(photograph(seed, 320, 320)) for seed in range(23)]
        encoder.encode(prepared[:2])
        begin = time.perf_counter()
        for number in range(3, 23):
            encoder.encode(prepared[:number])
        assert time.perf_counter() - begin < 20 * 0.3  # with the plans of cuDNN more than one each

    def test_auto_computes_in_half_precision_on_the_gpu_and_says_so(self) -> None:
        scorer = Scorer.load()
        scorer.score(photograph(1))
        assert scorer.encoder.where.startswith("cuda: ")
        assert scorer.encoder.where.endswith(", float16")
        assert next(scorer.encoder._backbone._network.parameters()).is_cuda

    def test_a_checkpoint_saved_beside_one_device_loads_on_the_other(
        self, checkpoint_folder: Path, random_checkpoint: Checkpoint, encoder: FrozenEncoder
    ) -> None:
        means = []
        for device in ("cuda", "cpu"):
            there = FrozenEncoder(encoder.name, encoder._backbone, "float32", device)
            if device == "cpu":
                there._backbone.move(torch.device("cpu"))
            means.append(Scorer(random_checkpoint, there).score(photograph(3)).mean)
        assert means[0] == pytest.approx(means[1], abs=1e-3)

    def test_tokens_made_on_the_gpu_are_those_of_the_processor(self, tmp_path: Path) -> None:
        path = tmp_path / "one.png"
        photograph(5, 200, 160).save(path)
        cache = TokenCache(tmp_path / "cache")
        made, _ = extract([path], load_encoder(SMALL, device="cuda"), cache=cache)
        kept, _ = extract([path], load_encoder(SMALL, "float32", device="cpu"))
        assert made.rows[0][0].device.type == "cpu"
        assert torch.nn.functional.cosine_similarity(made.rows[0][2], kept.rows[0][2], dim=0) > 0.9999

    def test_overlays_are_drawn_on_the_gpu_as_on_the_processor(self) -> None:
        for method in METHODS:
            maps = []
            for device in ("cuda", "cpu"):
                scorer = loaded("float32", device)
                maps.append(score_map(scorer, scorer.prepare(photograph(2, 96, 64)), method))
            assert np.allclose(*maps, atol=1e-3), method

    def test_a_gpu_with_little_room_scores_all_images_in_smaller_batches(self) -> None:
        scorer = loaded("float16")
        images = [photograph(seed, 320, 320) for seed in range(96)]
        scorer.score(images[0])
        roomy = [one.mean for one in scorer.score(images, batch=96)]
        torch.cuda.empty_cache()
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 300 * 2**20) / total)
        try:
            tight = [one.mean for one in scorer.score(images, batch=96)]
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
        assert scorer.encoder.at_once < 96
        assert np.abs(np.array(tight) - roomy).max() < 2e-3
        print(json.dumps({"at_once": scorer.encoder.at_once}))
