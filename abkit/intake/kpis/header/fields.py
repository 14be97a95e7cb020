"""The fields of a KPI export, and how the names of its columns are compared."""

import re
import unicodedata
from collections.abc import Sequence

from abkit.errors import UsageError
from abkit.metrics import FIGURES, MONEY
from abkit.vocabulary import Dimension
from abkit_model.names import composed

PERIODS = ("day", "period_start", "period_end")
RESULTS = "results"  # a count whose meaning another column gives, as "Results" of Meta beside "Result indicator"
_OF_THE_AD = ("ad", "account", "creative", "ad_set", "campaign")
NAMES = (*_OF_THE_AD, "hour", *map(str, Dimension), "currency", "event", "attribution_window")

# A key has a name beside it: the key identifies, the name is its label, and stands for it where there is no key.
LABELS = {"ad": "ad_name", "campaign": "campaign_name", "account": "account_name", "ad_set": "ad_set_name"}
# Labels that are only named in a note: the store keeps those of campaigns, and of ads as their creative.
UNSTORED = ("account_name", "ad_set_name")
FIELDS = (*PERIODS, *NAMES, *LABELS.values(), *FIGURES)
_BRACKETS = re.compile(r"[(\[]\s*([^()\[\]]{1,4})\s*[)\]]\s*$")
# ISO 4217, without ALL, which means all.
_CURRENCIES = frozenset(
    re.findall(
        "[A-Z]{3}",
        """
        AED AFN AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF
        CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL
        HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD
        MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG
        QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD
        TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG
        """,
    )
)
_OTHER_MEASURE = re.compile("[%\u00a2\u2030\u2206\u2207\u2300\u00b1]|\\+\\s*/\\s*[-\u2212\u2013]")
_MILLIONTHS = re.compile("micros?$|inmicro(dollar|currency|currencies)s?$")
_SIGNS = {"€": "EUR", "£": "GBP", "₹": "INR", "₩": "KRW", "zł": "PLN", "R$": "BRL", "US$": "USD"}


def plain_name(name: str) -> str:
    """Return a column name without case, spaces, signs and a currency in brackets.

    >>> plain_name(" Amount spent (USD) "), plain_name("Impr."), plain_name("AD_ID")
    ('amountspent', 'impr', 'adid')
    """
    name = unicodedata.normalize("NFKC", name).strip()
    if currency_in(name):
        name = _BRACKETS.sub("", name)
    return "".join(filter(str.isalnum, name.casefold()))


def currency_in(name: str) -> str | None:
    """Return the currency that a column name has in brackets.

    >>> currency_in("Spent (USD)"), currency_in("消化金額（JPY）"), currency_in("Spend (€)"), currency_in("Rate (CTR)")
    ('USD', 'JPY', 'EUR', None)
    """
    found = _BRACKETS.search(unicodedata.normalize("NFKC", name).strip())
    if not found:
        return None
    text = found.group(1).strip()
    return text if text in _CURRENCIES else _SIGNS.get(text)


def measures_another(name: str, field: str) -> bool:
    """Return whether a column of a figure says by a sign that it is another: a share, a change, an amount, cents.

    >>> measures_another("Conversions (%)", "conversions"), measures_another("Clicks +/-", "clicks")
    (True, True)
    >>> measures_another("Cost (¢)", "spend")
    True
    >>> [measures_another("Conversions (EUR)", field) for field in ("conversions", "revenue")]
    [True, False]
    """
    if field not in (*FIGURES, RESULTS):
        return False
    name = unicodedata.normalize("NFKC", name)
    money = currency_in(name) is not None or any(unicodedata.category(sign) == "Sc" for sign in name)
    return _OTHER_MEASURE.search(name) is not None or (money and field not in MONEY)


def in_millionths(name: str) -> bool:
    """Return whether a column of amounts says that it holds millionths of the currency, as those of APIs do.

    >>> in_millionths("metrics.cost_micros"), in_millionths("SPEND_IN_MICRO_DOLLAR"), in_millionths("Microsoft cost")
    (True, True, False)
    """
    return bool(_MILLIONTHS.search(plain_name(name)))


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


def listed(names: Sequence[str], most: int = 20) -> str:
    """Return names for a message: the first ones, and how many more there are.

    >>> listed(["a", "b", "c"], most=2)
    "'a', 'b' and 1 more"
    """
    shown = ", ".join(repr(name[:60]) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
