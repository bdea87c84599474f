"""The three artifacts of a ranker: model, item table and behaviour snapshot."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from opensearch.index.fields import IndexSchema
from rerank.arrays import FloatArray
from rerank.features.behaviour import BehaviourSource, BehaviourTables, save_behaviour
from rerank.features.groups import VERSION, feature_names
from rerank.features.item_table import ItemTower, build_items
from rerank.features.product_table import ProductTable
from rerank.features.words import ProductWords
from rerank.models.card import ModelCard, save_model, store_artifact
from rerank.training.comparison.compare import Comparison
from rerank.training.log.events import Log
from vitrine.store import ArtifactSet, Store


@dataclass(frozen=True)
class TrainingData:
    """What a ranker is trained on: the products of one index, and the log of its alias."""

    index: str
    schema: IndexSchema
    products: ProductTable
    log: Log


@dataclass(frozen=True)
class TrainedModel:
    """The parts of a ranker before they are stored; `training` and `comparison` go into the model card."""

    kind: str
    weights: Mapping[str, FloatArray]
    tower: ItemTower
    fusion: str | None = None
    interest: str | None = None
    training: dict[str, Any] = field(default_factory=dict)
    comparison: Comparison | None = None
    words: ProductWords | None = None  # of the products, for a model that reads them


def model_card(data: TrainingData, model: TrainedModel) -> ModelCard:
    """Return the card of a model that was trained on `data`."""
    products = data.products
    return ModelCard(
        kind=model.kind,
        index=data.index,
        encoders={space: vector.encoder for space, vector in data.schema.vectors.items()},
        dimensions=products.dimensions,
        numbers=products.number_names,
        keywords=products.keyword_names,
        features=feature_names(products.plan),
        features_version=VERSION,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        fusion=model.fusion,
        interest=model.interest,
        training=model.training,
        comparison=model.comparison.to_dict() if model.comparison else None,
    )


def store_artifacts(
    store: Store, data: TrainingData, model: TrainedModel, source: BehaviourSource, tables: BehaviourTables
) -> ArtifactSet:
    """Store model, item table and behaviour snapshot; the model comes first, because the others name it."""
    with tempfile.TemporaryDirectory(prefix="vitrine-train-") as temporary:
        folder = Path(temporary)
        save_model(folder / "model", model_card(data, model), model.weights)
        name = store_artifact(store, "models", model.kind, folder / "model")
        metadata = {"model": name, "index": data.index}
        build_items(data.products, model.tower, metadata, folder / "items", model.words)
        save_behaviour(source, tables, metadata, folder / "behaviour")
        items = store_artifact(store, "items", "items", folder / "items")
        behaviour = store_artifact(store, "behaviour", "behaviour", folder / "behaviour")
    return ArtifactSet(name, items, behaviour)
