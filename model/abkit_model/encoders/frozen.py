"""The frozen encoders: from prepared pixels to tokens of several scales, a validity mask and a pooled embedding."""

from __future__ import annotations

import copy
import ctypes
import hashlib
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - its name everywhere
from torch.nn.utils.rnn import pad_sequence

from abkit_model import devices
from abkit_model.errors import DeviceUnavailable, EncoderUnavailable
from abkit_model.images import Canvas, Prepared, prepare

#: What the tokens of an image mean. Changing how they are made must change this, so that old queries are refused.
TOKEN_LAYOUT = 1

#: What is kept of one image: tokens `(T, D)`, mask `(T,)`, embedding `(E,)`, and rows and columns of the tokens.
Row: TypeAlias = tuple[Tensor, Tensor, Tensor, tuple[int, int]]

# Images that go through the network at once. On a processor more do not fit its caches: 8 were twice as fast as 32 on
# two cores, and 64 than 256 on an H200. A GPU starts with that, and halves it where its memory ends.
_AT_ONCE = {"cpu": 8, "cuda": 64}
# Parameters of mallopt, as malloc.h of glibc numbers them.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Encoded:
    """What a frozen encoder saw in a batch of B images.

    Attributes:
        tokens: `(B, T, D)` float32; T is the longest of the batch, shorter rows end in zeros.
        mask: `(B, T)` bool, true where a token shows the image and not padding.
        embedding: `(B, E)` float32, pooled over the whole image.
        grid: Rows and columns of the tokens of each image.
    """

    tokens: Tensor
    mask: Tensor
    embedding: Tensor
    grid: tuple[tuple[int, int], ...]


