"""Which column of a KPI export is which field: `--map` first, then the platform's recipe, then common names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from abkit.errors import InvalidInput
from abkit.intake.kpis.fields import LABELS, MONEY, UNSTORED, currency_in, listed, plain_name
from abkit.intake.kpis.platforms import RESULTS, UNUSED, Meaning, Recipe, common_meanings, load_recipes, recognize
from abkit_model.names import composed

_NAME_OF_PLATFORM, _COMMON = range(2)  # how near a name is to the file: its platform's, or anybody's
_LEAST_LIKE = 75  # of 100: names less alike than this are no guess
# Rates and reach in English say so themselves: nobody misses them. Compared with plain names.
_RATE = re.compile(r"(avg|average)?(ctr|cpc|cpm|cpa|cpv|cvr|ecpm|ecpc|roas|acos|frequency|reach|costper|clickthrurate)")
_WORTH_A_GUESS = ("conversions", "spend")  # a file may lack them; a command that is written anyway names them too


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which column is which field.

    Attributes:
        position: By field that was found, the index of its column.
        names: The column names of the file.
        unused: The names of the columns whose meaning is unknown.
        currency: Currency of the rows, where the name of a money column says it: that of spend before that of revenue.
        currencies: By money column whose name says it, its currency.
        platform: Platform whose export this is; "" where the header does not say.
        title: Its name for people.
        event: Which event the conversions count, where the name of their column says it.
        attribution_window: Their attribution window, likewise.
        results: Whether the conversions are results: of each row, another column says what they count.
        undecided: By field that several columns could be, their names.
        notes: Which of several columns was taken.
    """

    position: Mapping[str, int]
    names: Sequence[str]
    unused: Sequence[str] = ()
    currency: str | None = None
    currencies: Mapping[str, str] = field(default_factory=dict)
    platform: str = ""
    title: str = ""
    event: str = ""
    attribution_window: str = ""
    results: bool = False
    undecided: Mapping[str, Sequence[str]] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def named(self, field: str) -> str:
        """Return the file's own name of a field; the field's where the file has none."""
        return self.names[self.position[field]] if field in self.position else field


def recognized(cells: Sequence[str], mapping: Mapping[str, str], recipes: tuple[Recipe, ...] | None = None) -> int:
    """Return how many different fields a line names: how much it looks like the header."""
    mapped = {plain_name(column) for column in mapping}
    plain = {plain_name(cell) for cell in cells if cell and len(cell) <= 200}
    common = common_meanings(recipes or load_recipes())
    fields = {common[name].field for name in plain if name in common} - {UNUSED}
    return len(fields) + len(plain & mapped)


@dataclass(frozen=True)
class _Candidate:
    """A column that could be a field."""

    index: int
    nearness: int
    meaning: Meaning


def find_columns(
    names: Sequence[str], mapping: Mapping[str, str], recipes: tuple[Recipe, ...] | None = None
) -> Columns:
    """Find the column of each field.

    What `--map` names comes first, then what the platform of the export calls its columns, then names that mean the
    same wherever they are used. Of a key and a name, as "Campaign ID" and "Campaign name", the key identifies and the
    name is its label; where there is no key, the name stands for it.

    Args:
        names: The header.
        mapping: By column name, the field; '' leaves that column out.
        recipes: What `load_recipes` returns.

    Raises:
        InvalidInput: A mapped column is not there, or the money columns are in two currencies.
    """
    recipes = recipes or load_recipes()
    names = [composed(name.strip().lstrip("\ufeff")) for name in names]
    position = _mapped(names, mapping)
    plain = [plain_name(name) for name in names]
    said = {plain_name(column) for column in mapping}
    recipe = recognize(frozenset(plain), recipes)
    candidates: dict[str, list[_Candidate]] = {}
    known: set[int] = set()
    for index, name in enumerate(plain):
        if name in said or not name:
            continue
        if found := _meaning(index, name, recipe, recipes):
            candidates.setdefault(found.meaning.field, []).append(found)
        elif _RATE.match(name):
            known.add(index)
    known.update(one.index for one in candidates.pop(UNUSED, []))
    choice = _Choice(names, position, candidates)
    choice.decide()
    settled = known | choice.passed | set(position.values())
    counted = choice.taken.get("conversions")
    said_by_name = {name: currency_in(names[position[name]]) for name in MONEY if name in position}
    currencies = {name: currency for name, currency in said_by_name.items() if currency}
    return Columns(
        position=position,
        names=names,
        unused=[name for index, name in enumerate(names) if index not in settled and name and plain[index] not in said],
        currency=next(iter(currencies.values()), None),
        currencies=currencies,
        platform=recipe.platform if recipe else "",
        title=recipe.title if recipe else "",
        event=counted.meaning.event if counted else "",
        attribution_window=counted.meaning.window if counted else "",
        results=bool(counted and counted.meaning.field == RESULTS),
        undecided=choice.undecided,
        notes=choice.notes,
    )


