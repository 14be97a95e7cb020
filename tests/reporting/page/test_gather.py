"""`abkit report` reads the store, on both engines, and shows only what was so on that day."""

from __future__ import annotations

import hashlib
import unicodedata
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy.orm import Session

from abkit.errors import UsageError
from abkit.intake.media.images import names_of
from abkit.reporting.page.gather import gather, make_report
from abkit.reporting.page.page import render_report
from abkit.reporting.page.thumbnails import thumbnail
from abkit.store.database.engine import Store
from abkit.store.imports import SIMULATED_ACCOUNT
from abkit.store.runs import recorded_run
from abkit.store.schema import (
    Ad,
    AdCreative,
    Alert,
    Base,
    Campaign,
    CampaignCreative,
    CorrelationResult,
    Creative,
    CreativeAlias,
    Decision,
    DriftResult,
    Kpi,
    KpiImport,
    ModelVersion,
    Score,
    Segment,
)

NOW = datetime(2025, 5, 1, tzinfo=UTC)
DAY = date(2025, 5, 1)


class Filler:
    """Writes the rows of a small workspace, each with as little as it may have."""

    def __init__(self, session: Session, run_id: int) -> None:
        self.session, self.run_id = session, run_id

    def add(self, row: Base) -> int:
        self.session.add(row)
        self.session.flush()
        return row.id  # type: ignore[attr-defined,no-any-return]

    def model(self, digest: str = "d" * 64) -> int:
        return self.add(
            ModelVersion(
                digest=digest, name="default", location="shipped", encoder="bundled:efficientnet-lite2",
                encoder_fingerprint="f", scale_low=1, scale_high=7, segment="", demonstration=True, card={},
                created_at=NOW, run_id=self.run_id,
            )
        )  # fmt: skip

    def campaign(self, key: str) -> int:
        return self.add(Campaign(key=key, name=key, created_at=NOW, run_id=self.run_id))

    def creative(self, campaign: int, model: int, path: Path, mean: float) -> int:
        content = path.read_bytes() if path.is_file() else str(path).encode()
        creative = self.add(
            Creative(
                sha256=hashlib.sha256(content).hexdigest(), perceptual_hash="0" * 16, width=64, height=64,
                media_type="image/png", bytes=len(content), created_at=NOW, run_id=self.run_id,
            )
        )  # fmt: skip
        self.add(
            CreativeAlias(creative_id=creative, name=str(path), base_name=path.name, created_at=NOW, run_id=self.run_id)
        )
        self.add(CampaignCreative(campaign_id=campaign, creative_id=creative, created_at=NOW, run_id=self.run_id))
        self.add(
            Score(
                creative_id=creative, model_version_id=model, mean=mean, std=1, distribution=[1.0], ci_low=mean - 1,
                ci_high=mean + 1, ci_level=0.9, query_activations=[], scored_at=NOW, run_id=self.run_id,
            )
        )  # fmt: skip
        return creative

    def ad(self, name: str, creatives: tuple[int, ...], account: str = "acme") -> int:
        ad = self.add(Ad(platform="social", account=account, external_id=name, run_id=self.run_id))
        for creative in creatives:
            self.add(AdCreative(ad_id=ad, creative_id=creative, linked_by="name", run_id=self.run_id))
        return ad

    def delivery(self, ad: int, day: date, impressions: int, clicks: int) -> None:
        source = self.session.query(KpiImport.id).first() or (
            self.add(
                KpiImport(
                    digest="k", name="kpi.csv", options={}, rows=3, imported=2, updated=0, unchanged=0, unlinked=0,
                    rejected=1, imported_at=NOW, run_id=self.run_id,
                )
            ),
        )  # fmt: skip
        segment = self.session.query(Segment.id).first() or (self.add(Segment()),)
        self.add(
            Kpi(
                ad_id=ad, segment_id=segment[0], period_start=day, period_end=day, impressions=impressions,
                clicks=clicks, conversions=0, kpi_import_id=source[0],
            )
        )  # fmt: skip

    def check(self, store: Store, day: date, decision: str, model: int) -> int:
        with recorded_run(store, "drift check", {}) as run:
            with store.write() as session:
                for layer in ("score", "relation"):
                    session.add(
                        DriftResult(
                            run_id=run.id, model_version_id=model, layer=layer, test="ks", segment="", statistic=0.1,
                            n_reference=50, n_current=50, verdict="ok", detail={}, reference_window="model",
                            current_window="days:7", as_of=day,
                        )
                    )  # fmt: skip
                session.add(
                    Decision(
                        run_id=run.id, model_version_id=model, decision=decision, cause="",
                        reasons={"reasons": [f"because {decision}"]}, as_of=day, decided_at=NOW,
                    )
                )  # fmt: skip
            return run.id


@pytest.fixture
def creatives(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"ad-{index}.png" for index in range(3)]
    for index, path in enumerate(paths):
        Image.new("RGB", (64, 64), (80 * index, 40, 200)).save(path)
    return paths


