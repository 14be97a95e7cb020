"""How the demo ends: new campaigns launch after the change of taste, and the scorer is retrained on the clicks alone.

1. Twelve campaigns of ten creatives are drawn and scored by the model that has lost its relation to the clicks.
2. They launch over three weeks, and exports arrive.
3. `retrain` runs as the daemon's job: the challenger learns from the clicks since the change was found, until the day
   before the first of these launches, and is judged on them.
4. If it was promoted, the drift checks of the next days use the new model, and the alert resolves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time

import numpy as np
from sqlalchemy import select

from abkit.demo.adverts import THEMES, Design, write_adverts
from abkit.demo.kpi_simulation import Contender, World, simulate
from abkit.demo.stage import Audience, DemoWorkspace, run_job
from abkit.store import trials
from abkit.store.jobs.alerts import open_alerts
from abkit.store.schema import Decision, RetrainTrial
from abkit.workflows.scoring.score import score_paths

WAVES = ("summer", "weekend", "family", "late")
PER_CAMPAIGN = 10
LAUNCH_DAYS = 21
DAYS = 31
CHECKS = 3

#: What people like after the change of taste: the offer rather than the photograph.
STYLES = {"offer": 1.0, "catalogue": 1.0, "split": 0.5, "frame": 0.0, "roundel": 0.0, "card": -0.5, "hero": -1.0}


@dataclass(frozen=True, kw_only=True)
class Closing:
    """How the loop was closed.

    Attributes:
        day: Day of the retraining.
        decision, reason: What became of the challenger, and why.
        learned_until: The last day that it learned from; None where none was trained.
        figures: Verdict on the launches after that day, as the store has it; None where nothing was judged.
        checks: Day and decision of each drift check afterwards.
        alerts: Titles of the alerts that are open at the end.
    """

    day: date
    decision: str
    reason: str
    learned_until: date | None
    figures: dict[str, dict[str, float]] | None
    checks: tuple[tuple[date, str], ...]
    alerts: tuple[str, ...]

    @property
    def promoted(self) -> bool:
        """Whether the challenger took over."""
        return self.decision == "promoted"


def style_of(design: Design, rng: np.random.Generator | None = None) -> float:
    """Return what the new taste is about: the layout, or by chance where a generator is given."""
    return STYLES[design.layout] if rng is None else float(rng.normal())


def close_loop(workspace: DemoWorkspace, audience: Audience, world: World, *, learnable: bool = True) -> Closing:
    """Launch new campaigns, retrain, and check again.

    Args:
        workspace: In which the story was played.
        audience: Shows what happens.
        world: The world of the story; this one begins on the day after its last.
        learnable: Whether the new taste is about the images; else it is drawn by chance: there is nothing to learn.
    """
    contenders = _score_waves(workspace, audience.progress, learnable=learnable)
    after = replace(world, seed=world.seed + 1, start=world.day(world.days), days=DAYS, break_day=0, unlinked=False)
    simulation = simulate(contenders, after)
    audience.said(
        f"{after.start:%d %b}",
        f"{len(contenders)} creatives in {len(simulation.campaign_effect)} new campaigns launch over three weeks",
    )
    for index in range(DAYS):
        simulation.write_day(index, workspace.folder / "exports")
        if index % 7 == 6 or index == DAYS - CHECKS:
            run_job(workspace, "import_kpis", _evening(after.day(index)), folder="exports", stable_seconds=0)
        if index == DAYS - CHECKS:
            break
        audience.progress("days of new campaigns", index + 1, DAYS)
    day = after.day(DAYS - CHECKS)
    run_job(workspace, "drift_check", _evening(day))
    found = _trial(workspace, run_job(workspace, "retrain", _evening(day)))
    style = "bold green" if found.decision == "promoted" else "yellow"
    audience.said(f"{day:%d %b}", f"retrain: {found.reason}", style)
    checks = []
    for index in range(DAYS - CHECKS, DAYS):
        if index > DAYS - CHECKS:
            simulation.write_day(index, workspace.folder / "exports")
            run_job(workspace, "import_kpis", _evening(after.day(index)), folder="exports", stable_seconds=0)
        run = run_job(workspace, "drift_check", _evening(after.day(index)).replace(hour=23))
        with workspace.store.read() as session:
            decision = session.scalars(select(Decision).filter_by(run_id=run)).one()
            checks.append((after.day(index), decision.decision))
        audience.progress("days of new campaigns", index + 1, DAYS)
    with workspace.store.read() as session:
        still_open = tuple(alert.title for alert in open_alerts(session, after.day(DAYS - 1)))
    audience.said(f"{after.day(DAYS - 1):%d %b}", _ending(checks[-1][1], still_open), "green" if not still_open else "")
    return Closing(
        day=day,
        decision=found.decision,
        reason=found.reason,
        learned_until=found.learned_until,
        figures=(found.figures.get("verdict") or {}).get("gain"),
        checks=tuple(checks),
        alerts=still_open,
    )


def _ending(decision: str, still_open: tuple[str, ...]) -> str:
    alert = "the alert stays open" if still_open else "the alert is resolved"
    return f"drift check: {decision.replace('_', ' ')}; {alert}"


def _score_waves(
    workspace: DemoWorkspace, progress: Callable[[str, int, int], None], *, learnable: bool
) -> list[Contender]:
    """Draw the new campaigns into the workspace and score them."""
    themes = [replace(theme, key=f"{theme.key}-{wave}") for theme in THEMES for wave in WAVES]
    folder, rng = workspace.folder / "adverts", np.random.default_rng(8)
    adverts = write_adverts(
        folder, 8, PER_CAMPAIGN, lambda done, total: progress("drawing new campaigns", done, total), themes
    )
    designs = {advert.path.name: advert.design for advert in adverts}
    contenders: list[Contender] = []
    for number, theme in enumerate(themes):
        scored = score_paths(workspace.store, workspace.settings, [folder / theme.key], campaign=theme.key)
        files = sorted((file for file in scored.files if file.mean is not None), key=lambda file: str(file.path))
        days = np.linspace(0, LAUNCH_DAYS - 1, len(files) * len(themes)).round().astype(int)[number :: len(themes)]
        for file, day in zip(files, rng.permutation(days), strict=True):
            style = style_of(designs[file.name], None if learnable else rng)
            contenders.append(Contender(theme.key, file.name, file.mean or 0.0, style, int(day)))
        progress("scoring them", len(contenders), len(adverts))
    return contenders


def _evening(day: date) -> datetime:
    return datetime.combine(day, time(22), UTC)


def _trial(workspace: DemoWorkspace, run_id: int) -> RetrainTrial:
    with workspace.store.read() as session:
        found = trials.trial_of_run(session, run_id)
    assert found is not None  # noqa: S101  # the job writes one
    return found
