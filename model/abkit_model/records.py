"""What every record has in common: it becomes plain data, and it renders itself.

The layers below `reporting` make records and do not know how they look. `abkit/__init__.py` names the module that
renders them, and it is imported when a record is first shown.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polars import DataFrame

_renderer = ""


def render_with(module: str) -> None:
    """Name the module whose `as_text(record)` and `as_html(record)` show records; it is imported on first use."""
    global _renderer
    _renderer = module


class Record:
    """A frozen result: `to_dict()` for programs, `str()` for a terminal, `_repr_html_()` for a notebook."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the record as dictionaries, lists, texts and numbers; what is not finite becomes None."""
        plain: dict[str, Any] = to_plain(self)
        return plain

    def __str__(self) -> str:
        if not _renderer:
            return repr(self)
        text: str = import_module(_renderer).as_text(self)
        return text

    def _repr_html_(self) -> str | None:
        if not _renderer:
            return None
        html: str | None = import_module(_renderer).as_html(self)
        return html

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        # IPython would show the dataclass's repr as the text.
        html = self._repr_html_()
        return {"text/plain": str(self)} | ({"text/html": html} if html else {})


class RecordList(Record):
    """A record that holds a list: it is also rows, and a data frame."""

    __slots__ = ()

    def rows(self) -> list[dict[str, Any]]:
        """Return one mapping per item, with the same keys in all of them."""
        raise NotImplementedError(f"{type(self).__name__} has no rows")

    def to_polars(self) -> DataFrame:
        """Return the rows as a Polars data frame; its `to_pandas()` leads to pandas."""
        import polars

        return polars.DataFrame([to_plain(row) for row in self.rows()], infer_schema_length=None)


def to_plain(value: Any) -> Any:
    """Return records, arrays and dates as dictionaries, lists, texts and numbers; what is not finite becomes None.

    >>> to_plain({"lift": math.inf, "days": (date(2026, 1, 2), None)})
    {'lift': None, 'days': ['2026-01-02', None]}
    """
    if isinstance(value, Enum):
        return to_plain(value.value)
    if value is None or isinstance(value, str | int | bool):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple | set | frozenset):
        return [to_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value).encode("utf-8", "backslashreplace").decode()
    if hasattr(value, "tolist"):
        return to_plain(value.tolist())
    return str(value)


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Return JSON of a record or of plain data; what is not finite becomes null.

    >>> to_json({"p": math.nan})
    '{"p": null}'
    """
    return json.dumps(to_plain(value), ensure_ascii=False, indent=indent, allow_nan=False)


def percent(value: float | None, digits: int = 2, *, sign: bool = False) -> str:
    """Return a share as a person reads it.

    >>> percent(0.0125), percent(-0.1, 1, sign=True), percent(float("inf"))
    ('1.25 %', '−10.0 %', '–')
    """
    if value is None or not math.isfinite(value):
        return "–"
    return f"{decimal(value * 100, digits, sign=sign)} %"


def decimal(value: float | None, digits: int = 2, *, sign: bool = False) -> str:
    """Return a number as a person reads it: with a minus sign, not a hyphen.

    >>> decimal(-0.126), decimal(0.328, 3, sign=True), decimal(None)
    ('−0.13', '+0.328', '–')
    """
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:{'+' if sign else ''}.{digits}f}".replace("-", "−")
