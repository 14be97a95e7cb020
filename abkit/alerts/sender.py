"""The process that sends one message: `python -m abkit.alerts.sender`, with the message and the address on stdin.

A service may drip its answer, never end it, or redirect to another place, and a plugin of Apprise may hang or print:
here all of that ends with this process. It ends itself in time, whatever it waits for, has a limit of memory, follows
no redirect, and prints one line of JSON: why the message was not accepted, or "".
"""

import contextlib
import json
import os
import resource
import signal
import sys
from typing import Any

ANSWER_BYTES = 1 << 20
MEMORY_BYTES = 1 << 30


def main() -> None:
    """Read the order from stdin, send, and print the result. SIGALRM ends the process when the time is over."""
    result = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    # What plugins print may contain the address.
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    order = json.load(sys.stdin)
    from abkit.alerts import plugins

    plugins.load()
    faults = _bound_requests()
    _bound_memory()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, order["timeout_s"])
    error = _send(plugins, order)
    # A service may answer "redirect" or never end, and a plugin may take that for success.
    os.write(result, json.dumps({"error": faults[0] if faults else error}).encode())
    os._exit(0)


def _send(plugins: Any, order: dict[str, Any]) -> str:
    from abkit.alerts import webhooks
    from abkit.errors import AbkitError

    try:
        if signed := order.get("webhook"):
            webhooks.require_address(order["address"], name=order["name"], where=order["where"])
            return webhooks.post(order["address"], signed["secret"], signed["body"], timeout_s=order["timeout_s"])
        plugin = plugins.plugin_of(order["address"], name=order["name"], where=order["where"])
        plugins.notify(plugin, timeout_s=order["timeout_s"], **order["message"])
    except (AbkitError, plugins.NotDelivered) as error:
        return str(error)
    except MemoryError:
        return "its answer does not fit into memory"
    except Exception as error:
        # The text of any other error may contain the address.
        return type(error).__name__
    return ""


def _bound_memory() -> None:
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    limit = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
    with contextlib.suppress(OSError, ValueError):  # some systems have no such limit
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _bound_requests() -> list[str]:
    """Let every request of this process follow no redirect and read no more than `ANSWER_BYTES` of an answer.

    Returns:
        A list that gets a sentence about each answer that was not taken for that reason.
    """
    import requests

    faults: list[str] = []
    usual = requests.Session.send

    def send(self: requests.Session, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        answer = usual(self, request, **kwargs | {"stream": True, "allow_redirects": False})
        body = bytearray()
        for chunk in answer.iter_content(1 << 14):
            body += chunk
            if len(body) > ANSWER_BYTES:
                faults.append(f"its answer does not end: more than {ANSWER_BYTES / 1e6:.0f} MB")
                break
        answer.close()
        answer._content = bytes(body[:ANSWER_BYTES])  # what reading it whole would set
        if 300 <= answer.status_code < 400:
            faults.append(
                f"the service redirects (status {answer.status_code}), which is not followed: "
                "use the address that it leads to"
            )
        return answer

    requests.Session.send = send  # type: ignore[method-assign]
    return faults


if __name__ == "__main__":
    main()
