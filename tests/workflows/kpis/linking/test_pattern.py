"""Linking by pattern: names agree in their fields, exactly one creative fits, and all else is listed."""

from pathlib import Path

import pytest

from abkit.errors import UsageError
from abkit.store.database.engine import Store
from abkit.workflows.kpis.linking.link import link, link_by_hand, remove_link, undo_links
from abkit.workflows.kpis.linking.pattern import link_by_pattern
from tests.kpi_files import add_creatives, rows, run_import, write
from tests.workflows.kpis.linking.test_link import launches, links

HEADER = "day,ad,creative,campaign,impressions,clicks"
WITH_SIZE = "{brand}_{concept}_v{n}_{size}"
WITHOUT_SIZE = "{brand}_{concept}_v{n}"
OF_ADS = "{audience} | {concept} | v{n}"


def ads(store: Store, folder: Path, *named: tuple[str, str]) -> None:
    """Import ads 1, 2, … of these names and campaigns; the later, the fewer impressions."""
    lines = [f"2026-01-05,{n},{name},{campaign},{100 - n},1" for n, (name, campaign) in enumerate(named, start=1)]
    run_import(store, write(folder / "k.csv", rows(*lines, header=HEADER)))


def test_ads_are_linked_where_all_fields_of_both_agree_and_one_creative_fits(store: Store, tmp_path: Path) -> None:
    square, tall, winter, _ = add_creatives(
        store,
        "/ads/acme_spring_v1_1080x1080.png",
        "/ads/acme_spring_v1_9x16.png",
        "/ads/acme_winter_v1_9x16.png",
        "/ads/acme_winter_v11_9x16.png",
    )
    ads(
        store,
        tmp_path,
        ("women | Winter | v01", ""),  # another convention: concept and version agree, once
        ("men | Spring | v1", ""),  # two sizes agree
        ("acme_winter_v1", ""),  # no size: the other fields agree, once
        ("acme_autumn_v1", ""),
        ("men | Winter | v1_1", ""),  # is neither v1 nor v11
        ("whatever", ""),
    )
    report = link_by_pattern(store, [WITH_SIZE, WITHOUT_SIZE, OF_ADS])

    assert links(store) == {"1": (winter, "pattern"), "3": (winter, "pattern")}
    assert report.linked == 2
    assert [(row["ad"], row["shows"], row["linked_by"], row["status"]) for row in report.links] == [
        ("1", "acme_winter_v1_9x16.png", "pattern", "linked"),
        ("3", "acme_winter_v1_9x16.png", "pattern", "linked"),
    ]
    assert [(row["ad"], row["status"]) for row in report.unlinked] == [
        ("2", "ambiguous"),
        ("4", "unlinked"),
        ("5", "unlinked"),
        ("6", "unlinked"),
    ]
    reason = report.unlinked[0]["reason"]
    assert "acme_spring_v1_1080x1080.png" in reason
    assert "acme_spring_v1_9x16.png" in reason
    assert {square, tall}.isdisjoint(sha256 for sha256, _ in links(store).values())
    assert any("1 ads have none: 'whatever'" in note for note in report.notes)
    assert any("4 of 4 creatives" in note for note in report.notes)


def test_creatives_of_the_ads_campaign_come_first(store: Store, tmp_path: Path) -> None:
    (here,) = add_creatives(store, "/a/acme_spring_v1_9x16.png", campaign="spring")
    add_creatives(store, "/b/acme_spring_v1_1x1.png", campaign="summer")
    ads(store, tmp_path, ("acme_spring_v1", "spring"), ("acme_spring_v1", ""), ("acme_spring_v1", "autumn"))
    link_by_pattern(store, [WITH_SIZE, WITHOUT_SIZE])
    assert links(store) == {"1": (here, "pattern")}


def test_links_by_pattern_stay_until_they_are_taken_back_and_hands_are_left_alone(store: Store, tmp_path: Path) -> None:
    winter, spring = add_creatives(store, "/ads/acme_winter_v1_9x16.png", "/ads/acme_spring_v1_9x16.png")
    names = ("x | winter | v1", "y | winter | v1", "z | winter | v1")
    ads(store, tmp_path, *[(name, "spring") for name in names])
    link_by_hand(store, "2", spring)
    remove_link(store, "3")
    assert link_by_pattern(store, [WITH_SIZE, OF_ADS]).linked == 1
    assert links(store) == {"1": (winter, "pattern"), "2": (spring, "hand")}
    assert launches(store)["spring", winter] is not None
    assert link(store).withdrawn == 0
    assert link_by_pattern(store, [WITH_SIZE, OF_ADS]).linked == 0

    report = undo_links(store, "pattern")
    assert (report.withdrawn, links(store)) == (1, {"2": (spring, "hand")})
    assert launches(store)["spring", winter] is None


def test_only_kinds_that_come_in_bulk_are_taken_back(sqlite_store: Store) -> None:
    for kind in ("hand", "name", "nonsense"):
        with pytest.raises(UsageError, match="hash, pattern, similar, table"):
            undo_links(sqlite_store, kind)


def test_all_links_are_listed_with_how_they_were_made_and_since_when(sqlite_store: Store, tmp_path: Path) -> None:
    add_creatives(sqlite_store, "/ads/hero.png", "/ads/acme_winter_v1_9x16.png")
    ads(sqlite_store, tmp_path, ("Hero", ""), ("x | winter | v1", ""), ("nothing", ""))
    link_by_pattern(sqlite_store, [WITH_SIZE, OF_ADS])
    report = link(sqlite_store, everything=True)
    assert [(row["ad"], row["status"], row["shows"], row["linked_by"]) for row in report.links] == [
        ("1", "linked", "hero.png", "normalized"),
        ("2", "linked", "acme_winter_v1_9x16.png", "pattern"),
    ]
    assert report.links[0]["run"] < report.links[1]["run"]
    assert [row["status"] for row in report.rows()] == ["linked", "linked", "unlinked"]
    assert len({tuple(row) for row in report.rows()}) == 1
    assert link(sqlite_store).links == ()
    assert "linked by" in str(report)
