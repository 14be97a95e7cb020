"""The charts of one look at an experiment: all treatments side by side, and each over time with its boundary."""

from __future__ import annotations

from typing import Any

from abkit.metrics import METRICS
from abkit.reporting.charts.experiment import forest_plot, sequence_chart
from abkit.workflows.experiments.looks.results import Analysis, TreatmentResult


def analysis_chart(analysis: Analysis, key: str = "", width: int = 560) -> Any:
    """Return the forest plot of an analysis: the lift of each treatment with the interval that decides.

    Args:
        analysis: The look.
        key: Key of the experiment, where it was renamed since.
        width: Width of the plot in pixels.
    """
    lifts = [(result.treatment, result.deciding.lift) for result in analysis.treatments if result.deciding]
    title = f"{key or analysis.experiment}: {METRICS[analysis.metric].name} against {analysis.control}"
    return forest_plot(lifts, title=title, subtitle=analysis.rule, width=width)


def treatment_chart(analysis: Analysis, result: TreatmentResult, key: str = "", width: int = 620) -> Any | None:
    """Return one treatment over time with the boundary; None where it has no sequence of days."""
    if not result.sequence or len(result.sequence.looks) < 2:
        return None
    definition = METRICS[analysis.metric]
    return sequence_chart(
        result.sequence,
        title=f"{key or analysis.experiment}: {definition.name} of {result.treatment} against {analysis.control}",
        dates=result.days,
        unit="" if definition.share else definition.unit(analysis.currency) or definition.name,
        width=width,
    )


def look_charts(analysis: Analysis, key: str = "", width: int = 620) -> list[Any]:
    """Return one chart per treatment over time, or the forest plot where there is no sequence of days."""
    charts = [treatment_chart(analysis, result, key, width) for result in analysis.treatments]
    return [chart for chart in charts if chart is not None] or [analysis_chart(analysis, key, width)]
