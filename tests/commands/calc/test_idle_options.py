"""Every option of `abkit calc` changes the answer, or is refused with what it is for."""

from itertools import product

import pytest
from typer.testing import CliRunner

from abkit.commands.calc.commands import app
from abkit.errors import AbkitError

ARMS = {
    "rates": ("48/1000", "56/900", "70/950"),
    "means": ("400,10,3", "380,10.3,3.5", "390,9.4,3.1"),
    "pairs": ("100,200,4000,697,184750,9980", "100,240,4000,912,184750,11679", "100,250,4100,920,184750,11700"),
}
METHODS = {
    "rates": ("newcombe", "z", "score", "exact", "sequential", "bayes"),
    "means": ("welch", "sequential", "bayes"),
    "pairs": ("welch", "sequential"),
}
OPTIONS = {
    "--level": "0.8",
    "--alternative": "greater",
    "--planned-total": "700",
    "--prior": "3,9",
    "--practical-lift": "0.03",
    "--lift-method": "delta",
    "--x": "covariate",
    "--margin": "0.04",
    "--true-lift": "0.02",
    "--correction": "bh",
}


def answer(*arguments: str) -> str | None:
    """Return what a command prints; None where it refuses an option as idle."""
    done = CliRunner().invoke(app, [*arguments, "-f", "json"])
    if isinstance(done.exception, AbkitError):
        assert "has no effect here: it is for" in str(done.exception)
        return None
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("kind", list(ARMS))
@pytest.mark.parametrize("treatments", [1, 2])
def test_every_option_of_compare_changes_the_answer_or_is_refused(kind: str, treatments: int) -> None:
    control, *others = ARMS[kind]
    arms = ["--control", control, *(part for other in others[:treatments] for part in ("--treatment", other))]
    refused = set()
    for method in METHODS[kind] if treatments == 1 else METHODS[kind][-2:]:
        plain = answer("compare", *arms, "--method", method)
        assert plain is not None
        for name, value in OPTIONS.items():
            found = answer("compare", *arms, "--method", method, name, value)
            if found is None:
                refused.add((name, method))
            assert found != plain, (method, name)
    assert ("--planned-total", "sequential") not in refused
    assert (("--correction", METHODS[kind][-2]) in refused) is (treatments == 1)
    assert not any(name in ("--level", "--margin") and method != "bayes" for name, method in refused)


@pytest.mark.parametrize("monitoring", ["fixed", "anytime", "group"])
def test_every_option_of_sample_size_changes_the_answer_or_is_refused(monitoring: str) -> None:
    options = {
        "--power": "0.9", "--alpha": "0.01", "--arms": "4", "--ratio": "2", "--alternative": "greater", "--looks": "3",
        "--spending": "pocock", "--daily-traffic": "5000", "--sd": "0.3",
    }  # fmt: skip
    questions = (("--lift", "0.1"), ("--lift", "0.1", "--per-variant", "9000"))
    for question, (name, value) in product(questions, options.items()):
        arguments = ("sample-size", "--baseline", "0.1", "--monitoring", monitoring, *question)
        plain, found = answer(*arguments), answer(*arguments, name, value)
        assert found != plain, (question, name)
        if name in ("--looks", "--spending"):
            assert (found is None) is (monitoring != "group")


def test_how_a_file_is_written_is_for_a_file() -> None:
    for name, value in (("--encoding", "utf-16"), ("--header-line", "2"), ("--sheet", "one")):
        assert answer("rank", "a=5/100", "b=7/100", name, value) is None


@pytest.mark.parametrize(
    "arguments",
    [
        ("compare", "--control", "5/100", "--treatment", "6/100", "--margin", "1.250"),
        ("compare", "--control", "5/100", "--treatment", "6/100", "--true-lift", "1,250"),
        ("compare", "--control", "5/100", "--treatment", "6/100", "--practical-lift", "1.250", "--method", "bayes"),
        ("sample-size", "--baseline", "12.345", "--sd", "5", "--lift", "0.1"),
        ("sample-size", "--baseline", "12", "--sd", "1.250", "--lift", "0.1"),
        ("sample-size", "--baseline", "0.1", "--lift", "1,250"),
        ("sample-size", "--baseline", "0.1", "--lift", "0.1", "--daily-traffic", "20.000"),
        ("sample-size", "--baseline", "0.1", "--lift", "0.1", "--ratio", "1.500"),
        ("srm", "--observed", "1.000,2.000"),
        ("srm", "--observed", "500,500", "--expected", "1.000,1"),
        ("rank", "a=1.000/20.000", "b=7/100"),
    ],
)
def test_a_number_with_two_readings_is_refused_wherever_it_stands(arguments: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, AbkitError)
    assert "can be read in two ways" in str(done.exception)
