"""A workspace with something on every page, from rows in bulk: nothing is trained, and eight images are real."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import insert
from sqlalchemy.orm import Session

from abkit import Workspace
from abkit.store.jobs.schedules import DEFINITION
from abkit.store.kpis.once.counting import recount
from abkit.store.runs import recorded_run
from abkit.store.schema import (
    Ad,
    AdCreative,
    AdName,
    Alert,
    Campaign,
    CampaignAlias,
    CampaignCreative,
    Comparison,
    CorrelationResult,
    Creative,
    CreativeAlias,
    Decision,
    DriftResult,
    Embedding,
    Idea,
    IdeaCreative,
    Kpi,
    KpiImport,
    KpiReject,
    ModelVersion,
    Promotion,
    Rater,
    RatingImport,
    RatingSource,
    Run,
    Schedule,
    Score,
    Segment,
)
from abkit.workflows.experiments.experiments import analyze_experiment, create_experiment
from abkit.workflows.experiments.plan import ExperimentPlan
from abkit.workflows.leaderboard.refresh import refresh_leaderboard
from tests.images import make_image

NOW = datetime.now(UTC).replace(microsecond=0)
TODAY = NOW.date()
#: Name of the creative that tries to break out of the page.
HOSTILE = "\"><img src=x onerror=document.title='owned'>.png"
#: Creatives of "spring": more than a page holds. Forty of them ran, the last twenty wait.
SPRING, RAN, AUTUMN = 60, 40, 12
DAYS = 28
#: Files that are there, with the pixels that were scored: the first ones of "spring".
REAL = 8
_SIZES = ((96, 96), (96, 120), (120, 64))


def stock(shop: Workspace) -> None:
    """Fill an empty workspace: three campaigns, two model versions, delivery, a drift check, alerts, a test."""
    folder = Path(shop.settings.workspace) / "ads"
    folder.mkdir()
    with recorded_run(shop.store, "score", {"campaign": "spring"}) as run, shop.store.write() as session:
        versions = _versions(session, run.id)
        campaigns = _add(
            session,
            Campaign,
            [
                {"key": key, "name": key, "created_at": NOW - timedelta(days=60), "run_id": run.id}
                for key in ("spring", "autumn", "<b>bold</b> & empty")
            ],
        )
        creatives = _creatives(session, run.id, campaigns, folder)
        _scores(session, run.id, versions, creatives)
        ads = _ads(session, run.id, campaigns["spring"], creatives)
        _delivery(session, run.id, ads)
        _people(session, run.id, creatives)
        _findings(session, run.id, versions)
        _operation(session, run.id)
        recount(session, ads)
    plan = ExperimentPlan(
        key="headline", variants={"old": "ad-000", "new": "ad-001"}, unit="impression", allocation="random",  # type: ignore[arg-type]
        campaign="spring", planned_total=200_000, starts_on=TODAY - timedelta(days=DAYS),
    )  # fmt: skip
    create_experiment(shop.store, plan)
    analyze_experiment(shop.store, "headline", as_of=TODAY)
    for campaign in campaigns.values():
        refresh_leaderboard(shop.store, shop.settings, campaign)


def _add(session: Session, table: Any, rows: list[dict[str, Any]], by: str = "key") -> dict[Any, int]:
    """Insert rows, and return their ids by one of their columns."""
    found = session.execute(insert(table).returning(table.id, getattr(table, by)), rows)
    return {row[1]: row[0] for row in found}


def _versions(session: Session, run: int) -> list[int]:
    card = {
        "metrics": {"pairs": {"error_spread": 0.35, "n": 240, "labels": "ratings"}, "srcc": 0.61},
        "interval": {"level": 0.9, "half_width": 0.8, "n": 200},
        "notice": "",
    }
    shared = {
        "location": "shipped", "encoder": "test", "encoder_fingerprint": "enc", "scale_low": 1, "scale_high": 7,
        "demonstration": False, "card": card, "run_id": run,
    }  # fmt: skip
    rows = [
        shared | {"digest": letter * 64, "name": name, "created_at": NOW - timedelta(days=age)}
        for letter, name, age in (("a", "champion", 50), ("b", "challenger", 3))
    ]
    versions = list(_add(session, ModelVersion, rows, "name").values())
    promoted = {"promoted_at": NOW - timedelta(days=50), "promoted_by": "ada", "why": "the first one"}
    session.execute(insert(Promotion), [promoted | {"model_version_id": versions[0], "segment": "", "run_id": run}])
    return versions


def _creatives(session: Session, run: int, campaigns: dict[str, int], folder: Path) -> list[int]:
    names = [f"spring_{place:02d}.png" for place in range(SPRING)] + [f"autumn_{n:02d}.png" for n in range(AUTUMN)]
    names[1] = HOSTILE
    rows, aliases = [], []
    for place, name in enumerate(names):
        path = folder / name
        width, height = _SIZES[place % len(_SIZES)]
        digest = hashlib.sha256(name.encode()).hexdigest()
        if place < REAL:
            make_image(place, (width, height)).save(path)
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        size = path.stat().st_size if place < REAL else 1000
        rows.append({
            "sha256": digest, "perceptual_hash": f"{place * 0x123456789:016x}", "width": 10 * width,
            "height": 10 * height, "media_type": "image/png", "bytes": size, "reading": None, "properties": None,
            "created_at": NOW - timedelta(days=60), "run_id": run,
        })  # fmt: skip
        aliases.append({"name": str(path), "base_name": name, "created_at": NOW, "run_id": run})
    by_digest = _add(session, Creative, rows, "sha256")
    creatives = [by_digest[row["sha256"]] for row in rows]
    named = _add(
        session,
        CreativeAlias,
        [alias | {"creative_id": one} for alias, one in zip(aliases, creatives, strict=True)],
        "creative_id",
    )
    members = [
        {
            "campaign_id": campaigns["spring" if place < SPRING else "autumn"],
            "creative_id": one,
            "launched_on": TODAY - timedelta(days=DAYS - place % 20) if place < RAN else None,
            "created_at": NOW - timedelta(days=60),
            "run_id": run,
        }
        for place, one in enumerate(creatives)
    ]
    session.execute(insert(CampaignCreative), members)
    session.execute(
        insert(CampaignAlias),
        [
            {"campaign_id": row["campaign_id"], "creative_alias_id": named[row["creative_id"]], "run_id": run}
            for row in members
        ],
    )
    idea = _add(session, Idea, [{"name": "beach", "created_at": NOW, "run_id": run}], "name")["beach"]
    sizes = [{"creative_id": one, "idea_id": idea, "source": "hand", "created_at": NOW, "run_id": run} for one in
             creatives[:3]]  # fmt: skip
    session.execute(insert(IdeaCreative), sizes)
    return creatives


def scores_of(place: int) -> float:
    """Return the score of a creative by its place: falling, so that the first of a campaign is its best."""
    return 5.6 - 0.04 * place if place < SPRING else 5.0 - 0.1 * (place - SPRING)


def _scores(session: Session, run: int, versions: list[int], creatives: list[int]) -> None:
    random = np.random.default_rng(1)
    bins = np.arange(1, 8)
    rows = []
    for number, version in enumerate(versions):
        for place, one in enumerate(creatives):
            mean = scores_of(place) + (0.0 if number == 0 else float(random.normal(0, 0.2)))
            weights = np.exp(-0.5 * (bins - mean) ** 2)
            rows.append({
                "creative_id": one, "model_version_id": version, "mean": mean, "std": 1.0, "epistemic_std": 0.1,
                "distribution": (weights / weights.sum()).tolist(), "ci_low": mean - 0.8, "ci_high": mean + 0.8,
                "ci_level": 0.9, "query_activations": [0.1, 0.2], "novelty": 1.4 if place == 7 else 0.5,
                "scored_at": NOW - timedelta(days=30), "run_id": run,
            })  # fmt: skip
    session.execute(insert(Score), rows)
    vectors = random.normal(0, 1, (len(creatives), 16)).astype("<f2")
    session.execute(
        insert(Embedding),
        [
            {"creative_id": one, "encoder_fingerprint": "enc", "vector": vector.tobytes(), "run_id": run}
            for one, vector in zip(creatives, vectors, strict=True)
        ],
    )


def _ads(session: Session, run: int, campaign: int, creatives: list[int]) -> list[int]:
    names = [f"spring_{place:02d}.png" for place in range(RAN)] + ["unknown_a.png", "spring-59.png"]
    rows = [
        {
            "platform": "meta", "account": "1", "external_id": f"ad-{place:03d}", "creative_name": name,
            "campaign_id": campaign, "run_id": run,
        }
        for place, name in enumerate(names)
    ]  # fmt: skip
    ids = _add(session, Ad, rows, "external_id")
    ads = [ids[row["external_id"]] for row in rows]
    session.execute(
        insert(AdName), [{"ad_id": ad, "name": name, "run_id": run} for ad, name in zip(ads, names, strict=True)]
    )
    session.execute(
        insert(AdCreative),
        [
            {"ad_id": ad, "creative_id": one, "linked_by": "name", "run_id": run}
            for ad, one in zip(ads, creatives[:RAN], strict=False)
        ],
    )
    return ads


def _delivery(session: Session, run: int, ads: list[int]) -> None:
    random = np.random.default_rng(2)
    files = [
        {
            "digest": f"{n}" * 64, "name": f"meta-{n}.csv", "options": {}, "rows": 600, "imported": 588, "updated": 0,
            "unchanged": 10, "unlinked": 28, "rejected": 2, "contents": None,
            "imported_at": NOW - timedelta(days=14 * (1 - n)), "run_id": run,
        }
        for n in (0, 1)
    ]  # fmt: skip
    imports = list(_add(session, KpiImport, files, "digest").values())
    session.execute(
        insert(KpiReject),
        [
            {"kpi_import_id": imports[0], "line": line, "reason": "clicks: 'many' is not a number", "kind": "rejected",
             "content": {"Clicks": "many"}}
            for line in (7, 9)
        ],
    )  # fmt: skip
    segment = Segment(platform="meta", placement="feed")
    session.add(segment)
    session.flush()
    rows = []
    for place, ad in enumerate(ads):
        for age in range(DAYS):
            impressions = int(random.integers(800, 2400))
            rate = 0.012 * float(np.exp(0.25 * (scores_of(place) - 4.8)))
            rate *= 0.93 ** (age if place == 3 else 0)  # one of them tires
            clicks = int(random.binomial(impressions, min(0.9, rate * (2.5 if place == 5 else 1))))
            conversions = int(random.binomial(clicks, 0.08))
            rows.append({
                "ad_id": ad, "segment_id": segment.id, "period_start": TODAY - timedelta(days=DAYS - age),
                "period_end": TODAY - timedelta(days=DAYS - age), "event": "", "attribution_window": "",
                "currency": "EUR", "impressions": impressions, "clicks": clicks, "conversions": conversions,
                "spend": round(0.004 * impressions, 2), "revenue": 12.0 * conversions,
                "kpi_import_id": imports[age >= DAYS // 2],
            })  # fmt: skip
    session.execute(insert(Kpi), rows)


def _people(session: Session, run: int, creatives: list[int]) -> None:
    source = _add(
        session,
        RatingSource,
        [{"key": "panel", "scale_low": 1, "scale_high": 7, "salt": b"salt", "created_at": NOW, "run_id": run}],
    )["panel"]
    made = {
        "digest": "e" * 64, "name": "votes.csv", "rating_source_id": source, "kind": "comparisons", "options": {},
        "rows": 20, "imported": 20, "unchanged": 0, "rejected": 0, "imported_at": NOW, "run_id": run,
    }  # fmt: skip
    came = _add(session, RatingImport, [made], "digest")["e" * 64]
    raters = _add(
        session,
        Rater,
        [{"rating_source_id": source, "pseudonym": name, "created_at": NOW, "run_id": run} for name in ("p1", "p2")],
        "pseudonym",
    )
    session.execute(
        insert(Comparison),
        [
            {
                "rater_id": raters[name], "first_id": creatives[n], "second_id": creatives[n + 5], "compared_at": "",
                "share": 1.0 if (n + shift) % 4 else 0.0, "weight": 1.0, "rating_import_id": came,
            }
            for shift, name in enumerate(("p1", "p2"))
            for n in range(10)
        ],
    )  # fmt: skip


def _findings(session: Session, run: int, versions: list[int]) -> None:
    checked = _runs(session, "drift check", 3)
    correlated = _runs(session, "correlate", 3)
    for number, (check, correlation) in enumerate(zip(checked, correlated, strict=True)):
        day = TODAY - timedelta(days=14 - 7 * number)
        found = {"model_version_id": versions[0], "as_of": day}
        verdict = "major" if number == 2 else "ok"
        session.execute(
            insert(DriftResult),
            [
                found
                | {
                    "run_id": check, "layer": layer, "test": "psi", "segment": "", "statistic": 0.1 + 0.1 * number,
                    "p_value": 0.01, "q_value": 0.02, "n_reference": 60, "n_current": 24, "threshold": 0.25,
                    "verdict": verdict if layer == "input" else "ok", "detail": {}, "reference_window": "model",
                    "current_window": "days:14",
                }
                for layer in ("data", "input", "score", "relation", "kpi")
            ],
        )  # fmt: skip
        session.add(
            Decision(
                **found, run_id=check, decision="watch" if number == 2 else "stable",
                cause="covariate_shift" if number == 2 else "", reasons={"reasons": ["images have moved (n = 24)"]},
                scope="days:14 against model", standing=True, layers_judged=5, window_start=day - timedelta(days=13),
                launched_since=None, decided_at=NOW - timedelta(days=14 - 7 * number),
            )
        )  # fmt: skip
        session.execute(
            insert(CorrelationResult),
            [
                found
                | {
                    "run_id": correlation, "metric": "ctr", "segment": "", "scope": scope, "statistic": "srcc",
                    "estimate": 0.42, "ci_low": 0.12, "ci_high": 0.66, "ci_level": 0.95, "n": RAN,
                    "method": "bootstrap", "window_start": day - timedelta(days=27), "window_end": day,
                    "filters": {"min_impressions": 1000},
                }
                for scope in ("all", "within_campaign")
            ],
        )  # fmt: skip


def _runs(session: Session, what: str, count: int, state: str = "done", schedule: str = "") -> list[int]:
    rows = [
        {
            "what": what, "arguments": {}, "code_version": "0.1.0", "schedule": schedule,
            "tick": NOW - timedelta(days=count - n), "state": state, "owner": "machine:1",
            "lease_until": NOW - timedelta(days=count - n), "started_at": NOW - timedelta(days=count - n),
            "finished_at": NOW - timedelta(days=count - n, seconds=-40),
            "outcome": {"error": "the file is gone"} if state == "failed" else {},
        }
        for n in range(count)
    ]  # fmt: skip
    return list(session.scalars(insert(Run).returning(Run.id), rows))


def _operation(session: Session, run: int) -> None:
    shared = {
        "labels": {}, "evidence": {}, "opened_at": NOW - timedelta(days=2), "last_seen_at": NOW, "news_at": NOW,
        "run_id": run,
    }  # fmt: skip
    session.add_all([
        Alert(fingerprint="drift", rule="drift", severity="warning", title="Images have moved",
              message="The images of the last two weeks are unlike those before.", **shared),
        Alert(fingerprint="job", rule="job_failed", severity="critical", title="The import fails",
              message="exports: the folder is gone.", acknowledged_at=NOW, acknowledged_by="ada", **shared),
        Alert(fingerprint="gone", rule="no_delivery", severity="warning", title="No delivery",
              message="Nothing came for three days.", resolved_at=NOW - timedelta(days=1), **shared),
    ])  # fmt: skip
    schedules = (("check", "drift_check", 1, 0), ("imports", "import_kpis", -2, 3), ("backup", "backup", 1, 0))
    for key, job, due_in, failures in schedules:
        values: dict[str, Any] = {
            "job": job, "arguments": {}, "cron": "0 6 * * *", "jitter_s": 0, "grace_s": 3600, "time_limit_s": 3600,
            "missed": "run_last", "source": "command",
        }  # fmt: skip
        assert set(values) == set(DEFINITION)
        session.add(
            Schedule(key=key, **values, next_run_at=NOW + timedelta(days=due_in), failures=failures, created_at=NOW)
        )
    _runs(session, "import_kpis", 2, state="failed", schedule="imports")
    _runs(session, "drift_check", 2, schedule="check")
