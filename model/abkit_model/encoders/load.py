"""Frozen encoders by name."""

from __future__ import annotations

from abkit_model.encoders import DEFAULT_ENCODER, bundled, class_names, openclip, timm_tower
from abkit_model.encoders.frozen import FrozenEncoder, no_text_tower
from abkit_model.errors import EncoderUnavailable


def load_encoder(
    name: str = DEFAULT_ENCODER, precision: str = "auto", *, text: bool = False, device: str | None = None
) -> FrozenEncoder:
    """Build a frozen encoder by name, from weights on this machine.

    Args:
        name: `bundled:efficientnet-lite2`, `bundled:efficientnet-lite0`, `openclip:MODEL/PRETRAINED`, where PRETRAINED
            is one of OpenCLIP's tags or the path of a weights file, or `timm:MODEL`; the latter two with `@block=B` or
            `@size=S` behind them. To read a brief also `classes:efficientnet-lite2`: the names of ImageNet's classes.
        precision: `float32`, `bfloat16`, `float16`, or `auto`: float16 on a GPU, bfloat16 on a processor that computes
            with it, float32 on others.
        text: Load the text tower too, for `embed_text`.
        device: Where it computes: `cpu`, `cuda`, or `auto`, the GPU where there is one; None means what this process
            prefers, which is `auto` unless a workspace says otherwise.

    Raises:
        EncoderUnavailable: The name is unknown, there is no text tower although one is wanted, or the weights are
            missing; the message says which file, where it was looked for, and how to get it.
        DeviceUnavailable: CUDA was asked for, and cannot be used here.
    """
    family, _, rest = name.partition(":")
    if family == "bundled":
        if text:
            raise no_text_tower(name)
        return FrozenEncoder(name, bundled.load(rest), precision, device)
    if family == "openclip":
        return FrozenEncoder(name, openclip.load(rest, text=text), precision, device)
    if family == "timm":
        if text:
            raise no_text_tower(name)
        return FrozenEncoder(name, timm_tower.load(rest), precision, device)
    if family == class_names.FAMILY:
        if not text:
            raise EncoderUnavailable(
                f"{name} reads briefs only: it sees no more of an image than the bundled encoder that it stands on",
                "name it with --brief-encoder, and train on the bundled one",
            )
        return FrozenEncoder(name, class_names.ClassNames(rest), precision, device)
    raise EncoderUnavailable(
        f"unknown encoder {name!r}",
        "use bundled:efficientnet-lite2, bundled:efficientnet-lite0, openclip:MODEL/PRETRAINED or timm:MODEL",
    )
