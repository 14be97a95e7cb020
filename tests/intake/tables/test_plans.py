"""Tables of a plan: read like all other tables, refused with the line that is wrong."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from abkit.errors import AbkitError
from abkit.intake.tables.plans import read_schedule, read_strata


def test_strata_and_schedules_are_read_from_text_and_spreadsheets(tmp_path: Path) -> None:
    (tmp_path / "strata.csv").write_text("Drawn in March\n\nstratum;geography\n1;DE\n1;FR\n\n2;ÖSTERREICH\n", "utf-16")
    assert read_strata(tmp_path / "strata.csv") == {"DE": "1", "FR": "1", "ÖSTERREICH": "2"}
    days = {date(2026, 3, 2): "old", date(2026, 3, 3): "new"}
    pl.DataFrame({"date": list(days), "variant": list(days.values())}).write_excel(tmp_path / "days.xlsx")
    assert read_schedule(tmp_path / "days.xlsx") == days


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("geography,stratum\nDE,1\nDE,2\n", "line 3 names 'DE' a second time"),
        ("geography,stratum\nDE,\n", "line 2 has an empty cell"),
        ("land,stratum\nDE,1\n", "no column 'geography'"),
    ],
)
def test_a_plan_that_is_not_clear_is_refused_with_the_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "strata.csv").write_text(text)
    with pytest.raises(AbkitError, match=said):
        read_strata(tmp_path / "strata.csv")


def test_a_day_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "days.csv").write_text("date,variant\n3 March,old\n")
    with pytest.raises(AbkitError, match="'3 March'; expected one such as 2026-03-02"):
        read_schedule(tmp_path / "days.csv")


def test_a_day_that_is_named_twice_in_two_spellings_is_refused(tmp_path: Path) -> None:
    (tmp_path / "days.csv").write_text("date,variant\n2026-03-02,old\n2026-03-02 00:00:00,new\n")
    with pytest.raises(AbkitError, match="2026-03-02 has two lines, old and new"):
        read_schedule(tmp_path / "days.csv")
