"""What a card says about the outcomes that queries learned from, and what is done with those that a parent knows."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from abkit_model.data.dataset import Examples, Missing, Outcomes
from abkit_model.data.outcomes import MIN_CREATIVES, OutcomeTable
from abkit_model.errors import LabelError
from abkit_model.evaluation.outcome_agreement import Judged, against_outcomes, spread_within
from abkit_model.scorer import Scorer
from abkit_model.training.outcomes import LOG_RATE, MIN_JUDGED, SMALLEST, OutcomeLabels


def contradiction(outcomes: Outcomes, ratings: Examples, seed: int = 0) -> str:
    """Return what to say about ratings that contradict the outcomes of the same images, significantly; '' otherwise."""
    of_image = dict(zip(ratings.views[0].sha256, ratings.targets @ ratings.values, strict=True))
    digests = outcomes.views[0].sha256
    rows = np.array([k for k, i in enumerate(outcomes.image.tolist()) if digests[i] in of_image], dtype=np.intp)
    if len(rows) < MIN_JUDGED:
        return ""
    judged = Judged(
        appeal=outcomes.appeal[rows],
        weight=np.ones(len(rows)),
        group=outcomes.cell[rows],
        family=[outcomes.family[i] for i in outcomes.image[rows]],
    )
    figures = against_outcomes(np.array([of_image[digests[i]] for i in outcomes.image[rows]]), judged, seed=seed)
    if figures is None or not figures.within_srcc.high < 0:
        return ""
    found = figures.within_srcc
    return (
        f"the ratings contradict the outcomes of the same creatives: SRCC inside campaigns {found.value:+.2f} "
        f"[{found.low:+.2f}, {found.high:+.2f}] on {figures.n} of them; look at who rated, and at what was asked"
    )


def card_data(labels: OutcomeLabels, table: OutcomeTable, missing: Missing) -> dict[str, Any]:
    """Return what a card says about the outcomes that queries learned from."""
    own = labels.outcomes
    weight = 1 / np.maximum(spread_within(own.appeal, own.variance, own.cell) + own.variance, SMALLEST)
    digests = sorted(own.views[0].sha256)
    events = own.events[np.isfinite(own.events)]
    return {
        "layout": "outcomes",
        "table_sha256": table.sha256,
        "images_sha256": hashlib.sha256("".join(digests).encode()).hexdigest(),
        "images": len(digests),
        "metric": table.metric,
        "campaigns": len({table.cells[c][0] for c in own.cell.tolist()}),
        "families": len(set(own.family)),
        "rows": len(own.image),
        "events": float(events.sum()) if len(events) else None,
        "randomized_share": float(weight[own.randomized].sum() / weight.sum()),
        "spread": float(spread_within(own.appeal, own.variance, own.cell) ** 0.5),
        "log_rate": labels.scale == LOG_RATE,
        "rows_refused": len(table.rejected),
        "images_missing": len(missing),
        "notes": [*table.notes, *filter(None, [contradiction(own, labels.ratings) if labels.ratings else ""])],
    }


def outcomes_for_parent(outcomes: Outcomes, parent: Scorer | None) -> tuple[Outcomes, bool, str]:
    """Return the outcomes to tune a parent with, whether what it learned from outcomes is learned anew, and a note.

    Outcomes that a parent has learned from would count twice, and flatter it. Where most of them are here again, with
    what came since, its linear term is dropped and learned anew from all; otherwise those it has seen are left out.

    Raises:
        LabelError: Too few are left.
    """
    if parent is None or parent.card.data.get("layout") != "outcomes":
        return outcomes, False, ""
    seen = parent.trained_on(outcomes.views[0].sha256, "")
    if not seen.any():
        return outcomes, False, ""
    images = parent.card.data.get("images")
    if not isinstance(images, int | float):  # nobody checks what a card says about its data
        images = len(parent.learned_images)
    if 2 * int(seen.sum()) >= images:
        return outcomes, True, "what the parent learned from outcomes is learned anew, with those that came since"
    left = outcomes.without(np.flatnonzero(seen))
    if left is None or len(left.family) < MIN_CREATIVES:
        raise LabelError(
            f"the parent has learned from the outcomes of {int(seen.sum())} of these {len(seen)} creatives, and "
            f"{MIN_CREATIVES} others that ran beside each other are needed",
            "give the outcomes of all creatives, from the beginning, or wait for new ones",
        )
    return left, False, f"{int(seen.sum())} creatives are left out: the parent has learned from their outcomes already"
