"""What the analysis of signs and quantities costs the engine: `python -m scripts.bench.analysis`.

Writes the same English texts into an index with the analyzers of a catalogue and into one whose analyzers have no
character filters. Takes a minute; needs a node (`vitrine node up` or OPENSEARCH_URL).
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import click
import orjson

from opensearch.analysis.chains import DEFAULT_CHAINS, analysis_settings, search_mapping
from opensearch.client import OpenSearch, connect

from .rounds import measure_rounds

SENTENCE = "a dress of linen, cotton and wool with 2 pockets, 500 ml of care and a zip "
SIZES = (300, 3_000)  # characters of a text
DOCUMENTS = 100
NAME = "bench-analysis"
ALL, WITHOUT = "all", "no signs, no quantities"
ARMS = (ALL, WITHOUT)


@click.command()
@click.option("--rounds", default=5, show_default=True)
@click.option("--noisy", is_flag=True, help="Count rounds that other processes disturbed.")
def main(rounds: int, noisy: bool) -> None:
    """Print the milliseconds a document of each index, by the clock."""
    client = connect()
    try:
        for name in ARMS:
            client.indices.create(index=_index(name), body=_body(name))
        for size in SIZES:
            arms = {name: lambda name=name, size=size: _write(client, name, size) for name in ARMS}
            counted, discarded = measure_rounds(arms, rounds, noisy=noisy)
            click.echo(f"{size} characters, {len(counted)} rounds, {discarded} discarded:")
            for name in ARMS:
                median = statistics.median(result[name] for result in counted)
                click.echo(f"  {name:24} {median:6.2f} ms a document")
    finally:
        client.indices.delete(index=",".join(map(_index, ARMS)), ignore_unavailable=True)


def _index(arm: str) -> str:
    return f"{NAME}-{ARMS.index(arm)}"


def _body(arm: str) -> dict[str, Any]:
    analysis, mapping = analysis_settings(DEFAULT_CHAINS), search_mapping(DEFAULT_CHAINS)
    if arm != ALL:
        for analyzer in analysis["analyzer"].values():
            analyzer["char_filter"] = []
    settings = {"index": {"number_of_replicas": 0, "refresh_interval": "-1"}, "analysis": analysis}
    return {
        "settings": settings,
        "mappings": {"properties": {"search": {"properties": mapping}}},
    }


def _write(client: OpenSearch, arm: str, size: int) -> float:
    text = (SENTENCE * (size // len(SENTENCE) + 1))[:size]
    lines = b"".join(
        orjson.dumps({"index": {}}) + b"\n" + orjson.dumps({"search": {"en": f"{text} {n}"}}) + b"\n"
        for n in range(DOCUMENTS)
    )
    start = time.perf_counter()
    answer = client.bulk(index=_index(arm), body=lines.decode())
    seconds = time.perf_counter() - start
    if answer["errors"]:
        raise click.ClickException(f"the engine refused a document: {answer['items'][0]}")
    return 1000 * seconds / DOCUMENTS


if __name__ == "__main__":
    main()
