"""Texts to padded token ids, for the torch and the ONNX text encoder alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .card import TOKENIZER_FILE, TextCard

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TokenArray = NDArray[np.int64]


def open_tokenizer(directory: Path, card: TextCard) -> Tokenizer:
    """Return the encoder's tokenizer, which cuts at the card's `max_tokens` and does not pad."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(directory / TOKENIZER_FILE))
    direction = (tokenizer.truncation or {}).get("direction", "right")
    tokenizer.enable_truncation(card.max_tokens, direction=direction)
    tokenizer.no_padding()
    return tokenizer


def token_ids(tokenizer: Tokenizer, texts: Sequence[str], prompt: str = "") -> list[list[int]]:
    """Return the token ids of each text after the prompt."""
    return [encoding.ids for encoding in tokenizer.encode_batch_fast([prompt + text for text in texts])]


def prompt_length(tokenizer: Tokenizer, prompt: str) -> int:
    """Return the number of tokens of a text that belong to the prompt or precede it."""
    if not prompt:
        return 0
    encoding = tokenizer.encode(prompt)
    return len(encoding.ids) - encoding.special_tokens_mask[-1]  # without a closing special token


def batches_by_length(lengths: Sequence[int], max_tokens: int) -> Iterator[list[int]]:
    """Yield row numbers in batches of at most `max_tokens` padded tokens, in order of length, so that little is padded."""
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[row] > max_tokens:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def pad(tokens: Sequence[Sequence[int]]) -> tuple[TokenArray, TokenArray]:
    """Return token ids and attention mask, both (n, longest)."""
    longest = max(1, *map(len, tokens))
    ids = np.zeros((len(tokens), longest), dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, text_ids in enumerate(tokens):
        ids[row, : len(text_ids)] = text_ids
        mask[row, : len(text_ids)] = 1
    return ids, mask
