import json
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from scipy import stats

from abkit_model.checkpoint import Checkpoint
from abkit_model.encoders.folded import can_fold
from abkit_model.encoders.frozen import FrozenEncoder
from abkit_model.encoders.load import load_encoder
from abkit_model.errors import EncoderUnavailable, ImageRejected
from abkit_model.images import open_image
from abkit_model.scorer import TOLERANCE, Score, Scorer
from tests.model.conftest import photograph

SHAPES = [(160, 120), (120, 160), (300, 40), (33, 700), (128, 128), (160, 121), (2000, 32)]


def scores(scorer: Scorer, shapes: list[tuple[int, int]]) -> list[Score]:
    return scorer.score_prepared([scorer.prepare(photograph(i, *s)) for i, s in enumerate(shapes)])


def test_a_score_is_a_distribution_with_its_moments_and_intervals(scorer: Scorer) -> None:
    for score in scores(scorer, SHAPES):
        p, values = np.array(score.distribution), np.arange(1.0, 8.0)
        assert p.sum() == pytest.approx(1, abs=1e-5)
        assert score.mean == pytest.approx(p @ values, abs=1e-4)
        assert score.std == pytest.approx(math.sqrt(p @ values**2 - (p @ values) ** 2), abs=1e-3)
        assert score.ci_low == pytest.approx(max(1, score.mean - 1.25))
        assert score.ci_high == pytest.approx(min(7, score.mean + 1.25))
        assert score.ci_level == 0.9
        assert score.epistemic_std > 0
        assert len(score.query_activations) == 3 * 4
        assert score.embedding.shape == (scorer.encoder.embedding_dim,)
        assert score.embedding.dtype == np.float16


def test_a_score_does_not_depend_on_the_batch_it_is_in(scorer: Scorer) -> None:
    together = scores(scorer, SHAPES * 2)[: len(SHAPES)]
    for index, shape in enumerate(SHAPES):
        alone = scorer.score_prepared([scorer.prepare(photograph(index, *shape))])[0]
        assert together[index].mean == pytest.approx(alone.mean, abs=TOLERANCE)
        assert together[index].distribution == pytest.approx(alone.distribution, abs=TOLERANCE)


def test_images_can_be_prepared_in_threads(scorer: Scorer) -> None:
    images = [photograph(i) for i in range(12)]
    with ThreadPoolExecutor(4) as pool:
        threaded = scorer.score_prepared(list(pool.map(scorer.prepare, images)))
    assert [s.mean for s in threaded] == [s.mean for s in scorer.score_prepared([scorer.prepare(p) for p in images])]


@pytest.mark.parametrize("name", ["photo.jpg", "photo.png", "turned.jpg"])
def test_a_path_its_bytes_a_pil_image_and_an_array_get_one_score(scorer: Scorer, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    exif = Image.Exif()
    exif[0x0112] = 6 if "turned" in name else 1
    photograph(7, 300, 150).save(path, quality=90, exif=exif)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(path)))
    assert upright.shape == ((300, 150, 3) if "turned" in name else (150, 300, 3))
    wanted = scorer.score_prepared([scorer.prepare(open_image(path).image)])[0]
    for same in (path, str(path), path.read_bytes(), Image.open(path), upright, upright / 255, upright[::-1][::-1]):
        found = scorer.score(same)
        assert found.mean == pytest.approx(wanted.mean, abs=TOLERANCE)
        assert found.distribution == pytest.approx(wanted.distribution, abs=TOLERANCE)


def test_a_pil_image_of_any_mode_is_scored_as_its_file_is_and_stays_as_it_was(scorer: Scorer, tmp_path: Path) -> None:
    plain = photograph(3)
    faded = plain.convert("RGBA")
    faded.putalpha(plain.convert("L"))
    for number, image in enumerate((plain.convert("L"), plain.convert("P"), faded)):
        image.save(tmp_path / f"{number}.png")
        before = (image.mode, image.tobytes())
        found, wanted = scorer.score([image, tmp_path / f"{number}.png"])
        assert found.mean == pytest.approx(wanted.mean, abs=TOLERANCE)
        assert (image.mode, image.tobytes()) == before


