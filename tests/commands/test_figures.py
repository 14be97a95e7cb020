"""Figures on the command line: every option that takes one reads it by the rule of the tables."""

from collections.abc import Iterator
from typing import Any, get_args, get_origin, get_type_hints

import pytest
import typer.main

from abkit.commands import app as front
from abkit.errors import UsageError
from tests.commands.conftest import Here


def _takes_figures(command: Any) -> set[str]:
    """Names of the parameters that the command's function has as floats."""
    said = {name: get_args(hint)[0] for name, hint in get_type_hints(command, include_extras=True).items()
            if get_origin(hint) is not None and hasattr(hint, "__metadata__")}  # fmt: skip
    return {name for name, kind in said.items() if float in (kind, *get_args(kind))}


def _options() -> Iterator[tuple[str, Any]]:
    def walk(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        for name, one in getattr(command, "commands", {}).items():
            yield from walk(one, (*words, name))
        for option in command.params if command.callback else ():
            if option.name in _takes_figures(command.callback):
                yield " ".join((*words, *option.opts[:1])), option

    return walk(typer.main.get_command(front.app), ())


def _read(option: Any, text: str) -> Any:
    return option.process_value(typer.Context(typer.main.get_command(front.app)), text)


def test_every_option_of_a_figure_reads_a_decimal_comma_and_refuses_what_is_two_figures() -> None:
    options = dict(_options())
    assert {"experiment design --baseline", "calc sample-size --alpha", "shortlist --p-best"} <= options.keys()
    assert len(options) > 30
    for name, option in options.items():
        assert _read(option, "0,01") == pytest.approx(0.01), name
        with pytest.raises(UsageError, match=r"two ways"):
            _read(option, "1,234")


def test_a_figure_that_is_no_number_is_refused_in_our_words(here: Here) -> None:
    for arguments in (
        ("experiment", "design", "-c", "spring", "--baseline", "1,234"),
        ("shortlist", "-c", "spring", "--p-best", "0.900,5"),
        ("kpi", "link", "--accept", "nine"),
    ):
        said = here(*arguments)
        assert said.returncode == 2
        assert said.stderr.startswith("Error: "), said.stderr
        assert arguments[-1] in said.stderr
        assert "Invalid value" not in said.stderr
