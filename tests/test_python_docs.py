"""Every block of docs/python.md runs and prints what it shows."""

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import pytest

from tests.images import save_images
from tests.kpi_files import rows, write

DOCS = Path(__file__).parent.parent / "docs"
BLOCK = re.compile(r"```python\n(.*?)```(?:\n\n((?:    [^\n]*\n|\n)+))?", re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the images and the export that the examples speak of."""
    first, *_ = save_images(tmp_path / "ads", 3)
    first.rename(first.with_name("one.png"))
    names = sorted(path.name for path in (tmp_path / "ads").iterdir())
    write(
        tmp_path / "spring.csv",
        rows(*(f"2025-03-03,{i},{name},spring,2000,{20 + i},1,5.0,EUR" for i, name in enumerate(names))),
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_block_of_the_python_page_runs_and_prints_what_it_shows(folder: Path) -> None:
    blocks = BLOCK.findall((DOCS / "python.md").read_text())
    assert len(blocks) >= 7
    names: dict[str, object] = {}
    for code, shown in blocks:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(compile(code, "docs/python.md", "exec"), names)  # noqa: S102 - the page is ours
        expected = "\n".join(line[4:] for line in shown.splitlines()).strip()
        assert expected in said.getvalue(), code
    assert (folder / "shop" / "report.html").exists()


def test_the_page_names_every_public_method_of_a_workspace() -> None:
    from abkit import Workspace

    page = (DOCS / "python.md").read_text()
    steps = {name for name in vars(Workspace) if not name.startswith("_")} - {"open", "create", "close", "store"}
    assert steps
    assert all(f"`{name}(" in page for name in steps)


def test_the_notebook_runs_from_a_clean_start_and_shows_what_it_stores(tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    stored = nbformat.read(DOCS / "from-scores-to-a-verdict.ipynb", as_version=4)
    fresh = nbformat.from_dict(stored)
    NotebookClient(fresh, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    for before, after in zip(stored.cells, fresh.cells, strict=True):
        if before.cell_type == "code":
            assert _kinds(before) == _kinds(after), before.source
            assert _words(before) == _words(after), "run the notebook anew: its outputs are of former code"
    assert "is better" in fresh.cells[-1].outputs[0].text
    assert fresh.cells[-1].outputs[0].text == stored.cells[-1].outputs[0].text


def _words(cell: Any) -> list[list[str]]:
    """The words of each output as text, without figures and how the encoder computed: these differ between machines."""
    texts = [output.get("data", output).get("text/plain", output.get("text", "")) for output in cell.outputs]
    lines = [line for text in texts for line in text.splitlines() if not line.startswith("the encoder computed")]
    return [re.findall(r"[A-Za-z]+", re.sub(r"[0-9a-f]{12}", "", line)) for line in lines]


def _kinds(cell: Any) -> list[set[str]]:
    """What each output of a cell offers: a table as HTML, a text, a stream."""
    return [set(output.get("data", {output.output_type: ""})) for output in cell.outputs]
