"""Patterns of names: what is one, what a name says by it, and that no name makes it slow."""

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abkit.errors import UsageError
from abkit.intake.name_patterns import parse_pattern, read_name

WORDS = st.text(st.sampled_from("abcé19"), min_size=1, max_size=5)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("hero", "has no field"),
        ("{a}{b}", "no text between"),
        ("{a}_{a}", "'a' is in it twice"),
        ("{a_{b}", "a brace"),
        ("a}_{b}", "a brace"),
        ("{}_{b}", "'' is not the name of a field"),
        ("{a.*}_{b}", "is not the name of a field"),
        ("_".join(f"{{f{n}}}" for n in range(13)), "too long"),
        ("{a}" + "x" * 300, "too long"),
    ],
)
def test_what_is_no_pattern_is_refused_with_the_reason(written: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        parse_pattern(written)
    assert caught.value.hint


@settings(max_examples=150, deadline=None)
@given(
    values=st.lists(WORDS, min_size=1, max_size=5),
    around=st.tuples(st.sampled_from(["", "DE_", "x | "]), st.sampled_from(["", "_final"])),
    between=st.sampled_from(["_", " | ", "_v"]),
    ending=st.sampled_from(["", ".png", ".JPG", " - Copy"]),
)
def test_a_name_written_by_the_pattern_is_read_back(
    values: list[str], around: tuple[str, str], between: str, ending: str
) -> None:
    first, last = around
    pattern = parse_pattern(first + between.join(f"{{f{n}}}" for n in range(len(values))) + last)
    (fields,) = pattern.read(f"/ads/{first}{between.join(values)}{last}{ending}".upper())
    wanted = [value.lstrip("0") or "0" if value.isdecimal() else value for value in values]
    assert list(fields.values()) == wanted


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("acme_spring_v1_1080x1080.png", {"brand": "acme", "concept": "spring", "n": "1", "size": "1080x1080"}),
        ("Acme_Spring_V01", {"brand": "acme", "concept": "spring", "n": "1"}),
        ("acme_spring_sale_v1_9x16.png", {}),  # nothing says where the brand ends
        ("acme_spring_sale_v1", {}),
        ("acme_spring.v2 x", {}),
        ("_spring_v1", {}),
        ("", {}),
        ("acme_sp.ing(1)_v[0-9]+", {"brand": "acme", "concept": "sping(1)", "n": "[0 9]"}),
    ],
)
def test_the_first_pattern_that_fits_in_one_way_reads_the_name(name: str, fields: dict[str, str]) -> None:
    patterns = [parse_pattern("{brand}_{concept}_v{n}_{size}"), parse_pattern("{brand}_{concept}_v{n}.png")]
    assert read_name(patterns, name) == fields


def test_versions_stay_apart() -> None:
    pattern = parse_pattern("{concept}_v{n}")
    assert pattern.read("a_v1.1") != pattern.read("a_v11")
    assert pattern.read("a_v1_1") != pattern.read("a_v11")


@pytest.mark.parametrize("words", [50, 150])
def test_a_name_that_fits_in_very_many_ways_is_searched_a_bounded_number_of_times(words: int) -> None:
    fields = 12
    pattern = parse_pattern("_".join(f"{{f{n}}}" for n in range(fields)))
    searched = 0

    def count(_: object, event: str, function: object) -> None:
        nonlocal searched
        if event == "c_call" and getattr(function, "__name__", "") == "find":
            searched += 1
            assert searched <= fields * words**2  # ways to cut 150 words into 12 fields: more than 10**16

    sys.setprofile(count)
    try:
        assert len(pattern.read("_".join("a" * words))) == 2
    finally:
        sys.setprofile(None)
    assert searched > words
