"""The bundled network: the same numbers as the library's of the same name, without waiting for the library."""

import subprocess
import sys

import pytest
import torch

from abkit_model.encoders import bundled, efficientnet, libraries
from abkit_model.errors import EncoderUnavailable


@pytest.mark.parametrize("name", bundled.VARIANTS)
def test_its_numbers_are_those_of_the_network_in_timm(name: str) -> None:
    variant = bundled.VARIANTS[name]
    weights = libraries.package_file(variant.package, variant.weights)
    assert weights is not None
    state = torch.load(weights, map_location="cpu", weights_only=True)
    ours = efficientnet.build(variant.width, variant.depth, state).eval()
    theirs = libraries.load("timm").create_model(f"tf_{name.replace('-', '_')}", pretrained=False).eval()
    theirs.load_state_dict(dict(zip(theirs.state_dict(), state.values(), strict=True)))
    pixels = torch.rand(1, 3, 96, 75)  # an odd side, where padding is not the same on both ends
    with torch.inference_mode():
        x, y = ours.stem(pixels), theirs.bn1(theirs.conv_stem(pixels))
        for mine, other in zip(ours.stages, theirs.blocks, strict=True):
            x, y = mine(x), other(y)
            torch.testing.assert_close(x, y)
        torch.testing.assert_close(ours.content(x), theirs.bn2(theirs.conv_head(y)))


def test_weights_of_another_size_are_refused() -> None:
    variant = bundled.VARIANTS["efficientnet-lite2"]
    weights = libraries.package_file(variant.package, variant.weights)
    assert weights is not None
    with pytest.raises(EncoderUnavailable, match="does not hold the tensors"):
        bundled.EfficientNetLite(bundled.VARIANTS["efficientnet-lite0"], weights)


def test_loading_it_does_not_wait_for_libraries_of_networks() -> None:
    code = (
        "import sys; from abkit_model.encoders.load import load_encoder\n"
        "load_encoder('bundled:efficientnet-lite0')\n"
        "print('loaded:', [name for name in ('timm', 'torchvision', 'torch._dynamo') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "loaded: []" in done.stdout
