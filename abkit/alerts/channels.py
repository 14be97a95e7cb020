"""Channels: where their secret addresses are, how a message is handed to the process that sends it, and tests of them.

A configuration names the variable or the file that holds an address, never the address. No text that is returned,
logged or raised here contains one.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abkit.alerts.messages import Message, example
from abkit.alerts.plugins import NotDelivered, plugin_of
from abkit.alerts.webhooks import payload_of, require_address
from abkit.config import ChannelSettings, WebhookSettings
from abkit.errors import AbkitError
from abkit.redaction import keep_secrets_of

_START_S = 10.0  # for the process that sends to start on a busy machine
_ADDRESS_BYTES = 10_000


def read_address(what: str, *, env: str | None, file: Path | None, workspace: Path) -> str:
    """Return the address that a configuration refers to.

    Args:
        what: What needs it, for messages ("channel ops").
        env: Name of an environment variable.
        file: Or a file, relative to the workspace.
        workspace: Folder of abkit.toml.

    Raises:
        AbkitError: The variable is not set, or the file cannot be read or does not hold one line.
    """
    if env is not None:
        address = os.environ.get(env, "").strip()
        if not address:
            raise AbkitError(
                f"{what}: the environment variable {env} is not set or empty",
                hint="set it where the daemon runs, for example in its systemd unit",
            )
        keep_secrets_of(address)
        return address
    path = workspace / (file or "")
    try:
        if path.exists() and not path.is_file():
            raise AbkitError(f"{what}: {path} is not a regular file", hint="name a file with one line, the URL")
        with path.open("rb") as opened:
            address = opened.read(_ADDRESS_BYTES + 1).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = os.strerror(error.errno or 0).lower() if isinstance(error, OSError) else "it is not UTF-8 text"
        raise AbkitError(
            f"{what}: the file {path} with its address cannot be read: {why}",
            hint="the file must hold one line, the URL, and be readable by the user of the daemon only (chmod 600)",
        ) from None
    if not address or "\n" in address or len(address) > _ADDRESS_BYTES:
        raise AbkitError(f"{what}: the file {path} must hold one line, the address", hint="write the URL into it")
    keep_secrets_of(address)
    return address


@dataclass(frozen=True)
class Channel:
    """A configured channel.

    Attributes:
        settings: Its name and where its address is.
        workspace: Folder of abkit.toml.
        timeout_s: Seconds that sending a message may take in all.
    """

    settings: ChannelSettings
    workspace: Path
    timeout_s: float

    def send(self, message: Message) -> None:
        """Send a message in a process of its own, and return once the channel has accepted it.

        Raises:
            AbkitError: The address is missing.
            NotDelivered: No connection, an error, or no answer in time (it may have arrived all the same).
        """
        order: dict[str, Any] = {
            "name": self.settings.name,
            "where": self._where,
            "address": self._address(),
            "timeout_s": self.timeout_s,
            "message": {
                "title": message.title,
                "body": message.body,
                "tone": message.tone.value,
                "charts": [str(chart) for chart in message.charts],
            },
        }
        if isinstance(self.settings, WebhookSettings):
            secret = read_address(
                f"webhook {self.settings.name}", env=self.settings.secret_env, file=None, workspace=self.workspace
            )
            order["webhook"] = {"secret": secret, "body": payload_of(message.events)}
        if error := _in_process(json.dumps(order), self.timeout_s):
            raise NotDelivered(error)

    def problem(self) -> str:
        """Return what is wrong with the address, without sending anything; "" for nothing."""
        try:
            if isinstance(self.settings, WebhookSettings):
                require_address(self._address(), name=self.settings.name, where=self._where)
                env = self.settings.secret_env
                read_address(f"webhook {self.settings.name}", env=env, file=None, workspace=self.workspace)
                return ""
            plugin_of(self._address(), name=self.settings.name, where=self._where)
        except AbkitError as error:
            return error.message
        return ""

    @property
    def _where(self) -> str:
        return str(self.settings.url_env or self.settings.url_file)

    def _address(self) -> str:
        name, env, file = self.settings.name, self.settings.url_env, self.settings.url_file
        return read_address(f"channel {name}", env=env, file=file, workspace=self.workspace)


def _in_process(order: str, seconds: float) -> str:
    """Return why a message was not accepted, "" if it was: in a process that ends in time whatever it waits for."""
    late = f"no answer within {seconds:g} s; it may have arrived"
    # Not from the current folder, which may hold anything.
    path = os.pathsep.join(os.path.abspath(part) for part in sys.path if part)
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "abkit.alerts.sender"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
        text=True,
    ) as process:
        try:
            said, _ = process.communicate(order, timeout=seconds + _START_S)
        except subprocess.TimeoutExpired:
            return late
        finally:
            process.kill()
    if process.returncode == -signal.SIGALRM:
        return late
    try:
        return str(json.loads(said)["error"])
    except (ValueError, KeyError, TypeError):
        return f"the process that sends it ended with code {process.returncode}; it may have arrived"


def in_background(channel: Channel, message: Message) -> "Future[None]":
    """Send a message beside others; the future has the result, in a little more than the channel's time-out."""
    future: Future[None] = Future()

    def send() -> None:
        try:
            channel.send(message)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(None)

    threading.Thread(target=send, name=f"channel-{channel.settings.name}", daemon=True).start()
    return future


def error_of(future: "Future[None]") -> str:
    """Return why a message was not accepted, without secrets; "" if it was."""
    error = future.exception()
    if error is None:
        return ""
    # The text of any other error may contain the address.
    return str(error) if isinstance(error, NotDelivered | AbkitError) else type(error).__name__


def try_channels(
    channels: Sequence[ChannelSettings], workspace: Path, timeout_s: float, *, send: bool
) -> dict[str, str]:
    """Check channels, all at once, and return what is wrong with each by name, without secrets; "" for nothing.

    Args:
        channels: Channels to check.
        workspace: Folder of abkit.toml, for address files.
        timeout_s: Seconds that each may take to answer.
        send: Whether to send a test message; otherwise only the addresses are checked.
    """
    if not send:
        return {one.name: Channel(one, workspace, timeout_s).problem() for one in channels}
    sent = {one.name: in_background(Channel(one, workspace, timeout_s), example()) for one in channels}
    wait(sent.values())
    return {name: error_of(future) for name, future in sent.items()}
