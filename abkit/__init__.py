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
    from abkit.stats.design.sample_size import sample_size
    from abkit.stats.estimate import Comparison, Estimate
    from abkit.stats.means.compare import compare_means
    from abkit.stats.monitoring.shifts.distribution_shift import drift
    from abkit.stats.proportions.bayes import rank
    from abkit.stats.proportions.compare import compare
    from abkit.stats.verdicts.multiplicity import adjust
    from abkit.stats.verdicts.sample_ratio import sample_ratio
    from abkit.workflows.experiments.rows.compare import experiment_from_rows
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
    "adjust": "abkit.stats.verdicts.multiplicity",
    "compare": "abkit.stats.proportions.compare",
    "compare_means": "abkit.stats.means.compare",
    "drift": "abkit.stats.monitoring.shifts.distribution_shift",
    "experiment_from_rows": "abkit.workflows.experiments.rows.compare",
    "rank": "abkit.stats.proportions.bayes",
    "sample_ratio": "abkit.stats.verdicts.sample_ratio",
    "sample_size": "abkit.stats.design.sample_size",
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
    "adjust",
    "compare",
    "compare_means",
    "drift",
    "experiment_from_rows",
    "rank",
    "sample_ratio",
    "sample_size",
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
