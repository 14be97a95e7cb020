"""A value that is the sum of all others is found whichever ads of an export have it."""

import random
from collections.abc import Collection
from pathlib import Path

import pytest
from sqlalchemy import func, select

from abkit.intake.kpis.reading import KpiOptions
from abkit.store.database.engine import Store
from abkit.store.schema import Kpi
from abkit.workflows.kpis.import_kpis import import_files
from tests.kpi_files import write


@pytest.mark.parametrize("having", [range(100, 200), [7], [103, 117], [1, 2, 3]])
def test_it_is_found_in_few_of_two_hundred_ads(sqlite_store: Store, tmp_path: Path, having: Collection[int]) -> None:
    chance = random.Random(1)
    lines, impressions = ["Day,Ad ID,Age,Impressions,Clicks"], 0
    for ad in range(200):
        for number in (1, 2, 3):
            parts = [(age, chance.randint(900, 4000), chance.randint(10, 60)) for age in ("18-24", "25-34", "35-44")]
            shown, clicks = (sum(part[place] for part in parts) for place in (1, 2))
            impressions += shown
            if ad in having:
                parts.append(("Mixed bag", shown, clicks))
            lines += [f"2026-01-0{number},{ad},{','.join(map(str, part))}" for part in parts]
    said: list[str] = []
    import_files(sqlite_store, [write(tmp_path / "a.csv", "\n".join(lines) + "\n")], KpiOptions(), note=said.append)
    with sqlite_store.read() as session:
        assert session.scalar(select(func.sum(Kpi.impressions)).where(Kpi.left_out == "")) == impressions
    assert any("'Mixed bag'" in note for note in said)
