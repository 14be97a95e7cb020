"""Rows as the writers of the store make them, for tests of its readers."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import func, select

from abkit.store import models, scores
from abkit.store.catalog import creatives
from abkit.store.database.engine import Store
from abkit.store.models import ModelEntry
from abkit.store.runs import RunRecord
from abkit.store.schema import Base, ModelVersion

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def count(store: Store, table: type[Base]) -> int:
    with store.read() as session:
        return session.scalars(select(func.count()).select_from(table)).one()


def content(name: str, **columns: Any) -> dict[str, Any]:
    """The columns of a creative whose content is its name."""
    made = {"perceptual_hash": "0" * 16, "width": 640, "height": 480, "media_type": "image/png", "bytes": 1}
    return {**made, "sha256": name.ljust(64, "0"), **columns}


def score(mean: float, **columns: Any) -> dict[str, Any]:
    """The columns of a score."""
    made = {"std": 1.0, "epistemic_std": None, "distribution": [0.5, 0.5], "ci_low": None, "ci_high": None}
    return {**made, "mean": mean, "ci_level": 0.9, "query_activations": [0.25], "novelty": None, **columns}


def entry(label: str, **fields: Any) -> ModelEntry:
    """A model version that is called like the beginning of its digest."""
    values: dict[str, Any] = {
        "digest": label.ljust(64, "0"),
        "name": f"model {label}",
        "location": f"/models/{label}",
        "encoder": "test",
        "encoder_fingerprint": "enc",
        "scale_low": 1.0,
        "scale_high": 7.0,
        "segment": "",
        "demonstration": False,
        "card": {"made": "by hand"},
    }
    return ModelEntry(**{**values, **fields})


def add_version(store: Store, run: RunRecord, label: str = "a", **fields: Any) -> ModelVersion:
    with store.write() as session:
        return models.register(session, run, entry(label, **fields))


def add_scores(
    store: Store,
    run: RunRecord,
    version: ModelVersion,
    means: dict[str, float],
    *,
    campaign: str = "spring",
    vectors: Sequence[bytes] | None = None,
) -> dict[str, int]:
    """Score creatives of a campaign, named like their content; returns the id of each."""
    made = vectors or [b"\x00\x3c"] * len(means)  # 1.0 as float16
    contents = [
        scores.ScoredContent(content(name), score(mean), vector)
        for (name, mean), vector in zip(means.items(), made, strict=True)
    ]
    with store.write() as session:
        scores.write_scores(session, run, version, contents)
        ids = creatives.creative_ids(session, [one.creative["sha256"] for one in contents])
        by_name = {name: ids[name.ljust(64, "0")] for name in means}
        target = creatives.ensure_campaign(session, run, campaign)
        names = [(id_, f"/ads/{name}.png", f"{name}.png") for name, id_ in by_name.items()]
        creatives.write_names(session, run, names, campaign=target)
    return by_name


def day(number: int) -> date:
    """A day of March 2026."""
    return date(2026, 3, number)
