"""Check what is installed: licences that abkit may not depend on, and versions with known vulnerabilities.

`make audit` runs it. Exit codes: 0, all was checked and nothing was found; 1, something was found; 3, nothing was
found, but not all could be checked.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FOUND, NOT_CHECKED = 1, 3

# Copyleft that reaches what links to it, and licences that forbid a use; the Lesser GPL does neither.
_REFUSED = re.compile(
    r"\bA?GPL|\bSSPL|\bBUSL|Affero|(?<!Lesser )(?<!Library )(?<!or Library )General Public Licen[sc]e|"
    r"Server Side Public|Business Source|Commons Clause|CC-BY-NC|\bNC-|non-?commercial|research (use )?only",
    re.IGNORECASE,
)
_EXCEPTION = re.compile(r"GPL-[\w.+-]+\s+WITH\s+[\w.-]+", re.IGNORECASE)  # such as that of GCC's libraries
_TITLES = {
    "MIT License": "MIT",
    "Permission is hereby granted, free of charge": "MIT",
    "Apache License": "Apache-2.0",
    "Redistribution and use in source and binary forms": "BSD",
    "Mozilla Public License": "MPL-2.0",
    "GNU AFFERO GENERAL PUBLIC LICENSE": "AGPL",
    "GNU LESSER GENERAL PUBLIC LICENSE": "LGPL",
    "GNU GENERAL PUBLIC LICENSE": "GPL",
}


def refused(licence: str) -> bool:
    """Return whether a licence, or an SPDX expression of several, is one that abkit may not depend on.

    >>> [refused(text) for text in ("MIT", "LGPL-3.0-only", "MIT OR GPL-2.0-only", "GPL-3.0 WITH GCC-exception-3.1")]
    [False, False, False, False]
    >>> [refused(text) for text in ("MIT AND GPL-3.0-only", "GNU Affero General Public License v3", "CC-BY-NC-4.0")]
    [True, True, True]
    """
    rest = _EXCEPTION.sub("", licence)
    while group := re.search(r"\(([^()]*)\)", rest):
        rest = f"{rest[: group.start()]} {'GPL' if refused(group[1]) else ''} {rest[group.end() :]}"
    return all(_REFUSED.search(alternative) is not None for alternative in re.split(r"\s+or\s+", rest, flags=re.I))


def stated(distribution: metadata.Distribution) -> list[str]:
    """Return what a distribution says about its licence: its expression, else its fields, else its licence file."""
    about: Mapping[str, Any] = distribution.metadata.json
    if expression := about.get("license_expression"):
        return [str(expression)]
    field = str(about.get("license") or "").strip()
    named = [one.split(" :: ")[-1] for one in about.get("classifier", ()) if one.startswith("License :: ")]
    said = [*([field.splitlines()[0]] if field else []), *(one for one in named if one != "OSI Approved")]
    if not said:
        files = [file for file in distribution.files or () if re.match(r"licen[sc]e|copying", file.name, re.IGNORECASE)]
        texts = [Path(str(file.locate())).read_text(encoding="utf-8", errors="replace")[:3000] for file in files]
        said = [name for text in texts for title, name in _TITLES.items() if title.lower() in text.lower()][:1]
    return said


def licences(distributions: Iterable[metadata.Distribution]) -> tuple[list[str], list[str]]:
    """Return a sentence for each licence that is refused, and for each distribution that states none."""
    bad, silent = [], []
    for one in sorted(distributions, key=lambda found: found.name.lower()):
        said = stated(one)
        if not said:
            silent.append(f"{one.name} {one.version} states no licence")
        bad += [f"{one.name} {one.version} has the licence {text[:80]!r}" for text in said if refused(text)][:1]
    return bad, silent


def vulnerabilities(pip_audit: str, requirements: Path) -> tuple[list[str], list[str]]:
    """Return a sentence for each known vulnerability, and for each distribution that could not be checked.

    pip-audit says "No known vulnerabilities found" also where it reached no data; its JSON tells.
    """
    argv = [pip_audit, "--requirement", str(requirements), "--no-deps", "--disable-pip", "--format", "json"]
    try:
        done = subprocess.run(
            [*argv, "--progress-spinner", "off"], capture_output=True, text=True, timeout=900, check=False
        )
        checked = json.loads(done.stdout)["dependencies"]
    except FileNotFoundError:
        return [], [f"pip-audit is not installed ({pip_audit})"]
    except subprocess.TimeoutExpired:
        return [], ["pip-audit did not end within 15 minutes"]
    except (ValueError, KeyError, TypeError):
        return [], [f"pip-audit ended with code {done.returncode} and no result: it cannot reach its data"]
    return list(_vulnerable(checked)), [str(one["skip_reason"]) for one in checked if "skip_reason" in one]


def _vulnerable(checked: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for one in checked:
        for found in one.get("vulns", ()):
            fixed = ", ".join(found.get("fix_versions", ())) or "no version yet"
            yield f"{one['name']} {one['version']} has {found['id']}, fixed in {fixed}"


def main(arguments: list[str] | None = None) -> int:
    """Check, print one line for each finding, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pip-audit", default="pip-audit", help="the command")
    parser.add_argument("--requirements", type=Path, default=ROOT / "constraints.txt", help="versions to check")
    options = parser.parse_args(arguments)

    installed = list(metadata.distributions())
    bad, silent = licences(installed)
    for sentence in [*bad, *silent]:
        print(sentence)
    print(f"Licences: {len(installed)} distributions are installed; {len(bad)} refused, {len(silent)} not stated.")
    found, unchecked = vulnerabilities(options.pip_audit, options.requirements)
    for sentence in found:
        print(sentence)
    if unchecked:
        print(f"Known vulnerabilities could NOT be checked for {len(unchecked)} entries, the first: {unchecked[0]}")
    print(f"Known vulnerabilities: {len(found)} found{'; not all was checked' if unchecked else ''}.")
    if bad or silent or found:
        return FOUND
    return NOT_CHECKED if unchecked else 0


if __name__ == "__main__":
    sys.exit(main())
