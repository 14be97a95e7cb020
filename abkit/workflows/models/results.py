"""What training and evaluating a scorer find: figures with their intervals, and what follows from them in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abkit.records import Record, RecordList, percent

if TYPE_CHECKING:
    from abkit_model.checkpoint import Card
    from abkit_model.evaluation.comparison_agreement import ComparisonFigures
    from abkit_model.evaluation.metrics import Estimate, Evaluation
    from abkit_model.evaluation.outcome_agreement import OutcomeFigures
    from abkit_model.training.release import TrainedScorer


@dataclass(frozen=True, kw_only=True)
class Figure(Record):
    """One figure of a scorer.

    Attributes:
        figure: Name of the figure, such as "srcc".
        estimate: None where it is not defined.
        ci_low, ci_high: Ends of its 95 % interval; None where it has none.
        n: Images, or pairs of images, behind it.
        model_version: Digest of the scorer.
    """

    figure: str
    estimate: float | None
    ci_low: float | None = None
    ci_high: float | None = None
    n: int
    model_version: str


@dataclass(frozen=True)
class Shortage(Record):
    """Too little data to tune queries for a segment.

    Attributes:
        images, subjects: Rated images whose files are there, and their subjects.
        needed_images, needed_subjects: The minimum.
    """

    images: int
    subjects: int
    needed_images: int
    needed_subjects: int


@dataclass(frozen=True, kw_only=True)
class TrainingResult(RecordList):
    """What came of a training: a scorer with its figures, or too little data to tune one.

    Attributes:
        decision: "trained", or "insufficient_data"; then nothing was written.
        figures: Figures of images, or pairs of images, that were held out.
        title: What they rest on.
        notes: What follows from them, and what could not be used, in words.
        folder: The checkpoint; None where the data were too few.
        name, digest: Of the scorer.
        segment: The segment that it is for; '' means all.
        shortage: What there is, and what would be needed; None where it was enough.
        registered: Whether it is known to a store.
        run_id: None without a store.
    """

    decision: str
    figures: tuple[Figure, ...] = ()
    title: str = ""
    notes: tuple[str, ...] = ()
    folder: Path | None = None
    name: str = ""
    digest: str = ""
    segment: str = ""
    shortage: Shortage | None = None
    registered: bool = False
    run_id: int | None = None

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per figure; where the data were too few, per count of them: what was found and needed."""
        if self.shortage is None:
            return [figure.to_dict() for figure in self.figures]
        short = self.shortage
        counts = (("images", short.images, short.needed_images), ("subjects", short.subjects, short.needed_subjects))
        keys = ("figure", "found", "needed", "decision", "run_id")
        return [dict(zip(keys, (*count, self.decision, self.run_id), strict=True)) for count in counts]

    def value(self, figure: str) -> float | None:
        """Return the estimate of a figure by its name; None where there is none."""
        return next((one.estimate for one in self.figures if one.figure == figure), None)


