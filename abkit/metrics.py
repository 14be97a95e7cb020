"""Each metric, once: what is divided by what, in which unit, which way is good, and how it is said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol, TypeVar

from abkit.records import Record, percent
from abkit.vocabulary import Direction, Metric

WHOLE: Final[tuple[str, ...]] = ("impressions", "clicks")
"""The counts that are whole numbers."""

COUNTS: Final[tuple[str, ...]] = (*WHOLE, "conversions")  # a conversion may be shared between ads
MONEY: Final[tuple[str, ...]] = ("spend", "revenue")
"""The figures that have a currency, and that an export may lack."""

FIGURES: Final[tuple[str, ...]] = (*COUNTS, *MONEY)
"""All figures of a row of KPIs: what is read, staged, published, taken back and archived."""


class Counted(Protocol):
    """What was counted of a delivery. Money is None where it is not known."""

    @property
    def impressions(self) -> int: ...  # noqa: D102
    @property
    def clicks(self) -> int: ...  # noqa: D102
    @property
    def conversions(self) -> float: ...  # noqa: D102
    @property
    def spend(self) -> float | None: ...  # noqa: D102
    @property
    def revenue(self) -> float | None: ...  # noqa: D102


AnyCounted = TypeVar("AnyCounted", bound=Counted)


@dataclass(frozen=True, kw_only=True)
class MetricDefinition(Record):
    """One metric: `per` × numerator ÷ denominator, each summed over what is compared.

    Attributes:
        metric: Its name on the command line and in the store.
        name: Its name in tables and charts.
        label: What it is, in plain English.
        numerator: Weight by figure: {"spend": 1.0}.
        denominator: The figure below.
        per: 1,000 where it is said per 1,000 impressions.
        direction: Which way is good.
        share: Whether the numerator is a part of the denominator, each unit of it a success or none.
        events: The count whose smallness limits what can be said: clicks or conversions as a rule.
        currency: Whether its values are an amount of money.
        more, less: How a treatment is described that has more of it; `{by}` is by how much.
    """

    metric: Metric
    name: str
    label: str
    numerator: Mapping[str, float]
    denominator: str
    per: float = 1.0
    direction: Direction = Direction.HIGHER
    share: bool = False
    events: str
    currency: bool = False
    more: str
    less: str

    @property
    def needs(self) -> tuple[str, ...]:
        """The figures of money that it is made of: spend, revenue, both or neither."""
        return tuple(name for name in MONEY if name in self.numerator or name == self.denominator)

    @property
    def per_event(self) -> bool:
        """Whether it is what a click or a conversion costs: its denominator comes of what is spent."""
        return self.direction is Direction.LOWER and self.denominator in ("clicks", "conversions")

    def terms(self, counted: Counted, *, margin_rate: float = 1.0) -> tuple[float, float] | None:
        """Return denominator and numerator of what was counted; None where the money is not known.

        Their quotient, numerator ÷ denominator, is the metric.

        Args:
            counted: Sums of a day, a geography, a creative, …
            margin_rate: For the margin: the share of the revenue that is left before advertising.

        >>> from abkit.store.experiments import Figures
        >>> day = Figures(impressions=1000, clicks=20, conversions=4, spend=10.0, revenue=50.0)
        >>> METRICS[Metric.CPA].terms(day), METRICS[Metric.MARGIN].terms(day, margin_rate=0.4)
        ((4, 10.0), (1000, 10000.0))
        """
        below = getattr(counted, self.denominator)
        if self.per == 1 and len(self.numerator) == 1 and self.metric is not Metric.MARGIN:
            # Most metrics, of a million creatives: one figure over another.
            ((name, weight),) = self.numerator.items()
            value = getattr(counted, name)
            return None if below is None or value is None else (below, value if weight == 1 else value * weight)
        parts = [(getattr(counted, name), weight) for name, weight in self.weights(margin_rate).items()]
        if below is None or any(value is None for value, _ in parts):
            return None
        # Counts stay whole numbers.
        return below, sum(value if weight == 1 else value * weight for value, weight in parts)

    def known(self, rows: Iterable[AnyCounted]) -> list[AnyCounted]:
        """Return those of whose money enough is known for `terms`."""
        needs = self.needs
        return [row for row in rows if all(getattr(row, name) is not None for name in needs)] if needs else list(rows)

    def weights(self, margin_rate: float = 1.0) -> dict[str, float]:
        """Return the weight of each figure of the numerator, so that the quotient is the metric.

        >>> METRICS[Metric.CPM].weights(), METRICS[Metric.MARGIN].weights(0.5)
        ({'spend': 1000.0}, {'revenue': 500.0, 'spend': -1000.0})
        """
        left = {"revenue": margin_rate} if self.metric is Metric.MARGIN else {}
        return {name: self.per * weight * left.get(name, 1) for name, weight in self.numerator.items()}

    @property
    def rate(self) -> tuple[str, str]:
        """The two figures whose quotient is a rate of events: clicks per amount spent for the CPC, its inverse."""
        below, above = self.denominator, next(iter(self.numerator))
        return (below, above) if self.direction is Direction.LOWER else (above, below)

    def unit(self, currency: str = "") -> str:
        """Return the unit of its values for an axis or a header; empty for a share and a quotient of two amounts.

        >>> METRICS[Metric.CPM].unit("EUR"), METRICS[Metric.CPA].unit(), METRICS[Metric.CTR].unit("EUR")
        ('EUR per 1,000 impressions', 'per conversion', '')
        """
        if not self.currency:
            return ""
        each = "1,000 impressions" if self.per == 1000 else self.denominator.removesuffix("s")
        return f"{currency} per {each}".lstrip()

    def show(self, value: float, currency: str = "") -> str:
        """Return a value for people.

        >>> METRICS[Metric.CPA].show(3.084, "EUR"), METRICS[Metric.ROAS].show(2.5), METRICS[Metric.CTR].show(0.0123)
        ('3.08 EUR', '2.50', '1.23 %')
        """
        if self.share:
            return percent(value, 2)
        digits = 2 if abs(value) >= 1 or value == 0 else 4
        return f"{value:,.{digits}f} {currency if self.currency else ''}".rstrip()


def _rate(metric: Metric, name: str, label: str, numerator: str, denominator: str) -> MetricDefinition:
    return MetricDefinition(
        metric=metric,
        name=name,
        label=label,
        numerator=MappingProxyType({numerator: 1.0}),
        denominator=denominator,
        share=True,
        events=numerator,
        more=f"has {{by}} more {label}",
        less=f"has {{by}} fewer {label}",
    )


def _cost(metric: Metric, name: str, denominator: str, *, per: float = 1.0) -> MetricDefinition:
    each = "1,000 impressions" if per == 1000 else denominator.removesuffix("s")
    return MetricDefinition(
        metric=metric,
        name=name,
        label=f"cost per {each}",
        numerator=MappingProxyType({"spend": 1.0}),
        denominator=denominator,
        per=per,
        direction=Direction.LOWER,
        events=denominator,
        currency=True,
        more=f"costs {{by}} more per {each}",
        less=f"costs {{by}} less per {each}",
    )


def _revenue(metric: Metric, name: str, denominator: str, *, per: float = 1.0) -> MetricDefinition:
    each = "1,000 impressions" if per == 1000 else denominator.removesuffix("s")
    return MetricDefinition(
        metric=metric,
        name=name,
        label=f"revenue per {each}",
        numerator=MappingProxyType({"revenue": 1.0}),
        denominator=denominator,
        per=per,
        events="conversions",
        currency=True,
        more=f"brings {{by}} more revenue per {each}",
        less=f"brings {{by}} less revenue per {each}",
    )


METRICS: Final[Mapping[Metric, MetricDefinition]] = MappingProxyType(
    {
        definition.metric: definition
        for definition in (
            _rate(Metric.CTR, "CTR", "clicks per impression", "clicks", "impressions"),
            _rate(Metric.CVR, "CVR", "conversions per click", "conversions", "clicks"),
            _rate(
                Metric.CONVERSIONS_PER_IMPRESSION,
                "Conversions per impression",
                "conversions per impression",
                "conversions",
                "impressions",
            ),
            _cost(Metric.CPC, "CPC", "clicks"),
            _cost(Metric.CPA, "CPA", "conversions"),
            _cost(Metric.CPM, "CPM", "impressions", per=1000),
            _revenue(Metric.REVENUE_PER_IMPRESSION, "Revenue per 1,000 impressions", "impressions", per=1000),
            _revenue(Metric.REVENUE_PER_CONVERSION, "Revenue per conversion", "conversions"),
            MetricDefinition(
                metric=Metric.ROAS,
                name="ROAS",
                label="revenue per amount spent",
                numerator=MappingProxyType({"revenue": 1.0}),
                denominator="spend",
                events="conversions",
                more="returns {by} more revenue on what is spent",
                less="returns {by} less revenue on what is spent",
            ),
            MetricDefinition(
                metric=Metric.MARGIN,
                name="Margin after spend",
                label="revenue × margin rate − spend, per 1,000 impressions",
                numerator=MappingProxyType({"revenue": 1.0, "spend": -1.0}),
                denominator="impressions",
                per=1000,
                events="conversions",
                currency=True,
                more="leaves {by} more after spend per 1,000 impressions",
                less="leaves {by} less after spend per 1,000 impressions",
            ),
        )
    }
)
"""Every metric by its name."""

METRIC_HELP: Final = (
    "ctr: clicks per impression; cvr: conversions per click; conversions_per_impression; cpc, cpa, cpm: what a click, "
    "a conversion, 1,000 impressions cost; revenue_per_impression (per 1,000); revenue_per_conversion; roas: revenue "
    "per amount spent; margin: revenue × margin rate − spend, per 1,000 impressions."
)
"""What an option that takes a metric says about them."""
