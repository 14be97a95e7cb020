"""Exports whose names no source gives: one command with a guess for each column that is missing, each guess said."""

import random
import shlex
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import func, select

from abkit.intake.kpis.header.column_values import column_values, guess_by_values
from abkit.intake.kpis.header.fields import parse_mapping
from abkit.store.database.engine import Store
from abkit.store.schema import Ad, Campaign, Kpi
from tests.kpi_files import run_import, write

ADS = [("Spring", "hero_blue"), ("Spring", "hero_red"), ("Brand", "couple-beach"), ("Brand", "dog"), ("Sale", "30off")]
DAYS = 6

# What the columns are called is made up as a person of that language would; no recipe has it, or has only some of it.
SWEDISH_META = [
    ("Rapporteringsstart", "day"), ("Rapporteringsslut", "day"), ("Kampanjnamn", "campaign"), ("Annonsnamn", "ad"),
    ("Annonsleverans", "active"), ("Räckvidd", "reach"), ("Visningar", "impressions"), ("Frekvens", "frequency"),
    ("Länkklick", "clicks"), ("Belopp spenderat (SEK)", "spend"), ("CPC (kostnad per länkklick) (SEK)", "cpc"),
    ("Köp", "conversions"), ("Köpvärde (SEK)", "revenue"),
]  # fmt: skip
DUTCH_GOOGLE = [
    ("Dag", "day"), ("Campagne", "campaign"), ("Advertentiekop", "ad"), ("Advertentie-id", "id"),
    ("Valuta-aanduiding", "EUR"), ("Aantal keer getoond", "impressions"), ("Klikken", "clicks"),
    ("Doorklikratio", "rate"), ("Gem. prijs", "cpc"), ("Totaalprijs", "spend"), ("Conversies", "conversions"),
]  # fmt: skip
POLISH_LINKEDIN = [
    ("Początek okresu", "day"), ("Grupa", "campaign"), ("Kreacja", "ad"), ("Identyfikator kreacji", "id"),
    ("Liczba pokazań", "impressions"), ("Liczba przejść", "clicks"), ("Współczynnik", "rate"),
    ("Łącznie wydano", "spend"), ("Pozyskane kontakty", "conversions"),
]  # fmt: skip
KOREAN_TIKTOK = [
    ("캠페인 이름", "campaign"), ("광고 이름", "ad"), ("기준일자", "day"), ("게재 횟수", "impressions"),
    ("목적지 방문", "clicks"), ("소진액 (KRW)", "whole spend"), ("완료 수", "conversions"), ("목적지 방문률", "rate"),
]  # fmt: skip
CHINESE_GOOGLE = [
    ("天", "day"), ("推广计划", "campaign"), ("创意", "ad"), ("创意编号", "id"), ("展现量", "impressions"),
    ("点击", "clicks"), ("点击率", "rate"), ("消费", "spend"), ("转化", "conversions"),
]  # fmt: skip
RUSSIAN = [
    ("День", "day"), ("Кампания", "campaign"), ("Объявление", "ad"), ("Показы", "impressions"), ("Клики", "clicks"),
    ("Расход", "spend"), ("Цена клика", "cpc"), ("Достижения", "conversions"),
]  # fmt: skip
EXPORTS = {
    "Swedish": SWEDISH_META, "Dutch": DUTCH_GOOGLE, "Polish": POLISH_LINKEDIN, "Korean": KOREAN_TIKTOK,
    "Chinese": CHINESE_GOOGLE, "Russian": RUSSIAN,
}  # fmt: skip


def delivery(seed: int = 7) -> list[dict[str, str]]:
    """Rows as a small account has them, by role."""
    chance = random.Random(seed)
    made = []
    for day in range(1, DAYS + 1):
        for number, (campaign, ad) in enumerate(ADS):
            impressions = chance.randint(1_500, 24_000)
            clicks = max(3, round(impressions * chance.uniform(0.006, 0.03)))
            conversions = round(clicks * chance.uniform(0, 0.12))
            spend = round(clicks * chance.uniform(0.3, 0.9), 2)
            made.append({
                "day": f"2026-03-{day:02d}", "campaign": campaign, "ad": ad, "id": f"1202100000{number}",
                "impressions": str(impressions), "reach": str(round(impressions / 1.4)), "frequency": "1.40",
                "clicks": str(clicks), "conversions": str(conversions), "spend": f"{spend:.2f}",
                "whole spend": str(round(spend * 1400)), "cpc": f"{spend / clicks:.2f}",
                "rate": f"{clicks / impressions:.2%}", "revenue": f"{conversions * 61.5:.2f}",
            })  # fmt: skip
    return made


