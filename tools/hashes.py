"""Write requirements-hashes.txt: every package that an installation needs, at the version of constraints.txt, with the
SHA-256 of each of its files on PyPI, for every platform.

`make hashes` runs it, and `make check-hashes` says whether PyPI would answer the same today. uv, which asks the index
and resolves, is installed for that. Exit codes: 0, written or the same; 1, something differs; 3, it could not be asked.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "requirements-hashes.txt"
DIFFERS, NOT_ASKED = 1, 3
#: What people install: `dev` is for who changes abkit, and of `brief` the constraints pin nothing.
EXTRAS = ("model", "postgres", "demo", "heic", "video", "cloud", "onnx", "web", "mcp", "ray")
HEAD = """\
# Every package that abkit needs, at the version of constraints.txt, with the SHA-256 of its files on PyPI.
# `make hashes` writes this file. To install: pip install --require-hashes --requirement requirements-hashes.txt
"""
_PIN = re.compile(r"([A-Za-z0-9._-]+)==([^\s;]+)")


def normal(name: str) -> str:
    """Return the name of a package as indexes compare it.

    >>> normal("open_clip_torch"), normal("APScheduler")
    ('open-clip-torch', 'apscheduler')
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(text: str) -> dict[str, str]:
    """Return the version of each package of a file of requirements."""
    return {normal(found[1]): found[2] for line in text.splitlines() if (found := _PIN.match(line))}


def hashes(text: str) -> dict[str, list[str]]:
    """Return the digests of each package of a file of requirements with hashes."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        if pin := _PIN.match(line):
            name = normal(pin[1])
            found[name] = []
        found.setdefault(name, []).extend(re.findall(r"--hash=sha256:([0-9a-f]{64})\b", line))
    found.pop("", None)
    return found


def compiled(uv: str, extras: Sequence[str], constraints: Path) -> str:
    """Return the requirements with hashes, as the index has them now.

    Raises:
        OSError: uv is not installed.
        subprocess.SubprocessError: It could not ask the index, or the versions do not go together.
    """
    with tempfile.TemporaryDirectory(prefix="abkit-hashes-") as folder:
        out = Path(folder) / "hashes.txt"
        options = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-annotate", "--no-header"]
        where = ["--no-config", "--constraint", str(constraints), "--output-file", str(out)]
        wanted = [word for extra in extras for word in ("--extra", extra)]
        command = [uv, "pip", "compile", "--quiet", str(ROOT / "pyproject.toml"), *options, *where, *wanted]
        # Neither an index nor a folder that this machine is set up for has a say: PyPI is asked.
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PIP_"))}
        subprocess.run(command, check=True, timeout=900, env=kept, capture_output=True, text=True)
        return HEAD + out.read_text(encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Write the file, or compare it; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uv", default="uv", help="the command")
    parser.add_argument("--extra", action="append", choices=EXTRAS, help="an extra; all of them by default")
    parser.add_argument("--out", type=Path, default=OUT, help="the file")
    parser.add_argument("--check", action="store_true", help="write nothing, and say whether the file would change")
    options = parser.parse_args(arguments)
    try:
        text = compiled(options.uv, options.extra or EXTRAS, ROOT / "constraints.txt")
    except FileNotFoundError:
        print(f"uv is not installed ({options.uv})")
        return NOT_ASKED
    except subprocess.CalledProcessError as error:
        print(f"the index could not be asked, or the versions do not go together: {error.stderr.strip()[:2000]}")
        return NOT_ASKED
    except subprocess.TimeoutExpired:
        print("the index did not answer within 15 minutes")
        return NOT_ASKED
    if not options.check:
        options.out.write_text(text, encoding="utf-8")
        print(f"{len(pins(text))} packages with {sum(map(len, hashes(text).values())):,} digests: {options.out.name}")
        return 0
    before, now = hashes(options.out.read_text(encoding="utf-8")), hashes(text)
    gone = [name for name, known in before.items() if set(known) - set(now.get(name, ()))]
    for name in gone:
        print(f"{name}: the index has other files, or another version goes with the rest")
    new = [name for name in now if name not in before]
    for name in new:
        print(f"{name}: it is not in {options.out.name}: run make hashes")
    print(f"{len(before)} packages compared: {len(gone) + len(new)} differ.")
    return DIFFERS if gone or new else 0


if __name__ == "__main__":
    sys.exit(main())
