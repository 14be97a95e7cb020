"""What others wrote reaches the terminal as letters only: in errors, notes, titles, sentences and cells."""

import json
import sys
from io import StringIO

import pytest
import typer

from abkit.commands import app as front
from abkit.commands.output import Format, note, print_json, print_rows
from abkit.errors import AbkitError
from abkit.reporting.tables.table import Table
from abkit.terminal import HarmlessStream, harmless, harmless_streams, unguarded

HOSTILE = "sale\x1b]0;pwned\x07\x1b[2J\x9b31m\rfake\u202eend"


def is_harmless(text: str) -> bool:
    return not set(text) & set("\x1b\x07\x9b\r\u202e")


def test_what_moves_the_cursor_is_replaced_and_text_stays() -> None:
    assert is_harmless(harmless(HOSTILE))
    assert harmless("Größe\t5\u00a0% – 日本\n") == "Größe\t5\u00a0% – 日本\n"
    assert harmless("lone \ud800").isprintable()


def test_errors_notes_tables_and_sentences_are_printed_without_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        note(HOSTILE)
        typer.echo(HOSTILE)
        print_rows([{"name": HOSTILE, HOSTILE: 1}], Format.TABLE, title=HOSTILE)
        raise AbkitError(HOSTILE, hint=HOSTILE)

    monkeypatch.setattr(front, "app", fail)
    with pytest.raises(SystemExit):
        front.main(["score"])
    said = capsys.readouterr()
    for text in said:
        assert "sale" in text
        assert is_harmless(text)
    assert "Error: sale" in said.err
    assert not isinstance(sys.stdout, HarmlessStream)


def test_programs_get_the_data_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    with harmless_streams():
        print_json({"name": HOSTILE})
        print_rows([{"name": HOSTILE}], Format.CSV)
    out = capsys.readouterr().out
    assert json.loads(out.split("}")[0] + "}") == {"name": HOSTILE}
    assert HOSTILE.split("\r")[0] in out


def test_a_terminal_gets_harmless_data_too(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = StringIO()
    shown.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdout", shown)
    with harmless_streams():
        print_rows([{"name": HOSTILE}], Format.CSV)
        assert unguarded(unguarded(sys.stdout)) is shown
    assert "sale" in shown.getvalue()
    assert is_harmless(shown.getvalue())
    assert "\ufffd\n" not in shown.getvalue()


def test_titles_of_tables_are_harmless_wherever_they_are_shown() -> None:
    assert is_harmless(Table(columns=("a",), rows=({"a": 1},), title=HOSTILE).text())
