"""Which column is which field: recipes of platforms, a key before its name, and one command for all that is missing."""

import unicodedata
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from abkit.errors import InvalidInput
from abkit.intake.kpis.header.columns import Columns, find_columns
from abkit.intake.kpis.header.missing_columns import require_fields, suggest_mapping
from abkit.intake.kpis.header.platforms import load_recipes
from abkit.intake.kpis.reading import KpiOptions


def found(*names: str, **mapping: str) -> dict[str, str]:
    """By field, the name of its column."""
    return _named(find_columns(names, mapping))


def _named(columns: Columns) -> dict[str, str]:
    return {field: columns.names[index] for field, index in columns.position.items()}


def test_a_key_identifies_and_its_name_is_the_label() -> None:
    names = ("Day", "Campaign name", "Campaign ID", "Ad name", "Ad ID", "Account name", "Account ID")
    columns = find_columns((*names, "Impressions", "Link clicks", "Amount spent (EUR)"), {})
    fields = _named(columns)
    assert (fields["campaign"], fields["campaign_name"]) == ("Campaign ID", "Campaign name")
    assert fields["account"] == "Account ID"
    assert (fields["ad"], fields["creative"]) == ("Ad ID", "Ad name")
    notes = " ".join(columns.notes)
    for one, other in (("Campaign ID", "Campaign name"), ("Account ID", "Account name"), ("Ad ID", "Ad name")):
        assert f"{one!r}, named by {other!r}" in notes


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_key_wins_wherever_it_stands_and_whatever_the_name_is_called(order: Sequence[int]) -> None:
    pair = ("Campaign", "Campaign ID")
    fields = found("date", "ad", *(pair[index] for index in order), "impressions", "clicks")
    assert (fields["campaign"], fields["campaign_name"]) == ("Campaign ID", "Campaign")


def test_a_name_stands_for_a_key_that_is_missing() -> None:
    fields = found("Day", "Campaign name", "Ad name", "Account name", "Impressions", "Clicks")
    assert fields["campaign"] == "Campaign name"
    assert fields["account"] == "Account name"
    assert fields["creative"] == "Ad name"
    assert "ad" not in fields
    assert "ad_name" not in fields


def test_a_creative_column_names_the_creative_even_beside_the_name_of_the_ad() -> None:
    fields = found("Day", "Ad name", "Creative", "Impressions", "Clicks")
    assert (fields["creative"], fields["ad_name"]) == ("Creative", "Ad name")


def test_link_clicks_are_the_clicks_of_meta_and_a_note_says_so() -> None:
    for names in (("Clicks (all)", "Link clicks"), ("Link clicks", "Clicks (all)")):
        columns = find_columns(["Day", "Ad name", "Ad set name", "Impressions", *names, "Amount spent (USD)"], {})
        assert _named(columns)["clicks"] == "Link clicks"
        assert columns.notes == ["clicks is 'Link clicks', not 'Clicks (all)' (--map 'Clicks (all)=clicks')"]
        assert "Clicks (all)" not in columns.unused


def test_map_decides_against_the_recipe() -> None:
    names = ["Day", "Ad name", "Impressions", "Link clicks", "Clicks (all)", "Amount spent (USD)"]
    columns = find_columns(names, {"Clicks (all)": "clicks"})
    assert _named(columns)["clicks"] == "Clicks (all)"


def test_the_currency_is_the_one_in_the_brackets_whatever_they_look_like() -> None:
    for name, currency in (("消化金額（JPY）", "JPY"), ("Amount spent (USD)", "USD"), ("Spend [€]", "EUR")):
        columns = find_columns(["day", "ad", "impressions", "clicks", name], {})
        assert columns.currency == currency
        assert _named(columns)["spend"] == name


def test_columns_that_are_known_and_not_needed_are_not_called_unused() -> None:
    columns = find_columns(["Day", "Ad name", "Impressions", "Link clicks", "Amount spent (USD)", "Reach", "Theme"], {})
    assert columns.unused == ["Theme"]


def test_a_header_is_of_a_platform_only_with_a_whole_signature() -> None:
    assert find_columns(["Day", "Ad ID", "Impressions", "Link clicks"], {}).platform == ""
    assert find_columns(["Day", "Ad ID", "Impressions", "Link clicks", "Amount spent (USD)"], {}).platform == "meta"


def test_names_are_compared_composed_and_without_case() -> None:
    decomposed = "Nome do anu\u0301ncio"
    fields = found("DIA", decomposed, "impresso\u0303es", "CLIQUES NO LINK", "Valor usado (BRL)")
    assert (fields["day"], fields["creative"]) == ("DIA", unicodedata.normalize("NFC", decomposed))


def test_one_command_names_every_column_that_is_missing_or_undecided() -> None:
    columns = find_columns(["Dayy", "Advert", "Imprssions", "Link clicks", "Clicks (all)"], {})
    with pytest.raises(InvalidInput) as refused:
        require_fields(columns, period_given=False, command="abkit kpi import 'my file.csv' --decimal ,")
    assert "'Link clicks' and 'Clicks (all)' could both be clicks" in refused.value.message
    assert "no column is day (or period_start and period_end), ad (or creative) and imp" in refused.value.message
    assert refused.value.hint is not None
    command = refused.value.hint.partition(": ")[2].partition(";")[0]
    assert command.startswith("abkit kpi import 'my file.csv' --decimal , --map ")
    for option in ("'Link clicks=clicks'", "'Imprssions=impressions'", "'Dayy=day'"):
        assert f"--map {option}" in command
    assert command.count("--map") == 4


