"""From an index and its log to the three artifacts of a ranker."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from opensearch.index.fields import IndexSchema
from opensearch.logs.profiles import Click
from rerank.arrays import FloatArray
from rerank.features import groups as features
from rerank.features.behaviour import save_behaviour
from rerank.features.groups import QueryVectors, Scaler, fit_scaler
from rerank.features.item_table import ItemTower, VectorsOnly, build_items
from rerank.features.product_table import Catalogue
from rerank.models.card import FUSED, FUSION, ModelCard, put, save_model
from rerank.models.fusion import SignalFusion
from rerank.models.served import FusedModel
from vitrine.errors import RerankError
from vitrine.store import ArtifactSet, Store

from .compare import Comparison, compare, lambdamart
from .events import Log
from .propensity import estimate_positions
from .slates import ExampleMaker, Examples, History, Queries, gains_of, showings

if TYPE_CHECKING:
    from .fit import Fitted, Settings

FEWEST = 100  # slates with a click, before anything is learned from them
_TRAINING, _VALIDATION = (
    0.7,
    0.1,
)  # shares of the time-ordered slates; the rest is held back for the comparison

Embed = Callable[[Sequence[str]], Sequence[QueryVectors]]
Tell = Callable[[str, int, int], None]  # stage, done, total


@dataclass(frozen=True)
class TrainingData:
    """What a ranker is trained on: one index as it stands, and the log of its alias."""

    index: str
    schema: IndexSchema
    catalogue: Catalogue
    log: Log


@dataclass(frozen=True)
class Trained:
    """The artifacts of a ranker, how it compares, and every shopper's latest clicks, oldest first."""

    kind: str
    artifacts: ArtifactSet
    comparison: Comparison | None = None
    training: dict[str, Any] = field(default_factory=dict)
    clicks: dict[str, list[Click]] = field(default_factory=dict)


