"""docs/configuration.md has every setting with its default, and no other."""

import re
from pathlib import Path
from typing import get_args

from pydantic import BaseModel

from abkit.config import Settings

PAGE = Path(__file__).parent.parent / "docs" / "configuration.md"


def _settings(model: type[BaseModel], prefix: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for name, field in model.model_fields.items():
        kind = field.annotation
        inner = next((part for part in get_args(kind) if isinstance(part, type) and issubclass(part, BaseModel)), None)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found |= _settings(kind, f"{prefix}{name}.")
        elif inner is not None:
            found |= _settings(inner, f"{prefix}{name}.")
        else:
            found[prefix + name] = field.default
    return found


def _documented() -> dict[str, str]:
    section, found = "", {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"## `\[+([a-z._]+)\]+`.*", line):
            section = heading[1] + "."
        elif row := re.match(r"\| `([a-z_0-9]+)` \| (.*?) \|", line):
            found[section + row[1]] = row[2]
    return found


def test_every_setting_is_documented_and_no_other() -> None:
    assert set(_documented()) == set(_settings(Settings))


def test_the_defaults_on_the_page_are_those_of_the_code() -> None:
    documented = _documented()
    for name, default in _settings(Settings).items():
        if isinstance(default, bool | int | float | str) and default != "":
            assert documented[name].strip("`") == str(default).lower().strip('"') or documented[name].strip("`") == str(
                default
            ), name
