"""Speed of ranking a window, as ratios of arms that are interleaved in one process with one thread.

A model of random weights at full size (text 384, image 512, 40 numbers, history 50) over a table of 50,000 products.
Arms: the served forward, the whole call (ids in, scores out), the naive forward of the same weights (the item tower
included, at every request, torch), the BLAS time of the served form's own products, LightGBM (500 trees x 31 leaves on
the same features) and a cross-encoder of MiniLM-L6's shape (pairs of 64 tokens; random weights cost what trained ones do).
Arms reverse their order every round, inputs come from a ring of 64 requests over the whole table, and a round is
discarded when other processes used more than 15 % of a core. Reported: the median of the rounds' ratios by
processor time, with its range.

    .venv/bin/python scripts/bench/rank.py --rounds 7
"""

# ruff: noqa: E402  # the number of threads is read when numpy and torch are imported
from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch

from opensearch.logs.profiles import Click
from rerank.arrays import id_hashes, unit
from rerank.features.behaviour import BehaviourSnapshot, BehaviourSource, BehaviourTables, save_behaviour
from rerank.features.groups import feature_names, features
from rerank.features.item_table import ItemTable, build_items, bytes_per_item
from rerank.features.product_table import ProductTable
from rerank.features.scaler import Scaler
from rerank.models.neural.mixing import GatedNetwork
from rerank.models.neural.network import Batch, ItemInputs, NetworkSizes
from rerank.models.neural.served import GatedModel
from rerank.models.ranker import ArtifactRanker, FeatureStore
from rerank.models.scorers import NeuralScorer
from rerank.request import RerankRequest
from scripts.bench.rounds import measure_rounds
from vitrine.store import ArtifactSet

TEXT, IMAGE, NUMBERS, KEYWORDS, HISTORY, PRODUCTS, RING = 384, 512, 40, 4, 50, 50_000, 64
AS_OF = 1_770_000_000.0
_INNER = {"cross-encoder": 1, "lightgbm": 16, "naive": 16}  # calls of an arm in a round; the others 64

Arm = Callable[[int], Any]


@dataclass
class Bench:
    """An item table, a ranker over it, and a ring of requests with their inputs read in advance."""

    model: GatedModel
    network: GatedNetwork
    ranker: ArtifactRanker
    table: ItemTable
    requests: list[RerankRequest]
    inputs: list[Any]
    x: list[np.ndarray]


