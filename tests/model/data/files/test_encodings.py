"""Which encoding a text is in: told by how its letters read, and refused where two readings are as good."""

import pytest

from abkit_model.data.files.encodings import ENCODINGS, encoding_named, guess
from abkit_model.errors import TableError

# Names of ads; none of these words is among the samples.
NAMES = {
    "windows-1252": (
        "PROMOÇÃO-01 PROMOÇÃO-02 LIQUIDAÇÃO-02",
        "Sommerschlussverkäufe Herbstmäntel Übergrößen Gemüsebeet",
        "Déco_été Crédit_auto Sèche-linge Pâques",
        "Cumpleaños Montañas Añejo Educación",
        "Møbelfabrik Hønsegård Rødkål",
    ),
    "windows-1250": (
        "Rękawiczki Półbuty Łyżwy Gąbka",
        "Dětské_boty Příslušenství Řetěz",
        "Hűtőszekrény Fűnyíró Bútorok",
    ),
    "windows-1251": ("герой", "РАСПРОДАЖА ШУБЫ", "Велосипеды Подушки", "Знижки_їжа Подарунки"),
    "windows-1253": ("Ποδήλατα Έπιπλα Κουζίνα",),
    "windows-1254": ("Ayakkabılar Çocuk_giyimi Kış_sezonu Şemsiye",),
    "mac-roman": ("Rentrée_élèves Pâques Vélo_électrique", "Herbstmäntel Kühlschränke Fußball", "Cumpleaños Educación"),
    "iso-8859-2": ("Rękawiczki Żyrandol Źródełko Gąbka",),
    "koi8-r": ("Велосипеды Холодильник Подушки Этажерка",),
    "gb18030": ("自行车促销 冰箱特惠", "旗舰店 春节活动"),
    "big5": ("腳踏車促銷 冰箱優惠", "旗艦店特惠"),
    "shift_jis": ("自転車セール 冷蔵庫", "ﾊﾞﾅｰ ﾃｽ ﾃｨ", "お正月"),
    "euc-kr": ("자전거세일 냉장고특가", "설날행사"),
}


@pytest.mark.parametrize(("encoding", "names"), [(name, text) for name, texts in NAMES.items() for text in texts])
def test_names_in_any_encoding_keep_their_letters(encoding: str, names: str) -> None:
    tokens = [name.encode(ENCODINGS[encoding]) for name in names.split()]
    found = guess([token for token in tokens if not token.isascii()])
    assert [token.decode(ENCODINGS[found]) for token in tokens] == names.split()


@pytest.mark.parametrize(
    ("name", "encoding", "other"), [("герой", "koi8-r", "ЗЕТПК"), ("España", "mac-roman", "Espa–a")]
)
def test_bytes_that_read_as_well_in_another_encoding_are_refused_with_both_readings(
    name: str, encoding: str, other: str
) -> None:
    with pytest.raises(TableError, match="nothing says which encoding") as refused:
        guess([name.encode(encoding)])
    assert repr(name) in refused.value.message
    assert repr(other) in refused.value.message
    assert "--encoding" in refused.value.hint


def test_capitals_of_latin_words_are_no_half_width_katakana() -> None:
    assert guess(["PROMOÇÃO-01".encode("cp1252")]) == "windows-1252"
    assert guess(["ﾊﾞﾅｰ広告".encode("cp932")]) == "shift_jis"


def test_bytes_that_read_as_no_language_are_refused() -> None:
    with pytest.raises(TableError, match="reads as no language"):
        guess([b"a\x81b", b"xx\x81y\x81z", b"q\x81Z"])


@pytest.mark.parametrize("name", ENCODINGS)
def test_every_encoding_can_be_named(name: str) -> None:
    assert encoding_named(name) == encoding_named(name.upper().replace("-", "_")) == name
    assert "a1;".encode(ENCODINGS[name]).decode(ENCODINGS[name]) == "a1;"


def test_usual_other_names_of_encodings_are_understood() -> None:
    names = ("cp1251", "latin-1", "GBK", "sjis", "MacRoman", "UTF8", "cp949", "win-1250")
    assert [encoding_named(name) for name in names] == [
        *("windows-1251", "windows-1252", "gb18030", "shift_jis", "mac-roman", "utf-8", "euc-kr", "windows-1250")
    ]


def test_short_words_of_an_encoding_that_is_not_guessed_are_refused_not_misread() -> None:
    for encoding, text in (("cp866", "скидка весна красный герой"), ("cp852", "żółty ślub późna łódź")):
        with pytest.raises(TableError, match="not UTF-8"):
            guess([word.encode(encoding) for word in text.split()])
