"""What a file name says about its idea: the same for all sizes of one, and different for variants."""

import pytest

from abkit.intake.idea_names import idea_name


@pytest.mark.parametrize(
    ("name", "size", "idea"),
    [
        ("spring-hero_1080x1080.png", (1080, 1080), "spring-hero"),
        ("Spring Hero 1080×1920.JPG", (1080, 1920), "spring-hero"),
        ("spring_hero-9x16.mp4", (720, 1280), "spring-hero"),
        ("SPRING-HERO (story).png", (1080, 1920), "spring-hero"),
        ("spring_hero_300_250.gif", (300, 250), "spring-hero"),
        ("spring.hero@2x.png", (600, 500), "spring-hero"),
        ("spring_hero_1200px_landscape.webp", (1200, 628), "spring-hero"),
        # A variant is another idea, whatever it is called.
        ("spring-hero_v2_1080x1080.png", (1080, 1080), "spring-hero-v2"),
        ("spring-hero_v11_1080x1080.png", (1080, 1080), "spring-hero-v11"),
        ("spring-hero (1).png", (1080, 1080), "spring-hero-1"),
        ("spring-hero-300.png", (1080, 1080), "spring-hero-300"),
        ("blue/1080x1080.png", (1080, 1080), "blue"),
        ("C:\\ads\\red\\9x16.png", (1080, 1920), "red"),
        ("1x1/1080x1080.png", (1080, 1080), ""),
        ("cafe\u0301_1x1.png", (500, 500), "caf\u00e9"),
        ("春のセール_1080x1080.png", (1080, 1080), "春のセール"),
    ],
)
def test_the_size_and_the_place_are_no_part_of_the_idea(name: str, size: tuple[int, int], idea: str) -> None:
    assert idea_name(name, *size) == idea
