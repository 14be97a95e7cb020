"""The towers of OpenCLIP models: image towers that take any number of whole patches where they can, and text towers.

An image tower is asked for the tokens of one block and for its pooled output, which lies in the space that it shares
with its text tower. Positional embeddings were learned on one square grid. On that grid they stay as they are; for
another they are resampled (bicubic, antialiased, as OpenCLIP itself does when it loads weights of another size).
"""

from __future__ import annotations

from math import isqrt
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - its name everywhere

from abkit_model.encoders import libraries
from abkit_model.errors import EncoderUnavailable, TextRejected


class Tower(Protocol):
    """An image tower.

    Attributes:
        side: Pixels of the square that the tower was trained on.
        cell: Pixels of its coarsest patch, or 0 for a tower that takes its own square only.
        blocks: How many blocks (of a transformer) or stages (of a convolutional network) there are to choose from.
    """

    side: int
    cell: int
    blocks: int

    def run(self, pixels: Tensor, block: int) -> tuple[Tensor, Tensor]:
        """Return the tokens `(B, D, h, w)` of a block (from 1), and the pooled output `(B, P)`."""

    def move(self, device: torch.device) -> None:
        """Bring the weights to a device."""


def tower_of(visual: Any, architecture: str) -> Tower:
    """Wrap OpenCLIP's module in the tower of its kind.

    Raises:
        EncoderUnavailable: The module does not give its tokens.
    """
    transformer = libraries.load("open_clip.transformer").VisionTransformer
    resnet = libraries.load("open_clip.modified_resnet").ModifiedResNet
    if isinstance(visual, transformer):
        return TransformerTower(visual)
    if isinstance(visual, resnet):
        return ResNetTower(visual)
    if hasattr(visual, "trunk") and hasattr(visual, "forward_intermediates"):
        return TimmTower(visual)
    raise EncoderUnavailable(
        f"the image tower of {architecture} does not give its tokens",
        "take a ViT, such as openclip:ViT-B-32/laion2b_s34b_b79k",
    )


class TransformerTower:
    """OpenCLIP's own vision transformer: any grid of patches."""

    def __init__(self, visual: Any) -> None:
        self._visual = visual
        self.side = side_of(visual)
        self.cell = int(visual.patch_size[0])
        self.blocks = len(visual.transformer.resblocks)

    def run(self, pixels: Tensor, block: int) -> tuple[Tensor, Tensor]:
        """Return tokens and pooled output; see `Tower`."""
        visual = self._visual
        patches = visual.conv1(pixels)  # (B, D, h, w)
        down, across = patches.shape[2:]
        whole = visual.class_embedding.expand(len(patches), 1, -1)
        x = torch.cat([whole.to(patches.dtype), patches.flatten(2).transpose(1, 2)], dim=1)  # (B, 1 + h·w, D)
        x = visual.ln_pre(x + resampled(visual.positional_embedding, visual.grid_size, (down, across)))
        x, (chosen,) = visual.transformer.forward_intermediates(x, indices=[block - 1])
        pooled, _ = visual._pool(x)
        if visual.proj is not None:
            pooled = pooled @ visual.proj
        tokens: Tensor = chosen[:, 1:].transpose(1, 2)  # (B, D, h·w)
        return tokens.reshape(len(patches), -1, down, across), pooled

    def move(self, device: torch.device) -> None:
        """Bring the weights to a device."""
        self._visual.to(device)


class ResNetTower:
    """OpenCLIP's ResNet with attention pooling: any number of cells of 32 pixels; its blocks are its four stages."""

    cell = 32
    blocks = 4

    def __init__(self, visual: Any) -> None:
        self._visual = visual
        self.side = side_of(visual)

    def run(self, pixels: Tensor, block: int) -> tuple[Tensor, Tensor]:
        """Return tokens and pooled output; see `Tower`."""
        visual = self._visual
        x = visual.stem(pixels)
        for number, stage in enumerate((visual.layer1, visual.layer2, visual.layer3, visual.layer4), start=1):
            x = stage(x)
            if number == block:
                chosen = x
        return chosen, _attention_pool(visual.attnpool, x)

    def move(self, device: torch.device) -> None:
        """Bring the weights to a device."""
        self._visual.to(device)


class TimmTower:
    """A tower from timm. Plain vision transformers (those of SigLIP) take any grid of patches, others their square."""

    def __init__(self, visual: Any) -> None:
        self._visual = visual
        self.side = side_of(visual)
        self.cell = 0
        if is_plain(visual.trunk):
            self.cell = int(visual.trunk.patch_embed.patch_size[0])
            _accept_any_grid(visual.trunk)
        with torch.inference_mode():
            probe = visual.forward_intermediates(torch.zeros(1, 3, self.side, self.side), intermediates_only=True)
        self.blocks = len(probe["image_intermediates"])

    def run(self, pixels: Tensor, block: int) -> tuple[Tensor, Tensor]:
        """Return tokens and pooled output; see `Tower`."""
        out = self._visual.forward_intermediates(pixels, indices=[block - 1], output_fmt="NCHW")
        return out["image_intermediates"][0], out["image_features"]

    def move(self, device: torch.device) -> None:
        """Bring the weights to a device."""
        self._visual.to(device)


def side_of(visual: Any) -> int:
    """Return the side in pixels of the square that a tower was trained on."""
    size = visual.image_size
    return int(size[0] if isinstance(size, (tuple, list)) else size)


