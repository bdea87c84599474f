"""The ONNX graph of a BERT encoder with 4-bit weights, written node by node, so that torch is not needed.

Operators of the domain com.microsoft are ONNX Runtime's: MatMulNBits multiplies the 4-bit weights as they are, by 8-bit
activations where the processor does that faster.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from .packed_e5 import BLOCK, PackedModel

_MICROSOFT = "com.microsoft"
_INT8_ACTIVATIONS = 4  # accuracy_level of MatMulNBits


def write_bert_graph(model: PackedModel, path: Path) -> None:
    """Write input_ids, attention_mask (n, t) int64 -> vector (n, d) float32: mean pooling, unit length."""
    graph = _Graph(model)
    hidden = graph.embeddings()
    for layer in range(model.layers):
        hidden = graph.layer(hidden, f"l{layer}.")
    graph.pooled(hidden)
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "t"])
        for name in ("input_ids", "attention_mask")
    ]
    output = helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["n", model.hidden])
    written = helper.make_model(
        helper.make_graph(graph.nodes, "bert", inputs, [output], graph.constants),
        opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid(_MICROSOFT, 1)],
    )
    written.ir_version = 9
    onnx.checker.check_model(written)
    path.write_bytes(written.SerializeToString(deterministic=True))


class _Graph:
    """Nodes and constants of the graph, in the order in which they are computed."""

    def __init__(self, model: PackedModel) -> None:
        self.model = model
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def embeddings(self) -> str:
        """Add the sum of word, position and type embeddings, normalized: (n, t, d)."""
        model, add, constant = self.model, self._add, self._constant
        words = model.blocks("emb.word", model.words)
        packed = words.nibbles[:, :, 0::2] | (words.nibbles[:, :, 1::2] << 4)
        constant("words", packed)
        constant("word_scales", words.scales)
        constant("half", np.array(15, np.uint8))
        constant("shift", np.array(4, np.uint8))
        constant("middle", np.float32(8))
        constant("pair_axis", np.array([4]))
        constant("word_shape", np.array([0, 0, -1, BLOCK]))
        constant("flat", np.array([0, 0, model.hidden]))
        add("Gather", ["words", "input_ids"], "bytes")  # (n, t, blocks, 16)
        add("BitwiseAnd", ["bytes", "half"], "low")
        add("BitShift", ["bytes", "shift"], "high", direction="RIGHT")
        add("Unsqueeze", ["low", "pair_axis"], "low_each")
        add("Unsqueeze", ["high", "pair_axis"], "high_each")
        add("Concat", ["low_each", "high_each"], "pairs", axis=4)  # (n, t, blocks, 16, 2)
        add("Reshape", ["pairs", "word_shape"], "nibbles")  # (n, t, blocks, 32)
        add("Cast", ["nibbles"], "numbers", to=TensorProto.FLOAT)
        add("Sub", ["numbers", "middle"], "signed")
        add("Gather", ["word_scales", "input_ids"], "scales16")
        add("Cast", ["scales16"], "scales", to=TensorProto.FLOAT)
        constant("block_axis", np.array([3]))
        add("Unsqueeze", ["scales", "block_axis"], "scale_each")
        add("Mul", ["signed", "scale_each"], "scaled")
        add("Reshape", ["scaled", "flat"], "word_vectors")
        positions = model.values("emb.pos").reshape(-1, model.hidden)
        constant("positions", positions + model.values("emb.type")[: model.hidden])
        constant("first", np.array([0]))
        add("Shape", ["input_ids"], "length", start=1, end=2)
        add("Slice", ["positions", "first", "length"], "position_vectors")
        add("Add", ["word_vectors", "position_vectors"], "sum_of_embeddings")
        inputs = ["sum_of_embeddings", self._values("emb.ln.w"), self._values("emb.ln.b")]
        add("Cast", ["attention_mask"], "key_mask", to=TensorProto.INT32)
        constant("thirds", np.array([model.hidden] * 3))
        return add("LayerNormalization", inputs, "embedded", axis=-1, epsilon=model.epsilon)

    def layer(self, hidden: str, name: str) -> str:
        """Add attention and feed-forward network of one layer."""
        model, add = self.model, self._add
        self._linear(hidden, [f"{name}{part}.w" for part in "qkv"], model.hidden, f"{name}qkv")
        thirds = [f"{name}{part}" for part in "qkv"]
        self.nodes.append(helper.make_node("Split", [f"{name}qkv", "thirds"], thirds, axis=2))
        bias = self._constant(
            f"{name}qkv.b", np.concatenate([model.values(f"{name}{part}.b") for part in "qkv"])
        )
        add("MultiHeadAttention", [*thirds, bias, "key_mask"], f"{name}attention", num_heads=model.heads)
        self._linear(f"{name}attention", [f"{name}ao.w"], model.hidden, f"{name}ao")
        hidden = self._residual(hidden, f"{name}ao", f"{name}aln")
        self._linear(hidden, [f"{name}fi.w"], model.inner, f"{name}fi")
        add("BiasGelu", [f"{name}fi", self._values(f"{name}fi.b")], f"{name}gelu")
        self._linear(f"{name}gelu", [f"{name}fo.w"], model.hidden, f"{name}fo")
        return self._residual(hidden, f"{name}fo", f"{name}oln")

    def pooled(self, hidden: str) -> None:
        """Add the mean over the tokens at unit length."""
        self._constant("last_axis", np.array([2]))
        self._constant("token_axis", np.array([1]))
        self._add("Cast", ["attention_mask"], "weights", to=TensorProto.FLOAT)
        self._add("Unsqueeze", ["weights", "last_axis"], "weight_each")
        self._add("Mul", [hidden, "weight_each"], "weighted")
        self._add("ReduceSum", ["weighted", "token_axis"], "sum", keepdims=0)
        self._add("LpNormalization", ["sum"], "vector", axis=1, p=2)

    def _linear(self, source: str, names: list[str], rows: int, output: str) -> None:
        """Add the product with the matrices `names` below each other, each (rows, k), without bias."""
        blocks = [self.model.blocks(name, rows) for name in names]
        nibbles = np.concatenate([each.nibbles for each in blocks])
        scales = np.concatenate([each.scales for each in blocks]).astype(np.float32)
        weights = self._constant(f"{output}.q", nibbles[:, :, 0::2] | (nibbles[:, :, 1::2] << 4))
        self._add(
            "MatMulNBits",
            [source, weights, self._constant(f"{output}.s", scales.reshape(-1))],
            output,
            K=nibbles.shape[1] * BLOCK,
            N=len(nibbles),
            bits=4,
            block_size=BLOCK,
            accuracy_level=_INT8_ACTIVATIONS,
        )

    def _residual(self, before: str, change: str, norm: str) -> str:
        """Add the layer normalization of the sum of `before`, `change` and its bias."""
        inputs = [change, before, *map(self._values, (f"{norm}.w", f"{norm}.b", f"{change}.b"))]
        return self._add("SkipLayerNormalization", inputs, f"{norm}.out", epsilon=self.model.epsilon)

    def _values(self, name: str) -> str:
        return self._constant(name, self.model.values(name))

    def _constant(self, name: str, value: NDArray[Any] | np.generic) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def _add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        domain = _MICROSOFT if kind in _RUNTIME_OPERATORS else ""
        self.nodes.append(helper.make_node(kind, inputs, [output], domain=domain, **attributes))
        return output


_RUNTIME_OPERATORS = {"BiasGelu", "MatMulNBits", "MultiHeadAttention", "SkipLayerNormalization"}
