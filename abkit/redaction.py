"""Take secrets out of what leaves the process: error messages, logs, tracebacks, and texts in the store.

What cannot be recognized by its form is recognized by its value: who reads a secret says so with `keep_secret`.
"""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote

from abkit.addresses import masked_url, may_be_secret, shown_path

_SHORTEST = 6
#: Variables of every shell that are called like passwords, and name the folder that it is in.
_FOLDERS = frozenset(("PWD", "OLDPWD"))
_known: set[str] = set()

_NAME = r"(?:[\w-]*(?:passw(?:or)?d|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|signature)|sig|pass)"
_SECRET_NAME = re.compile(_NAME, re.IGNORECASE)
_QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_PAIR = re.compile(rf"(?<![\w-])({_NAME})(\s*=\s*)(?!\$)({_QUOTED}|[^\s,;&'\")\]}}]+)", re.IGNORECASE)
_MEMBER = re.compile(rf"(['\"]{_NAME}['\"]\s*:\s*)({_QUOTED})", re.IGNORECASE)
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}")
_ADDRESS = re.compile(r"(?<![A-Za-z0-9+.-])([A-Za-z][A-Za-z0-9+.-]+):(//?/?)([^\s\"'<>`]+)")
# A password that was not escaped may hold spaces or quotes: all up to the last @ of the line belongs to it.
_UNESCAPED = re.compile(r"((?:postgres|mysql|maria)[a-z0-9+]*://[^\s:/]*):(?:(?!://)[^\n])*@", re.IGNORECASE)
_DATABASES = re.compile(
    r"(postgres|postgresql|mysql|mariadb|mssql|oracle|redshift|snowflake|bigquery|trino|clickhouse|databricks|duckdb|"
    r"sqlite|md)(\+[a-z0-9_]+)?|file|s3|gs|gcs|az|abfss?",
    re.IGNORECASE,
)
_HOOKS = frozenset(("hook", "hooks", "webhook", "webhooks"))
_ENDS = ".,;:!?)]}"


def keep_secret(*values: str | None) -> None:
    """Let nothing of these values leave this process; those of fewer than six characters are too common to be found."""
    for value in values:
        if value:
            _known.update(
                form
                for form in (value, unquote(value), quote(value, safe="", errors="surrogatepass"))
                if len(form) >= _SHORTEST
            )


def keep_secrets_of(address: str) -> None:
    """Keep an address, and the parts of it that may be secret by themselves."""
    keep_secret(address)
    rest = address.partition("://")[2]
    authority = rest.rpartition("@")[0] if "@" in rest else ""
    keep_secret(authority, authority.partition(":")[2])
    after = rest.rpartition("@")[2]
    parts = re.split(r"[/?&=]", after)[1:]
    keep_secret(*(part for part in parts if may_be_secret(part) or re.search(r"\d.*[A-Za-z]|[A-Za-z].*\d", part)))


def redacted(text: str) -> str:
    """Return a text without the secrets in it.

    >>> redacted("no answer of postgresql://me:pa/ss@host/ads?password=x1")
    'no answer of postgresql://me:***@host/ads?password=***'
    >>> redacted("cannot use host=db password='a b' dbname=ads, nor slack://T1/B2/x")
    'cannot use host=db password=*** dbname=ads, nor slack://…'
    """
    for value in sorted(_known | _of_environment(), key=len, reverse=True):
        if value in text:
            text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(value)}(?![A-Za-z0-9])", "***", text)
    text = _UNESCAPED.sub(r"\1:***@", text)
    text = _ADDRESS.sub(_address, text)
    text = _PAIR.sub(r"\1\2***", text)
    text = _MEMBER.sub(r'\1"***"', text)
    return _BEARER.sub(r"\1 ***", text)


def redacted_values(value: Any) -> Any:
    """Return a value of JSON without the secrets in its texts; the value of a name such as `password` is one."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        return {
            redacted(name) if isinstance(name, str) else name: "***"
            if isinstance(name, str) and isinstance(one, str) and one and _is_secret(name)
            else redacted_values(one)
            for name, one in value.items()
        }
    if isinstance(value, list | tuple):
        return [redacted_values(one) for one in value]
    return value


def redacted_traceback(error: BaseException) -> str:
    """Return the traceback of an error, and of those that led to it, without secrets."""
    return redacted("".join(traceback.format_exception(error)))


def _of_environment() -> set[str]:
    values = (os.environ.get(name, "") for name in os.environ if _is_secret(name) and name not in _FOLDERS)
    return {value for value in values if len(value) >= _SHORTEST}


@lru_cache(maxsize=1024)  # the same few with every message
def _is_secret(name: str) -> bool:
    return _SECRET_NAME.fullmatch(name) is not None


def _address(found: re.Match[str]) -> str:
    scheme, slashes, rest = found.groups()
    whole = rest.rstrip(_ENDS)
    end = rest[len(whole) :]
    # C:/ads is a path, and so is what has one slash and an unknown scheme's letters before it.
    if _DATABASES.fullmatch(scheme):
        shown = masked_url(f"{scheme}:{slashes}{whole}")
        # A port is a number: what stands there may be a password whose host was forgotten.
        shown = re.sub(r"(//[^/@:?]*):(?!\d+(?:[/?]|$)|\*\*\*)[^@/?]*(?=[/?]|$)", r"\1:***", shown)
    elif scheme.lower() in ("http", "https"):
        shown = f"{scheme}:{slashes}{_web(whole)}"
    elif slashes == "//":
        shown = f"{scheme}://{'…' if whole else ''}"
    else:
        return found.group(0)
    return shown + end


def _web(rest: str) -> str:
    front, sign, query = rest.partition("?")
    authority, slash, path = front.partition("/")
    query = query if not sign or not _is_secret_query(query) else "…"
    host = authority.rpartition("@")[2]
    # hooks.slack.com and the like: all of the path is a key.
    path = shown_path(slash + path) if not _HOOKS.intersection(host.lower().split(".")) else slash + "…" * bool(path)
    return f"{'***@' if '@' in authority else ''}{host}{path}{sign}{query}"


def _is_secret_query(query: str) -> bool:
    pairs = [unquote(pair) for pair in query.split("&")]
    return any(may_be_secret(pair) or may_be_secret(pair.partition("=")[2]) for pair in pairs)
