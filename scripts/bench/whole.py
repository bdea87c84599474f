"""Rate of the whole indexer against the slower of its parts: the text encoder alone and the writer alone.

Three arms over the same rows, interleaved, their order reversed every round: texts to vectors, finished documents to
the engine, and the load from a JSONL file to the engine (rows, look-up, vectors, documents, requests). Reported: the
median over the rounds of whole rate / slower part's rate with its range, the share of tokens that is padding, and the
peak memory of a process that loads N and 2N rows, their vectors drawn at random so that many rows are affordable.

Encoder and engine share this machine's processors here, so the parts cannot quite overlap. `--pace N` replaces
the encoder by one that takes 1/N s a row without using the processor, as an encoder on a GPU would: the remaining loss is
the pipeline's own. A round is discarded when other processes used more than 15 % of a core while it ran.

    OPENSEARCH_URL=http://127.0.0.1:9200 .venv/bin/python scripts/bench/whole.py --rounds 5 [--pace 500]
"""

from __future__ import annotations

import json
import multiprocessing
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np

from encoders.images.fetch import Fetcher
from encoders.images.source import ImagePlaces
from encoders.protocol import FloatArray, TextEncoder
from encoders.text import open_text_encoder
from encoders.tokens import batches_by_length
from encoders.torch_text import TOKENS_PER_BATCH
from indexer.catalogue.product import read_product
from indexer.catalogue.reader import read_rows
from indexer.load.document import document, embedding_text, fields_of
from indexer.load.embed import BatchSizes
from indexer.load.encoders import schema_for
from indexer.load.pipeline import Job, load
from indexer.load.report import RejectedRows
from indexer.load.target import Target
from indexer.load.vector_cache import VectorCache
from opensearch.client import OpenSearch, connect
from opensearch.index.bulk import Action, write
from opensearch.index.fields import FieldPlan
from opensearch.index.versions import create_version
from scripts.bench.rounds import measure_rounds
from vitrine.store import open_store

SIZES = BatchSizes()
PLAN = FieldPlan(text=("description",), numbers=("price",), keywords=("brand",))
WORDS = (
    "light soft cotton linen wool leather oak steel glass summer winter red blue green black white large small "
    "washable folding compact classic everyday shirt jacket lamp chair table bag shoe watch kettle for the and with"
)


@dataclass(frozen=True)
class RandomEncoder:
    """A text encoder that returns random vectors."""

    name: str = "bench-drawn"
    dimension: int = 384
    languages: tuple[str, ...] = ("en",)

    def encode(self, texts: Sequence[str]) -> FloatArray:
        vectors = np.random.default_rng(len(texts)).standard_normal((len(texts), 384), dtype=np.float32)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)

    def encode_queries(self, texts: Sequence[str]) -> FloatArray:
        return self.encode(texts)


@dataclass(frozen=True)
class PacedEncoder(RandomEncoder):
    """A random encoder that takes as long as an encoder of this many rows a second on another device."""

    pace: float = 500.0

    def encode(self, texts: Sequence[str]) -> FloatArray:
        started = time.perf_counter()
        vectors = super().encode(texts)
        time.sleep(max(0.0, len(texts) / self.pace - (time.perf_counter() - started)))
        return vectors


