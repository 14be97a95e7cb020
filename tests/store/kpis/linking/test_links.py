"""Links between ads and creatives: made by name or hash, never guessed, never taken from a person."""

import pytest
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from abkit.store.catalog import creatives
from abkit.store.database.engine import Store
from abkit.store.kpis.linking.link_lists import unlinked_delivery
from abkit.store.kpis.linking.links import (
    NO_CREATIVE,
    NO_NAME,
    LinkOutcome,
    name_ads,
    owned_unlinked,
    refresh_launches,
    relink,
)
from abkit.store.runs import RunRecord, begin_run
from abkit.store.schema import Ad, AdCreative, AdName, CampaignCreative
from abkit.vocabulary import LinkStatus
from tests.monitoring_rows import Seed, seeded
from tests.store.rows import NOW, add_scores, add_version, content, day


@pytest.fixture
def run(sqlite_store: Store) -> RunRecord:
    return begin_run(sqlite_store, "test", {})


def add_ad(store: Store, run: RunRecord, name: str, campaign: str | None = None) -> int:
    with store.write() as session:
        target = creatives.ensure_campaign(session, run, campaign) if campaign else None
        ad = Ad(external_id=f"{name}-{campaign}", creative_name=name, campaign_id=target, run_id=run.id)
        session.add(ad)
        session.flush()
        name_ads(session, select(Ad.id, Ad.creative_name).where(Ad.id == ad.id, Ad.creative_name != ""), run.id)
        return ad.id


def link(store: Store, run: RunRecord) -> LinkOutcome:
    with store.write() as session:
        return relink(session, run.id)


def links(store: Store) -> list[tuple[int, int, str]]:
    with store.read() as session:
        rows = select(AdCreative.ad_id, AdCreative.creative_id, AdCreative.linked_by).order_by(AdCreative.id)
        return [(ad, creative, by) for ad, creative, by in session.execute(rows)]


def test_names_and_hashes_link_and_linking_again_adds_nothing(store: Store) -> None:
    run = begin_run(store, "test", {})
    ids = add_scores(store, run, add_version(store, run), {"x": 1.0, "b": 2.0})
    by_name, by_hash = add_ad(store, run, "x.png"), add_ad(store, run, content("b")["sha256"])
    by_key = add_ad(store, run, "B")
    unknown, nameless = add_ad(store, run, "z.png"), add_ad(store, run, "")
    outcome = link(store, run)
    assert (outcome.linked, outcome.withdrawn) == (3, 0)
    assert outcome.missing == {unknown: NO_CREATIVE}
    assert outcome.reason(nameless) == NO_NAME
    expected = [(by_name, ids["x"], "name"), (by_hash, ids["b"], "sha256"), (by_key, ids["b"], "normalized")]
    assert links(store) == expected
    again = link(store, run)
    assert (again.linked, again.withdrawn) == (0, 0)
    assert links(store) == expected


def test_a_name_of_several_creatives_links_only_where_the_campaign_decides(sqlite_store: Store, run: RunRecord) -> None:
    version = add_version(sqlite_store, run)
    ids = add_scores(sqlite_store, run, version, {"x": 1.0})
    ids |= add_scores(sqlite_store, run, version, {"y": 1.0}, campaign="summer")
    with sqlite_store.write() as session:
        for key, id_ in zip(("spring", "summer"), ids.values(), strict=True):
            target = creatives.find_campaign(session, key)
            creatives.write_names(session, run, [(id_, f"/{id_}/same.png", "same.png")], campaign=target)
    ads = [add_ad(sqlite_store, run, "same.png", campaign) for campaign in ("summer", "winter", None)]
    outcome = link(sqlite_store, run)
    assert links(sqlite_store) == [(ads[0], ids["y"], "name")]
    assert {ad: (one.status, one.reason) for ad, one in outcome.missing.items()} == dict.fromkeys(
        ads[1:], (LinkStatus.AMBIGUOUS, "2 creatives match that name: /1/same.png, /2/same.png")
    )


