"""Channels: where their secret addresses are, how one message is sent through Apprise, and how channels are tested.

A configuration names the variable or the file that holds an address, never the address. No text that is returned,
logged or raised here contains one.
"""

import logging
import os
import re
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from abkit.alerts.messages import Message, example
from abkit.config import ChannelSettings
from abkit.errors import AbkitError


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
        return address
    path = workspace / (file or "")
    try:
        address = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = os.strerror(error.errno or 0).lower() if isinstance(error, OSError) else "it is not UTF-8 text"
        raise AbkitError(
            f"{what}: the file {path} with its address cannot be read: {why}",
            hint="the file must hold one line, the URL, and be readable by the user of the daemon only (chmod 600)",
        ) from error
    if not address or "\n" in address:
        raise AbkitError(f"{what}: the file {path} must hold one line, the address", hint="write the URL into it")
    return address


class NotDelivered(Exception):
    """The channel did not accept the message; the text says why, without the address."""


@dataclass(frozen=True)
class Channel:
    """A configured channel.

    Attributes:
        settings: Its name and where its address is.
        workspace: Folder of abkit.toml.
        timeout_s: Seconds that it may take to answer.
    """

    settings: ChannelSettings
    workspace: Path
    timeout_s: float

    def send(self, message: Message) -> None:
        """Send a message, and return once the channel has accepted it.

        Raises:
            AbkitError: The address is missing, or Apprise does not know it.
            NotDelivered: No connection, an error, or no answer in time (it may have arrived all the same).
        """
        import apprise

        plugin = self._plugin()
        plugin.socket_connect_timeout = plugin.socket_read_timeout = self.timeout_s
        form = _form_of(plugin)
        # A channel without titles puts ours into the text.
        charts = [str(chart) for chart in message.charts] if plugin.attachment_support else None
        title = message.title if plugin.title_maxlen > 0 else _converted(message.title, form)
        with _Overheard() as overheard:
            try:
                taken = plugin.notify(
                    title=title,
                    body=_converted(message.body, form),
                    notify_type=apprise.NotifyType(message.tone.value),
                    body_format=form,
                    attach=charts or None,
                )
            except Exception as error:  # the plugins of Apprise raise anything
                raise NotDelivered(f"Apprise failed with {type(error).__name__}") from error
        if not taken:
            raise NotDelivered(overheard.reason())

    def problem(self) -> str:
        """Return what is wrong with the address, without sending anything; "" for nothing."""
        try:
            self._plugin()
        except AbkitError as error:
            return error.message
        return ""

    def _plugin(self) -> Any:
        _load()
        import apprise

        name, env, file = self.settings.name, self.settings.url_env, self.settings.url_file
        address = read_address(f"channel {name}", env=env, file=file, workspace=self.workspace)
        with _Overheard():
            plugin = apprise.Apprise.instantiate(address, suppress_exceptions=True)
        if sign := _sign_to_escape(address, plugin):
            raise AbkitError(
                f"channel {name}: a bare {sign} cuts a name, password or value of its address in {env or file}: "
                f"write that {sign} as {quote(sign, safe='')}",
                hint="a sign that belongs to a password is written by its code, such as %40 for @",
            )
        if plugin is None:
            scheme = re.match(r"([a-z][a-z0-9+.-]{0,20})://", address, re.IGNORECASE)
            kind = f"it begins with {scheme[1].lower()}://" if scheme else "it has no scheme such as slack://"
            raise AbkitError(
                f"channel {name}: Apprise does not understand its address in {env or file} ({kind})",
                hint="check it for a typo; the forms are listed at https://github.com/caronc/apprise/wiki",
            )
        return plugin


def _sign_to_escape(address: str, plugin: Any) -> str:
    """Return a sign of a user name, password or value that Apprise takes for a part of the URL's own; "" for none.

    Args:
        address: The address.
        plugin: What Apprise made of it, or None.

    >>> _sign_to_escape("mailtos://ana:p@ss@smtp.example.com", None)
    '@'
    >>> _sign_to_escape("mailtos://ana:p%40ss@smtp.example.com?to=ops@example.com", None)
    ''
    """
    rest = address.partition("://")[2]
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if authority.count("@") > 1:
        return "@"
    if plugin is None and "@" not in authority and "@" in rest and not re.fullmatch(r"[^:]*(:\d+)?", authority):
        return rest[len(authority)]
    secret = authority.rpartition("@")[0].partition(":")[2]
    # Some services have three parts before the @, and take them all.
    if ":" in secret and plugin is not None and unquote(plugin.password or "") == unquote(secret.partition(":")[0]):
        return ":"
    query = rest.partition("?")[2]
    if ";" in query:
        return ";"
    return "&" if any(part and "=" not in part for part in query.split("&")[1:]) else ""


def in_background(channel: Channel, message: Message) -> "Future[None]":
    """Send a message in a thread of its own; the future has the result."""
    _load()  # takes its time, which must not count against the channel
    future: Future[None] = Future()

    def send() -> None:
        try:
            channel.send(message)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(None)

    # A daemon thread: one that hangs forever must not keep the process from ending.
    threading.Thread(target=send, name=f"channel-{channel.settings.name}", daemon=True).start()
    return future


def error_of(future: "Future[None]", seconds: float) -> str:
    """Return why a message was not accepted, without secrets; "" if it was."""
    if not future.done():
        return f"no answer within {seconds:g} s; it may have arrived"
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
    deadline = time.monotonic() + timeout_s
    sent = {one.name: in_background(Channel(one, workspace, timeout_s), example()) for one in channels}
    while time.monotonic() < deadline and not all(future.done() for future in sent.values()):
        time.sleep(0.02)
    return {name: error_of(future, timeout_s) for name, future in sent.items()}


def _load() -> None:
    """Load Apprise, which takes a second or so the first time, and silence its log, which contains addresses."""
    import apprise  # noqa: F401

    for name in ("apprise", "urllib3", "requests"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.WARNING)
        logger.propagate = False
        if not logger.handlers:
            # Without a handler, Python prints warnings to stderr itself.
            logger.addHandler(logging.NullHandler())


def _form_of(plugin: Any) -> Any:
    """Return the form that the channel takes: plain text where it can, else HTML or Markdown."""
    import apprise

    # Before Apprise 2 each plugin took one form.
    resolve = getattr(plugin, "resolve_format", None)
    return resolve(apprise.NotifyFormat.TEXT) if resolve else plugin.notify_format


def _converted(text: str, form: Any) -> str:
    """Return plain text in that form: HTML keeps the line breaks too, and a file name is not markup."""
    import apprise
    from apprise.conversion import convert_between

    return str(convert_between(apprise.NotifyFormat.TEXT, form, text))


class _Overheard(logging.Handler):
    """Collects what Apprise logs in this thread: its only way to say why it failed."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread = threading.get_ident()
        self._logged: list[str] = []

    def __enter__(self) -> "_Overheard":
        logging.getLogger("apprise").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("apprise").removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self._logged.append(record.getMessage())

    def reason(self) -> str:
        """Return why it failed, in our words, because theirs may contain the address."""
        logged = " ".join(self._logged)
        if status := re.search(r"error=(\d{3})\b", logged):
            return f"the service answered with status {status[1]}"
        if "onnection error" in logged:
            return "no connection, or no answer in time"
        return "the service did not accept it"
