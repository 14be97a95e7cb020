"""Queries for a segment: tuned from a parent, registered as its child, and never active by themselves."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from abkit.errors import UsageError
from abkit.store import models
from abkit.store.database.engine import Store
from abkit.store.schema import Run
from abkit.workflows.active_model import list_versions
from abkit.workflows.models import segment
from abkit.workflows.models.train import train
from abkit_model.errors import LabelError
from abkit_model.training.request import TrainingRequest
from tests.images import save_images


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory) -> TrainingRequest:
    folder = tmp_path_factory.mktemp("rated")
    rows = []
    for index, path in enumerate(save_images(folder / "images", 40, size=(64, 64))):
        counts = np.bincount(np.random.default_rng(index).integers(0, 7, 12) * index // 40, minlength=7)
        rows.append(",".join([path.name, *map(str, counts), f"s{index // 2}"]))
    (folder / "ratings.csv").write_text("\n".join(["file,n1,n2,n3,n4,n5,n6,n7,subject", *rows]))
    return TrainingRequest(
        table=folder / "ratings.csv",
        images=folder / "images",
        out=folder / "games",
        group_column="subject",
        encoder="bundled:efficientnet-lite0",
        parent="active",
        segment="games",
    )


# Training is the same on either engine, and takes most of the time.
@pytest.mark.parametrize("store", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)], indirect=True)
def test_a_tuned_version_is_registered_with_its_parent_and_segment_and_the_active_model_stays(
    scoring_store: Store, rated: TrainingRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment, "MIN_IMAGES", 40)
    monkeypatch.setattr(segment, "MIN_SUBJECTS", 20)
    result = train(scoring_store, replace(rated, out=tmp_path / "games"))
    assert (result.decision, result.registered) == ("trained", True)
    (against,) = [one for one in result.figures if one.figure == "srcc_against_parent"]
    assert against.ci_low <= against.estimate <= against.ci_high
    parent, child = list_versions(scoring_store)
    assert (child.segment, child.parent, child.active_for) == ("games", parent.digest, "")
    with scoring_store.read() as session:
        assert "games" not in models.promoted_models(session)
        assert models.active_model(session).digest == parent.digest


def test_too_few_images_are_an_answer_that_its_run_keeps(
    scoring_store: Store, rated: TrainingRequest, tmp_path: Path
) -> None:
    result = train(scoring_store, replace(rated, out=tmp_path / "games"))
    assert (result.decision, result.figures, result.folder) == ("insufficient_data", (), None)
    assert result.shortage is not None
    assert (result.shortage.images, result.shortage.subjects) == (40, 20)
    assert not (tmp_path / "games").exists()
    with scoring_store.read() as session:
        run = session.scalars(select(Run).where(Run.id == result.run_id)).one()
        assert run.state == "done"
        assert run.outcome["decision"] == "insufficient_data"
    assert len(list_versions(scoring_store)) == 1


def test_a_handful_of_images_is_too_few_and_no_error(rated: TrainingRequest, tmp_path: Path) -> None:
    rows = rated.table.read_text().splitlines()
    (tmp_path / "few.csv").write_text("\n".join([rows[0], *rows[30:34], "gone.png,1,1,1,1,1,1,1,x"]))
    shortage = segment.shortage_of(replace(rated, table=tmp_path / "few.csv"))
    assert shortage is not None
    assert shortage.images == 4
    (tmp_path / "none.csv").write_text(rows[0])
    with pytest.raises(LabelError, match="usable ratings of 0 images"):
        segment.shortage_of(replace(rated, table=tmp_path / "none.csv"))


def test_a_folder_is_a_parent_without_a_store_and_a_name_is_not(quick_checkpoint: Path) -> None:
    folder, checkpoint = segment.find_parent(None, None, str(quick_checkpoint))
    assert (folder, checkpoint.card.name) == (quick_checkpoint.resolve(), "quick-0")
    with pytest.raises(UsageError, match="no folder 'champion'"):
        segment.find_parent(None, None, "champion")