@dataclass(frozen=True, kw_only=True)
class EvaluationResult(RecordList):
    """A scorer measured on ratings or on comparisons.

    Attributes:
        figures: Figures with bootstrap intervals over subjects, or over images.
        title: What they rest on.
        notes: What they mean, and what could not be used, in words.
        digest, name: Of the scorer.
        seen_in_training: How many of the images it was trained on: so far the figures are too good.
        rejected, missing: How many rows and images could not be used.
        run_id: None without a store, or for a checkpoint's folder.
    """

    figures: tuple[Figure, ...]
    title: str
    notes: tuple[str, ...]
    digest: str
    name: str
    seen_in_training: int
    rejected: int
    missing: int
    run_id: int | None = None

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per figure."""
        return [figure.to_dict() for figure in self.figures]


def with_ends(name: str, estimate: Estimate) -> dict[str, float]:
    """Return an estimate and the ends of its interval by column: its name, and the name with _low and _high."""
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def rating_figures(
    figures: Evaluation, digest: str, coverage: float | None, strata: Sequence[Mapping[str, Any]] = ()
) -> tuple[tuple[Figure, ...], str]:
    """Return SRCC, PLCC and the rest as figures, with coverage by stratum where that was measured, and their title."""
    estimates = {name: getattr(figures, name) for name in ("srcc", "plcc", "accuracy", "emd", "spread_srcc")}
    covered = Figure(figure="coverage", estimate=coverage, n=figures.n, model_version=digest)
    parts = [
        Figure(
            figure=f"coverage, {one['by']} {one['part']}",
            estimate=one["coverage"]["value"],
            ci_low=one["coverage"]["low"],
            ci_high=one["coverage"]["high"],
            n=one["n"],
            model_version=digest,
        )
        for one in strata
    ]
    found = (*_intervals(estimates, figures.n, digest), covered, *parts)
    return found, f"On {figures.n} images of {figures.subjects} subjects; 95 % intervals, whole subjects resampled"


def comparison_figures(figures: ComparisonFigures, digest: str) -> tuple[tuple[Figure, ...], str]:
    """Return how a scorer agrees with comparisons as figures, and their title."""
    estimates = {"picks_winner": figures.picks_winner, "comparison_correlation": figures.correlation}
    return _intervals(estimates, figures.n, digest), f"On {figures.n} pairs; 95 % intervals, images resampled"


def outcome_figures(figures: OutcomeFigures, digest: str) -> tuple[tuple[Figure, ...], str]:
    """Return how a scorer agrees with outcomes inside campaigns as figures, and their title."""
    estimates = {name: getattr(figures, name) for name in ("within_srcc", "concordance", "slope")}
    title = (
        f"Inside campaigns, on {figures.n} outcomes of {figures.families} families held out; 95 % intervals, whole "
        "families resampled"
    )
    return _intervals(estimates, figures.n, digest), title


def trained_result(trained: TrainedScorer, segment: str, *, registered: bool, run_id: int | None) -> TrainingResult:
    """Return the result of a training that led to a scorer."""
    from abkit_model.evaluation.metrics import Estimate

    card = trained.card
    figures: tuple[Figure, ...] = ()
    title, n = "", 0
    if trained.agreement is not None:
        figures, title = comparison_figures(trained.agreement, card.digest)
        n = trained.agreement.n
    elif trained.outcomes is not None:
        figures, title = outcome_figures(trained.outcomes, card.digest)
        n = trained.outcomes.n
    elif trained.evaluation is not None:
        figures, title = rating_figures(
            trained.evaluation,
            card.digest,
            card.interval.coverage,
            card.metrics.get("coverage", {}).get("strata", ()),
        )
        n = trained.evaluation.n
    curve = card.metrics.get("srcc_by_queries", {})
    against = {
        what: found
        for what, key in (
            ("srcc", "against_parent"),
            ("picks_winner", "picks_against_parent"),
            ("within_srcc", "outcomes_against_parent"),
            ("concordance", "concordance_against_parent"),
        )
        # a figure is not defined for constant scores, for instance
        if (found := card.metrics.get(key)) and None not in found.values()
    }
    points = {"queries": card.network["queries"], "query_diversity": card.metrics.get("query_diversity")}
    estimates = {f"srcc_of_{queries}_queries": found for queries, found in curve.items()}
    estimates |= {f"{what}_against_parent": found for what, found in against.items()}
    return TrainingResult(
        decision="trained",
        figures=(
            *figures,
            *(Figure(figure=name, estimate=value, n=n, model_version=card.digest) for name, value in points.items()),
            *_intervals({name: Estimate(**found) for name, found in estimates.items()}, n, card.digest),
        ),
        title=title,
        notes=tuple(_notes(trained, segment, against, bool(curve), registered)),
        folder=trained.folder,
        name=card.name,
        digest=card.digest,
        segment=segment,
        registered=registered,
        run_id=run_id,
    )


def short_result(shortage: Shortage, segment: str) -> TrainingResult:
    """Return the result where the data were too few to tune queries with."""
    whose = f" for segment {segment}" if segment else ""
    said = (
        f"not enough data{whose}: {shortage.images} rated images of {shortage.subjects} subjects, but "
        f"{shortage.needed_images} of {shortage.needed_subjects} are needed to tell whether tuned queries are "
        "better; nothing was trained, the global queries stay"
    )
    return TrainingResult(decision="insufficient_data", segment=segment, shortage=shortage, notes=(said,))


def evaluation_result(
    card: Card, figures: tuple[tuple[Figure, ...], str], meaning: str, *, rejected: int, missing: int, seen: int
) -> EvaluationResult:
    """Return the result of an evaluation: figures and their title, what they mean, and what limits them."""
    notes = [f"{card.name} {card.digest[:12]}; {meaning}"]
    if rejected or missing:
        notes.append(f"{rejected} rows and {missing} images could not be used")
    if seen:
        notes.append(
            f"Note: this scorer was trained on {seen} of these images, so the figures are too good; its card has "
            "figures of images that were held out"
        )
    return EvaluationResult(
        figures=figures[0],
        title=figures[1],
        notes=tuple(notes),
        digest=card.digest,
        name=card.name,
        seen_in_training=seen,
        rejected=rejected,
        missing=missing,
    )


def _intervals(estimates: Mapping[str, Estimate], n: int, digest: str) -> tuple[Figure, ...]:
    return tuple(
        Figure(
            figure=name,
            estimate=_known(one.value),
            ci_low=_known(one.low),
            ci_high=_known(one.high),
            n=n,
            model_version=digest,
        )
        for name, one in estimates.items()
    )


def _known(figure: float) -> float | None:
    """Return None for a figure that is not defined: JSON has no NaN, and PostgreSQL refuses it."""
    return figure if math.isfinite(figure) else None


def _notes(
    trained: TrainedScorer, segment: str, against: Mapping[str, Any], curve: bool, registered: bool
) -> list[str]:
    card = trained.card
    notes = [f"{trained.folder}: {card.name} {card.digest[:12]}"]
    if curve:
        notes.append(
            f"--queries auto took {card.network['queries']}: the smallest number whose SRCC is within one standard "
            "error of the best (one member, nested folds; these intervals are over the folds)"
        )
    if share := card.training.get("closed_form"):
        notes.append(
            f"a ridge regression on the embedding carries {percent(share, 0)} of a score and the query sets "
            f"{percent(1 - share, 0)}: the shares that did best with so many labels"
        )
    if card.network["queries"] == 1:
        notes.append("a single query has no diversity")
    notes += [in_words(found, segment, what) for what, found in against.items()]
    if card.data.get("layout") == "comparisons":
        notes.append(_about_comparisons(trained))
    if card.data.get("layout") == "outcomes":
        notes += about_outcomes(card)
    else:
        notes += card.data.get("notes", ())
    if trained.seen_by_parent:
        notes.append(_about_seen(trained))
    for what, rejects in (("row", trained.rejected), ("image", trained.missing)):
        if rejects:
            several, (name, reason) = ("" if len(rejects) == 1 else "s"), rejects[0]
            notes.append(f"{len(rejects)} {what}{several} could not be used, the first: {name}: {reason}")
    if not registered:
        return [*notes, "not registered: there is no workspace here (`abkit model register FOLDER` in one does it)"]
    promote = f"abkit model promote {card.digest[:12]}" + (f" --segment {segment}" if segment else "")
    return [*notes, f"registered; the active model stays as it is until `{promote}`"]


def _about_seen(trained: TrainedScorer) -> str:
    said = f"Note: the parent was trained on {trained.seen_by_parent} of these images"
    if any(one is not None for one in (trained.evaluation, trained.agreement, trained.outcomes)):
        return f"{said}; no figure counts them, because they were not held out"
    do = "compare" if trained.card.data.get("layout") == "comparisons" else "rate"
    return (
        f"{said}, and the others are too few to judge by: nothing says how good the tuned queries are, their scores "
        f"get no interval, and they cannot be compared with the parent; {do} other images, or tune a parent that was "
        "trained without these"
    )


def _about_comparisons(trained: TrainedScorer) -> str:
    what = (
        "scores stay on the parent's scale"
        if trained.card.parent
        else "scores are chances, from 0 to 1, that an image is preferred over the average one of these"
    )
    if trained.agreement is None:
        what += "; too few pairs have both images held out together, so nothing says how good they are"
    return (
        f"learned from comparisons alone: {what}; there is no interval, because no comparison says how well a single "
        "image is liked"
    )


def about_outcomes(card: Card) -> list[str]:
    """Say what a scorer learned from outcomes, and what its scores mean."""
    data = card.data
    metric = data.get("metric") or "rate"
    events = f", {data['events']:,.0f} events" if data.get("events") else ""
    notes = [
        f"learned from outcomes in {metric}: {data['images']:,} creatives in {data['campaigns']:,} "
        f"campaign{'' if data['campaigns'] == 1 else 's'}{events}; {percent(data['randomized_share'], 0)} of the "
        "weight is randomized, the rest is what the platform delivered"
    ]
    if data.get("log_rate"):
        notes.append(
            f"a score is the logarithm of the expected {metric} against the average of a campaign: +0.10 is about "
            "10 % more; it is no opinion on a scale, and has no interval for a single creative"
        )
    else:
        notes.append("scores stay on the scale of the parent or the ratings; a single creative has no interval")
    fit = card.metrics.get("outcome_fit", {})
    if card.parent:
        notes.append(moved_by(fit, card.segment))
    for kind, share in fit.get("shares", {}).items():
        counts = f"count {share:g} of an outcome each" if share else "do not help to predict them, and count nothing"
        notes.append(f"the {kind} beside the outcomes {counts}")
    if "outcome_folds" not in card.metrics:
        notes.append("too few outcomes could be held out together, so nothing says how good the scores are")
    return [*notes, *data.get("notes", ())]


def moved_by(fit: Mapping[str, Any], segment: str = "") -> str:
    """Say how far outcomes moved a scorer from its parent: how much is learned from them, and how much is the parent's.

    >>> moved_by({"moved": True, "own_share": 0.3}, "placement=story")[:71]
    '30 % of what tells creatives of a campaign apart is learned from the ou'
    """
    if not fit.get("moved"):
        return "held out, nothing predicts these outcomes better than the parent does: it stays as it is"
    said = "how far it moves from the parent was found by validation inside these outcomes"
    if fit.get("own_share") is None:  # a card of an earlier release
        return said
    whose = f"the outcomes of {segment}" if segment else "these outcomes"
    return (
        f"{percent(fit['own_share'], 0)} of what tells creatives of a campaign apart is learned from {whose}, the rest "
        f"is the parent's: {said}"
    )


def in_words(against: Mapping[str, float], segment: str, what: str = "srcc") -> str:
    """Say what the comparison with the parent found.

    >>> in_words({"value": 0.08, "low": 0.02, "high": 0.15}, "games")
    "the queries of segment games are significantly better here: SRCC +0.080 [+0.020, +0.150] against the parent's"
    >>> in_words({"value": 0.01, "low": -0.02, "high": 0.05}, "")[:55]
    'the tuned queries are not significantly better here: SR'
    """
    whose = f"the queries of segment {segment}" if segment else "the tuned queries"
    name = {"srcc": "SRCC", "within_srcc": "SRCC inside campaigns"}.get(what, "pairs picked right")
    figure = f"{name} {against['value']:+.3f} [{against['low']:+.3f}, {against['high']:+.3f}] against the parent's"
    if against["low"] > 0:
        return f"{whose} are significantly better here: {figure}"
    keep = "keep the global ones" if segment else "keep the parent's"
    how = "significantly worse" if against["high"] < 0 else "not significantly better"
    return f"{whose} are {how} here: {figure}; {keep}"
