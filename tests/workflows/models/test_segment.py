"""Queries for a segment: tuned from a parent, registered as its child, and never active by themselves."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from abkit.errors import UsageError
from abkit.store import models
from abkit.store.engine import Store
from abkit.store.schema import Run
from abkit.workflows.models import segment
from abkit.workflows.models.active import list_versions
from abkit.workflows.models.train import Ratings, Wish, train
from abkit_model.errors import LabelError
from tests.images import save_images


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory) -> Ratings:
    folder = tmp_path_factory.mktemp("rated")
    rows = []
    for index, path in enumerate(save_images(folder / "pictures", 40, size=(64, 64))):
        counts = np.bincount(np.random.default_rng(index).integers(0, 7, 12) * index // 40, minlength=7)
        rows.append(",".join([path.name, *map(str, counts), f"s{index // 2}"]))
    (folder / "ratings.csv").write_text("\n".join(["file,n1,n2,n3,n4,n5,n6,n7,subject", *rows]))
    return Ratings(folder / "ratings.csv", folder / "pictures", group_column="subject")


WISH = Wish("bundled:efficientnet-lite0", parent="active", segment="games")


def test_a_tuned_version_is_registered_with_its_parent_and_segment_and_the_active_model_stays(
    scoring_store: Store, rated: Ratings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment, "MIN_PICTURES", 40)
    monkeypatch.setattr(segment, "MIN_SUBJECTS", 20)
    outcome = train(scoring_store, rated, WISH, out=tmp_path / "games", settings=None)
    assert outcome.trained is not None
    against = outcome.trained.card.metrics["against_parent"]
    assert against["low"] <= against["value"] <= against["high"]
    parent, child = list_versions(scoring_store)
    assert (child.segment, child.parent, child.active_for) == ("games", parent.digest, "")
    with scoring_store.read() as session:
        assert "games" not in models.promoted_models(session)
        assert models.active_model(session).digest == parent.digest


def test_too_few_pictures_are_an_answer_that_its_run_keeps(
    scoring_store: Store, rated: Ratings, tmp_path: Path
) -> None:
    outcome = train(scoring_store, rated, WISH, out=tmp_path / "games", settings=None)
    assert outcome.trained is None
    assert outcome.shortage is not None
    assert (outcome.shortage.pictures, outcome.shortage.subjects) == (40, 20)
    assert not (tmp_path / "games").exists()
    with scoring_store.read() as session:
        run = session.scalars(select(Run).where(Run.id == outcome.run_id)).one()
        assert run.state == "done"
        assert run.outcome["decision"] == "insufficient_data"
    assert len(list_versions(scoring_store)) == 1


def test_a_handful_of_pictures_is_too_few_and_no_error(rated: Ratings, tmp_path: Path) -> None:
    rows = rated.table.read_text().splitlines()
    (tmp_path / "few.csv").write_text("\n".join([rows[0], *rows[30:34], "gone.png,1,1,1,1,1,1,1,x"]))
    shortage = segment.shortage_of(replace(rated, table=tmp_path / "few.csv"))
    assert shortage is not None
    assert shortage.pictures == 4
    (tmp_path / "none.csv").write_text(rows[0])
    with pytest.raises(LabelError, match="usable ratings of 0 images"):
        segment.shortage_of(replace(rated, table=tmp_path / "none.csv"))


def test_a_folder_is_a_parent_without_a_store_and_a_name_is_not(quick_checkpoint: Path) -> None:
    folder, checkpoint = segment.find_parent(None, None, str(quick_checkpoint))
    assert (folder, checkpoint.card.name) == (quick_checkpoint.resolve(), "quick-0")
    with pytest.raises(UsageError, match="no folder 'active'"):
        segment.find_parent(None, None, "active")
