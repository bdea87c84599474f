"""ONNX export: equal bytes on every run, and no path of the machine in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from support.tiny_text_encoder import tiny_text_encoder

from encoders.onnx.export import export_text_onnx
from encoders.onnx.quantize import quantize
from encoders.onnx.text import open_onnx_text
from encoders.text import open_text_encoder
from encoders.torch_text import load_sentence_transformer
from vitrine.store import Store


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_text_encoder(tmp_path_factory.mktemp("tiny"))


def test_two_exports_have_the_same_bytes(tiny: Path, tmp_path: Path) -> None:
    for name in ("first.onnx", "second.onnx"):
        export_text_onnx(load_sentence_transformer(str(tiny)), tmp_path / name, 16)
    assert (tmp_path / "first.onnx").read_bytes() == (tmp_path / "second.onnx").read_bytes()


def test_the_graph_holds_no_path_of_the_machine(tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    export_text_onnx(load_sentence_transformer(str(tiny)), path, 16)
    model = onnx.load(path)
    assert [value.name for value in model.graph.input] == ["input_ids", "attention_mask"]
    assert [value.name for value in model.graph.output] == ["vector"]
    assert not any(node.metadata_props or node.doc_string for node in model.graph.node)
    assert b".py" not in path.read_bytes()


def test_eight_bits_are_smaller_and_nearly_the_same(tiny: Path, tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    name = open_text_encoder(str(tiny), store).name
    small = quantize(store, name)
    assert small == quantize(store, name) != name
    sizes = [(store.get("encoders", either) / "model.onnx").stat().st_size for either in (name, small)]
    assert sizes[1] < 0.9 * sizes[0]
    queries = ["red shoes for men", "black bag"]
    full, eight = (np.stack(open_onnx_text(store, either).encode(queries)) for either in (name, small))
    assert (full * eight).sum(axis=1).min() > 0.97
