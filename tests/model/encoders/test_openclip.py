"""OpenCLIP towers with random weights: their tokens, their sizes, their padding, their fingerprints, their texts."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from abkit_model.encoders import libraries, openclip
from abkit_model.encoders.frozen import FrozenEncoder
from abkit_model.encoders.load import load_encoder
from abkit_model.encoders.openclip_towers import resampled
from abkit_model.errors import EncoderUnavailable, TextRejected
from abkit_model.images import Prepared
from tests.model.conftest import photograph

TEXT = {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
VISION: dict[str, dict[str, Any]] = {
    "ViT-small-test": {"image_size": 64, "layers": 3, "width": 32, "patch_size": 16, "head_width": 16},
    "CoCa-small-test": {
        "image_size": 64, "layers": 2, "width": 32, "patch_size": 16, "head_width": 16,
        "attentional_pool": True, "attn_pooler_heads": 2,
    },
    "RN-small-test": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None},
    "Timm-small-test": {"image_size": 160, "timm_model_name": "test_vit", "timm_pool": "token", "timm_proj": "linear"},
    "Fixed-small-test": {
        "image_size": 160, "timm_model_name": "test_convnext", "timm_pool": "avg", "timm_proj": "linear"
    },
}  # fmt: skip
WITH_ANY_GRID = ["ViT-small-test", "CoCa-small-test", "RN-small-test", "Timm-small-test"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Small OpenCLIP models with random weights, saved to disk."""
    torch.set_num_threads(1)
    open_clip = libraries.load("open_clip")
    folder = tmp_path_factory.mktemp("openclip")
    files = {}
    for name, vision in VISION.items():
        config = {"embed_dim": 16, "vision_cfg": vision, "text_cfg": TEXT}
        (folder / f"{name}.json").write_text(json.dumps(config))
        open_clip.add_model_config(folder / f"{name}.json")
        torch.manual_seed(0)
        model = open_clip.create_model(name)
        for parameter in model.visual.parameters():  # zero at the start would hide what a part does
            if parameter.ndim == 1:
                torch.nn.init.normal_(parameter, 0.5, 0.3)
        files[name] = folder / f"{name}.pt"
        torch.save(model.state_dict(), files[name])
    return files


def named(weights: dict[str, Path], name: str, options: str = "") -> str:
    return f"openclip:{name}/{weights[name]}{options}"


def load(weights: dict[str, Path], name: str, options: str = "", **how: bool) -> FrozenEncoder:
    return load_encoder(named(weights, name, options), "float32", **how)


def theirs(weights: dict[str, Path], name: str) -> Any:
    """The same model as OpenCLIP itself loads it."""
    return libraries.load("open_clip").create_model(name, pretrained=str(weights[name])).eval()


def normalized(encoder: FrozenEncoder, prepared: Prepared) -> torch.Tensor:
    return encoder._normalize(torch.from_numpy(prepared.pixels).unsqueeze(0))


