"""The whole command of a study of a scorer, for a refusal to repeat with what is missing, and the columns it names."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from abkit.errors import UsageError

if TYPE_CHECKING:
    from abkit_model.data.files.tables import TableOptions


class StudyRequest(Protocol):
    """What the requests of studies have in common."""

    @property
    def table(self) -> Path | str:
        """The table."""

    @property
    def images(self) -> Path:
        """The folder of its images."""

    @property
    def image_column(self) -> str | None:
        """The column that names the image."""

    @property
    def group_column(self) -> str | None:
        """The column that names the subject."""

    @property
    def scale(self) -> tuple[float, float] | None:
        """Lowest and highest rating."""

    @property
    def options(self) -> TableOptions | None:
        """How the table is written."""

    @property
    def columns(self) -> Mapping[str, str] | None:
        """Column by field."""


def command_line(verb: str, request: StudyRequest, more: Mapping[str, object]) -> str:
    """Return the command that asks for a study, whole.

    Args:
        verb: `evaluate` or `compare`.
        request: What is asked for.
        more: Further options; those that are None, 0 or "" are left out, and a tuple repeats its option.
    """
    options = request.options
    values: dict[str, object] = {
        "--images": request.images,
        "--image-column": request.image_column,
        "--group-column": request.group_column,
        "--scale": request.scale and f"{request.scale[0]:g}..{request.scale[1]:g}",
        **more,
    }
    if options is not None:
        values |= {"--encoding": options.encoding, "--header-line": options.header_line}
        values |= {"--sheet": options.sheet, "--decimal": options.decimal}
    repeated = [(name, value if isinstance(value, tuple) else (value,)) for name, value in values.items() if value]
    said = [f"{name} {shlex.quote(str(one))}" for name, several in repeated for one in several]
    said += [f"--map {shlex.quote(f'{column}={field}')}" for field, column in (request.columns or {}).items()]
    return " ".join([f"abkit model {verb}", shlex.quote(str(request.table)), *said])


def refuse_other_fields(columns: Mapping[str, str] | None) -> None:
    """Refuse columns that only a table of outcomes has: studies are of ratings.

    Raises:
        UsageError: There are some.
    """
    from abkit_model.data.rating_columns import FIELDS

    if other := sorted((columns or {}).keys() - FIELDS.keys()):
        raise UsageError(
            f"--map names fields that ratings do not have: {', '.join(other)}",
            hint=f"fields of ratings: {', '.join(FIELDS)}",
        )
