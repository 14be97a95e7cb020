"""The encoding of a text from outside: told by its bytes where they decide, else by how the letters read.

A file that is not UTF-8 does not say what it is. Each candidate decodes the words that have other letters than ASCII,
and pays for what no language writes: letters that never stand side by side (`letters` has samples), symbols inside a
word, a capital after a small letter, one lone Chinese character in a Latin word. The cheapest candidate is the guess.
Where another one reads other letters for almost the same price, nothing decides, and the file is refused with both.
"""

from __future__ import annotations

import codecs
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import BinaryIO

from abkit_model.data.files.letters import CHARACTERS, WORDS
from abkit_model.errors import TableError

#: By the name that a user gives: the codec.
ENCODINGS: Mapping[str, str] = {
    "utf-8": "utf-8-sig",
    "utf-16": "utf-16",
    "utf-16-le": "utf-16-le",
    "utf-16-be": "utf-16-be",
    "utf-32": "utf-32",
    "windows-1250": "cp1250",
    "windows-1251": "cp1251",
    "windows-1252": "cp1252",
    "windows-1253": "cp1253",
    "windows-1254": "cp1254",
    "windows-1255": "cp1255",
    "windows-1256": "cp1256",
    "windows-1257": "cp1257",
    "windows-1258": "cp1258",
    "windows-874": "cp874",
    "iso-8859-1": "iso-8859-1",
    "iso-8859-2": "iso-8859-2",
    "iso-8859-5": "iso-8859-5",
    "iso-8859-7": "iso-8859-7",
    "iso-8859-9": "iso-8859-9",
    "iso-8859-15": "iso-8859-15",
    "koi8-r": "koi8-r",
    "koi8-u": "koi8-u",
    "cp437": "cp437",
    "cp850": "cp850",
    "cp852": "cp852",
    "cp866": "cp866",
    "mac-roman": "mac-roman",
    "mac-latin2": "mac-latin2",
    "mac-cyrillic": "mac-cyrillic",
    "mac-greek": "mac-greek",
    "mac-turkish": "mac-turkish",
    "gb18030": "gb18030",
    "big5": "cp950",
    "shift_jis": "cp932",
    "euc-jp": "euc-jp",
    "euc-kr": "cp949",
}
_ALIASES: Mapping[str, str] = {
    **{f"{kind}{page}": f"windows-{page}" for kind in ("cp", "win") for page in (*range(1250, 1259), 874)},
    **dict.fromkeys(("utf8sig", "utf8bom"), "utf-8"),
    **dict.fromkeys(("utf16le",), "utf-16-le"),
    **dict.fromkeys(("utf16be",), "utf-16-be"),
    **dict.fromkeys(("ansi", "latin1"), "windows-1252"),
    **dict.fromkeys(("latin2",), "iso-8859-2"),
    **dict.fromkeys(("latin5",), "iso-8859-9"),
    **dict.fromkeys(("latin9",), "iso-8859-15"),
    **dict.fromkeys(("gbk", "gb2312", "cp936", "euccn"), "gb18030"),
    **dict.fromkeys(("cp950", "big5hkscs"), "big5"),
    **dict.fromkeys(("sjis", "cp932", "mskanji", "windows31j"), "shift_jis"),
    **dict.fromkeys(("cp949", "ksc5601", "uhc", "ksx1001"), "euc-kr"),
    **dict.fromkeys(("macintosh", "mac"), "mac-roman"),
    **dict.fromkeys(("maccentraleurope", "maccenteuro"), "mac-latin2"),
}

