"""Every package that an installation needs has the digests of its files, at the version that the tests ran with."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import hashes  # noqa: E402  # a script, not a package

WRITTEN = (ROOT / "requirements-hashes.txt").read_text()


def test_the_digests_are_of_the_versions_of_the_constraints() -> None:
    constrained, written = hashes.pins((ROOT / "constraints.txt").read_text()), hashes.pins(WRITTEN)
    others = {name: (version, constrained[name]) for name, version in written.items() if name in constrained}
    assert {name: pair for name, pair in others.items() if pair[0] != pair[1]} == {}, "run make hashes"
    # What the constraints do not have, the machine that the tests run on does not need.
    foreign = re.compile(r"nvidia-.*|cuda-.*|triton|colorama|pywin32|httpx2-jsfetch|hf-xet|setuptools")
    assert [name for name in written if name not in constrained and not foreign.fullmatch(name)] == []


def test_every_package_that_is_depended_on_is_there_with_digests() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    assert set(hashes.EXTRAS) == set(extras) - {"dev", "brief"}
    found = hashes.hashes(WRITTEN)
    for line in (*project["dependencies"], *(line for extra in hashes.EXTRAS for line in extras[extra])):
        name = re.match(r"[A-Za-z0-9._-]+", line)
        assert name is not None
        assert found[hashes.normal(name[0])], line
    assert all(found.values())
    assert "://" not in WRITTEN, "no index is named: the digests are the same wherever a file comes from"


@pytest.fixture
def uv(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What uv would write, in a list that the test may change."""
    said = [WRITTEN[len(hashes.HEAD) :]]

    def run(command: list[str], **_: object) -> None:
        Path(command[command.index("--output-file") + 1]).write_text(said[0])

    monkeypatch.setattr(subprocess, "run", run)
    return said


def test_the_check_finds_files_that_changed_and_packages_that_are_new(
    uv: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert hashes.main(["--check"]) == 0
    first = hashes.hashes(WRITTEN)["alembic"][0]
    uv[0] = uv[0].replace(first, "0" * 64) + "new-package==1.0 --hash=sha256:" + "1" * 64 + "\n"
    assert hashes.main(["--check"]) == hashes.DIFFERS
    said = capsys.readouterr().out
    assert "alembic: the index has other files" in said
    assert "new-package: it is not in requirements-hashes.txt: run make hashes" in said
    assert hashes.main(["--out", str(tmp_path / "few.txt"), "--extra", "web"]) == 0
    assert hashes.pins((tmp_path / "few.txt").read_text())["new-package"] == "1.0"


def test_an_index_that_cannot_be_asked_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert hashes.main(["--uv", "no-such-command", "--check"]) == hashes.NOT_ASKED
    assert "uv is not installed" in capsys.readouterr().out
