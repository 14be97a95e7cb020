"""Sending one message to one channel, through Apprise. Nothing that is said here has the address in it."""

import logging
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abkit.alerts.addresses import read_address
from abkit.alerts.messages import Message
from abkit.config import ChannelSettings
from abkit.errors import AbkitError


def load() -> None:
    """Load Apprise: a second or so, the first time. What it and its HTTP client log has addresses in it."""
    import apprise  # noqa: F401

    for name in ("apprise", "urllib3", "requests"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.WARNING)
        logger.propagate = False
        if not logger.handlers:
            # Without any, Python prints warnings to stderr itself.
            logger.addHandler(logging.NullHandler())


class NotDelivered(Exception):
    """The channel did not take the message; the text says why, without the address."""


@dataclass(frozen=True)
class Channel:
    """A configured channel.

    Attributes:
        settings: its name and where its address stands.
        workspace: the folder of abkit.toml.
        timeout_s: how long it may take to answer.
    """

    settings: ChannelSettings
    workspace: Path
    timeout_s: float

    def send(self, message: Message) -> None:
        """Send a message, and return once the channel has taken it.

        Raises:
            AbkitError: the address is missing, or Apprise does not know it.
            NotDelivered: no connection, an error, or no answer in time (it may have arrived all the same).
        """
        import apprise

        plugin = self._plugin()
        kinds = {"failure": apprise.NotifyType.FAILURE, "success": apprise.NotifyType.SUCCESS}
        plugin.socket_connect_timeout = plugin.socket_read_timeout = self.timeout_s
        form = _form_of(plugin)
        # A channel without a title of its own puts ours into the text.
        title = message.title if plugin.title_maxlen > 0 else _converted(message.title, form)
        with _Overheard() as overheard:
            try:
                taken = plugin.notify(
                    title=title,
                    body=_converted(message.body, form),
                    notify_type=kinds.get(message.tone, apprise.NotifyType.WARNING),
                    body_format=form,
                )
            except Exception as error:  # Apprise's plugins raise what they like
                raise NotDelivered(f"Apprise failed with {type(error).__name__}") from error
        if not taken:
            raise NotDelivered(overheard.reason())

    def check(self) -> None:
        """Look whether the address is there and is one that Apprise knows; nothing is sent.

        Raises:
            AbkitError: it is not; one sentence.
        """
        self._plugin()

    def _plugin(self) -> Any:
        load()
        import apprise

        name, refers = self.settings.name, self.settings
        address = read_address(f"channel {name}", env=refers.url_env, file=refers.url_file, workspace=self.workspace)
        with _Overheard():
            plugin = apprise.Apprise.instantiate(address, suppress_exceptions=True)
        if plugin is None:
            scheme = re.match(r"([a-z][a-z0-9+.-]{0,20})://", address, re.IGNORECASE)
            kind = f"it begins with {scheme[1].lower()}://" if scheme else "it has no scheme such as slack://"
            where = refers.url_env or refers.url_file
            raise AbkitError(
                f"channel {name}: Apprise does not understand its address in {where} ({kind})",
                hint="a typo? the forms are listed at https://github.com/caronc/apprise/wiki",
            )
        return plugin


def _form_of(plugin: Any) -> Any:
    """Text, HTML or Markdown: what the channel speaks; plain text where it has the choice."""
    import apprise

    # Before Apprise 2 a plugin spoke one.
    resolve = getattr(plugin, "resolve_format", None)
    return resolve(apprise.NotifyFormat.TEXT) if resolve else plugin.notify_format


def _converted(text: str, form: Any) -> str:
    """Plain text in that form: line breaks are kept in HTML too, and a file name is no markup."""
    import apprise
    from apprise.conversion import convert_between

    return str(convert_between(apprise.NotifyFormat.TEXT, form, text))


class _Overheard(logging.Handler):
    """What Apprise logs in this thread; it is its only way to say why it failed."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread = threading.get_ident()
        self._said: list[str] = []

    def __enter__(self) -> "_Overheard":
        logging.getLogger("apprise").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("apprise").removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self._said.append(record.getMessage())

    def reason(self) -> str:
        """Why it failed, in our words: theirs may hold the address."""
        said = " ".join(self._said)
        if status := re.search(r"error=(\d{3})\b", said):
            return f"the service answered with status {status[1]}"
        if "onnection error" in said:
            return "no connection, or no answer in time"
        return "the service did not take it"
