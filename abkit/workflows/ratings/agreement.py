"""How far raters agree: those of a table, or those of the ratings in the store."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from abkit.errors import AbkitError, InvalidInput, UsageError
from abkit.intake.remote.table import local_table
from abkit.records import Record
from abkit.store.database.engine import Store
from abkit.store.ratings import read as ratings
from abkit.store.runs import recorded_run

if TYPE_CHECKING:
    from abkit_model.data.files.tables import TableOptions
    from abkit_model.data.raters import Agreement, AgreementInterval, RaterModel

TARGET = 0.9


@dataclass(frozen=True, kw_only=True)
class RaterStudy(Record):
    """What single ratings say about their raters.

    Attributes:
        agreement: ICC and alpha, with counts.
        interval: 95 % bootstrap intervals of them, images resampled.
        model: Truths, biases and noises.
        raters: Name or pseudonym of each rater of the model.
        votes: Number of ratings of each rater, shape (raters,).
        largest_correction: Largest distance of an image's corrected mean from its plain mean; rating steps.
        rejected: Line and reason of rows of the table that were refused.
        run_id: Id of the run that read the store; None for a table.
        what: Where the ratings come from, for the title.
        scale: Lowest and highest rating, as given, found or stored; None where the source does not say.
    """

    agreement: Agreement
    interval: AgreementInterval
    model: RaterModel
    raters: tuple[str, ...]
    votes: NDArray[np.intp]
    largest_correction: float
    rejected: tuple[tuple[int, str], ...] = ()
    run_id: int | None = None
    what: str = ""
    scale: tuple[float, float] | None = None

    def figures(self) -> list[dict[str, Any]]:
        """Return rows to print: figure, value, interval, n, and the run."""
        from abkit_model.data.raters import ratings_needed

        def needed(reliability: float) -> int | None:
            return ratings_needed(reliability, TARGET) if reliability > 0 else None

        measured, interval = self.agreement, self.interval
        noise = self.model.noise[np.isfinite(self.model.noise)]
        low, high = interval.icc_single
        values: dict[str, tuple[float | None, float | None, float | None]] = {
            "icc_single": (measured.icc_single, low, high),
            "icc_mean": (measured.icc_mean, *interval.icc_mean),
            "krippendorff_alpha": (measured.alpha, *interval.alpha),
            "ratings_per_image": (measured.mean_ratings, None, None),
            f"ratings_for_reliability_{TARGET:g}": (needed(measured.icc_single), needed(high), needed(low)),
            "rater_bias_sd": (float(self.model.bias.std()), None, None),
            "rater_noise_median": (float(np.median(noise)) if len(noise) else None, None, None),
            "largest_correction_of_a_mean": (self.largest_correction, None, None),
        }
        return [
            {"figure": k, "value": v, "ci_low": a, "ci_high": b, "n": measured.ratings, "run_id": self.run_id}
            for k, (v, a, b) in values.items()
        ]

    def remarks(self) -> list[str]:
        """Return what to say with the figures: the scale, and the rows that could not be used."""
        # A scale that was found and not asked for is worth a look: everything else depends on it.
        found = [] if self.scale is None else ["scale {:g} to {:g}".format(*self.scale)]
        if self.rejected:
            line, reason = self.rejected[0]
            found.append(f"{len(self.rejected)} rows could not be used, the first: line {line}: {reason}")
        return found

    def by_rater(self) -> list[dict[str, Any]]:
        """Return rows to print: votes, bias with its 95 % interval, and noise of each rater."""
        rows = []
        for k, name in enumerate(self.raters):
            n, bias, noise = int(self.votes[k]), float(self.model.bias[k]), float(self.model.noise[k])
            margin = 1.96 * noise / math.sqrt(n) if math.isfinite(noise) else None
            low, high = (bias - margin, bias + margin) if margin is not None else (None, None)
            rows.append({"rater": name, "votes": n, "bias": bias, "ci_low": low, "ci_high": high, "noise": noise})
        return rows


def study_table(
    table: str | Path, *, scale: tuple[float, float] | None = None, options: TableOptions | None = None
) -> RaterStudy:
    """Study the raters of a table with one row per vote: a file, or an address as text.

    Raises:
        LabelError: The table cannot be read, or does not have one row per vote.
        AbkitError: No vote can be used, or all are by one rater.
    """
    from abkit_model.data.csv_table import MAX_BYTES
    from abkit_model.data.rating_rows import read_rows

    with local_table(table, max_bytes=MAX_BYTES) as found:
        rows, shown = read_rows(found.path, scale=scale, votes_only=True, options=options), found.shown
    votes, rejected = rows.votes, rows.rejected
    if not votes:
        first = f"; line {rejected[0][0]}: {rejected[0][1]}" if rejected else ""
        raise InvalidInput(f"{shown} has no usable vote{first}", hint="it needs columns for image, rater and score")
    item, rater = np.array([v.image for v in votes]), np.array([v.rater for v in votes])
    study = _study(item, rater, np.array([v.score for v in votes]), shown)
    return replace(study, rejected=tuple(rejected), scale=(rows.scale.low, rows.scale.high))


def study_store(store: Store, *, source: str | None = None, campaign: str | None = None) -> RaterStudy:
    """Study the raters of the single ratings in the store.

    Args:
        store: A store at the current migration.
        source: Key of the study; needed where the store has several.
        campaign: Only ratings of the candidates of this campaign.

    Raises:
        UsageError: No such source, or several and none was named.
        AbkitError: There are no single ratings, or all are by one rater.
    """
    with recorded_run(store, "ratings agreement", {"source": source, "campaign": campaign}) as run:
        with store.read() as session:
            sources = {row.key: row for row in ratings.vote_sources(session)}
            if not sources:
                raise AbkitError(
                    "the store has no single ratings",
                    hint="import a table with one row per vote: abkit ratings import TABLE --images DIR",
                )
            if source is None and len(sources) > 1:
                raise UsageError(
                    f"the store has ratings of {len(sources)} sources, each with its own scale: " + ", ".join(sources),
                    hint="choose one with --source",
                )
            key = source or next(iter(sources))
            if key not in sources:
                raise UsageError(
                    f"the store has no single ratings of a source {key!r}", hint="it has: " + ", ".join(sources)
                )
            chosen = sources[key]
            votes = ratings.votes_of(session, chosen.id, campaign)
        if not len(votes.score):
            raise AbkitError(f"source {key!r} has no ratings of the creatives of campaign {campaign!r}")
        what = f"source {key}" + (f", campaign {campaign}" if campaign else "")
        low, high = chosen.scale_low, chosen.scale_high
        scale = None if low is None or high is None else (low, high)
        study = replace(_study(votes.creative, votes.rater, votes.score, what), run_id=run.id, scale=scale)
        run.outcome.update({row["figure"]: row["value"] for row in study.figures()})
        return study


def _study(image: NDArray[Any], who: NDArray[Any], score: NDArray[np.float64], what: str) -> RaterStudy:
    from abkit_model.data.raters import agreement, agreement_interval, rater_model

    _, item = np.unique(image, return_inverse=True)
    names, rater = np.unique(who, return_inverse=True)
    if len(names) == 1:
        raise AbkitError(
            f"all {len(score):,} ratings of {what} are by one rater, who has nobody to agree with",
            hint="agreement needs images rated by two people or more",
        )
    if np.ptp(score) == 0:
        raise AbkitError(
            f"all {len(score):,} ratings of {what} are {score[0]:g}: constant ratings say nothing about agreement"
        )
    if np.bincount(item).max() < 2:
        raise AbkitError(
            f"no image of {what} has two ratings, so agreement cannot be measured",
            hint="agreement needs images rated by two people or more",
        )
    model = rater_model(item, rater, score)
    plain = np.bincount(item, score) / np.bincount(item)
    return RaterStudy(
        agreement=agreement(item, rater, score),
        interval=agreement_interval(item, score),
        model=model,
        raters=tuple(map(str, names)),
        votes=np.bincount(rater),
        largest_correction=float(np.abs(model.truth - plain).max()),
        what=what,
    )