def resampled(position: Tensor, grid: tuple[int, int], wanted: tuple[int, int]) -> Tensor:
    """Resample positional embeddings `(1 + h·w, D)`, the first one of no place, for another grid of patches.

    >>> import torch
    >>> learned = torch.arange(5.0).reshape(5, 1)
    >>> resampled(learned, (2, 2), (2, 2)) is learned
    True
    >>> resampled(learned, (2, 2), (2, 3)).shape
    torch.Size([7, 1])
    """
    if tuple(grid) == tuple(wanted):
        return position
    first, places = position[:1].float(), position[1:].float()
    places = places.reshape(1, *grid, -1).permute(0, 3, 1, 2)  # (1, D, h, w)
    places = F.interpolate(places, size=wanted, mode="bicubic", antialias=True, align_corners=False)
    return torch.cat([first, places.flatten(2).transpose(1, 2)[0]])


def _attention_pool(pool: Any, x: Tensor) -> Tensor:
    """Pool as OpenCLIP's AttentionPool2d does, on any grid: the mean attends to all cells."""
    grid = isqrt(pool.positional_embedding.shape[0] - 1)
    position = resampled(pool.positional_embedding, (grid, grid), (x.shape[2], x.shape[3]))
    cells = x.flatten(2).transpose(1, 2)  # (B, N, C)
    keys = torch.cat([cells.mean(dim=1, keepdim=True), cells], dim=1) + position  # (B, 1 + N, C)

    def heads(y: Tensor) -> Tensor:
        return y.view(*y.shape[:2], pool.num_heads, -1).transpose(1, 2)  # (B, H, N, C/H)

    seen = F.scaled_dot_product_attention(
        heads(pool.q_proj(keys[:, :1])), heads(pool.k_proj(keys)), heads(pool.v_proj(keys))
    )
    pooled: Tensor = pool.c_proj(seen.transpose(1, 2).flatten(2))  # (B, 1, P)
    return pooled[:, 0]


def is_plain(trunk: Any) -> bool:
    """Return whether a tower is timm's vision transformer itself, on plain patches with learned positions."""
    plain = libraries.load("timm.models.vision_transformer").VisionTransformer
    patches = libraries.load("timm.layers").PatchEmbed
    return type(trunk) is plain and type(trunk.patch_embed) is patches and trunk.pos_embed is not None


def _accept_any_grid(trunk: Any) -> None:
    """Do what timm does for a vision transformer made with dynamic_img_size; OpenCLIP does not pass that on."""
    patches = trunk.patch_embed
    trunk.dynamic_img_size = True
    patches.strict_img_size = False
    patches.flatten = False
    patches.output_fmt = type(patches.output_fmt)("NHWC")


#: Longer texts are refused before anything looks at them; every tower's own limit is far below.
MAX_CHARACTERS = 2000


class TextTower:
    """A tokenizer and a text tower. Nothing is downloaded: OpenCLIP brings the vocabulary of most models along.

    Raises:
        EncoderUnavailable: The tokenizer of this model is not on this machine.
    """

    def __init__(self, model: Any, architecture: str) -> None:
        self._model = model
        self._architecture = architecture
        try:
            self._tokenizer = libraries.load("open_clip").get_tokenizer(architecture)
        except Exception as error:  # the tokenizers of other libraries raise whatever they raise
            raise EncoderUnavailable(
                f"the tokenizer of OpenCLIP's {architecture} is not on this machine: "
                f"{(str(error).splitlines() or [type(error).__name__])[0][:200]}",
                "take a model with OpenCLIP's own tokenizer, such as ViT-B-32 or ViT-L-14",
            ) from error

    def embed(self, text: str) -> NDArray[np.float32]:
        """Return where a text lies: `(P,)`, of length 1.

        Raises:
            TextRejected: The text is empty, unreadable, or longer than the tower reads. Nothing is cut off silently.
        """
        text = checked_text(text)
        tokens = self._tokenizer([text])
        most = tokens.shape[1]
        if (length := self._count(text)) > most:
            raise TextRejected(
                f"the brief has {length - 2} tokens, and {self._architecture} reads {most - 2} "
                f"(about {(most - 2) * 3 // 4} English words)",
                "shorten the brief; words beyond the limit would be ignored",
            )
        with torch.inference_mode():
            vector = self._model.encode_text(tokens, normalize=True)[0].float()
        return np.asarray(vector.numpy(), dtype=np.float32)

    def _count(self, text: str) -> int:
        """Count the tokens of a text with its beginning and its end, however many the tower reads."""
        # A token stands for at least one byte, and cleaning a text never makes it four times as long.
        row = self._tokenizer([text], context_length=4 * len(text.encode()) + 8)[0]
        return int((row != row[-1]).nonzero()[-1]) + 1


def checked_text(text: str) -> str:
    """Return a brief without the blanks around it.

    Raises:
        TextRejected: The brief is empty, far too long, or has characters that no database takes.

    >>> checked_text("  a beach at dawn ")
    'a beach at dawn'
    """
    text = text.strip()
    if not any(character.isalnum() for character in text):
        raise TextRejected("the brief is empty", "say in a few words what the image should show")
    if len(text) > MAX_CHARACTERS:
        raise TextRejected(
            f"the brief has {len(text):,} characters, at most {MAX_CHARACTERS:,} are allowed",
            "say in a few words what the image should show",
        )
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise TextRejected("the brief is not readable as UTF-8 text", "check the encoding of the terminal or file")
    return text
