"""What of an address may be shown and stored: never its query or credentials, nor a part of its path that may be a key.

Anyone with the address of a webhook or of a published sheet has what is behind it: the secret is in the path. A part
that could be one is shown as `…` with six digits of its digest, so that two addresses stay two.
"""

from __future__ import annotations

import hashlib
import re
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

#: Words before or within which a secret stands.
_ANNOUNCED = frozenset(
    (
        *("accesskey", "apikey", "auth", "credential", "credentials", "hook", "hooks", "key", "keys"),
        *("passwd", "password", "pwd", "secret", "secrets", "sig", "signature", "token", "tokens"),
        *("webhook", "webhooks"),
    )
)
_LONGEST_WORD = 20
_LONGEST_MIXED = 9
_FILE = re.compile(
    r"\.(csv|tsv|tab|txt|xlsx?|xlsm|ods|parquet|zip|gz|png|jpe?g|webp|gif|avif|hei[cf]|bmp|tiff?|mp4|mov|webm)$"
)
# What somebody typed who forgot the scheme of an address, or one of its slashes.
_NEARLY = re.compile(
    r"(s3|gs|az|https?):/?[^/].*|(www\.|[\w-]+(\.[\w-]+)*\.[a-z]{2,}(:\d+)?/).*\?.*=.*", re.IGNORECASE | re.DOTALL
)


def shown_path(path: str) -> str:
    """Return the path of a web address with `…` for parts that may be secret.

    >>> shown_path("/exports/2026-05/spring_sale_v2.csv")
    '/exports/2026-05/spring_sale_v2.csv'
    >>> shown_path("/hook/s3cr3tT0k3n")
    '/hook/…667a64'
    >>> shown_path("/d/1x9KfQ2mZ7hWcT/export.csv")
    '/d/…9b69e0/export.csv'
    """
    parts = path.split("/")
    shown, announced = [], False
    for place, part in enumerate(parts):
        text = unquote(part)
        is_file = place == len(parts) - 1 and _FILE.search(text.lower()) is not None
        # What is hidden already stays as it is.
        secret = bool(text) and text[0] != "…" and (announced or (not is_file and may_be_secret(text)))
        shown.append(f"…{hashlib.sha256(text.encode()).hexdigest()[:6]}" if secret else part)
        announced = announced or _word(text) in _ANNOUNCED
    return "/".join(shown)


def may_be_secret(text: str) -> bool:
    """Return whether a text reads as a key rather than as words, dates, numbers and sizes.

    >>> [text for text in ("spring_sale", "1080x1080", "2026-05-01", "120208117", "Q2report") if may_be_secret(text)]
    []
    >>> [may_be_secret(text) for text in ("sig=0a", "550e8400-e29b-41d4-a716-446655440000", "xoxb1234567890")]
    [True, True, True]
    """
    name, sign, value = text.partition("=")
    if sign and value and names_a_secret(name):
        return True
    words = re.findall(r"[^\W_]+", text)
    mixed = [word for word in words if re.search(r"\d", word) and re.search(r"[^\W\d]", word)]
    if len(mixed) >= 3 and len(text) >= 20:
        return True
    return any(
        len(word) > (_LONGEST_MIXED if word in mixed else _LONGEST_WORD)
        or len(re.findall(r"[a-z][A-Z]", word)) > 3
        or re.fullmatch(r"(?=.*[a-f])[0-9a-f]{10,}", word) is not None
        for word in words
    )


def names_a_secret(name: str) -> bool:
    """Return whether a name of a value says that it is secret: `X-Amz-Signature`, `motherduck_token`, `sig`."""
    words = {word.lower() for word in re.findall(r"[^\W_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name))}
    return bool(words & _ANNOUNCED) or _word(name) in _ANNOUNCED


def _word(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.partition("=")[0]).lower()


def holds_password(url: str) -> bool:
    """Return whether the URL of a database holds a password or a key, in front of its host or in its query."""
    parts = urlsplit(url)
    names = (pair.partition("=")[0] for pair in parts.query.split("&"))
    return parts.password is not None or any(names_a_secret(unquote(name)) for name in names)


def masked_url(url: str) -> str:
    """Return the URL of a store with `***` for its password and for secret values of its query.

    >>> masked_url("postgresql://me:secret@host/ads?sslmode=require&password=secret")
    'postgresql://me:***@host/ads?sslmode=require&password=***'
    """
    front, sign, query = url.partition("?")
    pairs = [pair.partition("=") for pair in query.split("&")]
    shown = "&".join(f"{name}{is_}{'***' if names_a_secret(unquote(name)) else value}" for name, is_, value in pairs)
    if "@" in query and "@" not in front and ":" in front.partition("://")[2]:
        # A password with a bare ? in it.
        front, sign, shown = url.rpartition("@")[0] + "@", "", url.rpartition("@")[2]
    return re.sub(r"(//|^)([^:/]*):(?!//).*@", r"\1\2:***@", front) + sign + shown


def is_nearly_an_address(text: str) -> bool:
    """Return whether a path is an address that lacks its scheme or a slash: it must not be repeated.

    >>> [is_nearly_an_address(text) for text in ("https:/host/a.csv?sig=1", "host.com/a?sig=1", "ads/a=b?.csv")]
    [True, True, False]
    """
    return _NEARLY.fullmatch(text) is not None


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, by its name or number alone.

    >>> [is_loopback(host) for host in ("localhost", "127.0.0.1", "::1", "10.0.0.1", "example.com")]
    [True, True, True, False, False]
    """
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
