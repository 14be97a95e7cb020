"""What one placement asks, held against what is known of one file. Pure: facts in, findings out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isinf

from abkit.intake.media.animation_times import Playing
from abkit.intake.media.placements import Figure, Placement, ratio_of, weight_of
from abkit.vocabulary import PreflightCheck, PreflightVerdict
from abkit.workflows.preflight.results import Finding, PlacementVerdict, gravest

#: So much of a covered zone may have text-like edges: an estimate has some by chance.
ZONE_TEXT = 0.02
_FAIL, _WARN = PreflightVerdict.FAIL, PreflightVerdict.WARN


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the rules look at.

    Attributes:
        media_type: By content.
        width: Pixels, upright.
        height: Likewise.
        bytes: Size of the file.
        playing: How an animation plays; None for a still image and a film.
        film_seconds: Length of a film; None for an image.
        text_share: Estimated share of the area with text.
        text_in: Estimated share of text-like edges in bands along the sides, for bands as deep as a mapping says.
    """

    media_type: str
    width: int
    height: int
    bytes: int
    playing: Playing | None = None
    film_seconds: float | None = None
    text_share: float = 0.0
    text_in: Callable[[Mapping[str, float]], Mapping[str, float]] = field(default=lambda _: {})

    @property
    def ratio(self) -> float:
        """Width over height."""
        return self.width / self.height


def hold_against(facts: Facts, placement: Placement) -> PlacementVerdict:
    """Return what a placement's figures say about one file."""
    if facts.film_seconds is not None and placement["film_formats"] is None:
        finding = Finding(
            check=PreflightCheck.FORMAT,
            verdict=_WARN,
            reason="a film was not checked: the table has no figures for films here",
            advice="check its poster as an image, or name a placement that shows films",
        )
        return PlacementVerdict(placement=placement.name, verdict=_WARN, checked=(), findings=(finding,))
    checked: list[PreflightCheck] = []
    findings: list[Finding] = []
    for check, rules in (_FILM_RULES if facts.film_seconds is not None else _IMAGE_RULES).items():
        for kind, rule in rules:
            figure = placement[kind]
            if figure is None or (kind == "recommended" and any(one.check is check for one in findings)):
                continue  # what is too small need not hear what would be better still
            if check not in checked:
                checked.append(check)
            for verdict, reason, advice in rule(facts, figure):
                findings.append(
                    Finding(check=check, verdict=verdict, reason=reason, advice=advice, source=figure.source.url)
                )
    verdict = gravest(finding.verdict for finding in findings)
    return PlacementVerdict(placement=placement.name, verdict=verdict, checked=tuple(checked), findings=tuple(findings))


Said = Iterator[tuple[PreflightVerdict, str, str]]


def _format(facts: Facts, figure: Figure) -> Said:
    if facts.media_type not in figure.value:
        yield _FAIL, f"{_short(facts.media_type)} is not one of {figure.shown.removeprefix('film: ')}", "save it as one"


def _exact_size(facts: Facts, figure: Figure) -> Said:
    if [facts.width, facts.height] not in figure.value:
        yield _FAIL, f"{_size(facts)} is not {_sizes(figure.value)}", "export it in this size"


def _smallest(facts: Facts, figure: Figure) -> Said:
    width, height = _alike(facts, figure.value)
    if facts.width < width or facts.height < height:
        yield _FAIL, f"{_size(facts)} is smaller than {width}×{height}", "export it larger; do not scale it up"


def _smallest_width(facts: Facts, figure: Figure) -> Said:
    if facts.width < figure.value:
        yield _FAIL, f"{facts.width} pixels wide, at least {figure.value} are asked", "export it larger"


def _largest(facts: Facts, figure: Figure) -> Said:
    width, height = _alike(facts, figure.value)
    if facts.width > width or facts.height > height:
        yield _FAIL, f"{_size(facts)} is larger than {width}×{height}", "export it smaller"


def _recommended(facts: Facts, figure: Figure) -> Said:
    width, height = _alike(facts, figure.value)
    if facts.width < width and facts.height < height:
        yield _WARN, f"{_size(facts)} is smaller than the recommended {width}×{height}", "export it larger if you can"


def _ratios(facts: Facts, figure: Figure, verdict: PreflightVerdict = _FAIL) -> Said:
    if not any(_same_ratio(facts, ratio_of(text), figure.tolerance) for text in figure.value):
        word = "asked" if verdict is _FAIL else "recommended"
        asked = " or ".join(figure.value)
        yield verdict, f"{_size(facts)} is {_ratio(facts)}, {asked} is {word}", f"crop or lay it out as {asked}"


def _usual_ratios(facts: Facts, figure: Figure) -> Said:
    yield from _ratios(facts, figure, _WARN)


def _ratio_range(facts: Facts, figure: Figure) -> Said:
    low, high = (ratio_of(text) for text in figure.value)
    if not low * (1 - figure.tolerance) <= facts.ratio <= high * (1 + figure.tolerance):
        asked = " to ".join(figure.value)
        yield _FAIL, f"{_size(facts)} is {_ratio(facts)}, outside {asked}", f"crop or lay it out within {asked}"


