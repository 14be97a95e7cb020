from pathlib import Path

import pytest

from abkit_model.data.comparisons import is_comparison_table, read_comparisons, read_single_comparisons
from abkit_model.errors import LabelError


def table(tmp_path: Path, text: str, name: str = "comparisons.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


VOTES = """rater,image_left,image_right,choice
ann,a.jpg,b.jpg,left
bob,b.jpg,a.jpg,left
eve,a.jpg,b.jpg,a.jpg
kim,a.jpg,b.jpg,tie
ann,b.jpg,c.jpg,right
"""


def test_votes_on_a_pair_are_counted_whichever_way_round_it_was_shown(tmp_path: Path) -> None:
    found = read_comparisons(table(tmp_path, VOTES))
    assert found.images == ("a.jpg", "b.jpg", "c.jpg")
    assert found.first.tolist() == [0, 1]
    assert found.second.tolist() == [1, 2]
    assert found.share.tolist() == pytest.approx([2.5 / 4, 0.0])
    assert found.weight.tolist() == [4, 1]
    assert not found.rejected


def test_rows_that_cannot_be_are_refused_with_their_line_and_reason(tmp_path: Path) -> None:
    bad = {
        "ann,b.jpg,a.jpg,right": "the same rater chose between a.jpg and b.jpg before, on line 2",
        "zoe,a.jpg,a.jpg,left": "compared with itself",
        "zoe,a.jpg,b.jpg,middle": "'middle' is neither left nor right",
        "zoe,,b.jpg,left": "not named",
        ",a.jpg,c.jpg,left": "no rater",
        f"zoe,{'x' * 600},b.jpg,left": "longer than 500",
        "zoe,a\x1b.jpg,b.jpg,left": "cannot be printed",
    }
    found = read_comparisons(table(tmp_path, VOTES + "\n".join(bad)))
    assert [line for line, _ in found.rejected] == list(range(7, 14))
    for (_, reason), expected in zip(found.rejected, bad.values(), strict=True):
        assert expected in reason
    assert found.weight.sum() == 5


def test_outcomes_of_ab_tests_come_as_shares_with_weights_or_as_wins(tmp_path: Path) -> None:
    shares = "image_a,image_b,share,weight\na,b,0.9,20\nb,a,0.9,20\nb,c,0.7,1.5\nc,a,1.2,3\nc,a,0.5,0\n"
    found = read_comparisons(table(tmp_path, shares))
    assert found.share.tolist() == pytest.approx([0.5, 0.7])
    assert found.weight.tolist() == [40, 1.5]
    assert [reason for _, reason in found.rejected] == [
        "the share '1.2' is not between 0 and 1",
        "the weight '0' is not above 0",
    ]
    wins = read_comparisons(table(tmp_path, "image_a;image_b;wins_a;wins_b\na;b;3;1\nb;c;0;4\nc;a;0;0\n"))
    assert wins.share.tolist() == [0.75, 0.0]
    assert wins.weight.tolist() == [4, 4]
    assert len(wins.rejected) == 1
    pairs = read_comparisons(table(tmp_path, "winner,loser\na,b\nc,b\n"))
    assert pairs.share.tolist() == [1.0, 0.0]


def test_a_table_of_choices_that_teaches_nothing_is_one_sentence(tmp_path: Path) -> None:
    for text, message in [
        ("image_a,image_b\na,b\n", "does not say which image was chosen"),
        ("image_a,choice\na,left\n", "no column with the second image"),
        ("image_a,image_b,choice\na,b,left\n", "comparisons of 1 pair, 2 are needed"),
        ("image_a,image_b,choice\na,b,tie\nb,c,tie\n", "every pair is a tie"),
        ("", "the file is empty"),
    ]:
        with pytest.raises(LabelError, match=message):
            read_comparisons(table(tmp_path, text))
    (tmp_path / "cut.csv.gz").write_bytes(b"\x1f\x8b\x08\x00broken")
    with pytest.raises(LabelError, match="cannot be read"):
        read_comparisons(tmp_path / "cut.csv.gz")


def test_single_choices_keep_rater_and_time(tmp_path: Path) -> None:
    text = "rater,image_a,image_b,choice,time\nann,a,b,b,2024-05-01T10:00:00Z\n"
    (one,), rejected, _ = read_single_comparisons(table(tmp_path, text))
    assert (one.rater, one.time, one.share) == ("ann", "2024-05-01T10:00:00Z", 0.0)
    assert not rejected


@pytest.mark.realdata
def test_it_reads_the_choices_between_paintings(testdata: Path) -> None:
    found = read_comparisons(testdata / "pairwise_paintings" / "choices.csv")
    assert (len(found.images), len(found.first)) == (411, 409)
    assert found.weight.sum() == 8_998
    assert len(found.rejected) == 44  # two pairs were shown to all 22 raters twice


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("image_left,image_right,choice", True),
        ("winner,loser", True),
        ("a,b,share,weight", True),
        ("image_a,image_b", True),  # nothing says who won, and that is what the reader is told
        ("image,rating,rater,left,right", False),  # ratings, with the crop of each image
        ("image,rating,first,second", False),
        ("item,left,right,choice", True),
        ("image,n1,n2", False),
        ("a,b", False),
    ],
)
def test_ratings_with_columns_left_and_right_are_no_comparisons(tmp_path: Path, header: str, expected: bool) -> None:
    assert is_comparison_table(table(tmp_path, header + "\n")) is expected