@pytest.mark.parametrize("name", VISION)
def test_at_its_own_size_the_pooled_output_is_openclips_own(weights: dict[str, Path], name: str) -> None:
    encoder, model = load(weights, name), theirs(weights, name)
    side = model.visual.image_size
    side = side[0] if isinstance(side, tuple) else side
    prepared = encoder.prepare(photograph(1, side, side))
    assert prepared.pixels.shape == (side, side, 3)
    with torch.inference_mode():
        wanted = model.encode_image(normalized(encoder, prepared))
    embedding = encoder.encode([prepared]).embedding
    assert encoder.joint_dim == 16
    torch.testing.assert_close(embedding[:, : encoder.joint_dim], wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("block", [1, 2, 3])
def test_the_tokens_of_a_block_are_what_that_block_puts_out(weights: dict[str, Path], block: int) -> None:
    encoder, model = load(weights, "ViT-small-test", f"@block={block}"), theirs(weights, "ViT-small-test")
    seen: list[torch.Tensor] = []
    model.visual.transformer.resblocks[block - 1].register_forward_hook(lambda *call: seen.append(call[2]))
    prepared = encoder.prepare(photograph(1, 64, 64))
    with torch.inference_mode():
        model.encode_image(normalized(encoder, prepared))
    torch.testing.assert_close(encoder.encode([prepared]).tokens, seen[0][:, 1:], rtol=1e-4, atol=1e-5)


def test_without_a_block_the_tokens_are_those_of_the_last(weights: dict[str, Path]) -> None:
    last, third = load(weights, "ViT-small-test"), load(weights, "ViT-small-test", "@block=3")
    assert last.fingerprint == third.fingerprint


def test_the_stages_of_a_resnet_are_its_blocks(weights: dict[str, Path]) -> None:
    model = theirs(weights, "RN-small-test")
    encoder = load(weights, "RN-small-test", "@block=2")
    seen: list[torch.Tensor] = []
    model.visual.layer2.register_forward_hook(lambda *call: seen.append(call[2]))
    prepared = encoder.prepare(photograph(1, 64, 64))
    with torch.inference_mode():
        model.encode_image(normalized(encoder, prepared))
    fine = seen[0].unfold(2, 4, 4).unfold(3, 4, 4)  # stride 8 within cells of 32
    wanted = torch.cat([fine.mean(dim=(4, 5)), fine.std(dim=(4, 5), correction=0)], dim=1)
    torch.testing.assert_close(
        encoder.encode([prepared]).tokens[0], wanted[0].flatten(1).T.contiguous(), rtol=1e-3, atol=1e-3
    )


def test_positions_on_their_own_grid_are_untouched_and_on_another_keep_their_places() -> None:
    down, across = torch.meshgrid(torch.linspace(0, 1, 4), torch.linspace(0, 1, 4), indexing="ij")
    learned = torch.cat([torch.tensor([[9.0, 9.0]]), torch.stack([down, across], dim=2).flatten(0, 1)])
    assert resampled(learned, (4, 4), (4, 4)) is learned
    wide = resampled(learned, (4, 4), (4, 8))
    assert wide[0].tolist() == [9, 9]
    rows = wide[1:].reshape(4, 8, 2)
    torch.testing.assert_close(rows[:, 0, 0], torch.linspace(0, 1, 4), atol=1e-5, rtol=0)
    assert (rows[0, :, 1].diff() > 0).all()  # still from left to right


@pytest.mark.parametrize("name", WITH_ANY_GRID)
def test_an_image_keeps_its_shape_and_what_is_padded_on_changes_nothing(weights: dict[str, Path], name: str) -> None:
    encoder = load(weights, name)
    cell = encoder.canvas.cell
    prepared = encoder.prepare(photograph(2, 150, 100))
    down, across = prepared.shape[0] // cell, prepared.shape[1] // cell
    assert across > down
    once = encoder.encode([prepared])
    noise = np.random.default_rng(0).integers(0, 255, ((down + 1) * cell, (across + 2) * cell, 3), dtype=np.uint8)
    noise[: prepared.shape[0], : prepared.shape[1]] = prepared.pixels
    padded = encoder.encode([Prepared(noise, prepared.width, prepared.height)])

    valid = once.mask[0].reshape(down, across)
    larger = padded.mask[0].reshape(down + 1, across + 2)
    assert larger.sum() == valid.sum()
    assert larger[:down, :across].equal(valid)
    tokens = padded.tokens[0].reshape(down + 1, across + 2, -1)[:down, :across][valid]
    torch.testing.assert_close(tokens, once.tokens[0][once.mask[0]], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(padded.embedding, once.embedding, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", VISION)
def test_what_it_sees_in_an_image_does_not_depend_on_the_batch(weights: dict[str, Path], name: str) -> None:
    encoder = load(weights, name)
    sizes = [(300, 100), (100, 100), (90, 300), (101, 100), (1000, 40), (310, 100)]
    prepared = [encoder.prepare(photograph(i, *size)) for i, size in enumerate(sizes)]
    together = encoder.encode(prepared)
    for row, item in enumerate(prepared):
        alone = encoder.encode([item])
        torch.testing.assert_close(together.embedding[row], alone.embedding[0], rtol=1e-4, atol=1e-4)
        length = alone.mask.shape[1]
        assert together.mask[row, :length].equal(alone.mask[0])
        torch.testing.assert_close(
            together.tokens[row, :length][alone.mask[0]], alone.tokens[0][alone.mask[0]], rtol=1e-4, atol=1e-4
        )


def test_a_larger_size_gives_more_tokens_of_the_same_kind(weights: dict[str, Path]) -> None:
    small, large = load(weights, "ViT-small-test"), load(weights, "ViT-small-test", "@size=128")
    square = photograph(3, 200, 200)
    assert small.encode([small.prepare(square)]).mask.sum() == 16
    assert large.encode([large.prepare(square)]).mask.sum() == 64
    assert small.token_dim == large.token_dim


def test_the_fingerprint_follows_block_size_and_weights_but_not_the_place_of_the_file(
    weights: dict[str, Path], tmp_path: Path
) -> None:
    name = "ViT-small-test"
    copy = tmp_path / "team@home"
    copy.mkdir()
    (copy / "weights.pt").write_bytes(weights[name].read_bytes())
    state = torch.load(weights[name], weights_only=True)
    state["visual.proj"] += 1
    torch.save(state, tmp_path / "other.pt")
    same = load_encoder(f"openclip:{name}/{copy / 'weights.pt'}").fingerprint
    prints = [load(weights, name, options).fingerprint for options in ("", "@block=1", "@block=2", "@size=96")]
    prints.append(load_encoder(f"openclip:{name}/{tmp_path / 'other.pt'}").fingerprint)
    assert same == prints[0]
    assert len(set(prints)) == 5


def test_the_fingerprints_of_the_bundled_encoders_are_those_that_the_shipped_queries_know() -> None:
    from abkit_model import checkpoint

    card = checkpoint.load(checkpoint.default_checkpoint()).card
    assert load_encoder(card.encoder).fingerprint == card.encoder_fingerprint


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("ViT-small-test", "@block=4", "has 3 blocks, there is no block 4"),
        ("ViT-small-test", "@block=0", "option 'block=0' that cannot be used"),
        ("ViT-small-test", "@block=1,block=2", "option 'block=2'"),
        ("ViT-small-test", "@layer=1", "option 'layer=1'"),
        ("ViT-small-test", "@size=100", "patches have 16 pixels"),
        ("ViT-small-test", "@size=90000", "size=90000 cannot be used"),
        ("Fixed-small-test", "@size=128", "takes images of 160 × 160 pixels only"),
    ],
)
def test_an_option_that_the_tower_does_not_have_is_one_sentence(
    weights: dict[str, Path], name: str, options: str, said: str
) -> None:
    with pytest.raises(EncoderUnavailable) as refused:
        load(weights, name, options)
    assert said in refused.value.message
    assert refused.value.hint


def test_weights_of_another_model_are_refused(weights: dict[str, Path]) -> None:
    with pytest.raises(EncoderUnavailable, match="does not load as OpenCLIP's ViT-B-32"):
        load_encoder(f"openclip:ViT-B-32/{weights['ViT-small-test']}")


def test_a_file_that_is_cut_off_is_refused(weights: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "cut.pt").write_bytes(weights["ViT-small-test"].read_bytes()[:5000])
    with pytest.raises(EncoderUnavailable, match="does not load as"):
        load_encoder(f"openclip:ViT-small-test/{tmp_path / 'cut.pt'}")


def test_gradients_reach_the_pixels_through_a_tower_of_another_size(weights: dict[str, Path]) -> None:
    encoder = load(weights, "ViT-small-test", "@size=96")
    prepared = encoder.prepare(photograph(1, 150, 100))
    encoder.encode([prepared])
    pixels = torch.from_numpy(prepared.pixels).float().requires_grad_()
    tokens, _, embedding = encoder.differentiable(pixels, prepared.width, prepared.height)
    (tokens.sum() + embedding.sum()).backward()
    assert pixels.grad is not None
    assert pixels.grad.abs().sum() > 0


def test_bfloat16_sees_what_float32_sees(weights: dict[str, Path]) -> None:
    exact, fast = (load_encoder(named(weights, "ViT-small-test"), p) for p in ("float32", "bfloat16"))
    prepared = exact.prepare(photograph(4, 150, 100))
    one, other = (encoder.encode([prepared]).embedding[0].numpy() for encoder in (exact, fast))
    assert np.corrcoef(one, other)[0, 1] > 0.999


# --- texts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ViT-small-test", "Timm-small-test"])
def test_a_text_lies_where_openclip_says_and_needs_no_network(
    weights: dict[str, Path], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    open_clip, model = libraries.load("open_clip"), theirs(weights, name)
    with torch.inference_mode():
        wanted = model.encode_text(open_clip.get_tokenizer(name)(["a beach at dawn"]), normalize=True)[0].numpy()
    found = load(weights, name, text=True).embed_text("  a beach at dawn\n")
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    assert found.shape == (16,)


def test_a_text_that_just_fits_is_read_and_one_token_more_is_refused_not_cut_off(weights: dict[str, Path]) -> None:
    encoder = load(weights, "ViT-small-test", text=True)  # reads 12 tokens, two of which are the beginning and the end
    encoder.embed_text("beach " * 10)
    encoder.embed_text("!" + " beach" * 8 + " !")  # "!" is the token with the number of the padding
    with pytest.raises(TextRejected, match="has 11 tokens, and ViT-small-test reads 10"):
        encoder.embed_text("beach " * 11)


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "is empty"), (" \t\n", "is empty"), ("…!?", "is empty"), ("a" * 5000, "5,000 characters"),
     ("sea\0side", "not readable"), ("sea\udcff", "not readable")],
)  # fmt: skip
def test_a_text_that_says_nothing_or_far_too_much_is_refused(weights: dict[str, Path], text: str, said: str) -> None:
    with pytest.raises(TextRejected, match=said):
        openclip.load(named(weights, "ViT-small-test").removeprefix("openclip:"), text=True).text.embed(text)  # type: ignore[union-attr]


