"""What `abkit --help` costs, relative to importing Typer alone.

python benchmarks/help.py
"""

import subprocess
import sys
import time
from statistics import median


def seconds(*command: str) -> float:
    """Wall-clock seconds of a process."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    return time.perf_counter() - begin


def main() -> None:
    """Measure in turns and print the ratio of medians."""
    pairs = [(seconds("-m", "abkit", "--help"), seconds("-c", "import typer")) for _ in range(11)]
    helped, typer = (median(column) for column in zip(*pairs, strict=True))
    ratio = helped / typer
    print(f"abkit --help {helped * 1000:.0f} ms, import typer {typer * 1000:.0f} ms, ratio {ratio:.2f} (goal ≤ 3)")


if __name__ == "__main__":
    main()