class Backbone(Protocol):
    """The pretrained network behind an encoder."""

    canvas: Canvas
    token_dim: int
    embedding_dim: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    digest: str

    def features(self, pixels: Tensor, width: Tensor, height: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return tokens `(B, h, w, D)`, mask `(B, h, w)`, embedding `(B, E)` of normalized pixels `(B, 3, H, W)`."""

    def move(self, device: torch.device) -> None:
        """Bring the weights to a device, where `features` is called with tensors of that device."""


class FrozenEncoder:
    """An image encoder whose weights never change.

    What goes in and what comes out is in the memory of the processor, wherever the encoder computes.

    Attributes:
        name: `bundled:…` or `openclip:…`, as it was asked for.
        device: Where it computes. Its weights get there when the first image does.
        at_once: How many images of one canvas go through the network together. On a GPU whose memory ends that is
            halved until they fit, and stays so.
        fingerprint: 16 hexadecimal digits over the architecture, the digest of the weights and the preprocessing.
            Tokens with different fingerprints must not be mixed.
        token_dim: D of the tokens.
        embedding_dim: E of the pooled embedding.
        canvas: How images are laid out.
        texture: Which channels of a token are of fine local texture; None where no stage is finer than another.
        joint_dim: How many leading values of the embedding lie in a space shared with text; 0 without one.
    """

    def __init__(self, name: str, backbone: Backbone, precision: str = "auto", device: str | None = None) -> None:
        if precision != "auto" and precision not in _PRECISIONS:
            raise ValueError(f"precision is {precision!r}; expected one of auto, {', '.join(_PRECISIONS)}")
        self.name = name
        self.device = devices.chosen(device)
        self.at_once = _AT_ONCE[self.device.type]
        self.canvas = backbone.canvas
        self.token_dim = backbone.token_dim
        self.embedding_dim = backbone.embedding_dim
        self.joint_dim = int(getattr(backbone, "joint_dim", 0))
        self.texture: tuple[int, ...] | None = getattr(backbone, "texture", None)
        self._backbone = backbone
        self._placed = torch.device("cpu")
        half = devices.half_precision(self.device) if precision == "auto" else _PRECISIONS[precision]
        self.precision = half or torch.float32
        self.fingerprint = _fingerprint(name, backbone)

    def in_float32(self) -> FrozenEncoder:
        """Return this encoder as one that computes in float32, whatever the device could."""
        other = copy.copy(self)
        other.precision = torch.float32
        return other

    def on_cpu(self) -> FrozenEncoder:
        """Return this encoder as one that computes on the processor, in float32; itself where it does already."""
        if self.device.type == "cpu":
            return self.in_float32()
        other = copy.copy(self)
        other._backbone = copy.deepcopy(self._backbone)
        other._backbone.move(torch.device("cpu"))
        other.device = other._placed = torch.device("cpu")
        other.at_once, other.precision = _AT_ONCE["cpu"], torch.float32
        return other

    @property
    def together(self) -> int:
        """How many images are worth having at hand: on a GPU as many as go through at once, elsewhere any number."""
        return self.at_once if self.device.type == "cuda" else 1

    @property
    def where(self) -> str:
        """Where and how it computes, in words, such as `cpu, bfloat16`."""
        return f"{devices.name_of(self.device)}, {str(self.precision).removeprefix('torch.')}"

    def prepare(self, image: Image.Image) -> Prepared:
        """Scale and pad one RGB image. Pure and thread-safe."""
        return prepare(image, self.canvas)

    def embed_text(self, text: str) -> NDArray[np.float32]:
        """Return where a text lies among the first `joint_dim` values of embeddings: `(joint_dim,)`, of length 1.

        Raises:
            EncoderUnavailable: This encoder has no text tower, or was loaded without it.
            TextRejected: The text is empty or longer than the tower reads.
        """
        tower = getattr(self._backbone, "text", None)
        if tower is None:
            raise no_text_tower(self.name)
        vector: NDArray[np.float32] = tower.embed(text)
        return vector

    def forget_text(self) -> None:
        """Free the text tower, which takes as much memory as the image tower, once the texts are read."""
        if hasattr(self._backbone, "text"):
            self._backbone.text = None

    @torch.inference_mode()
    def encode(self, batch: Sequence[Prepared]) -> Encoded:
        """Encode images of any mixture of shapes; those of one canvas shape go through the network together.

        Raises:
            DeviceUnavailable: The memory of the GPU does not hold even one image.
        """
        groups: dict[tuple[int, int], list[int]] = defaultdict(list)
        for index, item in enumerate(batch):
            groups[item.shape].append(index)
        rows: dict[int, Row] = {}
        for indices in groups.values():
            done = 0
            while done < len(indices):
                some = indices[done : done + self.at_once]
                seen = self._rows([batch[i] for i in some])
                if seen is None:
                    self._take_fewer(len(some))
                    continue
                rows.update(zip(some, seen, strict=True))
                done += len(some)
        return collate([rows[i] for i in range(len(batch))])

    def _rows(self, some: Sequence[Prepared]) -> list[Row] | None:
        """Return what the network sees in images of one canvas, or None where they are too many for its memory."""
        try:
            normalized = self._normalize(torch.from_numpy(np.stack([item.pixels for item in some])))
            width, height = self._here(torch.tensor([[item.width, item.height] for item in some]).T)
            seen = self._features(normalized, width, height)
            tokens, mask, embedding = (part.cpu() for part in seen)
        except torch.OutOfMemoryError:  # of a GPU; its frames hold what has to be freed first
            return None
        grid = (int(mask.shape[1]), int(mask.shape[2]))
        return [(tokens[row].flatten(0, 1), mask[row].flatten(), embedding[row], grid) for row in range(len(some))]

    def _features(self, normalized: Tensor, width: Tensor, height: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        with self._computing():
            seen = self._backbone.features(normalized, width, height)
        if self.precision == torch.float16 and not all(bool(torch.isfinite(part).all()) for part in (seen[0], seen[2])):
            self.precision = torch.float32  # weights whose values leave the range of float16, now and from here on
            return self._features(normalized, width, height)
        return seen

    def _take_fewer(self, tried: int) -> None:
        torch.cuda.empty_cache()
        if tried == 1:
            raise DeviceUnavailable(
                f"the memory of {devices.name_of(self.device)} does not hold {self.name} and one image",
                "free some of it (`nvidia-smi` shows who has it), or compute on the processor: --device cpu",
            )
        self.at_once = tried // 2

    @contextmanager
    def _computing(self) -> Iterator[None]:
        """Compute in this encoder's precision, and in all bits of float32 where that is it."""
        if self.precision != torch.float32:
            with torch.autocast(self.device.type, self.precision):
                yield
        elif self.device.type == "cuda":
            with torch.backends.cudnn.flags(allow_tf32=False):
                yield
        else:
            yield

    def _here(self, tensor: Tensor) -> Tensor:
        """Return a tensor on the device of this encoder; with the first one come the weights."""
        if self.device.type == "cpu":
            return tensor
        if self._placed != self.device:
            with torch.inference_mode(False):  # or gradients of the pixels, for overlays, could not pass through them
                self._backbone.move(self.device)
            self._placed = self.device
        return tensor.to(self.device)

    def differentiable(self, pixels: Tensor, width: int, height: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return tokens `(1, T, D)`, mask `(1, T)` and embedding `(1, E)` of pixels `(H, W, 3)`, with gradients."""
        return self.batch_features(pixels.unsqueeze(0), torch.tensor([width]), torch.tensor([height]))

    def batch_features(self, pixels: Tensor, width: Tensor, height: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return tokens `(B, T, D)`, mask `(B, T)` and embedding `(B, E)` of pixels `(B, H, W, 3)` of one canvas.

        In float32 and with gradients, for explanations and for export; `encode` is the way to score.

        Args:
            pixels: Prepared images of one canvas.
            width: `(B,)`, columns that show the image.
            height: `(B,)`, rows that show the image.
        """
        with self.in_float32()._computing():
            seen = self._backbone.features(self._normalize(pixels), self._here(width), self._here(height))
        tokens, mask, embedding = seen if self.device.type == "cpu" else (part.cpu() for part in seen)
        return tokens.flatten(1, 2), mask.flatten(1), embedding

    def _normalize(self, pixels: Tensor) -> Tensor:
        pixels = self._here(pixels)
        keep_freed_memory()
        mean = pixels.new_tensor(self._backbone.mean, dtype=torch.float32) * 255
        std = pixels.new_tensor(self._backbone.std, dtype=torch.float32) * 255
        # permuting HWC memory gives the channels_last layout without a copy
        if pixels.dtype == torch.uint8:  # floats are a copy then; by rows it is seven times as fast as by pixels
            width = pixels.shape[2]
            rows = pixels.flatten(2).float().sub_(mean.repeat(width)).div_(std.repeat(width))
            return rows.view(pixels.shape).permute(0, 3, 1, 2)  # (B, 3, H, W)
        return (pixels.permute(0, 3, 1, 2).float() - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)


@cache
def keep_freed_memory() -> None:
    """Let the allocator of the C library keep what is freed for what comes next.

    Between two layers lie tens of megabytes. glibc takes and returns so much by system calls, and the kernel clears
    every page anew: a quarter of the encoder's time. From here on up to 512 MB that are free stay with the process.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:  # not in every C library
        mallopt(_TRIM_THRESHOLD, 512 * 2**20)
        mallopt(_MMAP_THRESHOLD, 2**30)


def collate(rows: Sequence[Row]) -> Encoded:
    """Stack per-image tokens of different lengths into one padded batch."""
    if not rows:
        return Encoded(torch.zeros(0, 0, 0), torch.zeros(0, 0, dtype=torch.bool), torch.zeros(0, 0), ())
    tokens, masks, embeddings, grids = zip(*rows, strict=True)
    padded = pad_sequence([some.float() for some in tokens], batch_first=True)
    return Encoded(padded, pad_sequence(list(masks), batch_first=True), torch.stack(embeddings), grids)


def no_text_tower(name: str) -> EncoderUnavailable:
    """Return the error for an encoder that cannot compare images with a text."""
    return EncoderUnavailable(
        f"the encoder {name} has no text tower to read a brief with",
        "name an OpenCLIP encoder whose weights are on this machine, as openclip:MODEL/PRETRAINED",
    )


def valid_grid(height: Tensor, width: Tensor, stride: int, cells: tuple[int, int]) -> Tensor:
    """Return `(B, h, w)` bool: cells of a grid of `(h, w)` that show the image and not padding.

    They are at least half covered by the image; the first row and column always are.
    """
    rows, columns = (
        torch.arange(count, device=size.device).unsqueeze(0) < torch.round(size / stride).clamp(min=1).unsqueeze(1)
        for size, count in zip((height, width), cells, strict=True)
    )
    return rows[:, :, None] & columns[:, None, :]


def masked_moments(features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation `(B, C)` of `(B, C, H, W)` over the cells of a `(B, H, W)` mask."""
    weight = mask.unsqueeze(1).float()
    weight = weight / weight.sum(dim=(2, 3), keepdim=True)
    mean = (features * weight).sum(dim=(2, 3))
    variance = ((features - mean[:, :, None, None]).square() * weight).sum(dim=(2, 3))
    return mean, _root(variance)


def pool_to(features: Tensor, stride: int, cell: int) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of a finer stage within each cell of the coarsest one."""
    factor = cell // stride
    mean = F.avg_pool2d(features, factor)
    square = F.avg_pool2d(features.square(), factor)
    return mean, _root(square - mean.square())


def _root(variance: Tensor) -> Tensor:
    """Return the square root of a variance, 0 below 0, with gradient 0 where it is 0: a flat area has no direction."""
    positive = variance > 0
    return torch.where(positive, variance, 1).sqrt() * positive


def _fingerprint(name: str, backbone: Backbone) -> str:
    # a path in the name says where the weights lie; their digest says what they are
    architecture = name.partition("/")[0]
    facts: dict[str, Any] = {  # these keys are part of every fingerprint that was published
        "architecture": architecture,
        "weights": backbone.digest,
        "canvas": asdict(backbone.canvas),
        "normalisation": [backbone.mean, backbone.std],
        "layout": TOKEN_LAYOUT,
        "dims": [backbone.token_dim, backbone.embedding_dim],
    }
    if settings := getattr(backbone, "settings", None):
        facts["settings"] = settings
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
