"""Where an encoder computes: on a GPU with CUDA where there is one, else on the processor.

This is the one place that chooses. The choice is of the process, as the number of threads is: a workspace or a command
says what it prefers, and every encoder that is built afterwards follows. Nothing here imports torch before it is asked.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from abkit_model.errors import DeviceUnavailable

if TYPE_CHECKING:
    import torch

AUTO, CPU, CUDA = "auto", "cpu", "cuda"
DEVICES = (AUTO, CPU, CUDA)

_FEW = 4
_preferred = AUTO


def prefer(device: str) -> None:
    """Say where encoders of this process compute from now on, unless they are asked for elsewhere.

    Args:
        device: `auto`, `cpu` or `cuda`.

    Raises:
        ValueError: There is no such device.
    """
    global _preferred
    if device not in DEVICES:
        raise ValueError(f"device is {device!r}; expected one of {', '.join(DEVICES)}")
    _preferred = device


def chosen(device: str | None = None) -> torch.device:
    """Return where an encoder computes.

    Args:
        device: `auto` takes the GPU where CUDA can use one; None means what this process prefers.

    Raises:
        ValueError: There is no such device.
        DeviceUnavailable: CUDA was asked for, and cannot be used here.

    >>> str(chosen("cpu"))
    'cpu'
    """
    import torch

    asked = _preferred if device is None else device
    if asked not in DEVICES:
        raise ValueError(f"device is {asked!r}; expected one of {', '.join(DEVICES)}")
    if asked == CPU:
        return torch.device(CPU)
    missing = why_no_cuda()
    if missing and asked == CUDA:
        raise DeviceUnavailable(
            f"cuda was asked for, and there is none here: {missing}",
            "score on the processor with --device cpu, or leave the choice to abkit with --device auto",
        )
    return torch.device(CPU if missing else CUDA)


def why_no_cuda() -> str:
    """Return why CUDA cannot be used, in a few words; an empty string where it can."""
    import torch

    with warnings.catch_warnings(record=True) as said:  # torch warns of a driver that is too old
        warnings.simplefilter("always")
        usable = torch.cuda.is_available()
    if usable:
        return ""
    if torch.version.cuda is None and torch.version.hip is None:
        return f"torch {torch.__version__} was built without CUDA"
    why = str(said[0].message).splitlines()[0].split(" (Triggered")[0] if said else "torch finds no GPU with a driver"
    return why[:200]


def half_precision(device: torch.device) -> torch.dtype | None:
    """Return the half precision that a device multiplies natively, or None: emulated it is slower than float32.

    On a GPU that is float16, whose 11 significant bits are enough and 8 times as fine as bfloat16's.
    """
    import torch

    if device.type == CUDA:
        return torch.float16
    probe = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return torch.bfloat16 if probe is not None and probe() else None


def name_of(device: torch.device) -> str:
    """Return what a device is called, for people: `cpu`, or `cuda: ` and the model of the GPU."""
    import torch

    return f"{CUDA}: {torch.cuda.get_device_name(device)}" if device.type == CUDA else CPU


@contextmanager
def few_threads() -> Iterator[None]:
    """Compute on the processor with a few threads at most, where a GPU has the large part and others decode for it.

    Many of them would wait for cores that decoders have, at each of some hundred small steps.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(min(before, _FEW))
    try:
        yield
    finally:
        torch.set_num_threads(before)
