"""A host of weights of encoders, on this machine."""

import hashlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import torch

from abkit_model.encoders import libraries
from tests.remote_files import Server, serving

NAME = "timm:test_vit.r160_in1k"
PATH = "/timm/test_vit.r160_in1k/resolve/main/model.safetensors"


class Hub(BaseHTTPRequestHandler):
    """A host of weights that gives at most a part of what is asked for at a time."""

    server: Server
    most = 300_000
    heeds_if_range = True

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        self.server.asked.append(f"{self.command} {self.headers.get('Range', '')}".strip())
        data = self.server.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        tag = f'"{hashlib.sha256(data).hexdigest()}"'
        if self.heeds_if_range and self.headers.get("If-Range", tag) != tag:
            start = 0
        self.send_response(206 if start else 200)
        self.send_header("ETag", tag)
        self.send_header("Content-Length", str(len(data) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if body:
            self.wfile.write(data[start : start + self.most])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small vision transformer with random weights, as its owner would publish it."""
    torch.manual_seed(0)
    model = libraries.load("timm").create_model("test_vit.r160_in1k", pretrained=False)
    path = tmp_path_factory.mktemp("hub") / "model.safetensors"
    libraries.load("safetensors.torch").save_file(model.state_dict(), path)
    return path.read_bytes()


@pytest.fixture
def hub(weights: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    with serving(Hub) as server:
        server.files[PATH] = weights
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("ABKIT_ENCODERS", str(tmp_path / "encoders"))
        yield server
