"""What scoring and shortlists return: each file or candidate with its figures, and what has to be said about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abkit.records import Record, RecordList
from abkit.vocabulary import FileState

_NAMED = 5
_SENTENCES = 12


@dataclass(frozen=True, kw_only=True)
class ScoredFile(Record):
    """What became of one file.

    Attributes:
        path: Path as it was found; the address, as text, of a file that was fetched.
        status: scored (now), known (scored before), rejected, or skipped: a kind of file that is not read.
        reason: Why it was rejected or skipped, and what to do; "" otherwise.
        notes: How its pixels came about, where that is not plain: colors converted, a ground, a blank image.
        frame, frames: Which frame of an animation was scored, from 1, and how many it has; None where nothing moves.
        seconds: When the frames of a video are shown whose mean its score is; () for an image.
        sha256: Digest of its content; None where it has no score, as everything below.
        mean, std: Mean and standard deviation of the predicted opinions, on the scale.
        epistemic_std: Standard deviation of the mean between the query sets; None with a single one.
        distribution: Probability of each step of the scale.
        ci_low, ci_high, ci_level: Predictive interval of the mean opinion and its nominal coverage.
        scale: Lowest and highest value that a score can have.
        rank, percentile, n: Place among the n scored creatives of the campaign; 1 and 100 % are the best.
        model_version: Digest of the scorer.
        novelty: Distance from the training images in units of the scorer's limit; above 1 it is unlike anything that
            the queries were trained on, and has no interval. None where the scorer has no limit, or an earlier release
            scored it.
        no_interval: Why it has no interval, where its novelty is the reason; "" otherwise.
        fit, fit_rank, fit_n: Cosine of image and brief, and its place among the fit_n creatives of the campaign that
            the brief's encoder has seen; None without a brief.
    """

    path: Path | str
    status: FileState
    reason: str = ""
    notes: tuple[str, ...] = ()
    frame: int | None = None
    frames: int | None = None
    seconds: tuple[float, ...] = ()
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
    no_interval: str = ""
    fit: float | None = None
    fit_rank: int | None = None
    fit_n: int | None = None

    @property
    def name(self) -> str:
        """The last part of its path or address."""
        return str(self.path).rsplit("/", 1)[-1]

    @property
    def far(self) -> bool:
        """Whether it is known to be unlike anything that the queries were trained on."""
        return is_far(self.novelty)


@dataclass(frozen=True, kw_only=True)
class ScoringResult(RecordList):
    """All files of one scoring, best first, rejected ones last; with the run and the scorer that made the figures.

    Attributes:
        files: Every file that was found or named.
        notice: What everybody who sees a score of this scorer has to be told.
        ignored: How many files in folders have neither the name of an image nor that of a kind to tell of.
        note: What happened on the way, such as a new active model; "" otherwise.
        brief, brief_encoder: The text and the encoder that read it; "" without one.
        from_tokens: How many contents were scored without the encoder, from what it saw earlier.
        ideas: How many ideas the files with a score are: sizes and crops of one count once.
        device: Where and how the encoder computed, such as "cpu, bfloat16"; "" where it was not needed.
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
    ideas: int = 0
    device: str = ""

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per file."""
        return [file.to_dict() for file in self.files]

    @property
    def usable(self) -> tuple[ScoredFile, ...]:
        """The files that have a score, best first."""
        return tuple(file for file in self.files if file.status in (FileState.SCORED, FileState.KNOWN))

    @property
    def rejected(self) -> tuple[ScoredFile, ...]:
        """The files that could not be scored, each with its reason."""
        return tuple(file for file in self.files if file.status is FileState.REJECTED)

    @property
    def skipped(self) -> tuple[ScoredFile, ...]:
        """The files of kinds that are not read, each with what to do."""
        return tuple(file for file in self.files if file.status is FileState.SKIPPED)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of these scores has to be told."""
        far = far_note([file.name for file in self.usable if file.far], len(self.usable))
        read = reading_notes({file.name: file.notes for file in self.usable})
        return tuple(text for text in (*read, far, self.note, self.notice if self.usable else "") if text)


