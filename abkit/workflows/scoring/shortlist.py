"""Shortlist: which candidates of a campaign to keep before launch, how sure that is, and the reason of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from abkit.errors import AbkitError, UsageError
from abkit.store import creatives, imports, models, results, scores
from abkit.store.engine import Store
from abkit.store.runs import RunRecord, recorded_run
from abkit.store.schema import CorrelationResult, ModelVersion
from abkit.store.scores import RankedScore
from abkit.workflows.scoring.novelty import FAR, is_far
from abkit.workflows.scoring.shortlist_choice import Choice, choose, reason
from abkit.workflows.scoring.shortlist_result import Candidate, Shortlist
from abkit_model.selection import METHOD, ErrorSpread, error_spread

P_BEST = 0.9
CERTAINTY = 0.9


def shortlist(
    store: Store,
    *,
    campaign: str,
    keep: int | None = None,
    p_best: float = P_BEST,
    certainty: float = CERTAINTY,
    model: str | None = None,
    run: RunRecord | None = None,
) -> Shortlist:
    """Choose the candidates of a campaign that are worth launching, from scores that are logged; no model is loaded.

    1. Of each scored candidate: P(best), and the probability that it beats the next.
    2. Keep the `keep` best, or the fewest that hold the best one with probability `p_best`.
    3. Say whether that is clear: nothing kept is tied with anything left out, or the best one is among those kept
       with probability `p_best`; and every candidate has a score.

    Args:
        store: with the scores of the campaign.
        campaign: its key.
        keep: how many to keep; None: as many as `p_best` takes.
        p_best: the probability demanded that the best candidate is kept; above 0, at most 1.
        certainty: from which P(A beats B) on two pictures are told apart; between 0.5 and 1.
        model: name or digest of a version; the champion when None.
        run: a run that has its row already; one is recorded when None.

    Raises:
        UsageError: no such campaign or version, or a probability that is none.
        AbkitError: no scores of this version, or a version without known errors.
    """
    _check(keep, p_best, certainty)
    arguments = {"campaign": campaign, "keep": keep, "p_best": p_best, "min_probability": certainty, "model": model}
    with recorded_run(store, "shortlist", arguments, run=run) as run:
        with store.read() as session:
            number = creatives.find_campaign(session, campaign)
            version = models.find_by_prefix(session, model) if model else models.speaking_version(session)
            if version is None:
                raise _nothing_scored(campaign)
            ranked = scores.ranking(session, number, version.id)
            missing = scores.unscored(session, number, version.id)
            named = creatives.creative_names(session, creatives.candidates(session, number))
            measured = results.last_correlations(session, version.id)
            relation = _relation(measured, simulated=imports.is_simulated(session))
        if not ranked:
            raise _nothing_scored(campaign, version, len(missing))
        spread = _spread(version)
        choice = choose([row.score.mean for row in ranked], spread.std, keep, p_best, certainty)
        called = _Called(named)
        candidates = [
            *(_scored(row, place, choice, called) for place, row in enumerate(ranked)),
            *(_unscored(*row, version, called) for row in missing),
        ]
        clear, why = choice.verdict(len(missing), asked=keep is not None)
        run.outcome.update(
            n=len(ranked),
            unscored=len(missing),
            kept=choice.kept,
            p_best_kept=choice.p_best_kept,
            clear=clear,
            model_version=version.digest,
            error_spread=spread.std if spread.std < float("inf") else None,
        )
    return Shortlist(
        candidates=tuple(candidates),
        campaign=campaign,
        n=len(ranked),
        unscored=len(missing),
        kept=choice.kept,
        p_best_kept=choice.p_best_kept,
        p_best_demanded=p_best,
        tie_threshold=certainty,
        clear=clear,
        why=why,
        spread=spread,
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


def _check(keep: int | None, p_best: float, certainty: float) -> None:
    if keep is not None and keep < 1:
        raise UsageError(f"a shortlist keeps at least 1 picture, not {keep}")
    if not 0 < p_best <= 1:
        raise UsageError(f"--p-best {p_best:g} is not a probability", hint="give one above 0 and up to 1, such as 0.9")
    if not 0.5 < certainty < 1:
        raise UsageError(
            f"--min-probability {certainty:g} cannot tell a tie", hint="give one between 0.5 and 1, such as 0.9"
        )


def _nothing_scored(campaign: str, version: ModelVersion | None = None, candidates: int = 0) -> AbkitError:
    hint = f"run `abkit score PICTURES --campaign {campaign}`"
    if version is None:
        return AbkitError("nothing has been scored yet", hint=hint)
    return AbkitError(
        f"campaign {campaign!r} has no scores by {version.name} {version.digest[:12]} "
        f"({candidates} pictures without a score)",
        hint=f"{hint}, or name the model that scored them with --model",
    )


def _spread(version: ModelVersion) -> ErrorSpread:
    card = version.card
    spread = error_spread(card.get("metrics") or {}, card.get("interval") or {})
    if spread is None:
        raise AbkitError(
            f"how wrong the scores of {version.name} {version.digest[:12]} can be was never measured, "
            "so no probability can be given",
            hint="train on more subjects, or on more choices among the same pictures, so that some can be held out "
            "(`abkit model train`)",
        )
    return spread


def _scored(row: RankedScore, place: int, choice: Choice, called: _Called) -> Candidate:
    last = len(choice.means) - 1
    first, final = choice.tied(place)
    left_out = choice.kept <= last and place != choice.kept
    return Candidate(
        creative=called.title(row.creative_id, row.sha256),
        names=called.names(row.creative_id),
        sha256=row.sha256,
        kept=place < choice.kept,
        reason=reason(place, choice) + (f"; {FAR}" if is_far(row.score.novelty) else ""),
        rank=row.rank,
        score=row.score.mean,
        ci_low=row.score.ci_low,
        ci_high=row.score.ci_high,
        ci_level=row.score.ci_level,
        p_best=choice.p_best[place],
        p_beats_next=choice.beats(place, place + 1) if place < last else None,
        p_beats_first_left_out=choice.beats(place, choice.kept) if left_out else None,
        tie_group=choice.groups[place],
        tied_with=final - first,
        novelty=row.score.novelty,
    )


def _unscored(creative: int, sha256: str, version: ModelVersion, called: _Called) -> Candidate:
    return Candidate(
        creative=called.title(creative, sha256),
        names=called.names(creative),
        sha256=sha256,
        kept=False,
        reason=f"not judged: no score by {version.name} {version.digest[:12]}; score it again",
    )


class _Called:
    """What candidates are called: the last part of the latest name, all of it where two would be called the same."""

    def __init__(self, named: Mapping[int, Sequence[tuple[str, str]]]) -> None:
        self._named = named
        self._bases = Counter(found[0][1] for found in named.values())

    def title(self, creative: int, sha256: str) -> str:
        if creative not in self._named:
            return sha256[:12]
        full, base = self._named[creative][0]
        return base if self._bases[base] == 1 else full

    def names(self, creative: int) -> tuple[str, ...]:
        return tuple(name for name, _ in self._named.get(creative, ()))


def _note(n: int, keep: int | None) -> str:
    if n == 1:
        return "the campaign has one scored picture: there is nothing to choose"
    if keep is not None and keep > n:
        return f"--keep {keep} asks for more than the {n} scored pictures of the campaign: all are kept"
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
    scope = "within campaigns" if row.scope == "within_campaign" else "over all creatives"
    return (
        f"score and {row.metric.upper()}: {shown or 'not shown to go together'}, SRCC {scope} {row.estimate:+.2f} "
        f"[{row.ci_low:+.2f}, {row.ci_high:+.2f}], n = {row.n} ({where})"
    )
