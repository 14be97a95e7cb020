"""What one written date may mean: by format, its first and last day. Which format a column has is found in `dates`.

Known are numbers in any order, months by name in eight languages, week days, times at midnight, the day numbers of
spreadsheets, and names of longer times: months, ISO weeks, quarters and ranges, which are totals of their days.
"""

from __future__ import annotations

import re
import unicodedata
from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from abkit_model.data.numbers import plain_text

SERIAL = "a spreadsheet's day numbers"
NAMED = "D Month YYYY"
NAMED_SHORT = "D Month YY"
MONTHS, WEEKS, QUARTERS = "months", "weeks", "quarters"
_LONGEST = 100  # no date has more characters
_FIRST_SERIAL, _LAST_SERIAL = 36526, 73050  # 2000-01-01 and 2099-12-31

# January to December in English, German, French, Spanish, Portuguese, Italian, Dutch and Polish (twice: as in dates).
_MONTH_NAMES = (
    "january february march april may june july august september october november december",
    "januar februar märz april mai juni juli august september oktober november dezember",
    "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
    "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "januari februari maart april mei juni juli augustus september oktober november december",
    "styczeń luty marzec kwiecień maj czerwiec lipiec sierpień wrzesień październik listopad grudzień",
    "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia",
)
_MORE_MONTHS = {"mrz": 3, "mrt": 3, "jänner": 1, "jän": 1, "sept": 9, "juil": 7}
# Monday to Sunday.
_DAY_NAMES = (
    "monday tuesday wednesday thursday friday saturday sunday",
    "montag dienstag mittwoch donnerstag freitag samstag sonntag",
    "lundi mardi mercredi jeudi vendredi samedi dimanche",
    "lunes martes miércoles jueves viernes sábado domingo",
    "segunda terça quarta quinta sexta sábado domingo",
    "lunedì martedì mercoledì giovedì venerdì sabato domenica",
    "maandag dinsdag woensdag donderdag vrijdag zaterdag zondag",
    "poniedziałek wtorek środa czwartek piątek sobota niedziela",
)
_MORE_DAYS = {"sonnabend": {5}, "pn": {0}, "wt": {1}, "sr": {2}, "cz": {3}, "pt": {4}, "nd": {6}}
_JOINING = frozenset(["de", "del", "of", "the", "st", "nd", "rd", "th", "er", "o"])

_ZONE = r"(?:Z|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{1,2}|(?:UTC|GMT)[+-]\d{1,2}(?::?\d{2})?|[A-Z]{2,4}T)?"
_TIME = re.compile(
    rf"(?:T|[ ,]+|(?<=日))(\d{{1,2}}):(\d{{2}})(?::(\d{{2}})(?:[.,](\d+))?)? ?([AaPp])?\.?[Mm]?\.? ?\(?{_ZONE}\)?$"
)
_DAY_NAME = (
    re.compile(r"^\(?(?P<name>[^\W\d_]+(?:-feira)?)\)?[.,]* +(?P<rest>.*\d.*)$", re.IGNORECASE),
    re.compile(r"^(?P<rest>.*\d)[ ,]+\(?(?P<name>[^\W\d_]+)\.?\)?$"),
)
_EAST_ASIAN_DAY = re.compile(
    r" ?(?:\([日月火水木金土일월화수목금토]\)|[日月火水木金土]曜日?|[일월화수목금토]요일"
    r"|(?:星期|周|週)[一二三四五六日天])$"
)
_NUMBERS = re.compile(r"^(\d{1,4})([-/. ]|\. )(\d{1,2})\2(\d{1,4})\.?$")
_ISO_WEEK = re.compile(
    r"(\d{4})-?w(\d{1,2})|(?:w|kw) ?(\d{1,2})[ ,/-]+(\d{4})|(\d{4})[ /-]+(?:w|kw) ?(\d{1,2})",
)
_JOINED_RANGE = (
    re.compile(r"^(.+?) (?:-|to|bis|au|al|ate|até|do|t/m|thru|through) (.+)$", re.IGNORECASE),
    re.compile(r"^(.+?) ?(?:~|\.\.\.?|→) ?(.+)$"),
    re.compile(r"^(\d{4}-\d{1,2}-\d{1,2}) ?[-/] ?(\d{4}-\d{1,2}-\d{1,2})$"),
    re.compile(r"^([^-]+)-([^-]+)$"),
)


