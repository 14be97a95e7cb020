"""The decision table, row by row."""

import pytest

from abkit.stats.monitoring import triage as table
from abkit.stats.monitoring.triage import triage
from abkit.vocabulary import DriftVerdict, Layer


def Finding(layer: str, verdict: str, sentence: str, **options: bool) -> table.Finding:  # noqa: N802 (as the record)
    return table.Finding(layer=Layer(layer), verdict=DriftVerdict(verdict), sentence=sentence, **options)


OK = [Finding(layer, "ok", f"{layer} is well.") for layer in ("data", "input", "score", "relation", "kpi")]
MISSING = [Finding(layer, "insufficient_data", f"No {layer}.") for layer in ("input", "score", "relation", "kpi")]


def _with(*changed: table.Finding) -> list[table.Finding]:
    layers = {finding.layer for finding in changed}
    return [finding for finding in OK if finding.layer not in layers] + list(changed)


@pytest.mark.parametrize(
    ("findings", "decision", "cause"),
    [
        (OK, "stable", ""),
        (_with(Finding("data", "fault", "f"), Finding("relation", "major", "r")), "fix_data", "data_fault"),
        (MISSING, "insufficient_data", ""),
        ([OK[0], *MISSING], "insufficient_data", ""),
        ([], "insufficient_data", ""),
        (_with(Finding("relation", "major", "r"), Finding("kpi", "major", "k")), "retrain", "concept_shift"),
        (
            _with(Finding("relation", "major", "r"), Finding("input", "major", "i", persistent=True)),
            "retrain",
            "concept_shift",
        ),
        (_with(Finding("input", "major", "i", persistent=True)), "retrain", "input_shift"),
        (_with(Finding("score", "major", "s", persistent=True)), "retrain", "input_shift"),
        (
            _with(Finding("input", "major", "i", persistent=True), Finding("relation", "insufficient_data", "r")),
            "retrain",
            "input_shift",
        ),
        (
            _with(Finding("input", "major", "i", persistent=True), Finding("relation", "ok", "r", holds=True)),
            "watch",
            "input_shift",
        ),
        (_with(Finding("input", "major", "i", persistent=False)), "watch", "input_shift"),
        (_with(Finding("score", "watch", "s"), Finding("kpi", "major", "k")), "watch", "input_shift"),
        (_with(Finding("kpi", "major", "k")), "watch", "kpi_shift"),
        ([*MISSING[:3], Finding("kpi", "ok", "k")], "stable", ""),
    ],
)
def test_the_first_row_that_holds_decides(findings: list[Finding], decision: str, cause: str) -> None:
    found = triage(findings)
    assert (found.decision, found.cause) == (decision, cause)
    assert found.reasons


def test_a_layer_that_lacks_data_says_so_and_does_not_silence_the_others() -> None:
    found = triage([*MISSING[:2], Finding("relation", "major", "Gone."), Finding("kpi", "ok", "k")])
    assert found.decision == "retrain"
    assert found.reasons == ("Gone.", "No input.", "No score.")


def test_the_order_of_the_findings_does_not_matter() -> None:
    findings = _with(Finding("input", "watch", "i"), Finding("kpi", "major", "k"), Finding("score", "major", "s"))
    assert triage(findings) == triage(findings[::-1])


def test_images_unlike_the_models_own_sample_are_no_news_where_the_score_holds_on_them() -> None:
    strange = Finding("input", "major", "i", persistent=True, against_model=True)
    holding = Finding("relation", "ok", "r", holds=True)

    held = triage(_with(strange, holding))
    assert (held.decision, held.reasons[0][:24]) == ("stable", "The creatives are unlike")
    assert triage(_with(strange)).cause == "input_shift"
    both = triage(_with(strange, holding, Finding("score", "watch", "s")))
    assert (both.decision, both.cause) == ("watch", "input_shift")
    moved = triage(_with(strange, holding, Finding("kpi", "major", "k")))
    assert (moved.decision, moved.cause) == ("watch", "kpi_shift")


def test_a_watch_on_the_data_is_among_the_reasons_and_changes_no_decision() -> None:
    found = triage(_with(Finding("data", "watch", "A placement has gone.")))
    assert (found.decision, found.reasons[1:]) == ("stable", ("A placement has gone.",))


def test_further_tests_of_a_layer_count_like_its_first() -> None:
    several = [*OK, Finding("input", "major", "classifier", persistent=True), Finding("kpi", "watch", "k")]
    assert triage(several).decision == "retrain"
    assert table.layers_judged(several) == 5
    unknown = [Finding("input", "insufficient_data", "energy"), Finding("input", "ok", "mmd")]
    assert table.layers_judged(unknown) == 1
