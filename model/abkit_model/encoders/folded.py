"""EfficientNet-Lite for processors: normalization folded into the convolutions, each with its activation in one pass.

The same network as `efficientnet.Network`, computed by oneDNN without copies in between: in float32 its values are
those of the network but for the last bits. It takes no gradients and cannot be traced.
"""

from __future__ import annotations

import platform
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from abkit_model.encoders.efficientnet import is_padded_after

_ONE = [1, 1]
# The stem and so many stages compute in float32 always: they see single gray levels, which bfloat16 rounds away. On 61
# photographs and banners the largest difference of a score from float32 was 0.03 with one exact stage, 0.016 with four.
_EXACT_STAGES = 4


def can_fold(dtype: torch.dtype) -> bool:
    """Return whether torch has operators here that convolve and activate in one pass, in this precision."""
    if platform.machine().lower() not in ("x86_64", "amd64") or not hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())


class Folded:
    """A network whose parameters are those of another one.

    Args:
        network: An `efficientnet.Network` with its trained weights, on the processor.
        dtype: Precision of all but the first stages.
    """

    def __init__(self, network: Any, dtype: torch.dtype) -> None:
        def kind(number: int) -> torch.dtype:
            return torch.float32 if number < _EXACT_STAGES else dtype

        self._stem = _Layer(network.stem, torch.float32)
        self.stages = [
            [([_Layer(layer, kind(n)) for layer in block.layers], bool(block.skips)) for block in stage]
            for n, stage in enumerate(network.stages)
        ]
        self._content = _Layer(network.content, dtype)

    def stem(self, pixels: Tensor) -> Tensor:
        """Return the output of the first layer for normalized pixels `(B, 3, H, W)`, sides multiples of 32."""
        return self._stem(pixels.contiguous(memory_format=torch.channels_last))

    def stage(self, number: int, x: Tensor) -> Tensor:
        """Return the output of a stage for the output of the one before."""
        for layers, skips in self.stages[number]:
            inside = x = x.to(layers[0].dtype)
            for layer in layers[:-1]:
                inside = layer(inside)
            x = layers[-1].added(inside, x) if skips else layers[-1](inside)
        return x

    def content(self, x: Tensor) -> Tensor:
        """Return the output of the last layer."""
        return self._content(x)


class _Layer:
    """One convolution with its normalization and, where it has one, its activation."""

    def __init__(self, layer: nn.Sequential, dtype: torch.dtype) -> None:
        convolution: Any = layer[0]
        norm: Any = layer[1]
        scale: Tensor = norm.weight / (norm.running_var + norm.eps).sqrt()
        weight: Tensor = convolution.weight * scale[:, None, None, None]
        bias: Tensor = norm.bias - norm.running_mean * scale
        padding = list(convolution.padding)
        if is_padded_after(convolution):
            # For even sides the padding is one less before than after: with a kernel of one more, whose first row and
            # column are zero, it is the same on both sides, and no padded copy is needed.
            weight = functional.pad(weight, (1, 0, 1, 0))
            padding = [(side - 1) // 2 for side in convolution.kernel_size]
        self.dtype = dtype
        self._weight = weight.detach().to(dtype).contiguous(memory_format=torch.channels_last)
        stride, groups = list(convolution.stride), convolution.groups
        self._rest: tuple[Any, ...] = (bias.detach().to(dtype), padding, stride, _ONE, groups)
        self._then = ("hardtanh", [0.0, 6.0], "") if len(layer) > 2 else ("none", [], "")

    def __call__(self, x: Tensor) -> Tensor:
        convolve = torch.ops.mkldnn._convolution_pointwise
        found: Tensor = convolve(x.to(self.dtype), self._weight, *self._rest, *self._then)
        return found

    def added(self, x: Tensor, to: Tensor) -> Tensor:
        """Return the output added to what the block was given, in its place."""
        found: Tensor = torch.ops.mkldnn._convolution_pointwise_.binary(
            to, x, self._weight, *self._rest, "add", 1.0, None, [], None
        )
        return found
