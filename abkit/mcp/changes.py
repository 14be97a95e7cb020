"""Tools that change something, which only `abkit mcp --write` has: judgments, proposals for a review, analyses.

None of them approves, promotes, imports or removes anything, and each leaves a line in the log of changes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import Context
from pydantic import Field

from abkit.errors import AbkitError, UsageError
from abkit.jobs.requests import ask_for
from abkit.mcp.answers import Said, json_text
from abkit.mcp.tokens import holder, may
from abkit.store import people
from abkit.store.keys import LONGEST_KEY
from abkit.vocabulary import Permission, ReviewAct
from abkit.workflows.active_model import this_person
from abkit.workflows.creatives.campaigns import show_creative
from abkit.workflows.ratings.sent_labels import SentLabels, record_comparisons, record_ratings
from abkit.workflows.reviews.reviews import MOST_AT_ONCE, review
from abkit.workspace import Workspace

Creative = Annotated[str, Field(description="Its name or its sha256.", min_length=1, max_length=1000)]
Study = Annotated[
    str, Field(description="Key of the study that the judgment belongs to.", min_length=1, max_length=LONGEST_KEY)
]
Rater = Annotated[
    str, Field(description="Who said it; kept under a pseudonym. Never you.", min_length=1, max_length=200)
]


class ChangeTools:
    """Tools that change one workspace.

    Args:
        workspace: The workspace.
        token: Whether requests have a token, which says who asks and what they may do; else it is the user of this
            machine, who may do everything.
    """

    def __init__(self, workspace: Workspace, *, token: bool) -> None:
        self.workspace = workspace
        self.token = token

    def tools(self) -> tuple[Any, ...]:
        """Return the tools."""
        return self.record_choice, self.record_rating, self.propose_variants, self.request_analysis

    def record_choice(
        self,
        context: Context[Any, Any],
        first: Creative,
        second: Creative,
        choice: Annotated[Literal["first", "second", "tie"], Field(description="Which of the two they prefer.")],
        rater: Rater,
        study: Study = "assistant",
    ) -> Said:
        """Record which of two creatives a person prefers. Only what a person has said, never your own opinion."""
        who, whose = self._rater(context, rater)
        row = {"first": self._sha256(first), "second": self._sha256(second), "choice": choice, "rater": rater}
        done = record_comparisons(self.workspace.store, [row], source=study, rater=whose)
        return self._recorded(who, "send comparisons", done)

    def record_rating(
        self,
        context: Context[Any, Any],
        creative: Creative,
        score: Annotated[float, Field(description="What they gave it.")],
        rater: Rater,
        study: Study = "assistant",
        lowest: Annotated[float | None, Field(description="Lowest rating; needed once for a study.")] = None,
        highest: Annotated[float | None, Field(description="Highest rating; needed once for a study.")] = None,
    ) -> Said:
        """Record how a person rates a creative. Only what a person has said, never your own opinion."""
        who, whose = self._rater(context, rater)
        scale = (lowest, highest) if lowest is not None and highest is not None else None
        row = {"sha256": self._sha256(creative), "score": score, "rater": rater}
        done = record_ratings(self.workspace.store, [row], source=study, scale=scale, rater=whose)
        return self._recorded(who, "send ratings", done)

    def propose_variants(
        self,
        context: Context[Any, Any],
        campaign: Annotated[str, Field(description="Key of the campaign.", max_length=LONGEST_KEY)],
        creatives: Annotated[list[Creative], Field(description="The variants.", min_length=1, max_length=MOST_AT_ONCE)],
        reason: Annotated[str, Field(description="Why, for those who review them.", max_length=1000)] = "",
    ) -> Said:
        """Propose variants of a campaign for review. People approve or reject them; no tool does."""
        who = self._person(context, Permission.REVIEW)
        done = review(self.workspace.store, campaign, creatives, ReviewAct.PROPOSE, by=who, reason=reason)
        if done.done:
            self._audit(who, "propose variants", f"{campaign}: {len(done.done)}")
        return [json_text(done)]

    def request_analysis(
        self,
        context: Context[Any, Any],
        job: Annotated[
            Literal["correlate", "drift_check", "experiments", "worth"],
            Field(description="Scores against a KPI, the drift check, the running tests, or what listening is worth."),
        ],
        arguments: Annotated[
            dict[str, str | int | float | bool], Field(description="As its schedule has them; most need none.")
        ] = {},  # noqa: B006  # it is read only
    ) -> Said:
        """Ask the daemon for an analysis. Look at it later: `drift_status`, `score_and_kpi`, `analyze_test`."""
        who = self._person(context, Permission.OPERATE)
        asked = ask_for(self.workspace.store, job, arguments, by=who)
        self._audit(who, "ask for job", f"{job} {asked.key}")
        return [json_text(asked)]

    def _rater(self, context: Context[Any, Any], rater: str) -> tuple[str, str | None]:
        """Return who asks, and whose judgments alone they may send; None where those of anybody."""
        who = self._person(context, Permission.LABEL)
        known = self._known(context)
        others_too = known is None or may(known, Permission.OPERATE)
        if not others_too and rater != who:
            raise UsageError(f"this token sends the judgments of {who} alone", hint=f"let rater be {who!r}")
        return who, None if others_too else who

    def _person(self, context: Context[Any, Any], permission: Permission) -> str:
        known = self._known(context)
        if known is None:
            return this_person()
        if not may(known, permission):
            raise UsageError(
                f"this token of {known.name} may not do this: it needs the permission to {permission}",
                hint=f"abkit token create {known.name} --for assistants --scope view --scope {permission}",
            )
        return known.name

    def _known(self, context: Context[Any, Any]) -> people.Known | None:
        """Return the holder of the token; None where none is needed."""
        if not self.token:
            return None
        known = holder(self.workspace.store, (context.headers or {}).get("authorization", ""))
        if known is None:
            raise UsageError("this token is not valid any more", hint="abkit token create NAME --for assistants")
        return known

    def _sha256(self, creative: str) -> str:
        return show_creative(self.workspace.store, creative).sha256

    def _recorded(self, who: str, act: str, done: SentLabels) -> Said:
        if done.refused:
            raise AbkitError(f"it was not recorded: {done.refused[0].reason}")
        self._audit(who, act, f"{done.source}: {done.imported} new")
        return [json_text(done)]

    def _audit(self, who: str, act: str, about: str) -> None:
        with self.workspace.store.write() as session:
            people.add_audit(session, who, act, about, datetime.now(UTC))
