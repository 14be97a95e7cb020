"""Scores and shortlists as a person sees them: names that stay apart, few lines, reasons on demand."""

from dataclasses import replace
from pathlib import Path

import pytest

from abkit.reporting.tables.scores.scoring import reasons
from abkit.reporting.tables.show import as_html, as_text
from abkit.vocabulary import FileState
from abkit.workflows.scoring.results import Candidate, ScoredFile, ScoringResult, Shortlist

NAMES = [
    "spring-sale-hero-with-blue-background-1080x1920.png",
    "spring-sale-hero-with-red-background-1080x1920.png",
    "short.png",
]


def shortlist() -> Shortlist:
    creatives = [
        Candidate(
            creative=name,
            names=(f"/ads/{name}",),
            sha256=f"{place}" * 64,
            kept=place < 1,
            reason=f"reason {place}",
            rank=place + 1,
            score=5.25 - place,
            ci_low=4.0,
            ci_high=6.5,
            ci_level=0.9,
            p_best=(0.997, 0.0021, 0.0009)[place],
            p_beats_next=0.75,
            tie_group=1,
        )
        for place, name in enumerate(NAMES)
    ]
    return Shortlist(
        creatives=tuple(creatives),
        campaign="spring",
        n=3,
        unscored=0,
        kept=1,
        p_best_kept=0.997,
        p_best_demanded=0.9,
        tie_threshold=0.9,
        clear=True,
        why="the best one is kept",
        error_spread=0.5,
        error_spread_from="measured",
        error_spread_measured=True,
        method="normal",
        calibration=None,
        relation=("score and CTR: not known",),
        model_version="d" * 64,
        model_name="ours",
        scale=(1, 7),
        demonstration=True,
        notice="for show",
        note="",
        run_id=3,
    )


def scoring(*files: ScoredFile) -> ScoringResult:
    return ScoringResult(
        files=files,
        campaign="spring",
        model_version="d" * 64,
        model_name="ours",
        demonstration=True,
        notice="for show",
        run_id=3,
        ignored=0,
        note="",
    )


def scored(path: str) -> ScoredFile:
    return ScoredFile(
        path=Path(path), status=FileState.SCORED, sha256="a" * 64, mean=4.0, ci_level=0.9, scale=(1, 7), rank=1, n=2
    )


def test_at_80_columns_a_shortlist_has_one_line_per_creative_and_no_two_names_look_the_same() -> None:
    lines = as_text(shortlist(), 80).splitlines()
    assert max(len(line) for line in lines[:5]) <= 80
    names = [line.split()[0] for line in lines[2:5]]
    assert names[2] == "short.png"
    assert ("blue" in names[0], "red" in names[1]) == (True, True)
    assert lines[5] == ""


def test_probabilities_are_never_certain_and_stand_to_the_right() -> None:
    lines = as_text(shortlist(), 120).splitlines()
    ends = {line.index(shown) + len(shown) for line, shown in zip(lines[2:5], (">0.99", "<0.01", "<0.01"), strict=True)}
    assert len(ends) == 1


def test_reasons_come_on_demand_with_the_number_of_copies() -> None:
    result = shortlist()
    assert "reason 0" not in as_text(result, 80)
    assert reasons(result)[2] == "short.png: reason 2"
    copied = replace(result.creatives[2], names=("/ads/short.png", "/ads/copy.png", "/ads/other.png"))
    assert reasons(replace(result, creatives=(copied,))) == ["short.png (+2 copies): reason 2"]


def test_scores_show_file_names_with_the_folders_that_tell_them_apart() -> None:
    text = as_text(scoring(scored("ads/new/a.png"), scored("ads/old/a.png"), scored("ads/old/b.png")), 80)
    assert [line.split()[0] for line in text.splitlines()[2:5]] == ["new/a.png", "old/a.png", "b.png"]


def test_the_demonstration_is_noted_once_and_not_where_nothing_was_scored() -> None:
    rejected = ScoredFile(path=Path("a.png"), status=FileState.REJECTED, reason="cut off")
    assert as_text(scoring(scored("a.png"))).count("for show") == 1
    assert "for show" not in as_text(scoring(rejected))
    assert "rejected: a.png: cut off" in as_text(scoring(rejected))


def test_a_name_from_outside_cannot_move_the_cursor() -> None:
    assert "\x1b" not in as_text(scoring(scored("ads/a\x1b[2J.png")))


@pytest.mark.parametrize("gone", [True, False])
def test_a_notebook_shows_the_image_that_was_scored_and_nothing_where_it_is_gone(tmp_path: Path, gone: bool) -> None:
    from abkit.intake.media.images import hash_file
    from tests.images import save_images

    (path,) = save_images(tmp_path, 1)
    digest = hash_file(path, max_bytes=2**20)
    file = replace(scored(str(path)), sha256="0" * 64 if gone else digest)
    assert ("data:image/webp;base64," in as_html(scoring(file))) is not gone