def _folded(text: str) -> str:
    """Return lower case without accents."""
    apart = unicodedata.normalize("NFKD", text.casefold().replace("ł", "l"))
    return "".join(char for char in apart if not unicodedata.combining(char))


def _months() -> dict[str, int]:
    """Return months by name and by every beginning of three letters or more that means one month only."""
    meant: dict[str, set[int]] = {}
    for names in _MONTH_NAMES:
        for month, name in enumerate(_folded(names).split(), start=1):
            for end in range(3, len(name) + 1):
                meant.setdefault(name[:end], set()).add(month)
    known = {name: months.pop() for name, months in meant.items() if len(months) == 1}
    return known | {_folded(name): month for name, month in _MORE_MONTHS.items()}


def _days() -> dict[str, set[int]]:
    """Return week days by name and by its first two letters or more: where languages differ, all that are meant."""
    meant: dict[str, set[int]] = {name: set(days) for name, days in _MORE_DAYS.items()}
    for names in _DAY_NAMES:
        for day, name in enumerate(_folded(names).split()):
            for end in range(2, len(name) + 1):
                meant.setdefault(name[:end], set()).add(day)
    return meant


_MONTHS_BY_NAME, _DAYS_BY_NAME = _months(), _days()


@dataclass(frozen=True)
class DateText:
    """What a written date may mean.

    Attributes:
        readings: By format, first and last day; the same for a single day.
        unit: `day`, or the time that the text names: `months`, `weeks`, `quarters` or `ranges`.
        timed: Whether it has a time of day other than midnight.
        reason: Why it is no date, where that can be said.
    """

    readings: Mapping[str, tuple[date, date]] = field(default_factory=dict)
    unit: str = "day"
    timed: bool = False
    reason: str = ""


def read_text(text: str) -> DateText:
    """Return what a written date may mean.

    >>> read_text("Mon, Jan 5, 2026").readings
    {'D Month YYYY': (datetime.date(2026, 1, 5), datetime.date(2026, 1, 5))}
    >>> sorted(read_text("01/02/2026").readings)
    ['DD/MM/YYYY', 'MM/DD/YYYY']
    """
    plain = " ".join(plain_text(text[: 2 * _LONGEST]).split())
    if len(plain) > _LONGEST:
        return DateText()
    rest, timed = _without_time(plain)
    if days := dict(_days_of(rest)):
        return DateText({key: (day, day) for key, day in days.items()}, "day", timed or _is_hour(rest))
    if re.fullmatch(r"\d{5}[.,]\d+", rest) and (days := dict(_days_of(rest[:5]))):
        return DateText({key: (day, day) for key, day in days.items()}, "day", set(rest[6:]) != {"0"})
    if timed:
        return DateText()
    return _range_of(plain) or _longer_time(plain) or DateText(reason=_why_not(plain))


def _without_time(text: str) -> tuple[str, bool]:
    """Return a text without its time of day, and whether that is other than midnight."""
    found = _TIME.search(text)
    if found is None:
        return text, False
    hour, minute, second = (int(part or 0) for part in found.group(1, 2, 3))
    if hour > 24 or minute > 59 or second > 60:
        return text, False
    half = (found.group(5) or "").lower()
    if half and hour == 12:
        hour = 0 if half == "a" else 12
    elif half == "p":
        hour += 12
    midnight = hour == minute == second == 0 and not (found.group(4) or "").strip("0")
    return text[: found.start()].rstrip(" ,"), not midnight


