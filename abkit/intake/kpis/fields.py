"""Which column of a KPI export is which field: the names that platforms use, and `--map` for the rest."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from abkit.errors import InvalidInput, UsageError
from abkit.vocabulary import Dimension
from abkit_model.names import composed

PERIODS = ("day", "period_start", "period_end")
COUNTS = ("impressions", "clicks", "conversions")
MONEY = ("spend", "revenue")
NAMES = ("ad", "account", "creative", "campaign", *map(str, Dimension), "currency", "event", "attribution_window")
FIELDS = (*PERIODS, *NAMES, *COUNTS, *MONEY)

# Names of these columns in the exports of the large platforms, without case, spaces and signs.
_SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "day": ("date", "byday", "stattimeday", "reportdate", "datum", "tag", "jour", "日付", "日"),
    "period_start": ("reportingstarts", "startdate", "datestart", "periodfrom", "from", "berichtsstart"),
    "period_end": ("reportingends", "enddate", "datestop", "dateend", "periodto", "to", "berichtsende"),
    "ad": ("adid", "adgroupadid", "anzeigenid", "werbeanzeigenid", "広告id"),
    "account": ("accountid", "adaccountid", "accountname", "customerid", "アカウント"),
    "creative": ("creativename", "creativefile", "filename", "imagename", "asset", "assetfile", "クリエイティブ"),
    "campaign": ("campaignname", "campaignid", "campaignkey", "kampagne", "kampagnenname", "campagne", "キャンペーン"),
    "platform": ("publisherplatform", "publisher", "network"),
    "placement": ("placementname", "adplacement"),
    "country": ("countrycode", "region"),
    "device": ("deviceplatform", "devicetype", "impressiondevice"),
    "age": ("agegroup", "agerange"),
    "gender": ("sex",),
    "impressions": ("impr", "imps", "impression", "impressionen", "表示回数", "インプレッション"),
    "clicks": ("click", "linkclicks", "clicksdestination", "klicks", "linkklicks", "clics", "クリック数"),
    "conversions": ("conversion", "conv", "totalconversion", "totalconversions", "results", "コンバージョン"),
    "spend": ("amountspent", "spent", "cost", "kosten", "ausgegebenerbetrag", "coût", "montantdépensé", "費用"),
    "revenue": ("conversionvalue", "convvalue", "totalconversionvalue", "purchasevalue", "sales", "umsatz"),
    "currency": ("currencycode", "accountcurrency", "währung", "währungscode", "devise"),
    "event": ("conversionevent", "eventname", "resulttype", "conversionaction"),
    "attribution_window": ("attribution", "attributionsetting"),
}


def plain_name(name: str) -> str:
    """Return a column name without case, spaces, signs and a currency in brackets.

    >>> plain_name(" Amount spent (USD) "), plain_name("Impr."), plain_name("AD_ID")
    ('amountspent', 'impr', 'adid')
    """
    name = re.sub(r"\(([A-Z]{3})\)\s*$", "", composed(name).strip())
    return "".join(char for char in name.lower() if char.isalnum())


def currency_in(name: str) -> str | None:
    """Return the currency that a column name has in brackets.

    >>> currency_in("Amount spent (USD)")
    'USD'
    """
    found = re.search(r"\(([A-Z]{3})\)\s*$", name.strip())
    return found.group(1) if found else None


_FIELD_OF = {plain_name(name): field for field in FIELDS for name in (field, *_SYNONYMS.get(field, ()))}


@dataclass(frozen=True)
class Columns:
    """Which column is which field.

    Attributes:
        position: By field that was found, the index of its column.
        names: The column names of the file.
        unused: The names of the columns that are not fields.
        currency: Currency of the money columns, where their names say it.
    """

    position: Mapping[str, int]
    names: Sequence[str]
    unused: Sequence[str]
    currency: str | None = None

    def named(self, field: str) -> str:
        """Return the file's own name of a field; the field's where the file has none."""
        return self.names[self.position[field]] if field in self.position else field


def parse_mapping(texts: Sequence[str]) -> dict[str, str]:
    """Read `Their column=field` options; `Their column=` leaves a column out.

    Raises:
        UsageError: No equals sign, or a field that does not exist.

    >>> parse_mapping(["Fb Spend = spend", "Ad ID="])
    {'Fb Spend': 'spend', 'Ad ID': ''}
    """
    mapping: dict[str, str] = {}
    for text in texts:
        column, sign, field = text.rpartition("=")
        field = field.strip()
        if not sign or not column.strip():
            raise UsageError(f"--map {text!r} is not COLUMN=FIELD", hint="for example --map 'Amount=spend'")
        if field and field not in FIELDS:
            raise UsageError(f"--map {text!r}: there is no field {field!r}", hint=f"fields: {', '.join(FIELDS)}")
        mapping[composed(column.strip())] = field
    return mapping


def recognized(cells: Sequence[str], mapping: Mapping[str, str]) -> int:
    """Return how many different fields a line names: how much it looks like the header."""
    mapped = {plain_name(column) for column in mapping}
    plain = {plain_name(cell) for cell in cells if cell and len(cell) <= 200}
    return len({_FIELD_OF[name] for name in plain if name in _FIELD_OF}) + len(plain & mapped)


def find_columns(names: Sequence[str], mapping: Mapping[str, str]) -> Columns:
    """Find the column of each field.

    What `--map` names comes first, then the field's own name, then a known synonym.

    Args:
        names: The header.
        mapping: By column name, the field; '' leaves that column out.

    Raises:
        InvalidInput: A mapped column is not there, or two columns could be the same field.
    """
    names = [composed(name.strip().lstrip("\ufeff")) for name in names]
    position = _mapped(names, mapping)
    plain = {plain_name(column) for column in mapping}
    ignored = {index for index, name in enumerate(names) if plain_name(name) in plain}
    for exact in (True, False):
        found: dict[str, list[int]] = {}
        for index, name in enumerate(names):
            field = _FIELD_OF.get(plain_name(name))
            if field is None or index in ignored or field in position:
                continue
            if not exact or plain_name(name) == plain_name(field):
                found.setdefault(field, []).append(index)
        for field, indexes in found.items():
            if len(indexes) > 1:
                raise _two_columns(field, [names[index] for index in indexes])
            position[field] = indexes[0]
    used = set(position.values())
    currencies = {currency_in(names[position[field]]) for field in MONEY if field in position} - {None}
    if len(currencies) > 1:
        raise InvalidInput(
            f"the money columns are in different currencies: {', '.join(sorted(map(str, currencies)))}",
            hint="leave one out with --map 'COLUMN='",
        )
    return Columns(
        position=position,
        names=names,
        unused=[name for index, name in enumerate(names) if index not in used and name],
        currency=currencies.pop() if currencies else None,
    )


def _two_columns(field: str, names: Sequence[str]) -> InvalidInput:
    both = " and ".join(map(repr, names))
    hint = f"say which: --map '{names[0]}={field}' (and --map 'OTHER=' leaves another one out)"
    if len({plain_name(name) for name in names}) < len(names):
        # --map goes by the name, so it could not tell these apart.
        hint = "rename all but one of them in the file"
    return InvalidInput(f"columns {both} could both be {field}", hint=hint)


def _mapped(names: Sequence[str], mapping: Mapping[str, str]) -> dict[str, int]:
    position: dict[str, int] = {}
    for column, field in mapping.items():
        indexes = [index for index, name in enumerate(names) if name == column]
        indexes = indexes or [index for index, name in enumerate(names) if plain_name(name) == plain_name(column)]
        if not indexes:
            raise InvalidInput(
                f"--map names a column {column!r} that the file does not have",
                hint=f"its columns are: {listed(names)}",
            )
        if len(indexes) > 1:
            raise InvalidInput(f"the file has {len(indexes)} columns {column!r}", hint="rename all but one of them")
        if field and field in position:
            raise InvalidInput(f"--map gives two columns for {field}", hint="keep one of them")
        if field:
            position[field] = indexes[0]
    return position


def require_fields(columns: Columns, *, period_given: bool) -> None:
    """Refuse a file that lacks what every row needs.

    Raises:
        InvalidInput: The message has the columns that were found, the hint the `--map` to write.
    """
    has = columns.position
    missing = [field for field in ("impressions", "clicks") if field not in has]
    if "ad" not in has and "creative" not in has:
        missing.insert(0, "ad (or creative)")
    dated = "day" in has or ("period_start" in has and "period_end" in has)
    if not dated and not period_given:
        missing.insert(0, "day (or period_start and period_end)")
    if not missing:
        return
    hint = f"say which column it is: --map 'THEIR COLUMN={missing[0].split(' ')[0]}'"
    if not dated and not period_given:
        hint += "; for totals without a date say the period: --period 2026-01-01..2026-01-31"
    parts = " and ".join(filter(None, (", ".join(missing[:-1]), missing[-1])))
    raise InvalidInput(f"no column is {parts}; the columns are: {listed(columns.names)}", hint=hint)


def listed(names: Sequence[str], most: int = 20) -> str:
    """Return names for a message: the first ones, and how many more there are.

    >>> listed(["a", "b", "c"], most=2)
    "'a', 'b' and 1 more"
    """
    shown = ", ".join(repr(name[:60]) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