def test_the_command_of_the_hint_is_accepted_as_it_is() -> None:
    names = ["Dayy", "Ad nme", "Imprssions", "CLICK COUNT"]
    guesses = suggest_mapping(find_columns(names, {}), ["day", "ad", "impressions", "clicks"])
    assert set(guesses) == set(names)
    require_fields(find_columns(names, guesses), period_given=False)


def test_the_command_keeps_all_that_was_said() -> None:
    options = KpiOptions(
        mapping={"Theme": "other"}, decimal=",", dayfirst=False, account="a b", encoding="utf-16", header_line=3,
        sheet="Q1", time_zone="Europe/Berlin", period=(date(2026, 1, 1), date(2026, 1, 31)),
    )  # fmt: skip
    assert options.command(Path("my file.csv")) == (
        "abkit kpi import 'my file.csv' --map Theme=other --no-dayfirst --decimal , --account 'a b' --encoding utf-16 "
        "--header-line 3 --sheet Q1 --time-zone Europe/Berlin --period 2026-01-01..2026-01-31"
    )


def test_two_columns_of_one_name_are_to_be_renamed() -> None:
    columns = find_columns(["day", "ad", "impressions", "clicks", "clicks"], {})
    with pytest.raises(InvalidInput, match="could both be clicks") as refused:
        require_fields(columns, period_given=False)
    assert refused.value.hint == "rename all but one of them in the file"


RECIPE = """
platform = "shopnet"
title = "Shop Net"
signatures = [["Werbemittel-Nr", "Sichtkontakte"]]

[[headers]]
language = "de"
source = "our own export"
day = ["Buchungstag"]
ad = ["Werbemittel-Nr"]
impressions = ["Sichtkontakte"]
clicks = ["Besuche"]
conversions = ["Bestellungen"]
events = { "Bestellungen" = "order" }
windows = { "Bestellungen" = "7d" }
"""


def test_a_recipe_of_the_user_is_read_beside_those_of_abkit(tmp_path: Path) -> None:
    (tmp_path / "shopnet.toml").write_text(RECIPE, encoding="utf-8")
    names = ["Buchungstag", "Werbemittel-Nr", "Sichtkontakte", "Besuche", "Bestellungen"]
    for extra in (tmp_path, tmp_path / "shopnet.toml"):
        columns = find_columns(names, {}, load_recipes(extra))
        assert columns.platform == "shopnet"
        assert (columns.event, columns.attribution_window) == ("order", "7d")
        require_fields(columns, period_given=False)
    assert find_columns(["Day", "Amount spent", "Link clicks"], {}, load_recipes(tmp_path)).platform == "meta"


def test_a_recipe_of_the_user_adds_names_to_a_platform_that_is_known(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'platform = "meta"\ntitle = "Meta Ads"\n[[headers]]\nlanguage = "fi"\nsource = "ours"\nspend = ["Käytetty"]\n',
        encoding="utf-8",
    )
    columns = find_columns(["Day", "Ad name", "Amount spent", "Link clicks", "Käytetty"], {}, load_recipes(path))
    assert columns.platform == "meta"
    assert _named(columns)["spend"] == "Käytetty"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("platform = ", "Invalid value"),
        ('platform = "x"', "'headers' is missing"),
        (RECIPE.replace("clicks =", "klicks ="), "there is no field 'klicks'"),
        (RECIPE.replace('["Besuche"]', '"Besuche"'), "clicks is not a list of names"),
        (RECIPE.replace('source = "our own export"\n', ""), "'source' is missing"),
    ],
)
def test_what_is_no_recipe_is_refused_with_its_name(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"own\.toml is not a recipe") as refused:
        load_recipes(path)
    assert reason in refused.value.message


def test_a_recipe_that_is_missing_or_huge_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        load_recipes(tmp_path / "none.toml")
    (tmp_path / "big.toml").write_bytes(b"#" * (2 << 20))
    with pytest.raises(InvalidInput, match="larger than 1 MB"):
        load_recipes(tmp_path / "big.toml")


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("conversions", "Conversions (%)"),
        ("conversions", "% Conversions"),
        ("conversions", "Conversions (EUR)"),
        ("conversions", "Conversions ($)"),
        ("clicks", "Clicks ±"),
        ("clicks", "Clicks +/-"),
        ("clicks", "Clicks (€)"),
        ("impressions", "⌀ Impressions"),
        ("impressions", "Impressions (∆)"),
        ("spend", "Cost %"),
    ],
)
def test_a_share_a_change_or_an_amount_is_not_the_figure_that_its_name_begins_with(field: str, other: str) -> None:
    names = {"day": "Day", "ad": "Ad ID", "impressions": "Impressions", "clicks": "Clicks", "spend": "Cost"}
    found = find_columns([*(name for key, name in names.items() if key != field), other], {})
    assert field not in found.position
    assert other in found.unused
    both = find_columns([*names.values(), "Conversions", other], {})
    assert both.position[field] == both.names.index({**names, "conversions": "Conversions"}[field])
    assert not both.undecided