@pytest.mark.skipif(importlib.util.find_spec("transformers") is not None, reason="its tokenizer may be here")
def test_a_model_whose_tokenizer_is_not_here_encodes_images_and_says_that_it_cannot_read(
    weights: dict[str, Path], tmp_path: Path
) -> None:
    config = {"embed_dim": 16, "vision_cfg": VISION["Timm-small-test"], "text_cfg": TEXT}
    (tmp_path / "SigLIP-small-test.json").write_text(json.dumps(config))  # the name decides on the tokenizer
    libraries.load("open_clip").add_model_config(tmp_path / "SigLIP-small-test.json")
    name = f"openclip:SigLIP-small-test/{weights['Timm-small-test']}"
    assert load_encoder(name).joint_dim == 16
    with pytest.raises(EncoderUnavailable, match="the tokenizer of OpenCLIP's SigLIP-small-test is not on this"):
        load_encoder(name, text=True)


def test_the_bundled_encoder_says_that_it_cannot_read_and_which_can() -> None:
    with pytest.raises(EncoderUnavailable, match="has no text tower") as refused:
        load_encoder("bundled:efficientnet-lite0", text=True)
    assert "openclip:MODEL/PRETRAINED" in refused.value.hint


def test_a_long_thin_image_still_has_tokens(weights: dict[str, Path]) -> None:
    encoder = load(weights, "ViT-small-test")
    encoded = encoder.encode([encoder.prepare(Image.new("RGB", (4000, 32), "red"))])
    assert encoded.mask.sum() >= 16
    assert encoded.tokens.isfinite().all()


