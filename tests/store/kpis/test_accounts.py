"""Which account of a platform campaigns belong to, on both engines."""

from sqlalchemy import insert

from abkit.store.database.engine import Store
from abkit.store.kpis.accounts import accounts_of
from abkit.store.runs import begin_run
from abkit.store.schema import Ad, Campaign
from tests.store.rows import NOW


def test_a_campaign_has_the_account_that_its_ads_name(store: Store) -> None:
    run = begin_run(store, "test", {})
    ads = [("meta", "1", 1), ("meta", "1", 2), ("tiktok", "1", 3), ("meta", "", 4), ("meta", "2", 5), ("meta", "7", 5)]
    with store.write() as session:
        names = [{"key": str(k), "name": str(k), "created_at": NOW, "run_id": run.id} for k in range(1, 6)]
        ids = list(session.scalars(insert(Campaign).returning(Campaign.id, sort_by_parameter_order=True), names))
        session.execute(
            insert(Ad),
            [
                {"platform": p, "account": a, "external_id": str(n), "campaign_id": ids[c - 1], "run_id": run.id}
                for n, (p, a, c) in enumerate(ads)
            ],
        )
    with store.read() as session:
        found = accounts_of(session, ids)
    assert [found.get(one) for one in ids] == ["meta/1", "meta/1", "tiktok/1", None, "meta/2, meta/7"]
