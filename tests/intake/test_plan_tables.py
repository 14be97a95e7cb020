"""Small tables of a plan: strata of geographies, days of variants; a line that is wrong is refused by its number."""

from datetime import date
from pathlib import Path

import pytest

from abkit.errors import InvalidInput, UsageError
from abkit.intake.plan_tables import read_schedule, read_strata


def written(folder: Path, content: str) -> Path:
    path = folder / "plan.csv"
    path.write_text(content, encoding="utf-8-sig")
    return path


def test_strata_and_schedules_are_read_whatever_the_order_of_the_columns_and_the_sign_between(tmp_path: Path) -> None:
    assert read_strata(written(tmp_path, "geography,stratum\nDE,1\n\nFR, 1\n")) == {"DE": "1", "FR": "1"}
    assert read_strata(written(tmp_path, "Stratum;Geography\nlarge;DE\n")) == {"DE": "large"}
    assert read_schedule(written(tmp_path, "date,variant\n2026-03-02,new\n")) == {date(2026, 3, 2): "new"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("geography,stratum\nDE,1\nDE,2\n", "line 3 names 'DE' a second time"),
        ("geography,stratum\nDE\n", "line 2 has 1 cells, or an empty one"),
        ("geography,stratum\nDE,\n", "line 2 has 2 cells, or an empty one"),
        ("country,stratum\nDE,1\n", "has the columns country, stratum"),
        ("", "has the columns none"),
    ],
)
def test_what_is_no_such_table_is_refused_with_what_is_wrong(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises((InvalidInput, UsageError), match=said):
        read_strata(written(tmp_path, content))


def test_a_date_that_is_none_and_a_file_that_is_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"the date is '02\.03\.2026'"):
        read_schedule(written(tmp_path, "date,variant\n02.03.2026,new\n"))
    with pytest.raises(UsageError, match="cannot be read"):
        read_schedule(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"date,variant\n\xff\xfe,new\n")
    with pytest.raises(UsageError, match="not a CSV file in UTF-8"):
        read_schedule(tmp_path / "binary.csv")
