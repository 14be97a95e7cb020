"""Campaigns and creatives: written once, found by content, by name and by launch."""

from datetime import date

import pytest
from sqlalchemy import select, update

from abkit.errors import UsageError
from abkit.store.catalog import creatives
from abkit.store.database.engine import Store
from abkit.store.runs import RunRecord, begin_run
from abkit.store.schema import Campaign, CampaignCreative, Creative, CreativeAlias
from tests.store.rows import content, count, day


@pytest.fixture
def run(sqlite_store: Store) -> RunRecord:
    return begin_run(sqlite_store, "test", {})


def add(store: Store, run: RunRecord, *names: str, campaign: str | None = "spring") -> dict[str, int]:
    """Creatives whose content is the last part of their name."""
    with store.write() as session:
        target = creatives.ensure_campaign(session, run, campaign) if campaign else None
        hashes = {name: content(creatives.base_name(name).partition(".")[0])["sha256"] for name in names}
        creatives.write_creatives(session, run, [{**content("x"), "sha256": one} for one in set(hashes.values())])
        ids = creatives.creative_ids(session, set(hashes.values()))
        found = {name: ids[sha256] for name, sha256 in hashes.items()}
        aliases = [(id_, name, creatives.base_name(name)) for name, id_ in found.items()]
        creatives.write_names(session, run, aliases, campaign=target)
    return found


def test_a_campaign_is_made_once_and_found_by_its_key(sqlite_store: Store, run: RunRecord) -> None:
    with sqlite_store.write() as session:
        first, second = (creatives.ensure_campaign(session, run, "spring") for _ in range(2))
        assert first == second == creatives.find_campaign(session, "spring")
        assert creatives.campaign_keys(session) == {first: "spring"}


def test_an_unknown_campaign_is_refused_with_those_that_there_are(sqlite_store: Store, run: RunRecord) -> None:
    with sqlite_store.write() as session:
        with pytest.raises(UsageError, match="no campaign 'autumn'") as none:
            creatives.find_campaign(session, "autumn")
        for number in range(6):
            creatives.ensure_campaign(session, run, f"c{number}")
        with pytest.raises(UsageError) as some:
            creatives.find_campaign(session, "autumn")
    assert "none yet" in none.value.hint
    assert some.value.hint == "there are: c0, c1, c2, c3, c4"


def test_writing_the_same_creatives_and_names_again_changes_nothing(store: Store) -> None:
    first = begin_run(store, "test", {})
    add(store, first, "/ads/a.png", "/ads/b.png", "/other/a.png")
    add(store, begin_run(store, "test", {}), "/ads/a.png", "/ads/b.png", "/other/a.png")

    assert [count(store, table) for table in (Creative, CreativeAlias, CampaignCreative)] == [2, 3, 2]
    with store.read() as session:
        assert set(session.scalars(select(Creative.run_id))) == {first.id}


def test_names_without_a_campaign_make_no_candidates(sqlite_store: Store, run: RunRecord) -> None:
    add(sqlite_store, run, "/ads/a.png", campaign=None)
    assert [count(sqlite_store, table) for table in (CreativeAlias, CampaignCreative, Campaign)] == [1, 0, 0]


def test_what_is_known_of_a_creative_is_what_writing_takes(sqlite_store: Store, run: RunRecord) -> None:
    row = content("a", width=3, bytes=12)
    with sqlite_store.write() as session:
        creatives.write_creatives(session, run, [row])
        assert creatives.creative_columns(session, [row["sha256"], "f" * 64]) == {
            row["sha256"]: {"reading": None, "properties": None, **row}
        }


def test_names_come_latest_first(sqlite_store: Store, run: RunRecord) -> None:
    ids = add(sqlite_store, run, "/old/a.png", "/new/b.png")
    add(sqlite_store, run, "/new/a.png")
    with sqlite_store.read() as session:
        found = creatives.creative_names(session, [ids["/old/a.png"], 999])
    assert found == {ids["/old/a.png"]: [("/new/a.png", "a.png"), ("/old/a.png", "a.png")]}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a".ljust(64, "0"), ("sha256", ["a"])),
        ("A".ljust(64, "0"), ("sha256", ["a"])),
        ("/ads/a.png", ("name", ["a"])),
        ("C:\\elsewhere\\a.png", ("name", ["a"])),
        ("b.png", ("name", ["b"])),
        ("A.png", None),
        ("", None),
    ],
)
def test_a_creative_is_found_by_hash_then_full_name_then_last_part(
    sqlite_store: Store, run: RunRecord, name: str, expected: tuple[str, list[str]] | None
) -> None:
    ids = add(sqlite_store, run, "/ads/a.png", "/ads/b.png")
    with sqlite_store.read() as session:
        found = creatives.creatives_named(session, [name])
    if expected is None:
        assert found == {}
    else:
        kind, wanted = expected
        assert found == {name: (kind, {ids[f"/ads/{one}.png"] for one in wanted})}


