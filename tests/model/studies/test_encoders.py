"""Encoders held against each other, on predictions that were made by hand."""

from pathlib import Path

import numpy as np
import pytest

from abkit_model.data.dataset import Examples
from abkit_model.encoders.frozen import FrozenEncoder
from abkit_model.errors import TrainingError
from abkit_model.evaluation.metrics import Estimate
from abkit_model.studies.encoders import EncoderComparison, compare_encoders, processor_seconds, verdict_of

COUNT = 200


def compared(*noise: float, seconds: tuple[float, ...], least_gain: float = 0.02) -> EncoderComparison:
    """Encoders whose predictions are the truth and so much noise, with what each costs."""
    rng = np.random.default_rng(0)
    truth = rng.uniform(2, 4, COUNT)
    targets = np.stack([(5 - truth) / 4, np.zeros(COUNT), np.zeros(COUNT), np.zeros(COUNT), (truth - 1) / 4], axis=1)
    examples = Examples([], targets, np.arange(1.0, 6.0), [f"s{i // 2}" for i in range(COUNT)])
    means = {f"e{k}": truth + one * rng.normal(size=(2, COUNT)) for k, one in enumerate(noise)}
    return compare_encoders(
        means, dict(zip(means, seconds, strict=True)), examples, least_gain=least_gain, resamples=200
    )


def test_a_dearer_encoder_pays_where_its_whole_interval_is_worth_it() -> None:
    found = compared(2.0, 0.3, seconds=(10, 90))
    first, second = found.encoders
    assert (first.gain, first.verdict) == (None, "")
    assert second.gain is not None
    assert second.gain.value == pytest.approx(second.srcc.value - first.srcc.value)
    assert 0.02 < second.gain.low < second.gain.value < second.gain.high
    assert second.verdict == "pays"
    assert (found.n, found.subjects, found.repeats, found.level) == (COUNT, COUNT // 2, 2, 0.95)
    assert compared(2.0, 0.3, seconds=(10, 90), least_gain=0.9).encoders[1].verdict == "does not pay"


def test_the_same_predictions_do_not_pay_what_costs_more_and_pay_what_costs_less() -> None:
    assert compared(0.02, 0.02, seconds=(10, 90)).encoders[1].verdict == "does not pay"
    assert compared(0.02, 0.02, seconds=(90, 10)).encoders[1].verdict == "pays"


def test_several_candidates_have_wider_intervals() -> None:
    one, several = compared(1.0, 0.9, seconds=(1, 2)), compared(1.0, 0.9, 0.9, 0.9, seconds=(1, 2, 2, 2))
    assert several.level == pytest.approx(1 - 0.05 / 3)
    (narrow, wide) = (found.encoders[1].gain for found in (one, several))
    assert narrow is not None
    assert wide is not None
    assert wide.high - wide.low > narrow.high - narrow.low


@pytest.mark.parametrize(
    ("ends", "ratio", "verdict"),
    [
        ((0.019, 0.05), 3.0, "these labels cannot tell"),
        ((0.021, 0.05), 3.0, "pays"),
        ((-0.05, 0.019), 3.0, "does not pay"),
        ((-0.019, 0.05), 0.5, "pays"),
        ((-0.09, -0.021), 0.5, "does not pay"),
        ((0.001, 0.05), 1.05, "pays"),
        ((-0.05, -0.001), 0.95, "does not pay"),
        ((float("nan"), float("nan")), 3.0, "these labels cannot tell"),
    ],
)
def test_the_bar_depends_on_which_of_the_two_costs_more(ends: tuple[float, float], ratio: float, verdict: str) -> None:
    assert verdict_of(Estimate(sum(ends) / 2, *ends), ratio, 0.02) == verdict


def test_a_cost_needs_an_image(tmp_path: Path, encoder: FrozenEncoder) -> None:
    (tmp_path / "x.png").write_bytes(b"no image")
    with pytest.raises(TrainingError, match="no image can be read"):
        processor_seconds(encoder, [tmp_path / "x.png"])
