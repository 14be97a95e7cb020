"""Telling systemd that the daemon has started, still polls, and stops: `Type=notify` and `WatchdogSec` of its unit."""

import contextlib
import os
import socket


def notify(state: str) -> None:
    """Send READY=1, WATCHDOG=1 or STOPPING=1 to the service manager; nothing happens without one."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    # A name that begins with @ is not in the file system.
    target = "\0" + address[1:] if address.startswith("@") else address
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(1)
        manager.sendto(state.encode(), target)