OPENAI = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def normalization(model: str, file: object, **options: str) -> tuple[object, object]:
    open_clip = libraries.load("open_clip")
    name = openclip.Name(model, str(file), **options)  # type: ignore[arg-type]
    config = openclip._tag_of_file(open_clip, name, {}) if name.tag else {}
    mean, std = openclip._normalization(open_clip, name, config)
    return tuple(mean), tuple(std)


def test_a_file_whose_model_has_tags_that_differ_is_refused_with_the_tags_to_choose_from() -> None:
    with pytest.raises(EncoderUnavailable, match="does not say how its colors are normalized") as refused:
        normalization("ViT-L-14", "/srv/x.bin")
    assert "openclip:ViT-L-14//srv/x.bin@tag=TAG" in refused.value.hint
    assert "laion2b_s32b_b82k (mean 0.5)" in refused.value.hint
    assert "datacomp_xl_s13b_b90k" in refused.value.hint


@pytest.mark.parametrize("tag", ["laion2b_s32b_b82k", "openai", "dfn2b"])
def test_a_file_said_to_be_a_tag_has_the_colors_of_the_tag(tag: str) -> None:
    wanted = HALF if tag == "laion2b_s32b_b82k" else OPENAI
    assert normalization("ViT-L-14", "/srv/x.bin", tag=tag) == wanted


@pytest.mark.parametrize(
    ("file", "wanted"),
    [
        ("/c/models--laion--CLIP-ViT-L-14-laion2B-s32B-b82K/snapshots/1/open_clip_pytorch_model.bin", HALF),
        ("/c/models--laion--CLIP-ViT-L-14-DataComp.XL-s13B-b90K/snapshots/1/open_clip_model.safetensors", OPENAI),
    ],
)
def test_a_file_in_the_cache_of_its_hub_has_the_colors_of_its_tag(file: str, wanted: object) -> None:
    assert normalization("ViT-L-14", file) == wanted


def test_a_configuration_beside_the_file_says_how_colors_are_normalized(tmp_path: Path) -> None:
    said = {"preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(said))
    assert normalization("ViT-L-14", tmp_path / "x.bin") == ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    for damaged in ("", "[]", '{"preprocess_cfg": {"mean": "x", "std": [1, 1, 1]}}'):
        (tmp_path / "open_clip_config.json").write_text(damaged)
        with pytest.raises(EncoderUnavailable, match="does not say how"):
            normalization("ViT-L-14", tmp_path / "x.bin")


@pytest.mark.parametrize(("model", "wanted"), [("ViT-B-32", OPENAI), ("ViT-B-16-SigLIP", HALF)])
def test_a_file_has_the_colors_that_all_tags_of_its_model_agree_in(model: str, wanted: object) -> None:
    assert normalization(model, "/srv/x.bin") == wanted


def test_a_tag_that_the_model_does_not_have_is_one_sentence(weights: dict[str, Path]) -> None:
    with pytest.raises(EncoderUnavailable, match="no such tag of ViT-small-test"):
        load(weights, "ViT-small-test", "@tag=nothing")
