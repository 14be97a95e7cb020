"""abkit: score ad variants before launch, check the scores against KPIs, watch for drift, test what matters.

What `__all__` names is the public Python API; it changes only with an entry in the changelog. Everything else is
internal. Each name is imported when it is first used, so that `import abkit` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from abkit.records import render_with
from abkit.version import __version__

if TYPE_CHECKING:
    from abkit.errors import AbkitError
    from abkit.stats.arms import Counts, Moments
    from abkit.stats.estimate import Comparison, Estimate
    from abkit.workflows.experiments.rows import experiment_from_rows
    from abkit.workspace import Workspace
    from abkit_model.scorer import Scorer

# Name → the module that defines it.
_PLACES = {
    "AbkitError": "abkit.errors",
    "Comparison": "abkit.stats.estimate",
    "Counts": "abkit.stats.arms",
    "Estimate": "abkit.stats.estimate",
    "Moments": "abkit.stats.arms",
    "Scorer": "abkit_model.scorer",
    "Workspace": "abkit.workspace",
    "experiment_from_rows": "abkit.workflows.experiments.rows",
}

__all__ = [
    "AbkitError",
    "Comparison",
    "Counts",
    "Estimate",
    "Moments",
    "Scorer",
    "Workspace",
    "__version__",
    "experiment_from_rows",
]

render_with("abkit.reporting.tables.show")


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'abkit' has no attribute {name!r}; it has {', '.join(sorted(_PLACES))}")
    value = getattr(import_module(_PLACES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
