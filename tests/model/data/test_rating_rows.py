import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from abkit_model.data.labels import discretised_normal, read_ratings
from abkit_model.data.rating_rows import read_rows
from abkit_model.errors import LabelError

HISTOGRAM = "image,n1,n2,n3,n4,n5,n6,n7\na.jpg,1,2,3,4,3,2,1\n"
MEANS = "image,mean,n,sd\n"
AVA = "1 1001 0 1 5 17 38 36 15 6 5 1 1 22 1396\n"


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "ratings.csv"
    path.write_text(text, encoding="utf-8")
    return path


def votes(tmp_path: Path, *scores: float) -> Path:
    """One row per vote, four of each image; the first vote stands on line 2."""
    rows = [f"rater {i % 4},{i // 4}.png,{score:g}" for i, score in enumerate(scores)]
    return table(tmp_path, "\n".join(["rater,image,score", *rows]))


@pytest.mark.parametrize("scale", [(7, 1), (3, 3), (1, math.inf), (math.nan, math.nan), (-1e308, 1e308)])
@pytest.mark.parametrize("text", [HISTOGRAM, MEANS + "a.jpg,3,9,1\n", "rater,image,score\na,a.jpg,3\n", AVA])
def test_a_scale_that_does_not_rise_or_does_not_end_is_refused(
    tmp_path: Path, text: str, scale: tuple[float, float]
) -> None:
    with pytest.raises(LabelError, match="the lowest rating must be below the highest") as refused:
        read_rows(table(tmp_path, text), scale=scale)
    assert "1 to 5" in refused.value.hint


@pytest.mark.parametrize(
    ("text", "scale", "said"),
    [
        (HISTOGRAM, (1, 5), "counts of 7 steps, and a scale from 1 to 5 has 5"),
        (HISTOGRAM, (1, 10), "counts of 7 steps, and a scale from 1 to 10 has 10"),
        (AVA, (1, 7), "counts of 10 steps, and a scale from 1 to 7 has 7"),
        (HISTOGRAM, (1, 7.5), "no whole steps of 1"),
    ],
)
def test_a_scale_with_other_steps_than_the_histogram_is_refused(
    tmp_path: Path, text: str, scale: tuple[float, float], said: str
) -> None:
    with pytest.raises(LabelError, match=said):
        read_rows(table(tmp_path, text), scale=scale)


def test_a_histogram_may_have_its_steps_on_another_scale_of_as_many(tmp_path: Path) -> None:
    (summary,) = read_rows(table(tmp_path, HISTOGRAM), scale=(0, 6)).summaries
    assert summary.mean == pytest.approx(3)


def test_a_single_slip_does_not_change_the_scale_of_all_votes(tmp_path: Path) -> None:
    path = votes(tmp_path, *(i % 7 + 1 for i in range(111)), 8)
    with pytest.raises(
        LabelError, match=r"1 of 112 ratings lies beyond 1 to 7 \(the first: 8 on line 113\)"
    ) as refused:
        read_rows(path)
    assert "--scale 1..7" in refused.value.hint
    assert "--scale 1..10" in refused.value.hint
    rows = read_rows(path, scale=(1, 7))
    assert (len(rows.votes), rows.rejected) == (111, [(113, "the score 8 is outside 1 to 7")])
    assert len(read_rows(path, scale=(1, 10)).votes) == 112


def test_slips_are_held_against_the_smallest_scale_that_nearly_all_votes_are_on(tmp_path: Path) -> None:
    path = votes(tmp_path, 6, *(i % 5 + 1 for i in range(400)), 9, 7)
    with pytest.raises(LabelError, match=r"3 of 403 ratings lie beyond 1 to 5 \(the first: 6 on line 2\)") as refused:
        read_rows(path)
    assert "--scale 1..5" in refused.value.hint
    assert "--scale 1..10" in refused.value.hint


def test_a_scale_whose_upper_steps_are_used_is_still_found(tmp_path: Path) -> None:
    """One in a hundred is enough."""
    few = [i % 5 + 1 for i in range(198)]
    assert read_rows(votes(tmp_path, *few, 4, 5)).scale.high == 5
    assert read_rows(votes(tmp_path, *few, 6, 7)).scale.high == 7
    assert read_rows(votes(tmp_path, *few, 8, 10)).scale.high == 10


def test_a_single_mean_does_not_change_the_scale_of_all_means(tmp_path: Path) -> None:
    rows = "".join(f"{i}.jpg,{1 + i % 40 / 10},9,1\n" for i in range(200))
    with pytest.raises(LabelError, match=r"1 of 201 ratings lies beyond 1 to 5 \(the first: 5\.2 on line 202\)"):
        read_rows(table(tmp_path, f"{MEANS}{rows}x.jpg,5.2,9,1\n"))


@pytest.mark.parametrize("sd", ["0", "1e-9", "1e-200", "0.01"])
def test_raters_who_agree_are_not_read_as_raters_of_unknown_agreement(tmp_path: Path, sd: str) -> None:
    means = [1, 5, 3, *(1.05 + i / 7 for i in range(25))]
    rows = "".join(f"{i}.jpg,{mean},9,{sd}\n" for i, mean in enumerate(means))
    ratings = read_ratings(table(tmp_path, MEANS + rows))
    assert np.isfinite(ratings.distributions).all()
    assert ratings.means == pytest.approx(means, abs=1e-6)
    assert ratings.distributions[2].tolist() == pytest.approx([0, 0, 1, 0, 0])
    assert (np.sort(ratings.distributions)[:, :-2] < 1e-6).all(), "two neighbouring steps have all of it"


def test_an_unknown_spread_is_a_quarter_of_the_scale() -> None:
    assert discretised_normal(3, None, 1, 5).tolist() == pytest.approx(discretised_normal(3, 1.0, 1, 5).tolist())