def test_many_images_keep_their_order_in_batches_of_any_size(scorer: Scorer) -> None:
    images = [photograph(i) for i in range(5)]
    alone = [scorer.score(image).mean for image in images]
    assert len({round(mean, 4) for mean in alone}) == 5
    stack = np.stack([np.asarray(image) for image in images])
    for many, batch in ((images, 2), (iter(images), 16), (tuple(images), 1), (stack, 3)):
        assert [score.mean for score in scorer.score(many, batch=batch)] == pytest.approx(alone, abs=TOLERANCE)


GRAY = np.full((64, 64), 0.5)
BAD = {
    "nowhere.png": r"nowhere\.png\): the file does not exist",
    b"not an image": "not an image by its content; JPEG, PNG",
    "a\0b": "null character",
    "array": r"images\[1\]: an array of shape \(64, 64\) is not an RGB image; its shape must be \(H, W, 3\)",
    "range": "floats must lie between 0 and 1; divide by 255",
    "nan": "floats must lie between 0 and 1",
    "int64": "an array of int64 is not an image; pass uint8, or floats",
    "small": "20×20 is under 32 pixels per side",
    "empty": "the image is damaged: its header names no size",
    "dict": "a dict is not an image; pass a path, a PIL image or an array",
}
ARRAYS = {
    "array": GRAY,
    "range": np.full((64, 64, 3), 255.0),
    "nan": np.full((64, 64, 3), np.nan),
    "int64": np.ones((64, 64, 3), dtype=np.int64),
    "small": Image.new("RGB", (20, 20)),
    "empty": np.zeros((0, 0, 3)),
    "dict": {},
}


@pytest.mark.parametrize("bad", BAD)
def test_an_image_that_cannot_be_scored_is_named_and_costs_no_other_its_score(scorer: Scorer, bad: Any) -> None:
    images = [photograph(1), ARRAYS.get(bad, bad), photograph(2)]
    with pytest.raises(ImageRejected, match=BAD[bad]) as raised:
        scorer.score(images)
    assert raised.value.message.startswith("images[1]")
    first, rejected, last = scorer.score(images, errors="keep")
    assert isinstance(rejected, ImageRejected)
    assert rejected.message == raised.value.message
    assert rejected.message.endswith(rejected.reason)
    assert (first.mean, last.mean) == pytest.approx([scorer.score(photograph(i)).mean for i in (1, 2)], abs=TOLERANCE)


def test_one_image_alone_is_named_by_its_path(scorer: Scorer) -> None:
    with pytest.raises(ImageRejected, match=r"^ads/gone\.png: the file does not exist$"):
        scorer.score("ads/gone.png")
    with pytest.raises(ImageRejected, match=r"^an array of shape"):
        scorer.score(GRAY)
    assert isinstance(scorer.score(GRAY, errors="keep"), ImageRejected)
    with pytest.raises(ValueError, match="'raise' or 'keep'"):
        scorer.score(photograph(1), errors="ignore")


def test_a_score_becomes_json_with_its_model_and_notice(random_checkpoint: Checkpoint, encoder: FrozenEncoder) -> None:
    card = replace(random_checkpoint.card, notice="For tests only.", digest="d" * 64)
    score = Scorer(Checkpoint(card, random_checkpoint.arrays), encoder).score(photograph(1))
    plain = json.loads(json.dumps(score.to_dict(), allow_nan=False))
    assert plain["notice"] == "For tests only."
    assert plain["model"] == "d" * 64
    assert plain["mean"] == score.mean
    assert plain["distribution"] == list(score.distribution)
    assert plain["novelty"] is None  # this card has no limit
    assert "embedding" not in plain


def test_no_images_have_no_scores(scorer: Scorer) -> None:
    assert scorer.score_prepared([]) == []


def test_tokens_that_show_padding_are_masked(encoder: FrozenEncoder) -> None:
    encoded = encoder.encode([encoder.prepare(photograph(0, 300, 40)), encoder.prepare(photograph(1, 128, 128))])
    for row, (down, across) in enumerate(encoded.grid):
        assert 0 < encoded.mask[row].sum() <= down * across
        assert not encoded.mask[row, down * across :].any()
    assert encoded.tokens.isfinite().all()
    assert encoded.tokens.shape == (*encoded.mask.shape, encoder.token_dim)


