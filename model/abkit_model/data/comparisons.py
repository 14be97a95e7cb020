"""Tables of comparisons, A over B: pairwise votes and outcomes of A/B tests, read into one.

| layout | a row is | columns |
| --- | --- | --- |
| votes | one comparison by one person | `image_left`, `image_right`, `choice`; `rater` and `time` where known |
| outcomes | one A/B test, or counted votes | `image_a`, `image_b`; `share` and `weight`, or `wins_a` and `wins_b` |
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from os.path import splitext
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from abkit_model.data.csv_table import CsvTable, Row, name_fault, read_csv
from abkit_model.data.files.tables import TableOptions
from abkit_model.data.numbers import ROUNDED_ID
from abkit_model.data.rating_columns import IMAGE_COLUMNS, RATER_COLUMNS, TIME_COLUMNS
from abkit_model.data.rating_rows import SLIPS, USUAL_COLUMNS, one_spelling
from abkit_model.errors import LabelError

FIRST_COLUMNS = ("image_left", "image_a", "left", "image_1", "image1", "first", "a", "winner")
SECOND_COLUMNS = ("image_right", "image_b", "right", "image_2", "image2", "second", "b", "loser")
CHOICE_COLUMNS = ("choice", "chosen", "preferred", "winner", "answer")
TEST_COLUMNS = ("experiment", "test", "experiment_id", "test_id")
SHARE_COLUMNS = ("share", "share_a", "p_a_better", "probability")
WEIGHT_COLUMNS = ("weight", "certainty", "n", "votes")
WINS_COLUMNS = (("wins_a", "wins_left", "wins_1", "wins"), ("wins_b", "wins_right", "wins_2", "losses"))

#: Names of columns by which the header is found below titles.
_USUAL = USUAL_COLUMNS | frozenset((*FIRST_COLUMNS, *SECOND_COLUMNS, *CHOICE_COLUMNS, *TEST_COLUMNS))
_USUAL |= frozenset((*SHARE_COLUMNS, *WEIGHT_COLUMNS, *WINS_COLUMNS[0], *WINS_COLUMNS[1]))

#: What a choice may say, and the share of the first image that it means. A name of one of the two is understood too.
CHOICES = {"left": 1.0, "a": 1.0, "1": 1.0, "first": 1.0, "right": 0.0, "b": 0.0, "2": 0.0, "second": 0.0}
TIES = ("tie", "draw", "equal", "same", "both", "neither")
#: Which columns name the image that a choice means, where a table has the pair twice: as it was drawn, and as shown.
_CHOSEN_COLUMNS = {
    "left": ("image_left", "left"),
    "right": ("image_right", "right"),
    "a": ("image_a", "a"),
    "b": ("image_b", "b"),
    "1": ("image_1", "image1"),
    "2": ("image_2", "image2"),
}

_WHOLE = re.compile(r"[-+]?\d+(\.0+)?")

#: Larger figures say nothing more, and would drown all others.
MAX_WEIGHT = 1e9
MIN_PAIRS = 2


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One row: how one person, one A/B test, or some counted votes decided between two images.

    Attributes:
        line: Where it stands in the table.
        first, second: File names, as the table writes them.
        share: Share of votes for the first, 0 … 1; 0.5 is a tie.
        weight: Votes behind it, or how certain the outcome is; above 0.
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


@dataclass(frozen=True, kw_only=True)
class ComparisonTable:
    """What people, or audiences, preferred: one entry per pair, whichever way round it was shown.

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


