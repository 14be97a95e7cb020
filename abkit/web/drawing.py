"""Charts of pages as SVG: attributes only, every point a link, nothing that a strict browser refuses."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

_WIDTH, _HEIGHT = 560, 360
# Letters are larger on a phone: the numbers of an axis need this room beside its title.
_LEFT, _RIGHT, _TOP, _BOTTOM = 104, 24, 14, 54
_BAR = 96


@dataclass(frozen=True, kw_only=True)
class Point:
    """A creative on a chart: where it is, what it is called, where it leads."""

    x: float
    y: float
    name: str
    href: str
    size: float = 4.0


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One side of a chart.

    Attributes:
        title: What it shows.
        show: How a value is written.
        field: Name of the fields of the filter that a selection sets, such as "ctr"; "" for none.
        factor: What a value is multiplied with for these fields: 100 for percent.
    """

    title: str
    show: Callable[[float], str]
    field: str = ""
    factor: float = 1.0


def interval_bar(value: float | None, low: float | None, high: float | None, ends: tuple[float, float]) -> Markup:
    """Return a small drawing of a value with its interval between two ends, for a cell whose text says the same."""
    if value is None or ends[1] <= ends[0]:
        return Markup("")

    def at(one: float) -> int:
        return round(4 + (_BAR - 8) * min(1.0, max(0.0, (one - ends[0]) / (ends[1] - ends[0]))))

    line = f'<path d="M{at(low)} 6H{at(high)}"/>' if low is not None and high is not None else ""
    opening = f'<svg class="bar" viewBox="0 0 {_BAR} 12" width="{_BAR}" height="12" aria-hidden="true">'
    return _ours(f'{opening}{line}<circle cx="{at(value)}" cy="6" r="3.5"/></svg>')


def ends_of(values: Sequence[float | None]) -> tuple[float, float]:
    """Return the smallest and the largest of the values that are known; (0, 0) without any.

    >>> ends_of([None, 2.0, 1.0])
    (1.0, 2.0)
    """
    known = [one for one in values if one is not None]
    return (min(known), max(known)) if known else (0.0, 0.0)


def scatter(
    points: Sequence[Point], x: Axis, y: Axis, label: str, *, cross: tuple[float, float] | None = None
) -> Markup:
    """Return points on two axes.

    Args:
        points: Each leads to its creative.
        x, y: The axes.
        label: What a screen reader says about the chart.
        cross: Where two lines divide it into four parts; none by default.
    """
    if not points:
        return Markup("")
    middle = [[end] for end in cross] if cross else [[], []]
    spans = [_span([one.x for one in points] + middle[0]), _span([one.y for one in points] + middle[1])]

    def across(value: float) -> float:
        return round(_LEFT + (_WIDTH - _LEFT - _RIGHT) * (value - spans[0][0]) / (spans[0][1] - spans[0][0]), 1)

    def down(value: float) -> float:
        share = (value - spans[1][0]) / (spans[1][1] - spans[1][0])
        return round(_HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share, 1)

    parts = [_axes(x, y, spans, across, down)]
    if cross:
        lines = f"M{across(cross[0])} {_TOP}V{_HEIGHT - _BOTTOM}M{_LEFT} {down(cross[1])}H{_WIDTH - _RIGHT}"
        parts.append(f'<path class="cross" d="{lines}"/>')
    # Large ones first, so that small ones stay in sight.
    for one in sorted(points, key=lambda point: -point.size):
        said = f"{one.name}: {x.title} {x.show(one.x)}, {y.title} {y.show(one.y)}"
        parts.append(
            f'<a href="{escape(one.href)}" tabindex="-1" aria-label="{escape(said)}"><circle cx="{across(one.x)}" '
            f'cy="{down(one.y)}" r="{one.size:.1f}"><title>{escape(said)}</title></circle></a>'
        )
    select = "".join(
        f' data-{name}-field="{axis.field}" data-{name}-low="{span[0] * axis.factor:.6g}" '
        f'data-{name}-high="{span[1] * axis.factor:.6g}"'
        for name, axis, span in (("x", x, spans[0]), ("y", y, spans[1]))
        if axis.field
    )
    area = f' data-area="{_LEFT} {_TOP} {_WIDTH - _RIGHT} {_HEIGHT - _BOTTOM}"' if select else ""
    opening = f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="group" aria-label="{escape(label)}"'
    return _ours(f"{opening}{select}{area}>{''.join(parts)}</svg>")


