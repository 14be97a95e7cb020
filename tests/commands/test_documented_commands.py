"""What the documents and the messages tell people to type: commands and options that exist."""

import re
import shlex
from pathlib import Path
from typing import Any

import typer.main

from abkit.commands import app as front

ROOT = Path(__file__).parents[2]
# `abkit …` in a text or a message, and indented lines of a document's code.
_INLINE = re.compile(r"`(?:\S*/)?abkit ([^`\n]+)`")
_LINE = re.compile(r"^ {4,}(?:\$ )?(?:\S*/)?abkit (.+)$", re.MULTILINE)
_EVIDENCE = re.compile(r'"command": f?"abkit ([^"]+)"')


def _written() -> list[tuple[str, str]]:
    found = []
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "abkit").rglob("*.py"))]:
        text = path.read_text()
        patterns = (_INLINE, _LINE) if path.suffix == ".md" else (_INLINE, _EVIDENCE)
        found += [(path.name, line) for pattern in patterns for line in pattern.findall(text)]
    return found


def _words(line: str) -> list[str]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;>")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    try:
        words = list(lexer)
    except ValueError:  # an apostrophe in the text behind it
        words = line.split()
    ends = [index for index, word in enumerate(words) if word in ("|", "&&", ";", ">", "#")]
    return words[: ends[0]] if ends else words


def _root() -> Any:
    """The root command with all others, as the command line puts them together."""
    return typer.main.get_command(front.app)


def _problem(root: Any, line: str) -> str | None:
    command, options = root, _options(root)
    for word in _words(line):
        if word.startswith("--") and word.rstrip(".,;:…").partition("=")[0] not in options:
            return f"there is no {word}"
        subcommands = getattr(command, "commands", {})
        if word.startswith("-") or not subcommands:
            continue
        if word in subcommands:
            command = subcommands[word]
            options |= _options(command)
        elif re.fullmatch("[a-z-]+", word):
            return f"there is no {word!r}"
        else:  # "design|create", "…", NAME: any of them
            return None
    return None


def _options(command: Any) -> set[str]:
    return {name for one in command.params for name in (*one.opts, *one.secondary_opts)} | {"--help"}


def test_every_command_that_people_are_told_to_type_exists() -> None:
    root, written = _root(), _written()
    assert len(written) > 100
    wrong = {f"{where}: abkit {line}: {said}" for where, line in written if (said := _problem(root, line))}
    assert not wrong, "\n".join(sorted(wrong))
