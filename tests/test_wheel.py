"""What is delivered is the wheel: it holds what it should, and works where a user has files of the same names."""

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.images import save_images

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `abkit` command of an environment that has the wheel, and borrows everything else from this one."""
    venv = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True, capture_output=True)
    packages = next((venv / "lib").glob("python*")) / "site-packages"
    # A path in a .pth file comes after site-packages, and .pth files of its own (the editable abkit) do not count.
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", venv / "bin" / "python", "install", "--no-deps", "--no-index", wheel],
        check=True,
        capture_output=True,
    )
    return venv / "bin" / "abkit"


def test_the_wheel_holds_the_two_packages_and_nothing_else_at_top_level(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"abkit", "abkit_model"}
    assert "abkit/migrations/versions/0001_scoring.py" in names
    assert "abkit/intake/kpis/header/recipes/meta.toml" in names
    assert "abkit/intake/media/placements.toml" in names
    assert {"abkit_model/weights/default/card.json", "abkit_model/weights/default/queries.safetensors"} <= set(names)
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert not any("tests" in name or name.endswith(".pyc") for name in names)


def test_the_wheel_has_one_console_script(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        assert archive.read(name).decode().strip() == "[console_scripts]\nabkit = abkit.commands.app:main"


def test_it_scores_in_a_folder_that_has_a_model_and_a_cli_module_of_its_own(installed: Path, tmp_path: Path) -> None:
    for name in ("model.py", "cli.py", "migrations.py", "tests.py"):
        (tmp_path / name).write_text("raise SystemExit('the user’s own module was imported')\n")
    save_images(tmp_path / "ads", 2)

    def abkit(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([installed, *arguments], cwd=tmp_path, capture_output=True, text=True)

    first = abkit("init")
    assert first.returncode == 0, first.stderr
    assert abkit("db", "check").stdout == "ok\n"
    scored = abkit("score", "ads", "--campaign", "spring")
    assert scored.returncode == 0, scored.stderr
    assert "creative_0001.png" in scored.stdout

    where = subprocess.run(
        [installed.parent / "python", "-c", "import abkit, torch; print(abkit.__file__, torch.__file__)"],
        capture_output=True, text=True, cwd=tmp_path,
    ).stdout.split()  # fmt: skip
    assert str(installed.parent.parent) in where[0]
    assert str(installed.parent.parent) not in where[1]
