"""The files that ship it: what can be checked of them without a container engine."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from abkit.commands.app import COMMANDS
from abkit.config import Settings

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load((EXAMPLES / "compose.yaml").read_text())


def test_compose_starts_commands_that_exist_with_settings_that_exist(compose: Any) -> None:
    for name, service in compose["services"].items():
        if name == "store":
            continue
        assert service["command"][0] in COMMANDS
        for variable in service["environment"]:
            section, _, setting = variable.removeprefix("ABKIT_").lower().partition("__")
            assert section in Settings.model_fields
            if setting:
                assert setting in Settings.model_fields[section].annotation.model_fields  # type: ignore[union-attr]


def test_compose_shows_the_page_to_this_machine_only_and_has_people_sign_in(compose: Any) -> None:
    web = compose["services"]["web"]
    assert web["ports"] == ["127.0.0.1:8715:8715"]
    assert web["environment"]["ABKIT_WEB__SIGN_IN"] == "true"
    assert web["environment"]["ABKIT_WEB__HOST"] == "0.0.0.0"  # noqa: S104
    assert Settings().web.port == 8715


def test_compose_has_no_secret_in_it() -> None:
    text = (EXAMPLES / "compose.yaml").read_text()
    assert set(re.findall(r"PASSWORD[^\n]*", text)) >= {"PASSWORD: ${POSTGRES_PASSWORD:?set it in .env}"}
    assert not re.search(r"password\s*[:=]\s*['\"]?[A-Za-z0-9]", text, re.IGNORECASE)


def test_the_unit_starts_the_page_and_writes_the_workspace_only() -> None:
    unit = (EXAMPLES / "abkit-web.service").read_text()
    assert "ExecStart=/opt/abkit/bin/abkit serve\n" in unit
    assert "ProtectSystem=strict" in unit
    assert "ReadWritePaths=/srv/abkit\n" in unit
