"""`abkit encoder`: weights come once, are shown first, go on where they were cut off, and are never called verified."""

import json
from pathlib import Path

import pytest
import typer

from abkit_model.encoders import catalog
from abkit_model.encoders.catalog import Published
from abkit_model.encoders.libraries import file_digest
from abkit_model.encoders.load import load_encoder
from abkit_model.errors import EncoderUnavailable
from tests.commands.conftest import Here
from tests.commands.model.conftest import NAME, Hub
from tests.model.conftest import photograph
from tests.remote_files import Server


def test_weights_are_shown_first_fetched_in_pieces_and_used_without_network(
    here: Here, hub: Server, weights: bytes
) -> None:
    done = here("encoder", "pull", f"{NAME}@block=1,size=64", "--yes")
    assert (done.returncode, done.stdout.strip()) == (0, NAME)
    assert f"{len(weights) / 1e6:,.1f} MB" in done.stderr
    assert "license" in done.stderr
    assert "nobody vouches" in done.stderr
    assert "verified" not in done.stderr
    assert sum(line.startswith("GET bytes=") for line in hub.asked) == len(weights) // Hub.most, "it went on"

    hub.shutdown()
    encoder = load_encoder(NAME, "float32")
    tokens = encoder.encode([encoder.prepare(photograph(1)), encoder.prepare(photograph(2, 320, 80))])
    assert tokens.tokens.shape[2] == encoder.token_dim
    assert "is here already" in here("encoder", "pull", NAME).stderr
    [line] = [row for row in json.loads(here("encoder", "list", "-f", "json").stdout) if row["name"] == NAME]
    assert line["digest"] == "recorded on first use"
    assert line["license"]


def test_a_no_keeps_nothing(here: Here, hub: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([True, False])

    def confirm(*_: object, **__: object) -> bool:
        if not next(answers):
            raise typer.Abort
        return True

    monkeypatch.setattr("typer.confirm", confirm)
    assert here("encoder", "pull", NAME).returncode == 1
    assert not [path for path in (tmp_path / "encoders").rglob("*") if path.is_file()]
    with pytest.raises(EncoderUnavailable, match="not on this machine") as caught:
        load_encoder(NAME)
    assert caught.value.hint == f"pull them: abkit encoder pull {NAME}"


def test_weights_that_differ_from_the_published_digest_are_thrown_away(
    here: Here, hub: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = catalog.published

    def pinned(name: str) -> Published:
        found = real(name)
        return Published(name=name, url=found.url, license="MIT", source=found.source, sha256="0" * 64)

    monkeypatch.setattr(catalog, "published", pinned)
    done = here("encoder", "pull", NAME, "--yes")
    assert done.returncode == 1
    assert "not the file that was published" in done.stderr
    assert not [path for path in (tmp_path / "encoders").rglob("*") if path.is_file()]


def test_weights_that_changed_after_they_came_are_refused(here: Here, hub: Server, tmp_path: Path) -> None:
    here("encoder", "pull", NAME, "--yes")
    [file] = (tmp_path / "encoders").rglob("*.safetensors")
    before = file_digest(file)
    file.write_bytes(file.read_bytes()[:-1] + b"\0")
    assert file_digest(file) != before
    with pytest.raises(EncoderUnavailable, match="not the file that was pulled"):
        load_encoder(NAME)


@pytest.mark.parametrize("gone", [False, True])
def test_weights_that_changed_after_they_came_can_be_pulled_again(
    here: Here, hub: Server, tmp_path: Path, weights: bytes, gone: bool
) -> None:
    here("encoder", "pull", NAME, "--yes")
    [file] = (tmp_path / "encoders").rglob("*.safetensors")
    if gone:
        file.unlink()
    else:
        file.write_bytes(weights[:-1] + b"\0")
    done = here("encoder", "pull", NAME, "--yes")
    assert (done.returncode, done.stdout.strip()) == (0, NAME)
    assert "not the file that was pulled: it is replaced" in done.stderr
    assert file.read_bytes() == weights
    load_encoder(NAME)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("timm:no_such_model", "no published weights"),
        (f"{NAME}@tag=openai", "only names of OpenCLIP have"),
        ("openclip:ViT-B-32/no-such-tag", "no tag"),
        ("bundled:efficientnet-lite2", "installed already"),
        ("timm:test_vit2.r160_in1k", "status 404"),
    ],
)
def test_what_cannot_be_pulled_is_one_sentence(here: Here, hub: Server, name: str, said: str) -> None:
    done = here("encoder", "pull", name, "--yes")
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_is_fetched_without_encryption(here: Here, hub: Server) -> None:
    done = here("encoder", "pull", NAME, "--yes", HF_ENDPOINT="http://example.com")
    assert done.returncode == 1
    assert "only https" in done.stderr