@click.command()
@click.option("--rounds", default=7, show_default=True, help="Rounds that count.")
@click.option("--candidates", default=200, show_default=True, help="Products a window.")
@click.option("--noisy", is_flag=True, help="Count the rounds that other processes disturbed as well.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def main(rounds: int, candidates: int, noisy: bool, as_json: bool) -> None:
    """Measure the served ranker against its naive form, its BLAS floor, LightGBM and a cross-encoder."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        bench = _bench(Path(folder), candidates)
        difference = _difference(bench)
        arms: dict[str, Arm] = {
            "served": lambda n: _served(bench, n),
            "call": lambda n: bench.ranker.scores(bench.requests[n]),
            "naive": lambda n: _naive(bench, n),
            "blas": _blas(bench, candidates),
            "lightgbm": _lightgbm(bench),
            "cross-encoder": _cross_encoder(candidates),
        }
        spent, discarded = _measure(arms, rounds, noisy)
    mflop = _flop(bench.model, bench.x[0].shape[1]) / 1e6
    results = {
        "candidates": candidates,
        "rounds": len(spent),
        "rounds discarded": discarded,
        "P1 MFLOP a candidate (goal <= 0.5)": round(mflop, 4),
        "P1 largest score difference in std (goal <= 1e-3)": round(difference, 6),
        "P1 naive / served (goal >= 5)": _ratio(spent, "naive", "served"),
        "P2 served / BLAS of its FLOPs (goal <= 1.5)": _ratio(spent, "served", "blas"),
        "P3 whole call / served": _ratio(spent, "call", "served"),
        "P3 LightGBM / served, on the same features": _ratio(spent, "lightgbm", "served"),
        "P3 LightGBM without making its features / whole call (goal >= 6)": _ratio(spent, "lightgbm", "call"),
        "P3 cross-encoder / whole call (goal >= 5000)": _ratio(spent, "cross-encoder", "call"),
        "P9 bytes an item (goal <= 2560)": bytes_per_item(bench.table.layout),
        "whole call, ms of processor time": round(1e3 * statistics.median(r["call"] for r in spent), 3),
    }
    click.echo(
        json.dumps(results) if as_json else "\n".join(f"{key}: {value}" for key, value in results.items())
    )


def _bench(folder: Path, candidates: int) -> Bench:
    rng = np.random.default_rng(1)
    catalogue = _catalogue(rng)
    names = feature_names(catalogue.plan)
    scaler = Scaler(np.zeros(NUMBERS), np.ones(NUMBERS))
    torch.manual_seed(1)
    network = GatedNetwork(NetworkSizes({"text": TEXT, "image": IMAGE}, NUMBERS, len(names)))
    network.eval()
    model = GatedModel(network.served(scaler), tuple(catalogue.vectors))
    build_items(catalogue, model, {}, folder / "items")
    source = BehaviourSource(catalogue, scaler.scale(catalogue.numbers))
    save_behaviour(source, BehaviourTables.empty(catalogue, AS_OF), {}, folder / "behaviour")
    tables = FeatureStore(ItemTable.open(folder / "items"), BehaviourSnapshot.open(folder / "behaviour"))
    tables.items.warm()
    requests = [_request(rng, catalogue, candidates) for _ in range(RING)]
    inputs = [tables.inputs(request) for request in requests]
    x = [features(i.features) for i in inputs]
    ranker = ArtifactRanker(ArtifactSet("m", "i", "b"), NeuralScorer(model, catalogue.plan), tables)
    return Bench(model, network, ranker, tables.items, requests, inputs, x)


def _catalogue(rng: np.random.Generator) -> ProductTable:
    ids = [f"product-{n}" for n in range(PRODUCTS)]
    order = np.argsort(id_hashes(ids))
    ids = [ids[n] for n in order]
    numbers = rng.normal(size=(PRODUCTS, NUMBERS))
    numbers[rng.random(numbers.shape) < 0.1] = np.nan
    return ProductTable(
        ids=ids,
        hashes=id_hashes(ids),
        vectors={
            space: unit(rng.normal(size=(PRODUCTS, width)).astype(np.float32)).astype(np.float16)
            for space, width in (("text", TEXT), ("image", IMAGE))
        },
        numbers=numbers,
        codes=rng.integers(0, 50, size=(PRODUCTS, KEYWORDS)).astype(np.uint32),
        values=rng.integers(0, 50, size=(PRODUCTS, KEYWORDS, 1)).astype(np.uint32),
        created=(AS_OF - 86400.0 * rng.integers(0, 400, size=PRODUCTS)).astype(np.float64),
        number_names=tuple(f"n{n}" for n in range(NUMBERS)),
        keyword_names=tuple(f"k{n}" for n in range(KEYWORDS)),
    )


def _request(rng: np.random.Generator, catalogue: ProductTable, candidates: int) -> RerankRequest:
    chosen = rng.choice(PRODUCTS, size=candidates + HISTORY, replace=False)
    ids = [catalogue.ids[n] for n in chosen]
    return RerankRequest(
        ids[:candidates],
        "red dress",
        vectors={
            "text": unit(rng.normal(size=TEXT).astype(np.float32)),
            "image": unit(rng.normal(size=IMAGE).astype(np.float32)),
        },
        history=[Click(product, AS_OF - 3600.0 * n) for n, product in enumerate(ids[candidates:])],
        as_of=AS_OF,
    )


def _served(bench: Bench, n: int) -> np.ndarray:
    inputs = bench.inputs[n]
    return bench.model.scores(
        bench.x[n], inputs.rows, inputs.features.query, inputs.click_rows, inputs.age_hours
    )


@torch.no_grad()
def _naive(bench: Bench, n: int) -> np.ndarray:
    """The training form on raw products: item tower of candidates and history at every request."""
    inputs, candidates = bench.inputs[n], len(bench.x[n])
    both = (inputs.features.candidates, inputs.features.history)
    scaled = np.concatenate([products.numbers for products in both])
    vectors = {
        space: torch.from_numpy(np.concatenate([products.vectors[space] for products in both]))
        for space in bench.table.layout.vectors
    }
    known = np.isfinite(scaled)
    numbers = np.concatenate([np.where(known, scaled, 0), ~known], axis=1).astype(np.float32)
    items = ItemInputs(vectors, torch.from_numpy(numbers))
    batch = Batch(
        x=torch.from_numpy(bench.x[n])[None],
        candidates=torch.arange(candidates)[None],
        clicks=torch.arange(candidates, len(scaled))[None],
        click_mask=torch.ones(1, len(scaled) - candidates, dtype=torch.bool),
        age_hours=torch.from_numpy(inputs.age_hours.astype(np.float32))[None],
        query={space: torch.from_numpy(v)[None] for space, v in inputs.features.query.items()},
        has_query={space: torch.tensor([True]) for space in inputs.features.query},
        mask=torch.ones(1, candidates, dtype=torch.bool),
    )
    scores: np.ndarray = bench.network(bench.network.tower(items), batch)[0, :, 0].numpy()
    return scores


def _difference(bench: Bench) -> float:
    """The largest difference between served and naive scores, in their standard deviations."""
    pairs = [(_served(bench, n), _naive(bench, n)) for n in range(8)]
    return max(float(np.abs(a - b).max() / b.std()) for a, b in pairs)


def _products(model: GatedModel, columns: int) -> list[tuple[int, int, int]]:
    """The served form's products a window: (rows per candidate or 0 for once, inner, outer)."""
    hidden, keys, head = model.layout.hidden, model.layout.keys, model.weights["head.w1"].shape[1]
    once = [(0, TEXT, hidden + 3), (0, IMAGE, hidden + 3)]
    each = [
        (1, columns, hidden + 3),
        (1, keys, HISTORY),
        (1, HISTORY, hidden),
        (1, hidden, head),
        (1, head, 1),
    ]
    return [*once, *each, (1, 3, hidden)]


def _flop(model: GatedModel, columns: int) -> float:
    return sum(2.0 * inner * outer for rows, inner, outer in _products(model, columns) if rows)


def _blas(bench: Bench, candidates: int) -> Arm:
    rng = np.random.default_rng(2)

    def matrix(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    shapes = [
        (candidates if rows else 1, inner, outer)
        for rows, inner, outer in _products(bench.model, bench.x[0].shape[1])
    ]
    pairs = [(matrix(r, i), matrix(i, o), np.empty((r, o), dtype=np.float32)) for r, i, o in shapes]

    def run(_: int) -> None:
        for left, right, out in pairs:
            np.matmul(left, right, out=out)

    return run


def _lightgbm(bench: Bench) -> Arm:
    import lightgbm

    rng = np.random.default_rng(3)
    x = np.concatenate(bench.x)
    data = lightgbm.Dataset(x, label=rng.integers(0, 2, len(x)), group=[len(bench.x[0])] * RING)
    settings = {
        "objective": "lambdarank",
        "num_leaves": 31,
        "verbosity": -1,
        "num_threads": 1,
        "min_data_in_leaf": 5,
    }
    booster = lightgbm.train(settings, data, num_boost_round=500)
    return lambda n: booster.predict(bench.x[n], num_threads=1)


def _cross_encoder(candidates: int) -> Arm:
    from transformers import BertConfig, BertModel

    shape = BertConfig(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)
    encoder = BertModel(shape)
    encoder.train(False)
    pairs = torch.randint(0, 30_000, (candidates, 64))

    def run(_: int) -> Any:
        with torch.no_grad():
            return encoder(pairs).pooler_output

    return run


def _measure(arms: dict[str, Arm], rounds: int, noisy: bool) -> tuple[list[dict[str, float]], int]:
    """Seconds of processor time a call, by arm and round, and how many rounds were discarded."""

    def timed(name: str) -> float:
        calls = _INNER.get(name, RING)
        started = time.process_time()
        for n in range(calls):
            arms[name](n % RING)
        return (time.process_time() - started) / calls

    return measure_rounds({name: partial(timed, name) for name in arms}, rounds, noisy=noisy)


def _ratio(spent: list[dict[str, float]], over: str, under: str) -> str:
    ratios = [round_[over] / round_[under] for round_ in spent]
    return f"{statistics.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}]"


if __name__ == "__main__":
    main()