def read_comparisons(path: Path, options: TableOptions | None = None) -> ComparisonTable:
    """Read a table of comparisons and count them by pair; rows that cannot be used are refused with line and reason.

    Refused are: an image against itself, a choice that names neither image or may mean either, a second row of one
    rater (or test) on one pair, whichever way round, names that are empty or too long, and shares, wins or weights out
    of their range.
    Rows that name neither a rater nor a test are counted, however many there are of a pair.

    Args:
        path: A table in one of the layouts above.
        options: What the user said about how it is written.

    Raises:
        LabelError: Not readable, no known layout, fewer than two pairs left, or nothing but ties.
    """
    comparisons, rejected, sha256 = read_single_comparisons(path, options)
    number_of: dict[str, int] = {}
    wins: dict[tuple[int, int], float] = defaultdict(float)
    weight: dict[tuple[int, int], float] = defaultdict(float)
    for row in comparisons:
        one, other = (number_of.setdefault(name, len(number_of)) for name in (row.first, row.second))
        pair, share = ((one, other), row.share) if one < other else ((other, one), 1 - row.share)
        wins[pair] += row.weight * share
        weight[pair] += row.weight
    if len(weight) < MIN_PAIRS:
        first = f"; the first row refused was line {rejected[0][0]}: {rejected[0][1]}" if rejected else ""
        found = f"{len(weight)} pair{'' if len(weight) == 1 else 's'}"
        raise LabelError(f"{path} has usable comparisons of {found}, {MIN_PAIRS} are needed{first}")
    pairs = np.array(list(weight), dtype=np.intp)  # (pairs, 2)
    total = np.array(list(weight.values()))
    share_of = np.clip(np.array(list(wins.values())) / total, 0, 1)
    if np.allclose(share_of, 0.5):
        raise LabelError(f"{path}: every pair is a tie, there is nothing to learn")
    return ComparisonTable(
        images=tuple(number_of),
        first=pairs[:, 0],
        second=pairs[:, 1],
        share=share_of,
        weight=total,
        rejected=tuple(rejected),
        sha256=sha256,
    )


def read_single_comparisons(
    path: Path, options: TableOptions | None = None
) -> tuple[list[Comparison], list[tuple[int, str]], str]:
    """Return every usable row of a table of comparisons, line and reason of each refused one, and the table's digest.

    Raises:
        LabelError: Not readable, no known layout, or a number could be two figures.
    """
    table = read_csv(path, options, usual=_USUAL)
    reader = _Reader(table)
    reader.require_one_coding()
    comparisons: list[Comparison] = []
    rejected = list(table.rejected)
    seen: dict[tuple[str, str, str], int] = {}
    spelled: dict[str, str] = {}
    for line, row in table.rows:
        read = reader.read(line, row)
        if isinstance(read, Comparison) and read.rater:
            read = replace(read, rater=one_spelling(read.rater, spelled))
        if isinstance(read, Comparison) and (who := read.rater or read.test):
            one, other = sorted((read.first, read.second))
            before = seen.setdefault((who, one, other), line)
            if before != line:
                # raters are people: reasons are kept and shown, and do not name them
                kind = "rater" if read.rater else "test"
                read = f"the same {kind} chose between {one} and {other} before, on line {before}"
        if isinstance(read, Comparison):
            comparisons.append(read)
        else:
            rejected.append((line, read))
    return comparisons, sorted(rejected), table.sha256


