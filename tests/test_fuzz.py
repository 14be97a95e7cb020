"""Fuzzing in small: some hostile inputs of each kind that `benchmarks/fuzz.py` reads, the same ones each time."""

from collections.abc import Iterator
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
#: Inputs of each kind; fewer where one takes long.
COUNT = {"checkpoints": 4, "images": 8, "options": 4, "ratings": 6, "kpis": 8}
KINDS = (
    "kpis", "ratings", "experiments", "plans", "images", "checkpoints", "configuration", "mappings", "folders",
    "answers", "schedules", "names", "addresses", "options",
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _begun() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        import fuzz_files

        for kind in fuzz_files.TABLES_OF:
            fuzz_files._SEEDS[kind] = fuzz_files._tables(kind)
        fuzz_files._SEEDS["kpis"] += fuzz_files._drawn("kpis", 10)
        yield


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_hostile_inputs_end_in_a_result_or_in_one_sentence(kind: str, tmp_path: Path) -> None:
    from fuzz import one_input

    ended = [one_input(kind, number, 17, tmp_path / "input") for number in range(COUNT.get(kind, 12))]
    assert [one for one in ended if one not in ("result", "sentence")] == []


def test_no_kind_is_left_out() -> None:
    from fuzz import READERS

    # Requests need a workspace: tests/web/test_attacks.py
    assert {*KINDS, "requests"} == set(READERS)
