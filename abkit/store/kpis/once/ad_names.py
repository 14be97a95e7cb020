"""What is known of ads besides their figures, and which of them may be one by that: ids, names, accounts, files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from abkit.names import folded
from abkit.store.database.statements import among
from abkit.store.kpis.once.publishers import agree_on_platform
from abkit.store.schema import Ad, AdCreative, Kpi

MOST_EQUAL = 20  # names, or figures of one day, that more ads than this have tell none of them
_LONG_ID = 10  # digits that nobody counts up to: ids of platforms have more


@dataclass(frozen=True, kw_only=True)
class KnownAd:
    """What is known of an ad besides its figures."""

    platform: str
    account: str
    external_id: str
    creative_name: str
    campaign_id: int | None
    creatives: frozenset[int]

    @property
    def is_named(self) -> bool:
        """Whether the creative stands for the id."""
        name = self.creative_name
        return bool(name) and (self.external_id == name or self.external_id.endswith(f"/{name}"))

    def may_be(self, other: KnownAd) -> bool:
        """Return whether nothing rules out that both are one ad."""
        if self.creatives and other.creatives and not self.creatives & other.creatives:
            return False
        if self.external_id != other.external_id and not agree(self.account, other.account):
            return False
        return agree_on_platform(self.platform, other.platform)

    @property
    def has_long_id(self) -> bool:
        """Whether nobody counted its id up."""
        return len(self.external_id) >= _LONG_ID and self.external_id.isdigit()

    def named_alike(self, other: KnownAd) -> bool:
        """Return whether more than an id says that both are one: a name beside it, or the campaign."""
        if self.campaign_id is not None and self.campaign_id == other.campaign_id:
            return True
        same_name = bool(self.creative_name) and folded(self.creative_name) == folded(other.creative_name)
        return same_name and not (self.is_named or other.is_named)

    def related(self, other: KnownAd) -> bool:
        """Return whether their names say that they may be one."""
        if self.external_id == other.external_id:
            return True
        same_name = bool(self.creative_name) and folded(self.creative_name) == folded(other.creative_name)
        return same_name and (self.is_named or other.is_named)


def agree(one: str, other: str) -> bool:
    """Return whether two accounts may be one: one is not known, both are written alike, or one is an id, one a name.

    >>> agree("Acme", "ACME "), agree("act_1203", "1203"), agree("123-456-7890", "Acme"), agree("Acme", "Bolt")
    (True, True, True, False)
    """
    keys = _account_key(one), _account_key(other)
    return not one or not other or keys[0] == keys[1] or keys[0].isdigit() != keys[1].isdigit()


def _one_owner(one: KnownAd, other: KnownAd) -> bool:
    """Return whether two ads of one id may be of one account; one that was renamed has the same long ids as before."""
    renamed = one.has_long_id and not _account_key(one.account).isdigit() and not _account_key(other.account).isdigit()
    return renamed or agree(one.account, other.account)


def _account_key(account: str) -> str:
    key = folded(account).removeprefix("act_")
    digits = key.replace("-", "")
    return digits if digits.isdigit() else key


def known_ads(session: Session, ads: Collection[int]) -> dict[int, KnownAd]:
    """Return what is known of each of these ads."""
    creatives: dict[int, set[int]] = defaultdict(set)
    for ad, creative in session.execute(
        select(AdCreative.ad_id, AdCreative.creative_id).where(among(session, AdCreative.ad_id, ads))
    ):
        creatives[ad].add(creative)
    columns = (Ad.platform, Ad.account, Ad.external_id, Ad.creative_name, Ad.campaign_id)
    rows = session.execute(select(Ad.id, *columns).where(among(session, Ad.id, ads)))
    return {
        ad: KnownAd(
            platform=platform,
            account=account,
            external_id=external_id,
            creative_name=creative_name,
            campaign_id=campaign_id,
            creatives=frozenset(creatives[ad]),
        )
        for ad, platform, account, external_id, creative_name, campaign_id in rows
    }


def of_one_id(
    session: Session, ads: Collection[int], others: Collection[int]
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return the pairs that have one id, and of which one lacks its account or platform: first those of long ids.

    Platforms give a long id once. Figures need not agree: what came later may be corrected, or another period.
    """
    rows = session.execute(select(Ad.id, Ad.external_id).where(among(session, Ad.id, {*ads, *others})))
    owners: dict[str, list[int]] = defaultdict(list)
    for ad, external_id in rows:
        owners[external_id].append(ad)
    here, there = set(ads), set(others)
    pairs = {
        (one, two)
        for same in owners.values()
        if 1 < len(same) <= MOST_EQUAL
        for one in same
        for two in same
        if one in here and two in there and one != two and not (one > two and two in here and one in there)
    }
    if not pairs:
        return [], []
    known = known_ads(session, {ad for pair in pairs for ad in pair})
    fits = {(one, two) for one, two in pairs if known[one].may_be(known[two]) and _one_owner(known[one], known[two])}
    apart = sorted(never_together(session, fits))
    return [pair for pair in apart if known[pair[0]].has_long_id], [
        pair for pair in apart if not known[pair[0]].has_long_id
    ]


def by_name(known: Mapping[int, KnownAd], ads: Iterable[int], others: Iterable[int]) -> set[tuple[int, int]]:
    """Return the pairs whose names are related, where few ads have the name."""
    named: dict[str, set[int]] = defaultdict(set)
    for other in set(others):
        for name in {known[other].external_id, folded(known[other].creative_name)} - {""}:
            named[name].add(other)
    return {
        (ad, other)
        for ad in set(ads)
        for name in {known[ad].external_id, folded(known[ad].creative_name)} - {""}
        if len(named[name]) <= MOST_EQUAL
        for other in named[name]
        if known[ad].related(known[other])
    }


def never_together(session: Session, pairs: Collection[tuple[int, int]]) -> set[tuple[int, int]]:
    """Return the pairs that no import has together."""
    imports: dict[int, set[int]] = defaultdict(set)
    ads = {ad for pair in pairs for ad in pair}
    rows = select(Kpi.ad_id, Kpi.kpi_import_id).where(among(session, Kpi.ad_id, ads)).distinct()
    for ad, number in session.execute(rows):
        imports[ad].add(number)
    return {(one, two) for one, two in pairs if not imports[one] & imports[two]}


def one_each(pairs: Iterable[tuple[int, int]], known: Mapping[int, KnownAd]) -> list[tuple[int, int]]:
    """Return the pairs, best first, that leave no ad with two others of one account and kind of name."""
    taken: set[tuple[int, object]] = set()
    chosen = []
    for one, two in pairs:
        keys = [
            (ad, (known[other].platform, known[other].account, known[other].is_named))
            for ad, other in ((one, two), (two, one))
        ]
        if not taken.intersection(keys):
            taken.update(keys)
            chosen.append((one, two))
    return chosen
