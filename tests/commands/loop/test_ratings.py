import json
from pathlib import Path

import pytest

from tests.commands.conftest import Here
from tests.images import save_images


def votes(folder: Path) -> Path:
    rows = [f"rater {r},{i}.png,{min(7, i % 5 + 1 + r // 2)}" for i in range(30) for r in range(4)]
    path = folder / "votes.csv"
    path.write_text("\n".join(["rater,image,score", *rows, "rater 0,0.png,1", "rater 0,x.png,99"]))
    return path


def test_agreement_says_how_many_ratings_an_image_needs_and_which_rows_were_refused(here: Here, tmp_path: Path) -> None:
    result = here("ratings", "agreement", votes(tmp_path), "--scale", "1..7", "-f", "json")
    assert result.returncode == 0, result.stderr
    figures = {row["figure"]: row["value"] for row in json.loads(result.stdout)}
    assert 0 < figures["icc_single"] < figures["icc_mean"] <= 1
    assert figures["ratings_for_reliability_0.9"] >= 1
    assert "2 rows could not be used, the first: line 122" in result.stderr


def test_the_raters_who_score_high_have_a_positive_bias(here: Here, tmp_path: Path) -> None:
    result = here("ratings", "agreement", votes(tmp_path), "--scale", "1..7", "--raters", "-f", "csv")
    bias = {row.split(",")[0]: float(row.split(",")[2]) for row in result.stdout.splitlines()[1:]}
    assert bias["rater 0"] == pytest.approx(-0.5, abs=0.1)
    assert bias["rater 3"] == pytest.approx(0.5, abs=0.1)


def test_a_table_without_raters_is_one_sentence(here: Here, tmp_path: Path) -> None:
    (tmp_path / "means.csv").write_text("image,mean,n\na.png,3,10\n")
    result = here("ratings", "agreement", tmp_path / "means.csv")
    assert result.returncode == 1
    assert "no column with the rater" in result.stderr
    assert "Traceback" not in result.stderr


def workspace(here: Here, folder: Path, rows: list[str], header: str = "rater,image,score") -> Path:
    """A workspace with images 0.png … 5.png and a table of labels."""
    assert here("init").returncode == 0
    for number, path in enumerate(save_images(folder / "images", 6)):
        path.rename(path.with_name(f"{number}.png"))
    table = folder / "labels.csv"
    table.write_text("\n".join([header, *rows]))
    return table


GOOD = [f"rater {r},{i}.png,{i % 5 + 1 + r}" for i in range(6) for r in range(2)]


