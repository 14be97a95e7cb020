"""Run every benchmark of speed alone, one after the other, and write the table of docs/performance.md.

    python benchmarks/all.py [--only NAME …] [--quick] [--write docs/performance.md]
    python benchmarks/all.py --evidently ENV/bin/python --nannyml ENV/bin/python --write docs/performance.md

Each part is the command of a benchmark, in a process of its own; what it prints goes to stderr. Its figures are read
from there by the patterns below, and shown with the goal and whether it was reached, beside the machine, the versions
and the load before the part began: figures by the clock mean little at a load near the number of cores. A part that
fails, or whose figures are not found, is a row that says so, and the exit code is 1. Peers are run where their Python
is named. `--quick` takes small sizes: it shows that all parts run, and its figures are not for the table.
"""

import argparse
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HERE = Path(__file__).resolve().parent
BEGIN, END = "<!-- written by benchmarks/all.py -->", "<!-- end of what benchmarks/all.py wrote -->"
_HOUR = 3600
_PACKAGES = ("torch", "numpy", "scipy", "polars", "sqlalchemy", "pillow")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number that a benchmark prints.

    Attributes:
        what: What it is, in the words of the table.
        pattern: Where it stands in the output; its group is the number.
        beside: Where another number stands that this one is divided by, and what is shown is their ratio.
        of_peer: Whether it is there only where the Python of a peer was named.
        unit: What stands behind it.
        most, least: The goal, on one side or none.
    """

    what: str
    pattern: str
    beside: str = ""
    of_peer: bool = False
    unit: str = ""
    most: float | None = None
    least: float | None = None

    def goal(self) -> str:
        """Return the goal in words, – without one."""
        if self.most is not None:
            return f"≤ {self.most:g}{self.unit}"
        return "–" if self.least is None else f"≥ {self.least:g}{self.unit}"

    def reached(self, value: float) -> str:
        """Return whether a value reaches the goal, in a word."""
        if self.most is None and self.least is None:
            return ""
        fine = value <= self.most if self.most is not None else value >= (self.least or 0)
        return "yes" if fine else "**no**"


@dataclass(frozen=True, kw_only=True)
class Part:
    """One benchmark: its command, and the figures in what it prints."""

    name: str
    command: tuple[str, ...]
    quick: tuple[str, ...]
    figures: tuple[Figure, ...]


def kpi_import(engine: str) -> Part:
    """Return the import of a million rows into one engine."""
    command = ("kpi_scale.py", "--engine", engine, "--creatives", "100000", "--rows")
    return Part(
        name=f"import-{engine}",
        command=(*command, "1000000"),
        quick=("kpi_scale.py", "--engine", engine, "--creatives", "2000", "--rows", "20000"),
        figures=(
            Figure(
                what=f"import, {engine}: the bare way beside it, processor",
                pattern=r"([\d.]+) of processor time",
                least=0.8,
            ),
            Figure(what=f"import, {engine}: memory", pattern=r"kpi import .* ([\d,]+) MiB", unit=" MiB", most=1024),
        ),
    )


# What a million numbers per column take by KS, Wasserstein, PSI and JS, in times that sorting a column takes.
_MEASURES = r"JS .* (\d+) sorts"

PARTS = (
    Part(
        name="start",
        command=("start.py",),
        quick=("start.py", "--repeats", "1"),
        figures=(
            Figure(what="`abkit --help` beside importing Typer", pattern=r"help: ([\d.]+) times", most=3),
            Figure(what="`abkit score` of one image, processor", pattern=r"torch, ([\d.]+) s", unit=" s", most=3),
        ),
    ),
    Part(
        name="web-start",
        command=("web_start.py",),
        quick=("web_start.py", "--runs", "1"),
        figures=(
            Figure(what="`abkit serve` until it listens, processor", pattern=r"median ([\d.]+)", unit=" s", most=3),
        ),
    ),
    Part(
        name="score",
        command=("scoring.py", "--images", "400"),
        quick=("scoring.py", "--images", "16", "--repeats", "1"),
        figures=(
            Figure(
                what="`abkit score` beside a bare loop that decodes and encodes, processor",
                pattern=r"in processor seconds ([\d.]+)",
                least=0.95,
            ),
            Figure(what="kept tokens beside pixels", pattern=r"queries (\d+) times as fast", unit=" times", least=50),
        ),
    ),
    kpi_import("sqlite"),
    kpi_import("postgresql"),
    Part(
        name="correlate",
        command=("correlate.py",),
        quick=("correlate.py", "--creatives", "500", "--days", "10"),
        figures=(Figure(what="`abkit correlate` beside GROUP BY and bootstrap", pattern=r"= ([\d.]+) × both"),),
    ),
    Part(
        name="drift",
        command=("drift_speed.py",),
        quick=("drift_speed.py", "--rows", "20000", "--creatives", "500", "--repeats", "1"),
        figures=(
            Figure(
                what="six columns: scipy's KS and Wasserstein beside four measures",
                pattern=r"scipy.* (\d+) sorts",
                beside=_MEASURES,
            ),
            Figure(
                what="six columns: Evidently's preset beside them",
                pattern=r"evidently.* (\d+) sorts \(",
                beside=_MEASURES,
                of_peer=True,
                least=20,
            ),
            Figure(
                what="six columns: NannyML's KS beside them",
                pattern=r"nannyml.* (\d+) sorts \(",
                beside=_MEASURES,
                of_peer=True,
                least=1,
            ),
            Figure(
                what="MMD and energy, 10,000 × 512, 199 permutations",
                pattern=r"([\d.]+) s by the clock",
                unit=" s",
                most=10,
            ),
            Figure(what="the same, memory", pattern=r"([\d,]+) MiB at most", unit=" MiB", most=1024),
        ),
    ),
    Part(
        name="daily-check",
        command=("drift_sketches.py",),
        quick=("drift_sketches.py", "--creatives", "20000"),
        figures=(
            Figure(
                what="daily drift check over 1,000,000 creatives",
                pattern=r"new creatives: ([\d.]+) s",
                unit=" s",
                most=5,
            ),
        ),
    ),
    Part(
        name="experiments",
        command=("experiments.py",),
        quick=("experiments.py",),
        figures=(
            Figure(what="proportions beside tea-tasting", pattern=r"proportions +\d+ +\d+ +([\d.]+)", unit=" times"),
        ),
    ),
)


def run(part: Part, quick: bool, more: Sequence[str]) -> tuple[str, float, float]:
    """Run one part; return what it printed, the load before, and the minutes that it took.

    Raises:
        subprocess.SubprocessError: It failed, or took more than an hour.
    """
    before, began = os.getloadavg()[0], time.monotonic()
    script, *rest = part.quick if quick else part.command
    command = [sys.executable, str(HERE / script), *rest, *more]
    print(f"\n$ python benchmarks/{' '.join([script, *rest, *more])}", file=sys.stderr, flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=_HOUR, cwd=HERE.parent)
    print(done.stdout, end="", file=sys.stderr, flush=True)
    return done.stdout, before, (time.monotonic() - began) / 60


def row(figure: Figure, printed: str) -> tuple[str, bool]:
    """Return the beginning of a figure's row, and whether all is well: it was found, or needs a peer."""
    found = [re.search(pattern, printed) for pattern in (figure.pattern, figure.beside) if pattern]
    numbers = [one[1].replace(",", "") for one in found if one is not None]
    if len(numbers) < len(found):
        why = "not run: no peer was named" if figure.of_peer else "not found"
        return f"| {figure.what} | {why} | {figure.goal()} | |", figure.of_peer
    value = float(numbers[0]) / float(numbers[1]) if figure.beside else float(numbers[0])
    shown = f"{value:.1f}" if figure.beside else f"{value:,.{len(numbers[0].partition('.')[2])}f}"
    return f"| {figure.what} | {shown}{figure.unit} | {figure.goal()} | {figure.reached(value)} |", True


