"""A scorer with random queries on the small encoder: quick, and everything about it is real."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from abkit_model import checkpoint as checkpoints
from abkit_model.checkpoint import Card, Checkpoint, Interval, Scale
from abkit_model.encoders import bundled, libraries
from abkit_model.encoders.frozen import FrozenEncoder
from abkit_model.query_transformer import NetworkConfig, QueryTransformer
from abkit_model.scorer import Scorer


def photograph(seed: int, width: int = 160, height: int = 120) -> Image.Image:
    """An image with some structure, unlike that of any other seed."""
    rng = np.random.default_rng(seed)
    noise = Image.fromarray(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8))
    return noise.resize((width, height), Image.Resampling.BICUBIC).filter(ImageFilter.UnsharpMask(2, 150))


def network_config(token_dim: int, embedding_dim: int, **sizes: Any) -> NetworkConfig:
    """A network as small as a test wants it."""
    usual = {"queries": 4, "depth": 1, "heads": 4, "dropout": 0.5, "hidden": 64, "clip": 6.0}
    return NetworkConfig(token_dim=token_dim, embedding_dim=embedding_dim, **usual | sizes)


@pytest.fixture(scope="session")
def encoder() -> FrozenEncoder:
    """The small encoder, looking at a quarter of the pixels that it was made for."""
    torch.set_num_threads(1)  # tests run beside each other
    variant = replace(bundled.VARIANTS["efficientnet-lite0"], side=128)
    weights = libraries.package_file(variant.package, variant.weights)
    assert weights is not None
    return FrozenEncoder("bundled:efficientnet-lite0", bundled.EfficientNetLite(variant, weights))


@pytest.fixture(scope="session")
def random_checkpoint(encoder: FrozenEncoder) -> Checkpoint:
    torch.manual_seed(1)
    config = network_config(encoder.token_dim, encoder.embedding_dim, bins=7, members=3, components=16, width=16)
    network = QueryTransformer(config)
    for name, value in network.state_dict().items():
        if "basis" in name or "contribution" in name:
            value.copy_(torch.randn_like(value) * 0.05)
    card = Card(
        name="random",
        encoder=encoder.name,
        encoder_fingerprint=encoder.fingerprint,
        scale=Scale(1, 7, 7),
        network=asdict(config),
        interval=Interval(level=0.9, half_width=1.25, n=100),
    )
    return Checkpoint(card, {k: v.numpy() for k, v in network.state_dict().items()})


@pytest.fixture
def checkpoint_folder(random_checkpoint: Checkpoint, tmp_path: Path) -> Path:
    checkpoints.save(random_checkpoint, tmp_path / "random")
    return tmp_path / "random"


@pytest.fixture(scope="session")
def scorer(random_checkpoint: Checkpoint, encoder: FrozenEncoder) -> Scorer:
    return Scorer(random_checkpoint, encoder)