def test_import_says_what_landed_and_agreement_reads_it_from_the_store(here: Here, tmp_path: Path) -> None:
    workspace(here, tmp_path, [*GOOD, "rater 0,0.png,1", "rater 5,gone.png,1"])
    options = ("ratings", "import", "labels.csv", "--images", "images", "--scale", "1..7", "-f", "json")
    (first,) = json.loads((said := here(*options)).stdout)
    assert said.returncode == 0
    assert (first["imported"], first["rejected"], first["source"], first["kind"]) == (12, 2, "labels", "votes")
    assert "line 14: the same rater voted on 0.png before, on line 2" in said.stderr
    assert "scale 1 to 7" in said.stderr
    (again,) = json.loads(here(*options).stdout)
    assert (again["imported"], again["unchanged"], again["again"]) == (0, 12, True)

    kept = json.loads(here("ratings", "rejects", "-f", "json").stdout)
    assert [row["line"] for row in kept] == [14, 15]
    read = here("ratings", "agreement", "-f", "json")
    assert "scale 1 to 7" in read.stderr
    figures = {row["figure"]: row for row in json.loads(read.stdout)}
    assert figures["icc_single"]["ci_low"] <= figures["icc_single"]["value"] <= figures["icc_single"]["ci_high"]
    assert figures["icc_single"]["n"] == 12
    assert figures["icc_single"]["run_id"] > 0
    raters = here("ratings", "agreement", "--raters", "-f", "csv").stdout
    assert "rater 0" not in raters, "the store knows pseudonyms only"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["a,0.png,9"], "no usable row; line 2: the score 9 is outside 1 to 7"),
        (["a,gone.png,3"], "none of the 1 images of labels.csv can be used in images; gone.png: "),
        (["a,../labels.csv,3"], "outside the folder of images"),
    ],
)
def test_a_table_of_which_nothing_can_be_imported_is_one_sentence(
    here: Here, tmp_path: Path, rows: list[str], said: str
) -> None:
    workspace(here, tmp_path, rows)
    result = here("ratings", "import", "labels.csv", "--images", "images", "--scale", "1..7")
    assert result.returncode == 1
    assert said in result.stderr
    assert result.stderr.count("Error:") == 1


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([row for row in GOOD if "rater 0" in row], "all 6 ratings of labels.csv are by one rater"),
        ([row[:-1] + "3" for row in GOOD], "all 12 ratings of labels.csv are 3: constant ratings"),
        ([f"rater {i},{i}.png,{i + 1}" for i in range(6)], "no image of labels.csv has two ratings"),
        (["rater 0,0.png,99"], "labels.csv has no usable vote; line 2: the score 99 is outside 1 to 7"),
    ],
    ids=["one rater", "constant", "one vote each", "out of range"],
)
def test_ratings_that_say_nothing_about_agreement_are_one_sentence(
    here: Here, tmp_path: Path, rows: list[str], said: str
) -> None:
    (tmp_path / "labels.csv").write_text("\n".join(["rater,image,score", *rows]))
    result = here("ratings", "agreement", "labels.csv", "--scale", "1..7")
    assert result.returncode == 1
    assert said in result.stderr
    assert result.stderr.count("Error:") == 1


@pytest.mark.parametrize("scale", ["7..1", "3..3", "1..inf", "nan..nan", "-1e308..1e308", "1..7..9"])
def test_a_scale_that_cannot_be_is_wrong_usage(here: Here, tmp_path: Path, scale: str) -> None:
    (tmp_path / "labels.csv").write_text("\n".join(["rater,image,score", *GOOD]))
    result = here("ratings", "agreement", "labels.csv", f"--scale={scale}")
    assert result.returncode == 2
    assert f"Error: --scale {scale!r} is not a scale" in result.stderr
    assert "such as 1..7" in result.stderr


def test_agreement_of_a_table_says_which_scale_was_found(here: Here, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("\n".join(["rater,image,score", *GOOD]))
    result = here("ratings", "agreement", "labels.csv", "-f", "json")
    assert result.returncode == 0, result.stderr
    assert "scale 1 to 7" in result.stderr


def test_a_table_whose_scale_hangs_on_a_slip_is_not_imported(here: Here, tmp_path: Path) -> None:
    rows = [f"rater {r},{i}.png,{(i + r) % 7 + 1}" for i in range(6) for r in range(20)]
    workspace(here, tmp_path, [*rows, "rater 20,0.png,8"])
    options = ("ratings", "import", "labels.csv", "--images", "images")
    result = here(*options)
    assert result.returncode == 1
    assert "1 of 121 ratings lies beyond 1 to 7 (the first: 8 on line 122)" in result.stderr
    assert "--scale 1..7" in result.stderr
    assert "scale 1 to 7" in here(*options, "--scale", "1..7").stderr


def test_comparisons_have_no_scale(here: Here, tmp_path: Path) -> None:
    workspace(here, tmp_path, ["ann,0.png,1.png,left"], "rater,image_left,image_right,choice")
    result = here("ratings", "import", "labels.csv", "--images", "images")
    assert result.returncode == 0, result.stderr
    assert "scale" not in result.stderr


def test_a_store_without_ratings_says_how_they_get_there(here: Here) -> None:
    here("init")
    result = here("ratings", "agreement")
    assert result.returncode == 1
    assert "the store has no single ratings" in result.stderr
    assert "abkit ratings import" in result.stderr
