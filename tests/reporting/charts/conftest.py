"""Charts that are drawn here are valid."""

from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _every_chart_is_valid(checked_charts: list[dict[str, Any]]) -> None:
    """See `checked_charts`."""
