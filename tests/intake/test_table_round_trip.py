"""A table in any dress reads back as it was, is read with a note that names the guess, or is refused."""

import csv
import io
import tempfile
import warnings
from datetime import date
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from abkit.intake.kpis.reading import KpiOptions, read_table
from abkit_model.data.files.encodings import ENCODINGS
from abkit_model.errors import TableError

HEADER = ["Ad ID", "Campaign", "Impressions", "Clicks"]
PERIOD = (date(2026, 1, 1), date(2026, 1, 31))
NAMES = {
    **dict.fromkeys(("windows-1252", "mac-roman", "iso-8859-15"), "Größe PROMOÇÃO été España Müller Cœur"),
    **dict.fromkeys(("windows-1250", "iso-8859-2"), "żółta příliš őszi Łódź wyprzedaż"),
    **dict.fromkeys(("windows-1251", "koi8-r", "cp866", "mac-cyrillic"), "герой СКИДКИ Весна щётка Этаж"),
    "windows-1254": "alışveriş İndirim kış ŞUBAT güneş",
    "gb18030": "春季促销 英雄 自行车 满减",
    "big5": "春季促銷 英雄 腳踏車 滿減",
    **dict.fromkeys(("shift_jis", "euc-jp"), "春のセール 英雄 バナー 夏"),
    "euc-kr": "영웅 봄세일 자전거 할인",
    **dict.fromkeys(("utf-8", "utf-16", "utf-16-le", "utf-16-be"), "Größe герой 春のセール 영웅 żółta"),
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[list[str]], bytes, str]:
    encoding = draw(st.sampled_from(sorted(NAMES)))
    codec = ENCODINGS[encoding]
    words = st.sampled_from([word for word in NAMES[encoding].split() if _fits(word, codec)])
    name = st.lists(words, min_size=1, max_size=3).map("_".join)
    figure = st.integers(0, 9_999_999).map(str)
    row = st.tuples(st.integers(1, 10**17).map(str), name, figure, figure).map(list)
    rows = draw(st.lists(row, min_size=1, max_size=8))
    delimiter, end = draw(st.sampled_from(",;\t|")), draw(st.sampled_from(["\n", "\r\n", "\r"]))
    trailing = draw(st.sampled_from(["", delimiter]))
    text = io.StringIO()
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    writer = csv.writer(text, delimiter=delimiter, lineterminator=trailing + end, quoting=quoting)
    writer.writerows([HEADER, *rows])
    above = draw(st.sampled_from(["", "Report", "sep=" + delimiter, "Report\n\nAccount" + delimiter + "7"]))
    above = "".join(line + end for line in above.split("\n")) if above else ""
    used = codec if encoding != "utf-8" else draw(st.sampled_from(["utf-8", codec]))
    return rows, (above + text.getvalue()).encode(used), encoding


def _fits(word: str, codec: str) -> bool:
    try:
        word.encode(codec)
    except UnicodeEncodeError:
        return False
    return True


def read(content: bytes, encoding: str | None) -> list[list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        path.write_bytes(content)
        table = read_table(path, KpiOptions(period=PERIOD, encoding=encoding))
    assert not table.broken
    return [list(row) for row in table.frame.select("ad", "campaign", "impressions", "clicks").iter_rows()]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(tables())
def test_a_table_reads_back_as_it_was_or_says_what_was_guessed_or_is_refused(
    table: tuple[list[list[str]], bytes, str],
) -> None:
    rows, content, encoding = table
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(content, encoding) == rows
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        try:
            found = read(content, None)
        except TableError as error:
            refusal = error.message
        else:
            refusal = ""
    if refusal:
        assert "encoding" in refusal
        return
    assert [row[:1] + row[2:] for row in found] == [row[:1] + row[2:] for row in rows]
    if found != rows:
        assert any(note.category is UnicodeWarning and "is not UTF-8: read as" in str(note.message) for note in notes)
