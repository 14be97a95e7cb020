"""Call an address, as a heartbeat does: in so many seconds, whatever the service does, and without going elsewhere."""

import threading
import urllib.error
import urllib.request
from typing import Any

from abkit.errors import AbkitError
from abkit.intake.remote.answers import opener


class _Nowhere(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow no redirect: then its status is the answer."""


def call(address: str, seconds: float) -> None:
    """Call an address and return once the service has answered with success; what it says is not read.

    Args:
        address: http or https; a secret.
        seconds: How long it may take in all: to be found, to connect, and to answer.

    Raises:
        AbkitError: It did not; the message holds nothing of the address.
    """
    if not address.startswith(("https://", "http://")):
        raise AbkitError("heartbeat: the address must begin with https:// or http://", hint="correct the reference")
    failures: list[AbkitError] = []

    def attempt() -> None:
        try:
            _get(address, seconds)
        except AbkitError as error:
            failures.append(error)

    # A time-out of sockets begins anew with each byte, and looking up a name has none. The thread that is left
    # behind ends with the process of the job.
    thread = threading.Thread(target=attempt, name="heartbeat", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise AbkitError(
            f"heartbeat: no answer within {seconds:g} s",
            hint="look whether the service works; the next tick calls it again",
        )
    if failures:
        raise failures[0]


def _get(address: str, seconds: float) -> None:
    try:
        with opener(_Nowhere).open(address, timeout=seconds):
            pass
    except urllib.error.HTTPError as error:
        status = error.code
        error.close()
        if 300 <= status < 400:
            raise AbkitError(
                f"heartbeat: the service redirects (status {status}), which is not followed",
                hint="use the address that it leads to",
            ) from None
        raise AbkitError(f"heartbeat: the service answered with status {status}") from None
    except Exception as error:  # a hostile answer makes http.client raise more than OSError
        # The text of the error may hold the address.
        raise AbkitError(f"heartbeat: the service cannot be reached ({type(error).__name__})") from None
