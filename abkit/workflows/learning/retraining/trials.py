"""What a retraining found: the challenger, what it learned from and was judged on, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from abkit.records import RecordList
from abkit.stats.promotion.verdict import PromotionVerdict
from abkit.vocabulary import Metric, TrialDecision


@dataclass(frozen=True, kw_only=True)
class RetrainResult(RecordList):
    """A challenger beside the champion.

    Attributes:
        decision: promoted, refused, candidate (held beside the champion until it is judged), or not_enough.
        reason: Why, in one sentence.
        champion: Digest of the active model before.
        challenger: Digest of the challenger; '' where none was trained.
        segment: The delivery that counts; '' for all.
        metric: The KPI.
        as_of: The last day of delivery that counts.
        learned_until: The last day that the challenger learned from; None where none was trained.
        learned_creatives, learned_campaigns: How much it learned from.
        judged_first, judged_last: Days of the first and the last launch that were judged.
        verdict: Figures of both, the gain and the account; None where nothing was judged.
        tables: Folder of the tables that were learned from; '' where none was trained.
        notes: What was left out or done, in words.
        run_id: The run.
    """

    decision: TrialDecision
    reason: str
    champion: str
    challenger: str = ""
    segment: str = ""
    metric: Metric
    as_of: date
    learned_until: date | None = None
    learned_creatives: int = 0
    learned_campaigns: int = 0
    judged_first: date | None = None
    judged_last: date | None = None
    verdict: PromotionVerdict | None = None
    tables: str = ""
    notes: tuple[str, ...] = ()
    run_id: int

    @property
    def promoted(self) -> bool:
        """Whether the challenger is the active model now."""
        return self.decision is TrialDecision.PROMOTED

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per figure: of the champion, of the challenger, and their difference where it has one."""
        gain = self.verdict.gain if self.verdict else None
        if gain is None or gain.champion is None or gain.challenger is None:
            return []
        differences: dict[str, tuple[float | None, ...]] = {
            "correlation": (gain.gain, gain.ci_low, gain.ci_high),
            "concordance": (gain.concordance_gain, gain.concordance_low, gain.concordance_high),
        }
        old, new = gain.champion.to_dict(), gain.challenger.to_dict()
        return [
            {
                "figure": name,
                "champion": old[name],
                "challenger": new[name],
                "difference": differences[name][0] if name in differences else new[name] - old[name],
                "ci_low": differences.get(name, (None, None, None))[1],
                "ci_high": differences.get(name, (None, None, None))[2],
                "creatives": gain.creatives,
                "campaigns": gain.campaigns,
                "decision": self.decision.value,
                "run_id": self.run_id,
            }
            for name in old
        ]