@pytest.mark.parametrize("sd", ["-0.1", "nan", "inf", "-inf", "wide"])
def test_a_standard_deviation_that_cannot_be_is_a_bad_row(tmp_path: Path, sd: str) -> None:
    rows = read_rows(table(tmp_path, f"{MEANS}a.jpg,3,9,1\nb.jpg,3,9,{sd}\nc.jpg,3,9,\nd.jpg,3,9,NA\n"))
    assert [s.sd for s in rows.summaries] == [1, None, None]
    ((line, reason),) = rows.rejected
    assert line == 3
    assert "the standard deviation" in reason
    assert sd in reason


@pytest.mark.parametrize("column", ["group_column", "image_column"])
def test_the_layout_of_ava_has_no_column_to_name(tmp_path: Path, column: str) -> None:
    with pytest.raises(LabelError, match="AVA's text layout, which has no column 'subject'"):
        read_rows(table(tmp_path, AVA), **{column: "subject"})


@pytest.mark.parametrize("step", [lambda i: i % 5, lambda i: i % 5 - 2, lambda i: (i % 6) / 5])
def test_ratings_below_1_are_no_slips_but_another_scale(tmp_path: Path, step: Callable[[int], float]) -> None:
    path = votes(tmp_path, *map(step, range(60)))
    with pytest.raises(LabelError, match=r"ratings lie below 1 .* so its scale does not begin with 1") as refused:
        read_rows(path)
    assert "--scale 0..4" in refused.value.hint


def test_the_votes_of_a_scale_from_0_all_count_where_it_is_said(tmp_path: Path) -> None:
    rows = read_rows(votes(tmp_path, *(i % 5 for i in range(60))), scale=(0, 4))
    assert (len(rows.votes), rows.rejected) == (60, [])
    assert sum(vote.score for vote in rows.votes) == 120


def test_a_mean_below_1_asks_for_the_scale(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="1 of 2 ratings lies below 1"):
        read_rows(table(tmp_path, "image,mean,n\na.jpg,0.5,20\nb.jpg,3.1,20\n"))


def test_one_zero_among_hundreds_of_votes_is_a_reject(tmp_path: Path) -> None:
    rows = read_rows(votes(tmp_path, *(i % 5 + 1 for i in range(400)), 0))
    assert rows.rejected == [(402, "the score 0 is outside 1 to 5")]


def test_raters_whose_ids_a_spreadsheet_rounded_are_not_taken_for_one(tmp_path: Path) -> None:
    text = "rater,image,score\n1.2E+17,a.jpg,5\n1.2E+17,b.jpg,1\n00123,a.jpg,4\n123,a.jpg,3\n"
    rows = read_rows(table(tmp_path, text))
    assert [vote.rater for vote in rows.votes] == ["00123", "123"]
    assert {reason for _, reason in rows.rejected} == {"the id of the rater was rounded by a spreadsheet"}


def test_columns_whose_names_differ_in_case_only_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="has 2 columns 'score'"):
        read_rows(table(tmp_path, "rater,image,Score,score\na,a.jpg,5,1\n"))


@pytest.mark.parametrize(("top", "code"), [(5, 9), (5, 8), (7, 9), (5, 10)])
def test_a_step_that_stands_alone_above_a_scale_may_mean_no_answer_and_is_asked_for(
    tmp_path: Path, top: int, code: int
) -> None:
    path = votes(tmp_path, *(code if i % 13 == 0 else i % top + 1 for i in range(200)))
    with pytest.raises(
        LabelError, match=f"16 of 200 ratings are {code} .*none of the others is above {top}"
    ) as refused:
        read_rows(path)
    assert f"--scale 1..{top} if {code} means no answer" in refused.value.hint
    rows = read_rows(path, scale=(1, top))
    assert (len(rows.votes), len(rows.rejected)) == (184, 16)


def test_a_rater_who_is_written_in_two_ways_is_one(tmp_path: Path) -> None:
    text = "rater,image,score\nAnna,a.jpg,5\nanna,a.jpg,1\nANNA ,b.jpg,2\nBen,a.jpg,3\n"
    rows = read_rows(table(tmp_path, text))
    assert [(vote.rater, vote.image) for vote in rows.votes] == [("Anna", "a.jpg"), ("Anna", "b.jpg"), ("Ben", "a.jpg")]
    assert rows.rejected == [(3, "the same rater voted on a.jpg before, on line 2")]


def test_two_columns_that_could_both_be_the_ratings_are_refused_where_they_differ(tmp_path: Path) -> None:
    text = "rater,image,score,rating\na,a.jpg,5,{}\nb,a.jpg,4,4\n"
    with pytest.raises(LabelError, match="columns 'score' and 'rating' could both be the ratings"):
        read_rows(table(tmp_path, text.format(50)))
    assert len(read_rows(table(tmp_path, text.format(5))).votes) == 2
    assert len(read_rows(table(tmp_path, text.format("x").replace(",4\n", ",x\n"))).votes) == 2


def test_a_column_of_words_is_no_second_column_of_ratings_and_map_says_which_counts(tmp_path: Path) -> None:
    words = "rater,image,rating,opinion\nann,a.jpg,5,top 3 ad\nben,a.jpg,4,dull\n"
    assert [vote.score for vote in read_rows(table(tmp_path, words)).votes] == [5, 4]
    both = table(tmp_path, "rater,image,score,rating\nann,a.jpg,5,50\nben,a.jpg,4,40\n")
    with pytest.raises(LabelError) as refused:
        read_rows(both)
    assert "--map 'score=score'" in refused.value.hint
    assert [vote.score for vote in read_rows(both, columns={"score": "rating"}, scale=(0, 100)).votes] == [50, 40]