def test_what_lies_in_masked_tokens_changes_nothing(scorer: Scorer) -> None:
    encoded = scorer.encode([scorer.prepare(photograph(0, 300, 40)), scorer.prepare(photograph(1, 128, 128))])
    before = scorer.score_tokens(encoded)
    filled = encoded.tokens.clone()
    filled[~encoded.mask] = 1000.0
    assert [s.mean for s in scorer.score_tokens(replace(encoded, tokens=filled))] == pytest.approx(
        [s.mean for s in before], abs=1e-6
    )


def test_attention_maps_are_distributions_over_the_valid_tokens(scorer: Scorer) -> None:
    encoded = scorer.encode([scorer.prepare(photograph(0, 300, 40)), scorer.prepare(photograph(1, 128, 128))])
    opinion = scorer.network(encoded.tokens, encoded.mask, encoded.embedding, attention=True)
    assert opinion.attention is not None
    maps = opinion.attention  # (B, M, L, H, K, T)
    assert maps.sum(dim=-1).allclose(torch.ones(()), atol=1e-5)
    hidden = ~encoded.mask[:, None, None, None, None, :].expand(*maps.shape[:-1], -1)
    assert (maps[hidden] == 0).all()


def test_bfloat16_sees_what_float32_sees() -> None:
    images = [photograph(i) for i in range(4)]
    exact, fast = (
        encoder.encode([encoder.prepare(p) for p in images]).embedding
        for encoder in (load_encoder("bundled:efficientnet-lite0", p) for p in ("float32", "bfloat16"))
    )
    similarity = torch.nn.functional.cosine_similarity(exact, fast)
    assert (similarity > 0.9995).all()


def test_an_encoder_that_is_not_at_hand_says_what_is_missing() -> None:
    for name in ("bundled:resnet", "openclip:ViT-B-32", "openclip:NoSuchModel/openai", "vgg"):
        with pytest.raises(EncoderUnavailable) as caught:
            load_encoder(name)
        assert caught.value.hint
    with pytest.raises(EncoderUnavailable, match=r"missing: this is not one of the known tags and there is no file"):
        load_encoder("openclip:ViT-B-32//nowhere/weights.pt")
    with pytest.raises(EncoderUnavailable, match=r"looked for in"):
        load_encoder("openclip:ViT-B-32/laion2b_s34b_b79k")


def test_weights_of_a_bundled_encoder_with_a_wrong_digest_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from abkit_model.encoders import bundled as efficientnet

    altered = tmp_path / "weights.pth"
    altered.write_bytes(b"not the weights")
    monkeypatch.setattr(efficientnet, "package_file", lambda *_: altered)
    with pytest.raises(EncoderUnavailable, match="not the file that was published"):
        load_encoder("bundled:efficientnet-lite0")
    monkeypatch.setattr(efficientnet, "package_file", lambda *_: tmp_path / "gone.pth")
    with pytest.raises(EncoderUnavailable, match=r"gone\.pth"):
        load_encoder("bundled:efficientnet-lite0")


def test_pixels_as_bytes_and_as_floats_are_normalized_to_the_same_bits() -> None:
    encoder = load_encoder("bundled:efficientnet-lite0", device="cpu")
    pixels = torch.randint(0, 256, (2, 64, 96, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    before = pixels.clone()
    quick, plain = encoder._normalize(pixels), encoder._normalize(pixels.float())
    assert torch.equal(quick, plain)
    assert torch.equal(pixels, before)
    assert quick.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(plain[1, 2, 3, 4], (pixels[1, 3, 4, 2] - 127.5) / 127.5)


@pytest.mark.realdata
@pytest.mark.skipif(not can_fold(torch.bfloat16), reason="no oneDNN in bfloat16 here")
def test_scores_in_bfloat16_are_those_in_float32_to_within_two_hundredths(testdata: Path) -> None:
    files = [
        file
        for name, step in (("oasis_beauty", 12), ("web_ads_rated", 12))
        for file in sorted((testdata / name / "images").iterdir())[::step]
    ]
    means = []
    for precision in ("float32", "bfloat16"):
        scorer = Scorer.load(precision=precision)
        means.append([score.mean for score in scorer.score(files)])
    assert len(files) > 75
    assert stats.spearmanr(*means).statistic >= 0.999
    apart = np.subtract(*means)
    assert np.abs(apart).max() <= 0.02
    assert abs(apart.mean()) < 0.002  # a shift of all scores would not change their order
