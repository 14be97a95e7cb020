"""How plans, analyses and decisions are kept in the store: as JSON with a format version, read back into their records.

A change of these records that an earlier reader would misread takes a new number and a step in `_CHANGES`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from abkit.errors import AbkitError
from abkit.records import Record, to_plain
from abkit.store.schema import Experiment, ExperimentResult
from abkit.store.schema import Variant as VariantRow
from abkit.vocabulary import Allocation, ExperimentDecision, Verdict
from abkit.workflows.experiments.looks.results import Analysis, TreatmentResult
from abkit.workflows.experiments.plan import ExperimentPlan

FORMAT = 2
"""The version that is written. JSON without a version is of format 0."""

_PLAN = (
    "level", "power", "lift", "planned_total", "planned_unit", "monitoring", "looks", "guardrails", "watch",
    "margin_rate", "cap", "geography", "strata", "paired", "before", "schedule", "carry_over", "outcome_days",
)  # fmt: skip
"""The part of a plan that has no columns of its own."""

Kept = TypeVar("Kept")


class Unreadable(AbkitError):
    """A stored record that this version of abkit cannot read."""


@dataclass(frozen=True, kw_only=True)
class RecordedDecision(Record):
    """What a person decided about an experiment, and what it rests on.

    Attributes:
        decision: What becomes of the experiment.
        variant: The variant that is shipped or kept, if any.
        rule: By which rule the verdict was reached, in words.
        look: The look that the decision rests on.
        verdict: The verdict of that look.
        figures: The result of that variant, or of all treatments.
        against_the_verdict: Whether it ships what was not shown to be better, or drops what was.
        second: Another person who agreed; "" where nobody was asked.
        recommended: What the look recommended; "" where it was made before there were recommendations.
    """

    decision: ExperimentDecision
    variant: str | None
    rule: str
    look: int
    verdict: Verdict
    figures: tuple[TreatmentResult, ...]
    against_the_verdict: bool
    second: str = ""
    recommended: str = ""


def plan_json(plan: ExperimentPlan) -> dict[str, Any]:
    """Return what is kept of a plan beside its columns."""
    return _versioned({name: getattr(plan, name) for name in _PLAN} | {"variants": plan.variants})


def record_json(record: Analysis | RecordedDecision) -> dict[str, Any]:
    """Return an analysis or a decision as it is kept."""
    return _versioned(record)


def read_plan(row: Experiment, variants: Sequence[VariantRow], campaign: str | None) -> ExperimentPlan:
    """Return the plan of a stored experiment.

    Raises:
        Unreadable: It was written by a newer abkit, or is damaged.
    """
    what = f"the plan of {row.key}"
    columns = {name: getattr(row, name) for name in ("key", "unit", "allocation", "metric", "starts_on", "ends_on")}
    kept = _current(row.plan, what)
    shown = kept.get("variants")
    if not isinstance(shown, dict) or {variant.key for variant in variants} != set(shown):
        raise Unreadable(f"{what} cannot be read: it does not name the ads of its variants")
    kept["variants"] = {variant.key: shown[variant.key] for variant in variants}
    if kept.get("planned_total") and "planned_unit" not in kept and columns["allocation"] == Allocation.OPTIMIZED:
        # It counted the days of every arm, although all run on the same days.
        kept["planned_total"] = math.ceil(kept["planned_total"] / len(variants))
    shares = [variant.share for variant in variants]
    return _parsed(ExperimentPlan, {**kept, **columns, "split": shares, "campaign": campaign}, what)


def read_analysis(row: ExperimentResult) -> Analysis:
    """Return the record of a stored analysis.

    Raises:
        Unreadable: It was written by a newer abkit, or is damaged.
    """
    return _parsed(Analysis, _current(row.result, f"analysis {row.sequence}"), f"analysis {row.sequence}")


def read_decision(row: ExperimentResult) -> RecordedDecision:
    """Return the record of a stored decision.

    Raises:
        Unreadable: It was written by a newer abkit, or is damaged.
    """
    return _parsed(RecordedDecision, _current(row.result, f"decision {row.sequence}"), f"decision {row.sequence}")


def _versioned(content: Any) -> dict[str, Any]:
    return {"format": FORMAT, **_exact(content)}


def _exact(value: Any) -> Any:
    """Return plain data that keeps apart what JSON cannot say: nan, inf and -inf become words."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _exact(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _exact(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(item) for item in value]
    return to_plain(value)


def _current(stored: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Return stored JSON in the format that is written today."""
    version = stored.get("format", 0)
    if not isinstance(version, int) or not 0 <= version <= FORMAT:
        raise Unreadable(
            f"{what} was written in format {version}; this abkit reads formats up to {FORMAT}",
            hint="a newer abkit wrote it: update this one",
        )
    content = dict(stored)
    for change in _CHANGES[version:]:
        content = change(content)
    return content


def _from_0(stored: dict[str, Any]) -> dict[str, Any]:
    """Bring JSON without a version to format 1: British spelling, null for numbers that were not finite."""
    content: dict[str, Any] = _respelled(stored)
    if "shown" in content:
        content["variants"] = content.pop("shown")
    if isinstance(content.get("figures"), dict):
        content["figures"] = [content["figures"]]
    return content


_NOT_FINITE = {"ci_low": "-inf", "ci_high": "inf"} | dict.fromkeys(
    ("estimate", "p_value", "adjusted_p", "statistic", "interaction_p_value", "standard_error"), "nan"
)


def _respelled(value: Any) -> Any:
    if isinstance(value, list):
        return [_respelled(item) for item in value]
    if not isinstance(value, dict):
        return value
    content = {key: _NOT_FINITE.get(key) if item is None else _respelled(item) for key, item in value.items()}
    if "analysed_by" in content:
        content["analyzed_by"] = content.pop("analysed_by")
    if content.get("allocation") == "optimised":
        content["allocation"] = "optimized"
    return content


def _from_1(stored: dict[str, Any]) -> dict[str, Any]:
    """Bring format 1 to format 2, which says what the units are; what does not is as it was."""
    return stored


_CHANGES: tuple[Callable[[dict[str, Any]], dict[str, Any]], ...] = (_from_0, _from_1)
"""The n-th one makes format n + 1 of format n."""


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _parsed(kind: type[Kept], content: Mapping[str, Any], what: str) -> Kept:
    try:
        record: Kept = _adapter(kind).validate_python(content)  # type: ignore[arg-type]  # a type is hashable
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise Unreadable(f"{what} cannot be read: {place}: {first['msg'].lower()}") from error
    return record
