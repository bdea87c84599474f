"""Between training and the engine: what a ranker is trained on is read there, and its pointer is put there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from opensearch.index.meta import schema_of
from opensearch.index.scan import scan
from opensearch.index.versions import require_current
from opensearch.logs.pointer import pointer_history, swap_pointer
from opensearch.logs.profiles import Click, read_profiles, write_profiles
from opensearch.logs.slates import read_slates
from opensearch.logs.ubi import read_events, read_queries
from rerank.features.product_table import read_catalogue
from rerank.models.card import ModelCard, read_card
from rerank.models.ranker import load_ranker
from vitrine.errors import ArtifactError, RerankError, VitrineError
from vitrine.store import ArtifactSet, Store

from .events import GAINS, Log, read_log
from .train import Tell, Trained, TrainingData

if TYPE_CHECKING:
    from opensearch.client import OpenSearch

_READ = ("id", "text_vec", "images.vec", "numbers", "keywords", "created")
_SHOPPERS = 500  # profiles a request


@dataclass(frozen=True)
class Released:
    """A model that was put in service once: when, and what its card says (None: the store has lost it)."""

    pointer: ArtifactSet
    at: float
    current: bool
    card: ModelCard | None

    def to_dict(self) -> dict[str, Any]:
        card = self.card
        return {
            "model": self.pointer.model,
            "items": self.pointer.items,
            "behaviour": self.pointer.behaviour,
            "in service": self.current,
            "since": datetime.fromtimestamp(self.at, UTC).isoformat(timespec="seconds"),
            "kind": card.kind if card else None,
            "index": card.index if card else None,
            "training": card.training if card else None,
            "comparison": card.comparison if card else None,
        }


def read_ground(client: OpenSearch, alias: str, until: float | None, tell: Tell) -> TrainingData:
    """Read the index behind an alias and its log up to a moment (seconds since 1970).

    Raises IndexMissingError without an index, RerankError for one without products or vectors.
    """
    index = require_current(client, alias)
    schema = schema_of(client, index)
    if not schema.vectors:
        raise RerankError(
            f"index {index} has neither text nor picture vectors, and a ranker needs one of them; "
            "index the catalogue with --text-encoder or --image-encoder"
        )
    total = int(client.count(index=index)["count"])

    def counted() -> Iterator[Mapping[str, Any]]:
        for number, (product, source) in enumerate(scan(client, index, includes=_READ), start=1):
            tell("reading products", number, total)
            yield {**source, "id": product}

    catalogue = read_catalogue(counted(), schema)
    if not catalogue.ids:
        raise RerankError(f"index {index} has no products; run `vitrine index` first")
    return TrainingData(index, schema, catalogue, read_logs(client, alias, until))


def read_logs(client: OpenSearch, alias: str, until: float | None) -> Log:
    """The slate log with UBI queries and events of an alias, up to a moment."""
    return read_log(
        read_slates(client, alias, until),
        read_queries(client, alias, until),
        read_events(client, alias, until, actions=tuple(GAINS)),
    )


def put_in_service(client: OpenSearch, store: Store, alias: str, trained: Trained) -> ArtifactSet:
    """Open the artifacts once, add the log's clicks to the shoppers' profiles, and swap the pointer."""
    load_ranker(store, trained.artifacts)
    write_clicks(client, alias, trained.clicks)
    names = trained.artifacts
    pointer = ArtifactSet(names.model, names.items, names.behaviour)
    swap_pointer(client, alias, pointer)
    return pointer


def write_clicks(client: OpenSearch, alias: str, clicks: Mapping[str, Sequence[Click]]) -> None:
    """Join the log's clicks with those that the profiles hold already, which may be newer."""
    shoppers = sorted(clicks)
    for start in range(0, len(shoppers), _SHOPPERS):
        part = shoppers[start : start + _SHOPPERS]
        held = read_profiles(client, alias, part)
        joined = {shopper: joined_clicks(held[shopper], clicks[shopper]) for shopper in part}
        refused = write_profiles(client, alias, joined)
        if refused:
            raise RerankError(
                f"the engine refused {len(refused)} shopper profiles, the first because: {refused[0].reason}; "
                "the pointer was left alone"
            )


def joined_clicks(held: Sequence[Click], logged: Sequence[Click]) -> list[Click]:
    """Both in order of time; a click that stands in both, to the second, counts once."""
    both = [*held, *(Click(click.id, click.at) for click in logged)]
    once = {(click.id, round(click.at)): click for click in both}
    return sorted(once.values(), key=lambda click: click.at)


def releases(client: OpenSearch, store: Store, alias: str) -> list[Released]:
    """Every model that was put in service for an alias, newest first."""
    history = pointer_history(client, alias)
    return [
        Released(swap.pointer, swap.at, place == 0, _card(store, swap.pointer))
        for place, swap in enumerate(history)
    ]


def use(client: OpenSearch, store: Store, alias: str, model: str) -> ArtifactSet:
    """Put a model of the history back in service, with the tables that it had last."""
    history = pointer_history(client, alias)
    for swap in history:
        if swap.pointer.model == model:
            return _return_to(client, store, alias, swap.pointer)
    known = ", ".join(dict.fromkeys(swap.pointer.model for swap in history)) or "none"
    raise ArtifactError(
        f"model {model} was never in service for {alias} (there were: {known}); run `vitrine train`"
    )


def rollback(client: OpenSearch, store: Store, alias: str) -> ArtifactSet:
    """Put back what was in service before the present pointer first was; again and it goes further back."""
    history = [swap.pointer for swap in pointer_history(client, alias)]
    if not history:
        raise ArtifactError(f"no model for alias {alias} yet: run `vitrine train`")
    oldest = max(place for place, pointer in enumerate(history) if pointer == history[0])
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
        return read_card(store.get("models", pointer.model))
    except VitrineError:
        return None
