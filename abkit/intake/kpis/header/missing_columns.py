"""What an export lacks: one refusal that names all of it, with one command that settles it and says what is guessed."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from abkit.errors import InvalidInput
from abkit.intake.kpis.header.column_values import (
    ColumnValues,
    column_values,
    fits,
    guess_by_values,
    kinds_of_conversions,
)
from abkit.intake.kpis.header.columns import Columns, quoted
from abkit.intake.kpis.header.fields import listed, measures_another
from abkit.intake.kpis.header.platforms import Recipe, load_recipes

Rows = Callable[[], Iterable[Sequence[str]]]

_LEAST_LIKE = 75  # of 100: names less alike than this are no guess
# "Ads cost" is no ad.
_CONVERSIONS = re.compile(r"(?i)\bconv|\b(purchases?|leads|orders|results?)\b")
_OTHER_DAY = re.compile(r"(?i)\b(creat|updat|modif|edit|launch|approv)")  # of the ad, not of its delivery
# A group or set of ads, its id as well, is no ad.
_GROUP = re.compile(
    r"(?i)\b(groupe?s?|grupos?|gruppo|gruppi|grupy?|grupa|groep|sets?|ensemble|conjuntos?|insieme|zestaw)\b"
    r"|gruppe|groep|セット|グループ|세트|그룹|组|組"
)
_FIGURE = re.compile(r"cost|spen[dt]|click|impression|impr\b|views?\b|reach|revenue|value|conversion", re.IGNORECASE)
_WORTH_A_GUESS = ("conversions", "spend")


def missing_fields(columns: Columns, *, period_given: bool) -> list[str]:
    """Return the fields that every row needs and no column holds; "day" and "ad" stand for what may replace them."""
    has = columns.position
    missing = [name for name in ("impressions", "clicks") if name not in has and name not in columns.undecided]
    if not {"ad", "creative", "ad_name"} & {*has, *columns.undecided}:
        missing.insert(0, "ad")
    dated = "day" in has or ("period_start" in has and "period_end" in has)
    if not dated and not period_given and not {"day", "period_start", "period_end"} & columns.undecided.keys():
        missing.insert(0, "day")
    return missing


def suggest_mapping(
    columns: Columns,
    wanted: Sequence[str],
    recipes: tuple[Recipe, ...] | None = None,
    plausible: Callable[[str, str], bool] | None = None,
) -> dict[str, str]:
    """Guess which unused column each field is, from how alike its name is to the names that platforms use.

    Args:
        columns: What `find_columns` found.
        wanted: Fields; "ad" also accepts what is called like a creative or an ad's name.
        recipes: What `load_recipes` returns.
        plausible: Returns whether a column could be a field, by the names of both; without it, each could.

    Returns:
        By column name, the field. A column is guessed once, and a field that no name is like is left out.
    """
    from rapidfuzz import fuzz, process, utils

    accepted = {name: {name} for name in wanted}
    if "ad" in accepted:
        accepted["ad"] |= {"ad_name", "creative"}
    likely: list[tuple[float, str, str, str]] = []
    for recipe in recipes or load_recipes():
        for block in recipe.headers:
            for name, synonyms in block.names.items():
                for goal in (goal for goal, names in accepted.items() if name in names):
                    likely += [
                        (float(score), goal, name, column)
                        for column in columns.unused
                        if plausible is None or plausible(column, name)
                        for _, score, _ in process.extract(
                            column, synonyms, scorer=fuzz.WRatio, processor=utils.default_process, limit=1
                        )
                        if score >= _LEAST_LIKE
                    ]
    guesses: dict[str, str] = {}
    done: set[str] = set()
    for _, goal, name, column in sorted(likely, key=lambda one: -one[0]):
        if goal not in done and column not in guesses:
            guesses[column] = name
            done.add(goal)
    return guesses


def require_fields(
    columns: Columns,
    *,
    period_given: bool,
    command: str = "",
    recipes: tuple[Recipe, ...] | None = None,
    rows: Rows | None = None,
) -> None:
    """Refuse a file that lacks what every row needs, or in which two columns could be one field.

    Args:
        columns: What `find_columns` found.
        period_given: Whether the user said which days a file without dates covers.
        command: The command as it was given, to which the hint adds what is missing.
        recipes: What `load_recipes` returns.
        rows: Returns the first rows of the file: where no name says what a column is, its cells may.

    Raises:
        InvalidInput: The message names all that is missing, the hint is one command that settles it, and says which
            parts of it are guesses.
    """
    missing = missing_fields(columns, period_given=period_given)
    if not missing and not columns.undecided:
        return
    twins = [names for names in columns.undecided.values() if len(set(names)) < len(names)]
    if twins:
        # --map goes by the name, so it could not tell these apart.
        both, name = " and ".join(map(repr, twins[0])), _field_of(columns, twins[0])
        raise InvalidInput(f"columns {both} could both be {name}", hint="rename all but one of them in the file")
    reasons = [
        f"columns {' and '.join(map(repr, names))} could {'both' if len(names) == 2 else 'all'} be {name}"
        for name, names in columns.undecided.items()
    ]
    guesses, said = _guesses(columns, missing, recipes, rows)
    options = [(names[0], name) for name, names in columns.undecided.items()] + list(guesses.items())
    stands_for = {"ad_name": "ad", "creative": "ad", "period_start": "day"}
    guessed = {stands_for.get(name, name) for name in guesses.values()}
    options += [("THEIR COLUMN", name) for name in missing if name not in guessed]
    if missing:
        says = {"ad": "ad (or creative)", "day": "day (or period_start and period_end)"}
        parts = [says.get(name, name) for name in missing]
        reasons.append(
            f"no column is {' and '.join(filter(None, (', '.join(parts[:-1]), parts[-1])))}; "
            f"the columns are: {listed(columns.names)}"
        )
    maps = " ".join(f"--map {quoted(f'{column}={name}')}" for column, name in options)
    hint = f"say which is which: {' '.join(filter(None, (command, maps)))}"
    if said:
        hint += f"; check the guesses: {', '.join(said)}"
    if "day" in missing:
        hint += "; for totals without a date say the period: --period 2026-01-01..2026-01-31"
    raise InvalidInput("; ".join(reasons), hint=hint)


def _guesses(
    columns: Columns, missing: Sequence[str], recipes: tuple[Recipe, ...] | None, rows: Rows | None
) -> tuple[dict[str, str], list[str]]:
    """Return by column what it could be: by its name, else by its cells; and what is to be said about each guess."""
    every = column_values(columns.names, rows()) if rows is not None else []
    # What could be one field is not guessed as another.
    rivals = {name for names in columns.undecided.values() for name in names}
    unused = [name for name in columns.unused if name not in rivals]
    columns = replace(columns, unused=unused)
    free = {one.name: one for one in every if one.name in unused and columns.names.count(one.name) == 1}
    known = {name: every[at] for name, at in columns.position.items()} if every else {}
    guesses: dict[str, str] = {}
    said: list[str] = []
    # Without its field, the kinds of one conversion would be refused as rows that contradict each other.
    if not {"event"} & {*columns.position, *columns.undecided} and (kinds := kinds_of_conversions(free.values())):
        guesses[kinds[0].name] = "event"
        said.append(f"{kinds[0].name!r} is event by its name")
        free = {name: one for name, one in free.items() if one not in kinds}
    # What every row needs chooses first.
    for wanted in (missing, _worth_a_guess(columns, missing)):
        by_name = suggest_mapping(columns, wanted, recipes, partial(_plausible, guesses, free, known))
        settled = {"ad" if field in ("ad_name", "creative") and "ad" in wanted else field for field in by_name.values()}
        known |= {field: free.pop(column) for column, field in by_name.items() if column in free}
        by_cells = guess_by_values([field for field in wanted if field not in settled], list(free.values()), known)
        by_cells = [guess for guess in by_cells if not _says_otherwise(guess.column, guess.field)]
        known |= {guess.field: free.pop(guess.column) for guess in by_cells}
        guesses |= by_name | {guess.column: guess.field for guess in by_cells}
        said += [f"{column!r} is {field} by its name" for column, field in by_name.items()]
        said += [f"{guess.column!r} is {guess.field} by its cells ({guess.reason})" for guess in by_cells]
    return guesses, said


def _says_otherwise(column: str, field: str) -> bool:
    """Return whether the name of a column says that it is not this field, whatever its cells are.

    >>> _says_otherwise("All conv.", "impressions"), _says_otherwise("Created date", "day")
    (True, True)
    """
    if measures_another(column, field):
        return True
    if field in ("impressions", "clicks"):
        return _CONVERSIONS.search(column) is not None
    return field in ("day", "period_start", "period_end") and _OTHER_DAY.search(column) is not None


def _plausible(
    taken: Collection[str],
    free: Mapping[str, ColumnValues],
    known: Mapping[str, ColumnValues],
    column: str,
    field: str,
) -> bool:
    """Return whether a column is not taken, and has cells that could be the field, as far as they are known."""
    if field in ("ad", "ad_name", "creative") and (_FIGURE.search(column) or _GROUP.search(column)):
        return False
    if _says_otherwise(column, field):
        return False
    cells = free.get(column)
    return column not in taken and (cells is None or fits(field, cells, free.values(), known))


def _worth_a_guess(columns: Columns, missing: Sequence[str]) -> list[str]:
    """Return the fields that a file may lack, and that a command which is written anyway names too."""
    absent = [name for name in _WORTH_A_GUESS if name not in columns.position and name not in columns.undecided]
    named = {"ad_name", "creative"} & {*columns.position, *columns.undecided}
    return absent if named or "ad" in missing else ["ad_name", *absent]


def _field_of(columns: Columns, names: Sequence[str]) -> str:
    return next(name for name, those in columns.undecided.items() if those is names)
