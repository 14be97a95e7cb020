"""Tables of arms and samples count nothing twice, and compare nothing that is in different units."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abkit.errors import InvalidInput
from abkit.intake.tables.experiments import ArmTable, read_arms, read_experiments
from abkit.intake.tables.samples import read_numbers, require_one_unit

HEADER = "experiment,variant,impressions,clicks"
ARMS = ("e1,control,10000,500", "e1,treatment,12000,700")
TWO_TESTS = (*ARMS, "e2,control,5000,100", "e2,treatment,5100,130")


def read(tmp_path: Path, *lines: str, header: str = HEADER, add_up: bool = False) -> ArmTable:
    path = tmp_path / "arms.csv"
    path.write_text("\n".join((header, *lines)) + "\n", "utf-8")
    names = {"experiment": "experiment", "variant": "variant", "trials": "impressions", "successes": "clicks"}
    return read_experiments(path, **names, drop_duplicates=add_up)


def arms(table: ArmTable) -> dict[tuple[str, str], tuple[float, float]]:
    keys = [(table.experiments[number], name) for number, name in zip(table.experiment, table.variants, strict=True)]
    return dict(zip(keys, zip(table.trials.tolist(), table.successes.tolist(), strict=True), strict=True))


@pytest.mark.parametrize("word", ["Total", "Grand total", "Gesamt", "Alle", "合計", "", "Overall", "Todos"])
def test_an_arm_that_is_the_total_of_the_others_is_left_out_and_said(tmp_path: Path, word: str) -> None:
    table = read(tmp_path, *ARMS, f"e1,{word},22000,1200")
    assert arms(table) == {("e1", "control"): (10000, 500), ("e1", "treatment"): (12000, 700)}
    assert table.notes == ("1 rows are left out: they look like totals of the others",)
    assert not table.refused


def test_an_arm_that_is_called_a_total_and_is_no_sum_stays_an_arm(tmp_path: Path) -> None:
    assert ("e1", "All") in arms(read(tmp_path, *ARMS, "e1,All,22000,1199"))


@pytest.mark.parametrize("lines", [("Total,control,15000,600", "Total,treatment,17100,830"), ("Total,,32100,1430",)])
def test_a_test_that_is_the_total_of_the_others_is_no_test(tmp_path: Path, lines: tuple[str, ...]) -> None:
    table = read(tmp_path, *TWO_TESTS, *lines)
    assert table.experiments == ["e1", "e2"]
    assert not table.refused


DAYS = ("2026-01-05,e1,a,1000,50", "2026-01-05,e1,b,1100,60", "2026-01-06,e1,a,1200,55", "2026-01-06,e1,b,1300,66")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("Total,e1,a,2200,105", "Total,e1,b,2400,126"), "2 rows of 'Total' are left out"),
        (("Alle,e1,a,2200,105", "Alle,e1,b,2400,126"), "2 rows of 'Alle' are left out"),
        (("2026-01,e1,a,2200,105", "2026-01,e1,b,2400,126"), "in each arm of their test, one row is the sum"),
        (DAYS, "4 rows that repeat another in all cells count once"),
        (DAYS[:1], "1 rows that repeat another in all cells count once"),
        (("2026-01-05,e1,Total,2100,110", "2026-01-06,e1,Total,2500,121"), "they look like totals"),
    ],
)
def test_days_are_added_up_once(tmp_path: Path, more: tuple[str, ...], said: str) -> None:
    table = read(tmp_path, *DAYS, *more, header=f"day,{HEADER}", add_up=True)
    assert arms(table) == {("e1", "a"): (2200, 105), ("e1", "b"): (2400, 126)}
    assert any(said in note for note in table.notes), table.notes


def test_a_word_for_all_whose_rows_are_no_sum_refuses_the_test(tmp_path: Path) -> None:
    table = read(tmp_path, *DAYS, "All,e1,a,2000,100", "All,e1,b,2400,126", header=f"day,{HEADER}", add_up=True)
    (refused,) = table.refused
    assert refused.experiment == "e1"
    assert "rows of 'All' beside others" in refused.reason


def test_rows_that_are_equal_by_chance_are_added_up_where_the_table_has_no_other_column(tmp_path: Path) -> None:
    table = read(tmp_path, *ARMS, *ARMS, add_up=True)
    assert arms(table)["e1", "control"] == (20000, 1000)


@given(counts=st.lists(st.integers(101, 10**6), min_size=4, max_size=12))
@settings(max_examples=25, deadline=None)
def test_days_with_and_without_their_total_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int]
) -> None:
    days = [f"{day},e1,{arm},{n + len(arm)},{n // 3}" for day, n in enumerate(counts) for arm in ("a", "bb")]
    totals = [
        f"Summe,e1,{arm},{sum(n + len(arm) for n in counts)},{sum(n // 3 for n in counts)}" for arm in ("a", "bb")
    ]
    folder = tmp_path_factory.mktemp("totals")
    plain = read(folder, *days, header=f"day,{HEADER}", add_up=True)
    assert arms(read(folder, *days, *totals, header=f"day,{HEADER}", add_up=True)) == arms(plain)


@pytest.mark.parametrize("other", ["Control", "control_", "CONTROL"])
def test_arms_whose_names_differ_in_case_or_signs_only_are_not_compared(tmp_path: Path, other: str) -> None:
    (refused,) = read(tmp_path, *ARMS, f"e1,{other},9000,450").refused
    assert f"'control' and {other!r} differ in case or blanks only" in refused.reason


def test_names_are_compared_without_letters_that_nobody_sees(tmp_path: Path) -> None:
    table = read(tmp_path, ARMS[0], "e1\u200b,treatment\u00a0,12000,700")
    assert list(arms(table)) == [("e1", "control"), ("e1", "treatment")]


def test_ids_that_a_spreadsheet_rounded_are_refused(tmp_path: Path) -> None:
    table = read(tmp_path, "1.2E+17,a,1000,50", "1.2E+17,b,1000,60", *ARMS)
    assert table.experiments == ["e1"]
    assert "rounded by a spreadsheet" in table.refused[0].reason


def test_the_header_once_more_is_no_test(tmp_path: Path) -> None:
    table = read(tmp_path, *ARMS, HEADER, *TWO_TESTS[2:])
    assert table.experiments == ["e1", "e2"]
    assert not table.refused


def variants(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "rank.csv"
    path.write_text("\n".join(("variant,successes,trials", *lines)) + "\n", "utf-8")
    return path


def test_variants_are_ranked_without_their_total(tmp_path: Path) -> None:
    notes: list[str] = []
    found = read_arms(variants(tmp_path, "a,48,1000", "b,56,1000", "Total,104,2000"), note=notes.append)
    assert list(found) == ["a", "b"]
    assert notes == ["1 rows are left out: they look like totals of the others"]


def test_a_variant_without_a_name_or_with_two_spellings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no variant is named"):
        read_arms(variants(tmp_path, "a,48,1000", ",56,1000"))
    with pytest.raises(InvalidInput, match="differ in case"):
        read_arms(variants(tmp_path, "a,48,1000", "A,56,1000"))


def test_what_is_guessed_about_a_count_is_said(tmp_path: Path) -> None:
    notes: list[str] = []
    found = read_arms(variants(tmp_path, "a,48,1.000", "b,1.056,1.000.000"), note=notes.append)
    assert (found["a"].trials, found["b"].successes) == (1000, 1056)
    assert notes == []  # counts are whole numbers: with a decimal point they would be none
    path = tmp_path / "both.csv"
    path.write_text("variant;successes;trials\na;1.000;2.000.000\nb;2.000;2.000.000\n", "utf-8")
    assert read_arms(path, note=notes.append)["a"].successes == 1000
    assert notes == ["'successes': '1.000' is read with the decimal sign ',' of column 'trials'"]


def sample(tmp_path: Path, *cells: str, labels: tuple[str, ...] = ()) -> Path:
    names = labels or tuple(str(number) for number in range(len(cells)))
    path = tmp_path / "sample.csv"
    path.write_text("day;value\n" + "".join(f"{a};{b}\n" for a, b in zip(names, cells, strict=True)), "utf-8")
    return path


@pytest.mark.parametrize(("word", "figure"), [("Total", "60"), ("Summe", "60"), ("Total", "20"), ("Gesamt", "20.00")])
def test_a_total_or_mean_below_a_sample_is_left_out(tmp_path: Path, word: str, figure: str) -> None:
    read = read_numbers(sample(tmp_path, "10", "20", "30", figure, labels=("1", "2", "3", word)), "value")
    assert read.values.tolist() == [10, 20, 30]
    assert read.totals == 1


def test_what_is_called_a_total_and_is_none_stays(tmp_path: Path) -> None:
    read = read_numbers(sample(tmp_path, "10", "20", "35", labels=("1", "2", "Total")), "value")
    assert read.values.tolist() == [10, 20, 35]


def test_percentages_and_plain_numbers_are_not_one_sample(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="1 cells of column 'value' have no percent sign"):
        read_numbers(sample(tmp_path, "10%", "20%", "30", "0"), "value")
    percent = read_numbers(sample(tmp_path, "10 %", "20%", "0"), "value")
    assert percent.values.tolist() == [0.1, 0.2, 0]
    plain = read_numbers(sample(tmp_path, "10", "20"), "value")
    with pytest.raises(InvalidInput, match="reference values are percentages and the current values plain numbers"):
        require_one_unit(percent, plain)
    require_one_unit(plain, plain)


def test_amounts_in_two_currencies_are_not_compared(tmp_path: Path) -> None:
    euros, dollars = (read_numbers(sample(tmp_path, f"{sign}5", f"{sign}6"), "value") for sign in ("€", "US$"))
    with pytest.raises(InvalidInput, match="in EUR and the current values in USD"):
        require_one_unit(euros, dollars)
    require_one_unit(euros, read_numbers(sample(tmp_path, "5", "6"), "value"))


def _daily(tests: int, figures: Callable[[int, int, int], tuple[int, int]]) -> list[str]:
    return [
        f"e{test},{arm},{trials},{successes},{day}"
        for test in range(tests)
        for number, arm in enumerate(("control", "treatment"))
        for day in range(6)
        for trials, successes in (figures(test, number, day),)
    ]


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        (lambda test, arm, day: (1000 * (day + 1) + arm, 20 * (day + 1) + test), "running totals"),
        (lambda test, arm, day: (1000 + arm, 20 + 3 * ((day + test) % 4)), "kinds of success of the same trials"),
        (lambda test, arm, day: (1000 + 7 * (5 * day % 6) + arm, 20 + day), ""),
    ],
)
@pytest.mark.parametrize("tests", [1, 12])
def test_rows_that_may_have_the_same_trials_again_are_said_where_they_are_added_up(
    tests: int, figures: Callable[[int, int, int], tuple[int, int]], said: str, tmp_path: Path
) -> None:
    notes = read(tmp_path, *_daily(tests, figures), header=f"{HEADER},day", add_up=True).notes
    assert [note for note in notes if "count many times" in note] == [note for note in notes if said and said in note]
    assert any(f"in {tests} test{'s' * (tests > 1)} " in note for note in notes) == bool(said)


@pytest.mark.parametrize("days", [range(1, 4), range(5, 0, -1)], ids=["three days", "the last day first"])
def test_few_running_totals_and_those_with_the_last_day_first_are_said(tmp_path: Path, days: range) -> None:
    lines = [f"e1,{arm},{1000 * day + arm},{20 * day},{day}" for day in days for arm in (1, 2)]
    assert any("running totals" in note for note in read(tmp_path, *lines, header=f"{HEADER},day", add_up=True).notes)


KINDS = {
    "devices and ages": (
        "device,age",
        ("e1,a,1000,10,mobile,", "e1,a,500,11,desktop,", "e1,a,700,10,,18-24", "e1,a,800,11,,25+"),
        ("e1,b,1000,20,mobile,", "e1,b,700,9,desktop,", "e1,b,900,20,,18-24", "e1,b,800,9,,25+"),
    ),
    "weeks and days": (
        "period",
        ("e1,a,1700,21,week 1", "e1,a,900,9,week 2", "e1,a,1200,12,2026-01-01", "e1,a,1400,18,2026-01-02"),
        ("e1,b,1600,20,week 1", "e1,b,800,20,week 2", "e1,b,2400,40,2026-01-01"),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_two_kinds_of_rows_with_the_same_figures_are_said_where_they_are_added_up(tmp_path: Path, kind: str) -> None:
    columns, one, other = KINDS[kind]
    header = f"{HEADER},{columns}"
    (note,) = read(tmp_path, *one, *other, header=header, add_up=True).notes
    assert note.startswith("in 1 test rows of one kind")
    more = one[0].replace("1000", "1100").replace("1700", "1800")
    assert not read(tmp_path, more, *one[1:], *other, header=header, add_up=True).notes


def test_rows_that_differ_in_their_figures_only_are_said_where_others_tell_rows_apart(tmp_path: Path) -> None:
    header, again = f"day,{HEADER}", "2026-01-06,e1,b,1310,67"
    (note,) = read(tmp_path, *DAYS, again, header=header, add_up=True).notes
    assert "in 1 test some rows differ from another row of their arm in their figures only" in note
    nothing_tells = [line.replace("2026-01-06", "2026-01-05") for line in DAYS]
    assert not read(tmp_path, *nothing_tells, header=header, add_up=True).notes


def test_an_arm_of_any_name_that_is_the_sum_of_the_others_is_said(tmp_path: Path) -> None:
    table = read(tmp_path, *ARMS, "e1,Kokku,22000,1200")
    assert len(arms(table)) == 3
    assert table.notes[0].startswith("'Kokku' has the trials and successes of all other variants of its test together")
    assert not read(tmp_path, *ARMS, "e1,Kokku,22000,1201").notes
    assert not read(tmp_path, "e1,a,20,2", "e1,b,30,1", "e1,c,50,3").notes


def test_one_of_many_tests_that_grows_by_chance_is_not_doubted(tmp_path: Path) -> None:
    def figures(test: int, arm: int, day: int) -> tuple[int, int]:
        return (1000 * (day + 1), 20 * (day + 1)) if test == 3 else (1000 + 7 * (5 * day % 6) + arm, 20 + day)

    notes = read(tmp_path, *_daily(20, figures), header=f"{HEADER},day", add_up=True).notes
    assert not any("count many times" in note for note in notes)