def cells(columns: Sequence[tuple[str, str]]) -> list[list[str]]:
    return [[row.get(role, role) for _, role in columns] for row in delivery()]


def command(hint: str | None) -> list[str]:
    """The command of a hint, as a shell reads it."""
    assert hint is not None
    assert hint.startswith("say which is which: abkit kpi import ")
    return shlex.split(hint.partition(": ")[2].partition("; check the guesses")[0])


def mapping(words: Sequence[str]) -> dict[str, str]:
    return parse_mapping([after for word, after in pairwise(words) if word == "--map"])


@pytest.mark.parametrize("language", EXPORTS)
def test_the_command_of_the_refusal_imports_the_file_as_it_is(
    sqlite_store: Store, tmp_path: Path, language: str
) -> None:
    columns, path = EXPORTS[language], tmp_path / "my export.csv"
    lines = [";".join(name for name, _ in columns), *(";".join(row) for row in cells(columns))]
    write(path, "\n".join(lines) + "\n")
    refused = run_import(sqlite_store, path)[0]
    assert refused.imported == 0
    words = command(refused.hint)
    assert words[:4] == ["abkit", "kpi", "import", str(path)]
    said = mapping(words)
    for column, field in said.items():
        assert f"{column!r} is {field} by its " in (refused.hint or "")

    landed = run_import(sqlite_store, path, mapping=said)[0]
    assert (landed.error, landed.imported, landed.rejected) == (None, len(ADS) * DAYS, 0), landed
    roles = {role for _, role in columns}
    spend = "whole spend" if "whole spend" in roles else "spend"
    with sqlite_store.read() as session:
        for field, role in (("impressions",) * 2, ("clicks",) * 2, ("conversions",) * 2, ("spend", spend)):
            total = sum(float(row[role]) for row in delivery())
            assert session.scalar(select(func.sum(getattr(Kpi, field)))) == pytest.approx(total, abs=0.005), field
        assert session.scalar(select(func.count(func.distinct(Kpi.period_start)))) == DAYS
        assert set(session.scalars(select(Ad.creative_name))) == {ad for _, ad in ADS}
        assert len(session.scalars(select(Campaign)).all()) == len({campaign for campaign, _ in ADS})


def test_titles_above_an_unknown_header_are_no_header(sqlite_store: Store, tmp_path: Path) -> None:
    lines = ["Отчёт по кампаниям", "1 марта 2026 г. – 6 марта 2026 г.", ""]
    lines += [";".join(name for name, _ in RUSSIAN), *(";".join(row) for row in cells(RUSSIAN))]
    path = write(tmp_path / "k.csv", "\n".join(lines) + "\n")
    said = mapping(command(run_import(sqlite_store, path)[0].hint))
    assert said["Показы"] == "impressions"
    assert run_import(sqlite_store, path, mapping=said)[0].imported == len(ADS) * DAYS
    # The mapping is remembered for a header that no recipe knows, too.
    again = write(tmp_path / "later.csv", path.read_text(encoding="utf-8").replace("2026-03", "2026-04"))
    assert run_import(sqlite_store, again)[0].imported == len(ADS) * DAYS


def test_parquet_is_guessed_by_its_values_as_well(sqlite_store: Store, tmp_path: Path) -> None:
    frame = pl.DataFrame(cells(RUSSIAN), schema=[name for name, _ in RUSSIAN], orient="row")
    path = tmp_path / "k.parquet"
    numbers = [name for name, role in RUSSIAN if role in ("impressions", "clicks", "conversions")]
    frame.with_columns(pl.col(numbers).cast(pl.Int64), pl.col("Расход").cast(pl.Float64)).write_parquet(path)
    said = mapping(command(run_import(sqlite_store, path)[0].hint))
    assert said == {
        "День": "day", "Кампания": "campaign_name", "Объявление": "ad_name", "Показы": "impressions",
        "Клики": "clicks", "Расход": "spend", "Достижения": "conversions",
    }  # fmt: skip


