"""A reader of briefs without a text tower: the names of the ImageNet classes that a bundled encoder recognizes.

An image lies where the names of its likeliest classes lie as sentences, weighted by their probabilities (Norouzi et al.
2014, arXiv 1312.5650). So it can tell what object, animal or scene of 1,000 is shown, and nothing of people or moods.
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - its name everywhere

from abkit_model.encoders import bundled
from abkit_model.encoders.libraries import package_file
from abkit_model.encoders.sentences import SHA256, Sentences
from abkit_model.errors import EncoderUnavailable

FAMILY = "classes"
#: Of the classes of an image, so many count: beyond them probabilities are noise.
LIKELIEST = 10
_NAMES = "imagenet_synset_to_lemma"


class ClassNames:
    """A bundled encoder whose pooled embedding is a place among sentences, `(384,)`."""

    mean, std = bundled.EfficientNetLite.mean, bundled.EfficientNetLite.std

    def __init__(self, variant: str) -> None:
        self._encoder = bundled.load(variant)
        self.text = Sentences()
        self._names = self.text.vectors(class_names())  # (1000, 384)
        self.canvas, self.token_dim = self._encoder.canvas, self._encoder.token_dim
        self.joint_dim = self.embedding_dim = self._names.shape[1]
        digests = [self._encoder.digest, *SHA256.values()]
        self.digest = hashlib.sha256("".join(digests).encode()).hexdigest()

    def features(self, pixels: Tensor, width: Tensor, height: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return tokens and mask of the bundled encoder, and places among sentences `(B, 384)`."""
        tokens, mask, embedding = self._encoder.features(pixels, width, height)
        with torch.autocast(embedding.device.type, enabled=False):  # a place among sentences is kept in full
            return tokens, mask, self.places(self._encoder.class_logits(embedding))

    def move(self, device: torch.device) -> None:
        """Bring the weights of the encoder, and where the names lie, to a device; texts stay where they are."""
        self._encoder.move(device)
        self._names = self._names.to(device)

    def places(self, logits: Tensor) -> Tensor:
        """Return where images with some logits of classes `(B, 1000)` lie, `(B, 384)`, each of length 1."""
        chance, which = logits.softmax(dim=1).topk(LIKELIEST, dim=1)  # (B, 10)
        return F.normalize(torch.einsum("bk,bkd->bd", chance, self._names[which]), dim=1)


def class_names() -> list[str]:
    """Return the names of the 1,000 classes of ImageNet in their order, synonyms and all, as timm keeps them.

    Raises:
        EncoderUnavailable: timm is not installed, or keeps them elsewhere.
    """
    order, names = (package_file("timm", f"data/_info/{name}.txt") for name in ("imagenet_synsets", _NAMES))
    if order is None or names is None or not (order.is_file() and names.is_file()):
        raise EncoderUnavailable(
            "the names of the ImageNet classes, which timm brings along, are missing",
            'install the model extra: pip install "abkit[model]"',
        )
    lines = (line.partition("\t") for line in names.read_text(encoding="utf-8").splitlines())
    by_number = {number: name for number, _, name in lines}
    return [by_number[number] for number in order.read_text(encoding="utf-8").split()]
