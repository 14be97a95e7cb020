"""Apprise plugins: what an address becomes, what is wrong with it, and how one message goes through it.

No text that is returned, logged or raised here contains the address.
"""

import logging
import re
import threading
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, unquote

from abkit.errors import AbkitError


class NotDelivered(Exception):
    """The channel did not accept the message; the text says why, without the address."""


def plugin_of(address: str, *, name: str, where: str) -> Any:
    """Return the plugin that Apprise makes of an address.

    Args:
        address: The secret address.
        name: Name of the channel.
        where: The variable or the file that holds the address, for messages.

    Raises:
        AbkitError: Apprise does not know it, or would misread it.
    """
    load()
    import apprise

    with _Overheard():
        plugin = apprise.Apprise.instantiate(address, suppress_exceptions=True)
    if sign := _sign_to_escape(address, plugin):
        raise AbkitError(
            f"channel {name}: a bare {sign} cuts a name, password or value of its address in {where}: "
            f"write that {sign} as {quote(sign, safe='')}",
            hint="a sign that belongs to a password is written by its code, such as %40 for @",
        )
    if plugin is None:
        scheme = re.match(r"([a-z][a-z0-9+.-]{0,20})://", address, re.IGNORECASE)
        kind = f"it begins with {scheme[1].lower()}://" if scheme else "it has no scheme such as slack://"
        raise AbkitError(
            f"channel {name}: Apprise does not understand its address in {where} ({kind})",
            hint="check it for a typo; the forms are listed at https://github.com/caronc/apprise/wiki",
        )
    return plugin


def notify(plugin: Any, *, title: str, body: str, tone: str, charts: Sequence[str], timeout_s: float) -> None:
    """Send a message, and return once the channel has accepted it.

    Args:
        plugin: What `plugin_of` returned.
        title: One line.
        body: Plain text.
        tone: failure, warning or success.
        charts: Image files, for channels that take any.
        timeout_s: Seconds of silence that the service may take to connect and to answer.

    Raises:
        NotDelivered: No connection, an error, or no answer in time (it may have arrived all the same).
    """
    import apprise

    plugin.socket_connect_timeout = plugin.socket_read_timeout = timeout_s
    form = _form_of(plugin)
    with _Overheard() as overheard:
        try:
            taken = plugin.notify(
                # A channel without titles puts ours into the text.
                title=title if plugin.title_maxlen > 0 else _converted(title, form),
                body=_converted(body, form),
                notify_type=apprise.NotifyType(tone),
                body_format=form,
                attach=(list(charts) or None) if plugin.attachment_support else None,
            )
        except MemoryError:
            raise NotDelivered("its answer does not fit into memory") from None
        except Exception as error:  # the plugins of Apprise raise anything
            raise NotDelivered(f"Apprise failed with {type(error).__name__}") from None
    if not taken:
        raise NotDelivered(overheard.reason())


def load() -> None:
    """Load Apprise, which takes a moment the first time, and silence its log, which contains addresses."""
    import apprise  # noqa: F401

    for name in ("apprise", "urllib3", "requests"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.WARNING)
        logger.propagate = False
        if not logger.handlers:
            # Without a handler, Python prints warnings to stderr itself.
            logger.addHandler(logging.NullHandler())


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
        if record.thread == self._thread and len(self._logged) < 100:
            self._logged.append(record.getMessage()[:1000])

    def reason(self) -> str:
        """Return why it failed, in our words, because theirs may contain the address."""
        logged = " ".join(self._logged)
        if status := re.search(r"error=(\d{3})\b", logged):
            return f"the service answered with status {status[1]}"
        if "onnection error" in logged:
            return "no connection, or no answer in time"
        return "the service did not accept it"