def _meaning(index: int, plain: str, recipe: Recipe | None, recipes: tuple[Recipe, ...]) -> _Candidate | None:
    if recipe and plain in recipe.meanings:
        return _Candidate(index, _NAME_OF_PLATFORM, recipe.meanings[plain])
    meaning = common_meanings(recipes).get(plain)
    return _Candidate(index, _COMMON, meaning) if meaning else None


@dataclass
class _Choice:
    """The choice of one column per field.

    Attributes:
        names: The header.
        position: By field, the index of its column: what is decided.
        candidates: By field, the columns that could be it.
        taken: By field, the candidate that was taken.
        undecided: By field that several columns could be, their names.
        notes: Which of several columns was taken.
        passed: The indexes of those that were not.
    """

    names: Sequence[str]
    position: dict[str, int]
    candidates: dict[str, list[_Candidate]]
    taken: dict[str, _Candidate] = field(default_factory=dict)
    undecided: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    passed: set[int] = field(default_factory=set)

    def decide(self) -> None:
        """Decide for each field that `--map` does not name."""
        self._count_results()
        for name in [*LABELS, *(name for name in self.candidates if name not in LABELS)]:
            if name not in self.position and name in self.candidates:
                self._take(name, self._ranked(name, self.candidates[name]))
        self._label()

    def _ranked(self, name: str, found: list[_Candidate]) -> list[_Candidate]:
        """Put the preferred column first: what the platform prefers, else the one that has the field's own name."""

        def order(one: _Candidate) -> tuple[int, bool, int]:
            is_own = plain_name(self.names[one.index]) == plain_name(name)
            return one.nearness, one.nearness == _COMMON and name not in LABELS and not is_own, one.meaning.rank

        return sorted(found, key=order)

    def _count_results(self) -> None:
        """Results are conversions: before all others where a column says what they count, else after them."""
        results = self._ranked(RESULTS, self.candidates.pop(RESULTS, []))
        typed = "event" in self.position or "event" in self.candidates
        if results and "conversions" not in self.position and (typed or "conversions" not in self.candidates):
            others = self.candidates.pop("conversions", [])
            self._take("conversions", [*results, *others], ranked=True)

    def _take(self, name: str, found: list[_Candidate], *, ranked: bool = False) -> None:
        best = found[0]
        rivals = [one for one in found if one.nearness == best.nearness]
        same = [one for one in rivals if plain_name(self.names[one.index]) == plain_name(self.names[best.index])]
        exact = plain_name(self.names[best.index]) == plain_name(name)
        in_order = ranked or exact or best.nearness == _NAME_OF_PLATFORM or name in LABELS
        if len(same) > 1 or (len(rivals) > 1 and not in_order):
            self.undecided[name] = [self.names[one.index] for one in (same if in_order else rivals)]
            return
        self.position[name] = best.index
        self.taken[name] = best
        others = [one.index for one in found[1:]]
        label = LABELS.get(name)
        if label and others and label not in self.position and label not in self.candidates:
            self.position[label] = others.pop(0)
        if others:
            self.passed.update(others)
            rest = listed([self.names[index] for index in others])
            other = _quoted(f"{self.names[others[0]]}={name}")
            self.notes.append(f"{name} is {self.names[best.index]!r}, not {rest} (--map {other})")

    def _label(self) -> None:
        """Let a name stand for a key that is missing, and say which is which where both are there."""
        pairs = []
        for key, label in LABELS.items():
            if label not in self.position or key == "ad":
                continue
            if key in self.position:
                pairs.append((key, self.position[key], self.position[label]))
            elif key not in self.undecided:
                self.position[key] = self.position.pop(label)
        if "ad_name" in self.position and "creative" not in self.position and "creative" not in self.undecided:
            # What an ad is called is what it shows, as far as the file says.
            self.position["creative"] = self.position.pop("ad_name")
            if "ad" in self.position:
                pairs.insert(0, ("ad", self.position["ad"], self.position["creative"]))
        for label in UNSTORED:
            self.passed.update({self.position.pop(label)} if label in self.position else ())
        if pairs:
            said = (f"{key} is {self.names[at]!r}, named by {self.names[label]!r}" for key, at, label in pairs)
            self.notes.append("; ".join(said))


