"""The memory of a job's process, as the system counts it. Where the system has no /proc, it is not watched."""

import contextlib
from pathlib import Path

_OWN = ("RssAnon:", "RssShmem:", "VmSwap:")
# Above the daemon's, so that a machine without memory ends the job and not the daemon.
_FIRST_TO_GO = "500"


def used_mb(pid: int) -> float:
    """Return the megabytes that a process holds for itself; mapped files, which can be read again, do not count."""
    with contextlib.suppress(OSError, ValueError):
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith(_OWN)) / 1024
    return 0.0


def ended_by_the_system() -> int:
    """Return how many processes the system has ended since it started because memory ran out, in containers too."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text(encoding="ascii").splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return 0


def go_first() -> None:
    """Have the system end this process before others when memory runs out."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO, encoding="ascii")