def train_fused(ground: TrainingData, store: Store, embed: Embed, settings: Settings, tell: Tell) -> Trained:
    """Train the fused model on the log, compare it on the latest slates, and store its artifacts.

    Raises RerankError when there are too few clicks or nothing could be learned from them.
    """
    from .fit import SlateDataset, fit, score

    started = time.monotonic()
    gains = gains_of(ground.log)
    _require_clicks(ground, gains)
    cuts = _cuts([slate.at for slate in ground.log.slates if slate.query_id in gains])
    early = [slate for slate in ground.log.slates if slate.at < cuts[0]]
    positions = estimate_positions(showings(early, gains))
    scaler = fit_scaler(ground.catalogue.numbers)
    queries = _queries(ground, embed)
    maker = ExampleMaker(ground.log, ground.catalogue, scaler, queries, positions)
    examples = _examples(maker, ground.log, tell)
    train, validation, held = _split(examples, cuts)
    material = SlateDataset(ground.catalogue, scaler, queries, maker.features)
    steps = settings.epochs * -(-len(train) // settings.batch)
    done = iter(range(1, steps + 1))
    fitted = fit(
        material, train, validation, positions, settings, lambda told: tell(told, next(done, steps), steps)
    )
    tell(f"epoch {len(fitted.training)} was the last", steps, steps)
    tell("comparing", 0, 1)
    scores = {**_lambdamart(train, held), "fused model": score(fitted.network, material, held)}
    comparison = compare(held, maker.features, scores, positions.propensity)
    tell("comparing", 1, 1)
    training = {
        **_counts(ground, gains),
        "examples": {"training": len(train), "validation": len(validation), "held back": len(held)},
        "positions": {"measured": positions.measured, "propensity": positions.propensity.round(4).tolist()},
        "settings": asdict(settings),
        **_losses(fitted),
        "seconds": round(time.monotonic() - started, 1),
    }
    served = fitted.network.served(scaler)
    card = _card(FUSED, ground, training, comparison)
    maker.history.advance(float("inf"))
    tell("storing", 0, 1)
    artifacts = _store(ground, store, card, served, FusedModel(served), maker.history, scaler)
    tell("storing", 1, 1)
    return Trained(FUSED, artifacts, comparison, training, _clicks(maker.history, ground.catalogue))


def make_fusion(ground: TrainingData, store: Store, fusion: SignalFusion, tell: Tell) -> Trained:
    """Store the artifacts of the decision-level fusion, which learns from no click; its popularity is the log's."""
    gains = gains_of(ground.log)
    positions = estimate_positions(showings(ground.log.slates, gains))
    history = History(ground.log, ground.catalogue, positions)
    history.advance(float("inf"))
    training = {**_counts(ground, gains), "fusion": asdict(fusion)}
    card = _card(FUSION, ground, training, None)
    tower = VectorsOnly(ground.catalogue.text.shape[1], ground.catalogue.image.shape[1])
    scaler = fit_scaler(ground.catalogue.numbers)
    tell("storing", 0, 1)
    artifacts = _store(ground, store, card, fusion.arrays(), tower, history, scaler)
    tell("storing", 1, 1)
    return Trained(FUSION, artifacts, None, training, _clicks(history, ground.catalogue))


def _require_clicks(ground: TrainingData, gains: dict[str, dict[str, float]]) -> None:
    known = set(ground.catalogue.ids)
    usable = sum(any(product in known for product in liked) for liked in gains.values())
    if usable < FEWEST:
        raise RerankError(
            f"the log of {ground.index} has {len(ground.log.slates):,} searches, {usable:,} of them with a click "
            f"on a product of the index, and at least {FEWEST} are needed; collect more, or serve the fusion that "
            "needs none with `vitrine train --fusion`"
        )


def _cuts(moments: Sequence[float]) -> tuple[float, float]:
    """The moments at which validation and the held-back slates begin."""
    ordered = sorted(moments)
    ends = (_TRAINING, _TRAINING + _VALIDATION)
    first, second = (ordered[int(len(ordered) * end)] for end in ends)
    return first, second


def _split(examples: Examples, cuts: tuple[float, float]) -> tuple[Examples, Examples, Examples]:
    first, second = cuts
    parts = (examples.at < first, (examples.at >= first) & (examples.at < second), examples.at >= second)
    train, validation, held = (examples.part(part) for part in parts)
    if not (len(train) and len(validation) and len(held)):
        raise RerankError(
            "the searches of the log stand too close in time to hold some back for validation; collect more"
        )
    return train, validation, held


def _examples(maker: ExampleMaker, log: Log, tell: Tell) -> Examples:
    done = iter(range(1, len(log.slates) + 1))
    return maker.examples(log.slates, lambda: tell("features", next(done), len(log.slates)))


def _queries(ground: TrainingData, embed: Embed) -> Queries:
    texts = tuple(sorted({slate.query for slate in ground.log.slates}))
    vectors = embed(texts)
    c = ground.catalogue

    def stacked(found: list[Any], dimension: int) -> Any:
        empty = np.zeros(dimension, dtype=np.float32)
        return np.stack([empty if v is None or not dimension else v for v in found]).astype(np.float32)

    text, image = [v.get("text") for v in vectors], [v.get("image") for v in vectors]
    return Queries(
        texts=texts,
        text=stacked(text, c.text.shape[1]),
        has_text=np.array([v is not None for v in text]),
        image=stacked(image, c.image.shape[1]),
        has_image=np.array([v is not None for v in image]),
    )


def _card(
    kind: str, ground: TrainingData, training: dict[str, Any], comparison: Comparison | None
) -> ModelCard:
    schema, catalogue = ground.schema, ground.catalogue
    return ModelCard(
        kind=kind,
        index=ground.index,
        encoders={name: vector.encoder for name, vector in schema.vectors.items()},
        dimensions={"text": catalogue.text.shape[1], "image": catalogue.image.shape[1]},
        numbers=catalogue.number_names,
        keywords=catalogue.keyword_names,
        features=features.feature_names(catalogue.number_names, catalogue.keyword_names),
        features_version=features.VERSION,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        training=training,
        comparison=comparison.to_dict() if comparison else None,
    )


def _store(
    ground: TrainingData,
    store: Store,
    card: ModelCard,
    weights: dict[str, Any],
    tower: ItemTower,
    history: History,
    scaler: Scaler,
) -> ArtifactSet:
    """Write and store model, item table and behaviour snapshot, the model first: the others name it."""
    with tempfile.TemporaryDirectory(prefix="vitrine-train-") as temporary:
        folder = Path(temporary)
        save_model(folder / "model", card, weights)
        model = put(store, "models", card.kind, folder / "model")
        facts = {"model": model, "index": ground.index}
        build_items(ground.catalogue, tower, facts, folder / "items")
        save_behaviour(history.counters, ground.catalogue, scaler, facts, folder / "behaviour")
        items = put(store, "items", "items", folder / "items")
        behaviour = put(store, "behaviour", "behaviour", folder / "behaviour")
    return ArtifactSet(model, items, behaviour)


def _lambdamart(train: Examples, held: Examples) -> dict[str, FloatArray]:
    try:
        return {"LightGBM LambdaMART": lambdamart(train)(held)}
    except OSError:  # its library needs the system's OpenMP runtime, which a bare machine may lack
        return {}


def _counts(ground: TrainingData, gains: dict[str, dict[str, float]]) -> dict[str, Any]:
    return {
        "products": len(ground.catalogue.ids),
        "searches": len(ground.log.slates),
        "searches with a click": len(gains),
        "events": len(ground.log.events),
        "unread records": ground.log.unread,
    }


def _losses(fitted: Fitted) -> dict[str, Any]:
    return {
        "training loss": [round(loss, 4) for loss in fitted.training],
        "validation loss": [round(loss, 4) for loss in fitted.validation],
        "validation loss of equal scores": round(fitted.uniform_loss, 4),
    }


def _clicks(history: History, catalogue: Catalogue) -> dict[str, list[Click]]:
    return {
        shopper: [Click(catalogue.ids[row], at) for row, at in clicks]
        for shopper, clicks in history.clicks.items()
    }
