"""The files that ship it: what can be checked of them without a container engine."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from abkit import Workspace
from abkit.commands.app import COMMANDS
from abkit.config import Settings
from abkit.workflows.upkeep.people import add_person
from tests.web.conftest import PASSWORD

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
UNITS = ("abkit.service", "abkit-web.service")


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


def test_compose_and_the_units_allow_the_same_memory(compose: Any) -> None:
    for service, unit in (("daemon", "abkit.service"), ("web", "abkit-web.service")):
        (limit,) = re.findall(r"^MemoryMax=(\w+)$", (EXAMPLES / unit).read_text(), re.MULTILINE)
        assert compose["services"][service]["mem_limit"] == limit.lower()


def test_nothing_in_a_container_gains_rights(compose: Any) -> None:
    for service in compose["services"].values():
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_a_layer_of_the_image_holds_what_the_installation_reads_and_no_secret(tmp_path: Path) -> None:
    lines = [
        line for line in (EXAMPLES / "Containerfile.dockerignore").read_text().splitlines() if not line.startswith("#")
    ]
    assert lines[0] == "*"
    kept = [line[1:] for line in lines if line.startswith("!")]
    assert set(lines[1:]) - {f"!{name}" for name in kept} == {"**/__pycache__", "**/*.db", "**/.env"}
    assert not {"docs", ".git", ".venv"} & set(kept)  # docs/examples/.env has the password of the store
    for name in kept:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "dist"]
    subprocess.run(build, cwd=tmp_path, check=True, capture_output=True)
    assert list((tmp_path / "dist").glob("abkit-*.whl"))
    assert set(re.findall(r"/source/([\w.]+)", dict(instructions())["RUN"])) <= set(kept)


LINTERS = {
    "Containerfile": ["hadolint"],
    "compose.yaml": ["check-jsonschema", "--builtin-schema", "vendor.compose-spec"],
}


@pytest.mark.parametrize("name", LINTERS)
def test_a_linter_finds_nothing_wrong(name: str) -> None:
    tool, *options = LINTERS[name]
    # What pip has installed lies beside the interpreter, whether or not that folder is on the path.
    found = shutil.which(tool, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if found is None:
        assert tool == "hadolint", f"{tool} belongs to the extra dev: pip install -e '.[dev]'"
        pytest.skip("no hadolint on this machine: its licence is the GPL, so it does not belong to the extra dev")
    done = subprocess.run([found, *options, EXAMPLES / name], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Containerfile, each with its arguments; lines that go on are one."""
    text = (EXAMPLES / "Containerfile").read_text()
    lines = re.sub(r"\\\n\s*", "", "\n".join(line for line in text.splitlines() if not line.startswith("#")))
    return [(one.split(" ", 1)[0], one.split(" ", 1)[1].strip()) for one in lines.splitlines() if one.strip()]


def test_the_image_is_pinned_runs_as_nobody_special_and_may_write_its_workspace() -> None:
    made = instructions()
    known = {"FROM", "ARG", "COPY", "RUN", "USER", "WORKDIR", "VOLUME", "ENV", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
    assert {name for name, _ in made} <= known
    one = dict(made)
    assert re.fullmatch(r"python:3\.\d+-slim", one["FROM"])
    assert "--constraint /source/constraints.txt" in one["RUN"]
    assert re.search(r"useradd .*--uid 1000 abkit .*--owner=abkit .*/workspace$", one["RUN"])
    order = [name for name, _ in made]
    assert one["USER"] == "1000"
    assert order.index("RUN") < order.index("USER") < order.index("WORKDIR")
    assert [json.loads(one[name])[0] for name in ("ENTRYPOINT", "CMD")] == ["abkit", "schedule"]
    assert json.loads(one["CMD"])[0] in COMMANDS
    probe = json.loads(one["HEALTHCHECK"].split("CMD ", 1)[1])
    compile(probe[2], "healthcheck", "exec")
    assert f":{Settings().daemon.port}/" in probe[2]


@pytest.mark.parametrize("name", UNITS)
def test_systemd_finds_nothing_wrong_with_a_unit(name: str, tmp_path: Path) -> None:
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("no systemd-analyze on this machine")
    here = (EXAMPLES / name).read_text().replace("/opt/abkit/bin/abkit", sys.executable).replace("/srv/abkit", "/tmp")  # noqa: S108
    (tmp_path / name).write_text(here)
    done = subprocess.run([tool, "verify", str(tmp_path / name)], capture_output=True, text=True, check=False)
    assert (done.returncode, [line for line in done.stderr.splitlines() if name in line]) == (0, [])


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_starts_a_command_that_exists(name: str) -> None:
    (line,) = re.findall(r"^ExecStart=/opt/abkit/bin/abkit (.*)$", (EXAMPLES / name).read_text(), re.MULTILINE)
    assert line.split()[0] in COMMANDS


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.mark.long
def test_the_commands_of_compose_run_as_they_stand_and_their_health_checks_pass(compose: Any, tmp_path: Path) -> None:
    ports = {"8714": str(free_port()), "8715": str(free_port())}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ABKIT_")}
    environment |= {name: str(value) for name, value in compose["x-abkit"]["environment"].items()}
    del environment["ABKIT_DATABASE_URL"]  # SQLite in the workspace: there is no PostgreSQL of compose
    environment |= {"ABKIT_DAEMON__PORT": ports["8714"], "ABKIT_WEB__PORT": ports["8715"]}
    abkit = [sys.executable, "-m", "abkit"]
    running = []
    try:
        for name in ("setup", "daemon", "web"):
            command = [*abkit, *compose["services"][name]["command"]]
            if name == "setup":
                subprocess.run(command, cwd=tmp_path, env=environment, check=True, timeout=120)
                with Workspace.open(tmp_path) as made:
                    add_person(made.store, "ada", "admin", PASSWORD)
                continue
            running.append(subprocess.Popen(command, cwd=tmp_path, env=environment))
        probes = [json.loads(dict(instructions())["HEALTHCHECK"].split("CMD ", 1)[1])]
        probes.append(compose["services"]["web"]["healthcheck"]["test"][1:])
        for probe, (fixed, port) in zip(probes, ports.items(), strict=True):
            assert f":{fixed}/" in probe[2]
            until_healthy([sys.executable, "-c", probe[2].replace(fixed, port)])
        with urllib.request.urlopen(f"http://127.0.0.1:{ports['8715']}/sign-in", timeout=10) as page:
            assert b"Sign in" in page.read()
    finally:
        for one in running:
            one.send_signal(signal.SIGTERM)
        ended = [one.wait(timeout=60) for one in running]
    assert ended == [0, 143]
    assert "\nSuccessExitStatus=143\n" in (EXAMPLES / "abkit-web.service").read_text()


def until_healthy(probe: list[str]) -> None:
    end = time.monotonic() + 90
    while subprocess.run(probe, capture_output=True, check=False).returncode:
        assert time.monotonic() < end, "it never became healthy"
        time.sleep(0.5)
