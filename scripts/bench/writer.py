"""Rate of our bulk writer against opensearch-py's `streaming_bulk` with its defaults.

A sink on loopback (another process) reads each request and answers at once, so only the client is measured. The
documents hold 384 + 512 float32 in numpy arrays. Arms are interleaved and reverse their order every round; a round is
discarded when other processes used more than 15 % of a core while it ran. Reported: the median of the rounds'
ratios with its range, by processor time of the client and by the clock.

    .venv/bin/python scripts/bench/writer.py --rounds 7
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import click
import numpy as np

from scripts.bench.rounds import measure_rounds, processor_seconds

logging.getLogger("opensearch").addHandler(logging.NullHandler())
Documents = list[dict[str, Any]]


@click.command()
@click.option("--rounds", default=7, show_default=True, help="Rounds that count.")
@click.option("--documents", default=3_000, show_default=True, help="Written by each arm in a round.")
@click.option("--noisy", is_flag=True, help="Count the rounds that other processes disturbed as well.")
@click.option(
    "--url",
    default=None,
    help="Write to this OpenSearch instead of the sink, every arm into a new index that is deleted again.",
)
def main(rounds: int, documents: int, noisy: bool, url: str | None) -> None:
    """Measure the writer against opensearch-py's defaults."""
    created = _documents(documents)
    sink = None
    if url is None:
        ours, theirs = multiprocessing.Pipe()
        sink = multiprocessing.get_context("spawn").Process(target=_sink, args=(theirs,), daemon=True)
        sink.start()
        url = f"http://127.0.0.1:{ours.recv()}"
    arms: dict[str, Callable[[str], int]] = {
        "vitrine": lambda index: _ours(url, index, created),
        "streaming_bulk": lambda index: _theirs(url, index, created),
    }
    place = nullcontext("bench-writer") if sink else None
    try:
        message = list(
            _measure(
                arms, lambda: place or _new_index(url), rounds, documents, noisy, sink.pid if sink else None
            )
        )
    finally:
        if sink:
            sink.terminate()
    for line in message:
        click.echo(line)


def _measure(
    arms: dict[str, Callable[[str], int]],
    place: Callable[[], AbstractContextManager[str]],
    rounds: int,
    documents: int,
    noisy: bool,
    sink: int | None,
) -> Iterator[str]:

    def timed(name: str) -> tuple[float, float]:
        with place() as index:
            cpu, clock = processor_seconds(), time.perf_counter()
            written = arms[name](index)
            spent = (processor_seconds() - cpu, time.perf_counter() - clock)
        if written != documents:
            raise click.ClickException(f"{name} wrote {written} of {documents} documents")
        return spent

    timed_arms = {name: partial(timed, name) for name in arms}
    counted, discarded = measure_rounds(timed_arms, rounds, noisy=noisy, helper_pid=sink)
    for unit, what in enumerate(("of processor time", "of the clock")):
        for name in arms:
            rate = statistics.median(documents / spent[name][unit] for spent in counted)
            yield f"{name:>15}: {rate:10,.0f} documents a second {what}"
        ratios = sorted(spent["streaming_bulk"][unit] / spent["vitrine"][unit] for spent in counted)
        yield f"{'ratio':>15}: {statistics.median(ratios):10.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f}) {what}"
    yield f"{len(counted)} rounds of {documents} documents counted, {discarded} discarded as disturbed"


def _documents(count: int) -> Documents:
    random = np.random.default_rng(7)
    vectors = [random.standard_normal((count, size), dtype=np.float32) for size in (384, 512)]
    text, image = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in vectors)
    return [
        {
            "id": f"p{row}",
            "title": f"product {row} with a title of average length",
            "search": {
                "en": f"product {row} with a title of average length and one more sentence of description"
            },
            "text_vec": text[row],
            "images": [{"hash": f"{row:032x}", "vec": image[row]}],
            "numbers": {"price": float(row), "rating": 4.5, "stock": row},
            "keywords": {"brand": f"brand {row % 50}", "colour": ["red", "blue"]},
        }
        for row in range(count)
    ]


@contextmanager
def _new_index(url: str) -> Iterator[str]:
    """An empty index as a first load creates it, deleted afterwards."""
    from opensearch.client import connect
    from opensearch.index.fields import FieldPlan, IndexSchema, VectorField
    from opensearch.index.versions import create_version

    plan = FieldPlan(numbers=("price", "rating", "stock"), keywords=("brand", "colour"))
    text, image = (VectorField("bench", "bench", size, ("en",)) for size in (384, 512))
    with connect(url) as client:
        index = create_version(client, "bench-writer", IndexSchema(plan, {"text": text, "image": image}))
        try:
            yield index
        finally:
            client.indices.delete(index=index)


def _ours(url: str, index: str, documents: Documents) -> int:
    from opensearch.client import connect
    from opensearch.index.bulk import Action, write

    client = connect(url)
    actions = (Action("index", document["id"], document) for document in documents)
    written = sum(outcome.status != "failed" for outcome in write(client, index, actions))
    client.close()
    return written


def _theirs(url: str, index: str, documents: Documents) -> int:
    from opensearchpy import OpenSearch
    from opensearchpy.helpers import streaming_bulk

    parts = urlsplit(url)
    client = OpenSearch(hosts=[{"host": parts.hostname, "port": parts.port}])
    actions = ({"_index": index, "_id": document["id"], **document} for document in documents)
    written = sum(bool(ok) for ok, _ in streaming_bulk(client, actions))
    client.close()
    return written


def _sink(pipe: Any) -> None:
    """Answer every `_bulk` request as the engine does; runs in a separate process."""
    server = socket.create_server(("127.0.0.1", 0), backlog=64)
    pipe.send(server.getsockname()[1])
    while True:
        connection, _ = server.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_serve, args=(connection,), daemon=True).start()


def _serve(connection: socket.socket) -> None:
    buffer = bytearray(1 << 24)
    answers: dict[tuple[int, bool], bytes] = {}
    while True:
        head = b""
        while b"\r\n\r\n" not in head:
            part = connection.recv(65536)
            if not part:
                return
            head += part
        head, _, rest = head.partition(b"\r\n\r\n")
        lengths = [
            line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
        ]
        length = int(lengths[0]) if lengths else 0
        if length > len(buffer):
            buffer = bytearray(length)
        view = memoryview(buffer)
        view[: len(rest)] = rest
        got = len(rest)
        while got < length:
            got += connection.recv_into(view[got:length])
        key = (buffer.count(b"\n", 0, length) // 2, b"filter_path" in head)
        if key not in answers:
            answers[key] = _answer(*key)
        answer = b"" if head.startswith(b"HEAD") else answers[key]
        connection.sendall(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(answer)
            + answer
        )


def _answer(count: int, filtered: bool) -> bytes:
    """Return a node's response for `count` created documents, whole or filtered as by `filter_path`."""
    if filtered:
        item: dict[str, Any] = {"result": "created", "status": 201}
        return json.dumps({"errors": False, "items": [{"index": item}] * count}).encode()
    item = {"_index": "bench-writer", "_id": "p1000", "_version": 1, "result": "created", "_seq_no": 1000}
    item |= {"_shards": {"total": 1, "successful": 1, "failed": 0}, "_primary_term": 1, "status": 201}
    return json.dumps({"took": 30, "errors": False, "items": [{"index": item}] * count}).encode()


if __name__ == "__main__":
    main()
