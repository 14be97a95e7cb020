"""A leaderboard is current only as long as nothing has changed that it was made from, however it changed."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import select

from abkit.config import Settings
from abkit.store.catalog.campaigns import find_campaign
from abkit.store.database.engine import Store
from abkit.store.leaderboards import stamp_of, write_leaderboard
from abkit.store.runs import begin_run
from abkit.store.schema import KpiImport, Leaderboard
from abkit.workflows.creatives.campaigns import merge_campaigns
from abkit.workflows.kpis.imports import undo_import
from abkit.workflows.kpis.linking.link import link, link_by_hand, link_table, remove_link, undo_links
from abkit.workflows.upkeep.retention import archive
from tests.kpi_files import add_creatives, rows, run_import, write

# The last ad is called like no creative: a table links it.
DELIVERY = rows(
    "2025-01-01,1,hero,spring,1000,20",
    "2025-03-01,1,hero,spring,1000,20",
    "2025-03-01,2,other.png,spring,1000,30",
    "2025-03-01,3,third,spring,1000,30",
    header="day,ad,creative,campaign,impressions,clicks",
)


@pytest.fixture
def shop(store: Store, tmp_path: Path) -> Store:
    """A store of either engine with a campaign whose leaderboard is current."""
    add_creatives(store, "hero.png", "other.png")
    add_creatives(store, "there.png", campaign="autumn")
    run_import(store, write(tmp_path / "export.csv", DELIVERY))
    assert link_table(store, write(tmp_path / "links.csv", "ad,creative\n3,there.png\n")).linked == 1
    make(store)
    assert not is_due(store)
    return store


def make(store: Store) -> None:
    """Write leaderboards that are made of what is there now."""
    run = begin_run(store, "test", {})
    made_of = {"version_id": None, "as_of": date(2025, 3, 2), "summary": {}, "entries": []}
    with store.write() as session:
        for key in ("spring", "autumn"):
            campaign = find_campaign(session, key)
            write_leaderboard(session, run.id, campaign, stamp=stamp_of(session, campaign), **made_of)


def is_due(store: Store) -> bool:
    """Whether the leaderboard of the campaign is made of something else by now."""
    with store.read() as session:
        campaign = find_campaign(session, "spring")
        kept = session.scalars(select(Leaderboard.stamp).where(Leaderboard.campaign_id == campaign)).one()
        return kept != stamp_of(session, campaign)


def _another_of_that_name(store: Store, _folder: Path) -> None:
    add_creatives(store, "hero.jpg")
    make(store)
    assert link(store).withdrawn == 1


def _merge(store: Store, _folder: Path) -> None:
    merge_campaigns(store, "autumn", "spring")


def _undo(store: Store, _folder: Path) -> None:
    with store.read() as session:
        number = session.scalars(select(KpiImport.id)).one()
    undo_import(store, number)


def _archive(store: Store, folder: Path) -> None:
    assert archive(store, Settings(), before=date(2025, 2, 1), folder=folder / "old").rows == 1


def _remove(store: Store, _folder: Path) -> None:
    remove_link(store, "2")


def _by_hand(store: Store, _folder: Path) -> None:
    link_by_hand(store, "3", "hero.png")


def _take_back(store: Store, _folder: Path) -> None:
    undo_links(store, "table")


@pytest.mark.parametrize("change", [_another_of_that_name, _merge, _undo, _archive, _remove, _by_hand, _take_back])
def test_it_is_made_anew_after(shop: Store, tmp_path: Path, change: Callable[[Store, Path], None]) -> None:
    change(shop, tmp_path)
    assert is_due(shop)


def test_linking_that_changes_nothing_leaves_it_current(shop: Store) -> None:
    assert link(shop).withdrawn == 0
    assert not is_due(shop)
