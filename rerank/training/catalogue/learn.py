"""The weights of the catalogue ranker, learned from attribute queries that the real engine answers."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from encoders.training.captions import ProductText
from opensearch.index.scan import scan
from opensearch.index.spaces import TEXT
from opensearch.search.query import Page, Query, hybrid_body
from opensearch.search.retrieve import retrieve
from rerank.arrays import DoubleArray, FloatArray, IndexArray
from rerank.features.item_table import VectorsOnly
from rerank.features.words import ProductWords, read_words
from rerank.models.card import CATALOGUE
from rerank.models.catalogue import CatalogueWeights, Signals, catalogue_scores
from rerank.training.artifacts import TrainedModel, TrainingData

from .attribute_queries import AttributeQuery, attribute_queries
from .cosines import background_of, product_cosines

if TYPE_CHECKING:
    from opensearch.client import OpenSearch
    from rerank.training.candidates import OnProgress
    from rerank.training.examples import Embed

QUERIES = 200
MIN_QUERIES = 30  # fewer decide nothing
MAX_GRADED = 50_000  # products whose attributes are read
_TIME_LIMIT_S = 60.0
_DEPTH = 10
# Factors of the default weights. The text cosine is the unit that the others are compared with. The engine's rank keeps its
# weight too: attribute queries say nothing on what the engine alone knows, such as synonyms, codes and boosts.
_WORDS, _FOCUS, _SPACE = (0.5, 1.0, 2.0), (1.0, 2.0), (0.5, 1.0, 2.0)


@dataclass(frozen=True)
class CatalogueTexts:
    """The words of N products, and the M graded ones: those whose attributes are read.

    `words` are what the engine searches, by row of the product table. `rows` (M,) are the rows of the graded products,
    `described` holds the words of their titles and descriptions, and `products` what their attributes are read from.
    """

    words: ProductWords
    rows: IndexArray
    described: ProductWords
    products: list[ProductText]


@dataclass(frozen=True)
class Window:
    """The graded candidates (n,) of a query in the engine's order, and the ten best grades of all products.

    `signals` are what the weights are learned from, `served` those that the ranker reads in service.
    """

    signals: Signals
    served: Signals
    grades: DoubleArray  # (n,)
    best: DoubleArray  # (10,) at most, falling


@dataclass(frozen=True)
class LearnedCatalogue:
    """The weights, how many queries taught them, and nDCG@10 with them, with the defaults and of the engine's order."""

    weights: CatalogueWeights
    queries: int = 0
    ndcg: float | None = None
    default_ndcg: float | None = None
    engine_ndcg: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the weights and figures for the model card."""
        figures = {"learned": self.ndcg, "default": self.default_ndcg, "engine order": self.engine_ndcg}
        rounded = {name: round(value, 4) for name, value in figures.items() if value is not None}
        return {"weights": self.weights.to_dict(), "attribute queries": self.queries, "nDCG@10": rounded}


def read_catalogue(client: OpenSearch, data: TrainingData, on_progress: OnProgress) -> CatalogueTexts:
    """Read the words and attributes of the products from the index."""
    products, language = data.products, data.schema.plan.language
    count = len(products.ids)
    rows = np.linspace(0, count - 1, min(count, MAX_GRADED)).astype(np.int64)
    place_of = {row: place for place, row in enumerate(rows.tolist())}
    texts = [ProductText("", (), {}) for _ in place_of]
    described: list[tuple[int, str, str]] = []

    def searched() -> Iterator[tuple[int, str, str]]:
        hits = scan(client, data.index, includes=("title", "search", "texts", "keywords"))
        for number, (id_, source) in enumerate(hits, start=1):
            on_progress("reading words", number, count)
            row = products.row_of.get(id_)
            if row is None:  # it came after the products were read
                continue
            title = str(source.get("title") or "")
            place = place_of.get(row)
            if place is not None:
                texts[place] = ProductText(title, (), _keywords(source.get("keywords") or {}))
                described.append((place, title, " ".join(map(str, (source.get("texts") or {}).values()))))
            yield row, title, " ".join((source.get("search") or {}).values())

    words = read_words(searched(), count, language)
    return CatalogueTexts(words, rows, read_words(described, len(rows), language), texts)


def catalogue_model(data: TrainingData, learned: LearnedCatalogue, words: ProductWords) -> TrainedModel:
    """Return the ranker before it is stored; `words` are those of the products."""
    tower = VectorsOnly(data.products.dimensions)
    training = {CATALOGUE: learned.to_dict()}
    return TrainedModel(CATALOGUE, learned.weights.to_arrays(), tower, training=training, words=words)


def learn_catalogue_weights(
    client: OpenSearch, data: TrainingData, texts: CatalogueTexts, embed: Embed, on_progress: OnProgress
) -> LearnedCatalogue:
    """Return the weights that attribute queries teach; the default ones for a catalogue that gives too few queries.

    A value that the title and the description lack counts as a word that a product does not hold, although the engine
    finds it in its column: so the queries also have words that shoppers use and products do not.
    """
    queries = attribute_queries(texts.products, QUERIES)
    if len(queries) < MIN_QUERIES:
        return LearnedCatalogue(CatalogueWeights())
    windows = list(_windows(client, data, texts, queries, embed, on_progress))
    return choose_catalogue_weights(windows)


def choose_catalogue_weights(windows: Sequence[Window]) -> LearnedCatalogue:
    """Return, of all weights as good as the best within one standard error, those nearest to the default ones.

    The standard error is that of the paired differences over the queries (Breiman et al., Classification and Regression
    Trees, 1984): a catalogue moves the weights only as far as its products show a gain.
    """
    default = CatalogueWeights()
    if len(windows) < MIN_QUERIES:
        return LearnedCatalogue(default, len(windows))
    grid = _grid(default, windows)
    figures = np.array(
        [
            [ndcg(window, catalogue_scores(window.signals, weights)) for window in windows]
            for weights, _ in grid
        ]
    )
    best = figures[int(figures.mean(axis=1).argmax())]
    loss = best - figures  # (weights, queries)
    allowed = loss.mean(axis=1) <= loss.std(axis=1) / math.sqrt(len(windows))
    chosen = min(np.flatnonzero(allowed).tolist(), key=lambda place: (grid[place][1], -figures[place].mean()))
    weights = grid[chosen][0]
    return LearnedCatalogue(
        weights,
        len(windows),
        _mean_ndcg(windows, weights),
        _mean_ndcg(windows, default),
        float(np.mean([ndcg(window, -window.served.ranks.astype(np.float32)) for window in windows])),
    )


def _mean_ndcg(windows: Sequence[Window], weights: CatalogueWeights) -> float:
    return float(np.mean([ndcg(window, catalogue_scores(window.served, weights)) for window in windows]))


def ndcg(window: Window, scores: FloatArray) -> float:
    """Return nDCG@10 of scores (n,) with the gain 2^grade - 1; equal scores keep the engine's order."""
    order = np.argsort(-scores, kind="stable")[:_DEPTH]
    discounts = 1.0 / np.log2(np.arange(_DEPTH) + 2.0)
    ideal = (np.exp2(window.best) - 1.0) @ discounts[: len(window.best)]
    return float((np.exp2(window.grades[order]) - 1.0) @ discounts[: len(order)] / ideal)


