"""Campaigns are renamed, merged and deleted without losing what hangs on them; creatives show what is known."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from abkit.errors import UsageError
from abkit.reporting.tables.campaigns import view_of
from abkit.store.database.engine import Store
from abkit.store.imports import imported
from abkit.store.kpis.linking.link_lists import unlinked_delivery
from abkit.store.schema import Ad, Campaign, CampaignCreative, Run, Schedule
from abkit.workflows.creatives.campaigns import (
    delete_campaign,
    list_campaigns,
    list_creatives,
    merge_campaigns,
    rename_campaign,
    show_creative,
)
from abkit.workflows.kpis.imports import undo_import
from tests.kpi_files import add_creatives, rows, run_import, write


@pytest.fixture
def filled(store: Store, tmp_path: Path) -> Store:
    """Two campaigns with figures, which share a creative, and one without any."""
    add_creatives(store, "ads/a.png", "ads/b.png", campaign="spring")
    add_creatives(store, "ads/a.png", campaign="sale")
    add_creatives(store, "ads/c.png", campaign="empty")
    content = rows(
        "2026-01-03,1,a.png,spring,1000,20,3,4.5,USD",
        "2026-01-02,2,b.png,spring,500,5,1,4.5,USD",
        "2026-01-01,3,a.png,sale,100,1,0,4.5,USD",
    )
    assert run_import(store, write(tmp_path / "k.csv", content))[0].imported == 3
    return store


def shown(store: Store) -> dict[str, tuple[object, ...]]:
    names = ("creatives", "ads", "impressions", "first_day", "last_day")
    return {row["campaign"]: tuple(row[name] for name in names) for row in list_campaigns(store).rows()}


def test_campaigns_are_listed_with_what_hangs_on_them(filled: Store) -> None:
    assert shown(filled) == {
        "empty": (1, 0, 0, None, None),
        "sale": (1, 1, 100, date(2026, 1, 1), date(2026, 1, 1)),
        "spring": (2, 2, 1500, date(2026, 1, 2), date(2026, 1, 3)),
    }
    assert "spring" in str(list_campaigns(filled))


def test_a_renamed_campaign_keeps_all_that_hangs_on_it(filled: Store) -> None:
    before = shown(filled)
    done = rename_campaign(filled, "spring", " Frühling 2026 ")
    assert (done.campaign, done.became) == ("spring", "Frühling 2026")
    after = shown(filled)
    assert after.pop("Frühling 2026") == before.pop("spring")
    assert after == before
    with filled.read() as session:
        assert session.scalars(select(Run.what).order_by(Run.id.desc())).first() == "campaign rename"


def test_a_rename_changes_the_schedules_of_the_store_and_says_which_of_the_configuration_name_the_old_key(
    filled: Store,
) -> None:
    said: dict[str, dict[str, Any]] = {
        "a": {"campaign": "spring"},
        "b": {"current": "campaign:spring", "reference": "days:7"},
        "c": {"campaign": "sale"},
        "d": {},
        "file": {"campaign": "spring"},
    }
    now = datetime(2026, 3, 1, tzinfo=UTC)
    common: dict[str, Any] = {"job": "score", "cron": "0 0 * * *", "grace_s": 1, "time_limit_s": 1}
    common |= {"missed": "run_last", "source": "command", "next_run_at": now, "created_at": now}
    with filled.write() as session:
        for key, arguments in said.items():
            source = {"source": "abkit.toml"} if key == "file" else {}
            session.add(Schedule(key=key, arguments=arguments, **common | source))
    done = rename_campaign(filled, "spring", "summer")
    assert (done.changed_schedules, done.schedules) == (("a", "b"), ("file",))
    assert view_of(done).notes == (
        "these schedules name 'summer' now: a, b",
        "these schedules still name 'spring': file; change their arguments",
    )

    def stored() -> dict[str, Any]:
        with filled.read() as session:
            return {row.key: row.arguments for row in session.scalars(select(Schedule))}

    changed = {"a": {"campaign": "summer"}, "b": {"current": "campaign:summer", "reference": "days:7"}}
    assert stored() == said | changed
    merged = merge_campaigns(filled, "summer", "sale")
    assert (merged.changed_schedules, merged.schedules) == (("a", "b"), ())
    assert stored()["b"] == {"current": "campaign:sale", "reference": "days:7"}


def test_a_merged_campaign_brings_its_ads_creatives_and_launches(filled: Store) -> None:
    done = merge_campaigns(filled, "sale", "spring")
    assert (done.creatives, done.ads, done.experiments) == (1, 1, 0)
    assert shown(filled) == {
        "empty": (1, 0, 0, None, None),
        "spring": (2, 3, 1600, date(2026, 1, 1), date(2026, 1, 3)),
    }
    with filled.read() as session:
        launched = session.scalars(select(CampaignCreative.launched_on).order_by(CampaignCreative.id)).all()
        assert launched == [date(2026, 1, 1), date(2026, 1, 2), None]
        assert session.scalars(select(Ad.campaign_id).distinct()).all() == [
            session.scalars(select(Campaign.id).where(Campaign.key == "spring")).one()
        ]


def test_only_a_campaign_without_ads_is_deleted_and_its_creatives_stay(filled: Store) -> None:
    with pytest.raises(UsageError, match="the campaign 'spring' has 2 ads") as refused:
        delete_campaign(filled, "spring")
    assert "campaign merge" in (refused.value.hint or "")
    assert delete_campaign(filled, "empty").creatives == 1
    assert set(shown(filled)) == {"spring", "sale"}
    assert show_creative(filled, "c.png").campaigns == {}


@pytest.mark.parametrize("new", ["", "  ", "a\x1b[2Jb", "a\nb", "x" * 300, "sale"])
def test_a_name_that_is_taken_or_no_name_is_refused_and_changes_nothing(filled: Store, new: str) -> None:
    before = shown(filled)
    with filled.read() as session:
        runs = len(session.scalars(select(Run.id).where(Run.what != "campaign rename")).all())
    with pytest.raises(UsageError):
        rename_campaign(filled, "spring", new)
    assert shown(filled) == before
    with filled.read() as session:
        assert len(session.scalars(select(Run.id).where(Run.what != "campaign rename")).all()) == runs


def test_campaigns_that_are_not_there_leave_no_run(filled: Store) -> None:
    with filled.read() as session:
        runs = len(session.scalars(select(Run.id)).all())
    for act in (
        lambda: rename_campaign(filled, "sprng", "x"),
        lambda: merge_campaigns(filled, "sprng", "sale"),
        lambda: merge_campaigns(filled, "sale", "sprng"),
        lambda: delete_campaign(filled, "sprng"),
        lambda: list_creatives(filled, campaign="sprng"),
    ):
        with pytest.raises(UsageError, match="there is no campaign 'sprng'"):
            act()
    with pytest.raises(UsageError, match="same campaign twice"):
        merge_campaigns(filled, "sale", "sale")
    with filled.read() as session:
        assert len(session.scalars(select(Run.id).where(Run.what != "campaign merge")).all()) == runs


@pytest.mark.parametrize("first", ["names", "ids"])
def test_a_creative_has_the_delivery_of_its_ad_under_every_name(store: Store, tmp_path: Path, first: str) -> None:
    add_creatives(store, "ads/hero.png")
    named = [f"2026-01-{3 + day:02d},hero.png,spring,{1000 + 137 * day},{10 + day}" for day in range(4)]
    numbered = [f"2026-01-{1 + day:02d},12020000000000123,spring,{726 + 137 * day},{8 + day}" for day in range(8)]
    files = {
        "names": write(tmp_path / "names.csv", rows(*named, header="day,creative,campaign,impressions,clicks")),
        "ids": write(tmp_path / "ids.csv", rows(*numbered, header="day,ad,campaign,impressions,clicks")),
    }
    summaries = [run_import(store, files.pop(name))[0] for name in (first, *({"names", "ids"} - {first}))]
    shown_by_ids = (1, sum(726 + 137 * day for day in range(8)), sum(8 + day for day in range(8)))
    hero = show_creative(store, "hero.png")
    assert (hero.ads, hero.impressions, hero.clicks) == shown_by_ids
    assert (hero.first_day, hero.last_day) == (date(2026, 1, 1), date(2026, 1, 8))
    assert hero.campaigns == {"spring": date(2026, 1, 1)}
    assert shown(store)["spring"] == (1, *shown_by_ids[:2], date(2026, 1, 1), date(2026, 1, 8))
    assert summaries[1].unlinked == 0
    with store.read() as session:
        assert unlinked_delivery(session) == []
        assert imported(session, date(2026, 2, 1)).unlinked_ads == 0
    undo_import(store, next(one.import_id or 0 for one in summaries if one.file.endswith("ids.csv")))
    assert show_creative(store, "hero.png").campaigns == {"spring": date(2026, 1, 3)}


def test_impressions_of_ads_that_show_several_creatives_are_said(store: Store, tmp_path: Path) -> None:
    add_creatives(store, "ads/a.png", "ads/b.png", "ads/c.png")
    content = rows(
        "2026-01-01,7,a.png,feed,1000,20",
        "2026-01-01,7,b.png,story,500,5",
        "2026-01-01,8,b.png,feed,100,1",
        header="day,ad,creative,placement,impressions,clicks",
    )
    run_import(store, write(tmp_path / "k.csv", content))
    found = {one.creative: (one.impressions, one.shared_impressions) for one in list_creatives(store).creatives}
    assert found == {"a.png": (1500, 1500), "b.png": (1600, 1500), "c.png": (0, 0)}
    assert view_of(show_creative(store, "c.png")).notes == ()
    (note,) = view_of(show_creative(store, "b.png")).notes
    assert note.startswith("1,500 impressions of b.png are by ads that show other creatives, too")
    assert "(and so with 1 more)" in view_of(list_creatives(store)).notes[0]


def test_creatives_show_names_campaigns_and_delivery(filled: Store) -> None:
    hero = show_creative(filled, "a.png")
    assert hero.campaigns == {"sale": date(2026, 1, 1), "spring": date(2026, 1, 3)}
    assert (hero.ads, hero.impressions, hero.clicks, hero.conversions) == (2, 1100, 21, 3)
    assert (hero.first_day, hero.last_day) == (date(2026, 1, 1), date(2026, 1, 3))
    assert hero.names == ("ads/a.png",)
    assert show_creative(filled, hero.sha256) == hero
    assert "launched 2026-01-03" in str(hero)
    assert [one.creative for one in list_creatives(filled).creatives] == ["c.png", "b.png", "a.png"]
    assert [one.creative for one in list_creatives(filled, campaign="spring").creatives] == ["b.png", "a.png"]
    assert len(list_creatives(filled, limit=1).creatives) == 1
    with pytest.raises(UsageError, match=r"no creative is called 'nothing\.png'"):
        show_creative(filled, "nothing.png")


def test_a_name_of_two_creatives_asks_for_the_sha256(store: Store) -> None:
    hashes = add_creatives(store, "one/a.png", "two/a.png")
    with pytest.raises(UsageError, match=r"2 creatives are called 'a\.png'") as refused:
        show_creative(store, "a.png")
    assert all(sha256 in (refused.value.hint or "") for sha256 in hashes)
