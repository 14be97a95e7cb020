"""`abkit model export`: the scorer as ONNX, and the comparison with the original."""

import json
from pathlib import Path

from tests.commands.conftest import Here


def test_the_active_scorer_is_exported_once_and_the_comparison_printed(here: Here, quick_workspace: Path) -> None:
    done = here("model", "export", "--out", "portable", cwd=quick_workspace)
    assert done.returncode == 0
    assert "float32" in done.stdout
    assert "name your own" in done.stderr
    facts = json.loads((quick_workspace / "portable" / "scorer.json").read_text())
    assert facts["precision"] == "float32"
    assert sorted(path.name for path in (quick_workspace / "portable").iterdir()) == ["scorer.json", "scorer.onnx"]

    again = here("model", "export", "--out", "portable", cwd=quick_workspace)
    assert again.returncode == 1
    assert "exists already" in again.stderr
    assert "Traceback" not in again.stderr
