"""Shortlist: which candidates of a campaign to keep before launch, how clear that is, and the reason of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from abkit.errors import AbkitError, UsageError
from abkit.records import to_plain
from abkit.store import creatives, imports, models, results, scores
from abkit.store.engine import Store
from abkit.store.runs import RunRecord, recorded_run
from abkit.store.schema import CorrelationResult, ModelVersion
from abkit.store.scores import RankedScore
from abkit.vocabulary import CorrelationScope
from abkit.workflows.scoring.line import Line, draw_line
from abkit.workflows.scoring.results import Candidate, Shortlist, distinct_names, is_far
from abkit_model.selection import METHOD, ErrorSpread, error_spread

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
    run: RunRecord | None = None,
) -> Shortlist:
    """Choose the candidates of a campaign that are worth launching, from scores that are logged; no model is loaded.

    1. For each scored candidate: P(best), and the probability that it beats the next.
    2. Keep the `keep` best, or the fewest that hold the best one with probability `p_best`.
    3. Tell whether that is clear: nothing kept is tied with anything left out, or the best one is among those kept
       with probability `p_best`; and every candidate has a score.

    Args:
        store: Store with the scores of the campaign.
        campaign: Its key.
        keep: How many to keep; None: as many as `p_best` takes.
        p_best: The probability with which the best candidate has to be kept; above 0, at most 1.
        min_probability: Two creatives are told apart from this P(A beats B) on; between 0.5 and 1.
        model: Name or digest of a version; the active model when None.
        run: A run that has its row already; one is recorded when None.

    Raises:
        UsageError: No such campaign or version, or an invalid probability.
        AbkitError: No scores by this version, or a version whose errors were never measured.
    """
    _check(keep, p_best, min_probability)
    arguments = {"campaign": campaign, "keep": keep, "p_best": p_best, "min_probability": min_probability}
    with recorded_run(store, "shortlist", arguments | {"model": model}, run=run) as run:
        with store.read() as session:
            number = creatives.find_campaign(session, campaign)
            version = models.find_by_prefix(session, model) if model else models.active_model(session)
            if version is None:
                raise _nothing_scored(campaign)
            ranked = scores.ranking(session, number, version.id)
            missing = scores.unscored(session, number, version.id)
            names = creatives.creative_names(session, creatives.candidates(session, number))
            measured = results.last_correlations(session, version.id)
            relation = _relation(measured, simulated=imports.is_simulated(session))
        if not ranked:
            raise _nothing_scored(campaign, version, len(missing))
        spread = _spread(version)
        line = draw_line([row.score.mean for row in ranked], spread.std, keep, p_best, min_probability)
        clear, why = line.verdict(len(missing), asked=keep is not None)
        result = Shortlist(
            creatives=tuple(_candidates(version, ranked, missing, line, names)),
            campaign=campaign,
            n=len(ranked),
            unscored=len(missing),
            kept=line.kept,
            p_best_kept=line.p_best_kept,
            p_best_demanded=p_best,
            tie_threshold=min_probability,
            clear=clear,
            why=why,
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
            note=_note(len(ranked), keep),
            run_id=run.id,
        )
        told = ("n", "unscored", "kept", "p_best_kept", "clear", "model_version")
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


def _candidates(
    version: ModelVersion,
    ranked: Sequence[RankedScore],
    missing: Sequence[tuple[int, str]],
    line: Line,
    names: Mapping[int, Sequence[tuple[str, str]]],
) -> Iterator[Candidate]:
    """Yield the scored candidates, best first, then those without a score."""
    found = [*((row.creative_id, row.sha256) for row in ranked), *missing]
    named = [tuple(full for full, _ in names.get(id_, ())) for id_, _ in found]
    latest = [called[0] if called else sha256[:12] for called, (_, sha256) in zip(named, found, strict=True)]
    titles = distinct_names(latest)
    for place, (title, called, (_, sha256)) in enumerate(zip(titles, named, found, strict=True)):
        if place < len(ranked):
            figures = _figures(ranked[place], place, line)
        else:
            figures = {"reason": f"not judged: no score by {version.name} {version.digest[:12]}; score it again"}
        yield Candidate(creative=title, names=called, sha256=sha256, kept=place < line.kept, **figures)


def _figures(row: RankedScore, place: int, line: Line) -> dict[str, Any]:
    last = len(line.means) - 1
    first, final = line.tied(place)
    left_out = line.kept <= last and place != line.kept
    far = "; far from the training images" if is_far(row.score.novelty) else ""
    return {
        "reason": line.reason(place) + far,
        "rank": row.rank,
        "score": row.score.mean,
        "ci_low": row.score.ci_low,
        "ci_high": row.score.ci_high,
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


def _relation(found: Sequence[CorrelationResult], *, simulated: bool) -> tuple[str, ...]:
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
