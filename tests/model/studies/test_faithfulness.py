import math

import numpy as np
import pytest

from abkit_model.preparation import Prepared
from abkit_model.scorer import Scorer
from abkit_model.studies import faithfulness as module
from abkit_model.studies.faithfulness import faithfulness, query_faithfulness
from tests.model.conftest import photograph


@pytest.fixture
def pictures(scorer: Scorer) -> list[Prepared]:
    return [scorer.prepare(photograph(seed, 200, 150)) for seed in range(3)]


def test_every_kind_of_map_stands_beside_random_maps_and_random_weights(
    scorer: Scorer, pictures: list[Prepared]
) -> None:
    rows = {row.method: row for row in faithfulness(scorer, pictures, methods=["attention", "occlusion"], steps=2)}
    assert list(rows) == ["attention", "occlusion", "random"]
    assert all(row.deletion.value >= 0 and row.insertion.value >= 0 and row.n == 3 for row in rows.values())
    assert rows["random"].deletion_gain.value == 0
    assert math.isnan(rows["random"].deletion_learned.value)
    assert math.isnan(rows["attention"].direction.value)
    assert math.isfinite(rows["occlusion"].direction.value)
    assert -1 <= rows["occlusion"].same_untrained.value <= 1


def test_differences_are_those_of_the_figures_beside_them(scorer: Scorer, pictures: list[Prepared]) -> None:
    rows = {row.method: row for row in faithfulness(scorer, pictures, methods=["occlusion"], steps=2)}
    own, chance = rows["occlusion"], rows["random"]
    assert own.deletion_gain.value == pytest.approx(own.deletion.value - chance.deletion.value)
    assert own.insertion_gain.value == pytest.approx(chance.insertion.value - own.insertion.value)


def test_a_map_with_its_signs_turned_round_is_caught(
    scorer: Scorer, pictures: list[Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = faithfulness(scorer, pictures, methods=["occlusion"], steps=3)[0]
    right = module.score_occlusion
    monkeypatch.setattr(module, "score_occlusion", lambda *arguments: -right(*arguments))
    turned = faithfulness(scorer, pictures, methods=["occlusion"], steps=3)[0]
    assert turned.deletion.value == pytest.approx(told.deletion.value)  # the order by absolute value is the same
    assert turned.direction.value == pytest.approx(-told.direction.value)
    assert told.direction.value > 0


def test_cells_of_padding_are_not_part_of_the_course(scorer: Scorer) -> None:
    prepared = scorer.prepare(photograph(1, 300, 100))
    shown = module._shown(scorer, prepared)
    assert shown.shape == scorer.encode([prepared]).grid[0]
    assert shown.sum() == np.ceil(prepared.height / 32) * np.ceil(prepared.width / 32)


def test_maps_of_queries_are_judged_by_the_activation_of_their_query(scorer: Scorer, pictures: list[Prepared]) -> None:
    scorer.card.activations["std"] = [0.1] * 12
    try:
        rows = query_faithfulness(scorer, pictures, steps=2)
    finally:
        del scorer.card.activations["std"]
    assert [row.method for row in rows] == ["attention", "gradient", "occlusion", "random"]
    assert all(math.isfinite(row.deletion.value) for row in rows)