@click.command()
@click.option("--rounds", default=5, show_default=True, help="Rounds that count.")
@click.option("--rows", default=4_096, show_default=True, help="Loaded by each arm in a round.")
@click.option(
    "--memory-rows", default=20_000, show_default=True, help="N of the memory measurement; 0: none."
)
@click.option(
    "--pace",
    type=float,
    help="Replace the encoder by one of this many rows a second that uses no processor.",
)
@click.option("--noisy", is_flag=True, help="Count the rounds that other processes disturbed as well.")
def main(rounds: int, rows: int, memory_rows: int, pace: float | None, noisy: bool) -> None:
    """Measure the indexer against its parts, on the engine that OPENSEARCH_URL names."""
    encoder: TextEncoder = PacedEncoder(pace=pace) if pace else open_text_encoder(None, open_store(None))
    with tempfile.TemporaryDirectory() as folder:
        path = catalogue(Path(folder), rows)
        if not pace:
            click.echo(f"padding: {padding(encoder, path):.1%} of the tokens of {rows:,} texts")
        client = connect()
        counted, discarded = measure(client, encoder, path, rounds, noisy)
        for line in report_lines(counted, rows):
            click.echo(line)
        click.echo(f"{len(counted)} rounds of {rows:,} rows counted, {discarded} discarded as disturbed")
        if memory_rows:
            once, twice = (peak(Path(folder), count) for count in (memory_rows, 2 * memory_rows))
            click.echo(
                f"peak memory: {once / 2**20:.0f} MiB for {memory_rows:,} rows, "
                f"{twice / 2**20:.0f} MiB for {2 * memory_rows:,}: "
                f"{(twice - once) / memory_rows:+.0f} bytes a further row"
            )


def measure(
    client: OpenSearch, encoder: TextEncoder, path: Path, rounds: int, noisy: bool
) -> tuple[list[dict[str, float]], int]:
    """Seconds by arm of every round that counts, and how many were discarded."""
    texts, documents = parts(encoder, path)
    arms: dict[str, Callable[[], int]] = {
        "encoder": lambda: encoded(encoder, texts),
        "writer": lambda: written(client, encoder, documents),
        "whole": lambda: loaded(client, encoder, path),
    }

    def timed(name: str, arm: Callable[[], int]) -> tuple[float, float]:
        started, busy = time.perf_counter(), time.process_time()
        done = arm()
        if done != len(texts):
            raise click.ClickException(f"{name} processed {done} of {len(texts)} rows")
        return time.perf_counter() - started, time.process_time() - busy

    timed_arms = {name: partial(timed, name, arm) for name, arm in arms.items()}
    results, discarded = measure_rounds(timed_arms, rounds, noisy=noisy, helper_pid=engine_process(client))
    counted = [
        {
            key: value
            for name, (clock, processor) in round_.items()
            for key, value in ((name, clock), (f"{name}, processor", processor))
        }
        for round_ in results
    ]
    return counted, discarded


def report_lines(counted: list[dict[str, float]], rows: int) -> Iterator[str]:
    for name in ("encoder", "writer", "whole"):
        rate = statistics.median(rows / spent[name] for spent in counted)
        yield f"{name:>9}: {rate:8,.0f} rows a second"
    ratios = sorted(max(spent["encoder"], spent["writer"]) / spent["whole"] for spent in counted)
    yield f"{'ratio':>9}: {statistics.median(ratios):8.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f}) of the slower part"
    serial = statistics.median((spent["encoder"] + spent["writer"]) / spent["whole"] for spent in counted)
    yield f"{'overlap':>9}: {serial:8.3f} of the parts one after the other"
    busy = sorted(
        (spent["encoder, processor"] + spent["writer, processor"]) / spent["whole, processor"]
        for spent in counted
    )
    yield (
        f"{'work':>9}: {statistics.median(busy):8.3f} ({busy[0]:.3f} to {busy[-1]:.3f}) of the whole's processor "
        "time is its parts'"
    )


def catalogue(folder: Path, count: int) -> Path:
    """Rows whose texts vary in length: a title, and from no description to eighty words."""
    random, words = np.random.default_rng(11), WORDS.split()
    path = folder / f"{count}.jsonl"
    with path.open("w") as file:
        for n in range(count):
            title, description = (
                " ".join(random.choice(words, size)) for size in (6, random.integers(0, 80))
            )
            row = {"id": f"p{n}", "title": f"{title} {n}", "description": description, "price": 5.0 + n}
            file.write(json.dumps({**row, "brand": f"brand {n % 50}"}) + "\n")
    return path


def parts(encoder: TextEncoder, path: Path) -> tuple[list[str], list[Action]]:
    """The inputs of the encoder alone and of the writer alone."""
    products = [read_product(row.values, PLAN)[0] for row in read_rows(path)]  # type: ignore[union-attr]
    texts = [embedding_text(product) for product in products]
    vectors = RandomEncoder().encode(texts)
    actions = [
        Action("index", product.id, document(fields_of(product), {"text": vector}, []))
        for product, vector in zip(products, vectors, strict=True)
    ]
    return texts, actions


