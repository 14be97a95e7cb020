"""What the name of an ad means: against an oracle that compares every creative, for random names and edits."""

import re
import unicodedata
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from abkit.names import composed, link_key
from abkit.store.kpis.linking.matching import Candidates, NamedCreative
from abkit.vocabulary import LinkedBy

STEMS = st.builds(
    lambda words, version: "_".join(words) + version,
    st.lists(st.sampled_from(["hero", "sale", "été", "größe", "a", "b"]), min_size=1, max_size=2),
    st.sampled_from(["", "_v1", "_v11", "_v1_1", "_1080x1080", "_9x16", " (1)"]),
)
CREATIVES = st.lists(
    st.tuples(STEMS, st.sampled_from([".png", ".jpg", ".PNG"]), st.sampled_from([None, 1, 2])), min_size=1, max_size=5
)


@st.composite
def edited(draw: st.DrawFn, stem: str, extension: str) -> str:
    """A name as a platform or a person may write it."""
    stem = draw(st.sampled_from([stem, stem.upper(), stem.title(), unicodedata.normalize("NFD", stem)]))
    stem = stem.replace("_", draw(st.sampled_from(["_", "-", " ", "+", "%20", "."])))
    return stem + draw(st.sampled_from(["", extension, ".webp"])) + draw(st.sampled_from(["", " - Copy", " – Kopie 2"]))


def same(one: str, other: str) -> bool:
    """Whether two names may be the same; written without the key: extension, case, separators and copies go."""

    def bare(name: str) -> str:
        name = unicodedata.normalize("NFC", name).casefold().replace("%20", " ")
        name = re.sub(r"( [-–] ?(copy|kopie)( \d+)?)+$", "", name)
        name = re.sub(r"\.(png|jpg|webp)$", "", name)
        return re.sub(r"(?<=\d)[ _.+-]+(?=\d)", "#", name).translate(dict.fromkeys(map(ord, " _.+-")))

    return bare(one) == bare(other)


def named(creatives: Sequence[tuple[str, str, int | None]]) -> list[NamedCreative]:
    return [
        NamedCreative(number, f"/ads/{number}/{stem}{end}", composed(stem + end), link_key(stem + end), campaign)
        for number, (stem, end, campaign) in enumerate(creatives)
    ]


@settings(max_examples=300, deadline=None)
@given(creatives=CREATIVES, campaign=st.sampled_from([None, 1, 2, 3]), data=st.data())
def test_no_name_is_linked_where_several_contents_fit_and_nothing_decides(
    creatives: list[tuple[str, str, int | None]], campaign: int | None, data: st.DataObject
) -> None:
    rows = named(creatives)
    stem, end, _ = data.draw(st.sampled_from(creatives))
    name = data.draw(edited(stem, end))
    found = Candidates(rows).match(name, link_key(name), campaign)

    fitting = [row for row in rows if same(name, row.base_name)]
    inside = [row for row in fitting if row.campaign_id == campaign] if campaign else []
    scope = inside or fitting
    exact = [row for row in scope if row.base_name == composed(name)]
    if len(fitting) == 1:
        assert found.creative_id == fitting[0].creative_id
    elif found.creative_id is not None:
        chosen = rows[found.creative_id]
        assert chosen in scope
        # Of several, one is linked only for its exact name, or as the only one that needs fewer changes.
        assert exact in ([], [chosen])
        if not exact and len(scope) > 1:
            duplicate = re.compile(r" [-–] ?(copy|kopie)", re.IGNORECASE)
            assert duplicate.search(name) or any(duplicate.search(row.base_name) for row in scope)
    else:
        assert len(fitting) > 1
        assert set(found.candidates) == {row.creative_id for row in scope}


@settings(max_examples=200, deadline=None)
@given(stem=STEMS, end=st.sampled_from([".png", ".jpg"]), data=st.data())
def test_a_name_that_differs_in_extension_case_separators_or_suffix_only_is_always_linked(
    stem: str, end: str, data: st.DataObject
) -> None:
    others = [("nothing like it", ".png", 1), (stem + "x", end, 1)]
    rows = named([(stem, end, 1), *others])
    name = data.draw(edited(stem, end))
    found = Candidates(rows).match(name, link_key(name), data.draw(st.sampled_from([None, 1, 2])))
    assert found.creative_id == 0
    assert found.linked_by is (LinkedBy.NAME if composed(name) == composed(stem + end) else LinkedBy.NORMALIZED)


def test_an_exact_name_wins_only_where_it_is_the_only_one_in_the_campaign() -> None:
    rows = named([("hero", ".png", 1), ("hero", ".jpg", 2), ("Hero", ".png", 2)])
    candidates = Candidates(rows)
    for name, campaign, expected in [
        ("hero.png", None, 0),
        ("hero.png", 1, 0),
        ("hero.png", 2, None),  # the exact one is in another campaign
        ("hero.jpg", 2, 1),
        ("hero", None, None),
        ("hero", 1, 0),
        ("hero", 2, None),
        ("hero - Copy", 1, 0),
    ]:
        assert candidates.match(name, "hero", campaign).creative_id == expected, (name, campaign)