@pytest.mark.parametrize(
    ("header", "cells", "share", "weight"),
    [
        ("share;weight", ["0,75;1.250,5", "0,125;10"], [0.75, 0.125], [1250.5, 10]),
        ("share;weight", ["0.75;1,250.5", "0.125;10"], [0.75, 0.125], [1250.5, 10]),
        ("share;weight", ["０.75;1 250", ".125;10"], [0.75, 0.125], [1250, 10]),
        ("wins_a;wins_b", ["1.234.567;0", "1;3"], [1, 0.25], [1_234_567, 4]),
        ("wins_a;wins_b", ["30;10,0", "1'000;3'000"], [0.75, 0.25], [40, 4000]),
    ],
)
def test_numbers_are_read_by_the_rule_of_all_tables(
    tmp_path: Path, header: str, cells: list[str], share: list[float], weight: list[float]
) -> None:
    lines = [f"image_a;image_b;{header}", f"a.jpg;b.jpg;{cells[0]}", f"a.jpg;c.jpg;{cells[1]}"]
    found = read_comparisons(table(tmp_path, "\n".join(lines) + "\n"))
    assert found.share.tolist() == pytest.approx(share)
    assert found.weight.tolist() == pytest.approx(weight)
    assert not found.rejected


@pytest.mark.parametrize("header", ["share;weight", "wins_b;wins_a"])
def test_a_number_that_could_be_two_is_refused_with_both_readings(tmp_path: Path, header: str) -> None:
    text = f"image_a;image_b;{header}\na.jpg;b.jpg;1;1.234\na.jpg;c.jpg;0;7\n"
    with pytest.raises(LabelError, match=r"'1\.234' is 1\.234 or 1234, and no other number says which"):
        read_comparisons(table(tmp_path, text))


def test_what_is_no_number_is_refused_with_its_line(tmp_path: Path) -> None:
    text = "image_a;image_b;share;weight\na;b;0.5;2\na;c;0.75;3\nb;c;75%;2\nb;d;0.5;$2\nb;e;;1\n"
    found = read_comparisons(table(tmp_path, text))
    assert [line for line, _ in found.rejected] == [4, 5, 6]
    assert found.weight.tolist() == [2, 3]


@pytest.mark.parametrize("codes", ["01", "012", "123", "12345", ("-1", "0", "1")])
def test_choices_by_another_numbering_are_refused_not_half_of_them_read_as_left(tmp_path: Path, codes: str) -> None:
    lines = [f"r{n},{n}.jpg,{n + 1}.jpg,{codes[n % len(codes)]}" for n in range(10, 30)]
    path = table(tmp_path, "rater,image_left,image_right,choice\n" + "\n".join(lines))
    with pytest.raises(LabelError, match="nothing says which of them means which image"):
        read_single_comparisons(path)


def test_1_and_2_mean_the_sides_also_where_images_are_numbered(tmp_path: Path) -> None:
    lines = ["ann,7.jpg,9.jpg,1", "ann,2.jpg,1.jpg,1", "ann,3.jpg,2.jpg,2"]
    path = table(tmp_path, "rater,image_left,image_right,choice\n" + "\n".join(lines))
    assert [one.share for one in read_single_comparisons(path)[0]] == [1.0, 1.0, 0.0]


def test_a_choice_that_may_be_a_side_or_a_name_is_refused_where_they_contradict(tmp_path: Path) -> None:
    lines = ["ann,B.png,A.png,A", "bob,A.png,B.png,A", "eve,C.png,B.png,C"]
    path = table(tmp_path, "rater,image_a,image_b,choice\n" + "\n".join(lines))
    found, rejected, _ = read_single_comparisons(path)
    assert [(one.line, one.share) for one in found] == [(3, 1.0), (4, 1.0)]
    assert [line for line, _ in rejected] == [2]


def test_left_is_the_image_that_stood_left_where_the_table_has_the_pair_twice(tmp_path: Path) -> None:
    header = "rater,image_a,image_b,image_left,image_right,choice"
    names = "rater,a,b,left,right,choice"
    for first in (header, names):
        lines = [
            "ann,1.png,2.png,2.png,1.png,left",
            "ann,3.png,4.png,3.png,4.png,left",
            "ann,5.png,6.png,6.png,5.png,a",
        ]
        found, rejected, _ = read_single_comparisons(table(tmp_path, first + "\n" + "\n".join(lines)))
        assert [one.first if one.share else one.second for one in found] == ["2.png", "3.png", "5.png"]
        assert not rejected


def test_shares_in_percent_are_refused_as_a_whole(tmp_path: Path) -> None:
    lines = [f"{n}.jpg,{n + 1}.jpg,{share}" for n, share in enumerate((0, 1, 60, 70, 1))]
    with pytest.raises(LabelError, match="shares in 'share' are up to 70; expected 0 to 1"):
        read_single_comparisons(table(tmp_path, "image_a,image_b,share\n" + "\n".join(lines)))


def test_shares_with_three_decimals_are_no_thousands(tmp_path: Path) -> None:
    path = table(tmp_path, "image_a,image_b,share\n1.jpg,2.jpg,1.000\n3.jpg,4.jpg,0.000\n")
    assert [one.share for one in read_single_comparisons(path)[0]] == [1.0, 0.0]


def test_a_rater_who_is_written_in_two_ways_chooses_once(tmp_path: Path) -> None:
    lines = ["Ann,1.png,2.png,left", "ann ,2.png,1.png,left", "bob,1.png,2.png,left"]
    path = table(tmp_path, "rater,image_left,image_right,choice\n" + "\n".join(lines))
    found, rejected, _ = read_single_comparisons(path)
    assert [one.rater for one in found] == ["Ann", "bob"]
    assert rejected == [(3, "the same rater chose between 1.png and 2.png before, on line 2")]