def _grid(default: CatalogueWeights, windows: Sequence[Window]) -> list[tuple[CatalogueWeights, float]]:
    """Return weights with their distance from the default ones, as the sum of the logarithms of their factors."""
    spaces = sorted({space for window in windows for space in window.signals.cosines} - {TEXT})
    grid = []
    for words, focus, *factors in product(_WORDS, _FOCUS, *(_SPACE for _ in spaces)):
        scaled = {
            space: default.spaces[space] * factor for space, factor in zip(spaces, factors, strict=True)
        }
        weights = CatalogueWeights(
            default.words * words, default.focus * focus, default.rank, {**default.spaces, **scaled}
        )
        distance = sum(abs(math.log2(factor)) for factor in (words, focus, *factors))
        grid.append((weights, distance))
    return grid


def _windows(
    client: OpenSearch,
    data: TrainingData,
    texts: CatalogueTexts,
    queries: Sequence[AttributeQuery],
    embed: Embed,
    on_progress: OnProgress,
) -> Iterator[Window]:
    """Yield the graded candidates of each query that the engine answers in time."""
    products, started = data.products, time.monotonic()
    background = background_of(products)
    vectors = embed([query.words for query in queries])
    for number, (query, vector) in enumerate(zip(queries, vectors, strict=True), start=1):
        body = hybrid_body(Query(query.words, vector), data.schema, page=Page(source=()))
        ids = [candidate.id for candidate in retrieve(client, data.index, body).candidates]
        on_progress("attribute queries", number, len(queries))
        found = [(rank, products.row_of[id_]) for rank, id_ in enumerate(ids) if id_ in products.row_of]
        ranks, rows = np.array(found, dtype=np.int64).reshape(-1, 2).T
        places = np.minimum(np.searchsorted(texts.rows, rows), len(texts.rows) - 1)
        graded = texts.rows[places] == rows
        ranks, rows, places = ranks[graded], rows[graded], places[graded]
        cosines = product_cosines(products, rows, vector, background)
        signals, served = (
            Signals(held, ranks, cosines)
            for held in (
                texts.described.coverage(places, query.words),
                texts.words.coverage(rows, query.words),
            )
        )
        best = np.sort(query.grades)[::-1][:_DEPTH].astype(np.float64)
        yield Window(signals, served, query.grades[places].astype(np.float64), best)
        if time.monotonic() - started > _TIME_LIMIT_S:
            return


def _keywords(values: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    return {
        name: tuple(str(one) for one in (value if isinstance(value, list) else [value]) if one is not None)
        for name, value in values.items()
    }
