"""Compare learnable queries with plain heads: labels are loaded once, and every head learns from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abkit.config import Settings
from abkit.errors import UsageError
from abkit.records import RecordList
from abkit.workflows.models.results import with_ends
from abkit.workflows.models.study_command import command_line, refuse_other_fields
from abkit.workflows.models.train import Progress, local_tables, names_comparisons, require_model
from abkit.workflows.scoring.kept_tokens import token_cache

if TYPE_CHECKING:
    from abkit_model.data.files.tables import TableOptions
    from abkit_model.evaluation.comparison_agreement import ComparisonFigures
    from abkit_model.evaluation.metrics import Estimate
    from abkit_model.studies.compare import HeadComparison


@dataclass(frozen=True, kw_only=True)
class HeadStudyRequest:
    """Which labels heads are compared on, and how thoroughly.

    Attributes:
        table: Ratings: a file, or an address as text (`s3://…`, `https://…`).
        images: The folder of the images that the table names.
        encoder: Name of the frozen encoder under all heads.
        image_column: The column that names the image; found by its usual names when None.
        group_column: Images with equal values here (one subject) are held out together.
        scale: Lowest and highest rating; found in the table when None.
        repeats: How often the folds are drawn again.
        seed: Seed of everything random.
        jobs: Repeats that run side by side.
        columns: Column by field of ratings, where the user said it.
        options: How the table is written, where the user said it; encoding and decimal sign hold for `comparisons` too.
        comparisons: Comparisons of other images that heads are held against; needs `comparison_images`.
        comparison_images: The folder of the images that `comparisons` names.
    """

    table: Path | str
    images: Path
    encoder: str
    image_column: str | None = None
    group_column: str | None = None
    scale: tuple[float, float] | None = None
    repeats: int = 5
    seed: int = 0
    jobs: int = 1
    columns: Mapping[str, str] | None = None
    options: TableOptions | None = None
    comparisons: Path | str | None = None
    comparison_images: Path | None = None


@dataclass(frozen=True)
class HeadStudy(RecordList):
    """Learnable queries beside plain heads.

    Attributes:
        comparison: Figures of each head on the ratings.
        agreement: How each agrees with comparisons of images that it was not trained on; empty without comparisons.
    """

    comparison: HeadComparison
    agreement: tuple[ComparisonFigures, ...] = ()

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per head, best SRCC first."""
        agreement = {one.name: one for one in self.agreement}
        return [
            {
                "head": head.name,
                **with_ends("srcc", head.srcc),
                **with_ends("plcc", head.plcc),
                "accuracy": head.accuracy.value,
                "emd": head.emd.value,
                "spread_srcc": head.spread_srcc.value,
                **with_ends("spread_bias", head.spread_bias),
                **_difference("", head.srcc_difference),
                **_difference("plcc_", head.plcc_difference),
                "parameters": head.parameters,
                "seconds": head.seconds,
                "n": self.comparison.n,
                **(_agreement(agreement[head.name]) if agreement else {}),
            }
            for head in self.comparison.heads
        ]

    @property
    def verdict(self) -> str:
        """Whether the queries beat the best head that is not theirs, in one sentence."""
        from abkit_model.studies.heads import QUERIES

        plain = next(head for head in self.comparison.heads if not head.name.startswith(QUERIES))
        gap = plain.srcc_difference
        how = "more than" if gap.low > 0 else "less than" if gap.high < 0 else "not significantly different from"
        return (
            f"SRCC of the learnable queries minus the best plain head ({plain.name}): {gap.value:+.3f} "
            f"[{gap.low:+.3f}, {gap.high:+.3f}]: {how} it"
        )


def compare(
    request: HeadStudyRequest, *, settings: Settings | None = None, progress: Progress | None = None
) -> HeadStudy:
    """Train every head on folds of the ratings; with comparisons, also on all ratings, and hold it against those.

    Args:
        request: The labels.
        settings: The workspace's settings, for the size of its token cache; no cache without them.
        progress: Called with the stage, how much of it is done, and how much there is.

    Raises:
        AbkitError: The extra `model` is not installed.
        UsageError: The table is one of comparisons.
        RequestError: Comparisons without their images, or images without comparisons.
        ModelError: The tables, the images or the encoder cannot be used.
    """
    require_model()
    from abkit_model.training.request import refuse_half_a_pair

    refuse_half_a_pair(request.comparisons, request.comparison_images)
    with local_tables(request, progress) as local:
        return _compare(local, settings, progress)


def _compare(request: HeadStudyRequest, settings: Settings | None, progress: Progress | None) -> HeadStudy:
    from abkit_model.data.dataset import load_comparisons, load_dataset
    from abkit_model.encoders import DEFAULT_ENCODER
    from abkit_model.encoders.load import load_encoder
    from abkit_model.studies.compare import compare_heads, transfer

    table = Path(request.table)
    refuse_other_fields(request.columns)
    if request.columns is None and names_comparisons(table, request.options):
        raise UsageError(
            f"{request.table} is a table of comparisons, and heads are trained on ratings",
            hint="name the ratings first, and these comparisons with --comparisons and --comparison-images",
        )
    further = {
        "--encoder": request.encoder if request.encoder != DEFAULT_ENCODER else None,
        "--repeats": request.repeats if request.repeats != HeadStudyRequest.repeats else None,
        "--seed": request.seed,
        "--jobs": request.jobs if request.jobs > 1 else None,
        "--comparisons": request.comparisons,
        "--comparison-images": request.comparison_images,
    }
    frozen, cache = load_encoder(request.encoder), token_cache(settings)
    examples = load_dataset(
        table,
        request.images,
        frozen,
        image_column=request.image_column,
        group_column=request.group_column,
        scale=request.scale,
        options=request.options,
        columns=request.columns,
        command=command_line("compare", request, further),
        cache=cache,
        progress=progress,
    ).examples
    pairs = None
    if request.comparisons and request.comparison_images:
        pairs, _, _ = load_comparisons(
            Path(request.comparisons),
            request.comparison_images,
            frozen,
            options=request.options and request.options.of_another(),
            cache=cache,
            progress=progress,
        )
    repeats, seed = request.repeats, request.seed
    heads = compare_heads(examples, repeats=repeats, seed=seed, jobs=request.jobs, progress=progress)
    agreement = transfer(examples, pairs, repeats=repeats, seed=seed, progress=progress) if pairs else []
    return HeadStudy(heads, tuple(agreement))


def _difference(prefix: str, value: Estimate) -> dict[str, float]:
    ends = {f"{prefix}difference_low": value.low, f"{prefix}difference_high": value.high}
    return {f"{prefix}queries_minus_this": value.value, **ends}


def _agreement(figures: ComparisonFigures) -> dict[str, float]:
    return {
        **with_ends("picks_winner", figures.picks_winner),
        **with_ends("comparison_correlation", figures.correlation),
        **with_ends("picks_queries_minus_this", figures.picks_difference),
        "pairs": figures.n,
    }
