"""How the house is built: folders that one can overlook, and records whose figures cannot be swapped."""

import ast
import importlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = (ROOT / "abkit", ROOT / "model" / "abkit_model")
MOST_FIELDS = 5
MOST_MODULES = 12


def _records() -> Iterator[tuple[str, ast.ClassDef, str]]:
    """Yield each dataclass of the product: where it is, its definition, and its decorator."""
    for path in sorted(path for package in PACKAGES for path in package.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                for decorator in map(ast.unparse, node.decorator_list):
                    if decorator.startswith("dataclass"):
                        yield f"{path.relative_to(ROOT)}: {node.name}", node, decorator


def test_records_with_more_than_five_fields_are_made_by_name() -> None:
    positional = []
    for place, node, decorator in _records():
        fields = [one for one in node.body if isinstance(one, ast.AnnAssign)]
        if len(fields) > MOST_FIELDS and "kw_only=True" not in decorator:
            positional.append(place)
    assert not positional, "two figures that are swapped look like any others: write kw_only=True"


def _modules(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*.py") if path.name != "__init__.py"]


FOLDERS = sorted({path.parent for package in PACKAGES for path in package.rglob("*.py")})


@pytest.mark.parametrize("folder", [pytest.param(one, id=str(one.relative_to(ROOT))) for one in FOLDERS])
def test_a_folder_has_a_dozen_modules_or_the_guide_says_why_more(folder: Path) -> None:
    if len(_modules(folder)) > MOST_MODULES:
        guide = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
        (said,) = [part for part in guide.split("\n## ") if part.startswith("Large folders")]
        name = str(folder.relative_to(ROOT / "model" if folder.is_relative_to(ROOT / "model") else ROOT))
        assert f"`{name}/`" in said


@pytest.mark.parametrize("path", [pytest.param(one, id=one.name) for one in sorted((ROOT / "benchmarks").glob("*.py"))])
def test_what_a_benchmark_takes_from_abkit_is_there(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in ("abkit", "abkit_model"):
            module = importlib.import_module(node.module)
            for name in (one.name for one in node.names):
                found = hasattr(module, name) or importlib.util.find_spec(f"{node.module}.{name}")
                assert found, f"line {node.lineno}: {node.module} has no {name}"
