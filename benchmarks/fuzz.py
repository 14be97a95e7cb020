"""Hostile inputs for everything that reads from outside: each ends in a result or in one sentence, within limits.

    python benchmarks/fuzz.py [--inputs 10000] [--seed 0] [--kinds kpis images] [--failures FOLDER]

Kinds: KPI exports of all formats, ratings, tables of experiments, plans, images, checkpoints, configuration, mappings
(recipes and tables of links), folders; answers of services, cron lines and arguments of jobs, names and patterns,
addresses of databases and files with statements, options of `abkit calc`, requests to the page and the API. Of the
inputs of a kind most are whole files or texts that were mutated (bytes flipped, cut, repeated, spliced; numbers made extreme; members of archives and the cards of checkpoints
mutated inside, with digests made to fit), and a part of the text tables is drawn by hypothesis from cells that readers
stumble over. All depend on the seed alone.

Inputs are read in batches by forked processes. An input fails when its reader

- ends in anything but a result or an `AbkitError` of one line,
- takes more than 10 s of processor time, more than 1 GiB beside the program itself, or 180 s in all,
- ends the process, or lets a library print a panic.

Printed are counts by kind, the slowest input of each, and each failure; failing inputs are saved with `--failures`.
The exit code is 1 when there is one.
"""

# ruff: noqa: E501

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import fuzz_files
import fuzz_words

CPU_SECONDS = 10
WALL_SECONDS = 180
MEMORY = 2**30
BATCH = 250

READERS = fuzz_files.READERS | fuzz_words.READERS


def prepare(kinds: Sequence[str], work: Path) -> None:
    """Make what all inputs begin with, once: in a process of its own."""
    wanted = [kind for kind, needed in fuzz_files.TABLES_OF.items() if not {needed, kind}.isdisjoint(kinds)]
    command = [sys.executable, __file__, "--make", *wanted]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=900)  # this file
    (work / "seeds.json").write_text(done.stdout)
    fuzz_files.keep_tables(done.stdout)


@dataclass
class Kind:
    """What came of the inputs of one kind: how many ended how, the slowest one, and the failures with their number."""

    ended: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    failures: list[tuple[int, str]] = field(default_factory=list)


def fuzz(kind: str, count: int, seed: int, work: Path) -> Kind:
    """Read inputs of one kind in batches, each in a process that may die."""
    found, number = Kind(), 0
    while number < count:
        number = _batch(kind, range(number, min(count, number + BATCH)), seed, work, found)
    return found


def one_input(kind: str, number: int, seed: int, folder: Path) -> str:
    """Make and read one input; return "result" or "sentence", or what is wrong."""
    from abkit.errors import AbkitError

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        READERS[kind](random.Random(f"{seed}-{kind}-{number}"), folder)  # noqa: S311  # not for secrets
    except AbkitError as error:
        said = error.message
        return "sentence" if said.strip() and "\n" not in said and len(said) < 5_000 else f"no sentence: {said[:300]!r}"
    except BaseException as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {str(error)[:200]} ({Path(at.filename).name}:{at.lineno})"
    return "result"


