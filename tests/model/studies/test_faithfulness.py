import math

import numpy as np
import pytest

from abkit_model.images import Prepared
from abkit_model.scorer import TOLERANCE, Scorer
from abkit_model.studies import faithfulness as module
from abkit_model.studies.faithfulness import Faithfulness, faithfulness, query_faithfulness
from tests.model.conftest import photograph


@pytest.fixture(scope="module")
def images(scorer: Scorer) -> list[Prepared]:
    return [scorer.prepare(photograph(seed, 200, 150)) for seed in range(3)]


@pytest.fixture(scope="module")
def rows(scorer: Scorer, images: list[Prepared]) -> dict[str, Faithfulness]:
    return {row.method: row for row in faithfulness(scorer, images, methods=["attention", "occlusion"], steps=2)}


def test_every_kind_of_map_stands_beside_random_maps_and_random_weights(rows: dict[str, Faithfulness]) -> None:
    assert list(rows) == ["attention", "occlusion", "random"]
    assert all(row.deletion.value >= 0 and row.insertion.value >= 0 and row.n == 3 for row in rows.values())
    assert rows["random"].deletion_gain.value == 0
    assert math.isnan(rows["random"].deletion_learned.value)
    assert math.isnan(rows["attention"].direction.value)
    assert math.isfinite(rows["occlusion"].direction.value)
    assert -1 <= rows["occlusion"].same_untrained.value <= 1


def test_differences_are_those_of_the_figures_beside_them(rows: dict[str, Faithfulness]) -> None:
    own, chance = rows["occlusion"], rows["random"]
    assert own.deletion_gain.value == pytest.approx(own.deletion.value - chance.deletion.value)
    assert own.insertion_gain.value == pytest.approx(chance.insertion.value - own.insertion.value)


def test_a_map_with_its_signs_reversed_is_caught(
    scorer: Scorer, images: list[Prepared], rows: dict[str, Faithfulness], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = module.score_occlusion
    monkeypatch.setattr(module, "score_occlusion", lambda *arguments: -right(*arguments))
    turned = faithfulness(scorer, images, methods=["occlusion"], steps=2)[0]
    told, same = rows["occlusion"], 2 * TOLERANCE  # these are means of differences of two scores
    assert turned.deletion.value == pytest.approx(told.deletion.value, abs=same)  # the same order by absolute value
    assert turned.direction.value == pytest.approx(-told.direction.value, abs=same)
    assert told.direction.value > 5 * same


def test_cells_of_padding_are_not_part_of_the_course(scorer: Scorer) -> None:
    prepared = scorer.prepare(photograph(1, 300, 100))
    shown = module._shown(scorer, prepared)
    assert shown.shape == scorer.encode([prepared]).grid[0]
    assert shown.sum() == np.ceil(prepared.height / 32) * np.ceil(prepared.width / 32)


def test_maps_of_queries_are_judged_by_the_activation_of_their_query(scorer: Scorer, images: list[Prepared]) -> None:
    scorer.card.activations["std"] = [0.1] * 12
    try:
        rows = query_faithfulness(scorer, images, steps=2)
    finally:
        del scorer.card.activations["std"]
    assert [row.method for row in rows] == ["attention", "gradient", "occlusion", "random"]
    assert all(math.isfinite(row.deletion.value) for row in rows)
