"""Text encoders of two layers with random but seeded weights, small enough to build in a test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    "query",
    "passage",
    ":",
)


@dataclass(frozen=True)
class TinySettings:
    """How a tiny encoder differs from mean pooling without prompts."""

    pooling: str | tuple[str, ...] = "mean"
    pool_prompt: bool = True
    dense: int | None = None  # output dimension of a dense layer
    normalize: bool = False
    max_tokens: int = 16
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt: str | None = None
    special_tokens: bool = False  # [CLS] before and [SEP] after each text


PLAIN = TinySettings()


def tiny_text_encoder(directory: Path, seed: int = 0, settings: TinySettings = PLAIN) -> Path:
    """Write a sentence-transformers directory with vectors of 32 values, or of `dense`, and give it back."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense, Normalize
    from sentence_transformers.sentence_transformer import modules

    torch.manual_seed(seed)
    raw = _save_transformer(directory / "raw", settings)
    transformer = modules.Transformer(str(raw), max_seq_length=settings.max_tokens)
    size = transformer.get_embedding_dimension()
    pooling: Any = modules.Pooling(size, settings.pooling, settings.pool_prompt)
    stages: list[Any] = [transformer, pooling]
    if settings.dense:
        stages.append(Dense(pooling.get_embedding_dimension(), settings.dense))
    if settings.normalize:
        stages.append(Normalize())
    model = SentenceTransformer(
        modules=stages,
        device="cpu",
        prompts=dict(settings.prompts),
        default_prompt_name=settings.default_prompt,
    )
    folder = directory / "tiny"
    model.save(str(folder), create_model_card=False)
    return folder


def _save_transformer(raw: Path, settings: TinySettings) -> Path:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.normalizers import Lowercase
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    special = ("[PAD]", "[UNK]", "[CLS]", "[SEP]") if settings.special_tokens else ("[PAD]", "[UNK]")
    vocabulary = {word: row for row, word in enumerate([*special, *WORDS])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = Whitespace()
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]"}
    if settings.special_tokens:
        tokenizer.post_processor = TemplateProcessing("[CLS] $A [SEP]", None, [("[CLS]", 2), ("[SEP]", 3)])
        names |= {"cls_token": "[CLS]", "sep_token": "[SEP]"}
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.2,  # ten times the usual, so that vectors differ from text to text
    )
    BertModel(config).save_pretrained(raw)
    tokenizer_class: Any = PreTrainedTokenizerFast  # its constructor has no types
    tokenizer_class(tokenizer_object=tokenizer, model_max_length=64, **names).save_pretrained(raw)
    return raw
