"""docs/api.md: its examples run against a real server, and it names every route."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from abkit import Workspace
from abkit.workflows.upkeep.people import add_person, create_token
from tests.images import make_image

PAGE = (Path(__file__).parent.parent.parent.parent / "docs" / "api.md").read_text(encoding="utf-8")
EXAMPLES = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
CALLS = [line for line in EXAMPLES if re.match(r"(set -- \$\w+ && )?curl ", line)]
# Lines that ask for what later ones use.
ASKED = [line.partition("=")[0] for line in EXAMPLES if re.match("[A-Z]+=.*curl", line)]
# Scored by a network that takes seconds to load: `test_scoring.py` does it with a quick one.
SCORED = [line for line in CALLS if "image" in line]


@pytest.fixture(scope="module")
def server(stocked: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a shell beside a server of its own: a process that was started as anybody starts it."""
    folder = tmp_path_factory.mktemp("served")
    shutil.copytree(stocked.settings.workspace, folder / "shop")
    config = folder / "shop" / "abkit.toml"
    make_image(1).save(folder / "ad.png")
    with Workspace.open(config) as shop:
        add_person(shop.store, "ada", "viewer", "a long password")
        token = create_token(shop.store, "ada", label="search backend", scopes=["view"]).secret
    process = subprocess.Popen(
        [sys.executable, "-m", "abkit", "--config", str(config), "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    assert address.startswith("http://127.0.0.1:")
    shell = {**os.environ, "API": f"{address}api/v1", "TOKEN": token, "FOLDER": str(folder)}
    for name in ASKED:
        (line,) = (one for one in EXAMPLES if one.startswith(f"{name}="))
        shell[name] = run(f'{line}; echo "${name}"', shell).strip()
    yield shell
    process.send_signal(signal.SIGTERM)
    process.wait(20)


def run(line: str, shell: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", line], env=shell, cwd=shell["FOLDER"], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_every_example_gets_its_answer(server: dict[str, str]) -> None:
    assert len(CALLS) > 10
    for line in CALLS:
        if line in SCORED:
            continue
        said = run(line, server)
        if "http_code" in line:
            assert said.strip() == "304", line
            continue
        if "etag-save" in line:
            continue
        answer = json.loads(said)
        is_problem = "title" in answer and "status" in answer
        assert is_problem == ("0000000000" in line), (line, answer)
        if "jury" in line:
            assert (answer["imported"], answer["refused"]) == (1, []), answer


@pytest.mark.long
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_images_are_scored_by_a_real_server(server: dict[str, str]) -> None:
    for line in SCORED:
        (file,) = json.loads(run(line, server))["files"]
        assert file["mean"] is not None, line


def test_it_names_every_route(server: dict[str, str]) -> None:
    document = json.loads(run('curl -s "$API/openapi.json"', server))
    for path in document["paths"]:
        assert f"{path.removeprefix('/api/v1')}`" in PAGE or path.endswith("openapi.json"), path


def test_the_address_of_the_page_is_the_usual_one() -> None:
    from abkit.config import WebSettings

    assert f"API=http://127.0.0.1:{WebSettings().port}/api/v1" in EXAMPLES