def _is_hour(text: str) -> bool:
    return re.fullmatch(r"\d{10}", text) is not None


def _days_of(text: str) -> Iterator[tuple[str, date]]:
    """Yield format and day for each way to read a text as one day."""
    text = _EAST_ASIAN_DAY.sub("", text)
    said: set[int] | None = None
    if any(char.isalpha() and char.isascii() for char in text):
        text, said = _without_day_name(text)
    for key, day in _dates_of(text):
        if said is None or day.weekday() in said:
            yield key, day


def _without_day_name(text: str) -> tuple[str, set[int] | None]:
    """Return a text without the name of a week day in front of it or behind it, and which days that may be."""
    for pattern in _DAY_NAME:
        found = pattern.match(text)
        if found is None:
            continue
        name, rest = found.group("name", "rest")
        days = _DAYS_BY_NAME.get(_folded(name).split("-")[0])
        # `Mar 5, 2026` is a day of March, `mar. 5 janv. 2026` a Tuesday: a month is needed, and there is one only once.
        others = [token for token in re.findall(r"[^\W\d_]+", _folded(rest)) if token in _MONTHS_BY_NAME]
        numbers = re.findall(r"\d+", rest)
        if days is not None and (others or len(numbers) == 3 or len(numbers[0]) == 8):
            return rest, days
    return text, None


def _dates_of(text: str) -> Iterator[tuple[str, date]]:
    if found := re.fullmatch(r"(\d{4}) ?[年년] ?(\d{1,2}) ?[月월] ?(\d{1,2}) ?[日일号]?", text):
        yield from _valid("YYYY年MM月DD日", *found.groups())
    elif found := _NUMBERS.fullmatch(text):
        one, sign, two, three = found.groups()
        sign = sign.strip() or " "
        if len(one) == 4 and len(three) <= 2:
            yield from _valid(f"YYYY{sign}MM{sign}DD", one, two, three)
        elif len(one) <= 2 and len(three) == 4:
            yield from _valid(f"DD{sign}MM{sign}YYYY", three, two, one)
            yield from _valid(f"MM{sign}DD{sign}YYYY", three, one, two)
        elif len(one) <= 2 and len(three) == 2:
            yield from _valid(f"DD{sign}MM{sign}YY", "20" + three, two, one)
            yield from _valid(f"MM{sign}DD{sign}YY", "20" + three, one, two)
            if len(one) == 2:
                yield from _valid(f"YY{sign}MM{sign}DD", "20" + one, two, three)
    elif found := re.fullmatch(r"(\d{4})(\d{2})(\d{2})(?:[01]\d|2[0-3])?", text):
        yield from _valid("YYYYMMDD", *found.groups())
    elif re.fullmatch(r"\d{5}", text) and _FIRST_SERIAL <= int(text) <= _LAST_SERIAL:
        yield SERIAL, date(1899, 12, 30) + timedelta(days=int(text))
    else:
        yield from _named(text)


def _named(text: str) -> Iterator[tuple[str, date]]:
    """Yield the day of a text that names its month: day, month, year in any usual order."""
    tokens = [token for token in re.findall(r"\d+|[^\W\d_]+", _folded(text)) if token not in _JOINING]
    months = [_MONTHS_BY_NAME.get(token, 0) for token in tokens]
    if len(tokens) != 3 or sum(map(bool, months)) != 1:
        return
    place = next(index for index, month in enumerate(months) if month)
    one, two = (token for index, token in enumerate(tokens) if index != place)
    month = str(months[place])
    if not (one.isdigit() and two.isdigit()):
        return
    if len(one) == 4 and len(two) <= 2 and place > 0:
        yield from _valid(NAMED, one, month, two)
    elif len(one) <= 2 and len(two) == 4 and place < 2:
        yield from _valid(NAMED, two, month, one)
    elif len(one) <= 2 and len(two) == 2 and place < 2:
        yield from _valid(NAMED_SHORT, "20" + two, month, one)


