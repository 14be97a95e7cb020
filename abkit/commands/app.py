"""The command line: the groups, the global options, and how errors are printed."""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup
from typer.main import get_command_from_info, get_group_from_info
from typer.models import TyperInfo

from abkit.commands.context import CommandContext
from abkit.commands.output import keep_quiet, note, show_stand_ins
from abkit.terminal import harmless_streams, hold_standard_numbers

# Command → the module with its `app`, a Typer of its own: with one command it is that command, with several a group.
COMMANDS = {
    "init": "operate.init",
    "preflight": "operate.preflight",
    "score": "creative.score",
    "shortlist": "creative.shortlist",
    "idea": "creative.idea",
    "campaign": "creative.campaign",
    "creative": "creative.creative",
    "correlate": "loop.correlate",
    "worth": "loop.worth",
    "drift": "loop.drift",
    "retrain": "loop.retrain",
    "kpi": "loop.kpi",
    "calc": "calc.commands",
    "experiment": "experiment.commands",
    "report": "loop.report",
    "digest": "operate.digest",
    "demo": "operate.demo",
    "model": "model.commands",
    "encoder": "model.encoder",
    "ratings": "loop.ratings",
    "review": "creative.review",
    "rater": "loop.rater",
    "serve": "operate.serve",
    "mcp": "operate.mcp",
    "user": "operate.user",
    "token": "operate.token",
    "open": "operate.open",
    "schedule": "operate.schedule",
    "alerts": "operate.alerts",
    "db": "operate.db",
}


# Of what is imported nearly all stays. With Python's 700 a short command spends a tenth of its time on looking for
# garbage there.
_MADE_BETWEEN_COLLECTIONS = 50_000
# What the system says where a file cannot grow.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


@cache
def _command(place: str, name: str) -> Any:
    """Return the command or the group of a module."""
    module = import_module(f"abkit.commands.{place}").app
    if len(module.registered_commands) == 1 and not module.registered_groups and not module.registered_callback:
        (single,) = module.registered_commands
        return get_command_from_info(single, pretty_exceptions_short=True, rich_markup_mode=None)
    group = TyperInfo(module, name=name)
    return get_group_from_info(group, pretty_exceptions_short=True, suggest_commands=True, rich_markup_mode=None)


class _Commands(Mapping[str, Any]):
    """All commands by name, each made when it is asked for: to make all of them takes longer than many a command."""

    def __getitem__(self, name: str) -> Any:
        return _command(COMMANDS[name], name)

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class _Front(TyperGroup):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = cast("Any", _Commands())


app = typer.Typer(
    name="abkit",
    cls=_Front,
    help="Score ad variants before launch, check the scores against clicks and conversions, watch for drift.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from abkit.version import __version__

        typer.echo(f"abkit {__version__}")
        raise typer.Exit


@app.callback()
def options(
    ctx: typer.Context,
    config: Annotated[
        Path | None, typer.Option("--config", help="The abkit.toml to use instead of the nearest one.")
    ] = None,
    database_url: Annotated[
        str | None, typer.Option("--database-url", help="The store: sqlite:///PATH or postgresql://USER@HOST/NAME.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print results and errors only.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback when something fails.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Take the options that stand before the command."""
    keep_quiet(quiet)
    ctx.obj = CommandContext(config=config, database_url=database_url, debug=debug)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; errors become one sentence, a hint and an exit code."""
    own_process = arguments is None
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    if own_process:
        gc.set_threshold(_MADE_BETWEEN_COLLECTIONS)
    hold_standard_numbers()
    _end_in_order_when_told_to()
    _say_guessed_encodings()
    show_stand_ins()
    # What is written is for this user, unless they let others read it; what is stricter already stays so.
    former = os.umask(0o077)
    os.umask(former | 0o077)
    try:
        with harmless_streams():
            _run(arguments, debug)
    finally:
        os.umask(former)
        if own_process:
            gc.freeze()  # Python's end looks through all that is left, twice: half a second beside torch


def _run(arguments: list[str], debug: bool) -> None:
    try:
        try:
            app(arguments, standalone_mode=True)
        finally:
            sys.stdout.flush()  # a full disk is an error of the command, not of Python's end
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except Exception as error:
        if debug:
            from abkit.redaction import redacted_traceback

            typer.echo(redacted_traceback(error), err=True, nl=False)
            sys.exit(getattr(error, "exit_code", 1))
        sys.exit(_tell(error))


def _say_guessed_encodings() -> None:
    """Print what readers of tables guessed as notes; other warnings are printed as usual."""
    usual = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *where: Any, **how: Any) -> None:
        if category is UnicodeWarning or category.__name__ == "ReadingNote":
            note(str(message))
        else:
            usual(message, category, *where, **how)

    warnings.showwarning = show


def _end_in_order_when_told_to() -> None:
    """SIGTERM unwinds like Ctrl-C: its default would end the process before the run is recorded as interrupted."""

    def stop(number: int, _frame: object) -> None:
        sys.exit(128 + number)

    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, stop)


def _tell(error: Exception) -> int:
    from abkit.errors import AbkitError
    from abkit.redaction import redacted

    if isinstance(error, BrokenPipeError):
        return 1  # the reader of our output has had enough (`… | head`)
    if isinstance(error, AbkitError):
        typer.echo(f"Error: {redacted(error.message)}", err=True)
        if error.hint:
            typer.echo(f"Hint: {redacted(error.hint)}", err=True)
        return error.exit_code
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        named = f" ({redacted(str(error.filename))})" if error.filename else ""
        typer.echo(f"Error: a file{named} cannot be written: {os.strerror(error.errno).lower()}", err=True)
        typer.echo("Hint: free some space where the command writes, or in TMPDIR, and run it again", err=True)
        return 1
    said = redacted(str(error).splitlines()[0]) if str(error) else "no message"
    typer.echo(f"Error: {type(error).__name__}: {said}", err=True)
    hint = "this looks like a bug in abkit or a problem with this machine; `abkit --debug …` shows where"
    typer.echo(f"Hint: {hint}", err=True)
    return 1
