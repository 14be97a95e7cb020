"""The table of placements: every figure has a source, and stands for something."""

from datetime import date
from urllib.parse import urlsplit

import pytest

from abkit.errors import InvalidInput, UsageError
from abkit.intake.media.placements import KINDS, parse_table, placement_table, placements_named, ratio_of, weight_of

GOOD = """
version = 1
date = "2026-01-01"
[source.page]
title = "A page"
url = "https://example.com/specs"
by = "platform"
[placement.feed]
title = "Feed"
weight = { is = "5 MB", source = "page" }
"""


def test_every_figure_has_a_source_with_an_address() -> None:
    table = placement_table()
    assert 15 <= len(table.placements) <= 40
    assert table.version >= 1
    assert date.fromisoformat(table.date)
    for placement in table.placements.values():
        assert placement.title
        assert placement.figures
        for figure in placement.figures.values():
            address = urlsplit(figure.source.url)
            assert address.scheme in ("https", "http")
            assert "." in address.netloc
            assert figure.source.by in ("platform", "other")
            # what somebody repeats names where the platform says it itself
            assert bool(figure.source.check) == (figure.source.by == "other"), figure.source.name


def test_no_source_is_there_for_nothing() -> None:
    import tomllib
    from importlib.resources import files

    raw = tomllib.loads((files("abkit") / "intake" / "media" / "placements.toml").read_text())
    used = {figure.source.name for one in placement_table().placements.values() for figure in one.figures.values()}
    assert set(raw["source"]) == used


def test_every_value_can_be_read_and_is_shown() -> None:
    for placement in placement_table().placements.values():
        for kind, figure in placement.figures.items():
            assert kind in KINDS
            assert figure.shown
            if kind in ("ratios", "usual_ratios", "ratio_range"):
                assert all(0.05 < ratio_of(text) < 20 for text in figure.value)
            elif kind in ("weight", "usual_weight", "film_weight"):
                assert weight_of(figure.value)[0] >= 50_000
            elif kind in ("sizes", "smallest", "largest", "recommended"):
                assert all(len(size) == 2 and min(size) >= 50 for size in figure.value)
            elif kind == "zones":
                assert all(0 < share < 0.5 for share in figure.value.values())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (', source = "page"', "has no source"),
        ("weight", "not one of"),
        ("5 MB", None),
    ],
)
def test_a_figure_without_a_source_is_refused(change: str, said: str | None) -> None:
    broken = GOOD.replace(change, {"weight": "wait", "5 MB": "5 MB"}.get(change, ""))
    if said is None:
        assert parse_table(broken).placements["feed"].figures["weight"].source.name == "page"
        return
    with pytest.raises(InvalidInput, match=said):
        parse_table(broken)


def test_a_placement_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(UsageError, match="'myspace'") as refused:
        placements_named(["meta-feed,myspace"])
    assert "meta-feed" in refused.value.hint
    with pytest.raises(UsageError, match="no placement"):
        placements_named([" , "])
    assert [one.name for one in placements_named(["x-feed, meta-feed", "X-FEED"])] == ["x-feed", "meta-feed"]
