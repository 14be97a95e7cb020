"""EfficientNet-Lite as a network: built here, because importing a library of networks takes longer than to score."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

# Of each stage: the side of its kernels, its stride, how many times its blocks widen, its channels and its blocks.
_STAGES = ((3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3), (5, 2, 6, 192, 4),
           (3, 1, 6, 320, 1))  # fmt: skip
_STEM, _CONTENT, _CLASSES = 32, 1280, 1000
_ONE = (1, 1)
_EPSILON = 1e-3  # of the batch norms, as the weights were trained


class Network(nn.Module):
    """EfficientNet-Lite up to its classifier, which only names what is in an image for a brief.

    Args:
        width: How many times as many channels as Lite0 the stages have.
        depth: How many times as many blocks.
    """

    def __init__(self, width: float, depth: float) -> None:
        super().__init__()
        channels = [_divisible(width * stage[3]) for stage in _STAGES]
        self.stem = _layer(3, _STEM, 3, stride=2)
        self.stages = nn.ModuleList()
        for number, ((before, after), stage) in enumerate(zip(pairwise([_STEM, *channels]), _STAGES, strict=True)):
            kernel, stride, widening, _, count = stage
            if 0 < number < len(_STAGES) - 1:
                count = math.ceil(count * depth)
            blocks = [_Block(before, after, kernel, stride, widening)]
            blocks += [_Block(after, after, kernel, 1, widening) for _ in range(count - 1)]
            self.stages.append(nn.Sequential(*blocks))
        self.content = _layer(channels[-1], _CONTENT, 1)
        self.classifier = nn.Linear(_CONTENT, _CLASSES)
        self.channels = channels
        self.content_channels = _CONTENT

    @property
    def strides(self) -> list[int]:
        """Pixels of the image per cell of each stage's output."""
        strides = [2]
        for stage in _STAGES:
            strides.append(strides[-1] * stage[1])
        return strides[1:]


class _Block(nn.Module):
    """Widen by a 1×1 convolution, look around in each channel, and narrow again."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, widening: int) -> None:
        super().__init__()
        wide = before * widening
        layers = [_layer(before, wide, 1)] if widening > 1 else []
        layers += [_layer(wide, wide, kernel, stride=stride, groups=wide), _layer(wide, after, 1, active=False)]
        self.layers = nn.Sequential(*layers)
        self.skips = stride == 1 and before == after

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return out + x if self.skips else out


class _Unplanned(nn.Conv2d):
    """A convolution of single pixels or single channels, which a GPU computes without cuDNN.

    cuDNN plans a convolution anew for each shape and each number of images: a second of processor time for the whole
    network, dozens of times for a folder of ads.
    """

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if input.is_cuda and self.kernel_size == _ONE:
            return functional.linear(input.permute(0, 2, 3, 1), weight.flatten(1)).permute(0, 3, 1, 2)
        found: Tensor
        if input.is_cuda and self.groups == self.in_channels:
            found = torch.ops.aten._conv_depthwise2d(
                input, weight.to(input.dtype), self.kernel_size, None, self.stride, self.padding, self.dilation
            )
            return found
        found = super()._conv_forward(input, weight, bias)
        return found


class _Convolution(_Unplanned):
    """A convolution with stride whose padding is TensorFlow's: what is needed, the odd pixel to the right and below."""

    def forward(self, x: Tensor) -> Tensor:
        padding: list[int] = []
        for size, kernel, stride in zip(x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True):
            needed = kernel - 1 - (size - 1) % stride  # never below 0: no kernel is smaller than its stride
            padding += [needed // 2, needed - needed // 2]
        return super().forward(functional.pad(x, padding))


def is_padded_after(convolution: nn.Conv2d) -> bool:
    """Return whether a convolution is one whose padding is to the right and below where it is odd."""
    return isinstance(convolution, _Convolution)


def _layer(
    before: int, after: int, kernel: int, *, stride: int = 1, groups: int = 1, active: bool = True
) -> nn.Sequential:
    if stride > 1:
        convolution: nn.Conv2d = _Convolution(before, after, kernel, stride, groups=groups, bias=False)
    else:
        convolution = _Unplanned(before, after, kernel, padding=kernel // 2, groups=groups, bias=False)
    layers: list[nn.Module] = [convolution, nn.BatchNorm2d(after, eps=_EPSILON)]
    return nn.Sequential(*layers, *([nn.ReLU6(inplace=True)] if active else []))


def _divisible(channels: float) -> int:
    """Round to a multiple of 8, but not down by more than a tenth."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8


def build(width: float, depth: float, state: dict[str, Tensor]) -> Network:
    """Build the network with published weights, whose names differ from ours, but not their order.

    Raises:
        ValueError: The weights are not those of this size.
    """
    with torch.device("meta"):  # what is about to be replaced need not be drawn
        network = Network(width, depth)
    names = list(network.state_dict())
    if len(names) != len(state):
        raise ValueError(f"{len(state)} tensors where the network has {len(names)}")
    network.load_state_dict(dict(zip(names, state.values(), strict=True)), assign=True)
    return network
