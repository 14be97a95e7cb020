from dataclasses import replace

from abkit.reporting.tables.show import as_html, as_text
from abkit_model.scorer import Scorer
from tests.model.conftest import encoder, photograph, random_checkpoint, scorer

__all__ = ["encoder", "random_checkpoint", "scorer"]


def test_a_score_is_one_row_with_its_interval_and_its_notice_and_no_embedding(scorer: Scorer) -> None:
    score = replace(scorer.score(photograph(1)), notice="For tests only.")
    text = as_text(score, width=120)
    assert f"{score.mean:.3f}" in text
    assert "90 % low" in text
    assert text.endswith("For tests only.")
    assert len(text) < 400
    assert "<table" in as_html(score)
