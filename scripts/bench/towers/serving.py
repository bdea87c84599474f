"""Speed of the encoders: cached and uncached queries, 8-bit weights, and images with and without decoding."""

from __future__ import annotations

import csv
import gzip
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from encoders.card import ImageCard
from encoders.image import TorchImageEncoder, open_image_encoder, write_tower
from encoders.image_io import decode_image
from encoders.onnx.quantize import quantize
from encoders.onnx.text import OnnxTextEncoder, open_onnx_text
from encoders.protocol import ByteArray, ImageEncoder
from encoders.text import open_text_encoder
from encoders.training.tower import TowerShape, build_tower
from rerank.evaluation.intervals import bootstrap
from scripts.bench.rounds import measure_rounds
from vitrine.store import open_store

from .common import data, ndcg_at_10

ROUNDS = 9
PREFETCH = 64  # images decoded ahead


@click.command()
@click.argument("tower", required=False)
def main(tower: str | None) -> None:
    """Print figures of the packaged text encoder, and of TOWER and a larger tower where one is named."""
    store, console = open_store(), Console()
    words = open_text_encoder(None, store)
    full = open_onnx_text(store, words.name)
    small = open_onnx_text(store, quantize(store, words.name))
    queries, documents, gains = chorus(data("chorus"))
    vectors = words.encode(documents)
    before, after = (judged_ndcg(embedder, queries, vectors, gains) for embedder in (full, small))
    change = bootstrap(after - before)
    slow, fast = interleaved(lambda: uncached(full, queries), lambda: uncached(small, queries))
    console.print(f"a cached query: {cached(full):.2f} microseconds")
    console.print(
        f"a new query: {slow * 1e3:.1f} ms, with 8-bit weights {fast * 1e3:.1f} ms ({slow / fast:.2f} x)"
    )
    console.print(
        f"nDCG@10, {len(queries)} judged queries: {before.mean():.3f}, with 8-bit weights {after.mean():.3f}"
        f" (change {change.mean:+.3f}, {change.low:+.3f} to {change.high:+.3f})"
    )
    if tower:
        files = [
            path.read_bytes() for path in islice(sorted((data("fashion") / "images").glob("*.jpg")), 512)
        ]
        with tempfile.TemporaryDirectory() as folder:
            for encoder in (open_image_encoder(tower, store), larger(Path(folder), words.name)):
                stage, forward_rate = images(encoder, files)
                console.print(
                    f"images by {encoder.name}: {stage:.0f}/s with decoding and resizing, "
                    f"{forward_rate:.0f}/s forward alone"
                    f" ({stage / forward_rate:.2f} of the forward's rate)"
                )


def chorus(folder: Path) -> tuple[list[str], list[str], NDArray[np.float64]]:
    """Judged queries with a relevant product, the texts of the judged products, and judgments (queries, products).

    A judgment of -1 stands for none.
    """
    with (folder / "ratings.csv").open(newline="", encoding="utf-8") as file:
        ratings = {(row["query"], row["docid"]): float(row["rating"]) for row in csv.DictReader(file)}
    ids = sorted({identity for _, identity in ratings})
    place, texts = {identity: row for row, identity in enumerate(ids)}, [""] * len(ids)
    with gzip.open(folder / "products.jsonl.gz", "rt", encoding="utf-8") as lines:
        for product in map(json.loads, lines):
            if product["id"] in place:
                texts[place[product["id"]]] = f"{product['title']}. {product.get('short_description') or ''}"
    queries = sorted({query for (query, _), rating in ratings.items() if rating > 0})
    gains = np.full((len(queries), len(ids)), -1.0)
    for row, query in enumerate(queries):
        for identity in ids:
            gains[row, place[identity]] = ratings.get((query, identity), -1.0)
    return queries, texts, gains


def judged_ndcg(
    embedder: OnnxTextEncoder, queries: list[str], vectors: NDArray[np.float32], gains: NDArray[np.float64]
) -> NDArray[np.float64]:
    """nDCG@10 (queries,), linear gain, of the rated products of each query."""
    values = np.empty(len(queries))
    for row, query in enumerate(embedder.encode(queries)):
        rated = np.flatnonzero(gains[row] >= 0)
        values[row] = ndcg_at_10(vectors[rated] @ query, gains[row, rated])
    return values


def interleaved(left: Callable[[], Any], right: Callable[[], Any]) -> tuple[float, float]:
    """Median seconds of both arms; rounds are counted however busy the machine is."""
    arms = {"left": partial(seconds_of, left), "right": partial(seconds_of, right)}
    rounds, _ = measure_rounds(arms, ROUNDS, noisy=True)
    return statistics.median(each["left"] for each in rounds), statistics.median(
        each["right"] for each in rounds
    )


def seconds_of(arm: Callable[[], Any]) -> float:
    """The seconds that one call takes."""
    start = time.perf_counter()
    arm()
    return time.perf_counter() - start


_fresh: Iterator[int] = iter(range(1_000_000_000))


def uncached(embedder: OnnxTextEncoder, queries: list[str]) -> None:
    """A query that is not in the cache."""
    number = next(_fresh)
    embedder(f"{queries[number % len(queries)]} {number}")


def cached(embedder: OnnxTextEncoder) -> float:
    """Microseconds of a cached query."""
    embedder("red running shoes")
    start = time.perf_counter()
    for _ in range(10_000):
        embedder("red running shoes")
    return (time.perf_counter() - start) / 10_000 * 1e6


def larger(folder: Path, query_encoder: str) -> ImageEncoder:
    """A tower of the size of hub models, with random weights, which do not change its speed."""
    shape = TowerShape("resnet50", False, 384, 224)
    shape.write(folder)
    card = ImageCard(
        name="resnet50-224",
        dimension=384,
        languages=("en",),
        size=224,
        fit="pad",
        query_encoder=query_encoder,
    )
    write_tower(folder, build_tower(shape).eval(), "resnet50-224", card)
    return TorchImageEncoder(folder, "resnet50 at 224 px")


def images(encoder: ImageEncoder, files: list[bytes]) -> tuple[float, float]:
    """Images a second with decoding and resizing, and of the forward alone."""
    pixels = np.stack([encoder.prepare(decode_image(file, encoder.size)) for file in files])
    stage, forward_rate = interleaved(lambda: decoded(encoder, files), lambda: forward(encoder, pixels))
    return len(files) / stage, len(files) / forward_rate


def decoded(encoder: ImageEncoder, files: list[bytes]) -> None:
    """Files to vectors; threads decode the next images while one batch is computed."""

    def prepared(file: bytes) -> ByteArray:
        return encoder.prepare(decode_image(file, encoder.size))

    with ThreadPoolExecutor() as threads:
        waiting = [threads.submit(prepared, file) for file in files[:PREFETCH]]
        for start in range(PREFETCH, len(files) + PREFETCH, PREFETCH):
            pixels = np.stack([future.result() for future in waiting])
            waiting = [threads.submit(prepared, file) for file in files[start : start + PREFETCH]]
            encoder.encode(pixels)


def forward(encoder: ImageEncoder, pixels: ByteArray) -> None:
    """The same batches, decoded in advance."""
    for start in range(0, len(pixels), PREFETCH):
        encoder.encode(pixels[start : start + PREFETCH])


if __name__ == "__main__":
    main()
