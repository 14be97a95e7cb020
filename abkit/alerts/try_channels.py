"""Trying channels: does the address exist, is it understood, does the service take a message?"""

import time
from collections.abc import Sequence
from pathlib import Path

from abkit.alerts.channels import Channel
from abkit.alerts.deliveries import error_of, in_background
from abkit.alerts.messages import example
from abkit.config import ChannelSettings
from abkit.errors import AbkitError


def try_channels(
    channels: Sequence[ChannelSettings], workspace: Path, timeout_s: float, *, send: bool
) -> dict[str, str]:
    """Check channels, all at once.

    Args:
        channels: which.
        workspace: the folder of abkit.toml, for address files.
        timeout_s: how long each may take to answer.
        send: whether a test message is sent; otherwise only the addresses are checked.

    Returns:
        By name what is wrong, without secrets; '' if nothing is.
    """
    if not send:
        return {one.name: _problem(Channel(one, workspace, timeout_s)) for one in channels}
    deadline = time.monotonic() + timeout_s
    sent = {one.name: in_background(Channel(one, workspace, timeout_s), example()) for one in channels}
    while time.monotonic() < deadline and not all(future.done() for future in sent.values()):
        time.sleep(0.02)
    return {name: error_of(future, timeout_s) for name, future in sent.items()}


def _problem(channel: Channel) -> str:
    try:
        channel.check()
    except AbkitError as error:
        return error.message
    return ""
