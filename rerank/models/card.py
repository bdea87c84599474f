"""The model artifact: weights as safetensors, facts about them as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from rerank.arrays import FloatArray
from rerank.features import groups as features
from vitrine.errors import ArtifactError
from vitrine.store import Store, content_name

FUSED, FUSION = "fused", "fusion"
_WEIGHTS, _CARD = "weights.safetensors", "model.json"


@dataclass(frozen=True)
class ModelCard:
    """What a model is, what it was made for, and how it did."""

    kind: str  # FUSED, or FUSION for the decision-level baseline that needs no training
    index: str
    encoders: dict[str, str | None]  # of the "text" and "image" vectors that it judges
    dimensions: dict[str, int]
    numbers: tuple[str, ...]
    keywords: tuple[str, ...]
    features: tuple[str, ...]
    features_version: int
    made: str  # ISO time
    training: dict[str, Any] = field(default_factory=dict)  # how much data, how long, the losses
    comparison: dict[str, Any] | None = None


def save_model(directory: Path, card: ModelCard, weights: Mapping[str, FloatArray]) -> None:
    from safetensors.numpy import save_file

    directory.mkdir(parents=True, exist_ok=True)
    save_file({name: np.ascontiguousarray(array) for name, array in weights.items()}, directory / _WEIGHTS)
    (directory / _CARD).write_text(json.dumps(asdict(card), indent=1, ensure_ascii=False) + "\n")


def load_model(directory: Path) -> tuple[ModelCard, dict[str, FloatArray]]:
    """Read a model; raises ArtifactError when it is incomplete or its features are defined otherwise."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    card = read_card(directory)
    wanted = features.feature_names(card.numbers, card.keywords)
    if card.features_version != features.VERSION or card.features != wanted:
        raise ArtifactError(
            f"model {directory.name} was trained with version {card.features_version} of the features, "
            f"this release makes version {features.VERSION}; run `vitrine train`"
        )
    try:
        return card, load_file(directory / _WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise ArtifactError(f"the weights of model {directory.name} cannot be read: {error}") from None


def read_card(directory: Path) -> ModelCard:
    """Read what a model says of itself, without its weights."""
    known = {item.name for item in fields(ModelCard)}
    try:
        found = json.loads((directory / _CARD).read_text())
        values: dict[str, Any] = {k: found[k] for k in known & found.keys()}
        values |= {k: tuple(values[k]) for k in ("numbers", "keywords", "features")}
        return ModelCard(**values)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ArtifactError(
            f"{directory} holds no model of this release ({error}); run `vitrine train`"
        ) from None


def put(store: Store, kind: str, prefix: str, directory: Path) -> str:
    """Put a finished directory into the store under a name made of its content, and give the name."""
    name = content_name(prefix, directory)
    store.put(kind, name, directory)
    return name
