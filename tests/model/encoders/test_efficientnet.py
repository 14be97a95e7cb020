"""The bundled network: the same numbers as the library's of the same name, without waiting for the library."""

import subprocess
import sys

import pytest
import torch

from abkit_model.encoders import bundled, efficientnet, folded, libraries
from abkit_model.errors import EncoderUnavailable


def own_network(name: str) -> bundled.EfficientNetLite:
    """One of its own: what a test process loads is built once."""
    variant = bundled.VARIANTS[name]
    weights = libraries.package_file(variant.package, variant.weights)
    assert weights is not None
    return bundled.EfficientNetLite(variant, weights)


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


@pytest.mark.skipif(not folded.can_fold(torch.bfloat16), reason="no oneDNN in bfloat16 here")
@pytest.mark.parametrize("name", bundled.VARIANTS)
def test_on_processors_it_is_computed_with_folded_normalization_and_sees_the_same(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = own_network(name)
    pixels = torch.rand(2, 3, 96, 160, generator=torch.Generator().manual_seed(1)) * 2 - 1
    sizes = torch.tensor([160, 150]), torch.tensor([96, 80])
    with torch.inference_mode():
        ours = encoder.features(pixels, *sizes)
        with torch.autocast("cpu", torch.bfloat16):
            half = encoder.features(pixels, *sizes)
        assert list(encoder._quick) == [torch.float32, torch.bfloat16]
        monkeypatch.setattr(bundled, "can_fold", lambda _: False)
        theirs = encoder.features(pixels, *sizes)
    for mine, other, fast in zip(ours, theirs, half, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-3, atol=1e-3)
        apart = (fast.float() - other.float()).norm() / other.float().norm()
        assert apart < 0.05


def test_what_rounding_takes_from_the_mean_of_a_layer_its_bias_gives_back() -> None:
    network = own_network("efficientnet-lite0")._network
    before = torch.linspace(-1, 2, 24)
    for layer in network.stages[2][0].layers:  # wider, each channel by itself, narrower
        exact, rounded = (folded._Layer(layer, kind, before) for kind in (torch.float32, torch.bfloat16))
        assert not torch.equal(rounded._weight.float(), exact._weight)
        grouped = layer[0].groups > 1

        def mean_after(one: folded._Layer, grouped: bool = grouped, before: torch.Tensor = before) -> torch.Tensor:
            weight = one._weight.float().sum(dim=(2, 3))
            return (weight[:, 0] * before if grouped else weight @ before) + one._rest[0]

        torch.testing.assert_close(mean_after(rounded), mean_after(exact), rtol=1e-5, atol=1e-5)
        before = exact.mean
        torch.testing.assert_close(rounded.mean, before)


def test_the_mean_of_what_is_clamped_is_that_of_many_draws() -> None:
    draws = torch.randn(200_000, generator=torch.Generator().manual_seed(1))
    for mean, std in ((-2.0, 1.0), (0.0, 0.5), (1.0, 3.0), (5.0, 4.0), (9.0, 1.0), (2.0, 0.0)):
        found = folded._clamped_mean(torch.tensor(mean), torch.tensor(std))
        assert float(found) == pytest.approx(float((mean + std * draws).clamp(0, 6).mean()), abs=0.02)


def test_gradients_take_the_network_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("folded")

    monkeypatch.setattr(bundled, "Folded", refuse)
    monkeypatch.setattr(bundled, "can_fold", lambda _: True)
    encoder = own_network("efficientnet-lite0")
    pixels = torch.rand(1, 3, 64, 64, requires_grad=True)
    embedding = encoder.features(pixels, torch.tensor([64]), torch.tensor([64]))[2]
    assert torch.autograd.grad(embedding.sum(), pixels)[0].abs().sum() > 0
    with torch.inference_mode(), pytest.raises(AssertionError, match="folded"):
        encoder.features(torch.rand(1, 3, 64, 64), torch.tensor([64]), torch.tensor([64]))