def test_an_ad_that_was_linked_by_hand_stays_as_it_is(sqlite_store: Store, run: RunRecord) -> None:
    ids = add_scores(sqlite_store, run, add_version(sqlite_store, run), {"x": 1.0, "y": 2.0})
    ad = add_ad(sqlite_store, run, "x.png")
    with sqlite_store.write() as session:
        session.add(AdCreative(ad_id=ad, creative_id=ids["y"], linked_by="hand", run_id=run.id))
    outcome = link(sqlite_store, run)
    assert (outcome.linked, outcome.missing) == (0, {})
    assert links(sqlite_store) == [(ad, ids["y"], "hand")]


def test_a_link_that_a_second_content_makes_unclear_is_withdrawn_with_all_that_it_did(store: Store) -> None:
    run = begin_run(store, "test", {})
    version = add_version(store, run)
    ids = add_scores(store, run, version, {"hero": 1.0})
    ad, exact = add_ad(store, run, "Hero", "summer"), add_ad(store, run, "hero.png", "spring")
    link(store, run)
    assert links(store) == [(ad, ids["hero"], "normalized"), (exact, ids["hero"], "name")]
    assert members(store) == {("spring", ids["hero"])}
    with store.write() as session:  # as delivery puts it into the campaign of the ad
        summer = creatives.find_campaign(session, "summer")
        row = CampaignCreative(campaign_id=summer, creative_id=ids["hero"], created_at=NOW, run_id=run.id)
        session.add(row)
    with store.write() as session:
        other = add_other(session, run, "hero.jpg")
        outcome = relink(session, run.id, keys={"hero"})
    assert (outcome.linked, outcome.withdrawn) == (0, 1)
    assert outcome.missing[ad].status is LinkStatus.AMBIGUOUS
    assert links(store) == [(exact, ids["hero"], "name")]
    assert members(store) == {("spring", ids["hero"]), ("spring", other)}


def add_other(session: Session, run: RunRecord, name: str) -> int:
    """A creative of the campaign spring that no version has scored."""
    creatives.write_creatives(session, run, [content(name)])
    id_ = creatives.creative_ids(session, [content(name)["sha256"]])[content(name)["sha256"]]
    spring = creatives.find_campaign(session, "spring")
    creatives.write_names(session, run, [(id_, f"/ads/{name}", name)], campaign=spring)
    return id_


def members(store: Store) -> set[tuple[str, int]]:
    with store.read() as session:
        keys = creatives.campaign_keys(session)
        return {(keys[row.campaign_id], row.creative_id) for row in session.scalars(select(CampaignCreative))}


def test_only_the_ads_with_the_given_keys_are_looked_at(sqlite_store: Store, run: RunRecord) -> None:
    add_scores(sqlite_store, run, add_version(sqlite_store, run), {"x": 1.0, "y": 2.0})
    add_ad(sqlite_store, run, "x.png")
    ad = add_ad(sqlite_store, run, "y.png")
    with sqlite_store.write() as session:
        assert relink(session, run.id, keys={"y", "z"}).linked == 1
    assert [row[0] for row in links(sqlite_store)] == [ad]


def test_images_that_came_with_ratings_only_are_not_linked(sqlite_store: Store, run: RunRecord) -> None:
    with sqlite_store.write() as session:
        creatives.write_creatives(session, run, [content("x")])
        ids = creatives.creative_ids(session, [content("x")["sha256"]])
        creatives.write_names(session, run, [(id_, "/rated/x.png", "x.png") for id_ in ids.values()])
    ad = add_ad(sqlite_store, run, "x.png")
    assert link(sqlite_store, run).missing == {ad: NO_CREATIVE}


