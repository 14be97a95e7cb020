"""`abkit model compare` with several encoders: whether another one pays on labels of one's own, and at what cost."""

import json
from pathlib import Path

import numpy as np
import pytest

from abkit_model.evaluation.metrics import Estimate
from abkit_model.studies.encoders import verdict_of
from abkit_model.training import ratings
from tests.commands.conftest import Here
from tests.commands.model.conftest import NAME
from tests.images import save_images
from tests.remote_files import Server

LITE = ("--encoder", "bundled:efficientnet-lite0")
SMALL = ("--encoder", f"{NAME}@size=64")
TABLE = ("ratings.csv", "--images", "images", "--group-column", "subject")
COLUMNS = {"encoder", "srcc", "gain", "gain_low", "gain_high", "seconds_per_1000", "cost_per_1000", "verdict", "n"}


@pytest.fixture
def labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images of ten subjects, some of them unreadable, and random ratings on 1…5; training is over at once."""
    random = np.random.default_rng(0)
    rows = ["file,n1,n2,n3,n4,n5,subject"]
    for number, path in enumerate(save_images(tmp_path / "images", 24, size=(64, 64))):
        rows.append(",".join([path.name, *map(str, random.integers(1, 9, 5)), f"s{number % 10}"]))
    (tmp_path / "images" / "broken.png").write_bytes(b"no image")
    (tmp_path / "ratings.csv").write_text("\n".join([*rows, "broken.png,1,2,3,4,5,s1"]))
    monkeypatch.setattr(ratings.RatingLabels, "loss", lambda *_: None)  # the closed form alone


def test_a_pulled_encoder_is_held_against_the_bundled_one_with_its_cost(here: Here, hub: Server, labels: None) -> None:
    assert here("encoder", "pull", NAME, "--yes").returncode == 0
    compare = ("model", "compare", *TABLE, *LITE, *SMALL, "--repeats", "1", "--core-hour", "36", "--currency", "EUR")
    done = here(*compare, "-f", "json")
    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout)
    assert set(first) >= COLUMNS
    assert (first["encoder"], first["gain"], first["verdict"], first["n"]) == (LITE[1], None, "", 24)
    assert second["gain_low"] <= second["gain"] <= second["gain_high"]
    assert second["gain"] == pytest.approx(second["srcc"] - first["srcc"])
    ends = Estimate(second["gain"], second["gain_low"], second["gain_high"])
    assert second["verdict"] == verdict_of(ends, second["seconds_per_1000"] / first["seconds_per_1000"], 0.02)
    for row in (first, second):
        assert row["seconds_per_1000"] > 0
        assert row["cost_per_1000"] == pytest.approx(row["seconds_per_1000"] / 100)  # 36 an hour is 0.01 a second
    assert "--least-gain" in done.stderr


def test_an_encoder_that_is_not_here_costs_no_time(
    here: Here, labels: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ABKIT_ENCODERS", str(tmp_path / "none"))
    monkeypatch.setattr("abkit_model.data.dataset.load_dataset", lambda *_, **__: pytest.fail("the work was begun"))
    done = here("model", "compare", *TABLE, *LITE, *SMALL)
    assert done.returncode == 1
    assert f"abkit encoder pull {NAME}" in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((*LITE, "--core-hour", "1"), "--core-hour can only be used where encoders are compared"),
        ((*LITE, *SMALL, "--jobs", "2"), "--jobs cannot be used where encoders are compared"),
        ((*LITE, *SMALL, "--chart", "x.svg"), "--chart cannot be used where encoders are compared"),
        ((*LITE, *LITE), "an encoder is named twice"),
        ((*LITE, *SMALL, "--least-gain", "2"), "--least-gain 2.0 is not a gain"),
        ((*LITE, *SMALL, "--core-hour", "nan"), "--core-hour nan is not a price"),
        (tuple(part for n in range(11) for part in ("--encoder", f"timm:m{n}")), "11 encoders are named"),
    ],
)
def test_options_that_mean_nothing_here_are_refused_before_the_work(
    here: Here, labels: None, options: tuple[str, ...], said: str
) -> None:
    done = here("model", "compare", *TABLE, *options)
    assert done.returncode != 0
    assert said in done.stderr


def test_comparisons_are_refused(here: Here, labels: None, tmp_path: Path) -> None:
    (tmp_path / "votes.csv").write_text("a,b,winner\n000.png,001.png,a\n")
    done = here("model", "compare", "votes.csv", "--images", "images", *LITE, *SMALL)
    assert done.returncode != 0
    assert "is a table of comparisons" in done.stderr


def test_columns_with_other_names_are_asked_about_with_the_whole_command(
    here: Here, hub: Server, labels: None, tmp_path: Path
) -> None:
    (tmp_path / "stars.csv").write_text("picture,stars\n000.png,1\n001.png,2\n")
    assert here("encoder", "pull", NAME, "--yes").returncode == 0
    done = here("model", "compare", "stars.csv", "--images", "images", *LITE, *SMALL, "--core-hour", "0.1")
    assert done.returncode == 1
    assert f"--encoder {LITE[1]} --encoder {NAME}@size=64 --core-hour 0.1" in done.stderr.replace("\n", " ")
