"""Training data read from the engine, and the pointer of an alias: put in service, use, roll back."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opensearch.index.meta import schema_of
from opensearch.index.scan import count, scan
from opensearch.index.spaces import SPACES
from opensearch.index.versions import require_current
from opensearch.logs.pointer import pointer_history, read_pointer, swap_pointer
from opensearch.logs.profiles import Click, delete_profiles, profile_names, read_profiles, write_profiles
from rerank.features.product_table import read_products
from rerank.models.card import LAMBDAMART, NEURAL, ModelCard, read_model_card
from rerank.models.ranker import load_ranker
from rerank.query_encoders import require_same_encoders
from rerank.shoppers import is_hash, sealed, shopper_hash
from rerank.training.log.source import Catalogue, LogOptions, read_log
from vitrine.errors import ArtifactError, RerankError, VitrineError
from vitrine.store import ArtifactSet, Store

from .artifacts import TrainingData
from .candidates import OnProgress
from .train import TrainingResult

if TYPE_CHECKING:
    from opensearch.client import OpenSearch

_FIELDS = ("id", "numbers", "keywords", "created")  # beside the vectors
_BATCH = 500  # shopper profiles per request
_ASIDE, _ASIDE_FILE = "aside", "artifacts.json"  # of models that were trained and not put in service


@dataclass(frozen=True)
class Release:
    """A model that was put in service or set aside: when, and its card; None when the store no longer holds it.

    `aside` is the reason why training set it aside; None for a model that was in service.
    """

    pointer: ArtifactSet
    at: float
    current: bool
    card: ModelCard | None
    aside: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the model as JSON values."""
        card = self.card
        return {
            "model": self.pointer.model,
            "items": self.pointer.items,
            "behaviour": self.pointer.behaviour,
            "in service": self.current,
            "set aside": self.aside,
            "since": datetime.fromtimestamp(self.at, UTC).isoformat(timespec="seconds"),
            "kind": card.kind if card else None,
            "index": card.index if card else None,
            "training": card.training if card else None,
            "comparison": card.comparison if card else None,
        }


def read_training_data(
    client: OpenSearch, alias: str, options: LogOptions, on_progress: OnProgress
) -> TrainingData:
    """Read the index behind an alias and its log.

    Raises IndexMissingError without an index, RerankError for one without products or vectors.
    """
    index = require_current(client, alias)
    schema = schema_of(client, index)
    if not schema.vectors:
        raise RerankError(
            f"index {index} has no vectors, and a ranker needs one vector space; "
            "index the catalogue with --text-encoder or --image-encoder"
        )
    total = count(client, index)

    includes = (*_FIELDS, *(SPACES[space].path for space in schema.vectors))

    def documents() -> Iterator[Mapping[str, Any]]:
        for number, (product, source) in enumerate(scan(client, index, includes=includes), start=1):
            on_progress("reading products", number, total)
            yield {**source, "id": product}

    products = read_products(documents(), schema)
    if not products.ids:
        raise RerankError(f"index {index} has no products; run `vitrine index` first")
    log = read_log(client, alias, Catalogue(index, schema.plan, products.row_of), options)
    return TrainingData(index, schema, products, log)


def put_in_service(client: OpenSearch, store: Store, alias: str, result: TrainingResult) -> int:
    """Open the artifacts once, add the log's clicks to the shoppers' profiles, and swap the pointer.

    Returns the number of profiles of an earlier release that were found under raw ids, and are now under keyed hashes.
    """
    load_ranker(store, result.artifacts)
    moved = write_clicks(client, alias, result.clicks)
    swap_pointer(client, alias, result.artifacts)
    return moved


def write_clicks(client: OpenSearch, alias: str, clicks: Mapping[str, Sequence[Click]]) -> int:
    """Merge the log's clicks with those in the shoppers' profiles, which may be newer. Raises RerankError.

    Profiles under ids that are no keyed hashes of ours are moved to the hash; returns their number.
    """
    _merge_profiles(client, alias, clicks)
    old = [name for name in profile_names(client, alias) if not is_hash(name)]
    for part in _parts(old):
        moved: dict[str, list[Click]] = {}
        for name, profile in read_profiles(client, alias, part).items():
            # the hash of an earlier release begins as ours does; another name is a raw id
            bare = sealed(name)
            moved.setdefault(bare if bare in clicks else shopper_hash(name), []).extend(profile)
        _merge_profiles(client, alias, moved)
        delete_profiles(client, alias, part)
    return len(old)


