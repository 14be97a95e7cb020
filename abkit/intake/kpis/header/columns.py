"""Which column of a KPI export is which field: `--map` first, then the platform's recipe, then common names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from abkit.errors import InvalidInput
from abkit.intake.kpis.header.fields import (
    LABELS,
    RESULTS,
    UNSTORED,
    currency_in,
    in_millionths,
    listed,
    measures_another,
    plain_name,
)
from abkit.intake.kpis.header.platforms import (
    UNUSED,
    Meaning,
    Recipe,
    common_meanings,
    load_recipes,
    recognize,
)
from abkit.metrics import MONEY
from abkit_model.names import composed

_NAME_OF_PLATFORM, _COMMON = range(2)  # how near a name is to the file: its platform's, or anybody's
# Rates and reach in English say so themselves: nobody misses them. Compared with plain names.
_RATE = re.compile(r"(avg|average)?(ctr|cpc|cpm|cpa|cpv|cvr|ecpm|ecpc|roas|acos|frequency|reach|costper|clickthrurate)")


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


# Any line may be the header, and most lines repeat what is in the others.
_plain = lru_cache(maxsize=4096)(plain_name)


def recognized(cells: Sequence[str], mapping: Mapping[str, str], recipes: tuple[Recipe, ...] | None = None) -> int:
    """Return how many different fields a line names: how much it looks like the header."""
    mapped = {plain_name(column) for column in mapping}
    plain = {_plain(cell) for cell in cells if cell and len(cell) <= 200}
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
        found = _meaning(index, name, recipe, recipes)
        if found and not measures_another(names[index], found.meaning.field):
            candidates.setdefault(found.meaning.field, []).append(found)
        elif not found and _RATE.match(name):
            known.add(index)
    known.update(one.index for one in candidates.pop(UNUSED, []))
    for amount in MONEY:
        # The same amounts, once in units and once in millionths.
        whole = [one for one in candidates.get(amount, []) if not in_millionths(names[one.index])]
        if whole and len(whole) < len(candidates[amount]):
            known.update(one.index for one in candidates[amount] if one not in whole)
            candidates[amount] = whole
    choice = _Choice(names=names, position=position, candidates=candidates)
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


@dataclass(kw_only=True)
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
            other = quoted(f"{self.names[others[0]]}={name}")
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


def quoted(text: str) -> str:
    """Return an option's value as a shell reads it back.

    >>> print(quoted("Ad nme=ad"), quoted("Nome dell'inserzione=ad_name"))
    'Ad nme=ad' 'Nome dell'"'"'inserzione=ad_name'
    """
    import shlex

    return shlex.quote(text) if "'" in text else f"'{text}'"
