"""A store of an earlier release, with rows in every table, gives the figures of its rows after the upgrade."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from scipy.stats import ks_2samp, pearsonr, spearmanr

from abkit.config import Settings
from abkit.reporting.page.gather import gather
from abkit.store.database import migrate
from abkit.store.database.engine import Store
from abkit.vocabulary import CorrelationScope
from abkit.workflows.correlate import correlate
from abkit.workflows.drift.check import check_drift
from abkit.workflows.experiments.experiments import analyze_experiment

EARLIER = "0010_comparisons"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FIRST = date(2026, 1, 1)
DAYS, EACH = 42, 12
LAST = FIRST + timedelta(days=DAYS - 1)
CAMPAIGNS = ("spring", "summer")


class Filled:
    """Rows of the earlier release, by table, written with the columns that the tables had then."""

    def __init__(self, store: Store) -> None:
        self.metadata = sa.MetaData()
        self.metadata.reflect(store.engine)
        self.ids: dict[str, count[int]] = {}
        self.rows: dict[str, list[dict[str, Any]]] = {}

    def add(self, table: str, **values: Any) -> int:
        """Add a row; what is not said has the plainest value that its column takes."""
        number = next(self.ids.setdefault(table, count(1)))
        row = {"id": number} | {
            column.name: 1 if column.name == "run_id" else _plain(column.type)
            for column in self.metadata.tables[table].columns
            if column.name != "id" and not column.nullable
        }
        self.rows.setdefault(table, []).append(row | values)
        return number

    def write(self, store: Store) -> None:
        with store.write() as session:
            for table in self.metadata.sorted_tables:
                for row in self.rows.get(table.name, []):
                    session.execute(sa.insert(table).values(**row))
                if store.dialect == "postgresql" and "id" in table.columns:
                    at = f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), max(id)) FROM {table.name}"
                    session.execute(sa.text(at))


def _plain(kind: Any) -> Any:
    for base, value in (
        (sa.Boolean, False), (sa.DateTime, NOW), (sa.Date, FIRST), (sa.JSON, {}), (sa.LargeBinary, b""),
        (sa.Integer, 0), (sa.Numeric, 0.0),
    ):  # fmt: skip
        if isinstance(kind, base):
            return value
    return ""


@pytest.fixture
def upgraded(database_url: str) -> Any:
    """The store after the upgrade, the rows that were written, and all tables before and after it."""
    store = Store(database_url)
    migrate.upgrade(store, EARLIER)
    filled = Filled(store)
    fill(filled)
    filled.write(store)
    before = contents(store, filled.metadata)
    migrate.upgrade(store)
    yield store, filled, before, contents(store, filled.metadata)
    store.close()


def contents(store: Store, earlier: sa.MetaData) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables, with the columns that they had in the earlier release and still have."""
    there = sa.inspect(store.engine)
    found = {}
    for table in earlier.sorted_tables:
        kept = {column["name"] for column in there.get_columns(table.name)}
        columns = [column for column in table.columns if column.name in kept]
        with store.read() as session:
            rows = session.execute(sa.select(*columns).order_by(columns[0])).all()
        found[table.name] = [dict(row._mapping) for row in rows]
    return found


