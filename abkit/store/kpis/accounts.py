"""Which account of a platform campaigns belong to, as far as exports say it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from abkit.store.database.statements import in_parts
from abkit.store.schema import Ad


def accounts_of(session: Session, campaigns: Collection[int]) -> dict[int, str]:
    """Return the account of each campaign whose ads name one; several that run it together count as one."""
    named: dict[int | None, set[str]] = defaultdict(set)
    for part in in_parts(sorted(campaigns)):
        rows = session.execute(
            select(Ad.campaign_id, Ad.platform, Ad.account).where(Ad.campaign_id.in_(part), Ad.account != "").distinct()
        )
        for campaign, platform, account in rows:
            named[campaign].add(f"{platform}/{account}")
    return {campaign: ", ".join(sorted(accounts)) for campaign, accounts in named.items() if campaign is not None}
