"""Two creatives of a campaign side by side: scores, delivery, and the experiments between them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from abkit.errors import UsageError
from abkit.records import Record
from abkit.stats.estimate import Comparison
from abkit.stats.proportions.compare import compare
from abkit.store.database.engine import Store
from abkit.store.schema import AdCreative, Campaign, Experiment, ExperimentResult, ModelVersion, Score, Variant
from abkit.workflows.leaderboard.read import LeaderboardRow, some_rows
from abkit_model.selection import error_spread, pair_probability


@dataclass(frozen=True, kw_only=True)
class SharedExperiment(Record):
    """An experiment that has both creatives, as it stands.

    Attributes:
        id, key: Of the experiment.
        verdict: Of its last look; "" before the first.
        decision: What was decided; "" before.
        as_of: Day of the last of both.
    """

    id: int
    key: str
    verdict: str
    decision: str
    as_of: date | None


@dataclass(frozen=True, kw_only=True)
class CreativePair(Record):
    """Two creatives of a campaign.

    Attributes:
        campaign_id, campaign: Where they are compared.
        first, second: The two.
        first_distribution, second_distribution: How opinions are predicted to spread over the scale; () without.
        scale: Its ends.
        digest: Of the model version that scored them; "" without one.
        p_first: Probability that raters would prefer the first; None where the errors of the model were not measured.
        why_no_p: Why there is none.
        ctr: CTR of the second against the first from their clicks; None where one of them was not shown.
        experiments: Those that have both.
    """

    campaign_id: int
    campaign: str
    first: LeaderboardRow
    second: LeaderboardRow
    first_distribution: tuple[float, ...]
    second_distribution: tuple[float, ...]
    scale: tuple[float, float]
    digest: str
    p_first: float | None
    why_no_p: str
    ctr: Comparison | None
    experiments: tuple[SharedExperiment, ...]


def compare_pair(store: Store, campaign: int, first: int, second: int) -> CreativePair:
    """Return two creatives of a campaign side by side, from what is stored.

    Args:
        store: The store.
        campaign: Id of the campaign.
        first, second: Ids of the creatives.

    Raises:
        UsageError: One of them is not on the leaderboard of the campaign, or both are the same.
    """
    if first == second:
        raise UsageError("a creative is not compared with itself", hint="choose two")
    with store.read() as session:
        row = session.get(Campaign, campaign)
        found = some_rows(session, campaign, [first, second])
        if row is None or len(found) < 2:
            raise UsageError("these are not two creatives of one campaign", hint="choose them on the campaign's page")
        version = _version(session, campaign)
        scores = _scores(session, version, (first, second)) if version else {}
        experiments = _experiments(session, first, second)
    one, other = found[first], found[second]
    p_first, why = _probability(version, one, other)
    return CreativePair(
        campaign_id=campaign,
        campaign=row.key,
        first=one,
        second=other,
        first_distribution=scores.get(first, ()),
        second_distribution=scores.get(second, ()),
        scale=(version.scale_low, version.scale_high) if version else (0.0, 1.0),
        digest=version.digest if version else "",
        p_first=p_first,
        why_no_p=why,
        ctr=_ctr(one, other),
        experiments=experiments,
    )


def _version(session: Session, campaign: int) -> ModelVersion | None:
    from abkit.store.leaderboards import leaderboard_of

    kept = leaderboard_of(session, campaign)
    return session.get(ModelVersion, kept.model_version_id) if kept and kept.model_version_id else None


def _scores(session: Session, version: ModelVersion, ids: tuple[int, int]) -> dict[int, tuple[float, ...]]:
    wanted = select(Score.creative_id, Score.distribution)
    wanted = wanted.where(Score.creative_id.in_(ids), Score.model_version_id == version.id)
    return {creative: tuple(bins) for creative, bins in session.execute(wanted)}


def _probability(
    version: ModelVersion | None, one: LeaderboardRow, other: LeaderboardRow
) -> tuple[float | None, str]:  # fmt: skip
    if version is None or one.score is None or other.score is None:
        return None, "not both have a score"
    spread = error_spread(version.card.get("metrics") or {}, version.card.get("interval") or {})
    if spread is None:
        return None, f"the errors of {version.name} were never measured"
    return float(pair_probability(one.score, other.score, spread.std)), ""


def _ctr(one: LeaderboardRow, other: LeaderboardRow) -> Comparison | None:
    enough = all(row.impressions and row.clicks <= row.impressions for row in (one, other))
    return compare(one.clicks, one.impressions, other.clicks, other.impressions) if enough else None


def _experiments(session: Session, first: int, second: int) -> tuple[SharedExperiment, ...]:
    """Return the experiments in which one arm shows the first and another the second."""
    arms: dict[int, dict[int, set[int]]] = {}
    for creative in (first, second):
        ads = select(AdCreative.ad_id).where(AdCreative.creative_id == creative)
        shown = select(Variant.experiment_id, Variant.id).where(
            or_(Variant.creative_id == creative, Variant.ad_id.in_(ads))
        )
        for experiment, variant in session.execute(shown):
            arms.setdefault(experiment, {}).setdefault(creative, set()).add(variant)
    both = [one for one, found in arms.items() if len(found) == 2 and found[first] != found[second]]
    named = select(Experiment.id, Experiment.key).where(Experiment.id.in_(both))
    keys = {id_: key for id_, key in session.execute(named)}  # noqa: C416  # rows are not pairs to mypy
    result = ExperimentResult
    made = select(result.experiment_id, result.kind, result.verdict, result.as_of)
    rows = session.execute(made.where(ExperimentResult.experiment_id.in_(both)).order_by(ExperimentResult.id)).all()
    shared = []
    for number in sorted(keys):
        mine = [row for row in rows if row.experiment_id == number]
        said = {row.kind: row.verdict for row in mine}
        shared.append(
            SharedExperiment(
                id=number,
                key=keys[number],
                verdict=said.get("analysis", ""),
                decision=said.get("decision", ""),
                as_of=mine[-1].as_of if mine else None,
            )
        )
    return tuple(shared)
