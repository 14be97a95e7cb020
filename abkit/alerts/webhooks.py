"""Webhooks: what happened as JSON, signed so that the receiver knows that it is ours and new.

The signature is the HMAC-SHA256 of the time, a dot and the body, with the secret that both sides know. A receiver
computes it again, compares it in constant time, and refuses what is older than some minutes.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from abkit.addresses import is_loopback
from abkit.errors import AbkitError
from abkit.records import to_plain

TIMESTAMP, SIGNATURE, DELIVERY = "X-Abkit-Timestamp", "X-Abkit-Signature", "X-Abkit-Delivery"
_FORMAT = 1


def payload_of(events: Sequence[Mapping[str, Any]]) -> str:
    """Return the body of a request: what happened, oldest first, with a format version."""
    return json.dumps({"format": _FORMAT, "events": to_plain(list(events))}, ensure_ascii=False, allow_nan=False)


def signature_of(secret: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a body that is sent at a time, in seconds since 1970.

    >>> signature_of("secret", "1767225600", b"{}")[:20]
    'v1=fa7eaa06bf97d7815'
    """
    made = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    return f"v1={made.hexdigest()}"


def require_address(address: str, *, name: str, where: str) -> None:
    """Make sure that an address can be sent to.

    Args:
        address: The secret address.
        name: Name of the webhook.
        where: The variable or the file that holds the address, for messages.

    Raises:
        AbkitError: It is not https, nor on this machine; the message does not repeat it.
    """
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        parts, host = urlsplit(""), ""
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))):
        raise AbkitError(
            f"webhook {name}: its address in {where} does not begin with https://",
            hint="http:// is for this machine only",
        )


def post(address: str, secret: str, body: str, *, timeout_s: float) -> str:
    """Post a signed body; return why it was not accepted, without the address, or "".

    Args:
        address: Where to.
        secret: What it is signed with.
        body: As `payload_of` made it.
        timeout_s: Seconds of silence that the receiver may take.
    """
    import requests

    content, timestamp = body.encode(), str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "abkit",
        TIMESTAMP: timestamp,
        SIGNATURE: signature_of(secret, timestamp, content),
        # Equal for all attempts to deliver the same events.
        DELIVERY: hashlib.sha256(content).hexdigest()[:32],
    }
    try:
        answer = requests.post(address, data=content, headers=headers, timeout=timeout_s, allow_redirects=False)
    except requests.RequestException:
        return "no connection, or no answer in time"
    except ValueError:  # such as a redirect to bytes that are no text
        return "the receiver answered with something that is no answer"
    return "" if 200 <= answer.status_code < 300 else f"the receiver answered with status {answer.status_code}"
