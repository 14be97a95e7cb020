"""The page on reliability names tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_every_promise_names_tests_that_exist_and_can_fail() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text()
    promises = [line for line in page.splitlines() if line.startswith("| **")]
    assert len(promises) >= 10
    for promise in promises:
        named = re.findall(r"`(tests/[\w/]+\.py)`", promise)
        assert named, promise
        for name in named:
            text = (ROOT / name).read_text()
            assert "def test_" in text, name
            assert "assert " in text, name
