"""Words for "all of it" among segments are known in the languages of exports; names that begin alike are not."""

import pytest

from abkit.store.kpis.once.rule import means_all
from abkit.vocabulary import Dimension


@pytest.mark.parametrize(
    ("dimension", "value"),
    [
        ("country", "Alle Länder"), ("country", "Tous les pays"), ("country", "Todos los países"),
        ("country", "Tutti i paesi"), ("country", "ALLE LANDEN"), ("country", "Wszystkie kraje"),
        ("country", "Все страны"), ("country", "Tüm ülkeler"), ("country", "Alla länder"), ("country", "Všechny země"),
        ("country", "すべての国"), ("country", "所有国家"), ("country", "전체 국가"), ("country", "*"),
        ("country", "Worldwide"), ("placement", "Todas las ubicaciones"), ("placement", "Alle Platzierungen"),
        ("placement", "Tutti i posizionamenti"), ("placement", "Toutes les plateformes"), ("device", "所有设备"),
        ("device", "Wszystkie urządzenia"), ("device", "모든 기기"), ("age", "Tüm yaşlar"), ("gender", "すべての性別"),
    ],
)  # fmt: skip
def test_it_is_known(dimension: str, value: str) -> None:
    assert means_all(Dimension(dimension), value)


@pytest.mark.parametrize("value", ["Allemagne", "Toutes Aides", "Minden", "All Saints", "全州", "Todos Santos", "-"])
def test_names_that_begin_alike_are_places(value: str) -> None:
    assert not means_all(Dimension.COUNTRY, value)
    assert not means_all(Dimension.PLACEMENT, value)