def _merge_profiles(client: OpenSearch, alias: str, clicks: Mapping[str, Sequence[Click]]) -> None:
    for part in _parts(sorted(clicks)):
        profiles = read_profiles(client, alias, part)
        merged = {shopper: merge_clicks(profiles[shopper], clicks[shopper]) for shopper in part}
        refused = write_profiles(client, alias, merged)
        if refused:
            raise RerankError(
                f"the engine refused {len(refused)} shopper profiles, the first because: {refused[0].reason}; "
                "the ranker in service stays"
            )


def _parts(names: Sequence[str]) -> Iterator[Sequence[str]]:
    return (names[start : start + _BATCH] for start in range(0, len(names), _BATCH))


def merge_clicks(profile: Sequence[Click], logged: Sequence[Click]) -> list[Click]:
    """Return both in order of time; a click in both, at the same second, counts once."""
    clicks = {(click.id, round(click.at)): click for click in (*profile, *logged)}
    return sorted(clicks.values(), key=lambda click: click.at)


def releases(client: OpenSearch, store: Store, alias: str) -> list[Release]:
    """Return every model that was put in service for an alias, newest first, and then those only set aside."""
    history = pointer_history(client, alias)
    served = [
        Release(swap.pointer, swap.at, number == 0, _card(store, swap.pointer))
        for number, swap in enumerate(history)
    ]
    known = {release.pointer.model for release in served}
    return served + [release for release in _aside(store, alias) if release.pointer.model not in known]


def use_model(client: OpenSearch, store: Store, alias: str, model: str) -> ArtifactSet:
    """Put a model of the history in service again, or one that was set aside. Raises ArtifactError."""
    history = pointer_history(client, alias)
    for swap in history:
        if swap.pointer.model == model:
            return _return_to(client, store, alias, swap.pointer)
    aside = {release.pointer.model: release.pointer for release in _aside(store, alias)}
    if model in aside:
        return _return_to(client, store, alias, aside[model])
    known = ", ".join(dict.fromkeys([*(swap.pointer.model for swap in history), *aside])) or "none"
    raise ArtifactError(
        f"model {model} was never in service for {alias} (its models: {known}); run `vitrine train`"
    )


def set_aside(store: Store, alias: str, artifacts: ArtifactSet, reason: str) -> None:
    """Remember the artifacts of a model that was not put in service, and why, so that `use_model` finds them."""
    record = {"alias": alias, **asdict(artifacts), "reason": reason}
    with tempfile.TemporaryDirectory(prefix="vitrine-train-") as folder:
        (Path(folder) / _ASIDE_FILE).write_text(json.dumps(record))
        store.put(_ASIDE, artifacts.model, Path(folder))


def _aside(store: Store, alias: str) -> list[Release]:
    """Return the models of an alias that training set aside, newest first."""
    found = []
    for name in store.names(_ASIDE):
        values = json.loads((store.get(_ASIDE, name) / _ASIDE_FILE).read_text())
        if values.pop("alias") == alias:
            reason = values.pop(
                "reason", "it was worse than the engine's order"
            )  # an earlier release kept none
            pointer = ArtifactSet(**values)
            card = _card(store, pointer)
            at = datetime.fromisoformat(card.created).timestamp() if card else 0.0
            found.append(Release(pointer, at, False, card, reason))
    return sorted(found, key=lambda release: -release.at)


def trained_in_service(
    client: OpenSearch, store: Store, data: TrainingData, alias: str
) -> ArtifactSet | None:
    """Return the artifacts in service when they are a model that was trained and fits the index; else None."""
    pointer = read_pointer(client, alias)
    if pointer is None:
        return None
    try:
        card = read_model_card(store.get("models", pointer.model))
        require_same_encoders(data.schema, card.encoders, f"model {pointer.model}")
        load_ranker(store, pointer)
    except VitrineError:
        return None
    return pointer if card.kind in (NEURAL, LAMBDAMART) else None


def roll_back_model(client: OpenSearch, store: Store, alias: str) -> ArtifactSet:
    """Put the model before the current one in service; each further call goes one model back. Raises ArtifactError."""
    history = [swap.pointer for swap in pointer_history(client, alias)]
    if not history:
        raise ArtifactError(f"no model for alias {alias} yet: run `vitrine train`")
    oldest = max(number for number, pointer in enumerate(history) if pointer == history[0])
    if oldest + 1 == len(history):
        raise ArtifactError(
            f"{history[0].model} is the first model of {alias}, there is none before it; "
            "choose one of `vitrine model list` with `vitrine model use`"
        )
    return _return_to(client, store, alias, history[oldest + 1])


def _return_to(client: OpenSearch, store: Store, alias: str, pointer: ArtifactSet) -> ArtifactSet:
    load_ranker(store, pointer)
    swap_pointer(client, alias, pointer)
    return pointer


def _card(store: Store, pointer: ArtifactSet) -> ModelCard | None:
    try:
        return read_model_card(store.get("models", pointer.model))
    except VitrineError:
        return None