_WESTERN = ("german", "french", "spanish", "portuguese", "italian", "nordic", "finnish", "dutch")
_CENTRAL = ("german", "polish", "czech", "slovak", "hungarian", "romanian", "south_slavic")
#: What is guessed, the more usual first: languages, and what a reader has to pay before the first letter.
_CANDIDATES: Mapping[str, tuple[tuple[str, ...], float]] = {
    "windows-1252": ((*_WESTERN, "icelandic"), 0.0),
    "windows-1251": (("russian", "ukrainian", "bulgarian", "serbian"), 0.0),
    "gb18030": (("chinese_simplified",), 0.0),
    "shift_jis": (("japanese",), 0.0),
    "euc-kr": (("korean",), 0.0),
    "big5": (("chinese_traditional",), 0.0),
    "windows-1250": (_CENTRAL, 0.3),
    "windows-1254": (("turkish", *_WESTERN), 0.3),
    "windows-1253": (("greek",), 0.5),
    "windows-1255": (("hebrew",), 0.5),
    "windows-1256": (("arabic",), 0.5),
    "windows-874": (("thai",), 0.5),
    "windows-1257": (("baltic", "german"), 1.1),
    "mac-roman": (_WESTERN, 0.7),
    "iso-8859-2": (_CENTRAL, 1.0),
    "koi8-r": (("russian", "bulgarian"), 0.9),
    "mac-cyrillic": (("russian", "ukrainian", "bulgarian", "serbian"), 0.9),
    "euc-jp": (("japanese",), 1.0),
}
_MARGIN = 1.0  # a rival that costs so little more could be meant as well
_FOREIGN = 0.5
_WORST = 1.5  # per letter: no language writes this
_TOKENS = 600
_CHUNK = 1 << 22
_SAMPLE = 1 << 20
_LINE_LIMIT = 1 << 24
_UTF8_WIDE = re.compile(rb"[\xe0-\xf4][\x80-\xbf]{2}")
# Latin, Greek, Cyrillic, Hebrew and Arabic; what else has two bytes is rarer than two signs of Windows-1252.
_UTF8_LETTER = re.compile(rb"[\xc2-\xc5\xce-\xd1\xd7-\xdb][\x80-\xbf]")
# Bytes from 0x30 on may belong to a character of several bytes; those below stand for themselves everywhere.
_TOKEN = re.compile(rb"[\x30-\x39\x40-\xff]+")
_SPACED_NUMBER = re.compile(rb"[0-9\xa0]+")
_WORD = re.compile(r"(?:[^\W\d_]|[\u0300-\u036f\u05b0-\u05c7\u064b-\u0652\u0e31\u0e34-\u0e3a\u0e47-\u0e4e])+")
_BESIDE = re.compile(r"[^A-Za-z\u0080-\U0010ffff]+")
_USUAL_SIGNS = frozenset("€£¥©®™°–—‘’“”„…•«»·×§²³½¼¾¡¿ªº№´¢±\xa0")
_HALF_WIDTH = re.compile("[\uff66-\uff9f]")
_HALF_WIDTH_IN_LATIN = re.compile("[A-Za-z][\uff66-\uff9f]|[\uff66-\uff9f][A-Za-z]")


def encoding_named(name: str) -> str | None:
    """Return the encoding that a user means by a name, or None.

    >>> encoding_named("CP1251"), encoding_named("Shift-JIS"), encoding_named("gbk"), encoding_named("klingon")
    ('windows-1251', 'shift_jis', 'gb18030', None)
    """

    def plain(text: str) -> str:
        return re.sub(r"[\s_-]", "", text.lower())

    known = {**{plain(one): one for one in ENCODINGS}, **_ALIASES}
    return known.get(plain(name))


def find_encoding(file: BinaryIO) -> str:
    """Return the encoding of a text file: one of `ENCODINGS`.

    A byte-order mark decides, else zero bytes between letters, else valid UTF-8; else it is the best guess.

    Raises:
        TableError: A binary file, a text of which some lines are UTF-8 and others are not, or one that reads as well
            in another encoding with other letters.
    """
    file.seek(0)
    head = file.read(_SAMPLE)
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    wide = _without_mark(head[:4096])
    if wide:
        return wide
    decoder = codecs.getincrementaldecoder("utf-8")()
    chunk = head
    try:
        while chunk:
            decoder.decode(chunk)
            chunk = file.read(_CHUNK)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return _legacy(file)
    return "utf-8"


