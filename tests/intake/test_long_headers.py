"""What a message lists of a file is some of it: a header may have thousands of columns, with names of any length."""

from pathlib import Path

import pytest

from abkit.errors import AbkitError
from abkit.intake.cells.columns import read_columns


def test_a_message_about_a_wide_file_stays_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    names = [f"c{number}" + "x" * 500 for number in range(3_000)]
    path.write_text(",".join(names) + "\n" + ",".join("1" for _ in names) + "\n")
    with pytest.raises(AbkitError) as caught:
        read_columns(path, ["trials"])
    assert len(caught.value.message) < 2_000
    assert len(caught.value.message) < 2_000
    assert caught.value.message.endswith(" more")
