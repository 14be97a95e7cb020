"""EfficientNet-Lite for processors: normalization folded into the convolutions, each with its activation in one pass.

The same network as `efficientnet.Network`, computed by oneDNN without copies in between: in float32 its values are
those of the network but for the last bits. It takes no gradients and cannot be traced.

In bfloat16 every weight is rounded to 8 bits, once for all images, which moves the mean of what a layer puts out: from
layer to layer these shifts add up to a bias of the score. How far each mean moves is known without a single image, from
the statistics that normalization learned in training; the layer's own bias, which stays in float32, takes it back.
"""

from __future__ import annotations

import math
import platform
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from abkit_model.encoders.efficientnet import is_padded_after

_ONE = [1, 1]
# The stem and these stages compute in float32 always. The first see single gray levels, which bfloat16 rounds away: in
# bfloat16 scores of 144 images moved by up to 0.15. The last costs little, and without it scores of web ads were lower
# by 0.003 on average.
_EXACT_STAGES = (0, 6)


def can_fold(dtype: torch.dtype) -> bool:
    """Return whether torch has operators here that convolve and activate in one pass, in this precision."""
    if platform.machine().lower() not in ("x86_64", "amd64") or not hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())


class Folded:
    """A network whose parameters are those of another one.

    Args:
        network: An `efficientnet.Network` with its trained weights, on the processor.
        dtype: Precision of all but the first and the last stage.
    """

    def __init__(self, network: Any, dtype: torch.dtype) -> None:
        def kind(number: int) -> torch.dtype:
            return torch.float32 if number in _EXACT_STAGES else dtype

        self._stem = _Layer(network.stem, torch.float32, torch.zeros(3))
        self.stages: list[list[tuple[list[_Layer], bool]]] = []
        mean = self._stem.mean
        for number, stage in enumerate(network.stages):
            blocks = []
            for block in stage:
                inside, layers = mean, []
                for layer in block.layers:
                    layers.append(_Layer(layer, kind(number), inside))
                    inside = layers[-1].mean
                mean = inside + mean if block.skips else inside
                blocks.append((layers, bool(block.skips)))
            self.stages.append(blocks)
        self._content = _Layer(network.content, dtype, mean)

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
    """One convolution with its normalization and, where it has one, its activation.

    Attributes:
        mean: What each channel of the output is on average, as far as the normalization knows.
    """

    def __init__(self, layer: nn.Sequential, dtype: torch.dtype, mean: Tensor) -> None:
        convolution: Any = layer[0]
        norm: Any = layer[1]
        scale: Tensor = norm.weight / (norm.running_var + norm.eps).sqrt()
        weight: Tensor = convolution.weight * scale[:, None, None, None]
        bias: Tensor = norm.bias - norm.running_mean * scale
        if dtype != torch.float32:
            lost = (weight - weight.to(dtype).float()).sum(dim=(2, 3))  # (after, before), or (after, 1) by channel
            bias = bias + (lost[:, 0] * mean if convolution.groups > 1 else lost @ mean)
        padding = list(convolution.padding)
        if is_padded_after(convolution):
            # For even sides the padding is one less before than after: with a kernel of one more, whose first row and
            # column are zero, it is the same on both sides, and no padded copy is needed.
            weight = functional.pad(weight, (1, 0, 1, 0))
            padding = [(side - 1) // 2 for side in convolution.kernel_size]
        activates = len(layer) > 2
        self.dtype = dtype
        self.mean: Tensor = _clamped_mean(norm.bias, norm.weight.abs()) if activates else norm.bias
        self._weight = weight.detach().to(dtype).contiguous(memory_format=torch.channels_last)
        stride, groups = list(convolution.stride), convolution.groups
        self._rest: tuple[Any, ...] = (bias.detach(), padding, stride, _ONE, groups)
        self._then = ("hardtanh", [0.0, 6.0], "") if activates else ("none", [], "")

    def __call__(self, x: Tensor) -> Tensor:
        convolve = torch.ops.mkldnn._convolution_pointwise
        found: Tensor = convolve(x.to(self.dtype), self._weight, *self._rest, *self._then)
        return found

    def added(self, x: Tensor, to: Tensor) -> Tensor:
        """Return the output added to what the block was given, which may change."""
        if self.dtype != torch.float32:  # there the fused operator wants a bias of 8 bits, like the weights
            found: Tensor = self(x).add_(to)
        else:
            found = torch.ops.mkldnn._convolution_pointwise_.binary(
                to, x, self._weight, *self._rest, "add", 1.0, None, [], None
            )
        return found


def _clamped_mean(mean: Tensor, std: Tensor) -> Tensor:
    """Return the mean of min(max(x, 0), 6) for normally distributed x."""
    std = std.clamp(min=1e-6)
    low, high = -mean / std, (6 - mean) / std
    below, above = torch.special.ndtr(low), torch.special.ndtr(-high)
    density = (torch.exp(-low.square() / 2) - torch.exp(-high.square() / 2)) / math.sqrt(2 * math.pi)
    found: Tensor = mean * (1 - below - above) + std * density + 6 * above
    return found
