"""Results are conversions only where their type, or their number, says so."""

import polars as pl
import pytest

from abkit.intake.kpis.header.result_types import UNTYPED, is_conversion, without_other_results


def rows(results: list[float], types: list[str], *, platform: str = "meta") -> pl.DataFrame:
    n = len(results)
    columns = {"conversions": results, "event": types, "clicks": [40] * n, "platform": [platform] * n}
    return pl.DataFrame(columns, schema_overrides={"conversions": pl.Float64})


@pytest.mark.parametrize(
    ("result", "counts"),
    [
        ("actions:offsite_conversion.fb_pixel_purchase", True),
        ("Website purchases", True),
        ("Käufe", True),
        ("actions:offsite_conversion.fb_pixel_view_content", True),
        ("actions:link_click", False),
        ("Landing page views", False),
        ("reach", False),
        ("video_thruplay_watched_actions", False),
        ("", False),
    ],
)
def test_a_type_of_result_is_a_conversion_or_not(result: str, counts: bool) -> None:
    assert is_conversion(result) is counts


@pytest.mark.parametrize("result", ["Link clicks to purchase page", "Lead form opens", "Registration page visits"])
def test_what_happens_on_the_way_to_a_conversion_is_none(result: str) -> None:
    assert not is_conversion(result)


def test_results_of_another_type_are_unknown_conversions_and_the_note_says_which() -> None:
    kept, notes = without_other_results(rows([2, 30], ["actions:purchase", "actions:link_click"]), "Results")
    assert kept["conversions"].to_list() == [2, None]
    assert kept["event"].to_list() == ["actions:purchase", ""]
    assert len(notes) == 1
    assert "'actions:link_click' are not taken as conversions (1 rows)" in notes[0]


def test_results_without_a_type_count_where_they_are_few_for_clicks_under_an_event_that_says_so() -> None:
    kept, notes = without_other_results(rows([2, 1], ["", ""]), "Ergebnisse")
    assert kept["conversions"].to_list() == [2, 1]
    assert set(kept["event"]) == {UNTYPED}
    assert "'Ergebnisse' does not say which results it counts" in notes[0]
    assert "--map 'Ergebnisse='" in notes[0]


@pytest.mark.parametrize(
    ("results", "platform"),
    [([40, 40], "meta"), ([33, 35], "meta"), ([900, 1_200], "meta"), ([2, 1], "x")],
    ids=["clicks", "visits", "reach", "engagements on X"],
)
def test_results_without_a_type_that_may_be_clicks_visits_or_reach_are_no_conversions(
    results: list[float], platform: str
) -> None:
    kept, notes = without_other_results(rows(results, ["", ""], platform=platform), "Results")
    assert kept["conversions"].to_list() == [None, None]
    assert set(kept["event"]) == {""}
    assert "--map 'Results=conversions'" in notes[0]