def test_an_empty_store_is_reported_on(store: Store, tmp_path: Path) -> None:
    page = make_report(store, tmp_path / "report.html").read_text()
    assert "Nobody has checked yet" in page
    assert gather(store).rankings == ()


def test_it_shows_pictures_delivery_and_coverage(store: Store, creatives: list[Path]) -> None:
    with recorded_run(store, "score", {}) as run, store.write() as session:
        filler = Filler(session, run.id)
        model, campaign = filler.model(), filler.campaign("spring")
        made = [filler.creative(campaign, model, path, 4 + i) for i, path in enumerate(creatives)]
        filler.delivery(filler.ad("1", (made[0],)), DAY, 1000, 20)
        filler.delivery(filler.ad("2", (made[1], made[2])), DAY, 500, 5)
        filler.delivery(filler.ad("3", ()), DAY, 500, 5)
        session.add(
            Decision(run_id=run.id, model_version_id=model, decision="stable", reasons={}, as_of=DAY, decided_at=NOW)
        )
    data = gather(store, as_of=DAY)
    assert [(p.rank, p.name) for p in data.rankings[0].creatives] == [(1, "ad-2.png"), (2, "ad-1.png"), (3, "ad-0.png")]
    assert all(p.thumbnail.startswith("data:image/webp;base64,") for p in data.rankings[0].creatives)
    delivered = {p.name: (p.impressions, p.clicks) for p in data.rankings[0].creatives}
    # An ad that shows two creatives says nothing about either of them.
    assert delivered == {"ad-0.png": (1000, 20), "ad-1.png": (0, 0), "ad-2.png": (0, 0)}
    assert data.coverage.unlinked_share == 0.25
    assert (data.coverage.unlinked_ads, data.coverage.ads, data.coverage.rejected_rows) == (1, 3, 1)
    assert data.simulated is False


def test_delivery_in_other_campaigns_is_shown_as_such(store: Store, creatives: list[Path]) -> None:
    # The folder was scored under one name, the platform calls its campaign by another.
    with recorded_run(store, "score", {}) as run, store.write() as session:
        filler = Filler(session, run.id)
        model, campaign = filler.model(), filler.campaign("folder")
        made = filler.creative(campaign, model, creatives[0], 4)
        ad = filler.ad("1", (made,))
        platform = filler.campaign("platform")
        session.get_one(Ad, ad).campaign_id = platform
        filler.add(CampaignCreative(campaign_id=platform, creative_id=made, created_at=NOW, run_id=run.id))
        filler.delivery(ad, DAY, 1000, 20)
    filler.check(store, DAY, "stable", model)
    data = gather(store, as_of=DAY)
    shown = next(ranking for ranking in data.rankings if ranking.campaign == "folder").creatives[0]
    assert [campaign for campaign, _ in data.scores] == ["folder"], "one creative counts once"
    assert (shown.impressions, shown.clicks, shown.elsewhere) == (1000, 20, True)
    assert "impressions in other campaigns" in render_report(data)


def test_what_ran_long_ago_in_another_campaign_is_not_launched(store: Store, creatives: list[Path]) -> None:
    with recorded_run(store, "score", {}) as run, store.write() as session:
        filler = Filler(session, run.id)
        model, folder, platform = filler.model(), filler.campaign("folder"), filler.campaign("platform")
        made = [filler.creative(folder, model, path, 4 + i) for i, path in enumerate(creatives)]
        for creative, ago in ((made[1], 0), (made[2], 60)):
            ad = filler.ad(str(creative), (creative,))
            session.get_one(Ad, ad).campaign_id = platform
            filler.add(CampaignCreative(campaign_id=platform, creative_id=creative, created_at=NOW, run_id=run.id))
            filler.delivery(ad, DAY - timedelta(days=ago), 1000, 20)
    for asked in (None, "folder"):
        data = gather(store, as_of=DAY, campaign=asked)
        assert data.actions is not None
        waiting = {item.creative_id for item in data.actions.items if item.campaign == "folder" and item.lift is None}
        assert waiting == {made[0]}


def test_a_creative_unlike_the_training_has_no_interval(store: Store, creatives: list[Path]) -> None:
    # An earlier release wrote one all the same.
    with recorded_run(store, "score", {}) as run, store.write() as session:
        filler = Filler(session, run.id)
        model, campaign = filler.model(), filler.campaign("spring")
        for path, novelty in zip(creatives, (None, 0.5, 1.5), strict=True):
            creative = filler.creative(campaign, model, path, 4)
            session.query(Score).filter_by(creative_id=creative).one().novelty = novelty
    shown = {one.name: (one.ci_low, one.ci_high, one.far) for one in gather(store, as_of=DAY).rankings[0].creatives}
    assert shown == {"ad-0.png": (3, 5, False), "ad-1.png": (3, 5, False), "ad-2.png": (None, None, True)}


