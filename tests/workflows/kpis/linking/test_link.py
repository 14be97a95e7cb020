"""Linking ads to creatives: by name, by hash, by hand, and what that says about launches."""

from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import select

from abkit.errors import InvalidInput
from abkit.store.database.engine import Store
from abkit.store.schema import Ad, AdCreative, Campaign, CampaignCreative, Creative
from abkit.workflows.kpis.linking.link import link, link_by_hand, link_table, remove_link
from tests.kpi_files import add_creatives, rows, run_import, write

HEADER = "day,ad,creative,campaign,impressions,clicks"


def links(store: Store) -> dict[str, tuple[str, str]]:
    """By ad: the sha256 of its creative, and how it was linked."""
    with store.read() as session:
        statement = (
            select(Ad.external_id, Creative.sha256, AdCreative.linked_by)
            .join(AdCreative, AdCreative.ad_id == Ad.id)
            .join(Creative, Creative.id == AdCreative.creative_id)
        )
        return {ad: (sha256, by) for ad, sha256, by in session.execute(statement)}


def launches(store: Store) -> dict[tuple[str, str], date | None]:
    with store.read() as session:
        statement = (
            select(Campaign.key, Creative.sha256, CampaignCreative.launched_on)
            .join(CampaignCreative, CampaignCreative.campaign_id == Campaign.id)
            .join(Creative, Creative.id == CampaignCreative.creative_id)
        )
        return {(key, sha256): day for key, sha256, day in session.execute(statement)}


def test_import_links_by_file_name_path_and_hash(store: Store, tmp_path: Path) -> None:
    a, b, c = add_creatives(store, "/ads/a.png", "/ads/b.png", "/ads/c.png")
    lines = [
        "2026-01-01,1,a.png,spring,10,1",
        "2026-01-01,2,exports/b.png,spring,10,1",
        f"2026-01-01,3,{c.upper()},spring,10,1",
        "2026-01-01,4,/ads/a.png,spring,10,1",
        "2026-01-01,5,A.PNG,spring,10,1",
        "2026-01-01,6,,spring,10,1",
        "2026-01-01,7,z.png,spring,10,1",
    ]
    summary = run_import(store, write(tmp_path / "k.csv", rows(*lines, header=HEADER)))[0]

    assert (summary.imported, summary.unlinked) == (7, 2)
    names = {"1": (a, "name"), "2": (b, "name"), "4": (a, "name"), "5": (a, "normalized")}
    assert links(store) == {**names, "3": (c, "sha256")}


def test_creatives_that_were_scored_later_are_linked_on_demand(store: Store, tmp_path: Path) -> None:
    path = write(
        tmp_path / "k.csv",
        rows("2026-01-01,1,a.png,,30,1", "2026-01-01,2,b.png,,10,1", header=HEADER),
    )
    assert run_import(store, path)[0].unlinked == 2
    add_creatives(store, "/ads/a.png")
    report = link(store)

    assert report.linked == 1
    assert [(row["ad"], row["impressions"], row["share_of_impressions"]) for row in report.unlinked] == [
        ("2", 10, pytest.approx(0.25))
    ]
    assert report.unlinked[0]["reason"] == "no scored creative has that name"
    assert run_import(store, path)[0].unlinked == 1
    assert link(store).linked == 0


def test_a_name_that_two_creatives_have_is_not_guessed(store: Store, tmp_path: Path) -> None:
    add_creatives(store, "/old/a.png", "/new/a.png")
    run_import(store, write(tmp_path / "k.csv", rows("2026-01-01,1,a.png,spring,10,1", header=HEADER)))

    assert links(store) == {}
    (row,) = link(store).unlinked
    assert (row["status"], row["reason"]) == ("ambiguous", "2 creatives match that name: /old/a.png, /new/a.png")


def test_the_campaign_decides_between_creatives_of_one_name(store: Store, tmp_path: Path) -> None:
    add_creatives(store, "/spring/a.png", campaign="spring")
    (summer,) = add_creatives(store, "/summer/a.png", campaign="summer")
    run_import(store, write(tmp_path / "k.csv", rows("2026-01-01,1,a.png,summer,10,1", header=HEADER)))

    assert links(store) == {"1": (summer, "name")}


def test_one_content_under_two_names_is_one_creative(store: Store, tmp_path: Path) -> None:
    (sha256,) = add_creatives(store, "/one/a.png", content="same")
    add_creatives(store, "/two/a.png", campaign="other", content="same")
    run_import(store, write(tmp_path / "k.csv", rows("2026-01-01,1,a.png,spring,10,1", header=HEADER)))

    assert links(store) == {"1": (sha256, "name")}


