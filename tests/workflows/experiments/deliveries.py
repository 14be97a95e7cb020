"""Daily deliveries of ads, and plans of experiments over them."""

from datetime import UTC, date, datetime, timedelta

import numpy as np

from abkit.store.database.engine import Store
from abkit.store.kpis.once.counting import recount
from abkit.store.runs import recorded_run
from abkit.store.schema import Ad, Kpi, KpiImport, Segment
from abkit.workflows.experiments.experiments import analyze_experiment
from abkit.workflows.experiments.looks.results import Analysis
from abkit.workflows.experiments.plan import ExperimentPlan

START = date(2026, 3, 2)


class Deliveries:
    """Writes daily KPIs of ads."""

    def __init__(self, store: Store) -> None:
        self.store, self.rng = store, np.random.default_rng(1)
        with recorded_run(store, "kpi import", {}) as run, store.write() as session:
            self.run = run.id
            imported = KpiImport(
                digest="d", name="n", options={}, rows=0, imported=0, updated=0, unchanged=0, unlinked=0, rejected=0,
                imported_at=datetime.now(UTC), run_id=run.id,
            )  # fmt: skip
            segments = [Segment(placement=place) for place in ("feed", "story")]
            session.add_all([imported, *segments])
            session.flush()
            self.imported, self.segments = imported.id, [segment.id for segment in segments]

    def ad(
        self,
        name: str,
        rate: float,
        *,
        days: int = 20,
        daily: int = 2000,
        skip: tuple[int, ...] = (),
        silent_from: int = 99,
    ) -> None:
        with self.store.write() as session:
            ad = Ad(external_id=name, run_id=self.run)
            session.add(ad)
            session.flush()
            for day in range(days):
                if day in skip:
                    continue
                for segment in self.segments:
                    shown = int(self.rng.poisson(daily / 2))
                    clicks = 0 if day >= silent_from else int(self.rng.binomial(shown, rate))
                    session.add(
                        Kpi(
                            ad_id=ad.id, segment_id=segment, period_start=START + timedelta(day),
                            period_end=START + timedelta(day), impressions=shown, clicks=clicks,
                            conversions=int(self.rng.binomial(clicks, 0.1)), kpi_import_id=self.imported,
                        )
                    )  # fmt: skip
            recount(session, [ad.id])


def plan(**changes: object) -> ExperimentPlan:
    options = {
        "key": "t", "variants": {"old": "A", "new": "B"}, "unit": "impression", "allocation": "random",
        "planned_total": 80_000, "starts_on": START,
    } | changes  # fmt: skip
    return ExperimentPlan(**options)  # type: ignore[arg-type]


def look(store: Store, day: int = 19, **options: object) -> Analysis:
    return analyze_experiment(store, "t", as_of=START + timedelta(day), **options)  # type: ignore[arg-type]