def fill(filled: Filled) -> None:
    """Two campaigns of twelve creatives, six weeks of delivery, an experiment, and a row or more of everything else."""
    random = np.random.default_rng(3)
    add = filled.add
    add("run", what="kpi import", state="done", started_at=NOW, finished_at=NOW, outcome={"rows": 1})
    version = add("model_version", digest="d" * 64, name="old", location="shipped", encoder="e",
                  encoder_fingerprint="f",
                  scale_low=1.0, scale_high=7.0, card={"name": "old"})  # fmt: skip
    add("promotion", model_version_id=version, why="first")
    imported = add("kpi_import", digest="k" * 64, name="kpi.csv", rows=700, imported=672, rejected=1)
    later = add("kpi_import", digest="l" * 64, name="later.csv", rows=1, updated=1)
    everything = add("segment")
    for campaign, key in enumerate(CAMPAIGNS, 1):
        add("campaign", key=key, name=key.title(), created_at=NOW)
        for number in range(EACH):
            name = f"{key}_{number}.png"
            # the second half is launched in the fourth week
            launched = FIRST + timedelta(days=0 if number < EACH // 2 else 36)
            creative = add("creative", sha256=f"{campaign}{number:02}".ljust(64, "0"), perceptual_hash=f"{number:016x}",
                           width=640, height=480, media_type="image/png", bytes=1000)  # fmt: skip
            add("creative_alias", creative_id=creative, name=f"/ads/{name}", base_name=name)
            add("campaign_creative", campaign_id=campaign, creative_id=creative, launched_on=launched)
            mean = float(3 + random.normal())
            add("score", creative_id=creative, model_version_id=version, mean=mean, std=1.0, distribution=[0.5, 0.5],
                ci_low=mean - 1, ci_high=mean + 1, ci_level=0.9, query_activations=[0.1])  # fmt: skip
            vector = random.normal(size=8).astype("<f2").tobytes()
            add("embedding", creative_id=creative, encoder_fingerprint="f", vector=vector)
            add("brief_fit", creative_id=creative, encoder="e", encoder_fingerprint="f", brief="b", brief_sha256="b",
                cosine=0.2)  # fmt: skip
            ad = add("ad", external_id=f"{campaign}0{number:02}", creative_name=name, campaign_id=campaign)
            add("ad_creative", ad_id=ad, creative_id=creative, linked_by="name")
            rate = 0.02 + 0.004 * (mean - 3) + 0.002 * float(random.random())
            for day in range((launched - FIRST).days, DAYS):
                shown = int(random.integers(900, 1500))
                clicks = int(random.binomial(shown, rate))
                on = FIRST + timedelta(days=day)
                add("kpi", ad_id=ad, segment_id=everything, period_start=on, period_end=on, currency="EUR",
                    impressions=shown, clicks=clicks, conversions=clicks // 10, spend=shown * 0.004,
                    revenue=clicks * 0.7, kpi_import_id=imported)  # fmt: skip
    add("kpi_revision", kpi_id=1, kpi_import_id=later, impressions=700, clicks=7, spend=1.0, revenue=2.0)
    add("kpi_reject", kpi_import_id=imported, line=9, reason="no ad", content={"day": "x"})
    plan = {"format": 1, "level": 0.95, "power": 0.8, "lift": None, "planned_total": None, "monitoring": "anytime",
            "looks": None, "guardrails": {}, "variants": {"a": "1000", "b": "1001"}}  # fmt: skip
    test = add("experiment", key="old-test", campaign_id=1, unit="impression", allocation="random", metric="ctr",
               plan=plan, starts_on=FIRST, ends_on=LAST)  # fmt: skip
    add("variant", experiment_id=test, key="a", is_control=True, share=0.5, ad_id=1, creative_id=1)
    add("variant", experiment_id=test, key="b", is_control=False, share=0.5, ad_id=2, creative_id=2)
    add(
        "experiment_result", experiment_id=test, kind="decision", sequence=1, as_of=FIRST, verdict="hold", reason="wait"
    )
    source = add("rating_source", key="panel", scale_low=1.0, scale_high=7.0, salt=b"salt")
    ratings = add(
        "rating_import", digest="r", name="r.csv", rating_source_id=source, kind="ratings", rows=2, imported=1
    )
    add("rating_reject", rating_import_id=ratings, line=3, reason="no image")
    rater = add("rater", rating_source_id=source, pseudonym="p1")
    add("rating", rater_id=rater, creative_id=1, rated_at=NOW, score=5.0, rating_import_id=ratings)
    add("rating_summary", rating_source_id=source, creative_id=2, n=5, mean=4.5, sd=1.0, rating_import_id=ratings)
    add("comparison", rater_id=rater, first_id=1, second_id=2, compared_at=NOW, share=0.5, weight=1.0,
        rating_import_id=ratings)  # fmt: skip
    add("correlation_result", model_version_id=version, metric="ctr", scope="all", statistic="srcc", estimate=0.5,
        ci_low=0.1, ci_high=0.8, ci_level=0.95, n=16, method="m", as_of=FIRST)  # fmt: skip
    add("drift_result", model_version_id=version, layer="score", test="t", statistic=0.1, n_reference=8, n_current=8,
        verdict="ok", as_of=FIRST)  # fmt: skip
    add("decision", model_version_id=version, decision="stable", reasons=["nothing moved"], as_of=FIRST)
    alert = add("alert", fingerprint="f", rule="drift", labels={}, severity="warning", title="t", message="m",
                times_seen=1, evidence={}, resolved_at=NOW)  # fmt: skip
    add("alert_delivery", alert_id=alert, channel="c", kind="opened", state="sent", finished_at=NOW)
    add("schedule", key="nightly", job="drift_check", cron="0 3 * * *", missed="skip", enabled=True, source="store",
        time_limit_s=60)  # fmt: skip


def test_no_row_of_an_earlier_release_is_lost_or_changed(upgraded: Any) -> None:
    store, filled, before, after = upgraded
    empty = [table for table in before if not before[table]]
    assert empty == [], "fill every table that the earlier release had"
    assert sum(len(rows) for rows in before.values()) == sum(map(len, filled.rows.values())) + 1
    for table, rows in before.items():
        if table == "alembic_version":
            continue
        assert len(after[table]) == len(rows), table
        for old, new in zip(rows, after[table], strict=True):
            assert old == new, table
    assert migrate.differences(store) == []


def by_creative(rows: Mapping[str, list[dict[str, Any]]], last: date = LAST) -> dict[int, tuple[float, int, int, int]]:
    """Score, impressions, clicks and campaign of each creative, added up by hand."""
    made = {row["creative_id"]: [row["mean"], 0, 0, row["creative_id"] > EACH] for row in rows["score"]}
    for row in rows["kpi"]:
        if row["period_end"] <= last:
            made[row["ad_id"]][1] += row["impressions"]
            made[row["ad_id"]][2] += row["clicks"]
    return {key: tuple(values) for key, values in made.items()}


def test_correlations_drift_experiment_and_report_have_the_figures_of_the_rows(upgraded: Any, tmp_path: Path) -> None:
    store, filled, _, _ = upgraded
    settings = Settings(workspace=tmp_path, drift={"min_images": EACH})
    made = by_creative(filled.rows)
    score, shown, clicks, campaign = (np.array(values, float) for values in zip(*made.values(), strict=True))
    ctr = clicks / shown

    (report,) = correlate(store, settings, metric="ctr", as_of=LAST).versions
    estimates = {(one.scope, str(one.statistic)): (one.estimate, one.n) for one in report.results}
    assert estimates[CorrelationScope.ALL, "srcc"][0] == pytest.approx(spearmanr(score, ctr).statistic)
    assert estimates[CorrelationScope.ALL, "plcc"][0] == pytest.approx(pearsonr(score, ctr).statistic)
    within = [spearmanr(score[campaign == one], ctr[campaign == one]).statistic for one in (0, 1)]
    assert estimates[CorrelationScope.WITHIN_CAMPAIGN, "srcc"][0] == pytest.approx(np.mean(within))
    assert {n for _, n in estimates.values()} == {2 * EACH}
    assert (sum(one.trials for one in report.measured), sum(one.events for one in report.measured)) == (
        shown.sum(), clicks.sum(),
    )  # fmt: skip

    drift = check_drift(store, settings, reference="days:35", current="days:7", as_of=LAST)
    results = {one.test: one for one in drift.results}
    launched = {row["creative_id"]: row["launched_on"] for row in filled.rows["campaign_creative"]}
    week = LAST - timedelta(days=6)
    old = [mean for key, (mean, *_) in made.items() if launched[key] < week]
    new = [mean for key, (mean, *_) in made.items() if launched[key] >= week]
    assert (results["ks"].n_reference, results["ks"].n_current) == (len(old), len(new)) == (EACH, EACH)
    assert results["ks"].statistic == pytest.approx(ks_2samp(old, new).statistic)
    assert results["rejected_rows"].statistic == pytest.approx(1 / 700)
    assert (results["ctr_level"].n_reference, results["ctr_level"].n_current) == (EACH, 2 * EACH)

    analysis = analyze_experiment(store, "old-test", as_of=LAST)
    for name, creative in (("a", 1), ("b", 2)):
        assert (analysis.totals[name].trials, analysis.totals[name].successes) == made[creative][1:3]
    (fixed,) = (one.fixed for one in analysis.treatments)
    assert fixed is not None
    assert fixed.difference.estimate == pytest.approx(ctr[1] - ctr[0])

    page = gather(store, as_of=LAST)
    assert (page.coverage.impressions, page.coverage.ads) == (shown.sum(), 2 * EACH)
    assert (page.coverage.files, page.coverage.rejected_rows, page.coverage.unlinked_ads) == (2, 1, 0)
    assert sorted(point.score for point in page.points) == pytest.approx(sorted(score))