def _valid(key: str, year: str, month: str, day: str) -> Iterator[tuple[str, date]]:
    try:
        found = date(int(year), int(month), int(day))
    except ValueError:
        return
    # 26/01/02 is more likely a year first than the 26th of January 2002.
    if "YYYY" in key or "年" in key or found.year >= 2010:
        yield key, found


def _range_of(text: str) -> DateText | None:
    """Return what a text means that has a first and a last day."""
    for pattern in _JOINED_RANGE:
        found = pattern.match(text)
        if found is None:
            continue
        (first, early), (last, late) = (_without_time(part.strip()) for part in found.groups())
        firsts, lasts = dict(_days_of(first)), dict(_days_of(last))
        both = {key: (firsts[key], lasts[key]) for key in firsts if key in lasts and firsts[key] <= lasts[key]}
        if both and SERIAL not in both:
            return DateText(both, "ranges", early or late)
    return None


def _longer_time(text: str) -> DateText | None:
    """Return what a text means that names a month, an ISO week or a quarter."""
    folded = _folded(text)
    if found := _ISO_WEEK.fullmatch(folded):
        year, week = (int(part) for part in (found[1] or found[4] or found[5], found[2] or found[3] or found[6]))
        try:
            monday = date.fromisocalendar(year, week, 1)
        except ValueError:
            return None
        return DateText({WEEKS: (monday, monday + timedelta(days=6))}, WEEKS)
    if found := re.fullmatch(r"q([1-4])[ ,/-]*(\d{4})|(\d{4})[ /-]*q([1-4])", folded):
        year, quarter = int(found[2] or found[3]), int(found[1] or found[4])
        return DateText({QUARTERS: (_month(year, 3 * quarter - 2)[0], _month(year, 3 * quarter)[1])}, QUARTERS)
    year, month = 0, 0
    if found := re.fullmatch(r"(\d{4})[-/. ](\d{1,2})|(\d{4}) ?[年년] ?(\d{1,2}) ?[月월]", text):
        year, month = int(found[1] or found[3]), int(found[2] or found[4])
    elif found := re.fullmatch(r"(\d{1,2})[-/. ](\d{4})", text):
        month, year = int(found[1]), int(found[2])
    else:
        tokens = [token for token in re.findall(r"\d+|[^\W\d_]+", folded) if token not in _JOINING]
        if len(tokens) == 2 and tokens[0] in _MONTHS_BY_NAME:
            tokens.reverse()
        if len(tokens) == 2 and re.fullmatch(r"\d{4}", tokens[0]):
            year, month = int(tokens[0]), _MONTHS_BY_NAME.get(tokens[1], 0)
    if 1 <= month <= 12 and year > 0:
        return DateText({MONTHS: _month(year, month)}, MONTHS)
    return None


def _month(year: int, month: int) -> tuple[date, date]:
    return date(year, month, 1), date(year, month, monthrange(year, month)[1])


def _why_not(text: str) -> str:
    folded = _folded(text)
    if re.match(r"(week|woche|semaine|semana|settimana|tydzien)\b", folded) or re.search(r"\bweek ?\d", folded):
        return "is a week that may begin on Sunday or on Monday"
    if re.fullmatch(r"(19|20)\d{2}", text):
        return "is a year, not a day"
    tokens = [token for token in re.findall(r"\d+|[^\W\d_]+", folded) if token not in _JOINING]
    if len(tokens) == 2 and any(token in _MONTHS_BY_NAME for token in tokens):
        return "has no year of four digits"
    if re.fullmatch(r"\d{1,2}[-/.]\d{1,2}\.?", text):
        return "has no year"
    if re.fullmatch(r"1\d{9}|1\d{12}", text):
        return "is a time in seconds or milliseconds, not a day"
    return ""