def _weight(facts: Facts, figure: Figure) -> Said:
    thousands, binary = weight_of(figure.value)
    advice = "save it with stronger compression, fewer colors or fewer frames"
    if facts.bytes > binary:
        yield _FAIL, f"{facts.bytes:,} bytes is more than {figure.value}", advice
    elif facts.bytes > thousands:
        yield _WARN, f"{facts.bytes:,} bytes is more than {figure.value} if that counts in thousands", advice


def _usual_weight(facts: Facts, figure: Figure) -> Said:
    if facts.bytes > weight_of(figure.value)[1]:
        reason = f"{facts.bytes:,} bytes is more than the {figure.value} that other pages name"
        yield _WARN, reason, "save it smaller to be safe"


def _animation(facts: Facts, figure: Figure) -> Said:
    if facts.playing is None:
        return
    if figure.value == "refused":
        yield _FAIL, "animations are not taken", "export a still image"
    else:
        yield _WARN, "the animation is shown as a still image", "see that its first frame says everything"


def _longest_animation(facts: Facts, figure: Figure) -> Said:
    if facts.playing is None or facts.playing.total <= figure.value:
        return
    total = facts.playing.total
    plays = "plays for ever" if isinf(total) else f"plays for {total:g} s"
    yield _FAIL, f"the animation {plays}, at most {figure.value} s are asked", "let it stop: set its number of loops"


def _frames_per_second(facts: Facts, figure: Figure) -> Said:
    if facts.playing and facts.playing.frames / facts.playing.seconds > figure.value * 1.01:
        rate = facts.playing.frames / facts.playing.seconds
        yield _FAIL, f"{rate:.1f} frames per second, at most {figure.value} are asked", "show each frame longer"


def _frames(facts: Facts, figure: Figure) -> Said:
    if facts.playing and facts.playing.frames > figure.value:
        yield _FAIL, f"{facts.playing.frames} frames, at most {figure.value} are asked", "leave frames out"


def _film_longest(facts: Facts, figure: Figure) -> Said:
    if (facts.film_seconds or 0) > figure.value:
        yield _FAIL, f"{facts.film_seconds:g} s, at most {figure.value} s are asked", "cut it"


def _zones(facts: Facts, figure: Figure) -> Said:
    for side, share in facts.text_in(figure.value).items():
        if share > ZONE_TEXT:
            deep = f"{figure.value[side] * 100:g} % of the {'height' if side in ('top', 'bottom') else 'width'}"
            yield (
                _WARN,
                f"about {_about(share)} of the {side} zone ({deep}) has text-like edges, and the interface covers it",
                "move text and logos toward the middle",
            )


def _text_share(facts: Facts, figure: Figure) -> Said:
    if facts.text_share > figure.value:
        reason = f"text on about {_about(facts.text_share)} of the area (an estimate), at most {figure.value * 100:g} %"
        yield _WARN, reason, "use less text"


Rules = Mapping[PreflightCheck, Sequence[tuple[str, Callable[[Facts, Figure], Said]]]]
_SHAPE: Rules = {
    PreflightCheck.SIZE: (
        ("sizes", _exact_size),
        ("smallest", _smallest),
        ("smallest_width", _smallest_width),
        ("largest", _largest),
        ("recommended", _recommended),
    ),
    PreflightCheck.RATIO: (("ratios", _ratios), ("usual_ratios", _usual_ratios), ("ratio_range", _ratio_range)),
    PreflightCheck.ZONES: (("zones", _zones),),
    PreflightCheck.TEXT: (("text_share", _text_share),),
}
_IMAGE_RULES: Rules = {
    PreflightCheck.FORMAT: (("formats", _format),),
    **_SHAPE,
    PreflightCheck.WEIGHT: (("weight", _weight), ("usual_weight", _usual_weight)),
    PreflightCheck.ANIMATION: (
        ("animation", _animation),
        ("longest_animation", _longest_animation),
        ("frames_per_second", _frames_per_second),
        ("frames", _frames),
    ),
}
_FILM_RULES: Rules = {
    PreflightCheck.FORMAT: (("film_formats", _format),),
    **_SHAPE,
    PreflightCheck.WEIGHT: (("film_weight", _weight),),
    PreflightCheck.ANIMATION: (("film_longest", _film_longest),),
}


def _alike(facts: Facts, sizes: Sequence[Sequence[int]]) -> tuple[int, int]:
    """Return the size whose shape is most like the file's."""
    width, height = min(sizes, key=lambda size: abs(size[0] / size[1] / facts.ratio - 1))
    return width, height


def _same_ratio(facts: Facts, ratio: float, tolerance: float) -> bool:
    # The other side of a whole number of pixels may be rounded either way.
    off = max(tolerance, 1 / min(facts.width, facts.height))
    return abs(facts.ratio / ratio - 1) <= off


def _size(facts: Facts) -> str:
    return f"{facts.width}×{facts.height}"


def _sizes(sizes: Sequence[Sequence[int]]) -> str:
    named = " or ".join(f"{width}×{height}" for width, height in sizes[:3])
    return named if len(sizes) <= 3 else f"one of the {len(sizes)} sizes that are taken, such as {named}"


def _ratio(facts: Facts) -> str:
    return f"{facts.ratio:.2f}:1" if facts.ratio >= 1 else f"1:{1 / facts.ratio:.2f}"


def _short(media_type: str) -> str:
    return media_type.split("/")[-1]


def _about(share: float) -> str:
    return f"{share * 100:.0f} %"
