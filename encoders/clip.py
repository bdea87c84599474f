"""The text tower of an open_clip model as a query encoder: its tokenizer as one file, the tower as ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from encoders.onnx.export import export_token_onnx
from vitrine.errors import EncoderError
from vitrine.store import Store

from .card import MODEL_FILE, TOKENIZER_FILE, TextCard, slug, store_encoder


def export_clip_text(store: Store, model: nn.Module, name: str, directory: Path) -> str:
    """Write the text encoder artifact of a loaded open_clip model into `directory` and the store; return its name.

    Raises EncoderError for text towers that are not CLIP's causal transformer over byte pairs.
    """
    import open_clip

    tokenizer = open_clip.get_tokenizer(name)
    if not isinstance(tokenizer, open_clip.SimpleTokenizer):
        raise EncoderError(
            f"the text tower of open_clip model {name!r} uses a {type(tokenizer).__name__}; only those with CLIP's own"
            " tokenizer can be served, such as ViT-B-32"
        )
    words = ClipTextTower(model).eval()
    context = int(tokenizer.context_length or 77)
    _fast_tokenizer(tokenizer, context).save(str(directory / TOKENIZER_FILE))
    export_token_onnx(words, directory / MODEL_FILE, context)
    with torch.inference_mode():
        dimension = words(torch.zeros(1, 2, dtype=torch.int64), torch.ones(1, 2, dtype=torch.int64)).shape[-1]
    card = TextCard(name=f"{slug(name)}-words", dimension=dimension, languages=("en",), max_tokens=context)
    card.write(directory)
    return store_encoder(store, directory)


class ClipTextTower(nn.Module):
    """Token ids and mask (n, t) to unit vectors (n, d); attention is causal, so tokens after the end have no effect."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        text: Any = getattr(model, "text", model)
        if getattr(text, "attn_mask", None) is None or getattr(text, "cls_emb", None) is not None:
            raise EncoderError("this open_clip text tower has no causal attention; name a plain CLIP model")
        self.text = text

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Return unit vectors (n, d) of token ids and mask (n, t)."""
        length = input_ids.shape[1]
        states = self.text.token_embedding(input_ids) + self.text.positional_embedding[:length]
        states = self.text.transformer(states, attn_mask=self.text.attn_mask[:length, :length])
        states = self.text.ln_final(states)
        last = attention_mask.sum(dim=1) - 1
        pooled = states[torch.arange(states.shape[0], device=states.device), last]
        projection = self.text.text_projection
        pooled = projection(pooled) if isinstance(projection, nn.Module) else pooled @ projection
        return nn.functional.normalize(pooled, dim=-1)


def _fast_tokenizer(tokenizer: Any, context: int) -> Any:
    """Return CLIP's tokenizer as a `tokenizers` object: the same ids, without Python's regular expressions."""
    from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors
    from tokenizers.models import BPE

    start, end = "<start_of_text>", "<end_of_text>"
    merges = sorted(tokenizer.bpe_ranks, key=tokenizer.bpe_ranks.get)
    fast = Tokenizer(BPE(tokenizer.encoder, merges, end_of_word_suffix="</w>", unk_token=end))
    fast.normalizer = normalizers.Sequence(
        [
            normalizers.NFC(),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Strip(),
            normalizers.Lowercase(),
        ]
    )
    pattern = Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
    fast.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(pattern, "removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    ends = [(start, tokenizer.encoder[start]), (end, tokenizer.encoder[end])]
    fast.post_processor = processors.TemplateProcessing(single=f"{start} $A {end}", special_tokens=ends)
    fast.enable_truncation(context)
    return fast
