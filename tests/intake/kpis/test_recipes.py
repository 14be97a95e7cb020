"""The recipes that come with abkit: every name has a source, and the docs list what is sourced and what is missing."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from abkit.intake.kpis.header.columns import find_columns
from abkit.intake.kpis.header.fields import FIELDS, LABELS, plain_name
from abkit.intake.kpis.header.platforms import UNUSED, Recipe, common_meanings, load_recipes
from tests.platform_exports import EXPORTS

ROOT = Path(__file__).resolve().parents[3]
RECIPES = load_recipes()
PLATFORMS = [recipe for recipe in RECIPES if recipe.platform]


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("platform_exports", ROOT / "benchmarks" / "platform_exports.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.title)
def test_every_block_of_names_has_a_source_that_can_be_looked_up(recipe: Recipe) -> None:
    own = ("reported export",) if recipe.platform else ("the field's own name, or the plain word for it",)
    for block in recipe.headers:
        assert block.source.startswith(("https://", "http://")) or block.source in own, block.source
        assert len(block.language) == 2


@pytest.mark.parametrize("recipe", PLATFORMS, ids=lambda recipe: recipe.title)
def test_no_name_of_a_platform_means_two_things(recipe: Recipe) -> None:
    for block in recipe.headers:
        for field, names in block.names.items():
            for name in names:
                assert recipe.meanings[plain_name(name)].field == field, name


@pytest.mark.parametrize("recipe", PLATFORMS, ids=lambda recipe: recipe.title)
def test_the_names_of_its_signatures_are_names_of_the_platform(recipe: Recipe) -> None:
    for signature in recipe.signatures:
        assert len(signature) > 1
        assert not signature - recipe.meanings.keys() - common_meanings(RECIPES).keys() - {"fbcampaignid"}


@pytest.mark.parametrize("recipe", PLATFORMS, ids=lambda recipe: recipe.title)
def test_events_and_windows_are_of_names_that_the_block_has(recipe: Recipe) -> None:
    for block in recipe.headers:
        names = {name for key, those in block.names.items() if key != UNUSED for name in those}
        assert {*block.events, *block.windows} <= names


def test_each_field_is_known_by_its_own_name() -> None:
    for field in FIELDS:
        spaced = field.replace("_", " ").upper()
        columns = find_columns(["day", spaced] if field != "day" else [spaced], {})
        assert not columns.unused
        assert common_meanings(RECIPES)[plain_name(field)].field in (field, LABELS.get(field))


def test_no_header_is_taken_for_another_platform() -> None:
    for export in EXPORTS:
        found = find_columns([header for header, _ in export.columns], {})
        assert found.platform == export.platform, export.title


def test_the_docs_list_each_platform_and_language_as_the_recipes_have_it(benchmark: ModuleType) -> None:
    page = ROOT / "docs" / "platforms.md"
    assert page.read_text(encoding="utf-8") == benchmark.put(page, benchmark.sources())


def test_the_table_of_results_has_each_export_and_nothing_went_wrong() -> None:
    text = (ROOT / "docs" / "kpi-files.md").read_text(encoding="utf-8")
    table = text.split("<!-- made by benchmarks/platform_exports.py -->")[1].split("<!-- end -->")[0]
    lines = [line for line in table.splitlines() if line.startswith("| ")][2:]
    assert len(lines) == len(EXPORTS)
    for line, export in zip(lines, EXPORTS, strict=True):
        maps = ", ".join(f"`{option}`" for option in export.needs_map) or "–"
        recognized = export.platform or "–"
        assert line == f"| {export.title} | {export.language} | {recognized} | 12 of 12 | yes | {maps} |"
