"""A report's worth of records, as the store would give them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from abkit.reporting.page.records import (
    CampaignRanking,
    Correlation,
    Coverage,
    DecisionMade,
    DriftFinding,
    ModelShown,
    OpenAlert,
    RankedPicture,
    ReportData,
    ScorePoint,
)

HOSTILE = "<script>document.title='owned'</script>\"'&\u202e{{7*7}}"
START = date(2025, 3, 3)
ONE_PIXEL = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


def _points(names: tuple[str, ...]) -> tuple[ScorePoint, ...]:
    rng = np.random.default_rng(5)
    points = []
    for number, campaign in enumerate(names):
        for _ in range(18):
            score = float(rng.normal(4.2, 0.5))
            trials = int(rng.integers(4000, 60000))
            rate = 0.012 * (1 + 0.4 * number) * float(np.exp(0.4 * (score - 4.2) + rng.normal(0, 0.15)))
            points.append(ScorePoint(campaign, score, int(rng.binomial(trials, rate)), trials))
    return tuple(points)


def _correlation(as_of: date, value: float, run_id: int, **changes: Any) -> Correlation:
    fields: dict[str, Any] = {
        "metric": "ctr",
        "scope": "within_campaign",
        "statistic": "srcc",
        "estimate": value,
        "ci_low": value - 0.2,
        "ci_high": min(1.0, value + 0.2),
        "ci_level": 0.95,
        "n": 54,
        "as_of": as_of,
        "run_id": run_id,
        "window_start": as_of - timedelta(days=6),
        "window_end": as_of,
    }
    return Correlation(**{**fields, **changes})


def _finding(as_of: date, layer: str, verdict: str, run_id: int) -> DriftFinding:
    return DriftFinding(as_of, layer, "psi", "", 0.12, 0.25, 0.03, 60, 24, verdict, run_id)


def _ranking(name: str, points: list[ScorePoint]) -> CampaignRanking:
    pictures = tuple(
        RankedPicture(
            i + 1, f"{name}-{i:02d}.jpg", f"{i:064x}", p.campaign, p.score, p.score - 0.9, p.score + 0.9, 0.9,
            100 * (1 - i / 18), ONE_PIXEL, p.trials, p.events, 0.9 * p.rate, 1.1 * p.rate,
        )
        for i, p in enumerate(p for p in points if p.campaign == name)
    )  # fmt: skip
    return CampaignRanking(name, 18, pictures[:10], pictures[-3:])


@pytest.fixture
def make_report() -> Callable[..., ReportData]:
    """A full report; keyword arguments replace fields."""

    def make(names: tuple[str, ...] = ("cat-food", "coffee-bar", "star-hall"), **changes: Any) -> ReportData:
        points = _points(names)
        ordered = sorted(points, key=lambda p: -p.score)
        history = tuple(
            _correlation(START + timedelta(days=d), 0.62 if d < 63 else 0.05, 100 + d) for d in range(14, 80, 3)
        )
        findings = tuple(
            _finding(
                START + timedelta(days=d),
                layer,
                "major" if layer == "relation" and d > 66 else "insufficient_data" if d < 20 else "ok",
                100 + d,
            )
            for d in range(14, 80, 3)
            for layer in ("data", "input", "score", "relation", "kpi")
        )
        decisions = tuple(
            DecisionMade(
                START + timedelta(days=d),
                "retrain" if d > 66 else "insufficient_data" if d < 20 else "stable",
                "concept_shift" if d > 66 else "",
                ("within-campaign SRCC fell from 0.62 to 0.05 (n = 54)",),
                100 + d,
            )
            for d in range(14, 80, 3)
        )
        fields: dict[str, Any] = {
            "as_of": START + timedelta(days=79),
            "made_at": datetime(2025, 5, 22, 8, 30, tzinfo=UTC),
            "abkit_version": "0.1.0",
            "database": "SQLite",
            "campaign": None,
            "model": ModelShown("default", "ab" * 32, "bundled:efficientnet-lite2", 1, 7, True),
            "decision": decisions[-1],
            "rankings": tuple(_ranking(name, ordered) for name in names),
            "campaigns_in_all": len(names),
            "scores": tuple((p.campaign, p.score) for p in ordered),
            "points": points,
            "correlations": (
                _correlation(START + timedelta(days=79), 0.05, 179),
                _correlation(START + timedelta(days=79), 0.02, 179, scope="all"),
                _correlation(
                    START + timedelta(days=79), 0.0, 179, metric="cvr", estimate=None, ci_low=None, ci_high=None,
                    note="no creative has 30 clicks", n=0,
                ),
            ),
            "correlation_history": history,
            "findings": tuple(f for f in findings if f.run_id == 177),
            "drift_history": findings,
            "decision_history": decisions,
            "alerts": (
                OpenAlert(
                    "Retrain: the score no longer tells CTR",
                    "SRCC fell from 0.62 to 0.05.",
                    "critical",
                    "open",
                    datetime(2025, 5, 14, 6, tzinfo=UTC),
                    3,
                ),
            ),
            "coverage": Coverage(2_400_000, 130_000, 3, 63, START, START + timedelta(days=79), 80, 2),
            "runs": {"score": 2, "correlate": 179, "drift check": 177},
            "simulated": False,
        }  # fmt: skip
        return ReportData(**{**fields, **changes})

    return make