def test_a_full_name_comes_before_another_creative_with_the_same_last_part(sqlite_store: Store, run: RunRecord) -> None:
    with sqlite_store.write() as session:
        creatives.write_creatives(session, run, [content("a"), content("b")])
        ids = creatives.creative_ids(session, [content(name)["sha256"] for name in "ab"])
        one, two = sorted(ids.values())
        creatives.write_names(session, run, [(one, "/x/ad.png", "ad.png"), (two, "/y/ad.png", "ad.png")])
        assert creatives.creatives_named(session, ["/y/ad.png", "ad.png"]) == {
            "/y/ad.png": ("name", {two}),
            "ad.png": ("name", {one, two}),
        }


def test_candidates_come_in_order_of_launch_and_those_not_launched_last(sqlite_store: Store, run: RunRecord) -> None:
    ids = list(add(sqlite_store, run, "a", "b", "c", "d").values())
    launch(sqlite_store, {ids[1]: day(2), ids[3]: day(1)})
    with sqlite_store.read() as session:
        campaign = creatives.find_campaign(session, "spring")
        assert creatives.candidates(session, campaign) == [ids[3], ids[1], ids[0], ids[2]]


def test_a_creative_counts_on_its_first_launch_or_else_on_the_day_it_was_added(store: Store) -> None:
    run = begin_run(store, "test", {})
    for campaign in ("spring", "summer"):
        ids = list(add(store, run, "a", "b", campaign=campaign).values())
    with store.write() as session:
        summer = creatives.find_campaign(session, "summer")
        for member in session.scalars(select(CampaignCreative)):
            if member.creative_id == ids[0]:
                member.launched_on = day(9) if member.campaign_id == summer else day(4)
        added = session.scalars(select(CampaignCreative.created_at)).first()
    assert added is not None
    with store.read() as session:
        assert creatives.creatives_launched(session, day(4), day(4)) == [ids[0]]
        assert creatives.creatives_launched(session, day(5), day(9)) == []
        assert creatives.creatives_launched(session, added.date(), added.date()) == [ids[1]]
        assert creatives.count_launched(session, day(4), added.date()) == 2
        # Its first launch counts, in whatever campaign it was.
        assert creatives.count_launched(session, day(5), day(9), [summer]) == 0
        assert creatives.count_launched(session, day(4), day(4), [summer]) == 1
        assert creatives.count_launched(session, day(4), added.date(), []) == 0


def test_a_day_has_the_creatives_that_were_launched_first_on_it_whether_in_one_campaign_or_in_several(
    store: Store,
) -> None:
    run = begin_run(store, "test", {})
    ids = add(store, run, "both", "undated", "one")
    add(store, run, "both", "undated", campaign="summer")
    with store.write() as session:
        summer = creatives.find_campaign(session, "summer")
        for member in session.scalars(select(CampaignCreative)):
            if member.creative_id == ids["both"]:
                member.launched_on = day(9) if member.campaign_id == summer else day(4)
            elif member.creative_id == ids["one"]:
                member.launched_on = day(4)
        added = session.scalars(select(CampaignCreative.created_at)).first()
    assert added is not None
    with store.read() as session:
        found = creatives.launches_by_day(session, added.date())
        assert creatives.launches_by_day(session, day(3)) == []
    assert found == [(day(4), 2, ids["both"] + ids["one"]), (added.date(), 1, ids["undated"])]


def test_a_creative_of_two_campaigns_has_no_only_campaign(sqlite_store: Store, run: RunRecord) -> None:
    ids = add(sqlite_store, run, "a", "b")
    add(sqlite_store, run, "a", campaign="summer")
    with sqlite_store.read() as session:
        spring = creatives.find_campaign(session, "spring")
        rows = session.execute(select(creatives.only_campaigns())).all()
    assert [(row.creative_id, row.campaign_id) for row in rows] == [(ids["b"], spring)]


def launch(store: Store, days: dict[int, date]) -> None:
    with store.write() as session:
        for creative, launched in days.items():
            session.execute(
                update(CampaignCreative).where(CampaignCreative.creative_id == creative).values(launched_on=launched)
            )


def test_a_creative_has_its_own_name_in_each_campaign(store: Store) -> None:
    run = begin_run(store, "test", {})
    with store.write() as session:
        creatives.write_creatives(session, run, [content("a")])
        (id_,) = creatives.creative_ids(session, [content("a")["sha256"]]).values()
        keys = ("spring", "summer", "autumn")
        spring, summer, autumn = (creatives.ensure_campaign(session, run, key) for key in keys)
        for campaign, name in ((spring, "a.png"), (summer, "b.png"), (autumn, "a.png"), (None, "rated.png")):
            creatives.write_names(session, run, [(id_, f"/ads/{name}", name)], campaign=campaign)
    with store.read() as session:
        latest = {
            campaign: creatives.creative_names(session, [id_], campaign=campaign)[id_][0][1]
            for campaign in (spring, summer, autumn, None)
        }
    assert latest == {spring: "a.png", summer: "b.png", autumn: "a.png", None: "rated.png"}