WANTED = ("day", "ad", "impressions", "clicks", "conversions", "spend")


def guessed(columns: Sequence[tuple[str, str]]) -> dict[str, str]:
    values = column_values([name for name, _ in columns], cells(columns))
    return {guess.column: guess.field for guess in guess_by_values(WANTED, values, {})}


def test_reach_is_not_clicks_and_an_average_cost_is_not_spend() -> None:
    roles = ("reach", "clicks", "impressions", "cpc", "spend", "revenue")
    found = guessed(list(zip("abcdef", roles, strict=True)))
    assert found == {"b": "clicks", "c": "impressions", "e": "spend"}


def test_two_columns_of_other_dates_are_a_period() -> None:
    rows = [["2026-03-01", "2026-03-31", "hero"], ["2026-03-01", "2026-03-31", "dog"]]
    values = column_values(["von", "bis", "was"], rows)
    assert {guess.column: guess.field for guess in guess_by_values(WANTED, values, {})} == {
        "von": "period_start", "bis": "period_end", "was": "ad_name",
    }  # fmt: skip


def test_file_names_are_the_ad_wherever_they_stand() -> None:
    rows = [["hero.png", "text one", "x"], ["hero.png", "text two", "y"], ["dog.jpg", "text three", "z"]]
    values = column_values(["a", "b", "c"], rows)
    assert {guess.column: guess.field for guess in guess_by_values(WANTED, values, {})} == {"a": "ad_name"}


def test_words_of_a_platform_are_no_guess_for_a_column_that_holds_something_else(
    sqlite_store: Store, tmp_path: Path
) -> None:
    header = "day,ad,Impressions share,total seen,clicks"
    lines = [f"2026-03-{day:02d},a,{day}.5%,{1000 + day},{day}" for day in range(1, 9)]
    path = write(tmp_path / "k.csv", "\n".join([header, *lines]) + "\n")
    refused = run_import(sqlite_store, path)[0]
    assert mapping(command(refused.hint)) == {"total seen": "impressions"}


def test_three_words_are_still_no_header(sqlite_store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "k.csv", "alpha;beta;gamma\nx;y;z\n")
    assert "no header in the first lines" in (run_import(sqlite_store, path)[0].error or "")


@pytest.mark.parametrize(
    ("header", "line", "never"),
    [
        # Two columns that could be what was spent: neither is what people bought.
        ("Date,Ad ID,Impressions,Clicks,Media Cost,Total Cost", "2026-01-05,1,1000,10,5,7", "Cost=conversions"),
        ("Date,Ads clicks,Ads cost,Ads impressions", "20260105,10,5,1000", "Ads cost=ad"),
    ],
)
def test_figures_are_never_guessed_as_something_that_they_are_not(
    sqlite_store: Store, tmp_path: Path, header: str, line: str, never: str
) -> None:
    (summary,) = run_import(sqlite_store, write(tmp_path / "k.csv", f"{header}\n{line}\n"))
    assert summary.error is not None
    assert summary.hint is not None
    assert never not in summary.hint


@pytest.mark.parametrize(
    ("group", "ad"),
    [
        ("ID du groupe d'annonces", "ID de l'annonce"),
        ("Anzeigengruppen-ID alt", "Anzeigen-ID alt"),
        ("Identificador del grupo de anuncios", "Identificador del anuncio"),
        ("ID gruppo di annunci", "ID annuncio"),
        ("広告グループのID番号", "広告のID番号"),
    ],
)
def test_a_group_of_ads_is_not_guessed_to_be_the_ad(sqlite_store: Store, tmp_path: Path, group: str, ad: str) -> None:
    lines = [
        f"2026-03-{day:02d},77,88{number},{1500 + 10 * day},{20 + day}" for day in range(1, 7) for number in range(3)
    ]
    path = write(tmp_path / "k.csv", "\n".join([f"Day,{group},{ad},Impressions,Clicks", *lines]) + "\n")
    (done,) = run_import(sqlite_store, path)
    assert f"{group}=ad" not in (done.hint or "").replace("'\"'\"'", "'")
    if done.error:
        assert f"{ad!r} is ad" in (done.hint or "") or "THEIR COLUMN=ad" in (done.hint or "")
