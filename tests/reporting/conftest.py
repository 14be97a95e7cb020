"""A report's worth of records, as the store would give them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import vl_convert

from abkit.reporting.charts import theme
from abkit.reporting.charts.score_kpi import ScorePoint
from abkit.reporting.charts.scores import RankedCreative
from abkit.reporting.page import html
from abkit.reporting.page.records import CampaignRanking, Coverage, ReportData
from abkit.stats.estimate import Estimate
from abkit.store.schema import Alert, CorrelationResult, Decision, DriftResult, ModelVersion
from abkit.vocabulary import CreativeAction
from abkit.workflows.learning.worth.actions import ActionItem, Actions
from abkit.workflows.learning.worth.event_value import EventValue

if TYPE_CHECKING:
    from playwright.sync_api import Page

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
)  # fmt: skip
HOSTILE = "<script>document.title='owned'</script>\"'&\u202e{{7*7}}"
START = date(2025, 3, 3)
ONE_PIXEL = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


@pytest.fixture(autouse=True, scope="session")
def _equal_charts_are_drawn_once() -> Iterator[None]:
    """Most tests look at one and the same page: its charts need not be laid out for each of them."""
    drawn: dict[str, str] = {}
    draw = vl_convert.vegalite_to_svg

    def once(spec: dict[str, Any]) -> str:
        key = json.dumps(spec)
        if key not in drawn:
            drawn[key] = draw(spec)
        return drawn[key]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(vl_convert, "vegalite_to_svg", once)
        yield


@pytest.fixture
def checked_charts(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Hold every chart that is drawn against the schema of Vega-Lite, and return them."""
    seen: list[dict[str, Any]] = []

    def checked(chart: Any) -> dict[str, Any]:
        seen.append(chart.to_dict(validate=True))
        return seen[-1]

    for module in (theme, html):
        monkeypatch.setattr(module, "spec_of", checked)
    return seen


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


def _correlation(as_of: date, value: float, run_id: int, **changes: Any) -> CorrelationResult:
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
        "note": "",
        "filters": {},
    }
    return CorrelationResult(**{**fields, **changes})


def _finding(as_of: date, layer: str, verdict: str, run_id: int) -> DriftResult:
    return DriftResult(
        as_of=as_of,
        layer=layer,
        test="psi",
        segment="",
        statistic=0.12,
        threshold=0.25,
        p_value=0.03,
        n_reference=60,
        n_current=24,
        verdict=verdict,
        run_id=run_id,
        detail={},
    )


def _ranking(name: str, points: list[ScorePoint]) -> CampaignRanking:
    creatives = tuple(
        RankedCreative(
            rank=i + 1,
            name=f"{name}-{i:02d}.jpg",
            sha256=f"{i:064x}",
            campaign=p.campaign,
            score=p.score,
            ci_low=p.score - 0.9,
            ci_high=p.score + 0.9,
            ci_level=0.9,
            percentile=100 * (1 - i / 18),
            thumbnail=ONE_PIXEL,
            impressions=p.trials,
            clicks=p.events,
            ctr_low=0.9 * p.rate,
            ctr_high=1.1 * p.rate,
            of=18,
            creative_id=i + 1,
            action=CreativeAction.WAIT,
            lift=Estimate(0.1 - i / 50, 0.05 - i / 50, 0.15 - i / 50),
            per_week=Estimate(50.0 - 6 * i, 40.0 - 6 * i, 60.0 - 6 * i),
        )
        for i, p in enumerate(p for p in points if p.campaign == name)
    )
    return CampaignRanking(name, 18, creatives)


def _actions(rankings: tuple[CampaignRanking, ...]) -> Actions:
    """Launch the best of each campaign, drop the worst, give more to the second."""
    kinds = {0: CreativeAction.LAUNCH, 1: CreativeAction.MORE, 17: CreativeAction.DROP}
    items = [
        ActionItem(
            creative_id=one.creative_id,
            campaign=one.campaign,
            action=kinds.get(place, CreativeAction.WAIT),
            lift=one.lift,
            per_week=one.per_week,
            rank=one.rank,
            of=one.of,
        )
        for ranking in rankings
        for place, one in enumerate(ranking.creatives)
    ]
    return Actions(
        items=tuple(items),
        events_per_week=Estimate(300.0, 120.0, 480.0),
        per_week=Estimate(600.0, 240.0, 960.0),
        value=EventValue(each=2.0, events_per_week=5000.0, rate=0.012, currency="EUR", basis="revenue per click"),
        listens=True,
        why_not="",
    )


@pytest.fixture(scope="module")
def browser_page() -> Iterator[Page]:
    """A page of the system's Chromium; without one the test is skipped."""
    path = os.environ.get("ABKIT_CHROMIUM") or next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
    )
    if path is None:
        pytest.skip("no Chromium on this machine (apt-get install chromium, or name one in ABKIT_CHROMIUM)")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser.new_page(viewport={"width": 1200, "height": 900})
        browser.close()


@pytest.fixture
def make_report() -> Callable[..., ReportData]:
    """A full report; keyword arguments replace fields."""

    def make(names: tuple[str, ...] = ("cat-food", "coffee-bar", "star-hall"), **changes: Any) -> ReportData:
        points = _points(names)
        ordered = sorted(points, key=lambda p: -p.score)
        rankings = tuple(_ranking(name, ordered) for name in names)
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
            Decision(
                as_of=START + timedelta(days=d),
                decision="retrain" if d > 66 else "insufficient_data" if d < 20 else "stable",
                cause="concept_shift" if d > 66 else "",
                reasons={"reasons": ["within-campaign SRCC fell from 0.62 to 0.05 (n = 54)"]},
                run_id=100 + d,
                scope="",
            )
            for d in range(14, 80, 3)
        )
        fields: dict[str, Any] = {
            "as_of": START + timedelta(days=79),
            "made_at": datetime(2025, 5, 22, 8, 30, tzinfo=UTC),
            "abkit_version": "0.1.0",
            "database": "SQLite",
            "model": ModelVersion(
                name="default",
                digest="ab" * 32,
                encoder="bundled:efficientnet-lite2",
                scale_low=1,
                scale_high=7,
                demonstration=True,
                card={},
            ),
            "decision": decisions[-1],
            "rankings": rankings,
            "actions": _actions(rankings),
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
                Alert(
                    title="Retrain: the score no longer tells CTR",
                    message="SRCC fell from 0.62 to 0.05.",
                    severity="critical",
                    opened_at=datetime(2025, 5, 14, 6, tzinfo=UTC),
                    times_seen=3,
                ),
            ),
            "coverage": Coverage(
                impressions=2_400_000,
                unlinked_impressions=130_000,
                unlinked_ads=3,
                ads=63,
                first_day=START,
                last_day=START + timedelta(days=79),
                files=80,
                rejected_rows=2,
            ),
            "runs": {"score": 2, "correlate": 179, "drift check": 177},
            "simulated": False,
        }  # fmt: skip
        return ReportData(**{**fields, **changes})

    return make
