"""Texts to vectors by torch: a sentence-transformers model on a GPU, or on a processor that multiplies bfloat16 quickly."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from vitrine.errors import EncoderError

from .card import TORCH_FOLDER, TextCard, require_card
from .device import choose_device
from .protocol import FloatArray
from .tokens import batches_by_length, open_tokenizer, pad, prompt_length, token_ids
from .workers import Workers

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

TOKENS_PER_BATCH = {"cpu": 1024, "cuda": 65536}


class TorchTextEncoder:
    """A text encoder artifact computed by torch; its sentence-transformers model lies in the folder `torch`."""

    def __init__(self, directory: Path, name: str) -> None:
        self._card = require_card(directory, name, TextCard)
        self.name, self.dimension, self.languages = name, self._card.dimension, self._card.languages
        self._device = choose_device()
        self._model = load_sentence_transformer(str(directory / TORCH_FOLDER)).to(self._device).eval()
        self._tokenizer = open_tokenizer(directory, self._card)
        self._workers = Workers(self._device)

    def encode(self, texts: Sequence[str]) -> FloatArray:
        """Return unit vectors (n, d), one a text of a product."""
        return self._encode(texts, self._card.document_prompt)

    def encode_queries(self, texts: Sequence[str]) -> FloatArray:
        """Return unit vectors (n, d), one a query."""
        return self._encode(texts, self._card.query_prompt)

    def _encode(self, texts: Sequence[str], prompt: str) -> FloatArray:
        """Return unit vectors (n, d); texts of similar length share a batch, so that little is padded."""
        tokens = token_ids(self._tokenizer, texts, prompt)
        vectors = np.empty((len(tokens), self.dimension), dtype=np.float32)
        extra = {} if self._card.prompt_pooled else {"prompt_length": prompt_length(self._tokenizer, prompt)}

        def compute(rows: list[int]) -> FloatArray:
            ids, mask = (torch.from_numpy(array).to(self._device) for array in pad([tokens[r] for r in rows]))
            features = {"input_ids": ids, "attention_mask": mask, **extra}
            embedding = self._model(features)["sentence_embedding"].float()[:, : self.dimension]
            unit: FloatArray = torch.nn.functional.normalize(embedding, dim=-1).cpu().numpy()
            return unit

        batches = list(batches_by_length([len(ids) for ids in tokens], TOKENS_PER_BATCH[self._device.type]))
        for rows, computed in zip(batches, self._workers.map(compute, batches), strict=True):
            vectors[rows] = computed
        return vectors


def load_sentence_transformer(name: str, trust_remote_code: bool = False) -> SentenceTransformer:
    """Return the model on the CPU, in float32. Raises EncoderError when neither a directory nor the hub has it.

    `trust_remote_code` allows the model to bring Python code, which then runs here.
    """
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        model = SentenceTransformer(
            name,
            device="cpu",
            local_files_only=Path(name).is_dir(),
            trust_remote_code=trust_remote_code,
        )
    except Exception as error:  # a damaged or foreign directory raises nearly anything
        raise EncoderError(_load_problem(name, error)) from error
    return model.float()


def _load_problem(name: str, error: Exception) -> str:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    if "trust_remote_code" in str(error):
        return (
            f"text encoder {name!r} needs Python code that it brings itself; if you trust it, pass --trust-remote-code, "
            "and the code runs on this machine once, for the export"
        )
    return (
        f"text encoder {name!r} is neither a sentence-transformers directory nor a model of a reachable hub"
        f" ({reason}); leave it out to use the packaged MiniLM"
    )


def save_from_hub(name: str, directory: Path, trust_remote_code: bool) -> None:
    """Load a model by its hub name and write it into the directory. Raises EncoderError."""
    load_sentence_transformer(name, trust_remote_code).save(str(directory), create_model_card=True)
