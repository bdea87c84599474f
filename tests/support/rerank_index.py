"""An index of 48 products on the live node with hand-made encoders and rankers, for the tests of reranking."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from PIL import Image

from opensearch.index.bulk import Action, write
from opensearch.index.fields import FieldPlan, IndexSchema, VectorField
from opensearch.index.versions import create_version, publish
from opensearch.logs.pointer import POINTERS
from rerank.features.behaviour import BehaviourSource, BehaviourTables, save_behaviour
from rerank.features.groups import VERSION, feature_names
from rerank.features.item_table import ItemTower, VectorsOnly, build_items
from rerank.features.product_table import ProductTable, read_products
from rerank.features.scaler import fit_scaler
from rerank.models.card import NEURAL, RRF, ModelCard, save_model, store_artifact
from rerank.models.neural.served import GatedModel
from rerank.models.rrf import rrf_after_bm25
from vitrine.store import Store

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "black": (0, 0, 0)}
THINGS = ("shoes", "shirt", "dress", "bag", "lamp", "chair")
WORDS = (*COLOURS, *THINGS)
DIMENSION = len(WORDS)


def text_encoder(store: Store) -> str:
    """Put an encoder of words into the store: the mean of one-hot words, at length one."""
    from onnx import TensorProto, helper

    from .onnx_graphs import save_graph, unit_length

    folder = _folder(store, "words")
    table = np.zeros((DIMENSION + 2, DIMENSION), dtype=np.float32)  # 0 and 1: padding and unknown words
    table[1, :] = 0.01
    table[2:] = np.eye(DIMENSION)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["column"]),
        helper.make_node("Mul", ["rows", "column"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "first"], ["summed"], keepdims=0),
        *unit_length("summed"),
    ]
    inputs = {name: (TensorProto.INT64, ["n", "t"]) for name in ("input_ids", "attention_mask")}
    constants = {"table": table, "last": np.array([2]), "first": np.array([1])}
    save_graph(folder / "model.onnx", nodes, inputs, constants, DIMENSION)
    vocabulary = {word: row for row, word in enumerate(["[PAD]", "[UNK]", *WORDS])}
    _tokenizer(vocabulary).save(str(folder / "tokenizer.json"))
    card = {"name": "words", "kind": "text", "dimension": DIMENSION, "languages": ["en"], "max_tokens": 16}
    (folder / "encoder.json").write_text(json.dumps(card))
    return store_artifact(store, "encoders", "words", folder)


def image_encoder(store: Store, words: str) -> str:
    """Put an encoder of images into the store: how much red, green, blue or black an image is."""
    from onnx import TensorProto, helper

    from .onnx_graphs import save_graph, unit_length

    folder = _folder(store, "colours")
    lands = np.zeros((3, DIMENSION), dtype=np.float32)
    lands[:, :3] = np.eye(3)
    dark = np.zeros(DIMENSION, dtype=np.float32)
    dark[3] = 0.05
    nodes = [
        helper.make_node("Cast", ["pixels"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["values", "sides"], ["mean"], keepdims=0),
        helper.make_node("Div", ["mean", "white"], ["share"]),
        helper.make_node("MatMul", ["share", "lands"], ["coloured"]),
        helper.make_node("Add", ["coloured", "dark"], ["seen"]),
        *unit_length("seen"),
    ]
    constants = {"sides": np.array([1, 2]), "white": np.float32(255), "lands": lands, "dark": dark}
    inputs = {"pixels": (TensorProto.UINT8, ["n", 8, 8, 3])}
    save_graph(folder / "model.onnx", nodes, inputs, constants, DIMENSION)
    card = {
        "name": "colours", "kind": "image", "dimension": DIMENSION, "languages": [], "size": 8, "fit": "squash",
        "background": [255, 255, 255], "query_encoder": words,
    }  # fmt: skip
    (folder / "encoder.json").write_text(json.dumps(card))
    return store_artifact(store, "encoders", "colours", folder)


def make_schema(store: Store) -> IndexSchema:
    words = text_encoder(store)
    plan = FieldPlan(numbers=("price",), keywords=("thing",), available="in_stock", created="made")
    text = VectorField(words, words, DIMENSION, ("en",))
    return IndexSchema(
        plan, {"text": text, "image": VectorField(image_encoder(store, words), words, DIMENSION, ("en",))}
    )


def products() -> Iterator[dict[str, Any]]:
    """Two of every colour and thing; half of the titles name the colour, a third has no image, some are sold out."""
    place = 0
    for colour in COLOURS:
        for thing in THINGS:
            for named in (True, False):
                title = f"{colour} {thing}" if named else f"{thing} no {place}"
                product: dict[str, Any] = {
                    "id": f"p{place:02d}",
                    "title": title,
                    "search": {"en": title},
                    "text_vec": word_vector(title),
                    "numbers": {"price": 10.0 + place},
                    "keywords": {"thing": thing},
                    "language": "en",
                    "available": place % 8 != 3,
                    "created": "2026-11-01",
                    "hashes": {"text": str(place), "row": str(place)},
                }
                if place % 3:
                    vector = np.eye(DIMENSION)[list(COLOURS).index(colour)].tolist()
                    product["images"] = [{"hash": str(place), "ref": f"{place}.png", "vec": vector}]
                yield product
                place += 1


def word_vector(text: str) -> list[float]:
    vector = np.array([0.01 + (word in text.split()) for word in WORDS])
    return list(vector / np.linalg.norm(vector))


def picture(colour: str) -> Image.Image:
    return Image.new("RGB", (16, 16), COLOURS[colour])


def create_rerank_index(client: OpenSearch, store: Store) -> tuple[str, IndexSchema]:
    """Index the products behind a new alias. The caller deletes `<alias>-v*`."""
    alias, schema = f"srv-{uuid4().hex[:8]}", make_schema(store)
    index = create_version(client, alias, schema)
    outcomes = list(write(client, index, (Action("index", p["id"], p) for p in products())))
    if any(outcome.status == "failed" for outcome in outcomes):
        raise RuntimeError(str(outcomes))
    publish(client, alias, index)
    return alias, schema


def delete_rerank_index(client: OpenSearch, alias: str) -> None:
    client.indices.delete(index=f"{alias}-v*")


def drop_pointer(client: OpenSearch, alias: str) -> None:
    """Delete the pointer of an alias, if there is one."""
    client.delete(index=POINTERS, id=alias, params={"ignore": 404})


def rrf_artifacts(
    store: Store, schema: IndexSchema, folder: Path, created: str = "2026-11-20T00:00:00+00:00"
) -> dict[str, str]:
    """Put a reciprocal rank fusion, its item table and an empty behaviour snapshot into the store."""
    products_table = read_products(products(), schema)
    save_model(folder / "model", _card(RRF, schema, products_table, created), rrf_after_bm25().to_arrays())
    return _artifacts(store, products_table, VectorsOnly(products_table.dimensions), folder)


def neural_artifacts(store: Store, schema: IndexSchema, folder: Path) -> dict[str, str]:
    """Put a neural model with random weights into the store: its order depends on all of its inputs."""
    import torch

    from rerank.models.neural.mixing import GatedNetwork
    from rerank.models.neural.network import NetworkSizes

    products_table = read_products(products(), schema)
    card = _card(NEURAL, schema, products_table, "2026-11-20T00:00:00+00:00")
    torch.manual_seed(5)
    network = GatedNetwork(
        NetworkSizes(products_table.dimensions, len(products_table.number_names), len(card.features))
    )
    network.standardise(np.random.default_rng(5).normal(size=(50, len(card.features))).astype(np.float32))
    weights = network.served(fit_scaler(products_table.numbers))
    save_model(folder / "model", card, weights)
    return _artifacts(store, products_table, GatedModel(weights, tuple(card.dimensions)), folder)


def _artifacts(store: Store, products_table: ProductTable, tower: ItemTower, folder: Path) -> dict[str, str]:
    model = store_artifact(store, "models", "model", folder / "model")
    metadata = {"model": model, "index": "small"}
    build_items(products_table, tower, metadata, folder / "items")
    numbers = fit_scaler(products_table.numbers).scale(products_table.numbers)
    source = BehaviourSource(products_table, numbers)
    save_behaviour(source, BehaviourTables.empty(products_table, 0.0), metadata, folder / "behaviour")
    items = store_artifact(store, "items", "items", folder / "items")
    behaviour = store_artifact(store, "behaviour", "behaviour", folder / "behaviour")
    return {"model": model, "items": items, "behaviour": behaviour}


def _card(kind: str, schema: IndexSchema, products_table: ProductTable, created: str) -> ModelCard:
    return ModelCard(
        kind=kind,
        index="small",
        encoders={name: vector.encoder for name, vector in schema.vectors.items()},
        dimensions=products_table.dimensions,
        numbers=products_table.number_names,
        keywords=products_table.keyword_names,
        features=feature_names(products_table.plan),
        features_version=VERSION,
        fusion="gated" if kind == NEURAL else None,
        created=created,
    )


def _folder(store: Store, name: str) -> Path:
    folder = Path(store.url) / "made" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _tokenizer(vocabulary: dict[str, int]) -> Any:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.normalizers import Lowercase
    from tokenizers.pre_tokenizers import Whitespace

    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = Whitespace()
    return tokenizer
