"""Any OpenCLIP image tower as a frozen encoder, from weights on this machine."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - its name everywhere

from abkit_model.encoders import libraries
from abkit_model.encoders.frozen import masked_moments, pool_to, valid_grid
from abkit_model.encoders.libraries import file_digest
from abkit_model.encoders.names import Name, parse
from abkit_model.encoders.openclip_towers import TextTower, Tower, tower_of
from abkit_model.encoders.pulled import weights_of
from abkit_model.errors import EncoderUnavailable
from abkit_model.images import Canvas

#: A side above this makes more tokens than a transformer's attention has time for.
MAX_SIZE = 1024


class OpenCLIPTower:
    """The image tower of an OpenCLIP model: tokens of one block, and its place in the space shared with text.

    An image keeps its aspect ratio and is scaled to the area of the tower's own square (or of `size`). Its canvas is
    whole patches; patches that are mostly padding are cut off before the tower sees them, so that nothing attends to
    them. Towers of a fixed size get the image padded into their square: they do see the padding, the queries do not.

    Embedding: the tower's pooled output, then mean and standard deviation of the valid tokens.
    Tokens of a stage finer than the coarsest patch are pooled to it: their mean, then their standard deviation.

    Attributes:
        joint_dim: P, how many leading values of the embedding are the pooled output.
        settings: What else the numbers depend on, for the fingerprint.
        text: The text tower of the same weights, where it was asked for.
    """

    def __init__(
        self, tower: Tower, name: Name, *, digest: str, mean: Any, std: Any, quick_gelu: bool, text: TextTower | None
    ) -> None:
        self._tower = tower
        self._block = _checked_block(tower, name)
        self.canvas = _canvas(tower, name)
        self.mean = (float(mean[0]), float(mean[1]), float(mean[2]))
        self.std = (float(std[0]), float(std[1]), float(std[2]))
        self.digest = digest
        self.text = text
        self.settings = {"block": self._block, "quick_gelu": quick_gelu}
        side = self.canvas.square or (self.canvas.longest // _LONGEST)
        with torch.inference_mode():
            tokens, _, embedding = self.features(
                torch.zeros(1, 3, side, side), torch.tensor([side]), torch.tensor([side])
            )
        self.token_dim = int(tokens.shape[3])
        self.embedding_dim = int(embedding.shape[1])
        self.joint_dim = self.embedding_dim - 2 * self.token_dim

    def features(self, pixels: Tensor, width: Tensor, height: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return tokens `(B, h, w, D)`, mask `(B, h, w)` and embedding `(B, E)`."""
        if self.canvas.square:
            tokens, embedding, mask = self._run(pixels, width, height)
            return tokens.permute(0, 2, 3, 1).contiguous(), mask, embedding
        cell = self.canvas.cell
        down, across = pixels.shape[2] // cell, pixels.shape[3] // cell
        mask = valid_grid(height, width, cell, (down, across))
        sizes = list(zip(mask[:, :, 0].sum(dim=1).tolist(), mask[:, 0].sum(dim=1).tolist(), strict=True))
        found: dict[int, tuple[Tensor, Tensor]] = {}
        for size in set(sizes):
            chosen = [i for i, other in enumerate(sizes) if other == size]
            inside = pixels[chosen, :, : size[0] * cell, : size[1] * cell]
            tokens, embedding, _ = self._run(inside, width[chosen], height[chosen])
            tokens = F.pad(tokens, (0, across - size[1], 0, down - size[0]))  # (b, D, h, w)
            found.update((i, (tokens[k], embedding[k])) for k, i in enumerate(chosen))
        tokens = torch.stack([found[i][0] for i in range(len(sizes))])
        embedding = torch.stack([found[i][1] for i in range(len(sizes))])
        return tokens.permute(0, 2, 3, 1).contiguous(), mask, embedding

    def move(self, device: torch.device) -> None:
        """Bring the weights of the image tower to a device; a text tower stays where it is."""
        self._tower.move(device)

    def _run(self, pixels: Tensor, width: Tensor, height: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return tokens `(b, D, h, w)`, embedding `(b, E)` and mask `(b, h, w)`."""
        tokens, pooled = self._tower.run(pixels, self._block)  # (b, D, h, w), (b, P)
        tokens, cell = tokens.float(), self.canvas.cell
        if not self.canvas.square and tokens.shape[2] != pixels.shape[2] // cell:
            tokens = torch.cat(pool_to(tokens, pixels.shape[2] // tokens.shape[2], cell), dim=1)
        mask = valid_grid(height, width, pixels.shape[2] // tokens.shape[2], (tokens.shape[2], tokens.shape[3]))
        return tokens, torch.cat([pooled.float(), *masked_moments(tokens, mask)], dim=1), mask


# How much longer than a square's side an image may be: 16 : 1 keeps its area, beyond it is scaled down.
_LONGEST = 4


def _checked_block(tower: Tower, name: Name) -> int:
    if name.block > tower.blocks:
        raise EncoderUnavailable(
            f"{name.architecture} has {tower.blocks} blocks, there is no block {name.block}",
            f"name one from 1 to {tower.blocks}, or none for the last",
        )
    return name.block or tower.blocks


def _canvas(tower: Tower, name: Name) -> Canvas:
    if not tower.cell:
        if name.size not in (0, tower.side):
            raise EncoderUnavailable(
                f"the image tower of {name.architecture} takes images of {tower.side} × {tower.side} pixels only",
                "leave size out, or take a ViT",
            )
        return Canvas(area=tower.side**2, cell=tower.side, longest=tower.side, square=tower.side)
    side = name.size or tower.side
    if side % tower.cell or side > max(MAX_SIZE, tower.side):
        raise EncoderUnavailable(
            f"size={side} cannot be used with {name.architecture}, whose patches have {tower.cell} pixels a side",
            f"name a multiple of {tower.cell} up to {MAX_SIZE // tower.cell * tower.cell}",
        )
    return Canvas(area=side**2, cell=tower.cell, longest=_LONGEST * side)


def load(rest: str, *, text: bool = False) -> OpenCLIPTower:
    """Build the tower named `MODEL/PRETRAINED`, with `@block=…,size=…` behind it or not.

    Args:
        rest: The name without `openclip:`.
        text: Keep the text tower too.

    Raises:
        EncoderUnavailable: a name OpenCLIP does not know, weights that are not at hand or do not fit, a block or a
            size that the tower does not have, or a text tower whose tokenizer is not at hand.
    """
    name = parse(rest)
    open_clip = libraries.load("open_clip")
    if open_clip.get_model_config(name.architecture) is None:
        raise EncoderUnavailable(
            f"OpenCLIP has no model {name.architecture!r}",
            "python -c 'import open_clip; print(open_clip.list_models())'",
        )
    config = open_clip.get_pretrained_cfg(name.architecture, name.pretrained) or {}
    weights = _find(name.architecture, name.pretrained, config)
    if name.tag:
        config = _tag_of_file(open_clip, name, config)
    # some tags were trained with another activation than the model of that name has today
    quick_gelu = bool(config.get("quick_gelu") or open_clip.get_model_config(name.architecture).get("quick_gelu"))
    try:
        model = open_clip.create_model(
            name.architecture,
            pretrained=str(weights),
            pretrained_text=False,
            weights_only=True,
            force_quick_gelu=quick_gelu,
        )
    except Exception as error:  # OpenCLIP raises whatever its parts raise
        raise EncoderUnavailable(
            f"{weights} does not load as OpenCLIP's {name.architecture}: {str(error).splitlines()[0][:200]}",
            "name the model that these weights were made for",
        ) from error
    model = model.eval().requires_grad_(False)
    mean, std = _normalization(open_clip, name, config)
    return OpenCLIPTower(
        tower_of(model.visual, name.architecture),
        name,
        digest=file_digest(weights),
        mean=mean,
        std=std,
        quick_gelu=quick_gelu,
        text=TextTower(model, name.architecture) if text else None,
    )


def _tag_of_file(open_clip: Any, name: Name, config: dict[str, Any]) -> dict[str, Any]:
    """Return what OpenCLIP knows about the tag whose weights are said to be in a file."""
    said = open_clip.get_pretrained_cfg(name.architecture, name.tag)
    if config or not said:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(name.architecture)) or "none"
        why = "it names a tag already" if config else f"OpenCLIP has no such tag of {name.architecture}"
        raise EncoderUnavailable(f"@tag={name.tag} says nothing about {name.pretrained}: {why}", f"its tags are {tags}")
    found: dict[str, Any] = said
    return found


def _normalization(open_clip: Any, name: Name, config: dict[str, Any]) -> tuple[Any, Any]:
    """Return mean and standard deviation of the colors that the weights were trained with.

    1. Of the tag that is named, or said to be in the file.
    2. Of the configuration beside the file, or of the tag that the file was published as.
    3. What all tags of the model have in common; where no tag is known, what OpenCLIP itself trains with.

    Raises:
        EncoderUnavailable: The file may hold weights of tags that differ.
    """
    tags = open_clip.list_pretrained_tags_by_model(name.architecture)
    ways = {tag: open_clip.get_pretrained_cfg(name.architecture, tag) for tag in tags}
    default = {"mean": open_clip.OPENAI_DATASET_MEAN, "std": open_clip.OPENAI_DATASET_STD}
    if not config:
        config = _beside(Path(name.pretrained).expanduser()) or _published(Path(name.pretrained).expanduser(), ways)
    if not config:
        kinds: dict[tuple[Any, ...], list[str]] = {}
        for tag, way in ways.items():
            kind = (*(way.get("mean") or default["mean"]), *(way.get("std") or default["std"]))
            kinds.setdefault(kind, []).append(tag)
        if len(kinds) > 1:
            raise EncoderUnavailable(
                f"{name.pretrained} does not say how its colors are normalized, and the tags of {name.architecture} "
                "differ in it",
                f"say which tag it is: openclip:{name.architecture}/{name.pretrained}@tag=TAG, where TAG is one of "
                + "; or of ".join(f"{', '.join(tags)} (mean {kind[0]:.3g})" for kind, tags in kinds.items()),
            )
        config = next(iter(ways.values()), {})
    return config.get("mean") or default["mean"], config.get("std") or default["std"]


def _beside(weights: Path) -> dict[str, Any]:
    """Return what the configuration in the folder of a weights file says about colors, as OpenCLIP saves it there."""
    try:
        with (weights.parent / "open_clip_config.json").open("rb") as file:
            said = json.loads(file.read(2**20))["preprocess_cfg"]
        mean, std = ([float(value) for value in said[name]] for name in ("mean", "std"))
    except (OSError, ValueError, TypeError, KeyError):
        return {}
    return {"mean": mean, "std": std} if len(mean) == len(std) == 3 and min(std) > 0 else {}


def _published(weights: Path, ways: dict[str, Any]) -> dict[str, Any]:
    """Return the tag under which a file was published: it lies in the cache of its hub, or has the name of its URL."""
    for way in ways.values():
        repository = str(way.get("hf_hub") or "").rpartition("/")[0]
        if repository and f"models--{repository.replace('/', '--')}" in weights.parts:
            return dict(way)
    # OpenAI's files are named like the model, others with the tag and a digest.
    names = [way for way in ways.values() if os.path.basename(str(way.get("url") or "")) == weights.name]
    return dict(names[0]) if len(names) == 1 and re.search(r"-[0-9a-f]{8}\.\w+$", weights.name) else {}


def _find(architecture: str, pretrained: str, config: dict[str, Any]) -> Path:
    """Return the weights file on this machine; nothing is downloaded."""
    path = Path(pretrained).expanduser()
    if not config:
        if path.is_file():
            return path
        raise EncoderUnavailable(
            f"the weights {pretrained!r} for OpenCLIP's {architecture} are missing: this is not one of the known tags "
            f"and there is no file {path.absolute()}",
            f"python -c \"import open_clip; print(open_clip.list_pretrained_tags_by_model('{architecture}'))\"",
        )
    pulled = weights_of(f"openclip:{architecture}/{pretrained}")
    if pulled is not None:
        return pulled
    hub = libraries.load("huggingface_hub")
    what, where = "", []
    if config.get("hf_hub"):
        repository, _, file = config["hf_hub"].rpartition("/")
        names = [file] if file else ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"]
        for name in names:
            found = hub.try_to_load_from_cache(repository, name)
            if isinstance(found, str):
                return Path(found)
        what, where = f"{repository}/{names[0]}", [hub.constants.HF_HUB_CACHE]
    if config.get("url"):
        folder = Path("~/.cache/clip").expanduser()  # where OpenCLIP keeps what it fetched from an address
        cached: Path = folder / os.path.basename(config["url"])
        if cached.is_file():
            return cached
        what, where = what or cached.name, [*where, str(folder)]
    raise EncoderUnavailable(
        f"the weights {what} of openclip:{architecture}/{pretrained} are missing: looked for in {' and '.join(where)}",
        f"abkit encoder pull openclip:{architecture}/{pretrained}; or name a file: openclip:{architecture}/PATH",
    )