def _mapped(names: Sequence[str], mapping: Mapping[str, str]) -> dict[str, int]:
    position: dict[str, int] = {}
    for column, name in mapping.items():
        indexes = [index for index, given in enumerate(names) if given == column]
        indexes = indexes or [index for index, given in enumerate(names) if plain_name(given) == plain_name(column)]
        if not indexes:
            raise InvalidInput(
                f"--map names a column {column!r} that the file does not have",
                hint=f"its columns are: {listed(names)}",
            )
        if len(indexes) > 1:
            raise InvalidInput(f"the file has {len(indexes)} columns {column!r}", hint="rename all but one of them")
        if name and name in position:
            raise InvalidInput(f"--map gives two columns for {name}", hint="keep one of them")
        if name:
            position[name] = indexes[0]
    return position


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
    columns: Columns, wanted: Sequence[str], recipes: tuple[Recipe, ...] | None = None
) -> dict[str, str]:
    """Guess which unused column each field is, from how alike its name is to the names that platforms use.

    Args:
        columns: What `find_columns` found.
        wanted: Fields; "ad" also accepts what is called like a creative or an ad's name.
        recipes: What `load_recipes` returns.

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
    columns: Columns, *, period_given: bool, command: str = "", recipes: tuple[Recipe, ...] | None = None
) -> None:
    """Refuse a file that lacks what every row needs, or in which two columns could be one field.

    Args:
        columns: What `find_columns` found.
        period_given: Whether the user said which days a file without dates covers.
        command: The command as it was given, to which the hint adds what is missing.
        recipes: What `load_recipes` returns.

    Raises:
        InvalidInput: The message names all that is missing, the hint is one command that settles it.
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
    absent = [name for name in _WORTH_A_GUESS if name not in columns.position and name not in columns.undecided]
    guesses = suggest_mapping(columns, [*missing, *absent], recipes)
    options = [(names[0], name) for name, names in columns.undecided.items()] + list(guesses.items())
    guessed = {("ad" if name in ("ad_name", "creative") else name) for name in guesses.values()}
    options += [("THEIR COLUMN", name) for name in missing if name not in guessed]
    if missing:
        says = {"ad": "ad (or creative)", "day": "day (or period_start and period_end)"}
        parts = [says.get(name, name) for name in missing]
        reasons.append(
            f"no column is {' and '.join(filter(None, (', '.join(parts[:-1]), parts[-1])))}; "
            f"the columns are: {listed(columns.names)}"
        )
    maps = " ".join(f"--map {_quoted(f'{column}={name}')}" for column, name in options)
    hint = f"say which is which: {' '.join(filter(None, (command, maps)))}"
    if "day" in missing:
        hint += "; for totals without a date say the period: --period 2026-01-01..2026-01-31"
    raise InvalidInput("; ".join(reasons), hint=hint)


def _field_of(columns: Columns, names: Sequence[str]) -> str:
    return next(name for name, those in columns.undecided.items() if those is names)


def _quoted(text: str) -> str:
    import shlex

    return shlex.quote(text) if "'" in text else f"'{text}'"