def test_a_link_by_hand_replaces_the_one_by_name_and_stays(store: Store, tmp_path: Path) -> None:
    _, b = add_creatives(store, "/ads/a.png", "/ads/b.png")
    path = write(tmp_path / "k.csv", rows("2026-01-01,1,a.png,spring,10,1", header=HEADER))
    run_import(store, path)
    link_by_hand(store, "1", "b.png")
    assert links(store) == {"1": (b, "hand")}

    run_import(store, write(tmp_path / "2.csv", rows("2026-01-02,1,a.png,spring,10,1", header=HEADER)))
    assert links(store) == {"1": (b, "hand")}


def test_what_cannot_be_linked_by_hand_says_why(sqlite_store: Store, tmp_path: Path) -> None:
    header = "day,ad,account,impressions,clicks"
    run_import(
        sqlite_store, write(tmp_path / "k.csv", rows("2026-01-01,1,x,10,1", "2026-01-01,1,y,10,1", header=header))
    )
    add_creatives(sqlite_store, "/old/a.png", "/new/a.png", "/new/b.png")

    with pytest.raises(InvalidInput, match="no ad 'nobody'"):
        link_by_hand(sqlite_store, "nobody", "b.png")
    with pytest.raises(InvalidInput, match="2 ads have the id"):
        link_by_hand(sqlite_store, "1", "b.png")
    with pytest.raises(InvalidInput, match="no scored creative"):
        link_by_hand(sqlite_store, "1", "z.png", account="x")
    with pytest.raises(InvalidInput, match="2 creatives are called"):
        link_by_hand(sqlite_store, "1", "a.png", account="x")
    assert link_by_hand(sqlite_store, "1", "b.png", account="x").linked == 1


def test_a_creative_is_launched_on_its_first_day_with_impressions(store: Store, tmp_path: Path) -> None:
    (a,) = add_creatives(store, "/ads/a.png")
    lines = ["2026-01-05,1,a.png,spring,10,1", "2026-01-01,1,a.png,spring,0,0", "2026-01-03,2,a.png,summer,10,1"]
    run_import(store, write(tmp_path / "k.csv", rows(*lines, header=HEADER)))
    assert launches(store) == {("spring", a): date(2026, 1, 5), ("summer", a): date(2026, 1, 3)}

    run_import(store, write(tmp_path / "2.csv", rows("2026-01-01,1,a.png,spring,7,0", header=HEADER)))
    assert launches(store)["spring", a] == date(2026, 1, 1)


def test_ads_that_name_no_campaign_count_for_the_one_their_creative_is_in(store: Store, tmp_path: Path) -> None:
    (a,) = add_creatives(store, "/ads/a.png")
    run_import(store, write(tmp_path / "k.csv", rows("2026-01-05,1,a.png,,10,1", header=HEADER)))
    assert launches(store) == {("spring", a): date(2026, 1, 5)}


def test_a_second_content_of_the_name_withdraws_the_link_and_images_that_come_late_are_linked(
    store: Store, tmp_path: Path
) -> None:
    (hero,) = add_creatives(store, "/ads/hero.png")
    run_import(store, write(tmp_path / "k.csv", rows("2026-01-05,1,Hero,,10,1", header=HEADER)))
    assert links(store) == {"1": (hero, "normalized")}
    assert launches(store) == {("spring", hero): date(2026, 1, 5)}

    (other,) = add_creatives(store, "/ads/hero.jpg")
    report = link(store)
    assert (report.linked, report.withdrawn, links(store)) == (0, 1, {})
    assert report.unlinked[0]["status"] == "ambiguous"
    assert launches(store) == {("spring", hero): None, ("spring", other): None}


def test_suggestions_wait_until_a_person_takes_them(store: Store, tmp_path: Path) -> None:
    names = ("/ads/spring_sale_beach_v1.png", "/ads/spring_sale_beach_v2.png", "/ads/red_dress.png")
    first, *_ = add_creatives(store, *names)
    lines = ["2026-01-05,1,Sprng Sale Beach v1,,10,1", "2026-01-05,2,blue_dress,,10,1", "2026-01-05,3,x_v9,,10,1"]
    run_import(store, write(tmp_path / "k.csv", rows(*lines, header=HEADER)))
    report = link(store)
    assert links(store) == {}
    assert [(row["ad"], row["status"], row["suggestion"]) for row in report.unlinked] == [
        ("1", "suggested", "spring_sale_beach_v1.png"),
        ("2", "unlinked", None),
        ("3", "unlinked", None),
    ]
    assert link(store, accept=1).linked == 0
    assert link(store, accept=report.unlinked[0]["confidence"] - 0.01).linked == 1
    assert links(store) == {"1": (first, "similar")}
    assert link(store).withdrawn == 0


