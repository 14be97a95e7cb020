"""Vision transformers of timm, such as DINOv2, as frozen encoders, from weights on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from abkit_model.encoders import libraries
from abkit_model.encoders.libraries import file_digest
from abkit_model.encoders.names import Name, parse_timm
from abkit_model.encoders.openclip import OpenCLIPTower
from abkit_model.encoders.openclip_towers import is_plain
from abkit_model.encoders.pulled import weights_of
from abkit_model.errors import EncoderUnavailable


class TransformerTrunk:
    """A plain vision transformer of timm: any grid of patches."""

    def __init__(self, trunk: Any) -> None:
        self._trunk = trunk
        self.side = int(trunk.patch_embed.img_size[0])
        self.cell = int(trunk.patch_embed.patch_size[0])
        self.blocks = len(trunk.blocks)

    def run(self, pixels: Tensor, block: int) -> tuple[Tensor, Tensor]:
        """Return the tokens `(B, D, h, w)` of a block (from 1), and the pooled output `(B, P)`."""
        last, (chosen,) = self._trunk.forward_intermediates(pixels, indices=[block - 1], output_fmt="NCHW")
        return chosen, self._trunk.forward_head(last, pre_logits=True)

    def move(self, device: torch.device) -> None:
        """Bring the weights to a device."""
        self._trunk.to(device)


def load(rest: str) -> OpenCLIPTower:
    """Build the encoder `timm:MODEL`, with `@block=…,size=…` behind it or not, from pulled weights.

    Raises:
        EncoderUnavailable: timm does not know the model, its weights were not pulled, or it is no plain transformer.
    """
    name = parse_timm(rest)
    plain = f"timm:{name.architecture}"
    timm = libraries.load("timm")
    weights = weights_of(plain)
    if weights is None:
        raise EncoderUnavailable(
            f"the weights of {plain} are not on this machine", f"pull them: abkit encoder pull {plain}"
        )
    try:
        trunk = timm.create_model(name.architecture, pretrained=False, num_classes=0, dynamic_img_size=True)
    except (RuntimeError, TypeError) as error:
        raise EncoderUnavailable(
            f"{plain} is not a vision transformer of timm", "name one, such as timm:vit_small_patch14_dinov2.lvd142m"
        ) from error
    if not is_plain(trunk):
        raise EncoderUnavailable(
            f"{plain} is not a plain vision transformer", "name one, such as timm:vit_small_patch14_dinov2.lvd142m"
        )
    _fill(trunk, weights, plain)
    config = trunk.pretrained_cfg
    return OpenCLIPTower(
        TransformerTrunk(trunk.eval().requires_grad_(False)),
        Name(plain, "", name.block, name.size),
        digest=file_digest(weights),
        mean=config["mean"],
        std=config["std"],
        quick_gelu=False,
        text=None,
    )


def _fill(trunk: torch.nn.Module, weights: Path, name: str) -> None:
    tensors = libraries.load("safetensors.torch")
    try:
        state = tensors.load_file(weights)
        trunk.load_state_dict({key: value for key, value in state.items() if not key.startswith("head.")})
    except Exception as error:  # safetensors and torch raise what they like about a wrong file
        raise EncoderUnavailable(
            f"{weights} does not hold the weights of {name}: {str(error).splitlines()[0][:200]}",
            f"pull it again: abkit encoder pull {name}",
        ) from error
