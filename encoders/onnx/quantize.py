"""A text encoder with 8-bit weights: another artifact, smaller and faster, whose vectors differ a little."""

from __future__ import annotations

import logging
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from encoders.card import KIND, MODEL_FILE, TOKENIZER_FILE, TextCard, require_card, store_encoder
from vitrine.store import Store


def quantize(store: Store, name: str) -> str:
    """Store the 8-bit form of a text encoder artifact and return its name.

    It serves queries only: the torch weights for indexing stay with the original. `scripts/bench/encoders` measures the
    loss in nDCG. Raises EncoderError for an encoder of another kind.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    origin = store.get(KIND, name)
    card = require_card(origin, name, TextCard)
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch)
        shutil.copyfile(origin / TOKENIZER_FILE, target / TOKENIZER_FILE)
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)  # advice about image models, through the root logger
        try:
            quantize_dynamic(
                origin / MODEL_FILE, target / MODEL_FILE, weight_type=QuantType.QInt8, per_channel=True
            )
        finally:
            logging.disable(before)
        replace(card, name=f"{card.name}-int8", source=name).write(target)
        return store_encoder(store, target)