def windows(texts: Sequence[str]) -> Iterator[list[str]]:
    """Texts as the load gives them to the encoder: sorted by length within a window, a slice at once."""
    for start in range(0, len(texts), SIZES.window):
        window = sorted(texts[start : start + SIZES.window], key=len)
        for first in range(0, len(window), SIZES.contents):
            yield window[first : first + SIZES.contents]


def encoded(encoder: TextEncoder, texts: Sequence[str]) -> int:
    """The encoder alone gets whole windows and sorts them itself, which is its fastest use.

    In a thread, as in a load: torch keeps a pool of its own for every thread that calls it.
    """
    parts = [texts[start : start + SIZES.window] for start in range(0, len(texts), SIZES.window)]
    with ThreadPoolExecutor(1) as pool:
        return sum(len(vectors) for vectors in pool.map(encoder.encode, parts))


def written(client: OpenSearch, encoder: TextEncoder, actions: Sequence[Action]) -> int:
    with version(client, encoder) as target:
        return sum(outcome.status == "created" for outcome in write(client, target.index, actions))


def loaded(client: OpenSearch, encoder: TextEncoder, path: Path) -> int:
    with version(client, encoder) as target, tempfile.TemporaryDirectory() as folder:
        job = Job(target, PLAN, {"text": encoder}, ImagePlaces(), Fetcher())
        cache, rejects = VectorCache(Path(folder) / "cache.sqlite"), RejectedRows(Path(folder) / "rejected")
        report, _ = load(read_rows(path), job, cache, rejects, lambda rows: None)
        cache.close()
    return report.indexed


@contextmanager
def version(client: OpenSearch, encoder: TextEncoder) -> Iterator[Target]:
    """An empty index as a first load creates it, deleted afterwards."""
    alias = f"bench-indexer-{uuid.uuid4().hex[:8]}"
    index = create_version(client, alias, schema_for(PLAN, {"text": encoder}))
    try:
        yield Target(client, alias, index, in_service=False, empty=True)
    finally:
        client.indices.delete(index=index)


def padding(encoder: TextEncoder, path: Path) -> float:
    """The share of tokens that are padding."""
    from tokenizers import Tokenizer

    store = open_store(None)
    tokenizer = Tokenizer.from_file(str(store.get("encoders", encoder.name) / "tokenizer.json"))
    texts = [embedding_text(read_product(row.values, PLAN)[0]) for row in read_rows(path)]  # type: ignore[union-attr]
    computed = real = 0
    for some in windows(texts):
        lengths = [len(encoding.ids) for encoding in tokenizer.encode_batch(some)]
        for batch in batches_by_length(lengths, TOKENS_PER_BATCH["cpu"]):
            computed += len(batch) * max(lengths[row] for row in batch)
        real += sum(lengths)
    return 1 - real / computed


def peak(folder: Path, count: int) -> int:
    """The peak memory in bytes of a separate process that loads so many rows."""
    path = catalogue(folder, count)
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_load_and_tell, args=(path, theirs))
    process.start()
    products: int = ours.recv()
    process.join()
    return products


def _load_and_tell(path: Path, pipe: Any) -> None:
    loaded(connect(), RandomEncoder(), path)
    # not ru_maxrss, which starts with the parent's memory at the fork
    status = Path("/proc/self/status").read_text()
    pipe.send(1024 * int(status.partition("VmHWM:")[2].split()[0]))


def engine_process(client: OpenSearch) -> int | None:
    """The engine's process when it runs on this machine; its use is not counted as noise."""
    hits: dict[str, Any] = client.nodes.info(node_id="_local", metric="process")["nodes"]
    pid = int(next(iter(hits.values()))["process"]["id"])
    command = Path(f"/proc/{pid}/cmdline")
    return pid if command.exists() and b"opensearch" in command.read_bytes().lower() else None


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    main()
