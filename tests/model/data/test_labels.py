import gzip
from pathlib import Path

import numpy as np
import pytest

from abkit_model.data import csv_table, rating_rows
from abkit_model.data.labels import read_ratings
from abkit_model.errors import LabelError


def table(tmp_path: Path, text: str, name: str = "ratings.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def histogram_rows(n: int = 25) -> list[str]:
    return [f"{i}.jpg,{i % 5 + 1},{i % 3},4,2,subject {i // 2}" for i in range(n)]


HEADER = "file,n1,n2,n3,n4,subject"


def test_it_reads_histograms_with_their_groups(tmp_path: Path) -> None:
    ratings = read_ratings(table(tmp_path, "\n".join([HEADER, *histogram_rows()])), group_column="subject")
    assert ratings.layout == "histogram"
    assert (ratings.scale.low, ratings.scale.high, ratings.scale.bins) == (1, 4, 4)
    assert ratings.distributions[1].tolist() == pytest.approx([2 / 9, 1 / 9, 4 / 9, 2 / 9])
    assert ratings.groups[:3] == ("subject 0", "subject 0", "subject 1")
    assert ratings.counts[0] == 7
    assert not ratings.rejected


def test_it_reads_votes_and_refuses_bad_ones_one_by_one(tmp_path: Path) -> None:
    rows = [f"rater {r},{i}.png,{(i + r) % 7 + 1}" for i in range(30) for r in range(2 + i % 2)]
    bad = ["rater 0,0.png,3", "rater 9,1.png,8", "rater 9,1.png,lovely", ",1.png,3", "rater 1,once.png,4"]
    path = table(tmp_path, "\n".join(["rater,image,score", *rows, *bad]))
    ratings = read_ratings(path, scale=(1, 7))
    assert ratings.layout == "votes"
    assert len(ratings.images) == 30
    reasons = dict(ratings.rejected)
    first = len(rows) + 2
    assert "voted on 0.png before" in reasons[first]
    assert "outside 1 to 7" in reasons[first + 1]
    assert "not a number" in reasons[first + 2]
    assert "no rater" in reasons[first + 3]
    assert "1 vote; 2 are needed" in reasons[first + 4]


def test_it_reads_means_and_keeps_them(tmp_path: Path) -> None:
    rows = [f"{i}.jpg,{1.5 + i / 10},20,{0.8 + i / 50}" for i in range(30)]
    ratings = read_ratings(table(tmp_path, "\n".join(["image,mean,n,sd", *rows])))
    assert ratings.layout == "mean"
    assert ratings.scale.high == 5
    assert ratings.means == pytest.approx([1.5 + i / 10 for i in range(30)], abs=1e-6)


def test_it_reads_the_layout_of_ava(tmp_path: Path) -> None:
    rows = [f"{i} {1000 + i} 0 1 5 17 {38 + i} 36 15 6 5 1 1 22 1396" for i in range(1, 31)]
    ratings = read_ratings(table(tmp_path, "\n".join([*rows, "31 1031 0 1 5"]), "AVA.txt"))
    assert ratings.layout == "ava"
    assert ratings.images[0] == "1001.jpg"
    assert ratings.scale.bins == 10
    assert ratings.rejected == ((31, "not a line of AVA's layout: index, image id, ten counts"),)


def test_it_refuses_duplicates_negative_counts_and_empty_histograms(tmp_path: Path) -> None:
    bad = ["0.jpg,1,1,1,1,x", "a.jpg,-1,2,2,2,x", "b.jpg,0,0,0,0,x", "c.jpg,,1,1,1,x"]
    ratings = read_ratings(table(tmp_path, "\n".join([HEADER, *histogram_rows(), *bad])))
    assert [line for line, _ in ratings.rejected] == [27, 28, 29, 30]
    assert len(ratings.images) == 25


def test_a_table_that_teaches_nothing_is_refused_in_one_sentence(tmp_path: Path) -> None:
    constant = "\n".join([HEADER, *(f"{i}.jpg,1,2,2,1,x" for i in range(30))])
    for text, message in [
        (constant, "same mean rating"),
        ("\n".join([HEADER, *histogram_rows(5)]), "usable ratings of 5 images"),
        ("image,colour\na.jpg,red", "none of the known layouts"),
        ("colour,n1,n2\nred,1,2", "no column with the file name"),
        ("file,n1,n3\na.jpg,1,2", "leave out a step"),
        ("", "the file is empty"),
    ]:
        with pytest.raises(LabelError, match=message):
            read_ratings(table(tmp_path, text))
    with pytest.raises(LabelError, match="cannot be read"):
        read_ratings(tmp_path / "missing.csv")
    with pytest.raises(LabelError, match="no column 'theme'"):
        read_ratings(table(tmp_path, "\n".join([HEADER, *histogram_rows()])), group_column="theme")
    (tmp_path / "binary.csv").write_bytes(bytes(range(256)))
    with pytest.raises(LabelError, match="UTF-8"):
        read_ratings(tmp_path / "binary.csv")


def test_votes_of_one_rater_are_too_few(tmp_path: Path) -> None:
    rows = [f"me,{i}.png,{i % 5 + 1}" for i in range(30)]
    with pytest.raises(LabelError, match="all 30 ratings are by one rater"):
        read_ratings(table(tmp_path, "\n".join(["rater,image,score", *rows])))


def test_corrected_targets_take_a_strict_raters_strictness_out(tmp_path: Path) -> None:
    """Half of the images were seen by two strict raters more: their plain means are too low."""
    rng = np.random.default_rng(0)
    rows, liked = [], {}
    for i in range(60):
        liked[f"{i}.png"] = 4 + i % 3
        raters = [(f"r{r}", 0) for r in range(5)] + ([("strict", -2), ("harsh", -2)] if i < 30 else [])
        rows += [f"{who},{i}.png,{4 + i % 3 + bias + rng.integers(-1, 2)}" for who, bias in raters]
    path = table(tmp_path, "\n".join(["rater,image,score", *rows]))
    truth = np.array(list(liked.values()))
    gap = {}
    for correct in (False, True):
        ratings = read_ratings(path, scale=(1, 7), correct_raters=correct)
        assert ratings.distributions.sum(axis=1) == pytest.approx(1)
        assert ratings.corrected is correct
        off = ratings.means - truth
        gap[correct] = abs(off[:30].mean() - off[30:].mean())
    assert gap[False] > 0.4
    assert gap[True] < 0.25  # noise alone: 0.1 to one standard error


def test_a_table_that_unpacks_to_more_than_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_table, "MAX_BYTES", 10**6)
    (tmp_path / "bomb.csv.gz").write_bytes(gzip.compress(b"0" * 2**22))
    with pytest.raises(LabelError, match="more than 1 MB"):
        read_ratings(tmp_path / "bomb.csv.gz")
    endless = table(tmp_path, 'image,mean,n\n"' + "x" * 200_000)
    with pytest.raises(LabelError, match="line 2: a cell of more than 131,072 characters"):
        read_ratings(endless)