def test_a_table_links_ads_and_says_which_rows_it_could_not_use(sqlite_store: Store, tmp_path: Path) -> None:
    a, b = add_creatives(sqlite_store, "/ads/a.png", "/ads/b.png")
    lines = [f"2026-01-05,{ad},{name},,10,1" for ad, name in ((1, "x"), (2, "a.png"), (3, "y"))]
    run_import(sqlite_store, write(tmp_path / "k.csv", rows(*lines, header=HEADER)))
    table = rows("1;a.png", "2;b.png", "9;a.png", "3;z.png", "3;", header="Ad;Creative")
    report = link_table(sqlite_store, write(tmp_path / "links.csv", table))
    assert report.linked == 2
    assert [line for line, _ in report.refused] == [4, 5, 6]
    assert links(sqlite_store) == {"1": (a, "table"), "2": (b, "table")}


def test_a_link_that_a_person_removed_stays_away_until_a_person_links_again(store: Store, tmp_path: Path) -> None:
    (a,) = add_creatives(store, "/ads/a.png")
    run_import(store, write(tmp_path / "k.csv", rows("2026-01-05,1,a.png,spring,10,1", header=HEADER)))
    report = remove_link(store, "1")
    assert (report.withdrawn, links(store)) == (1, {})
    assert report.unlinked[0]["reason"] == "a person removed its link"
    assert launches(store) == {("spring", a): None}
    assert (link(store).linked, links(store)) == (0, {})
    assert link_by_hand(store, "1", "a.png").linked == 1
    assert links(store) == {"1": (a, "hand")}


def written_otherwise(name: str, number: int) -> str:
    """A file name as an ads manager may have it: without extension, in another case, with other separators, a copy."""
    stem = name.removesuffix(".png")
    stem = (stem, stem.upper(), stem.title())[number % 3]
    stem = stem.replace("_", ("_", "-", " ", ".")[number // 3 % 4])
    return stem + ("", ".jpg", ".png")[number // 12 % 3] + ("", " - Copy", " – Kopie 2")[number // 36 % 3]


def test_of_a_whole_account_every_ad_is_linked_to_its_creative_and_to_no_other(store: Store, tmp_path: Path) -> None:
    versions = ("v1", "v11", "v1_1", "v2", "1080x1080", "9x16", "16x9", "1_1_v1", "11_v1", "(1)")
    names = [f"{stem}_{version}.png" for version in versions for stem in ("hero", "sale_beach", "été", "a", "a_b")]
    names += [f"teaser_{n}_{n * 11}.png" for n in range(25)] + [f"teaser_{n}{n * 11}.png" for n in range(25)]
    assert len(set(names)) == 100
    hashes = add_creatives(store, *(f"/ads/{name}" for name in names))
    lines = [f"2026-01-05,{n},{written_otherwise(name, n)},spring,10,1" for n, name in enumerate(names)]
    summary = run_import(store, write(tmp_path / "k.csv", rows(*lines, header=HEADER)))[0]

    assert (summary.imported, summary.unlinked) == (100, 0)
    assert {ad: sha256 for ad, (sha256, _) in links(store).items()} == dict(
        zip(map(str, range(100)), hashes, strict=True)
    )
    report = link(store)
    assert (report.linked, report.withdrawn, report.unlinked) == (0, 0, ())


def test_where_contents_collide_no_ad_is_linked_to_a_wrong_one(store: Store, tmp_path: Path) -> None:
    """Each ad's own creative is missing, or there is a second content of its name."""
    names = ("hero.png", "hero.jpg", "sale_v11.png", "sale_v2.png", "sale (1).png", "a_1_1.png", "b_1080x1080.png")
    add_creatives(store, *(f"/ads/{name}" for name in (*names, "Tall_9x16.png", "tall-9x16.jpg")))
    asked = ("Hero", "hero - Copy", "hero.webp", "sale_v1", "sale_v1_1", "sale v1.1", "sale", "a_11", "a 11.png")
    asked += ("b_9x16", "b_1080", "TALL 9x16", "tall", "b_1080x1080_2", "sale_v2 (1)", "long-copy", "hero2")
    lines = [f"2026-01-05,{n},{name},spring,10,1" for n, name in enumerate(asked)]
    run_import(store, write(tmp_path / "k.csv", rows(*lines, header=HEADER)))

    assert links(store) == {}
    left = {row["creative"]: row["status"] for row in link(store).unlinked}
    assert left.keys() == set(asked)
    assert {name for name, status in left.items() if status == "ambiguous"} == {
        "Hero", "hero - Copy", "hero.webp", "TALL 9x16",
    }  # fmt: skip
