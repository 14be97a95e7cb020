"""The audit refuses licences, and does not take data that it could not reach for the absence of vulnerabilities."""

import importlib.util
import json
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", ROOT / "tools" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _distribution(folder: Path, *fields: str, text: str = "") -> metadata.Distribution:
    info = folder / "thing-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("\n".join(["Metadata-Version: 2.4", "Name: thing", "Version: 1.0", *fields]) + "\n")
    (info / "LICENSE").write_text(text)
    (info / "RECORD").write_text("thing-1.0.dist-info/METADATA,,\nthing-1.0.dist-info/LICENSE,,\n")
    return metadata.Distribution.at(info)


@pytest.mark.parametrize(
    ("fields", "text", "refused", "silent"),
    [
        (["License-Expression: Apache-2.0"], "", 0, 0),
        (["License-Expression: MIT AND GPL-3.0-or-later"], "", 1, 0),
        (["License-Expression: BSD-3-Clause AND GPL-3.0-or-later WITH GCC-exception-3.1"], "", 0, 0),
        (["License-Expression: MIT OR AGPL-3.0-only"], "", 0, 0),
        (["License-Expression: (MIT OR BSD-3-Clause) AND GPL-3.0-only"], "", 1, 0),
        (["License-Expression: (MIT OR GPL-3.0-only) AND Apache-2.0"], "", 0, 0),
        (["License: AGPL-3.0"], "", 1, 0),
        (["License: GNU GPL v2"], "", 1, 0),
        (["License: Creative Commons BY-NC-SA, non-commercial"], "", 1, 0),
        (["Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)"], "", 1, 0),
        (["Classifier: License :: OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)"], "", 0, 0),
        ([], "Permission is hereby granted, free of charge, to any person", 0, 0),
        ([], "GNU AFFERO GENERAL PUBLIC LICENSE\nVersion 3", 1, 0),
        ([], "all rights reserved", 0, 1),
    ],
)
def test_a_licence_is_judged_by_what_the_distribution_says(
    audit: ModuleType, tmp_path: Path, fields: list[str], text: str, refused: int, silent: int
) -> None:
    bad, unstated = audit.licences([_distribution(tmp_path, *fields, text=text)])
    assert (len(bad), len(unstated)) == (refused, silent)


def test_what_abkit_is_tested_with_has_licences_that_it_may_depend_on(audit: ModuleType) -> None:
    assert audit.licences(metadata.distributions()) == ([], [])


@pytest.mark.parametrize(
    ("printed", "ended", "code", "said"),
    [
        ({"dependencies": [{"name": "a", "version": "1", "vulns": []}]}, 0, 0, "0 found."),
        (
            {"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "X-1", "fix_versions": ["2"]}]}]},
            1,
            1,
            "a 1 has X-1, fixed in 2",
        ),
        ({"dependencies": [{"name": "a", "skip_reason": "not found: a (1)"}]}, 0, 3, "could NOT be checked for 1"),
        ("no connection", 1, 3, "cannot reach its data"),
        (None, 0, 3, "pip-audit is not installed"),
    ],
)
def test_the_exit_code_says_whether_vulnerabilities_were_found_or_not_looked_for(
    audit: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    printed: object,
    ended: int,
    code: int,
    said: str,
) -> None:
    monkeypatch.setattr(audit.metadata, "distributions", lambda: iter(()))
    command = tmp_path / "pip-audit"
    if printed is not None:
        text = printed if isinstance(printed, str) else json.dumps(printed)
        command.write_text(f"#!{sys.executable}\nimport sys\nprint({text!r})\nsys.exit({ended})\n")
        command.chmod(0o700)
    assert audit.main(["--pip-audit", str(command)]) == code
    assert said in capsys.readouterr().out
