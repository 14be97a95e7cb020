import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from abkit_model.encoders.frozen import FrozenEncoder
from abkit_model.encoders.load import load_encoder
from abkit_model.errors import EncoderUnavailable
from abkit_model.images import open_image
from abkit_model.scorer import Score, Scorer
from tests.model.conftest import photograph

SHAPES = [(160, 120), (120, 160), (300, 40), (33, 700), (128, 128), (160, 121), (2000, 32)]


def scores(scorer: Scorer, shapes: list[tuple[int, int]]) -> list[Score]:
    return scorer.score([scorer.prepare(photograph(i, *s)) for i, s in enumerate(shapes)])


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
        alone = scorer.score([scorer.prepare(photograph(index, *shape))])[0]
        assert together[index].mean == pytest.approx(alone.mean, abs=1e-3)
        assert together[index].distribution == pytest.approx(alone.distribution, abs=1e-3)


def test_pictures_can_be_prepared_in_threads(scorer: Scorer) -> None:
    pictures = [photograph(i) for i in range(12)]
    with ThreadPoolExecutor(4) as pool:
        threaded = scorer.score(list(pool.map(scorer.prepare, pictures)))
    assert [s.mean for s in threaded] == [s.mean for s in scorer.score([scorer.prepare(p) for p in pictures])]


def test_no_pictures_have_no_scores(scorer: Scorer) -> None:
    assert scorer.score([]) == []


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
    pictures = [photograph(i) for i in range(4)]
    exact, fast = (
        encoder.encode([encoder.prepare(p) for p in pictures]).embedding
        for encoder in (load_encoder("bundled:efficientnet-lite0", p) for p in ("float32", "bfloat16"))
    )
    similarity = torch.nn.functional.cosine_similarity(exact, fast)
    assert (similarity > 0.9995).all()


def test_an_encoder_that_is_not_at_hand_says_what_is_missing() -> None:
    for name in ("bundled:resnet", "openclip:ViT-B-32", "openclip:NoSuchModel/openai", "vgg"):
        with pytest.raises(EncoderUnavailable) as caught:
            load_encoder(name)
        assert caught.value.hint
    with pytest.raises(EncoderUnavailable, match=r"missing: it is none of the known tags and there is no file"):
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


@pytest.mark.realdata
def test_scores_in_bfloat16_rank_photographs_as_those_in_float32_do(testdata: Path) -> None:
    files = sorted((testdata / "oasis_beauty" / "images").iterdir())[::8]
    means = []
    for precision in ("float32", "bfloat16"):
        scorer = Scorer.load(precision=precision)
        prepared = [scorer.prepare(open_image(file).image) for file in files]
        means.append([score.mean for score in scorer.score(prepared)])
    assert len(files) > 50
    assert stats.spearmanr(*means).statistic >= 0.999
