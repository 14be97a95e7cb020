"""Each figure of a placement, from both sides."""

from collections.abc import Sequence

import pytest

from abkit.intake.media.animation_times import Playing
from abkit.intake.media.placements import placement_table, placements_named
from abkit.vocabulary import PreflightCheck
from abkit.workflows.preflight.rules import Facts, hold_against


def facts(size: tuple[int, int], **rest: object) -> Facts:
    given = {"media_type": "image/png", "bytes": 10_000, **rest}
    return Facts(width=size[0], height=size[1], **given)  # type: ignore[arg-type]


def said(name: str, facts: Facts) -> list[tuple[str, str]]:
    (placement,) = placements_named([name])
    return [(finding.check.value, finding.verdict.value) for finding in hold_against(facts, placement).findings]


LOOPS = Playing(frames=4, seconds=4.0, plays=0)
STOPS = Playing(frames=4, seconds=4.0, plays=7)
FAST = Playing(frames=60, seconds=10.0, plays=1)
LONG = Playing(frames=251, seconds=100.0, plays=1)


@pytest.mark.parametrize(
    ("placement", "good", "bad", "finding"),
    [
        ("google-300x250", facts((300, 250)), facts((300, 251)), ("size", "fail")),
        ("google-display", facts((980, 120)), facts((981, 120)), ("size", "fail")),
        ("google-300x250", facts((300, 250)), facts((300, 250), media_type="image/webp"), ("format", "fail")),
        ("google-300x250", facts((300, 250), bytes=150_000), facts((300, 250), bytes=153_601), ("weight", "fail")),
        ("google-300x250", facts((300, 250), bytes=150_000), facts((300, 250), bytes=150_001), ("weight", "warn")),
        ("google-300x250", facts((300, 250), playing=STOPS), facts((300, 250), playing=LOOPS), ("animation", "fail")),
        ("google-300x250", facts((300, 250), playing=STOPS), facts((300, 250), playing=FAST), ("animation", "fail")),
        ("google-responsive", facts((1200, 628)), facts((1200, 650)), ("ratio", "fail")),
        ("google-responsive", facts((1200, 1200)), facts((299, 299)), ("size", "fail")),
        ("google-responsive", facts((1200, 1200)), facts((1000, 1000)), ("size", "warn")),
        ("google-responsive", facts((1200, 1200)), facts((1200, 1200), playing=STOPS), ("animation", "fail")),
        ("google-responsive", facts((1200, 628), text_share=0.2), facts((1200, 628), text_share=0.3), ("text", "warn")),
        ("meta-feed", facts((1080, 1350)), facts((1080, 1920)), ("ratio", "fail")),
        ("meta-feed", facts((1200, 628)), facts((1300, 600)), ("ratio", "fail")),
        ("meta-story", facts((1440, 2560)), facts((1440, 1440)), ("ratio", "warn")),
        ("meta-story", facts((1440, 2560)), facts((499, 887)), ("size", "fail")),
        ("youtube-thumbnail", facts((1280, 720)), facts((1280, 720), bytes=3_000_000), ("weight", "warn")),
        ("linkedin-feed", facts((4320, 4320)), facts((4321, 4321)), ("size", "fail")),
        ("linkedin-feed", facts((1200, 628), playing=STOPS), facts((1200, 628), playing=LONG), ("animation", "fail")),
        ("x-feed", facts((800, 800)), facts((800, 800), playing=STOPS), ("animation", "warn")),
        (
            "snapchat",
            facts((1080, 1920), text_in=lambda zones: dict.fromkeys(zones, 0.01)),
            facts((1080, 1920), text_in=lambda zones: {"top": 0.3}),
            ("zones", "warn"),
        ),
        (
            "tiktok-feed",
            facts((540, 960), media_type="video/mp4", film_seconds=600),
            facts((540, 960), media_type="video/mp4", film_seconds=601),
            ("animation", "fail"),
        ),
        (
            "tiktok-feed",
            facts((540, 960), media_type="video/mp4", film_seconds=9),
            facts((540, 960), media_type="video/webm", film_seconds=9),
            ("format", "fail"),
        ),
        (
            "tiktok-feed",
            facts((540, 960), media_type="video/mp4", film_seconds=9),
            facts((540, 960), media_type="video/mp4", film_seconds=9, bytes=600_000_000),
            ("weight", "fail"),
        ),
    ],
)  # fmt: skip
def test_each_figure_lets_pass_what_it_asks_and_nothing_beyond(
    placement: str, good: Facts, bad: Facts, finding: tuple[str, str]
) -> None:
    assert said(placement, good) == []
    assert said(placement, bad) == [finding]


def test_a_ratio_may_be_off_by_what_whole_pixels_make_of_it() -> None:
    assert said("snapchat", facts((1080, 1919))) == []
    assert ("ratio", "fail") in said("snapchat", facts((1080, 1880)))


def test_a_film_where_the_table_knows_only_images_is_not_passed() -> None:
    assert said("meta-feed", facts((1080, 1080), media_type="video/mp4", film_seconds=9)) == [("format", "warn")]


def test_what_was_checked_is_said_and_nothing_else() -> None:
    (placement,) = placements_named(["amazon-display"])
    verdict = hold_against(facts((300, 250)), placement)
    assert verdict.checked == (PreflightCheck.SIZE, PreflightCheck.ANIMATION)


def test_every_finding_says_what_to_do_and_names_its_page() -> None:
    odd = facts((97, 31), media_type="image/bmp", bytes=10**9, playing=Playing(frames=999, seconds=9.0, plays=0),
                text_share=0.9, text_in=lambda zones: dict.fromkeys(zones, 0.9))  # fmt: skip
    for placement in placement_table().placements.values():
        findings: Sequence = hold_against(odd, placement).findings
        assert findings, placement.name
        for finding in findings:
            assert finding.advice
            assert finding.source.startswith(("https://", "http://"))
            assert finding.reason
