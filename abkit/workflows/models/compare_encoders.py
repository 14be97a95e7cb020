"""Compare encoders on labels of one's own: does a bigger tower pay?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abkit.config import Settings
from abkit.errors import AbkitError, UsageError
from abkit.records import RecordList, decimal, percent
from abkit.workflows.models.results import with_ends
from abkit.workflows.models.study_command import command_line, refuse_other_fields
from abkit.workflows.models.train import Progress, local_tables, names_comparisons, require_model
from abkit.workflows.scoring.kept_tokens import token_cache

if TYPE_CHECKING:
    from abkit_model.data.dataset import Examples
    from abkit_model.data.files.tables import TableOptions
    from abkit_model.evaluation.metrics import Floats
    from abkit_model.studies.encoders import EncoderComparison, EncoderFigures

#: How many encoders are compared at most: their images are encoded and learned from one after the other.
MAX_ENCODERS = 10
#: As in `abkit_model`, which takes longer to import.
LEAST_GAIN = 0.02


@dataclass(frozen=True, kw_only=True)
class EncoderStudyRequest:
    """Which encoders are compared, on which labels.

    Attributes:
        table: Ratings: a file, or an address as text (`s3://…`, `https://…`).
        images: The folder of the images that the table names.
        encoders: Two or more encoders by name, their weights on this machine; others are held against the first.
        image_column: The column that names the image; found by its usual names when None.
        group_column: Images with equal values here (one subject) are held out together.
        scale: Lowest and highest rating; found in the table when None.
        columns: Column by field of ratings, where the user said it.
        repeats: How often the folds are drawn again.
        seed: Seed of everything random.
        options: How the table is written, where the user said it.
        least_gain: The gain in SRCC that is worth the cost of a dearer encoder, and that a cheaper one may lose.
        core_hour: What an hour of one core costs; None without money.
        currency: Of that price, for people.

    Raises:
        UsageError: Fewer than two encoders, the same one twice, or numbers out of their range.
    """

    table: Path | str
    images: Path
    encoders: tuple[str, ...]
    image_column: str | None = None
    group_column: str | None = None
    scale: tuple[float, float] | None = None
    repeats: int = 5
    seed: int = 0
    options: TableOptions | None = None
    columns: Mapping[str, str] | None = None
    least_gain: float = LEAST_GAIN
    core_hour: float | None = None
    currency: str = ""

    def __post_init__(self) -> None:
        named = len(self.encoders)
        if not 2 <= named <= MAX_ENCODERS:
            raise UsageError(
                f"{named} encoders are named; 2 to {MAX_ENCODERS} can be compared",
                hint="name each with an --encoder of its own; abkit encoder list shows those on this machine",
            )
        if len(set(self.encoders)) < named:
            raise UsageError("an encoder is named twice", hint="name each encoder once")
        if not (math.isfinite(self.least_gain) and 0 <= self.least_gain < 1):
            raise UsageError(f"--least-gain {self.least_gain} is not a gain in SRCC", hint="give a number from 0 to 1")
        if self.core_hour is not None and not (math.isfinite(self.core_hour) and self.core_hour > 0):
            raise UsageError(f"--core-hour {self.core_hour} is not a price", hint="give a number above 0")


@dataclass(frozen=True, kw_only=True)
class EncoderStudy(RecordList):
    """Encoders on the same labels.

    Attributes:
        comparison: The figures.
        core_hour: What an hour of one core costs; None without money.
        currency: Of that price.
    """

    comparison: EncoderComparison
    core_hour: float | None = None
    currency: str = ""

    def cost(self, figures: EncoderFigures) -> float | None:
        """Return what encoding 1,000 images costs in money; None without a price."""
        return None if self.core_hour is None else figures.seconds / 3600 * self.core_hour

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per encoder, in the order in which they were named."""
        return [
            {
                "encoder": one.name,
                **with_ends("srcc", one.srcc),
                "gain": one.gain and one.gain.value,
                "gain_low": one.gain and one.gain.low,
                "gain_high": one.gain and one.gain.high,
                "seconds_per_1000": one.seconds,
                "cost_per_1000": self.cost(one),
                "currency": self.currency,
                "verdict": one.verdict,
                "n": self.comparison.n,
            }
            for one in self.comparison.encoders
        ]

    @property
    def sentences(self) -> tuple[str, ...]:
        """Whether each encoder pays, in one sentence each."""
        return tuple(self._sentence(one) for one in self.comparison.encoders[1:])

    @property
    def meaning(self) -> str:
        """What the sentences mean by paying."""
        least, level = f"{self.comparison.least_gain:g}", percent(self.comparison.level, 1)
        return (
            f"one that costs more pays where the whole {level} interval of its gain lies above {least} (--least-gain), "
            "and does not where all of it lies below; one that costs less may lose that much. Seconds are processor "
            "time for decoding and encoding on this machine"
        )

    def _sentence(self, one: EncoderFigures) -> str:
        first, gain = self.comparison.encoders[0], one.gain
        if gain is None or not math.isfinite(gain.low + gain.high):
            return f"{one.name} beside {first.name}: these labels cannot tell: SRCC is not defined on them"
        low, value, high = (decimal(x, 3, sign=True) for x in (gain.low, gain.value, gain.high))
        cost = f"{one.seconds / first.seconds:.2g} times the processor time"
        before, now = self.cost(first), self.cost(one)
        if before is not None and now is not None:
            way = "more" if now >= before else "less"
            cost += f" ({abs(now - before):.2g} {self.currency}".rstrip() + f" {way} per 1,000 images)"
        end = "" if one.verdict != "these labels cannot tell" else " whether it pays: more labels narrow the interval"
        return f"{one.name} beside {first.name}: SRCC {value} [{low}, {high}], {cost}: {one.verdict}{end}"


