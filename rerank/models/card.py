"""The model artifact: weights as safetensors, and the model card as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from rerank.arrays import FloatArray
from rerank.features.groups import VERSION, FeaturePlan, feature_names
from vitrine.errors import ArtifactError
from vitrine.store import Store, content_name

# kinds of models: a neural fusion, trees, the weights that a catalogue teaches, and the RRF that needs no training
NEURAL, LAMBDAMART, CATALOGUE, RRF = "neural", "lambdamart", "catalogue", "rrf"
_WEIGHTS, _CARD = "weights.safetensors", "model.json"


@dataclass(frozen=True)
class ModelCard:
    """What a model is, what it was trained on, and how it compares.

    `dimensions` and `encoders` are those of each vector space. `fusion` names the neural fusion in `FUSIONS` and
    `interest` how it reads clicks, an entry of `INTERESTS`; None for other kinds.
    `created` is an ISO time. `training` holds counts, settings and losses.
    """

    kind: str
    index: str
    encoders: dict[str, str | None]
    dimensions: dict[str, int]
    numbers: tuple[str, ...]
    keywords: tuple[str, ...]
    features: tuple[str, ...]
    features_version: int
    created: str
    fusion: str | None = None
    interest: str | None = None
    training: dict[str, Any] = field(default_factory=dict)
    comparison: dict[str, Any] | None = None

    @property
    def plan(self) -> FeaturePlan:
        """The plan that names the model's features."""
        return FeaturePlan(tuple(self.dimensions), self.numbers, self.keywords)


def save_model(directory: Path, card: ModelCard, weights: Mapping[str, FloatArray]) -> None:
    """Write a model artifact."""
    from safetensors.numpy import save_file

    directory.mkdir(parents=True, exist_ok=True)
    save_file({name: np.ascontiguousarray(array) for name, array in weights.items()}, directory / _WEIGHTS)
    (directory / _CARD).write_text(json.dumps(asdict(card), indent=1, ensure_ascii=False) + "\n")


def load_model(directory: Path) -> tuple[ModelCard, dict[str, FloatArray]]:
    """Return a model's card and weights. Raises ArtifactError for an incomplete one and for other feature definitions."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    card = read_model_card(directory)
    if card.features_version != VERSION:
        raise ArtifactError(
            f"model {directory.name} was trained with version {card.features_version} of the features, "
            f"this release computes version {VERSION}; run `vitrine train`"
        )
    expected = feature_names(card.plan)
    if card.features != expected:
        differing = sorted(set(card.features) ^ set(expected)) or ["their order"]
        raise ArtifactError(
            f"model {directory.name} was trained with other features than this release computes "
            f"({', '.join(differing[:5])}); run `vitrine train`"
        )
    try:
        return card, load_file(directory / _WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise ArtifactError(f"the weights of model {directory.name} cannot be read: {error}") from None


def read_model_card(directory: Path) -> ModelCard:
    """Return the card of a model artifact without its weights. Raises ArtifactError."""
    names = {item.name for item in fields(ModelCard)}
    try:
        document = json.loads((directory / _CARD).read_text())
        values: dict[str, Any] = {name: document[name] for name in names & document.keys()}
        values |= {name: tuple(values[name]) for name in ("numbers", "keywords", "features")}
        return ModelCard(**values)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ArtifactError(
            f"{directory} holds no model of this release ({error}); run `vitrine train`"
        ) from None


def store_artifact(store: Store, kind: str, prefix: str, directory: Path) -> str:
    """Put a finished directory into the store under a name derived from its content, and return the name."""
    name = content_name(prefix, directory)
    store.put(kind, name, directory)
    return name
