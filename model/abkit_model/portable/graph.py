"""Write a scorer, encoder and queries together, as one ONNX graph."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from abkit_model.errors import ModelError
from abkit_model.portable.files import GRAPH_FILE, INPUTS, OUTPUTS
from abkit_model.scorer import Scorer

# The newest operator set that quantization and every runtime of the last three years read.
_OPERATORS = 17


class _Whole(nn.Module):
    """Pixels in, opinions out: what `FrozenEncoder.encode` and the queries do for images of one canvas."""

    def __init__(self, scorer: Scorer) -> None:
        super().__init__()
        self._encoder = scorer.encoder
        self._network = scorer.network
        self._distance = scorer.distance

    def forward(self, pixels: Tensor, width: Tensor, height: Tensor) -> tuple[Tensor, ...]:
        tokens, mask, embedding = self._encoder.batch_features(pixels, width, height)
        opinion = self._network(tokens, mask, embedding)
        return opinion.probabilities, opinion.activations, embedding, self._distance(tokens, mask, embedding)


def write_graph(scorer: Scorer, folder: Path) -> Path:
    """Write a scorer as `scorer.onnx` into a folder that exists; return the path of the graph.

    The graph takes `pixels` (B, H, W, 3) uint8, all of one canvas, with `width` and `height` (B,) int64, the part that
    shows the image. It is traced, which takes seconds; torch's newer exporter was stopped after four minutes on the
    free canvas sizes.

    Raises:
        ModelError: The encoder cannot be written as ONNX, or `onnx` is missing.
    """
    try:
        import onnx  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModelError(f"export needs {error.name}, which is not installed", "pip install 'abkit[onnx]'") from error
    canvas = scorer.encoder.canvas
    side = canvas.square or 2 * canvas.cell
    across = canvas.square or 3 * canvas.cell
    example = (
        torch.zeros(2, side, across, 3, dtype=torch.uint8),
        torch.tensor([across, across - 1]),
        torch.tensor([side, side - 1]),
    )
    free = {"pixels": {0: "images", 1: "rows", 2: "columns"}, "width": {0: "images"}, "height": {0: "images"}}
    outputs = {name: {0: "images"} for name in OUTPUTS}
    path = folder / GRAPH_FILE
    try:
        with _quiet(), torch.inference_mode():
            torch.onnx.export(
                _Whole(scorer).eval(),
                example,
                str(path),
                dynamo=False,
                opset_version=_OPERATORS,
                input_names=list(INPUTS),
                output_names=list(OUTPUTS),
                dynamic_axes={**free, **outputs},
            )
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        raise ModelError(
            f"{scorer.encoder.name} cannot be written as ONNX: {str(error).splitlines()[0]}",
            "export a scorer on one of the bundled encoders",
        ) from error
    return path


@contextmanager
def _quiet() -> Iterator[None]:
    # Tracing warns of every shape that is read; the shapes are free, and the parity test shows that they stay so.
    # Quantization advises on the root logger to prepare the graph first; tracing has done what it asks for.
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def quantize(graph: Path, out: Path, batches: Iterator[dict[str, Any]]) -> None:
    """Write the graph with its convolutions in 8-bit integers, their ranges measured on images of the own kind.

    The first fifth of them stays in float32: these see the finest differences, are few bytes, and cost the most
    agreement (`benchmarks/portable_scorer.py`).

    Args:
        graph: The graph in float32.
        out: The file to write.
        batches: Inputs of the graph, a dictionary for each canvas.

    Raises:
        ModelError: `onnxruntime` is missing.
    """
    try:
        import onnx
        from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    except ModuleNotFoundError as error:
        raise ModelError(
            f"8-bit integers need {error.name}, which is not installed", "pip install 'abkit[onnx]'"
        ) from error

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
        def get_next(self) -> dict[str, Any]:
            return cast(dict[str, Any], next(batches, None))

    convolutions = [node.name for node in onnx.load(str(graph)).graph.node if node.op_type == "Conv"]
    with _quiet():
        quantize_static(
            str(graph),
            str(out),
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            nodes_to_exclude=convolutions[: len(convolutions) // 5],
            per_channel=True,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
        )
