"""Tables of comparisons, A over B: pairwise votes and outcomes of A/B tests, read into one.

| layout | a row is | columns |
| --- | --- | --- |
| votes | one comparison by one person | `image_left`, `image_right`, `choice`; `rater` and `time` where known |
| outcomes | one A/B test, or counted votes | `image_a`, `image_b`; `share` and `weight`, or `wins_a` and `wins_b` |
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from abkit_model.data.csv_table import CsvTable, Row, name_fault, number, parse_csv, read_csv
from abkit_model.data.rating_rows import IMAGE_COLUMNS
from abkit_model.errors import LabelError

FIRST_COLUMNS = ("image_left", "image_a", "left", "image_1", "image1", "first", "a", "winner")
SECOND_COLUMNS = ("image_right", "image_b", "right", "image_2", "image2", "second", "b", "loser")
CHOICE_COLUMNS = ("choice", "chosen", "preferred", "winner", "answer")
RATER_COLUMNS = ("rater", "rater_id", "user", "worker", "participant", "subject_id")
TEST_COLUMNS = ("experiment", "test", "experiment_id", "test_id")
TIME_COLUMNS = ("time", "timestamp", "rated_at", "voted_at", "date")
SHARE_COLUMNS = ("share", "share_a", "p_a_better", "probability")
WEIGHT_COLUMNS = ("weight", "certainty", "n", "votes")
WINS_COLUMNS = (("wins_a", "wins_left", "wins_1", "wins"), ("wins_b", "wins_right", "wins_2", "losses"))

#: What a choice may say, and the share of the first image that it means. A name of one of the two is understood too.
CHOICES = {"left": 1.0, "a": 1.0, "1": 1.0, "first": 1.0, "right": 0.0, "b": 0.0, "2": 0.0, "second": 0.0}
TIES = ("tie", "draw", "equal", "same", "both", "neither")

#: Larger figures say nothing more, and would drown all others.
MAX_WEIGHT = 1e9
MIN_PAIRS = 2


@dataclass(frozen=True)
class Comparison:
    """One row: how one person, one A/B test, or some counted votes decided between two images.

    Attributes:
        line: Where it stands in the table.
        first, second: File names, as the table writes them.
        share: Share of votes for the first, 0 … 1; 0.5 is a tie.
        weight: Votes behind it, or how sure the outcome is; above 0.
        rater: Who; '' when the table does not say.
        time: When, as the table writes it; '' when it does not say.
        test: Which A/B test; '' when the table does not say, or says who.
    """

    line: int
    first: str
    second: str
    share: float
    weight: float
    rater: str = ""
    time: str = ""
    test: str = ""


@dataclass(frozen=True)
class ComparisonTable:
    """What people, or audiences, preferred: one entry a pair, whichever way round it was shown.

    Attributes:
        images: File name of each image, in the order in which the table names them.
        first: (pairs,), number of an image in `images`; `first < second`.
        second: (pairs,), number of the other.
        share: (pairs,), weighted share of votes for the first, 0 … 1.
        weight: (pairs,), votes behind it, or the sum of the rows' weights.
        rejected: Line and reason of each row that was refused.
        sha256: Digest of the table's bytes.
    """

    images: tuple[str, ...]
    first: NDArray[np.intp]
    second: NDArray[np.intp]
    share: NDArray[np.float64]
    weight: NDArray[np.float64]
    rejected: tuple[tuple[int, str], ...]
    sha256: str


def read_comparisons(path: Path) -> ComparisonTable:
    """Read a table of comparisons and count them by pair; rows that cannot be used are refused with line and reason.

    Refused are: an image against itself, a choice that names neither image, a second row of one rater (or test) on
    one pair, whichever way round, names that are empty or too long, and shares, wins or weights that cannot be.
    Rows that name neither a rater nor a test are counted, however many there are of a pair.

    Args:
        path: CSV or gzipped CSV in one of the layouts above.

    Raises:
        LabelError: not readable, no known layout, fewer than two pairs left, or nothing but ties.
    """
    comparisons, rejected, sha256 = read_single_comparisons(path)
    number_of: dict[str, int] = {}
    wins: dict[tuple[int, int], float] = defaultdict(float)
    weight: dict[tuple[int, int], float] = defaultdict(float)
    for choice in comparisons:
        one, other = (number_of.setdefault(name, len(number_of)) for name in (choice.first, choice.second))
        pair, share = ((one, other), choice.share) if one < other else ((other, one), 1 - choice.share)
        wins[pair] += choice.weight * share
        weight[pair] += choice.weight
    if len(weight) < MIN_PAIRS:
        first = f"; the first row refused was line {rejected[0][0]}: {rejected[0][1]}" if rejected else ""
        found = f"{len(weight)} pair{'' if len(weight) == 1 else 's'}"
        raise LabelError(f"{path} has usable comparisons of {found}, {MIN_PAIRS} are needed{first}")
    pairs = np.array(list(weight), dtype=np.intp)  # (pairs, 2)
    total = np.array(list(weight.values()))
    share_of = np.clip(np.array(list(wins.values())) / total, 0, 1)
    if np.allclose(share_of, 0.5):
        raise LabelError(f"{path}: every pair is a tie, there is nothing to learn")
    return ComparisonTable(tuple(number_of), pairs[:, 0], pairs[:, 1], share_of, total, tuple(rejected), sha256)


def read_single_comparisons(path: Path) -> tuple[list[Comparison], list[tuple[int, str]], str]:
    """Return every usable row of a table of comparisons, line and reason of each refused one, and the table's digest.

    Raises:
        LabelError: not readable, or no known layout.
    """
    table = read_csv(path)
    reader = _Reader(table)
    comparisons: list[Comparison] = []
    rejected = list(table.rejected)
    seen: dict[tuple[str, str, str], int] = {}
    for line, row in table.rows:
        choice, fault = reader.read(line, row)
        if choice is not None and (choice.rater or choice.test):
            one, other = sorted((choice.first, choice.second))
            key = (choice.rater or choice.test, one, other)
            if key in seen:
                # raters are people: reasons are kept and shown, and do not name them
                who = "rater" if choice.rater else "test"
                fault = f"the same {who} chose between {one} and {other} before, on line {seen[key]}"
            seen.setdefault(key, line)
        if choice is None or fault:
            rejected.append((line, fault))
        else:
            comparisons.append(choice)
    return comparisons, sorted(rejected), table.sha256


def is_comparison_table(path: Path, text: str, sha256: str) -> bool:
    """Return whether the columns of a table are those of comparisons rather than of ratings."""
    table = parse_csv(path, text, sha256, header_only=True)
    first, second = table.find(FIRST_COLUMNS), table.find(SECOND_COLUMNS)
    if first is None or second is None:
        return False
    # ratings may have columns left and right too, as of a crop: those name an image by itself, and nothing was chosen
    two_images = first.lower().startswith("image") and table.find(IMAGE_COLUMNS) is None
    return two_images or _says_which_won(table)


def _says_which_won(table: CsvTable) -> bool:
    first = table.find(FIRST_COLUMNS)
    chosen = any(table.find(names) not in (None, first) for names in (CHOICE_COLUMNS, SHARE_COLUMNS))
    return chosen or all(table.find(names) for names in WINS_COLUMNS) or (first or "").lower() == "winner"


class _Reader:
    """Knows the columns of one table, and turns a row into a comparison or a reason."""

    def __init__(self, table: CsvTable) -> None:
        self.first = table.column(None, FIRST_COLUMNS, "the first image of a pair")
        self.second = table.column(None, SECOND_COLUMNS, "the second image of a pair")
        self.rater, self.time = table.find(RATER_COLUMNS), table.find(TIME_COLUMNS)
        self.test = None if self.rater else table.find(TEST_COLUMNS)
        self.share, self.weight = table.find(SHARE_COLUMNS), table.find(WEIGHT_COLUMNS)
        self.wins, self.losses = (table.find(names) for names in WINS_COLUMNS)
        choice = table.find(CHOICE_COLUMNS)
        self.choice = None if choice == self.first else choice
        # columns `winner` and `loser` say who won by themselves
        self.first_won = self.first.lower() == "winner"
        if not _says_which_won(table):
            raise LabelError(
                f"{table.path} does not say which image was chosen; its columns are: {', '.join(table.columns)}",
                "give a column choice (left, right, or the file name); or share and weight; or wins_a and wins_b",
            )

    def read(self, line: int, row: Row) -> tuple[Comparison | None, str]:
        one, other = (row.get(self.first) or "").strip(), (row.get(self.second) or "").strip()
        rater, test, time = ((row.get(c) or "").strip() if c else "" for c in (self.rater, self.test, self.time))
        if not one or not other:
            return None, "an image of the pair is not named"
        if fault := next(filter(None, map(name_fault, (one, other, rater, test, time))), ""):
            return None, fault
        if one == other:
            return None, f"{one} is compared with itself"
        if (self.rater and not rater) or (self.test and not test):
            return None, f"no {self.rater or self.test}"
        share, weight, fault = self._outcome(row, one, other)
        return (None, fault) if fault else (Comparison(line, one, other, share, weight, rater, time, test), "")

    def _outcome(self, row: Row, one: str, other: str) -> tuple[float, float, str]:
        """Share of the first, weight, and what is wrong with them."""
        share: float | None
        if self.wins and self.losses and not self.share:
            won, lost = number(row.get(self.wins)), number(row.get(self.losses))
            if won is None or lost is None or min(won, lost) < 0 or not 0 < won + lost <= MAX_WEIGHT:
                return 0, 0, f"wins of {row.get(self.wins)!r} and {row.get(self.losses)!r} cannot be"
            return won / (won + lost), won + lost, ""
        if self.share:
            share = number(row.get(self.share))
            if share is None or not 0 <= share <= 1:
                return 0, 0, f"the share {row.get(self.share)!r} is not between 0 and 1"
        elif self.choice:
            said = (row.get(self.choice) or "").strip()
            share = _share(said, one, other)
            if share is None:
                return 0, 0, f"the choice {said[:50]!r} is neither left nor right"
        else:
            share = 1.0
        weight = number(row.get(self.weight)) if self.weight else 1.0
        if weight is None or not 0 < weight <= MAX_WEIGHT:
            return 0, 0, f"the weight {row.get(self.weight or '')!r} is not above 0"
        return share, weight, ""


def _share(said: str, one: str, other: str) -> float | None:
    # an image may be called "1.jpg" or "left": the names come first
    if said in (one, other):
        return 1.0 if said == one else 0.0
    return 0.5 if said.lower() in TIES else CHOICES.get(said.lower())
