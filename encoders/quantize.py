"""An exported encoder with 8-bit weights: another artifact, smaller and faster, whose vectors differ a little."""

from __future__ import annotations

import logging
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from vitrine.store import Store

from .card import KIND, put, read_card


def shrink(store: Store, name: str) -> str:
    """The name of the 8-bit form of a text encoder artifact; what it costs is measured, not promised.

    It only serves queries: the torch weights that index texts stay with the original.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    origin = store.get(KIND, name)
    card = read_card(origin)
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch)
        shutil.copyfile(origin / "tokenizer.json", made / "tokenizer.json")
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)  # advice about pictures, through the root logger
        try:
            quantize_dynamic(
                origin / "model.onnx", made / "model.onnx", weight_type=QuantType.QInt8, per_channel=True
            )
        finally:
            logging.disable(before)
        replace(card, name=f"{card.name}-int8", source=name).write(made)
        return put(store, made)
