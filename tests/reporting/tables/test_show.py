"""Whatever a table is written for is found: by the module that the record comes from, before anything was shown."""

import importlib
import pkgutil

import pytest

from abkit.reporting import tables
from abkit.reporting.tables import show


def _written() -> list[tuple[type, str]]:
    """Each kind of record that has a view, with the module of that view."""
    for module in pkgutil.walk_packages(tables.__path__, f"{tables.__name__}."):
        importlib.import_module(module.name)
    return [(kind, view.__module__) for kind, view in show.view_of.registry.items() if kind is not object]


@pytest.mark.parametrize(("kind", "place"), [pytest.param(*one, id=one[0].__name__) for one in _written()])
def test_a_record_is_shown_by_the_table_written_for_it(kind: type, place: str) -> None:
    found = [table for origin, table in show._MODULES.items() if f"{kind.__module__}.".startswith(f"{origin}.")]
    assert place in found