def test_blank_lines_and_quoted_line_breaks_do_not_shift_the_lines_of_reasons(tmp_path: Path) -> None:
    rows = [f"{i}.jpg,{i % 5 + 1},{i % 3},4,2,s" for i in range(20)]
    ratings = read_ratings(table(tmp_path, "\n".join([HEADER, "", '"a', 'b",1,1,1,1,s', *rows, "c.jpg,x,1,1,1,s"])))
    assert ratings.rejected == (
        (3, "a name has a character that cannot be printed"),
        (25, "a count is missing or is not a number"),
    )


@pytest.mark.realdata
def test_it_reads_the_beauty_ratings(testdata: Path) -> None:
    ratings = read_ratings(testdata / "oasis_beauty" / "ratings_per_image.csv", group_column="subject")
    assert len(ratings.images) == 616
    assert ratings.counts.sum() == 117_390
    assert not ratings.rejected
    assert np.isfinite(ratings.distributions).all()


@pytest.mark.parametrize(
    ("text", "score"), [("3,5", 3.5), ("3.512", 3.512), ("3,512", 3.512), ("３．５", 3.5), ("$3", None), ("3%", None)]
)
def test_ratings_are_numbers_of_any_locale_and_the_scale_says_what_cannot_be_meant(
    tmp_path: Path, text: str, score: float | None
) -> None:
    (tmp_path / "votes.csv").write_text(f"image;rater;score\na.jpg;r;{text}\nb.jpg;r;5\n")
    found = rating_rows.read_rows(tmp_path / "votes.csv")
    assert [vote.score for vote in found.votes] == ([] if score is None else [score]) + [5.0]
    assert len(found.rejected) == (score is None)


def test_counts_of_ratings_that_could_be_two_figures_refuse_the_table(tmp_path: Path) -> None:
    (tmp_path / "means.csv").write_text("image;mean;n\na.jpg;3,5;1.200\nb.jpg;4,5;900\n")
    with pytest.raises(LabelError, match=r"'n': '1\.200' is 1\.2 or 1200"):
        rating_rows.read_rows(tmp_path / "means.csv")
