"""A scorer that is quick to load, for tests of what happens around it."""

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from abkit.store.database.engine import Store
from abkit.workflows.active_model import promote, register_checkpoint

ENCODER = "bundled:efficientnet-lite0"


@pytest.fixture(scope="session")
def quick_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Queries with random weights on the small encoder: real parts, no training."""
    return make_checkpoint(tmp_path_factory.mktemp("checkpoint") / "quick", seed=0)


def make_checkpoint(folder: Path, *, seed: int, novelty_limit: float | None = None) -> Path:
    """Save an untrained checkpoint; different seeds give different scores, whatever the limit of its novelty."""
    import numpy as np
    import torch

    from abkit_model import checkpoint
    from abkit_model.encoders.load import load_encoder
    from abkit_model.query_transformer import QueryTransformer
    from tests.model.conftest import network_config

    torch.manual_seed(seed)
    encoder = load_encoder(ENCODER)
    sizes = {"bins": 7, "members": 2, "queries": 2, "width": 16, "components": 128}
    config = network_config(encoder.token_dim, encoder.embedding_dim, **sizes)
    random = np.random.default_rng(seed)
    # A network that was never fitted says the same of every image; with some noise it does not.
    arrays = {
        name: value.numpy() + random.normal(0, 0.05, value.shape).astype(np.float32)
        for name, value in QueryTransformer(config).state_dict().items()
    }
    arrays["reference.score"] = random.normal(4, 0.5, 200)
    arrays["reference.embedding"] = random.normal(0, 1, (200, encoder.embedding_dim)).astype(np.float16)
    card = checkpoint.Card(
        name=f"quick-{seed}",
        encoder=encoder.name,
        encoder_fingerprint=encoder.fingerprint,
        scale=checkpoint.Scale(1, 7, 7),
        network=asdict(config),
        interval=checkpoint.Interval(level=0.9, half_width=1.0, n=100),
        demonstration=True,
        notice="untrained",
        novelty_limit=novelty_limit,
    )
    checkpoint.save(checkpoint.Checkpoint(card, arrays), folder)
    return folder


def make_checkpoint_between(folder: Path, images: Sequence[Path]) -> tuple[Path, Path]:
    """An untrained checkpoint whose limit lies between the farthest of some images and the others; and which it is.

    Returns:
        The checkpoint's folder, and the one image beyond its limit.
    """
    from PIL import Image

    from abkit_model.scorer import Scorer

    scorer = Scorer.load(make_checkpoint(folder / "without-limit", seed=0))
    encoded = scorer.encode([scorer.prepare(Image.open(path).convert("RGB")) for path in images])
    distances = scorer.network.distance(encoded.embedding).tolist()
    (second, _), (first, far) = sorted(zip(distances, images, strict=True))[-2:]
    assert first > 1.001 * second  # far enough apart for float16
    return make_checkpoint(folder / "with-limit", seed=0, novelty_limit=(first + second) / 2), far


@pytest.fixture
def scoring_store(store: Store, quick_checkpoint: Path) -> Store:
    """A store, once on each engine, whose active model is the quick scorer."""
    version = register_checkpoint(store, quick_checkpoint)
    promote(store, version.digest, why="for the tests")
    return store


@pytest.fixture(scope="session")
def _quick_template(sqlite_template: Path, quick_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("quick-store") / "store.db"
    shutil.copy(sqlite_template, path)
    store = Store(f"sqlite:///{path}")
    promote(store, register_checkpoint(store, quick_checkpoint).digest, why="for the tests")
    store.close()
    return path


@pytest.fixture
def quick_store(_quick_template: Path, tmp_path: Path) -> Iterator[Store]:
    """The same on SQLite alone, where the engine does not matter: a copy, so that no checkpoint is loaded for it."""
    path = tmp_path / "quick-store.db"
    shutil.copy(_quick_template, path)
    store = Store(f"sqlite:///{path}")
    yield store
    store.close()


READER = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 32, "patch_size": 16, "head_width": 16},
    "text_cfg": {"context_length": 20, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="session")
def reader(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a small OpenCLIP encoder with random weights and a text tower, known in this process."""
    return make_reader(tmp_path_factory.mktemp("reader"))


def make_reader(folder: Path) -> str:
    """Save the weights of a small OpenCLIP model, and make its name known to OpenCLIP."""
    import torch

    from abkit_model.encoders import libraries

    torch.set_num_threads(1)  # tests run beside each other
    open_clip = libraries.load("open_clip")
    (folder / "ViT-reader-test.json").write_text(json.dumps(READER))
    open_clip.add_model_config(folder / "ViT-reader-test.json")
    torch.manual_seed(0)
    torch.save(open_clip.create_model("ViT-reader-test").state_dict(), folder / "weights.pt")
    return f"openclip:ViT-reader-test/{folder / 'weights.pt'}"