def _batch(kind: str, numbers: range, seed: int, work: Path, found: Kind) -> int:
    """Read some inputs in one process; return the number of the next one."""
    into, out = os.pipe()
    command = [sys.executable, __file__, "--read", kind, *map(str, (numbers.start, numbers.stop, seed, work, out))]
    environment = {**os.environ, "POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    # Each thread would reserve a part of the address space.
    environment |= {"MALLOC_ARENA_MAX": "2"}
    process = subprocess.Popen(command, pass_fds=[out], env=environment, stdin=subprocess.DEVNULL)
    os.close(out)
    done, current = numbers.start, -1
    buffer = b""
    while True:
        ready = select.select([into], [], [], WALL_SECONDS)[0]
        chunk = os.read(into, 1 << 16) if ready else b""
        if not chunk:
            break
        buffer += chunk
        *lines, buffer = buffer.split(b"\n")
        for line in lines:
            told = json.loads(line)
            if "begins" in told:
                current = told["begins"]
                continue
            done, ended = told["number"] + 1, told["ended"]
            found.slowest = max(found.slowest, told["seconds"])
            fine = ended in ("result", "sentence")
            found.ended[ended if fine else "failure"] += 1
            if not fine:
                found.failures.append((told["number"], ended))
    os.close(into)
    if done < numbers.stop:
        process.kill()
    status = -process.wait()
    if done < numbers.stop:
        how = f"more than {WALL_SECONDS} s" if not ready else f"the process ended by signal {status}"
        how = f"more than {CPU_SECONDS} s of processor time" if status == signal.SIGPROF else how
        found.ended["failure"] += 1
        found.failures.append((current, how))
        return current + 1
    return done


def _child(kind: str, numbers: range, seed: int, work: Path, out: int, said: Path) -> None:
    warnings.simplefilter("ignore")
    fuzz_files.keep_tables((work / "seeds.json").read_text())
    import numpy as np  # noqa: F401
    import polars  # noqa: F401

    fuzz_files.images()
    terminal = os.open(said, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    os.dup2(terminal, 2)
    with open("/proc/self/statm") as file:
        mapped = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY, mapped + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number in numbers:
        os.write(out, json.dumps({"begins": number}).encode() + b"\n")
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
        started, printed = time.process_time(), os.fstat(terminal).st_size
        ended = one_input(kind, number, seed, work / "input")
        seconds = time.process_time() - started
        signal.setitimer(signal.ITIMER_PROF, 0)
        if b"panicked" in os.pread(terminal, 1 << 16, printed):
            ended = "a panic was printed"
        told = {"number": number, "ended": ended, "seconds": round(seconds, 3)}
        os.write(out, json.dumps(told).encode() + b"\n")
    os._exit(0)


def _keep(kind: str, number: int, seed: int, work: Path, kept: Path) -> None:
    """Make a failing input once more, in a process that it may end, and keep it."""
    _batch(kind, range(number, number + 1), seed, work, Kind())
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(work / "input", kept)


def run(inputs: int, seed: int, kinds: Sequence[str], failures: Path | None = None) -> Iterator[tuple[str, Kind]]:
    """Fuzz kinds with so many inputs in all, and yield what came of each."""
    with tempfile.TemporaryDirectory(prefix="abkit-fuzz-") as work:
        prepare(kinds, Path(work))
        for kind in kinds:
            found = fuzz(kind, -(-inputs // len(kinds)), seed, Path(work))
            for number, reason in found.failures:
                if failures is not None:
                    kept = failures / f"{kind}-{seed}-{number}"
                    _keep(kind, number, seed, Path(work), kept)
                    (kept / "reason.txt").write_text(reason)
            yield kind, found


def report(found: Iterable[tuple[str, Kind]]) -> Iterator[str]:
    """Yield the lines of the report, those of a kind when it is done."""
    yield f"{'kind':<14} {'inputs':>7} {'results':>8} {'sentences':>10} {'failures':>9} {'slowest, s':>11}"
    for kind, one in found:
        counts = (one.ended.total(), one.ended["result"], one.ended["sentence"], one.ended["failure"])
        yield f"{kind:<14} {counts[0]:>7,} {counts[1]:>8,} {counts[2]:>10,} {counts[3]:>9,} {one.slowest:>11.2f}"
        for number, reason in one.failures:
            yield f"{kind} {number}: {reason}"


def main() -> None:
    """Run and print."""
    if sys.argv[1:2] == ["--make"]:
        sys.stdout.write(fuzz_files.in_json({kind: fuzz_files.make_tables(kind) for kind in sys.argv[2:]}))
        return
    if sys.argv[1:2] == ["--read"]:
        kind, start, stop, seed, work, out = sys.argv[2:]
        _child(kind, range(int(start), int(stop)), int(seed), Path(work), int(out), Path(work) / "stderr")
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="+", choices=list(READERS), default=list(READERS))
    parser.add_argument("--failures", type=Path, help="a folder that failing inputs are saved in")
    asked = parser.parse_args()
    kept: list[Kind] = []

    def found() -> Iterator[tuple[str, Kind]]:
        for kind, one in run(asked.inputs, asked.seed, asked.kinds, asked.failures):
            kept.append(one)
            yield kind, one

    for line in report(found()):
        print(line, flush=True)
    sys.exit(any(one.failures for one in kept))


if __name__ == "__main__":
    main()