@dataclass(frozen=True, kw_only=True)
class Candidate(Record):
    """A creative of the campaign; whatever is not known is None.

    Attributes:
        creative: Its file name, with as much of the path as tells it from other candidates.
        names: All names under which this content came, the latest first; it counts once.
        kept: Whether it is on the shortlist.
        reason: Why, in words.
        rank: 1 is the highest score; equal scores share a rank. None without a score.
        score: Predicted mean opinion, with ci_low, ci_high and ci_level.
        p_best: Probability that it is the best of the scored candidates; they sum to 1.
        p_beats_next: Probability that it is better than the next one in the ranking.
        p_beats_first_left_out: The same for the best of those left out; None for that one itself.
        tie_group: 1 holds all that are not told apart from the best, 2 all of the rest not told apart from its best, …
        tied_with: How many other candidates it is not told apart from.
        novelty: Distance from the training images in units of the version's limit; above 1 there is no interval, and
            probabilities promise nothing. None where the version has no limit, or an earlier release scored it.
        idea: Label of its idea: equal for creatives that are sizes of one idea.
        size_of: The creative that stands for its idea, where ideas are chosen and this is another size of it; "" else.
    """

    creative: str
    names: tuple[str, ...]
    sha256: str
    kept: bool
    reason: str
    rank: int | None = None
    score: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    ci_level: float | None = None
    p_best: float | None = None
    p_beats_next: float | None = None
    p_beats_first_left_out: float | None = None
    tie_group: int | None = None
    tied_with: int | None = None
    novelty: float | None = None
    idea: int | None = None
    size_of: str = ""


@dataclass(frozen=True, kw_only=True)
class Shortlist(RecordList):
    """All candidates of a campaign, best first, those without a score last.

    Attributes:
        creatives: All candidates.
        n: Scored candidates, each content once; where ideas are chosen, ideas.
        by_idea: Whether ideas were chosen: the best size stands for each, and the others go with it.
        unscored: Candidates without a score by this version.
        kept: How many are on the shortlist.
        p_best_kept: Probability that the best of the scored candidates is on it.
        p_best_demanded: What that had to reach.
        tie_threshold: Two creatives are a tie when P(A beats B) lies between 1 − this and this.
        clear: Whether the best is kept with the probability demanded, and the scores can tell; `why` says it in words.
        unfamiliar: How many of the candidates are unlike anything that the scorer was trained on: with any, nothing is
            clear.
        error_spread: Standard deviation of the errors of scores, on the scale; infinite where scores say nothing.
        error_spread_from: Where it comes from, in words.
        error_spread_measured: False where it was only derived from the interval of the scores.
        calibration: said, right and ece of P(A beats B) on held-out pairs, as on the model's card; None without.
        relation: A sentence for each KPI: whether these scores were shown to go with it in this store.
        notice: What everybody who sees these scores has to be told.
        note: What is unusual about the request; "" otherwise.
    """

    creatives: tuple[Candidate, ...]
    campaign: str
    n: int
    unscored: int
    kept: int
    p_best_kept: float
    p_best_demanded: float
    tie_threshold: float
    clear: bool
    why: str
    error_spread: float
    error_spread_from: str
    error_spread_measured: bool
    method: str
    calibration: Mapping[str, Any] | None
    relation: tuple[str, ...]
    model_version: str
    model_name: str
    scale: tuple[float, float]
    demonstration: bool
    notice: str
    note: str
    run_id: int
    by_idea: bool = False
    unfamiliar: int = 0

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per candidate, each with the campaign, the version and the run."""
        shared = {"campaign": self.campaign, "model_version": self.model_version, "run_id": self.run_id}
        return [candidate.to_dict() | shared for candidate in self.creatives]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of these scores and probabilities has to be told."""
        far = [candidate.creative for candidate in self.creatives if is_far(candidate.novelty)]
        scored = sum(candidate.score is not None for candidate in self.creatives)
        texts = (far_note(far, scored, "the probabilities promise nothing"), self.note, self.notice)
        return tuple(text for text in texts if text)


