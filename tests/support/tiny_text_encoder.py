"""A text encoder of two layers with random but seeded weights, small enough to build in a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

WORDS = (
    "red",
    "green",
    "blue",
    "black",
    "shoe",
    "shoes",
    "dress",
    "shirt",
    "for",
    "men",
    "women",
    "a",
    "bag",
)


def tiny_text_encoder(directory: Path, seed: int = 0) -> Path:
    """Write a sentence-transformers directory with 32-dimensional vectors and give it back."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.normalizers import Lowercase
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    torch.manual_seed(seed)
    vocabulary = {word: row for row, word in enumerate(["[PAD]", "[UNK]", *WORDS])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = Whitespace()
    raw = directory / "raw"
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(raw)
    tokenizer_class: Any = PreTrainedTokenizerFast  # its constructor has no types
    fast = tokenizer_class(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=64
    )
    fast.save_pretrained(raw)
    folder = directory / "tiny"
    transformer = modules.Transformer(str(raw), max_seq_length=16)
    pooling = modules.Pooling(transformer.get_embedding_dimension(), "mean")
    SentenceTransformer(modules=[transformer, pooling], device="cpu").save(
        str(folder), create_model_card=False
    )
    return folder
