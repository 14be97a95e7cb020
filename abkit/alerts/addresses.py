"""Addresses that are secrets: a configuration names the variable or the file in which one stands, never the address."""

import os
from pathlib import Path

from abkit.errors import AbkitError


def read_address(what: str, *, env: str | None, file: Path | None, workspace: Path) -> str:
    """The address that a configuration refers to.

    Args:
        what: who needs it, for messages ("channel ops").
        env: the name of an environment variable.
        file: or a file, relative to the workspace.
        workspace: the folder of abkit.toml.

    Raises:
        AbkitError: the variable is not set, or the file cannot be read or is empty. The message never has the address.
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
            hint="the file holds one line, the URL, and belongs to the user of the daemon alone (chmod 600)",
        ) from error
    if not address or "\n" in address:
        raise AbkitError(f"{what}: the file {path} must hold one line, the address", hint="write the URL into it")
    return address
