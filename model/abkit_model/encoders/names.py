"""The names of encoders: which network, which weights, and the block and size that may follow."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from abkit_model.errors import EncoderUnavailable


@dataclass(frozen=True)
class Name:
    """The parts of `MODEL/PRETRAINED@tag=T,block=B,size=S`, of which the last three may be left out.

    Attributes:
        architecture: OpenCLIP's name of the model.
        pretrained: A tag of OpenCLIP, or the path of a weights file.
        block: Block whose tokens are taken, counted from 1; 0 for the last.
        size: A square image is scaled to this many pixels a side; 0 for what the tower was trained on.
        tag: The tag of OpenCLIP whose weights are in the file; "" where it is not said.
    """

    architecture: str
    pretrained: str
    block: int = 0
    size: int = 0
    tag: str = ""


def parse(rest: str) -> Name:
    """Read a name without its `openclip:`.

    Raises:
        EncoderUnavailable: The name does not say which weights, or has an option that does not exist.

    >>> parse("ViT-B-32/laion2b_s34b_b79k@block=9,size=320")
    Name(architecture='ViT-B-32', pretrained='laion2b_s34b_b79k', block=9, size=320, tag='')
    """
    rest, options = _options("openclip", rest)
    architecture, slash, pretrained = rest.partition("/")
    if not slash or not architecture or not pretrained:
        raise EncoderUnavailable(
            f"openclip:{rest} does not say which weights",
            "write openclip:MODEL/PRETRAINED, where PRETRAINED is a tag of OpenCLIP or the path of a weights file",
        )
    return Name(architecture, pretrained, **options)


def parse_timm(rest: str) -> Name:
    """Read a name without its `timm:`.

    Raises:
        EncoderUnavailable: It has an option that does not exist, or a tag: that of timm is part of its name.

    >>> parse_timm("vit_small_patch14_dinov2.lvd142m@size=322")
    Name(architecture='vit_small_patch14_dinov2.lvd142m', pretrained='', block=0, size=322, tag='')
    """
    architecture, options = _options("timm", rest)
    if "tag" in options:
        raise EncoderUnavailable(
            f"timm:{rest} has an option tag, which only names of OpenCLIP have",
            "write the tag behind the model, as in timm:vit_small_patch14_dinov2.lvd142m",
        )
    return Name(architecture, "", **options)


def _options(family: str, rest: str) -> tuple[str, dict[str, Any]]:
    """Return a name without what stands behind its `@`, and that."""
    named, at, tail = rest.rpartition("@")
    if not at or "=" not in tail or "/" in tail:  # the @ belongs to the path of a file
        return rest, {}
    options: dict[str, Any] = {}
    for option in tail.split(","):
        match = re.fullmatch(r"(block|size)=([1-9][0-9]{0,4})|(tag)=([\w.-]+)", option)
        if match is None or (match[1] or match[3]) in options:
            raise EncoderUnavailable(
                f"{family}:{rest} has an option {option!r} that cannot be used",
                "write @block=NUMBER, @size=PIXELS, @tag=TAG, or several as in @block=9,size=320, at the end",
            )
        options |= {match[1]: int(match[2])} if match[1] else {match[3]: match[4]}
    return named, options