def is_far(novelty: float | None) -> bool:
    """Return whether a distance, in units of the version's limit, is beyond it; one that is not known never is."""
    return novelty is not None and novelty > 1


#: Why a creative that is unlike the training has no interval.
UNLIKE = "unlike anything the queries were trained on"


def known_interval(low: float | None, high: float | None, novelty: float | None) -> dict[str, float | None]:
    """Return the ends of an interval as `ci_low` and `ci_high`: none for a creative that is unlike the training.

    An earlier release wrote them all the same.
    """
    return {"ci_low": None, "ci_high": None} if is_far(novelty) else {"ci_low": low, "ci_high": high}


def far_note(far: Sequence[str], n: int, also: str = "") -> str:
    """Return what to tell the reader about creatives unlike the training images; "" where there are none.

    Args:
        far: Their names; the first five are listed.
        n: How many creatives there are in all.
        also: What else has to be said about them.

    >>> print(far_note(["a.jpg"], 20))
    1 of 20 creatives is unlike anything the queries were trained on: a score without an interval, to be doubted: a.jpg
    """
    if not far:
        return ""
    one = len(far) == 1
    are, scores = ("is", "a score without an interval") if one else ("are", "scores without intervals")
    more = f"; {also}" if also else ""
    return f"{len(far)} of {n} creatives {are} {UNLIKE}: {scores}, to be doubted{more}: {listed(far)}"


def reading_notes(notes: Mapping[str, Sequence[str]]) -> list[str]:
    """Return one sentence for everything that was noted about files, with the first five of their names.

    Args:
        notes: What was noted, by the name of the file.

    >>> reading_notes({"a.png": ["converted to sRGB"], "b.png": ["converted to sRGB"], "c.png": []})
    ['converted to sRGB: a.png, b.png']
    """
    names: dict[str, list[str]] = {}
    for name, texts in notes.items():
        for text in texts:
            names.setdefault(text, []).append(name)
    said = [f"{text}: {listed(some)}" for text, some in sorted(names.items(), key=lambda item: -len(item[1]))]
    more = len(said) - _SENTENCES
    return said[:_SENTENCES] + ([f"{more} more notes about single files are in the JSON (-f json)"] if more > 0 else [])


def listed(names: Sequence[str]) -> str:
    """Return the first five of some names, and how many more there are.

    >>> listed(["a", "b", "c", "d", "e", "f"])
    'a, b, c, d, e and 1 more'
    """
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def anew_note(names: Sequence[str]) -> str:
    """Return what to tell the reader about files whose former scores were of other pixels; "" where there are none."""
    if not names:
        return ""
    return (
        f"scored anew, because an earlier release ignored their color profile, or put them on white, or took their "
        f"blank first frame; the former scores are deleted: {listed(names)}"
    )


def distinct_names(names: Sequence[str]) -> list[str]:
    """Return the last part of each full name, with as many folders before it as tell it from the others.

    >>> distinct_names(["/ads/a.png", "/ads/c.png", "/ads/old/c.png"])
    ['a.png', 'ads/c.png', 'old/c.png']
    """
    parts = {name: name.split("/") for name in names}
    depth = dict.fromkeys(parts, 1)
    while True:
        shown = {name: "/".join(parts[name][-depth[name] :]) for name in parts}
        counts = Counter(shown.values())
        longer = [name for name in parts if counts[shown[name]] > 1 and depth[name] < len(parts[name])]
        if not longer:
            return [shown[name] for name in names]
        for name in longer:
            depth[name] += 1


def show_probability(probability: float | None) -> str:
    """Return a probability in two digits, never as certain as 0.00 or 1.00; – for one that is not known.

    >>> show_probability(0.314), show_probability(0.001), show_probability(0.999)
    ('0.31', '<0.01', '>0.99')
    """
    if probability is None:
        return "–"
    if probability < 0.005:
        return "<0.01"
    return f"{probability:.2f}" if probability < 0.995 else ">0.99"
