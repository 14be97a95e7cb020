"""`abkit preflight`: exit codes, forms, the summary, and that it needs no workspace and no heavy library."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from abkit.reporting.tables.preflight.summary import MOST_BYTES, summary
from abkit.workflows.preflight.check import preflight
from tests.commands.conftest import Here
from tests.images import make_image
from tests.workflows.preflight.files import animated

HEAVY = ("torch", "scipy", "statsmodels", "pandas", "polars", "sqlalchemy", "altair", "cv2")


def test_it_exits_with_3_where_something_fails_and_with_0_where_not(here: Here, tmp_path: Path) -> None:
    make_image(1, (1080, 1080)).save(tmp_path / "a.png")
    good = here("preflight", "a.png", "--placement", "meta-feed")
    assert good.returncode == 0
    assert "1 file at meta-feed: 0 fail, 0 warn, 1 pass" in good.stdout
    assert "table 1 of 2026-" in good.stdout
    bad = here("preflight", "a.png", "--placement", "meta-feed,google-300x250")
    assert bad.returncode == 3
    assert "1080×1080 is not 300×250" in bad.stdout
    assert not (tmp_path / "abkit.db").exists()


def test_it_says_what_it_checked_and_never_that_all_is_well(here: Here, tmp_path: Path) -> None:
    make_image(1, (1080, 1080)).save(tmp_path / "a.png")
    said = here("preflight", "a.png", "-p", "meta-feed")
    assert "meta-feed: checked readable, blank, duplicate, marks, format, size, ratio, weight" in said.stderr
    assert "the table has no figure for animation, zones, text" in said.stderr
    assert "C2PA manifest: 1 absent" in said.stderr
    assert "an estimate" in said.stderr
    for word in ("compliant", "approved", "guarantee"):
        assert word not in (said.stdout + said.stderr).lower()


def test_json_and_csv_have_every_figure(here: Here, tmp_path: Path) -> None:
    animated(tmp_path / "a.gif", 500, loop=0)
    made = here("preflight", "a.gif", "-p", "google-300x250", "-f", "json")
    file = json.loads(made.stdout)["files"][0]
    assert (file["frames"], file["seconds"], file["width"]) == (4, 2.0, 300)
    (finding,) = file["placements"][0]["findings"]
    assert (finding["check"], finding["verdict"]) == ("animation", "fail")
    assert finding["source"] == "https://support.google.com/google-ads/answer/1722096"
    (row,) = csv.DictReader(io.StringIO(here("preflight", "a.gif", "-p", "google-300x250", "-f", "csv").stdout))
    assert row["verdict"] == "fail"
    assert "plays for ever" in row["reasons"]


def test_the_table_of_placements_can_be_read(here: Here) -> None:
    rows = json.loads(here("preflight", "--list", "-f", "json").stdout)
    assert "meta-feed" in {row["placement"] for row in rows}
    assert all("https://" in row["sources"] or "http://" in row["sources"] for row in rows)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("a.png",), "no placement is named"),
        (("--placement", "meta-feed"), "there is nothing to check"),
        (("a.png", "--placement", "myspace"), "there is no placement 'myspace'"),
    ],
)
def test_what_cannot_be_asked_exits_with_2(here: Here, tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    make_image(1).save(tmp_path / "a.png")
    refused = here("preflight", *arguments)
    assert refused.returncode == 2
    assert said in refused.stderr


def test_the_summary_has_a_row_per_placement_and_small_images(here: Here, tmp_path: Path) -> None:
    make_image(1, (1080, 1080)).save(tmp_path / "a.png")
    make_image(7, (1080, 1080)).save(tmp_path / "b.png")
    assert here("preflight", "a.png", "b.png", "-p", "meta-feed,google-300x250", "--summary", "s.md").returncode == 3
    text = (tmp_path / "s.md").read_text()
    assert text.startswith("## abkit preflight: ❌ fail")
    assert text.count("data:image/webp;base64,") == 2
    assert text.count("| ❌ fail |") == text.count("| ✅ pass |") == 2
    assert "https://support.google.com/google-ads/answer/1722096" in text
    assert "table 1 of 2026" in text
    at = here("preflight", "a.png", "-p", "meta-feed", "--summary", "s.md", "--images-at", "https://example.com/raw/1")
    assert at.returncode == 0
    assert '<img src="https://example.com/raw/1/a.png"' in (tmp_path / "s.md").read_text()
    refused = here("preflight", "a.png", "-p", "meta-feed", "--summary", "none/s.md")
    assert refused.returncode == 1
    assert "cannot be written" in refused.stderr


def test_names_of_files_cannot_break_the_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "a|b`<img src=x onerror=1>[c](d)\n## e.png"
    make_image(1, (1080, 1080)).save(tmp_path / "x.png")
    (tmp_path / "x.png").rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    result = preflight([Path(name)], ["meta-feed"])
    for text in (summary(result), summary(result, images_at="https://example.com")):
        assert "<img src=x" not in text
        assert "[c](d)" not in text
        assert not any(line.startswith("## e") for line in text.splitlines())
        (row,) = [line for line in text.splitlines() if "meta-feed" in line and line.startswith("|")]
        assert row.count("|") == 6


def test_the_summary_stays_within_its_limit_and_keeps_what_fails(tmp_path: Path) -> None:
    for seed in range(8):
        make_image(seed, (1080, 1080)).save(tmp_path / f"good{seed}.png")
    make_image(20, (100, 100)).save(tmp_path / "zz_small.png")
    result = preflight([tmp_path], ["meta-feed"])
    whole = summary(result)
    assert len(whole.encode()) < MOST_BYTES
    assert whole.count("data:image") == 9
    short = summary(result, most_bytes=5_000)
    assert len(short.encode()) <= 5_000
    assert "zz&#95;small.png" in short
    assert "more files have no room here" in short
    assert "Placements: table" in short


def test_it_loads_nothing_heavy(tmp_path: Path) -> None:
    make_image(1, (1080, 1080)).save(tmp_path / "a.png")
    code = (
        "import sys; from abkit.commands.app import main\n"
        "try: main(['-q', 'preflight', 'a.png', '-p', 'meta-feed'])\n"
        "finally: print([name for name in sys.argv[1:] if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *HEAVY], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stderr.strip() == "[]"
