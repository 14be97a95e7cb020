"""The one rule by which a written number becomes a figure, or is refused because it could be two.

`1.234` is one and a bit, or one thousand two hundred and thirty-four. A number that is valid with one decimal sign only
(`12.5`, `1,234.5`, `1.234.567`, `1,20,400`) says which sign its column uses; a column of which no number says so is
refused with both readings. Spaces and apostrophes stand between thousands, never before decimals.

A number may wear a currency, a percent sign, brackets or a minus behind it where it is negative. The rule is written
for single texts here, and for columns of a data frame in `number_columns`, from the same patterns.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

#: Decimal signs, each with the sign that stands between thousands beside it.
OTHER = {".": ",", ",": "."}
#: What exports write where there is no figure; compared in lower case, with every dash written as a hyphen.
PLACEHOLDERS = ("", "-", "--", "---", "n/a", "na", "n.a.", "#n/a", "null", "(null)", "none", "nil", "k.a.", "n/d")

#: An id that a spreadsheet or a floating-point number has rounded: it has more digits than these keep.
ROUNDED_ID = r"^\d[.,]\d+[eE]\+?\d{1,2}$|^\d[eE]\+\d{1,2}$|^\d{16,}\.0+$"

_ISO = re.findall(
    r"[A-Z]{3}",
    "AED ARS AUD BDT BGN BHD BOB BRL CAD CHF CLP CNY COP CRC CZK DKK DOP DZD EGP EUR GBP GEL GHS GTQ HKD HNL "
    "HRK HUF IDR ILS INR ISK JOD JPY KES KRW KWD KZT LBP LKR MAD MOP MXN MYR NGN NIO NOK NZD OMR PAB PEN PHP "
    "PKR PLN PYG QAR RMB RON RSD RUB SAR SEK SGD THB TND TRY TWD TZS UAH UGX USD UYU UZS VES VND XAF XOF ZAR "
    "ZMW ",
)
#: Signs that mean one currency; `$`, `¥` and `kr` may be several.
CURRENCY_OF = {
    "€": "EUR",
    "£": "GBP",
    "₹": "INR",
    "₩": "KRW",
    "₽": "RUB",
    "₺": "TRY",
    "₫": "VND",
    "฿": "THB",
    "₪": "ILS",
    "₴": "UAH",
    "₦": "NGN",
    "₱": "PHP",
    "₸": "KZT",
    "원": "KRW",
    "円": "JPY",
    "元": "CNY",
    "zł": "PLN",
    "Kč": "CZK",
    "Ft": "HUF",
    "lei": "RON",
    "лв.": "BGN",
    "лв": "BGN",
    "руб.": "RUB",
    "руб": "RUB",
    "грн": "UAH",
    "TL": "TRY",
    "US$": "USD",
    "R$": "BRL",
    "A$": "AUD",
    "AU$": "AUD",
    "C$": "CAD",
    "CA$": "CAD",
    "NZ$": "NZD",
    "HK$": "HKD",
    "NT$": "TWD",
    "S$": "SGD",
    "MX$": "MXN",
    "RM": "MYR",
    "Rp": "IDR",
    "Rs.": "INR",
    "Rs": "INR",
    "₨": "INR",
    "CN¥": "CNY",
    "JP¥": "JPY",
    "SFr.": "CHF",
    "Fr.": "CHF",
    "р.": "RUB",
    **{code: code for code in _ISO},
}
CODES = frozenset(CURRENCY_OF.values())
_DOLLARS = frozenset(
    "USD CAD AUD NZD HKD SGD TWD MXN ARS CLP COP UYU BRL DOP BBD BSD BZD BMD JMD TTD NAD FJD XCD".split()  # noqa: SIM905
)
_KRONOR = ("SEK", "NOK", "DKK", "ISK")
#: Signs of several currencies, and which these are.
SEVERAL = {"$": _DOLLARS, "¥": frozenset(("JPY", "CNY"))}
SEVERAL |= dict.fromkeys(("kr.", "kr", "Kr.", "Kr", "KR"), frozenset(_KRONOR))
_CURRENCY = "|".join(re.escape(sign) for sign in sorted((*CURRENCY_OF, *SEVERAL), key=lambda sign: (-len(sign), sign)))

_DIGITS = ("０", "٠", "۰", "०")  # full-width, Arabic, Persian, Devanagari
#: Characters that mean the same as a plain one; '' for those that are not seen.
PLAIN: dict[str, str] = {
    **{chr(ord(zero) + value): str(value) for zero in _DIGITS for value in range(10)},
    **dict.fromkeys("\u00a0\u2007\u2008\u2009\u200a\u202f\u3000\t", " "),
    **dict.fromkeys("\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\u061c", ""),
    **dict.fromkeys("−﹣‐‑–—－", "-"),
    **dict.fromkeys("’‘´ʼ＇٬", "'"),
    "，": ",",
    "．": ".",
    "＋": "+",
    "％": "%",
    "٪": "%",
    "（": "(",
    "）": ")",
    "￥": "¥",
    "＄": "$",
    "￡": "£",
}
_PLAIN = str.maketrans(PLAIN)

_BODY = r"[0-9][0-9.,' ٫]*(?:[eE][+-]?[0-9]+)?|[.,٫][0-9]+(?:[eE][+-]?[0-9]+)?"
#: Groups: bracket, sign, currency, sign, the number itself, currency, percent sign, sign, currency, bracket.
DRESSED = rf"^(\()? *([+-])? *({_CURRENCY})? *([+-])? *({_BODY}) *({_CURRENCY})? *(%)? *(-)? *({_CURRENCY})? *(\))?$"


def grammar(decimal: str) -> str:
    """Return the pattern of numbers with this decimal sign: plain, or with groups of one kind between thousands."""
    other = re.escape(OTHER[decimal])
    grouped = [f"[1-9][0-9]{{0,2}}(?:{sign}[0-9]{{3}})+" for sign in (other, " ", "'")]
    if decimal == ".":
        grouped.append(f"[1-9][0-9]?(?:{other}[0-9]{{2}})+{other}[0-9]{{3}}")  # lakh and crore
    sign = f"[{re.escape(decimal)}٫]"
    whole = "|".join((*grouped, "[0-9]+"))
    return rf"^[+-]?(?:(?:{whole})(?:{sign}[0-9]*)?|{sign}[0-9]+)(?:[eE][+-]?[0-9]{{1,3}})?$"


_GRAMMAR = {decimal: re.compile(grammar(decimal)) for decimal in OTHER}
_DRESSED = re.compile(DRESSED)


@dataclass(frozen=True)
class Written:
    """A number as it is written, without what it wears.

    Attributes:
        text: Sign, digits, and what stands between them.
        currency: The code of the currency; its sign where several have it; or None.
        percent: Whether it has a percent sign.
    """

    text: str
    currency: str | None = None
    percent: bool = False

    def value(self, decimal: str) -> float | None:
        """Return the figure with this decimal sign, or None when it is no number with it."""
        if not _GRAMMAR[decimal].match(self.text):
            return None
        plain = re.sub(f"[{re.escape(OTHER[decimal])}' ]", "", self.text)
        value = float(re.sub("[,٫]", ".", plain))
        if not math.isfinite(value):
            return None
        return value / 100 if self.percent else value


def plain_text(text: str) -> str:
    """Return a cell with plain digits, spaces, hyphens and apostrophes.

    >>> plain_text("\\u00a0１\\u202f２３４，５ ")
    '1 234,5'
    """
    return text.translate(_PLAIN).strip()


def is_blank(text: str) -> bool:
    """Return whether a cell says that there is no figure.

    >>> is_blank(" – "), is_blank("N/A"), is_blank("0")
    (True, True, False)
    """
    return plain_text(text).lower() in PLACEHOLDERS


def written(text: str) -> Written | None:
    """Return a number without what it wears; None where the text is no number.

    >>> written("(1,234.50 €)")
    Written(text='-1,234.50', currency='EUR', percent=False)
    >>> written("R$ 5-").text, written("2.91%").percent, written("5 apples")
    ('-5', True, None)
    """
    found = _DRESSED.match(plain_text(text))
    if found is None:
        return None
    opened, *inner, closed = found.groups()
    before, one, after, body, two, percent, behind, three = inner
    signs = [sign for sign in (before, after, behind, "-" if opened else None) if sign]
    currencies = [currency for currency in (one, two, three) if currency]
    codes = {CURRENCY_OF[currency] for currency in currencies if currency in CURRENCY_OF}
    if bool(opened) != bool(closed) or len(signs) > 1 or len(codes) > 1:
        return None
    sign = "-" if "-" in signs else ""
    currency = next(iter(codes), currencies[0] if currencies else None)
    return Written(sign + body.strip(), currency, percent is not None)


def readings(text: str) -> tuple[float, ...]:
    """Return what a text may mean: nothing, one figure, or two.

    The second of two is that with a decimal comma.

    >>> readings("12,5"), readings("1.234"), readings("1.234.567"), readings("abc")
    ((12.5,), (1.234, 1234.0), (1234567.0,), ())
    """
    found = written(text)
    if found is None:
        return ()
    values = (found.value(decimal) for decimal in OTHER)
    return tuple(dict.fromkeys(value for value in values if value is not None))


def both_readings(text: str) -> str:
    """Return a text that could be two figures with both of them, for a message.

    >>> both_readings("1.234")
    "'1.234' is 1.234 or 1234"
    """
    point, comma = readings(text)
    return f"'{text.strip()[:60]}' is {point:.15g} or {comma:.15g}"


def decimal_sign(texts: Iterable[str], low: float = float("-inf"), high: float = float("inf")) -> str | None:
    """Return the decimal sign of a column, or None where it makes no difference.

    Args:
        texts: Its cells; those that are no numbers say nothing.
        low: A figure below it is no reading.
        high: A figure above it is no reading.

    Raises:
        ValueError: Nothing says which sign it is, or different cells say different signs; with the reason.

    >>> decimal_sign(["1,234", "0,5"]), decimal_sign(["3.512", "1.234"], 1, 5), decimal_sign(["7"])
    (',', '.', None)
    """
    first: dict[str, str] = {}
    either = None
    for text in dict.fromkeys(texts):
        found = written(text) if "." in text or "," in text or not text.isascii() else None
        if found is None:
            continue
        values = {decimal: found.value(decimal) for decimal in OTHER}
        fits = [decimal for decimal, value in values.items() if value is not None and low <= value <= high]
        if len(fits) == 1 and values["."] != values[","]:
            first.setdefault(fits[0], text)
        elif len(fits) == 2 and values["."] != values[","]:
            either = either or text
    if len(first) == 2:
        raise ValueError(f"{first['.'].strip()!r} has a decimal point and {first[','].strip()!r} a decimal comma")
    if either is not None and not first:
        raise ValueError(f"{both_readings(either)}, and no other number says which")
    return next(iter(first), None)
