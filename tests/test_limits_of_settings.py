"""Numbers of the configuration have limits, and a file that is none is refused before it is read."""

import os
import re
from pathlib import Path

import pytest

from abkit.config import KpiSettings, SourceSettings, WebSettings, load_settings
from abkit.errors import UsageError
from abkit.intake.kpis import files
from abkit.intake.kpis.rows.checks import LONGEST_NAME
from abkit.intake.kpis.times.dates import MOST_DATES
from abkit.intake.remote.buckets import MOST_LISTED
from abkit.jobs.work import openings
from abkit.store.catalog.creatives import find_campaign
from abkit.store.database.engine import Store
from abkit.store.jobs.requests import TIME_LIMIT_S
from abkit.workflows import uploads
from abkit_model import limits
from abkit_model.decoding import film_worker, video
from abkit_model.limits import MAX_TEXT_BYTES

DOCS = Path(__file__).parent.parent / "docs"
MB, MILLION = 2**20, 10**6


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


def _figures(page: str, heading: str) -> dict[str, list[float]]:
    """Return the numbers in the last column of a table, by the first column."""
    part = (DOCS / page).read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("| ")][2:]
    return {what: [float(one.replace(",", "")) for one in re.findall(r"\d[\d,]*", limit)] for what, limit in rows}


def _of(kinds: type, name: str) -> float:
    return float(kinds.model_fields[name].default)  # type: ignore[attr-defined]


def test_the_limits_of_tables_are_on_their_page() -> None:
    assert _figures("kpi-files.md", "Limits") == {
        "size of a file, `[kpi] max_file_mb`": [_of(KpiSettings, "max_file_mb")],
        "rows, `[kpi] max_rows`": [_of(KpiSettings, "max_rows")],
        "columns": [limits.MAX_COLUMNS],
        "size of a packed file (gzip, ZIP, a spreadsheet, Parquet) once it is unpacked": [
            limits.MAX_UNPACKED_RATIO,
            limits.FREE_UNPACKED_BYTES / MB,
        ],
        "cells of a spreadsheet, filled or not": [limits.MAX_CELLS, limits.FREE_CELLS, limits.MAX_CELLS_RATIO],
        "rows that do not have the cells of the header": [limits.MAX_BROKEN_ROWS],
        "different spellings of dates": [MOST_DATES],
        "letters of a name": [LONGEST_NAME],
        "processor time to read a file": [limits.MAX_TABLE_SECONDS],
        "time of a query (`--query`)": [files._QUERY_S],
        "files of one upload": [uploads.MOST_FILES],
        "a request to the page with all its files, `[web] max_upload_mb`": [_of(WebSettings, "max_upload_mb")],
        "deaths of a job or of the page over a file, until it is not opened again": [openings.MOST_DEATHS],
    }
    page = (DOCS / "kpi-files.md").read_text()
    source = SourceSettings.model_fields
    for said in (
        f"{MOST_LISTED:,} objects in the listing",
        f"`max_mb` ({source['max_mb'].default:g} MB)",
        f"`timeout_seconds` ({source['timeout_seconds'].default:g} s)",
    ):
        assert said in page


def test_the_fixed_limits_are_on_the_page_of_the_configuration() -> None:
    assert _figures("configuration.md", "Limits that are fixed") == {
        "a side of an image": [limits.MIN_SIDE],
        "pixels of an image": [limits.MAX_PIXELS / MILLION, limits.MAX_WEBP_PIXELS / MILLION],
        "size of an image, whatever `max_file_mb` says": [limits.MAX_IMAGE_BYTES / MB],
        "scans of a progressive JPEG": [limits.MAX_SCANS, limits.MAX_SCANNED_PIXELS / MILLION],
        "frames of an animation, pages of a TIFF, images of a HEIC": [limits.MAX_FRAMES],
        "length of a video": [film_worker.MAX_SECONDS],
        "processor time, and time by the clock, to decode a video": [film_worker._CPU_SECONDS],
        "levels of folders, files and folders below the one that is named": [
            limits.MAX_FOLDER_LEVELS,
            limits.MAX_ENTRIES,
        ],
        "card of a checkpoint": [limits.MAX_CARD_BYTES / MB],
        "weights of a checkpoint": [limits.MAX_WEIGHTS_BYTES / MB, limits.MAX_PARAMETERS / MILLION],
        "a file of settings, recipes, a query or a secret": [MAX_TEXT_BYTES / MB],
        "a job that somebody asked for on the page": [TIME_LIMIT_S],
        "deaths of a job over one file or image, until it is left out": [openings.MOST_DEATHS],
        "deaths in a row of the same request, until an alert is opened": [openings.MOST_DEATHS],
    }
    assert video.MAX_DECODE_SECONDS == film_worker._CPU_SECONDS
