"""How long `abkit serve` takes to start: processor time until it listens, until it answers, and of the first page.

    python benchmarks/web_start.py [--runs 7] [--workspace FOLDER]

Each run starts the command anew on a free port, waits for the address that it prints, asks for /healthz, and then for
the overview. Processor time is user and system of the whole process, in hundredths of a second, so it depends little on
what else the machine does. The first run is not counted: it compiles all modules, into a folder of this benchmark, as
an installer does. Goals: it listens within 3 s, and the first page takes less than one.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NAMES = ("listens", "answers", "first page", "second page")


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start_once(config: Path, environment: dict[str, str]) -> list[float]:
    """Start the server, and return the processor time until each of `NAMES`; of the pages, that of each."""
    import httpx

    command = [sys.executable, "-m", "abkit", "--config", str(config), "serve", "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        address = (server.stdout.readline() if server.stdout else "").strip()
        found = [processor_seconds(server.pid)]
        with httpx.Client(base_url=address, timeout=60) as client:
            client.get("/healthz").raise_for_status()
            found.append(processor_seconds(server.pid))
            for _ in range(2):
                before = processor_seconds(server.pid)
                client.get("/").raise_for_status()
                found.append(processor_seconds(server.pid) - before)
        return found
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--workspace", type=Path, help="an own workspace; an empty one by default")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config = (asked.workspace or Path(folder)) / "abkit.toml"
        if asked.workspace is None:
            subprocess.run([sys.executable, "-m", "abkit", "init", folder], check=True, stdout=subprocess.DEVNULL)
        environment = os.environ | {"PYTHONPYCACHEPREFIX": f"{folder}/compiled"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        start_once(config, environment)
        begun = time.monotonic()
        rows = [start_once(config, environment) for _ in range(asked.runs)]
        each = (time.monotonic() - begun) / asked.runs
    for name, values in zip(NAMES, zip(*rows, strict=True), strict=True):
        print(f"{name:<12} median {statistics.median(values):.2f} s, {min(values):.2f} to {max(values):.2f}")
    print(f"{asked.runs} runs, {each:.1f} s each by the clock; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
