"""What may count twice in a table of arms, where no word and no sum proves it: it counts, and is said."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

#: Rows of fewer trials may be the sum of others by chance.
ENOUGH_TRIALS = 100
_KEY = ("experiment", "variant")
_COUNTS = ("trials", "successes")
_SOME = 0.1  # of the tests: in one of many it is chance
_RUNNING = 4  # rows of each arm of which all grow: of days that rise and fall, 1 in 24 does so by chance, in each arm
_TWICE = 2  # what the last of fewer rows is of the first at least
_NEAR = 0.005  # how far figures may be from equal ones
_DATE = r"^\d{1,4}[-./ ]\d{1,2}[-./ ]\d{1,4}"


def unnamed_totals(rows: pl.DataFrame) -> list[str]:
    """Say which tests have an arm that is the sum of all others, whatever it is called.

    Args:
        rows: Rows of arms: `experiment`, `variant`, `trials`, `successes`.
    """
    arms = rows.group_by(_KEY, maintain_order=True).agg(pl.sum(*_COUNTS))
    is_sum = [2 * pl.col(name) == pl.col(name).sum().over("experiment") for name in _COUNTS]
    several = pl.len().over("experiment") > 2
    found = arms.filter(pl.all_horizontal(*is_sum, several, pl.col("trials") >= ENOUGH_TRIALS))
    if not _many(found["experiment"].n_unique(), arms["experiment"].n_unique()):
        return []
    name, number = found["variant"][0], found.height
    return [
        f"{name!r}{f' and {number - 1:,} more' if number > 1 else ''} has the trials and successes of all other "
        "variants of its test together, and counts beside them: if it is a total, leave it out"
    ]


def doubts_of_days(rows: pl.DataFrame, others: Sequence[str]) -> list[str]:
    """Say which tests have rows that may have the same trials again, where rows of an arm are added up.

    Args:
        rows: Rows of arms, with `experiment`, `variant`, `trials`, `successes` and the other columns as texts.
        others: Names of these.
    """
    doubts = (
        (
            _running(rows),
            "the rows of each arm only grow: if they are running totals, they count many times; keep the last row of "
            "each arm, and leave --add-up out",
        ),
        (
            _equal(rows),
            "all rows of an arm have the same trials: if they are kinds of success of the same trials, these count "
            "many times; keep the rows of one kind",
        ),
        (
            _of_two_kinds(rows, others),
            "rows of one kind (days, devices, …) have the figures of those of another kind (weeks, ages, …) together: "
            "if they are the same trials, these count twice; keep the rows of one kind",
        ),
        (
            _corrections(rows, others),
            "some rows differ from another row of their arm in their figures only: if they are corrections, they count "
            "twice; keep the last ones",
        ),
    )
    every = rows["experiment"].n_unique()
    return [f"in {tests:,} {'test' if tests == 1 else 'tests'} {said}" for tests, said in doubts if _many(tests, every)]


def _many(tests: int, every: int) -> bool:
    return tests > 0 and tests >= _SOME * every


def _in_all_arms(arms: pl.DataFrame) -> int:
    """Return in how many tests of several arms `found` holds for all of them."""
    tests = arms.group_by("experiment").agg(pl.col("found").all(), several=pl.len() > 1)
    return tests.filter("found", "several").height


def _running(rows: pl.DataFrame) -> int:
    found = []
    for step in (1, -1):  # the first day may stand first or last
        in_order = [step * pl.col(name).diff().over(_KEY) for name in _COUNTS]
        grows = pl.all_horizontal(*(one.fill_null(0) >= 0 for one in in_order), in_order[0].fill_null(1) > 0)
        first, last = (pl.col("trials").first(), pl.col("trials").last())[::step]
        enough = (pl.len() >= _RUNNING) | (pl.len() == _RUNNING - 1) & (last >= _TWICE * first)
        arms = rows.with_columns(grows=grows).group_by(_KEY).agg(found=pl.col("grows").all() & enough)
        found.append(_in_all_arms(arms))
    return max(found)


def _equal(rows: pl.DataFrame) -> int:
    same = (pl.col("trials").n_unique() == 1) & (pl.len() > 1) & (pl.col("trials").first() >= ENOUGH_TRIALS)
    return _in_all_arms(rows.group_by(_KEY).agg(found=same))


def _of_two_kinds(rows: pl.DataFrame, others: Sequence[str]) -> int:
    """Return in how many tests two kinds of rows have the same figures in each arm.

    A kind is which of the other cells are filled; or that one of them begins with a date, a number, or a word.
    """
    filled = [pl.col(name).is_not_null().cast(pl.Int8).cast(pl.String) for name in others]
    kinds = [pl.concat_str(filled)] if filled else []
    for name in others:
        dated, number = pl.col(name).str.contains(_DATE), pl.col(name).str.contains(r"^\d")
        kinds.append(pl.when(dated).then(pl.lit("date")).when(number).then(pl.lit("number")).otherwise(pl.lit("word")))
    return max((_equal_kinds(rows.with_columns(kind=kind)) for kind in kinds), default=0)


def _equal_kinds(rows: pl.DataFrame) -> int:
    sums = rows.group_by(*_KEY, "kind").agg(pl.sum(*_COUNTS))
    near = [(pl.col(name).max() - pl.col(name).min()) <= _NEAR * pl.col(name).max() for name in _COUNTS]
    enough = (pl.len() == 2) & (pl.col("trials").min() >= ENOUGH_TRIALS)
    return _in_all_arms(sums.group_by(_KEY).agg(found=pl.all_horizontal(*near, enough)))


def _corrections(rows: pl.DataFrame, others: Sequence[str]) -> int:
    """Return in how many tests other cells tell rows apart, but for some rows that have all of them alike."""
    if not others:
        return 0
    alike = rows.group_by(*_KEY, *others).agg(again=pl.len() - 1)
    tests = alike.group_by("experiment").agg(again=pl.sum("again"), kinds=pl.len() - pl.col("variant").n_unique())
    return tests.filter(pl.col("again") > 0, pl.col("kinds") > 0).height