def test_what_came_later_than_the_day_is_not_shown(store: Store, creatives: list[Path]) -> None:
    later = DAY + timedelta(days=1)
    with recorded_run(store, "score", {}) as run, store.write() as session:
        filler = Filler(session, run.id)
        model = filler.model()
        creative = filler.creative(filler.campaign("spring"), model, creatives[0], 4)
        ad = filler.ad("1", (creative,), account=SIMULATED_ACCOUNT)
        filler.delivery(ad, DAY, 1000, 20)
        filler.delivery(ad, later, 9000, 90)
        for opened, resolved in ((DAY, None), (later, None), (DAY - timedelta(days=9), DAY - timedelta(days=2))):
            at = datetime(opened.year, opened.month, opened.day, 6, tzinfo=UTC)
            filler.add(
                Alert(
                    fingerprint=f"f{at}", rule="decision", labels={}, severity="warning", title=f"opened {opened}",
                    message="", evidence={}, opened_at=at, last_seen_at=at, news_at=at, run_id=run.id,
                    resolved_at=resolved and datetime(resolved.year, resolved.month, resolved.day, tzinfo=UTC),
                )
            )  # fmt: skip
    filler.check(store, DAY, "stable", model)
    filler.check(store, later, "retrain", model)
    data = gather(store, as_of=DAY)
    assert data.rankings[0].creatives[0].impressions == 1000
    assert data.decision is not None
    assert (data.decision.decision, data.decision.reasons) == ("stable", {"reasons": ["because stable"]})
    assert {finding.as_of for finding in data.drift_history} == {DAY}
    assert [alert.title for alert in data.alerts] == [f"opened {DAY}"]
    assert data.simulated is True
    # Much later the last check is still the last word.
    for day in (later, later + timedelta(days=900)):
        assert gather(store, as_of=day).decision.decision == "retrain"  # type: ignore[union-attr]


def test_the_dots_are_the_creatives_of_the_estimate(store: Store, creatives: list[Path]) -> None:
    with recorded_run(store, "correlate", {}) as run, store.write() as session:
        filler = Filler(session, run.id)
        model, campaign = filler.model(), filler.campaign("spring")
        for i, path in enumerate(creatives):
            ad = filler.ad(str(i), (filler.creative(campaign, model, path, 4 + i),))
            filler.delivery(ad, DAY, (1000, 999, 5000)[i], 10)
            filler.delivery(ad, DAY - timedelta(days=30), 7000, 10)
        for scope in ("all", "within_campaign"):
            filler.add(
                CorrelationResult(
                    run_id=run.id, model_version_id=model, metric="ctr", scope=scope, statistic="srcc", estimate=0.5,
                    ci_low=0.1, ci_high=0.8, ci_level=0.95, n=2, method="bootstrap", as_of=DAY,
                    window_start=DAY - timedelta(days=6), window_end=DAY, filters={"min_impressions": 1000},
                )
            )  # fmt: skip
    data = gather(store, as_of=DAY)
    assert [(point.score, point.trials) for point in data.points] == [(4, 1000), (6, 5000)]
    assert [row.scope for row in data.correlations] == ["within_campaign", "all"]


def test_a_campaign_that_is_not_there_is_named_with_those_that_are(store: Store, creatives: list[Path]) -> None:
    with recorded_run(store, "score", {}) as run, store.write() as session:
        filler = Filler(session, run.id)
        model = filler.model()
        filler.creative(filler.campaign("spring"), model, creatives[0], 4)
        session.add(
            Decision(run_id=run.id, model_version_id=model, decision="stable", reasons={}, as_of=DAY, decided_at=NOW)
        )
    with pytest.raises(UsageError) as caught:
        gather(store, campaign="sprong")
    assert "sprong" in str(caught.value)
    assert "spring" in str(caught.value.hint)
    assert gather(store, campaign="spring").campaigns == ("spring",)


def test_a_file_that_changed_since_it_was_scored_is_not_shown(creatives: list[Path]) -> None:
    sha256 = hashlib.sha256(creatives[0].read_bytes()).hexdigest()
    assert thumbnail(creatives[0], sha256)
    assert thumbnail(creatives[1], sha256) == ""
    assert thumbnail(creatives[0].with_name("gone.png"), sha256) == ""
    creatives[0].write_bytes(b"not a creative")
    assert thumbnail(creatives[0], hashlib.sha256(b"not a creative").hexdigest()) == ""


def test_a_file_whose_accents_are_apart_on_disk_is_shown(creatives: list[Path]) -> None:
    apart = creatives[0].rename(creatives[0].with_name(unicodedata.normalize("NFD", "été.png")))
    stored = Path(names_of(apart)[0])
    assert stored != apart
    assert thumbnail(stored, hashlib.sha256(apart.read_bytes()).hexdigest()).startswith("data:image/webp")
