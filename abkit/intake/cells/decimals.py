"""The decimal sign of each column of a table, or a refusal with both readings: for exports and for experiments.

It is what was said (`--decimal`); else that of the numbers in the column which can be read in one way only; else that
of the other columns of the file, where they agree: one program wrote the file. That is said in a note, unless the
column holds counts and the sign makes whole numbers of them.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from abkit.errors import InvalidInput
from abkit_model.data.number_columns import Evidence, WrittenColumn, evidence, figures
from abkit_model.data.numbers import OTHER, both_readings

_HINT = "say the decimal sign: --decimal . or --decimal ,"


@dataclass(frozen=True, kw_only=True)
class Settled:
    """The decimal sign of a column.

    Attributes:
        sign: "." or ","; None where nothing depends on it.
        mixed: Whether the column has numbers with the other sign too: then one that could be two is not to be trusted.
        notes: What was guessed.
    """

    sign: str | None
    mixed: bool = False
    notes: tuple[str, ...] = ()


def settle(
    columns: Mapping[str, WrittenColumn],
    decimal: str | None,
    *,
    names: Mapping[str, str] | None = None,
    whole: Collection[str] = (),
) -> dict[str, Settled]:
    """Find the decimal sign of each column.

    Args:
        columns: The columns of numbers of one file, by field.
        decimal: What was said; None finds it out.
        names: By field, the file's own name of the column; the field itself where they are the same.
        whole: The fields that hold counts.

    Raises:
        InvalidInput: A number could be two figures, and nothing says which; with both readings.
    """
    if decimal is not None:
        return {field: Settled(sign=decimal) for field in columns}
    names = names or {field: field for field in columns}
    found = {field: evidence(column) for field, column in columns.items()}
    settled = {}
    for field, one in found.items():
        if one.mixed and one.sign is None:
            point, comma = one.first["."], one.first[","]
            raise InvalidInput(
                f"column {names[field]!r} has decimal points ({point!r}) and decimal commas ({comma!r}), "
                "as many of each",
                hint=f"{_HINT}; numbers with the other one are rejected then",
            )
        if one.sign is None and one.either is not None:
            settled[field] = _of_the_file(field, columns[field], found, names, whole)
        else:
            settled[field] = Settled(sign=one.sign, mixed=one.mixed)
    return settled


def _of_the_file(
    field: str,
    column: WrittenColumn,
    found: Mapping[str, Evidence],
    names: Mapping[str, str],
    whole: Collection[str],
) -> Settled:
    """Return the sign that the other columns agree on; refuse where they do not, or where counts would not be whole."""
    either, several = found[field].either or "", found[field].several
    more = f" (and {several - 1:,} more like it)" if several > 1 else ""
    refused = f"column {names[field]!r}: {both_readings(either)}{more}: can be read in two ways"
    signs = {one.sign for one in found.values() if one.sign}
    if len(signs) != 1 or any(one.mixed for one in found.values()):
        raise InvalidInput(
            f"{refused}, and {'the other columns of the file differ' if signs else 'no number in the file says which'}",
            hint=_HINT,
        )
    (sign,) = signs
    # A count such as 1.204 is no count: where the other reading cannot be meant, nothing was guessed.
    is_whole = {one: bool((values := figures(column, one).drop_nulls()).eq(values.floor()).all()) for one in OTHER}
    if field in whole and not is_whole[sign]:
        raise InvalidInput(
            f"{refused}; the other columns have the decimal sign {sign!r}, with which this is no whole number",
            hint=f"{_HINT} (or export thousands without a sign)",
        )
    if field in whole and not is_whole[OTHER[sign]]:
        return Settled(sign=sign)
    other = next(names[name] for name, one in found.items() if one.sign == sign)
    note = f"{names[field]!r}: {either!r} is read with the decimal sign {sign!r} of column {other!r}"
    return Settled(sign=sign, notes=(note,))
