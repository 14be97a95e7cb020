"""Links between ads and creatives: made by name or hash, never guessed, never taken from a person."""

import pytest
from sqlalchemy import delete, select

from abkit.store import creatives
from abkit.store.database.engine import Store
from abkit.store.kpis.links import (
    NO_CREATIVE,
    NO_NAME,
    NamedAd,
    link_ads,
    owned_unlinked,
    refresh_launches,
    unlinked_ads,
    unlinked_delivery,
)
from abkit.store.runs import RunRecord, begin_run
from abkit.store.schema import Ad, AdCreative, CampaignCreative
from tests.monitoring_rows import Seed, seeded
from tests.store.rows import NOW, add_scores, add_version, content, day


@pytest.fixture
def run(sqlite_store: Store) -> RunRecord:
    return begin_run(sqlite_store, "test", {})


def add_ad(store: Store, run: RunRecord, name: str, campaign: str | None = None) -> NamedAd:
    with store.write() as session:
        target = creatives.ensure_campaign(session, run, campaign) if campaign else None
        ad = Ad(external_id=f"{name}-{campaign}", creative_name=name, campaign_id=target, run_id=run.id)
        session.add(ad)
        session.flush()
        return NamedAd(ad.id, name, target)


def links(store: Store) -> list[tuple[int, int, str]]:
    with store.read() as session:
        rows = select(AdCreative.ad_id, AdCreative.creative_id, AdCreative.linked_by).order_by(AdCreative.id)
        return [(ad, creative, by) for ad, creative, by in session.execute(rows)]


def test_names_and_hashes_link_and_linking_again_adds_nothing(store: Store) -> None:
    run = begin_run(store, "test", {})
    ids = add_scores(store, run, add_version(store, run), {"x": 1.0, "b": 2.0})
    by_name, by_hash = add_ad(store, run, "x.png"), add_ad(store, run, content("b")["sha256"])
    unknown, nameless = add_ad(store, run, "z.png"), add_ad(store, run, "")
    with store.write() as session:
        outcome = link_ads(session, unlinked_ads(session), run.id)
    assert outcome.linked == 2
    assert outcome.reasons == {unknown.ad_id: NO_CREATIVE, nameless.ad_id: NO_NAME}
    assert links(store) == [(by_name.ad_id, ids["x"], "name"), (by_hash.ad_id, ids["b"], "sha256")]
    with store.write() as session:
        assert link_ads(session, [by_name, by_hash], run.id).linked == 0
        assert unlinked_ads(session) == [unknown, nameless]


def test_a_name_of_several_creatives_links_only_where_the_campaign_decides(sqlite_store: Store, run: RunRecord) -> None:
    version = add_version(sqlite_store, run)
    ids = add_scores(sqlite_store, run, version, {"x": 1.0})
    ids |= add_scores(sqlite_store, run, version, {"y": 1.0}, campaign="summer")
    with sqlite_store.write() as session:
        creatives.write_names(session, run, [(id_, f"/{id_}/same.png", "same.png") for id_ in ids.values()])
    ads = [add_ad(sqlite_store, run, "same.png", campaign) for campaign in ("summer", "winter", None)]
    with sqlite_store.write() as session:
        outcome = link_ads(session, ads, run.id)
    assert links(sqlite_store) == [(ads[0].ad_id, ids["y"], "name")]
    assert outcome.reasons == dict.fromkeys((ads[1].ad_id, ads[2].ad_id), "2 creatives have that name")


def test_an_ad_that_was_linked_by_hand_stays_as_it_is(sqlite_store: Store, run: RunRecord) -> None:
    ids = add_scores(sqlite_store, run, add_version(sqlite_store, run), {"x": 1.0, "y": 2.0})
    ad = add_ad(sqlite_store, run, "x.png")
    with sqlite_store.write() as session:
        session.add(AdCreative(ad_id=ad.ad_id, creative_id=ids["y"], linked_by="hand", run_id=run.id))
        session.flush()
        outcome = link_ads(session, [ad], run.id)
    assert (outcome.linked, outcome.reasons) == (0, {})
    assert links(sqlite_store) == [(ad.ad_id, ids["y"], "hand")]


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
        refresh_launches(session, select(Ad.id), seed.run_id)
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