def _without_mark(head: bytes) -> str | None:
    half = max(1, len(head) // 2)
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if odd > 0.7 * half and even < 0.1 * half:
        return "utf-16-le"
    if even > 0.7 * half and odd < 0.1 * half:
        return "utf-16-be"
    # Of a text in another script only digits, delimiters and line ends have zero bytes, all of them on one side.
    if max(even, odd) > 0.1 * half and min(even, odd) == 0:
        name = "utf-16-le" if odd else "utf-16-be"
        text = head[: 2 * half].decode(name, "ignore")
        if "\n" in text and all(char.isprintable() or char in "\t\r\n\ufeff\x00" for char in text):
            return name
    if even + odd > 0.1 * len(head):
        raise TableError("this is a binary file, not a table of text", hint="save the table as CSV (UTF-8)")
    return None


def _legacy(file: BinaryIO) -> str:
    """Guess by the lines that are not UTF-8; a file that has lines of both kinds is refused."""
    file.seek(0)
    text = io.TextIOWrapper(file, "latin-1", newline="")
    first: dict[str, int] = {}
    tokens: dict[bytes, None] = {}
    for number, line in enumerate(iter(lambda: text.readline(_LINE_LIMIT), ""), 1):
        if not line.isascii():
            content = line.encode("latin-1")
            kind = _utf8_kind(content)
            first.setdefault(kind, number)
            if kind == "other" and len(tokens) < _TOKENS:
                tokens.update(dict.fromkeys(_tokens(content)))
    text.detach()
    found = guess(tokens)
    # Two signs of two bytes each can look like an accented letter in UTF-8.
    telling = ("wide", "letters") if found.startswith(("windows", "mac", "iso", "koi")) else ("wide",)
    utf8 = [first[kind] for kind in telling if kind in first]
    if utf8:
        raise TableError(
            f"the text is in mixed encodings: line {min(utf8):,} is UTF-8, line {first['other']:,} is not",
            hint="save the whole table as UTF-8",
        )
    return found


def _utf8_kind(line: bytes) -> str:
    """Return "other" for what is not UTF-8, else whether it has "wide" characters, "letters" or only "symbols".

    Symbols: `CAFÉ’S` in Windows-1252 is valid UTF-8 too, of a letter that no table has.
    """
    try:
        line.decode()
    except UnicodeDecodeError:
        return "other"
    return "wide" if _UTF8_WIDE.search(line) else "letters" if _UTF8_LETTER.search(line) else "symbols"


def _tokens(line: bytes) -> Iterator[bytes]:
    for found in _TOKEN.findall(line):
        if not found.isascii():
            yield b"0\xa00" if _SPACED_NUMBER.fullmatch(found) else found


@dataclass(frozen=True)
class _Reading:
    encoding: str
    text: str
    cost: float


def guess(tokens: Iterable[bytes]) -> str:
    """Return the encoding in which words read best.

    Args:
        tokens: Words with bytes above ASCII, whole characters each.

    Raises:
        TableError: Another encoding reads other letters as well as this one does, or none reads as a language.

    >>> guess([name.encode("cp1251") for name in ("герой", "скидка")])
    'windows-1251'
    """
    content = b"\n".join(tokens)
    readings = sorted(filter(None, (_reading(name, content) for name in _CANDIDATES)), key=lambda one: one.cost)
    if not readings or not _is_language(readings[0]):
        raise TableError(
            "the text is not UTF-8, and reads as no language in the encodings that are guessed",
            hint=f"say its encoding with --encoding: {', '.join(ENCODINGS)}; or save the table as UTF-8",
        )
    best = readings[0]
    rivals = [one for one in readings[1:] if one.cost < best.cost + _MARGIN and one.text != best.text]
    if rivals:
        words = [(best.encoding, _differing(best.text, rivals[0].text))]
        words += [(one.encoding, _differing(one.text, best.text)) for one in rivals[:3]]
        shown = ", ".join(f"{name} reads {word!r}" for name, word in words)
        raise TableError(
            f"the text is not UTF-8, and nothing says which encoding it is: {shown}",
            hint=f"say it with --encoding, for example --encoding {best.encoding}; or save the table as UTF-8",
        )
    return best.encoding


def _is_language(reading: _Reading) -> bool:
    """Return whether its words read well enough, each counted once: in rows with bars they come with what is beside."""
    once = "\n".join(dict.fromkeys(_BESIDE.split(reading.text)))
    again = _reading(reading.encoding, once.encode(ENCODINGS[reading.encoding]))
    return again is not None and again.cost <= _WORST * sum(1 for char in once if ord(char) > 127)


def _differing(text: str, other: str) -> str:
    pairs = zip(text.split("\n"), other.split("\n"), strict=False)
    return next((one for one, another in pairs if one != another), text.split("\n")[0])[:40]


def _reading(name: str, content: bytes) -> _Reading | None:
    try:
        text = content.decode(ENCODINGS[name])
    except UnicodeDecodeError:
        return None
    if any(unicodedata.category(char) in ("Cc", "Co", "Cn") for char in set(text) - {"\n"}):
        return None
    languages, start = _CANDIDATES[name]
    lines = text.split("\n")
    cost = start + sum(_sign_cost(line, place) for line in lines for place, char in enumerate(line) if _is_sign(char))
    words = [word for line in lines for word in _WORD.findall(line) if not word.isascii()]
    if languages[0] in CHARACTERS:
        return _Reading(name, text, cost + sum(_asian_cost(word, languages[0], name) for word in words))
    costs = [[_cost(word, language) for language in languages] for word in words]
    # A table is mostly in one language; a word of another one costs a little more.
    main = (sum(min(one[n], min(one) + _FOREIGN) for one in costs) for n in range(len(languages)))
    return _Reading(name, text, cost + min(main))


def _is_sign(char: str) -> bool:
    return ord(char) > 127 and not _WORD.fullmatch(char)


def _sign_cost(line: str, place: int) -> float:
    char = line[place]
    inside = 0 < place < len(line) - 1 and line[place - 1].isalpha() and line[place + 1].isalpha()
    if "\u3000" <= char <= "\u303f" or "\uff01" <= char <= "\uff65":
        return 0.4 if any("\u3041" <= other <= "\ud7a3" for other in line) else 4.0
    if char in "€£¥" and any(map(str.isdigit, line[max(0, place - 2) : place + 3])):
        return 0.0
    if char in _USUAL_SIGNS:
        return (1.0 if char in "’–—·" else 4.0) if inside else 0.4
    return 6.0 if inside else 4.0


@dataclass(frozen=True)
class _Model:
    words: frozenset[str]
    letters: frozenset[str]
    pairs: frozenset[str]


@cache
def _model(language: str) -> _Model:
    words = [_lower(word) for word in (WORDS.get(language) or CHARACTERS[language]).split()]
    # Long runs are lists of frequent characters, which stand beside each other by chance.
    pairs = {pair for word in words if len(word) < 30 for pair in _pairs(word)}
    letters = {char for word in words for char in word if ord(char) > 127}
    return _Model(frozenset(words), frozenset(letters), frozenset(pairs))


def _lower(word: str) -> str:
    # İ is its own letter: its lower case is two characters.
    return "".join(char if char == "İ" else char.lower() for char in word)


def _pairs(word: str) -> Iterator[str]:
    marked = f"^{word}$"
    return (marked[place : place + 2] for place in range(len(marked) - 1))


def _cost(word: str, language: str) -> float:
    """Return what a word with letters outside ASCII costs in a language with an alphabet."""
    model, lower = _model(language), _lower(word)
    marked = f"^{lower}$"
    # A letter alone is seldom a word: `£5` is an amount.
    cost = 1.5 if len(lower) == 1 and lower not in model.words else 0.0
    for place, char in enumerate(lower):
        if ord(char) <= 127:
            continue
        if char not in model.letters:
            cost += 6.0
            continue
        cost += (2.0, 0.7, 0.0)[
            (marked[place : place + 2] in model.pairs) + (marked[place + 1 : place + 3] in model.pairs)
        ]
    for one, other in pairwise(word):
        if not (one.isascii() and other.isascii()):
            cost += 4.0 * (one.islower() and other.isupper())
            cost += 2.0 * (one.isascii() != other.isascii() and ord(max(one, other)) >= 0x0370)
    return cost


def _asian_cost(word: str, language: str, encoding: str) -> float:
    """Return what a word with Chinese, Japanese or Korean characters costs."""
    model = _model(language)
    # Half-width katakana are the same words in other signs; among Latin letters they are no words.
    half = len(_HALF_WIDTH.findall(word))
    cost = 0.2 * half + 2.0 * len(_HALF_WIDTH_IN_LATIN.findall(word))
    word = unicodedata.normalize("NFKC", word) if half else word
    before = ""
    for place, char in enumerate(word):
        if ord(char) <= 127:
            before = ""
            continue
        cost += 0.0 if before + char in model.pairs else 0.3 if char in model.letters else _rarity(char, encoding)
        before = char
        neighbors = word[max(0, place - 1) : place] + word[place + 1 : place + 2]
        if neighbors and neighbors.isascii():
            cost += 4.0  # one lone character among Latin letters
    return cost


def _rarity(char: str, encoding: str) -> float:
    if "\u3041" <= char <= "\u30ff":
        return 0.4 if encoding in ("shift_jis", "euc-jp") else 3.0
    lead = char.encode(ENCODINGS[encoding], "replace")
    if len(lead) != 2:
        return 4.0
    usual = {
        "gb18030": 0xB0 <= lead[0] <= 0xD7 and lead[1] >= 0xA1,
        "big5": 0xA4 <= lead[0] <= 0xC6,
        "shift_jis": 0x88 <= lead[0] <= 0x97,
        "euc-jp": 0xB0 <= lead[0] <= 0xCF,
        "euc-kr": 0xB0 <= lead[0] <= 0xC8 and lead[1] >= 0xA1,
    }
    return 1.2 if usual[encoding] else 3.0
