"""docs/configuration.md has every section and setting with its default and description, and no other."""

import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from abkit.config import Settings
from abkit.jobs.work.learning import Retrain

# What the enumerations have and every setting refuses: no alert for nothing, no appeal of what may be negative.
_REFUSED = {"stable", "margin"}
PAGE = Path(__file__).parent.parent / "docs" / "configuration.md"


def _tables(model: type[BaseModel], section: str = "") -> Iterator[tuple[str, type[BaseModel], dict[str, FieldInfo]]]:
    """Every section with its own settings, in the order of the page."""
    own, below = {}, []
    for name, field in model.model_fields.items():
        kinds = [field.annotation, *get_args(field.annotation)]
        inner = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
        if inner is None:
            own[name] = field
        else:
            many = field.annotation is not inner
            below.append((f"{section}.{name}".strip("."), inner, many))
    yield section, model, own
    for name, inner, many in below:
        for table in _tables(inner, name):
            yield (f"[{table[0]}]" if many else table[0]), *table[1:]


def _choices(kind: Any) -> list[str]:
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return list(kind)
    return next((found for part in get_args(kind) if (found := _choices(part))), [])


def _row(name: str, field: FieldInfo) -> str:
    default = field.default
    shown = [str(one) for one in default] if isinstance(default, tuple) else default
    written = str(shown).replace("'", '"').lower() if isinstance(shown, bool | list) else str(shown)
    nothing = default is None or default == "" or field.is_required() or field.default_factory is not None
    choices = ", ".join(f"`{choice}`" for choice in _choices(field.annotation) if choice not in _REFUSED)
    meaning = f"{field.description} ({choices})" if choices else field.description
    return f"| `{name}` | {'–' if nothing else f'`{written}`'} | {meaning} |"


def test_every_setting_is_documented_with_its_default_and_description_and_no_other() -> None:
    page = PAGE.read_text(encoding="utf-8")
    expected = [_row(name, field) for _, _, own in _tables(Settings) for name, field in own.items()]
    documented = [line for line in page.splitlines() if re.match(r"\| `[a-z_0-9]+` \|", line)]
    assert documented == expected


def test_every_section_is_documented_with_what_it_is_about_and_no_other() -> None:
    page = PAGE.read_text(encoding="utf-8")
    expected = []
    for section, model, _ in _tables(Settings):
        if section:
            about = " ".join((model.__doc__ or "").split()).partition(": ")[2]
            expected.append((f"`[{section}]`", about[:1].upper() + about[1:]))
    assert re.findall(r"^## (`\[.*?\]`)\n\n(.*)$", page, re.MULTILINE) == expected


@pytest.mark.parametrize("section", ["poc", "retrain"])
def test_the_margin_has_no_appeal_and_is_refused_by_the_configuration(section: str) -> None:
    with pytest.raises(ValidationError, match="has no logarithm: use roas"):
        Settings.model_validate({section: {"metric": "margin"}})
    with pytest.raises(ValidationError, match="has no logarithm: use roas"):
        Retrain.model_validate({"metric": "margin"})
