import pytest

from abkit.reporting.tables.show import as_html, as_text
from abkit.workflows.models.compare import HeadStudy
from abkit.workflows.models.compare_encoders import EncoderStudy
from abkit.workflows.models.results import EvaluationResult, Figure, Shortage, short_result
from abkit_model.evaluation.comparison_agreement import ComparisonFigures
from abkit_model.evaluation.metrics import Estimate
from abkit_model.studies.compare import FIGURES, HeadComparison, HeadFigures
from abkit_model.studies.encoders import EncoderComparison, EncoderFigures

SRCC = Figure(figure="srcc", estimate=0.7, ci_low=0.6, ci_high=0.8, n=120, model_version="abc")
COVERAGE = Figure(figure="coverage", estimate=None, n=120, model_version="abc")


def test_an_evaluation_is_one_row_per_figure_its_title_and_what_follows() -> None:
    result = EvaluationResult(
        figures=(SRCC, COVERAGE),
        title="On 120 images",
        notes=("ours abc; the interval promises 90%",),
        digest="abc",
        name="ours",
        seen_in_training=0,
        rejected=0,
        missing=0,
    )
    lines = as_text(result, width=120).splitlines()
    assert lines[0] == "On 120 images"
    assert lines[2].split() == ["srcc", "0.700", "0.600", "0.800", "120", "abc"]
    assert lines[3].split() == ["coverage", "–", "–", "–", "120", "abc"]
    assert lines[-1] == "ours abc; the interval promises 90%"
    assert result.to_polars()["figure"].to_list() == ["srcc", "coverage"]


def test_too_few_images_to_tune_with_are_shown_as_found_and_needed() -> None:
    result = short_result(Shortage(40, 20, 100, 30), "games")
    text = as_text(result, width=120)
    assert [line.split()[:3] for line in text.splitlines()[1:3]] == [["images", "40", "100"], ["subjects", "20", "30"]]
    assert "not enough data for segment games" in text
    assert {row["decision"] for row in result.rows()} == {"insufficient_data"}


@pytest.mark.parametrize("compared", [False, True])
def test_heads_are_shown_best_first_with_the_verdict_and_the_chart(compared: bool) -> None:
    one = dict.fromkeys(FIGURES, Estimate(0.7, 0.6, 0.8)) | {"srcc_difference": Estimate(0.02, 0.01, 0.03)}
    names = ("learnable queries, ensemble", "ridge")
    heads = tuple(HeadFigures(name=name, parameters=10, seconds=1.0, **one) for name in names)
    picks = ComparisonFigures("", *[Estimate(0.9, 0.8, 1.0)] * 3, n=50)
    agreement = tuple(ComparisonFigures(**{**picks.__dict__, "name": name}) for name in names) if compared else ()
    study = HeadStudy(HeadComparison(heads, 100, 30, 5, 2), agreement)
    text = as_text(study, width=200)
    assert text.startswith("100 images of 30 subjects, 5 folds × 2 repeats")
    assert text.endswith("+0.020 [+0.010, +0.030]: more than it")
    assert ("picks winner" in text) == compared
    assert ("pairs" in study.rows()[0]) == compared
    assert "<svg" in as_html(study)


@pytest.mark.parametrize(
    ("gain", "seconds", "verdict", "said"),
    [
        (Estimate(0.05, 0.03, 0.07), 720.0, "pays", "+0.050 [+0.030, +0.070], 8 times the processor time"),
        (Estimate(-0.01, -0.02, 0.0), 720.0, "does not pay", "−0.010 [−0.020, +0.000]"),
        (Estimate(0.02, -0.02, 0.06), 720.0, "these labels cannot tell", "more labels narrow the interval"),
        (Estimate(0.01, -0.01, 0.03), 45.0, "pays", "0.5 times the processor time"),
        (Estimate(*[float("nan")] * 3), 720.0, "these labels cannot tell", "SRCC is not defined"),
    ],
)
def test_one_sentence_says_whether_an_encoder_pays(gain: Estimate, seconds: float, verdict: str, said: str) -> None:
    first = EncoderFigures(name="small", srcc=Estimate(0.7, 0.6, 0.8), gain=None, seconds=90, verdict="")
    other = EncoderFigures(name="large", srcc=Estimate(0.75, 0.65, 0.85), gain=gain, seconds=seconds, verdict=verdict)
    found = EncoderComparison(
        encoders=(first, other), n=100, subjects=30, folds=5, repeats=2, least_gain=0.02, level=0.95
    )
    priced = EncoderStudy(comparison=found, core_hour=0.4, currency="EUR")
    text = as_text(priced, width=250)
    assert text.startswith("100 images of 30 subjects, 5 folds × 2 repeats")
    (sentence,) = priced.sentences
    assert sentence in text
    assert sentence.startswith("large beside small: ")
    assert said in sentence
    assert verdict in sentence
    if "not defined" not in said:
        assert ("0.07 EUR more per 1,000 images" if seconds > 90 else "0.005 EUR less per 1,000 images") in sentence
    assert priced.rows()[1]["cost_per_1000"] == pytest.approx(seconds / 9000)
    assert "EUR" not in as_text(EncoderStudy(comparison=found), width=250)
    assert "cost per 1000" not in as_text(EncoderStudy(comparison=found), width=250)
