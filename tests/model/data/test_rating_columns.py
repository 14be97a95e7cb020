"""Rating tables with other column names: one question, with the whole command, and that command works."""

import shlex
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from abkit_model.data.labels import RatingTable, read_ratings
from abkit_model.data.outcomes import is_outcome_table
from abkit_model.data.rating_rows import UNCOUNTED, read_rows
from abkit_model.errors import LabelError

COMMAND = "abkit model train t.csv --images ads --out ours"
WORDS = ("fine", "dull", "too loud")


def write(folder: Path, header: str, row: str, *, images: int = 24, times: int = 1) -> Path:
    """A table whose rows name an image, a rater, a level from 1 to 5 and words, as the row says."""
    path = folder / "t.csv"
    rows = [
        row.format(
            i=i, who=f"r{k}", level=1 + (i + k) % 5, high=20 + (7 * i + k) % 75, zero=(i + k) % 4, word=WORDS[k % 3]
        )
        for i in range(images)
        for k in range(times)
    ]
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def asked(path: Path) -> str:
    with pytest.raises(LabelError) as caught:
        read_ratings(path, command=COMMAND)
    assert caught.value.hint.count(COMMAND) == 1
    return caught.value.hint.partition(COMMAND)[2]


def by_command(path: Path, options: str) -> RatingTable:
    words = shlex.split(options)
    said = [after for word, after in pairwise(words) if word == "--map"]
    scales = [after for word, after in pairwise(words) if word == "--scale"]
    assert len(words) == 2 * (len(said) + len(scales))
    scale = [float(end) for one in scales for end in one.split("..")]
    columns = {field: column for column, _, field in (one.rpartition("=") for one in said)}
    assert not is_outcome_table(path, columns=columns)
    return read_ratings(path, columns=columns, scale=(scale[0], scale[1]) if scale else None, command=COMMAND)


@pytest.mark.parametrize(
    ("header", "row", "times", "options"),
    [
        ("file,note,stars", "{i}.jpg,{word},{level}", 1, "--map 'stars=mean'"),
        ("image,mean", "{i}.jpg,{level}", 1, "--map 'mean=mean'"),
        ("image,mean,raters", "{i}.jpg,{level},12", 1, "--map 'mean=mean' --map 'raters=n'"),
        ("image,score", "{i}.jpg,{level}", 1, "--map 'score=mean'"),
        ("file,average,age", "{i}.jpg,{level},{high}", 1, "--map 'average=mean'"),
        ("id,Bilddatei,Bewertung,Anzahl", "{i},{i}.png,{level},9", 1,
         "--map 'Bilddatei=image' --map 'Bewertung=mean' --map 'Anzahl=n'"),
        ("creative name,judge,points", "{i}.webp,{who},{level}", 3,
         "--map 'creative name=image' --map 'points=score' --map 'judge=rater'"),
        ("file,stars", "{i}.jpg,{level}", 3, "--map 'stars=score'"),
        ("file,comment,points", "{i}.jpg,{word},{high}", 1, "--map 'points=mean' --scale 1..100"),
        ("ad's file,stars", "{i}.jpg,{zero}", 1, "--map 'ad'\"'\"'s file=image' --map 'stars=mean' --scale 0..5"),
        ("Vorlage,n1,n2,n3", "{i}.jpg,{level},3,4", 1, "--map 'Vorlage=image'"),
    ],
)  # fmt: skip
def test_one_question_has_the_whole_command_and_it_reads_the_table(
    tmp_path: Path, header: str, row: str, times: int, options: str
) -> None:
    path = write(tmp_path, header, row, times=times)
    said = asked(path)
    assert said == f" {options}"
    table = by_command(path, said)
    assert len(table.images) == 24
    assert not table.rejected
    assert table.images[0].startswith("0.")


def test_what_no_column_says_is_taken_for_granted_in_words(tmp_path: Path) -> None:
    path = write(tmp_path, "file,note,stars", "{i}.jpg,{word},{level}")
    table = read_ratings(path, columns={"mean": "stars"})
    assert table.means == pytest.approx([1 + i % 5 for i in range(24)])
    assert set(table.counts) == {UNCOUNTED}
    assert table.notes == ("no column says how many ratings are behind 'stars': each counts as 2",)
    path = write(tmp_path, "file,stars", "{i}.jpg,{level}", times=3)
    table = read_ratings(path, columns={"score": "stars"})
    assert table.means == pytest.approx([np.mean([1 + (i + k) % 5 for k in range(3)]) for i in range(24)])
    assert table.notes == ("no column says who rated: each row counts as a rating by somebody else",)
    with pytest.raises(LabelError, match="does not say who rated"):
        read_ratings(path, columns={"score": "stars"}, correct_raters=True)


def test_a_table_without_anything_like_ratings_gets_a_command_to_fill_in(tmp_path: Path) -> None:
    path = write(tmp_path, "file,remark,clicks", "{i}.jpg,{word},{high}")
    assert asked(path) == " --map 'COLUMN=mean'"


def test_where_columns_cannot_be_named_nothing_is_guessed(tmp_path: Path) -> None:
    path = write(tmp_path, "image,mean", "{i}.jpg,{level}")
    with pytest.raises(LabelError) as caught:
        read_rows(path)
    assert "--map" not in caught.value.hint
