"""Embedding a catalogue's texts: the forms of the packaged MiniLM against `SentenceTransformer.encode` with its defaults.

The same 2,048 texts (title and description of Chorus products) by every arm, interleaved; beside the speed the largest
cosine distance from sentence-transformers' own vectors, and nDCG@10 over the judged products with queries by the same form.
    python -m scripts.bench.embed [--rounds 5] [--noisy]
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from encoders.onnx.quantize import quantize
from encoders.onnx.text import OnnxCatalogueEncoder, open_onnx_text
from encoders.protocol import FloatArray
from encoders.text import open_text_encoder, packaged_directory
from encoders.torch_text import TorchTextEncoder, load_sentence_transformer
from rerank.evaluation.intervals import bootstrap
from scripts.bench.rounds import measure_rounds, processor_seconds
from scripts.bench.towers.common import data
from scripts.bench.towers.serving import chorus, judged_ndcg
from vitrine.store import open_store

TEXTS = 2_048
REFERENCE = "SentenceTransformer.encode"

Encode = Callable[[Sequence[str]], FloatArray]


@dataclass(frozen=True)
class Spent:
    """Seconds on the clock and of the processor that one arm took."""

    clock: float
    processor: float


@click.command()
@click.option("--rounds", default=5, show_default=True, help="Rounds that count.")
@click.option("--noisy", is_flag=True, help="Count the rounds that other processes disturbed as well.")
def main(rounds: int, noisy: bool) -> None:
    """Print texts a second of each form, and what its vectors lose."""
    store = open_store()
    chosen = open_text_encoder(None, store)
    small = quantize(store, chosen.name)
    directories = {name: store.get("encoders", name) for name in (chosen.name, small)}
    model = load_sentence_transformer(str(packaged_directory()))
    arms: dict[str, Encode] = {
        REFERENCE: partial(model.encode, normalize_embeddings=True, show_progress_bar=False),
        "torch": TorchTextEncoder(directories[chosen.name], chosen.name).encode,
        "ONNX Runtime, 32 bits": OnnxCatalogueEncoder(directories[chosen.name], chosen.name).encode,
        "ONNX Runtime, 8 bits": OnnxCatalogueEncoder(directories[small], small).encode,
    }
    queries, documents, gains = chorus(data("chorus"))
    texts = documents[:TEXTS]
    results, discarded = measure_rounds(
        {name: partial(spend, encode, texts) for name, encode in arms.items()}, rounds, noisy=noisy
    )
    own = arms[REFERENCE](texts)
    reference = judged_ndcg(open_onnx_text(store, chosen.name), queries, arms[REFERENCE](documents), gains)
    table = Table("form", "texts/s", "times", "processor ms a text", "times", "cosine distance", "nDCG@10")
    for name, encode in arms.items():
        clock = statistics.median(each[name].clock for each in results)
        processor = statistics.median(each[name].processor for each in results)
        faster, cheaper = (
            statistics.median(getattr(each[REFERENCE], what) / getattr(each[name], what) for each in results)
            for what in ("clock", "processor")
        )
        served = open_onnx_text(store, small if name.endswith("8 bits") else chosen.name)
        change = bootstrap(judged_ndcg(served, queries, encode(documents), gains) - reference)
        table.add_row(
            name,
            f"{len(texts) / clock:.0f}",
            f"{faster:.2f}",
            f"{processor / len(texts) * 1e3:.2f}",
            f"{cheaper:.2f}",
            f"{float((1 - (encode(texts) * own).sum(axis=1)).max()):.1e}",
            f"{change.mean:+.4f} [{change.low:+.4f}, {change.high:+.4f}]",
        )
    console = Console()
    console.print(table)
    console.print(
        f"{reference.mean():.3f} nDCG@10 by {REFERENCE}; `vitrine index` takes {type(chosen).__name__}"
    )
    console.print(
        f"{len(results)} rounds of {len(texts):,} texts counted, {discarded} discarded as disturbed"
    )


def spend(encode: Encode, texts: Sequence[str]) -> Spent:
    """What one arm takes for all texts."""
    clock, processor = time.perf_counter(), processor_seconds()
    vectors = encode(texts)
    if not np.isfinite(vectors).all():
        raise click.ClickException("an arm gives vectors that are not finite")
    return Spent(time.perf_counter() - clock, processor_seconds() - processor)


if __name__ == "__main__":
    main()
