"""What comes of a scoring: each file with its figures, and the scorer and the run that made them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ScoredFile:
    """What became of one file.

    Attributes:
        path: as it was found.
        status: scored (now), known (before), or rejected.
        reason: why it was rejected; '' otherwise.
        mean, std: of the predicted opinions, on the scale.
        distribution: probability of each step of the scale.
        ci_low, ci_high, ci_level: predictive interval of the mean opinion and its nominal coverage.
        scale: lowest and highest value that a score can have.
        rank, percentile, n: place among the n scored creatives of the campaign; 1 and 100 % are the best.
        model_version: digest of the scorer.
        novelty: distance from the training pictures in units of the scorer's limit; above 1 the interval promises
            nothing. None where the scorer has no limit, or an earlier release scored it.
        fit, fit_rank, fit_n: cosine of picture and brief, and its place among the fit_n creatives of the campaign that
            the brief's encoder has seen; None without a brief.
    """

    path: Path
    status: str
    reason: str = ""
    sha256: str | None = None
    creative_id: int | None = None
    mean: float | None = None
    std: float | None = None
    epistemic_std: float | None = None
    distribution: tuple[float, ...] | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    ci_level: float | None = None
    scale: tuple[float, float] | None = None
    rank: int | None = None
    percentile: float | None = None
    n: int | None = None
    model_version: str | None = None
    novelty: float | None = None
    fit: float | None = None
    fit_rank: int | None = None
    fit_n: int | None = None


@dataclass(frozen=True)
class ScoringResult:
    """All files of one scoring, best first, rejects last; with the run and the scorer that made the figures.

    Attributes:
        notice: what everybody who sees a score of this scorer has to be told.
        note: what happened on the way, such as another champion.
        brief, brief_encoder: the text and who read it; '' without one.
        from_tokens: how many contents were scored without the encoder, from what it saw earlier.
    """

    files: tuple[ScoredFile, ...]
    campaign: str
    model_version: str
    model_name: str
    demonstration: bool
    notice: str
    run_id: int
    ignored: int
    note: str
    brief: str = ""
    brief_encoder: str = ""
    from_tokens: int = 0
