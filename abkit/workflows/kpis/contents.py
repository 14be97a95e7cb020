"""What a KPI file delivers as a whole: its accounts, days, ads and totals, kept with the import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from abkit.metrics import COUNTS, MONEY
from abkit.records import Record

if TYPE_CHECKING:
    import polars as pl

    from abkit.intake.kpis.rows.checks import CheckedRows

_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Account(Record):
    """An advertising account: the platform and what it calls the account; '' where the file does not say."""

    platform: str = ""
    account: str = ""

    @property
    def shown(self) -> str:
        """The account for a table."""
        return " / ".join(filter(None, (self.platform, self.account)))


@dataclass(frozen=True, kw_only=True)
class Contents(Record):
    """What the good rows of one file hold.

    Attributes:
        accounts: The accounts, by platform and name.
        first_day, last_day: Days that they span; None without any row.
        ads: Number of ads.
        campaigns: Number of campaigns.
        totals: Sums of impressions, clicks, conversions, spend and revenue, as far as the file has them.
        currencies: Of spend and revenue; with several, their sums mean nothing and are left out.
    """

    accounts: tuple[Account, ...] = ()
    first_day: date | None = None
    last_day: date | None = None
    ads: int = 0
    campaigns: int = 0
    totals: Mapping[str, float] = field(default_factory=dict)
    currencies: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the contents as the store keeps them."""
        return {"format": _FORMAT, **self.to_dict()}

    @classmethod
    def of_json(cls, kept: Mapping[str, Any] | None) -> Contents | None:
        """Return contents that the store kept; None where there are none that this version can read."""
        if not kept or kept.get("format") != _FORMAT:
            return None
        days = {name: date.fromisoformat(kept[name]) if kept[name] else None for name in ("first_day", "last_day")}
        return cls(
            accounts=tuple(Account(**account) for account in kept["accounts"]),
            first_day=days["first_day"],
            last_day=days["last_day"],
            ads=kept["ads"],
            campaigns=kept["campaigns"],
            totals=kept["totals"],
            currencies=tuple(kept["currencies"]),
        )


def contents_of(checked: CheckedRows) -> Contents:
    """Return what the good rows of a file hold."""
    rows, ads = checked.good.filter(checked.good["idle"] == 0), checked.ads
    used = ads.join(rows.select("ad_no").unique(), on="ad_no", how="semi")
    accounts = used.select("platform", "account").unique().sort("platform", "account")
    currencies = tuple(sorted(set(rows["currency"].unique()) - {""}))
    money = () if len(currencies) > 1 else MONEY
    sums = {name: _sum(rows, name) for name in (*COUNTS, *money)}
    return Contents(
        accounts=tuple(Account(platform=platform, account=account) for platform, account in accounts.iter_rows()),
        first_day=_day(rows["period_start"].min()),
        last_day=_day(rows["period_end"].max()),
        ads=used.height,
        campaigns=used.filter(used["campaign"] != "")["campaign"].n_unique(),
        totals={name: value for name, value in sums.items() if value is not None},
        currencies=currencies,
    )


def _sum(rows: pl.DataFrame, name: str) -> float | None:
    total = rows[name].sum() if rows[name].count() else None
    return total if isinstance(total, int | float) else None


def _day(value: object) -> date | None:
    return value if isinstance(value, date) else None
