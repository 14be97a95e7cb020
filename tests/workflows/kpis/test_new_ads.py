"""Ads that a plain file of days brings have nothing to compete with; only ads that were there are looked at again."""

from collections.abc import Collection
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from abkit.store.database.engine import Store
from abkit.store.kpis.once import counting
from abkit.store.schema import Ad, Kpi
from tests.kpi_files import rows, run_import, write

HEADER = "day,ad,age,impressions,clicks"


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[set[int]]:
    """The ads whose rows were compared, import by import."""
    settle, seen = counting._settle, list[set[int]]()

    def watched(session: Session, ads: Collection[int]) -> None:
        seen.append(set(ads))
        settle(session, ads)

    monkeypatch.setattr(counting, "_settle", watched)
    return seen


def ads_of(store: Store, *names: str) -> set[int]:
    with store.read() as session:
        return set(session.scalars(select(Ad.id).where(Ad.external_id.in_(names))))


def test_only_ads_that_were_there_are_looked_at_again(store: Store, tmp_path: Path, looked_at: list[set[int]]) -> None:
    run_import(store, write(tmp_path / "1.csv", rows("2026-01-01,101,,900,9", "2026-01-01,102,,800,8", header=HEADER)))
    assert looked_at == [set()]
    run_import(store, write(tmp_path / "2.csv", rows("2026-01-02,102,,700,7", "2026-01-02,103,,600,6", header=HEADER)))
    assert looked_at[1:] == [ads_of(store, "102")]


@pytest.mark.parametrize(
    ("lines", "header"),
    [
        (("2026-01-01,101,18-24,500,5", "2026-01-01,101,,900,9"), HEADER),
        (("2026-01-01,101,18-24,500,5", "2026-01-01,101,All,900,9"), HEADER),
        (
            ("2026-01-01,2026-01-01,101,500,5", "2026-01-01,2026-01-31,101,900,9"),
            "period_start,period_end,ad,impressions,clicks",
        ),
        (("2026-01-01,101,lead,900,5", "2026-01-01,101,sale,900,5"), "day,ad,event,impressions,clicks"),
    ],
)
def test_new_ads_of_a_file_of_several_kinds_are_looked_at(
    store: Store, tmp_path: Path, looked_at: list[set[int]], lines: tuple[str, ...], header: str
) -> None:
    run_import(store, write(tmp_path / "1.csv", rows(*lines, header=header)))
    assert looked_at[0] == ads_of(store, "101")
    with store.read() as session:
        assert sorted(one != "" for one in session.scalars(select(Kpi.left_out))) == [False, True]
