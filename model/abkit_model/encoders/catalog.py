"""Which file the weights of an encoder are, where it is published, and under which license."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.resources import files
from typing import Any

from abkit_model.encoders import libraries
from abkit_model.encoders.names import Name, parse, parse_timm
from abkit_model.errors import EncoderUnavailable

#: Another host with the same files, as the libraries of Hugging Face read it.
HUB_VARIABLE = "HF_ENDPOINT"
_HUB = "https://huggingface.co"
_SAFE = "open_clip_model.safetensors"


@dataclass(frozen=True, kw_only=True)
class Published:
    """Weights as their owner publishes them.

    Attributes:
        name: The encoder, without block and size.
        url: Address of the file.
        license: Its license; "" where abkit does not know it.
        source: Where that is written; the page of the weights where it is not known.
        sha256: Digest that the owner published; "" without one.
    """

    name: str
    url: str
    license: str
    source: str
    sha256: str = ""


def published(name: str) -> Published:
    """Find where the weights of `openclip:MODEL/TAG` or `timm:MODEL.TAG` are published. Nothing is fetched.

    Raises:
        EncoderUnavailable: The name is not one of OpenCLIP or timm, or its weights are nowhere as safetensors.
    """
    family, _, rest = name.partition(":")
    if family == "openclip":
        plain = parse(rest)
        repository, license = _of_openclip(plain), ""
        name, file = f"openclip:{plain.architecture}/{plain.pretrained}", _SAFE
    elif family == "timm":
        architecture = parse_timm(rest).architecture
        repository, license = _of_timm(architecture)
        name, file = f"timm:{architecture}", "model.safetensors"
    else:
        raise EncoderUnavailable(
            f"{name!r} is not an encoder that can be pulled",
            "name openclip:MODEL/TAG, such as openclip:ViT-L-14/openai, or timm:MODEL, such as "
            "timm:vit_small_patch14_dinov2.lvd142m; the bundled ones are installed already",
        )
    page = f"{_HUB}/{repository}"
    known = next((entry for entry in _entries() if fnmatchcase(name, entry["name"])), {})
    hub = os.environ.get(HUB_VARIABLE, _HUB).rstrip("/")
    return Published(
        name=name,
        url=f"{hub}/{repository}/resolve/main/{file}",
        license=known.get("license", license),
        source=known.get("source", page),
        sha256=known.get("sha256", ""),
    )


def _of_openclip(name: Name) -> str:
    open_clip = libraries.load("open_clip")
    config = open_clip.get_pretrained_cfg(name.architecture, name.pretrained)
    if not config:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(name.architecture))
        raise EncoderUnavailable(
            f"OpenCLIP has no tag {name.pretrained!r} of a model {name.architecture!r}",
            f"its tags are {tags}" if tags else 'python -c "import open_clip; print(open_clip.list_pretrained())"',
        )
    repository = str(config.get("hf_hub") or "").rpartition("/")[0]
    if not repository:
        raise EncoderUnavailable(
            f"the weights of openclip:{name.architecture}/{name.pretrained} are not published as safetensors, and "
            "abkit reads no pickle that it has fetched",
            "name another tag, or a file of this machine: openclip:MODEL/PATH",
        )
    return repository


def _of_timm(rest: str) -> tuple[str, str]:
    timm = libraries.load("timm")
    config = timm.models.get_pretrained_cfg(rest)
    repository = str(getattr(config, "hf_hub_id", None) or "")
    if not repository:
        raise EncoderUnavailable(
            f"timm has no published weights {rest!r}",
            'python -c "import timm; print(timm.list_pretrained())" lists them',
        )
    return repository, str(config.license or "")


def _entries() -> list[dict[str, Any]]:
    text = files("abkit_model.encoders").joinpath("catalog.toml").read_text(encoding="utf-8")
    return list(tomllib.loads(text)["encoder"])
