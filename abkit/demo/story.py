"""The demo: the whole loop, day by day, through the jobs that the daemon runs.

1. Creatives are drawn, and scored before launch.
2. Each simulated day: the platform's export arrives, and in the evening three jobs run: import the exports, correlate
   score and CTR, check for drift.
3. On day 60 taste changes. Nothing tells abkit; it must find out by itself.
4. New campaigns launch, and the scorer is retrained (`closing.py`).
5. The figures of all campaigns are made, so that the web page shows them at once, and the report is written.

The images, the scores, the store and every computation are real. Clicks and conversions are simulated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from sqlalchemy import func, select

from abkit.demo.adverts import THEMES, designs, write_adverts
from abkit.demo.closing import DAYS as CLOSING_DAYS
from abkit.demo.closing import Closing, close_loop, style_of
from abkit.demo.kpi_simulation import Contender, Simulation, World, simulate
from abkit.demo.stage import Audience, DemoWorkspace, run_job
from abkit.store.jobs.alerts import open_alerts
from abkit.store.schema import Alert, CorrelationResult, Decision
from abkit.workflows.scoring.results import ScoringResult
from abkit.workflows.scoring.score import score_paths

WINDOW = 7  # days of delivery that are correlated each day
_WEEK = timedelta(weeks=1)
FIRST_CHECK = 13  # index of the first day with a drift check: two full weeks


@dataclass(frozen=True, kw_only=True)
class DayPlayed:
    """What abkit found on one simulated day.

    Attributes:
        index: 0-based number of the day.
        day: Its date.
        decision, cause: Result of that day's drift check; "" before the first.
        layers_judged: How many of the five layers that check could judge; 0 before the first.
        coarse: How many of those it could judge for major shifts only.
        srcc, srcc_low, srcc_high, n: Within-campaign SRCC of score and CTR over the last days, its 95 % interval, and
            its number of creatives.
        alerts: Titles of the alerts that are open at the end of the day.
    """

    index: int
    day: date
    decision: str
    cause: str
    layers_judged: int = 0
    coarse: int = 0
    srcc: float | None
    srcc_low: float | None
    srcc_high: float | None
    n: int
    alerts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Story:
    """A demo from start to end.

    Attributes:
        scored: Rankings before launch.
        days: What was found on each day.
        world: What was planted, which abkit never sees.
        closing: How the scorer was retrained.
        alerts_opened: Number of alerts that were opened.
        report: Path of the report page.
    """

    scored: tuple[ScoringResult, ...]
    days: tuple[DayPlayed, ...]
    world: World
    closing: Closing
    alerts_opened: int
    report: Path

    @property
    def found(self) -> DayPlayed | None:
        """First day with the decision to retrain; None if there is none."""
        return next((day for day in self.days if day.decision == "retrain"), None)


def recent_world(today: date) -> World:
    """Return the default world at a time that lets the story end within the week before today.

    It begins on a Monday whenever it is played, so that its weekends are where they were; its clicks and checks are the
    same.

    >>> recent_world(date(2026, 11, 27)).start
    datetime.date(2026, 7, 27)
    """
    world = World()
    last = world.day(world.days + CLOSING_DAYS - 1)
    return replace(world, start=world.start + (today - last - timedelta(days=1)) // _WEEK * _WEEK)


def play(workspace: DemoWorkspace, audience: Audience, world: World | None = None, *, learnable: bool = True) -> Story:
    """Play the whole demo in a new workspace.

    Args:
        workspace: From `open_workspace`.
        audience: Shows what happens.
        world: What is planted; the default has a change of taste on day 60.
        learnable: Whether the new taste is about the images; else there is nothing to learn.
    """
    from abkit.reporting.page.gather import make_report

    world = world or World()
    scored = score_adverts(workspace, audience.progress)
    simulation = simulate(_contenders(scored, learnable=learnable), world)
    _announce(simulation, audience)
    days: list[DayPlayed] = []
    for index in range(world.days):
        if index == world.break_day:
            audience.said(f"{world.day(index):%d %b}", "(planted) taste changes; nothing tells abkit", "italic")
        played = _play_day(workspace, simulation, index)
        _comment(days[-1] if days else None, played, audience)
        days.append(played)
        audience.day(played)
        audience.progress("simulated days", index + 1, world.days)
    closing = close_loop(workspace, audience, world, learnable=learnable)
    audience.progress("figures of pages", 0, 1)
    run_job(workspace, "leaderboards", datetime.now(UTC))
    audience.progress("figures of pages", 1, 1)
    page = workspace.folder / "report.html"
    report = make_report(workspace.store, page, as_of=closing.checks[-1][0], settings=workspace.settings)
    with workspace.store.read() as session:
        opened = session.scalar(select(func.count(Alert.id))) or 0
    return Story(
        scored=tuple(scored), days=tuple(days), world=world, closing=closing, alerts_opened=opened, report=report
    )


def score_adverts(workspace: DemoWorkspace, progress: Callable[[str, int, int], None]) -> list[ScoringResult]:
    """Draw the creatives into the workspace and score them, campaign by campaign."""
    folder = workspace.folder / "adverts"
    adverts = write_adverts(folder, progress=lambda done, total: progress("drawing creatives", done, total))
    results: list[ScoringResult] = []
    progress("scoring them", 0, len(adverts))
    for theme in THEMES:
        before = sum(len(result.files) for result in results)

        def report(done: int, _: int, before: int = before) -> None:
            progress("scoring them", before + done, len(adverts))

        results.append(
            score_paths(workspace.store, workspace.settings, [folder / theme.key], campaign=theme.key, progress=report)
        )
    return results


def _contenders(scored: list[ScoringResult], *, learnable: bool) -> list[Contender]:
    layouts = {f"{design.name}.jpg": design for design in designs()}
    return [
        Contender(result.campaign, file.name, file.mean, style_of(layouts[file.name]) if learnable else None)
        for result in scored
        for file in sorted(result.files, key=lambda file: str(file.path))
        if file.mean is not None
    ]


def _play_day(workspace: DemoWorkspace, simulation: Simulation, index: int) -> DayPlayed:
    """One day: the platform's export arrives, and in the evening the jobs of the daemon run."""
    world, store = simulation.world, workspace.store
    day = world.day(index)
    evening = datetime.combine(day, time(22), UTC)
    simulation.write_day(index, workspace.folder / "exports")
    run_job(workspace, "import_kpis", evening, folder="exports", stable_seconds=0)
    correlated = run_job(workspace, "correlate", evening, days=WINDOW)
    checked = run_job(workspace, "drift_check", evening) if index >= FIRST_CHECK else None
    within = select(CorrelationResult).filter_by(run_id=correlated, scope="within_campaign", statistic="srcc")
    with store.read() as session:
        relation = session.scalars(within).first()
        decision = session.scalars(select(Decision).filter_by(run_id=checked)).one() if checked else None
        return DayPlayed(
            index=index,
            day=day,
            decision=decision.decision if decision else "",
            cause=decision.cause if decision else "",
            layers_judged=(decision.layers_judged or 0) if decision else 0,
            coarse=decision.coarse if decision else 0,
            srcc=relation.estimate if relation else None,
            srcc_low=relation.ci_low if relation else None,
            srcc_high=relation.ci_high if relation else None,
            n=relation.n if relation else 0,
            alerts=tuple(alert.title for alert in open_alerts(session, day)),
        )


def _announce(simulation: Simulation, audience: Audience) -> None:
    first = sum(life.launched < WINDOW for life in simulation.lives if life.linked)
    late = sum(life.launched > 60 for life in simulation.lives if life.linked)
    audience.said(
        f"{simulation.world.day(0):%d %b}",
        f"{first} creatives launch in the first week, {len(simulation.campaign_effect)} campaigns; more follow, "
        f"{late} of them after day 60",
    )


def _comment(before: DayPlayed | None, now: DayPlayed, audience: Audience) -> None:
    """Show what changed since the day before."""
    when = f"{now.day:%d %b}"
    if now.decision and (before is None or (before.decision, before.cause) != (now.decision, now.cause)):
        cause = f", cause {now.cause.replace('_', ' ')}" if now.cause else ""
        style = {"retrain": "bold red", "watch": "yellow", "stable": "green"}.get(now.decision, "")
        audience.said(when, f"drift check: {now.decision.replace('_', ' ')}{cause}", style)
    for title in now.alerts:
        if before is None or title not in before.alerts:
            audience.said(when, f"alert: {title}", "bold red")
