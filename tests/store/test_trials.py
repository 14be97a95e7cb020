"""Trials: a judgment and a creative count once against a champion, on both engines."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from abkit.store import trials
from abkit.store.database.engine import Store
from abkit.store.schema import Creative, ModelVersion, RetrainTrial
from tests.monitoring_rows import seeded

DAY = date(2026, 3, 1)


def trial(champion: int, run_id: int, **values: object) -> RetrainTrial:
    usual: dict[str, object] = {
        "champion_id": champion, "challenger_id": None, "segment": "", "metric": "ctr", "learned_until": DAY,
        "as_of": DAY, "campaigns": 12, "creatives": 120, "attempt": 0, "spent": 0.0, "figures": {},
        "decision": "refused",
        "reason": "because", "created_at": datetime(2026, 3, 1, tzinfo=UTC), "run_id": run_id,
    }  # fmt: skip
    return RetrainTrial(**{**usual, **values})


def other_version(session: Session, run_id: int) -> int:
    row = ModelVersion(
        digest="c" * 64, name="challenger", location="x", encoder="e", encoder_fingerprint="f", scale_low=1,
        scale_high=7, segment="", demonstration=False, card={}, created_at=datetime(2026, 3, 1, tzinfo=UTC),
        run_id=run_id,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row.id


def test_judgments_are_numbered_and_creatives_used_once_per_champion(store: Store) -> None:
    seed = seeded(store)
    seed.creatives("spring", [1.0, 2.0, 3.0])
    champion = seed.version_id
    with store.read() as session:
        ids = list(session.scalars(select(Creative.id).order_by(Creative.id)))
    with store.write() as session:
        challenger = other_version(session, seed.run_id)
        trials.write_trial(session, trial(champion, seed.run_id, challenger_id=challenger, attempt=1), ids[:2])
        trials.write_trial(session, trial(champion, seed.run_id, decision="not_enough", learned_until=None))
        third = trial(challenger, seed.run_id, attempt=1)  # another champion's account
        trials.write_trial(session, third, ids[2:])
    with store.read() as session:
        assert trials.attempts(session, champion) == 1
        assert trials.judged_until(session, champion) is None  # these rows have no days
        assert trials.used_creatives(session, champion) == set(ids[:2])
        # Those by which it was judged before it became the champion would speak for it.
        assert trials.used_creatives(session, challenger) == set(ids)
        assert trials.learned_until(session, challenger) == DAY
        assert trials.learned_until(session, champion) is None
        found = trials.last_trials(session, 2)
        assert [(row.decision, old.id, new and new.id) for row, old, new in found] == [
            ("refused", challenger, None), ("not_enough", champion, None)
        ]  # fmt: skip
    for attempt, judged in ((1, []), (2, ids[:1])):
        row = trial(champion, seed.run_id, attempt=attempt)
        with pytest.raises(IntegrityError), store.write() as session:
            trials.write_trial(session, row, judged)
    with store.read() as session:
        assert trials.attempts(session, champion) == 1


def test_a_candidate_is_held_until_it_is_judged(store: Store) -> None:
    seed = seeded(store)
    with store.write() as session:
        challenger = other_version(session, seed.run_id)
        held = trial(seed.version_id, seed.run_id, challenger_id=challenger, decision="candidate")
        trials.write_trial(session, held)
    with store.read() as session:
        found = trials.candidate(session, seed.version_id)
        assert found is not None
        assert found.challenger_id == challenger
        assert trials.candidate(session, challenger) is None
    with store.write() as session:
        row = trial(seed.version_id, seed.run_id, challenger_id=challenger, attempt=1, decision="refused")
        trials.write_trial(session, row)
    with store.read() as session:
        assert trials.candidate(session, seed.version_id) is None
