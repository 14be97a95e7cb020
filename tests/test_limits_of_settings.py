"""Numbers of the configuration have limits, and a file that is none is refused before it is read."""

import os
from pathlib import Path

import pytest

from abkit.config import load_settings
from abkit.errors import UsageError
from abkit.store.catalog.creatives import find_campaign
from abkit.store.database.engine import Store
from abkit_model.limits import MAX_TEXT_BYTES


def refusal(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        load_settings(path)
    return caught.value.message


@pytest.mark.parametrize(
    ("section", "line"),
    [
        ("drift", "reference_days = 1000000000000"),
        ("drift", "delay_days = 99999999999999999999999999"),
        ("drift", "ks_watch = inf"),
        ("alerts", "repeat_hours = 1e300"),
        ("alerts", "calm_hours = nan"),
        ("daemon", "backoff_seconds = 1e18"),
        ("daemon", "attempts = 100000"),
        ("kpi", "max_file_mb = inf"),
        ("kpi", "max_rows = 1000000000000000000000"),
    ],
)
def test_a_number_that_nobody_can_mean_is_refused_with_the_limit(tmp_path: Path, section: str, line: str) -> None:
    path = tmp_path / "abkit.toml"
    path.write_text(f"[{section}]\n{line}\n")
    message = refusal(path)
    assert section in message
    assert line.split(" ")[0] in message


def test_large_numbers_that_somebody_can_mean_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "abkit.toml"
    path.write_text("[drift]\nreference_days = 3650\n[kpi]\nmax_file_mb = 500000\nmax_rows = 10000000000\n")
    assert load_settings(path).kpi.max_rows == 10_000_000_000


def test_what_is_no_configuration_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "abkit.toml"
    os.mkfifo(path)
    assert "no configuration file" in refusal(path)
    path.unlink()
    path.write_text("#" * (MAX_TEXT_BYTES + 1))
    assert "larger than 4 MB" in refusal(path)
    path.write_text("a = " + "[" * 100_000)
    assert "nested too deeply" in refusal(path)


@pytest.mark.parametrize("key", ["", "  ", "\t\n", "spring\udcff", "a\0b"])
def test_a_campaign_key_that_is_blank_or_no_text_is_refused_with_what_to_do(sqlite_store: Store, key: str) -> None:
    with sqlite_store.read() as session, pytest.raises(UsageError) as caught:
        find_campaign(session, key)
    assert caught.value.hint