def machine() -> str:
    """Return what the machine and the versions are, in one sentence."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists() and (model := re.search(r"model name\s*: (.+)", cpuinfo.read_text())):
        name = model[1]
    versions = []
    for package in _PACKAGES:
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            versions.append(f"no {package}")
    return f"{os.cpu_count()} cores ({name.strip()}), Python {platform.python_version()}, {', '.join(versions)}"


def write_table(path: Path, table: str) -> None:
    """Put the table between its two marks.

    Raises:
        SystemExit: The page does not have them.
    """
    page = path.read_text(encoding="utf-8")
    if BEGIN not in page or END not in page:
        raise SystemExit(f"{path} has no lines '{BEGIN}' and '{END}': put them where the table belongs")
    head, rest = page.split(BEGIN, 1)
    path.write_text(f"{head}{BEGIN}\n{table}\n{END}{rest.split(END, 1)[1]}", encoding="utf-8")


def main() -> None:
    """Run what is asked for, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[part.name for part in PARTS])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--write", type=Path, metavar="PAGE")
    parser.add_argument("--evidently", help="the Python of an environment that has it")
    parser.add_argument("--nannyml", help="the Python of an environment that has it")
    asked = parser.parse_args()
    if asked.write and (asked.quick or asked.only):
        parser.error("the table is written of all parts at full size: leave out --quick and --only")
    named = {"--evidently": asked.evidently, "--nannyml": asked.nannyml}
    peers = [word for option, place in named.items() if place for word in (option, place)]
    rows, fine = [], True
    for part in PARTS:
        if asked.only and part.name not in asked.only:
            continue
        shown = " ".join(part.quick if asked.quick else part.command)
        try:
            printed, load, minutes = run(part, asked.quick, peers if part.name == "drift" else [])
        except subprocess.SubprocessError as error:
            rows.append(f"| {part.name} | failed: {type(error).__name__} | | | `{shown}` | |")
            fine = False
            continue
        for figure in part.figures:
            start, found = row(figure, printed)
            fine = fine and found
            rows.append(f"{start} `{shown}` | {load:.1f}, {minutes:.1f} min |")
    head = "| what | figure | goal | reached | `python benchmarks/…` | load before, took |\n|" + " --- |" * 6
    table = f"{datetime.now(UTC):%Y-%m-%d}: {machine()}.\n\n{head}\n" + "\n".join(rows)
    print(table)
    if asked.write:
        write_table(asked.write, table)
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