def is_comparison_table(path: Path, options: TableOptions | None = None) -> bool:
    """Return whether the columns of a table are those of comparisons rather than of ratings."""
    table = read_csv(path, options, usual=_USUAL, header_only=True)
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
        self.read_wins = table.numbers(self.wins, self.losses, low=0)
        self.read_share, self.read_weight = table.numbers(self.share, low=0, high=1), table.numbers(self.weight, low=0)
        choice = table.find(CHOICE_COLUMNS)
        self.choice = None if choice == self.first else choice
        if not _says_which_won(table):
            raise LabelError(
                f"{table.path} does not say which image was chosen; its columns are: {', '.join(table.columns)}",
                "give a column choice (left, right, or the file name); or share and weight; or wins_a and wins_b",
            )

        self.means_sides = False
        self.chosen = {said: table.find(columns) for said, columns in _CHOSEN_COLUMNS.items()}
        self.table = table

    def require_one_coding(self) -> None:
        """Refuse numbers that follow another rule than abkit's: the rows that seem to follow it would say the opposite.

        Raises:
            LabelError: Choices are numbers, and not only 1 and 2; or shares are, and not only from 0 to 1.
        """
        rows = [row for _, row in self.table.rows]
        if self.choice and not self.share and not (self.wins and self.losses):
            choices = [(self._cell(row, self.choice), self._stems(row)) for row in rows]
            # Where neither image is called so, a code means a side; then it does in all rows.
            self.means_sides = any(said.lower() in CHOICES and said.lower() not in stems for said, stems in choices)
            numbers = [said for said, stems in choices if said.lower() not in stems and _WHOLE.fullmatch(said)]
            others = [text for text in numbers if text not in ("1", "2")]
            if others and len(others) >= SLIPS * len(numbers):
                some = ", ".join(sorted(set(numbers))[:4])
                raise LabelError(
                    f"{self.table.path}: choices in {self.choice!r} are numbers ({some}), and nothing says which of "
                    "them means which image",
                    "write left, right and tie, or the name of the image that was chosen",
                )
        if self.share:
            shares = [found for row in rows if (found := self.read_share(row.get(self.share))) is not None]
            beyond = [share for share in shares if share > 1]
            if beyond and max(beyond) > 2 and len(beyond) >= SLIPS * len(shares):
                raise LabelError(
                    f"{self.table.path}: shares in {self.share!r} are up to {max(beyond):g}; expected 0 to 1",
                    "if they are percentages, divide them by 100",
                )

    @staticmethod
    def _cell(row: Row, column: str | None) -> str:
        return (row.get(column) or "").strip() if column else ""

    def _stems(self, row: Row) -> tuple[str, ...]:
        """Return what the two images may be called, with and without their extensions."""
        names = [self._cell(row, column).lower() for column in (self.first, self.second)]
        return (*names, *(splitext(name)[0] for name in names))

    def read(self, line: int, row: Row) -> Comparison | str:
        """Return the comparison, or why the row cannot be used."""
        columns = (self.first, self.second, self.rater, self.test, self.time)
        one, other, rater, test, time = ((row.get(c) or "").strip() if c else "" for c in columns)
        if not one or not other:
            return "an image of the pair is not named"
        if fault := next(filter(None, map(name_fault, (one, other, rater, test, time))), ""):
            return fault
        if one == other:
            return f"{one} is compared with itself"
        if (self.rater and not rater) or (self.test and not test):
            return f"no {self.rater or self.test}"
        if re.search(ROUNDED_ID, rater or test):
            return f"the id in {self.rater or self.test!r} was rounded by a spreadsheet"
        outcome = self._outcome(row, one, other)
        if isinstance(outcome, str):
            return outcome
        share, weight = outcome
        names = {"first": one, "second": other, "rater": rater, "time": time, "test": test}
        return Comparison(line=line, share=share, weight=weight, **names)

    def _outcome(self, row: Row, one: str, other: str) -> tuple[float, float] | str:
        """Return share of the first and weight, or what is wrong with them."""
        if self.wins and self.losses and not self.share:
            won, lost = self.read_wins(row.get(self.wins)), self.read_wins(row.get(self.losses))
            if won is None or lost is None or min(won, lost) < 0 or not 0 < won + lost <= MAX_WEIGHT:
                return f"wins of {row.get(self.wins)!r} and {row.get(self.losses)!r} are not valid"
            return won / (won + lost), won + lost
        share = 1.0  # columns `winner` and `loser` say who won by themselves
        if self.share:
            found = self.read_share(row.get(self.share))
            if found is None or not 0 <= found <= 1:
                return f"the share {row.get(self.share)!r} is not between 0 and 1"
            share = found
        elif self.choice:
            said = (row.get(self.choice) or "").strip()
            if (column := self.chosen.get(said.lower())) not in (None, self.first, self.second):
                said = self._cell(row, column) if said not in (one, other) else said
            found = _share(said, one, other, stems=not self.means_sides)
            if found is None:
                return f"the choice {said[:50]!r} is neither left nor right, or could be both"
            share = found
        weight = self.read_weight(row.get(self.weight)) if self.weight else 1.0
        if weight is None or not 0 < weight <= MAX_WEIGHT:
            return f"the weight {row.get(self.weight or '')!r} is not above 0"
        return share, weight


def _share(said: str, one: str, other: str, *, stems: bool) -> float | None:
    # an image may be called "1.jpg" or "left": the names come first
    if said in (one, other):
        return 1.0 if said == one else 0.0
    by_side = 0.5 if said.lower() in TIES else CHOICES.get(said.lower())
    names = [splitext(name)[0].lower() for name in (one, other)]
    if not stems or said.lower() not in names or names[0] == names[1]:
        return by_side
    by_name = 1.0 - names.index(said.lower())
    # "b" is the second image, or b.png, which is the first one here
    return by_name if by_side in (None, by_name) else None
