"""ONNX graphs of a few nodes, for encoders whose vectors are computed by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def unit_length(name: str) -> list[Any]:
    """Nodes that bring rows (n, d) to length one as the output `vector`."""
    return [helper.make_node("LpNormalization", [name], ["vector"], axis=1, p=2)]


def save_graph(
    path: Path,
    nodes: Sequence[Any],
    inputs: Mapping[str, tuple[Any, Sequence[Any]]],
    constants: Mapping[str, Any],
    dimension: int,
) -> None:
    """Write a checked model whose one output is `vector` (n, dimension)."""
    graph = helper.make_graph(
        list(nodes),
        "small",
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["n", dimension])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    onnx.checker.check_model(model)
    onnx.save(model, path)