def compare_encoders(
    request: EncoderStudyRequest, *, settings: Settings | None = None, progress: Progress | None = None
) -> EncoderStudy:
    """Train the recommended recipe on the tokens of each encoder, on the same folds, and measure what each costs.

    Args:
        request: The encoders and the labels.
        settings: The workspace's settings, for the size of its token cache; no cache without them.
        progress: Called with the stage, how much of it is done, and how much there is.

    Raises:
        AbkitError: The extra `model` is not installed, or images changed meanwhile.
        UsageError: The table is one of comparisons.
        ModelError: The table, the images or an encoder cannot be used.
    """
    require_model()
    with local_tables(request, progress) as local:
        return _compare(local, settings, progress)


@dataclass(frozen=True, kw_only=True)
class _OnOne:
    """What was found on one encoder; `labels` has no tokens any more, which take much memory."""

    labels: Examples
    sha256: Sequence[str]
    means: Floats
    seconds: float


def _compare(request: EncoderStudyRequest, settings: Settings | None, progress: Progress | None) -> EncoderStudy:
    from abkit_model.encoders.load import load_encoder
    from abkit_model.studies.encoders import compare_encoders as judge

    refuse_other_fields(request.columns)
    if request.columns is None and names_comparisons(Path(request.table), request.options):
        raise UsageError(
            f"{request.table} is a table of comparisons, and encoders are compared on ratings",
            hint="name a table of ratings; abkit model train can learn from comparisons on any encoder",
        )
    for name in request.encoders:  # one that is missing must not cost the time of the others
        load_encoder(name)
    found = {name: _on_one(request, name, settings, progress) for name in request.encoders}
    first, *others = found.values()
    if any(list(one.sha256) != list(first.sha256) for one in others):
        raise AbkitError("the images changed while encoders were compared", hint="compare them again")
    comparison = judge(
        {name: one.means for name, one in found.items()},
        {name: one.seconds for name, one in found.items()},
        first.labels,
        least_gain=request.least_gain,
    )
    return EncoderStudy(comparison=comparison, core_hour=request.core_hour, currency=request.currency)


def _on_one(request: EncoderStudyRequest, name: str, settings: Settings | None, progress: Progress | None) -> _OnOne:
    from abkit_model.data.csv_table import files_named
    from abkit_model.data.dataset import load_dataset
    from abkit_model.encoders.load import load_encoder
    from abkit_model.studies.encoders import held_out_means, processor_seconds

    further = {
        "--encoder": request.encoders,
        "--repeats": request.repeats if request.repeats != EncoderStudyRequest.repeats else None,
        "--seed": request.seed,
        "--least-gain": request.least_gain if request.least_gain != LEAST_GAIN else None,
        "--core-hour": request.core_hour,
        "--currency": request.currency,
    }
    encoder = load_encoder(name)
    read = load_dataset(
        Path(request.table),
        request.images,
        encoder,
        image_column=request.image_column,
        group_column=request.group_column,
        scale=request.scale,
        options=request.options,
        columns=request.columns,
        command=command_line("compare", request, further),
        cache=token_cache(settings),
        progress=progress,
    )
    missing = {image for image, _ in read.missing}
    usable = [image for image in read.table.images if image not in missing]
    places = files_named(request.images, usable)
    examples = read.examples
    return _OnOne(
        seconds=processor_seconds(encoder, [places[image] for image in usable]),
        means=held_out_means(examples, repeats=request.repeats, seed=request.seed, progress=progress),
        sha256=examples.views[0].sha256,
        labels=replace(examples, views=()),
    )