def test_all_names_that_an_ad_has_had_are_linked(sqlite_store: Store, run: RunRecord) -> None:
    ids = add_scores(sqlite_store, run, add_version(sqlite_store, run), {"x": 1.0, "y": 2.0})
    ad = add_ad(sqlite_store, run, "x.png")
    with sqlite_store.write() as session:
        session.add(AdName(ad_id=ad, name="Y.JPG", run_id=run.id))
    link(sqlite_store, run)
    assert links(sqlite_store) == [(ad, ids["x"], "name"), (ad, ids["y"], "normalized")]


def test_unlinked_ads_come_with_their_share_of_all_impressions_the_largest_first(store: Store) -> None:
    seed = seeded(store)
    (linked,) = seed.creatives("spring", [1.0])
    small, large = seed.creatives("summer", [1.0, 2.0], link=False)
    for ad, impressions in ((linked, 60), (small, 10), (large, 30)):
        seed.kpis([{"ad_id": ad, "day": day(1), "impressions": impressions, "clicks": 0}])
    with store.read() as session:
        found = unlinked_delivery(session)
        assert owned_unlinked(session, seed.import_id) == 2
        assert owned_unlinked(session, seed.import_id + 1) == 0
    assert [(row["ad_id"], row["impressions"], row["share_of_impressions"]) for row in found] == [
        (large, 30, 0.3),
        (small, 10, 0.1),
    ]
    assert (found[0]["campaign"], found[0]["creative"], found[0]["rows"]) == ("summer", "summer-1", 1)


def test_ads_without_delivery_have_no_share(sqlite_store: Store, run: RunRecord) -> None:
    add_ad(sqlite_store, run, "x.png")
    with sqlite_store.read() as session:
        (row,) = unlinked_delivery(session)
    assert (row["rows"], row["impressions"], row["share_of_impressions"], row["campaign"]) == (0, 0, 0.0, None)


def launches(seed: Seed) -> dict[tuple[int, int], object]:
    with seed.store.write() as session:
        refresh_launches(session, set(session.scalars(select(AdCreative.creative_id))), seed.run_id)
    with seed.store.read() as session:
        members = session.scalars(select(CampaignCreative))
        return {(row.campaign_id, row.creative_id): row.launched_on for row in members}


def test_a_creative_is_launched_on_its_first_day_with_impressions(store: Store) -> None:
    seed = seeded(store)
    first, second = seed.creatives("spring", [1.0, 2.0])
    seed.kpis([{"ad_id": first, "day": day(n), "impressions": i, "clicks": 0} for n, i in ((1, 0), (3, 5), (4, 5))])
    assert launches(seed) == {(1, 1): day(3), (1, 2): None}
    # An earlier import comes late: the launch moves back, and running it again changes nothing.
    seed.kpis([{"ad_id": first, "day": day(2), "impressions": 1, "clicks": 0}])
    seed.kpis([{"ad_id": second, "day": day(9), "impressions": 1, "clicks": 0}])
    assert launches(seed) == launches(seed) == {(1, 1): day(2), (1, 2): day(9)}


def test_an_ad_puts_its_creative_into_its_campaign_and_without_one_counts_for_all(store: Store) -> None:
    seed = seeded(store)
    named, nameless = seed.creatives("spring", [1.0, 2.0])
    seed.creatives("summer", [])
    with store.write() as session:
        run = RunRecord(store, seed.run_id)
        autumn, winter = (creatives.ensure_campaign(session, run, key) for key in ("autumn", "winter"))
        session.get_one(Ad, named).campaign_id = autumn
        session.get_one(Ad, nameless).campaign_id = None
        session.add(CampaignCreative(campaign_id=winter, creative_id=2, created_at=NOW, run_id=run.id))
        session.execute(delete(CampaignCreative).where(CampaignCreative.creative_id == 1))
    seed.kpis([{"ad_id": ad, "day": day(5), "impressions": 1, "clicks": 0} for ad in (named, nameless)])
    spring = 1
    assert launches(seed) == {(autumn, 1): day(5), (spring, 2): day(5), (winter, 2): day(5)}