def bins(series: Sequence[tuple[str, Sequence[float]]], scale: tuple[float, float], label: str) -> Markup:
    """Return how opinions are predicted to spread: a bar for each bin of a scale, for one or two creatives."""
    shown = [(name, values) for name, values in series if values]
    if not shown:
        return Markup("")
    count, top = max(len(values) for _, values in shown), max(max(values) for _, values in shown) or 1.0
    width, height, foot = 420, 150, 24
    room = width / count
    parts = []
    for number, (name, values) in enumerate(shown):
        each = 0.8 * room / len(shown)
        for place, value in enumerate(values):
            tall = (height - foot - 6) * value / top
            left = place * room + 0.1 * room + number * each
            parts.append(
                f'<rect class="series-{number}" x="{left:.1f}" y="{height - foot - tall:.1f}" width="{each:.1f}" '
                f'height="{tall:.1f}"><title>{escape(name)}: {100 * value:.0f} %</title></rect>'
            )
    step = (scale[1] - scale[0]) / max(count - 1, 1)
    parts += [
        _text((place + 0.5) * room, height - 7, f"{scale[0] + place * step:g}", "middle") for place in range(count)
    ]
    return _chart(label, parts, height, width)


def days(rows: Sequence[tuple[str, float | None, float]], show: Callable[[float], str], label: str) -> Markup:
    """Return a rate over days as dots, above bars of what it rests on.

    Args:
        rows: Day as text, rate (None where there is none), and what it rests on, such as impressions.
        show: How a rate is written.
        label: What a screen reader says about the chart.
    """
    known = [rate for _, rate, _ in rows if rate is not None]
    if not known:
        return Markup("")
    low, high = 0.0, max(known) * 1.1 or 1.0
    most = max(size for *_, size in rows) or 1.0
    room = (_WIDTH - _LEFT - _RIGHT) / len(rows)
    height, foot, bars = 220, 26, 40
    parts = []
    floor, tall_part = height - foot - bars, height - foot - bars - 10
    for tick in _ticks(low, high):
        y = floor - tall_part * tick / high
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>')
        parts.append(_text(_LEFT - 8, y + 4, show(tick), "end"))
    for place, (day, rate, size) in enumerate(rows):
        x, tall = _LEFT + (place + 0.5) * room, bars * size / most
        line = f"M{x:.1f} {height - foot}v-{tall:.1f}"
        parts.append(f'<path class="amount" stroke-width="{0.7 * room:.1f}" d="{line}"/>')
        if rate is not None:
            said = f"{escape(day)}: {escape(show(rate))}"
            y = floor - tall_part * rate / high
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{said}</title></circle>')
    parts.append(_text(_LEFT, height - 6, rows[0][0]))
    parts.append(_text(_WIDTH - _RIGHT, height - 6, rows[-1][0], "end"))
    return _chart(label, parts, height)


def _axes(
    x: Axis,
    y: Axis,
    spans: Sequence[tuple[float, float]],
    across: Callable[[float], float],
    down: Callable[[float], float],
) -> str:
    parts = []
    for tick in _ticks(*spans[0]):
        at = across(tick)
        parts.append(f'<path class="grid" d="M{at} {_TOP}V{_HEIGHT - _BOTTOM}"/>')
        parts.append(_text(at, _HEIGHT - _BOTTOM + 19, x.show(tick), "middle"))
    for tick in _ticks(*spans[1]):
        at = down(tick)
        parts.append(f'<path class="grid" d="M{_LEFT} {at}H{_WIDTH - _RIGHT}"/>')
        parts.append(_text(_LEFT - 8, at + 4, y.show(tick), "end"))
    parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 8, x.title, "middle"))
    turned = f"translate(16 {(_TOP + _HEIGHT - _BOTTOM) / 2}) rotate(-90)"
    parts.append(f'<text transform="{turned}" text-anchor="middle">{escape(y.title)}</text>')
    return "".join(parts)


def _text(x: float, y: float, words: object, anchor: str = "") -> str:
    end = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{end}>{escape(words)}</text>'


def _chart(label: str, parts: Sequence[str], height: float, width: float = _WIDTH, role: str = "img") -> Markup:
    opening = f'<svg class="chart" viewBox="0 0 {width} {height}" role="{role}" aria-label="{escape(label)}"'
    return _ours(f"{opening}>{''.join(parts)}</svg>")


def _ours(svg: str) -> Markup:
    return Markup(svg)  # noqa: S704  # every text in it is escaped where it is put in


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = 0.06 * (high - low) or abs(high) * 0.1 or 1.0
    return low - room, high + room


def _ticks(low: float, high: float) -> list[float]:
    """Return four to eight round values between two ends.

    >>> _ticks(0.0, 0.035)
    [0.0, 0.01, 0.02, 0.03]
    """
    rough = (high - low) / 5
    size = 10 ** math.floor(math.log10(rough))
    step = size * next(one for one in (1, 2, 5, 10) if one * size >= rough)
    first = math.ceil(low / step - 1e-9)
    return [round(n * step, 12) for n in range(first, math.floor(high / step + 1e-9) + 1)]
