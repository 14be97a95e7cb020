"""Shortlist: which candidates of a campaign to keep before launch, how clear that is, and the reason of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from abkit.errors import AbkitError, UsageError
from abkit.records import to_plain
from abkit.store import imports, models, results, scores
from abkit.store.catalog import creatives, ideas
from abkit.store.database.engine import Store
from abkit.store.runs import RunRecord, recorded_run
from abkit.store.schema import CorrelationResult, ModelVersion
from abkit.store.scores import RankedScore
from abkit.vocabulary import CorrelationScope
from abkit.workflows.scoring.results import (
    UNLIKE,
    Candidate,
    Shortlist,
    distinct_names,
    is_far,
    known_interval,
    show_probability,
)
from abkit_model.selection import (
    METHOD,
    ErrorSpread,
    best_probabilities,
    error_spread,
    pair_probability,
    smallest_set,
    tie_groups,
)

P_BEST = 0.9
MIN_PROBABILITY = 0.9


def shortlist(
    store: Store,
    *,
    campaign: str,
    keep: int | None = None,
    p_best: float = P_BEST,
    min_probability: float = MIN_PROBABILITY,
    model: str | None = None,
    by_idea: bool = False,
    run: RunRecord | None = None,
) -> Shortlist:
    """Choose the candidates of a campaign that are worth launching, from scores that are logged; no model is loaded.

    1. For each scored candidate: P(best), and the probability that it beats the next.
    2. Keep the `keep` best, or the fewest that hold the best one with probability `p_best`.
    3. Tell whether that is clear: the best one is among those kept with probability `p_best`, every candidate has a
       score, and none is unlike anything that the scorer was trained on. Where the scores chose how many to keep,
       none of those left out may be tied with the best either: 39 of 60 that are all alike are no choice.

    Args:
        store: Store with the scores of the campaign.
        campaign: Its key.
        keep: How many to keep; None: as many as `p_best` takes.
        p_best: The probability with which the best candidate has to be kept; above 0, at most 1.
        min_probability: Two creatives are told apart from this P(A beats B) on; between 0.5 and 1.
        model: Name or digest of a version; the active model when None.
        by_idea: Choose distinct ideas: the best size of each stands for it, and its other sizes go with it.
        run: A run that has its row already; one is recorded when None.

    Raises:
        UsageError: No such campaign or version, or an invalid probability.
        AbkitError: No scores by this version, or a version whose errors were never measured.
    """
    _check(keep, p_best, min_probability)
    arguments = {"campaign": campaign, "keep": keep, "p_best": p_best, "min_probability": min_probability}
    arguments["by_idea"] = by_idea
    with recorded_run(store, "shortlist", arguments | {"model": model}, run=run) as run:
        with store.read() as session:
            number = creatives.find_campaign(session, campaign)
            version = models.find_by_prefix(session, model) if model else models.active_model(session)
            if version is None:
                raise _nothing_scored(campaign)
            ranked = scores.ranking(session, number, version.id)
            missing = scores.unscored(session, number, version.id)
            names = creatives.creative_names(session, creatives.candidates(session, number), campaign=number)
            measured = results.last_correlations(session, version.id)
            relation = relation_sentences(measured, simulated=imports.is_simulated(session))
            labels = ideas.ideas_of(session, [*(row.creative_id for row in ranked), *(id_ for id_, _ in missing)])
        if not ranked:
            raise _nothing_scored(campaign, version, len(missing))
        spread = _spread(version)
        stand_for, other_sizes = _best_of_each(ranked, labels) if by_idea else (ranked, [])
        judged = {labels[row.creative_id] for row in ranked} if by_idea else set()
        unscored = sum(labels[id_] not in judged for id_, _ in missing)
        line = draw_line([row.score.mean for row in stand_for], spread.std, keep, p_best, min_probability)
        unfamiliar = sum(is_far(row.score.novelty) for row in ranked)
        clear, why = line.verdict(unscored, unfamiliar, asked=keep is not None)
        result = Shortlist(
            creatives=tuple(_candidates(version, stand_for, other_sizes, missing, line, names, labels)),
            campaign=campaign,
            n=len(stand_for),
            unscored=unscored,
            kept=line.kept,
            p_best_kept=line.p_best_kept,
            p_best_demanded=p_best,
            tie_threshold=min_probability,
            clear=clear,
            why=why,
            unfamiliar=unfamiliar,
            error_spread=spread.std,
            error_spread_from=spread.source,
            error_spread_measured=spread.measured,
            method=METHOD,
            calibration=_calibration(version),
            relation=relation,
            model_version=version.digest,
            model_name=version.name,
            scale=(version.scale_low, version.scale_high),
            demonstration=version.demonstration,
            notice=str(version.card.get("notice", "")),
            note=_note(len(stand_for), keep),
            run_id=run.id,
            by_idea=by_idea,
        )
        told = ("n", "unscored", "unfamiliar", "kept", "p_best_kept", "clear", "model_version")
        run.outcome.update({name: getattr(result, name) for name in told})
        run.outcome.update(error_spread=to_plain(spread.std))
    return result


def _check(keep: int | None, p_best: float, min_probability: float) -> None:
    if keep is not None and keep < 1:
        raise UsageError(f"a shortlist keeps at least 1 creative, not {keep}")
    if not 0 < p_best <= 1:
        raise UsageError(
            f"--p-best {p_best:g} is not a probability above 0", hint="give one above 0 and up to 1, such as 0.9"
        )
    if not 0.5 < min_probability < 1:
        raise UsageError(
            f"--min-probability {min_probability:g} cannot tell a tie", hint="give one between 0.5 and 1, such as 0.9"
        )


def _nothing_scored(campaign: str, version: ModelVersion | None = None, candidates: int = 0) -> AbkitError:
    hint = f"run `abkit score IMAGES --campaign {campaign}`"
    if version is None:
        return AbkitError("nothing has been scored yet", hint=hint)
    return AbkitError(
        f"campaign {campaign!r} has no scores by {version.name} {version.digest[:12]} "
        f"({candidates} creatives without a score)",
        hint=f"{hint}, or name the model that scored them with --model",
    )


def _spread(version: ModelVersion) -> ErrorSpread:
    card = version.card
    spread = error_spread(card.get("metrics") or {}, card.get("interval") or {})
    if spread is None:
        raise AbkitError(
            f"the errors of {version.name} {version.digest[:12]} were never measured, so there are no probabilities",
            hint="train on more subjects, or on more comparisons of the same images, so that some can be held out "
            "(`abkit model train`)",
        )
    return spread


def _best_of_each(
    ranked: Sequence[RankedScore], labels: Mapping[int, int]
) -> tuple[list[RankedScore], list[RankedScore]]:
    """Return the best-scored size of each idea, and the other sizes, both best first."""
    seen: set[int] = set()
    best: list[RankedScore] = []
    others: list[RankedScore] = []
    for row in ranked:
        (others if labels[row.creative_id] in seen else best).append(row)
        seen.add(labels[row.creative_id])
    return best, others


def _candidates(
    version: ModelVersion,
    ranked: Sequence[RankedScore],
    other_sizes: Sequence[RankedScore],
    missing: Sequence[tuple[int, str]],
    line: Line,
    names: Mapping[int, Sequence[tuple[str, str]]],
    labels: Mapping[int, int],
) -> Iterator[Candidate]:
    """Yield the scored candidates, best first, then other sizes of them, then those without a score."""
    found = [*((row.creative_id, row.sha256) for row in (*ranked, *other_sizes)), *missing]
    named = [tuple(full for full, _ in names.get(id_, ())) for id_, _ in found]
    latest = [called[0] if called else sha256[:12] for called, (_, sha256) in zip(named, found, strict=True)]
    titles = distinct_names(latest)
    place_of = {labels[row.creative_id]: place for place, row in enumerate(ranked)} if other_sizes else {}
    for place, (title, called, (id_, sha256)) in enumerate(zip(titles, named, found, strict=True)):
        figures: dict[str, Any] = {"kept": place < line.kept}
        if place < len(ranked):
            figures |= _figures(ranked[place], place, line)
        elif place < len(ranked) + len(other_sizes):
            figures = _figures_of_size(other_sizes[place - len(ranked)], place_of[labels[id_]], line, titles)
        else:
            figures["reason"] = f"not judged: no score by {version.name} {version.digest[:12]}; score it again"
        yield Candidate(creative=title, names=called, sha256=sha256, idea=labels[id_], **figures)


def _figures_of_size(row: RankedScore, first: int, line: Line, titles: Sequence[str]) -> dict[str, Any]:
    kept = first < line.kept
    return {
        "kept": kept,
        "reason": f"{'kept' if kept else 'left out'} with {titles[first]}: another size of that idea",
        "rank": row.rank,
        "score": row.score.mean,
        **known_interval(row.score.ci_low, row.score.ci_high, row.score.novelty),
        "ci_level": row.score.ci_level,
        "novelty": row.score.novelty,
        "size_of": titles[first],
    }


def _figures(row: RankedScore, place: int, line: Line) -> dict[str, Any]:
    last = len(line.means) - 1
    first, final = line.tied(place)
    left_out = line.kept <= last and place != line.kept
    far = f"; {UNLIKE}" if is_far(row.score.novelty) else ""
    return {
        "reason": line.reason(place) + far,
        "rank": row.rank,
        "score": row.score.mean,
        **known_interval(row.score.ci_low, row.score.ci_high, row.score.novelty),
        "ci_level": row.score.ci_level,
        "p_best": line.p_best[place],
        "p_beats_next": line.beats(place, place + 1) if place < last else None,
        "p_beats_first_left_out": line.beats(place, line.kept) if left_out else None,
        "tie_group": line.groups[place],
        "tied_with": final - first,
        "novelty": row.score.novelty,
    }


def _note(n: int, keep: int | None) -> str:
    if n == 1:
        return "the campaign has one scored creative: there is nothing to choose"
    if keep is not None and keep > n:
        return f"--keep {keep} asks for more than the {n} scored creatives of the campaign: all are kept"
    return ""


def _calibration(version: ModelVersion) -> Mapping[str, Any] | None:
    pairs = (version.card.get("metrics") or {}).get("pairs")
    if not isinstance(pairs, Mapping) or not isinstance(pairs.get("ece"), Mapping):
        return None
    return {"labels": pairs.get("labels", "ratings")} | {
        name: pairs.get(name) for name in ("n", "subjects", "pairs", "said", "right", "overconfidence", "ece", "brier")
    }


def relation_sentences(found: Sequence[CorrelationResult], *, simulated: bool) -> tuple[str, ...]:
    """Return whether scores were shown to go with each KPI, a sentence for each."""
    if not found:
        return (
            "whether these scores go with clicks or conversions was never measured in this store (`abkit correlate`)",
        )
    return tuple(_relation_sentence(row, simulated) for row in found)


def _relation_sentence(row: CorrelationResult, simulated: bool) -> str:
    where = f"run {row.run_id}, as of {row.as_of.isoformat()}"
    if row.filters.get("campaign"):
        where += f", campaign {row.filters['campaign']} only"
    if simulated:
        where += ", with simulated delivery"
    if row.estimate is None or row.ci_low is None or row.ci_high is None:
        return f"score and {row.metric.upper()}: not known, {row.note or 'no estimate'} ({where})"
    shown = "shown to go together" if row.ci_low > 0 else "shown to go against each other" if row.ci_high < 0 else ""
    scope = "within campaigns" if row.scope == CorrelationScope.WITHIN_CAMPAIGN else "over all creatives"
    return (
        f"score and {row.metric.upper()}: {shown or 'not shown to go together'}, SRCC {scope} {row.estimate:+.2f} "
        f"[{row.ci_low:+.2f}, {row.ci_high:+.2f}], n = {row.n} ({where})"
    )


# --- the line between kept and left out -----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Line:
    """The probabilities of candidates, best first, and where the line is drawn between kept and left out.

    Attributes:
        means: Scores, the highest first.
        spread: Standard deviation of their errors.
        min_probability: Two candidates are told apart from this P(A beats B) on.
        demanded: The probability with which the best candidate has to be kept.
        p_best: Probability of each candidate to be the best; sums to 1.
        groups: Tie group of each.
        kept: How many are above the line.
    """

    means: tuple[float, ...]
    spread: float
    min_probability: float
    demanded: float
    p_best: tuple[float, ...]
    groups: tuple[int, ...]
    kept: int

    @property
    def p_best_kept(self) -> float:
        """The probability that the best candidate is kept."""
        return min(1.0, sum(self.p_best[: self.kept]))

    def beats(self, one: int, other: int) -> float:
        """Return P(the candidate at one place is better than that at another); places are counted from 0."""
        return float(pair_probability(self.means[one], self.means[other], self.spread))

    def tied(self, place: int) -> tuple[int, int]:
        """Return the first and last place of those that are not told apart from this one, itself among them."""
        beats = pair_probability(self.means[place], self.means, self.spread)
        alike = ((beats < self.min_probability) & (beats > 1 - self.min_probability)).nonzero()[0]
        return int(alike[0]), int(alike[-1])

    def verdict(self, unscored: int, unfamiliar: int, *, asked: bool) -> tuple[bool, str]:
        """Return whether the shortlist is clear, and why.

        Args:
            unscored: How many candidates have no score.
            unfamiliar: How many are unlike anything that the scorer was trained on.
            asked: Whether the length of the shortlist was given.
        """
        n, kept = len(self.means), self.kept
        if unfamiliar:
            are = "candidate is" if unfamiliar == 1 else "candidates are"
            return False, f"{unfamiliar} {are} {UNLIKE}, so that neither scores nor probabilities can be relied on"
        if unscored:
            return False, f"{unscored} of {n + unscored} candidates have no score, and any of them may be the best"
        if n == 1:
            return True, "there is one candidate and nothing to choose"
        if kept == n and not asked:
            return False, (
                f"none of the {n} candidates can be left out: without the last one, the best would be kept with "
                f"a probability of {1 - self.p_best[-1]:.3f}, {self.demanded:g} is demanded"
            )
        if kept == n:
            return True, "nothing is left out"
        edge, chance = self.beats(kept - 1, kept), self.p_best_kept
        enough = chance >= self.demanded - 1e-9
        best = f"the best candidate is kept with a probability of {chance:.3f} ({self.demanded:g} is demanded)"
        leads = self.beats(0, kept)
        if enough and not asked and leads < self.min_probability:
            return False, (
                f"the first one left out is a tie with the best one kept, which beats it with a probability of "
                f"{show_probability(leads)}: the scores hardly tell these {n} apart, although {best}"
            )
        if edge >= self.min_probability:
            least = show_probability(edge)
            apart = f"every creative kept beats every one left out with a probability of at least {least}"
            return enough, f"{best}, {'and' if enough else 'although'} {apart}"
        beats = show_probability(edge)
        across = f"the last one kept beats the first one left out with a probability of {beats}: a tie"
        return enough, f"{best}, {'although' if enough else 'and'} {across}"

    def reason(self, place: int) -> str:
        """Return why the candidate at this place is kept or left out; in the text places are counted from 1."""
        if len(self.means) == 1:
            return "kept: the only scored candidate; there is nothing to compare it with"
        chance = f"P(best) {show_probability(self.p_best[place])}"
        if place >= self.kept:
            by = self.beats(self.kept - 1, place)
            how = "a tie with" if by < self.min_probability else "behind"
            return f"left out: {chance}; {how} the last one kept, which beats it with P {show_probability(by)}"
        first, final = self.tied(place)
        if first == final:
            return f"kept: {chance}; told apart from all others"
        low, high = first + 1 + (first == place), final + 1 - (final == place)
        others = f"place {low}" if low == high else f"places {low} to {high}"
        outside = final - self.kept + 1
        left = f" ({outside} of them left out)" if outside > 0 else ""
        return f"kept: {chance}; not told apart from {others}{left}"


def draw_line(means: Sequence[float], spread: float, keep: int | None, p_best: float, min_probability: float) -> Line:
    """Keep the `keep` best of some scores (best first), or the fewest that hold the best with `p_best`."""
    chances = best_probabilities(means, spread)
    return Line(
        means=tuple(means),
        spread=spread,
        min_probability=min_probability,
        demanded=p_best,
        p_best=tuple(chances.tolist()),
        groups=tuple(tie_groups(means, spread, min_probability)),
        kept=min(keep, len(means)) if keep is not None else smallest_set(chances, p_best),
    )
