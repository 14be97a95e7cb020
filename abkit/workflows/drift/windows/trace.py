"""The windows of a check as they were that day: kept with its decision, read again to trace a figure to its rows."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy.orm import Session

from abkit.config import DriftSettings
from abkit.store import models
from abkit.store.schema import Decision, ModelVersion, Run
from abkit.vocabulary import WindowKind
from abkit.workflows.drift.windows.windows import DriftWindows, parse_window, resolve_windows

MOST_CREATIVES = 20_000
"""Of a window whose ids are kept with a decision; of more the first are."""

_DAYS = ("as_of", "judged_until", "start", "reference_start", "reference_end", "since", "reference_since")
_PLAIN = ("segment", "current_campaign", "reference_campaign", "model_sample", "current_ideas")
_CREATIVES = ("current_creatives", "reference_creatives")


def traced(windows: DriftWindows) -> dict[str, Any]:
    """Return the windows as plain data, to be kept with the decision that they led to."""
    days = {name: getattr(windows, name) for name in _DAYS}
    kept: dict[str, Any] = {name: day.isoformat() if day else None for name, day in days.items()}
    kept |= {name: getattr(windows, name) for name in _PLAIN}
    kept |= {"reference": str(windows.reference), "current": str(windows.current)}
    for name in _CREATIVES:
        ids = getattr(windows, name)
        kept |= {name: list(ids[:MOST_CREATIVES]), f"n_{name}": len(ids)}
    return kept


def windows_of(session: Session, decision: Decision, settings: DriftSettings) -> tuple[DriftWindows, tuple[str, ...]]:
    """Return the windows of a check, and what has to be said about them.

    Checks of earlier releases did not keep theirs: these are made again from what the store holds now.

    Raises:
        UsageError: They cannot be made again, because a campaign is gone.
    """
    version = session.get(ModelVersion, decision.model_version_id) if decision.model_version_id else None
    kept = decision.reasons.get("windows")
    if kept is None:
        return _made_again(session, decision, settings, version), (
            "the check is of an earlier release, which did not keep its windows: they are made again from what the "
            "store holds now",
        )
    notes = tuple(
        f"of {kept[f'n_{name}']:,} creatives {where} the first {len(kept[name]):,} were kept"
        for name, where in zip(_CREATIVES, ("in the window", "of the reference"), strict=True)
        if kept[f"n_{name}"] > len(kept[name])
    )
    values: dict[str, Any] = {name: date.fromisoformat(kept[name]) if kept[name] else None for name in _DAYS}
    values |= {name: kept[name] for name in _PLAIN} | {name: tuple(kept[name]) for name in _CREATIVES}
    return (
        DriftWindows(
            reference=parse_window(kept["reference"], current=False),
            current=parse_window(kept["current"], current=True),
            version=version,
            **values,
        ),
        notes,
    )


def _made_again(
    session: Session, decision: Decision, settings: DriftSettings, version: ModelVersion | None
) -> DriftWindows:
    asked = session.get_one(Run, decision.run_id).arguments
    current, _, reference = decision.scope.partition(" against ")
    return resolve_windows(
        session,
        parse_window(str(asked.get("reference") or reference or WindowKind.CREATIVES), current=False),
        parse_window(str(asked.get("current") or current or WindowKind.CREATIVES), current=True),
        as_of=decision.as_of,
        settings=settings,
        version=version or models.active_model(session),
    )
