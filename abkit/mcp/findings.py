"""Tools about what was found: scores against KPIs, drift, experiments; and two calculations."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from abkit.errors import AbkitError
from abkit.mcp.answers import Said, json_text, text
from abkit.stats.design.sample_size import sample_size
from abkit.stats.proportions.compare import compare
from abkit.vocabulary import Metric, Monitoring
from abkit.workflows.experiments.experiments import history, list_experiments
from abkit.workflows.recorded.findings import correlation_page, drift_status
from abkit.workspace import Workspace


class FindingTools:
    """Tools about what one workspace has found.

    Args:
        workspace: Where it is kept.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def tools(self) -> tuple[Any, ...]:
        """Return the tools."""
        return self.score_and_kpi, self.drift_status, self.analyze_test, self.design_test, self.compare_counts

    def score_and_kpi(
        self, metric: Annotated[Metric, Field(description="The KPI, such as ctr, cvr, cpa or roas.")] = Metric.CTR
    ) -> Said:
        """Say how the scores go with a KPI: the latest correlations that were found, with intervals and n.

        `within_campaign` is what counts: over all creatives, campaigns differ for many reasons.
        """
        found = correlation_page(self.workspace.store, before=None, limit=50, metric=metric.value).items
        if not found:
            raise AbkitError(
                f"nobody has correlated scores with {metric.value} yet", hint=f"run: abkit correlate --metric {metric}"
            )
        return [json_text([one for one in found if one.run_id == found[0].run_id])]

    def drift_status(self) -> Said:
        """Say whether the scorer can still be trusted: the last standing drift check, its decision and its reasons."""
        found = drift_status(self.workspace.store)
        if found.check is None:
            raise AbkitError("no drift check has been made yet", hint="run: abkit drift check")
        tests = [{name: getattr(one, name) for name in _OF_TEST} for one in found.tests]
        return [json_text(found.check), json_text(tests)]

    def analyze_test(
        self, experiment: Annotated[str | None, Field(description="Its key; lists all without.", max_length=200)] = None
    ) -> Said:
        """Show the last look at an A/B test and the decisions about it. It does not look anew: looks are counted."""
        if experiment is None:
            return [json_text(list_experiments(self.workspace.store))]
        entries = history(self.workspace.store, experiment)
        looks = [entry for entry in entries if entry.kind == "analysis" and entry.result is not None]
        if not looks:
            raise AbkitError(
                f"nobody has looked at {experiment} yet", hint=f"run: abkit experiment analyze {experiment}"
            )
        decided = [entry for entry in entries if entry.kind == "decision"]
        last = looks[-1]
        return [f"Look {last.sequence}, as of {last.as_of}.", text(last.result), *map(json_text, decided)]

    def design_test(
        self,
        baseline: Annotated[float, Field(description="Rate of the control, such as 0.02.", gt=0, lt=1)],
        lift: Annotated[float, Field(description="Relative effect to find, such as 0.1 for +10 %.", gt=-1, lt=10)],
        power: Annotated[float, Field(description="Chance to find it.", gt=0, lt=1)] = 0.8,
        alpha: Annotated[float, Field(description="Error rate of the whole test.", gt=0, lt=1)] = 0.05,
        arms: Annotated[int, Field(description="Number of arms, the control included.", ge=2, le=20)] = 2,
        monitoring: Annotated[Monitoring, Field(description="How often it is looked at.")] = Monitoring.FIXED,
        daily_traffic: Annotated[float | None, Field(description="Units per day over all arms.", gt=0)] = None,
    ) -> Said:
        """Say how many units an A/B test of a rate takes, and how many days with so much traffic."""
        found = sample_size(
            baseline, lift, power=power, alpha=alpha, arms=arms, monitoring=monitoring, daily_traffic=daily_traffic
        )
        return [text(found)]

    def compare_counts(
        self,
        control_successes: Annotated[int, Field(ge=0, le=10**12)],
        control_trials: Annotated[int, Field(ge=1, le=10**12)],
        treatment_successes: Annotated[int, Field(ge=0, le=10**12)],
        treatment_trials: Annotated[int, Field(ge=1, le=10**12)],
        level: Annotated[float, Field(description="Confidence level.", gt=0, lt=1)] = 0.95,
    ) -> Said:
        """Compare two rates, such as clicks of impressions: difference and lift with intervals, and a p-value.

        Only for a randomized test that is looked at once, at its end.
        """
        arms = (control_successes, control_trials, treatment_successes, treatment_trials)
        return [text(compare(*arms, level=level))]


_OF_TEST = ("layer", "test", "segment", "verdict", "statistic", "p_value", "threshold", "n_reference", "n_current")
