"""Figures of delivery are summed through one door: whoever reads them from `kpi` asks which rows count."""

import inspect
import re
from pathlib import Path

import abkit
from abkit.store.kpis.money import exchange_of, figures_by

SOURCES = Path(abkit.__file__).parent
FIGURE = re.compile(
    r"\bKpi\.(impressions|clicks|conversions|spend|revenue)\b|getattr\(Kpi\b|\b(figures_by|exchange_of)\("
)
ASKS = re.compile(r"\bcounts\(|\bCOUNTS\b|left_out == \"\"")
# Writing and restating rows is no reading; nor is taking old ones out, whether they count or not.
WRITES = {"store/kpis/publish.py", "store/kpis/retention.py"}


def statements(source: str) -> list[str]:
    """The functions of a module, each as text."""
    return re.split(r"^(?=def |class |_?[A-Z_]+\b.*= )", source, flags=re.MULTILINE)


def test_every_function_that_reads_figures_of_kpi_asks_which_rows_count() -> None:
    found, silent = set(), []
    for path in sorted(SOURCES.rglob("*.py")):
        name = path.relative_to(SOURCES).as_posix()
        if name in WRITES:
            continue
        for part in statements(path.read_text(encoding="utf-8")):
            if part.startswith("def ") and FIGURE.search(part):
                found.add(name)
                if not ASKS.search(part):
                    silent.append(f"{name}: {part.splitlines()[0]}")
    assert found >= {
        "store/kpis/once/counting.py",
        "store/kpis/delivery.py",
        "store/experiments.py",
        "store/kpis/linking/links.py",
    }
    # The rule itself reads every row, and so do the check that an ad has no more clicks than impressions, and what says
    # how many rows of a file were corrected since. Sums of money are given the condition; their callers are looked at.
    assert [one.split("(")[0] for one in silent] == [
        "store/imports.py: def restated_since",
        "store/imports.py: def impressions_and_clicks",
        "store/kpis/money.py: def exchange_of",
        "store/kpis/money.py: def figures_by",
        "store/kpis/once/counting.py: def _note_wholes",
        "store/kpis/once/counting.py: def _rows",
    ]


def test_sums_of_money_are_given_the_condition_that_a_row_counts() -> None:
    for function in (exchange_of, figures_by):
        condition = inspect.signature(function).parameters["counted"]
        assert condition.default is inspect.Parameter.empty
