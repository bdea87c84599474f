"""The training loop of the fused model."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from rerank.arrays import FloatArray, IndexArray, half_to_float
from rerank.features.groups import Scaler, dropped_columns
from rerank.features.product_table import Catalogue
from rerank.models.losses import listwise_softmax
from rerank.models.network import Batch, ItemInputs, Network, Sizes
from vitrine.errors import RerankError

from .propensity import DEPTH, PositionBias
from .slates import Examples, Queries

_DROP = {"rank": 0.2, "text": 0.1, "image": 0.1, "history": 0.1}  # chance that a slate lacks a signal

_PROGRESS = 1e-3  # in validation loss, less is none


@dataclass(frozen=True)
class Settings:
    """How the network is trained."""

    epochs: int = 20
    batch: int = 64
    rate: float = 5e-4
    decay: float = 0.1
    patience: int = 3  # epochs in which the validation loss falls by less than 0.001
    seed: int = 7


@dataclass
class SlateDataset:
    """What slates point at: products and queries."""

    catalogue: Catalogue
    scaler: Scaler
    queries: Queries
    features: tuple[str, ...]

    def __post_init__(self) -> None:
        scaled = self.scaler.scale(self.catalogue.numbers)
        known = np.isfinite(scaled)
        self._numbers = np.concatenate([np.where(known, scaled, 0), ~known], axis=1).astype(np.float32)

    @property
    def sizes(self) -> Sizes:
        c = self.catalogue
        return Sizes(c.text.shape[1], c.image.shape[1], len(c.number_names), len(self.features))

    def inputs(self, rows: IndexArray) -> ItemInputs:
        c = self.catalogue
        parts = (half_to_float(c.text[rows]), half_to_float(c.image[rows]), self._numbers[rows])
        return ItemInputs(*(torch.from_numpy(part) for part in parts))

    def batch(self, examples: Examples) -> tuple[IndexArray, Batch]:
        """The batch of some slates, and the catalogue rows (N,) that its candidates and clicks point at."""
        both = np.concatenate([examples.items, examples.clicks], axis=1)
        rows, inverse = np.unique(both, return_inverse=True)
        places = torch.from_numpy(inverse.reshape(both.shape))
        length, query, queries = examples.items.shape[1], examples.query, self.queries
        return rows, Batch(
            x=torch.from_numpy(examples.x.copy()),
            candidates=places[:, :length],
            clicks=places[:, length:],
            clicked=torch.from_numpy(examples.clicked.copy()),
            age_hours=torch.from_numpy(examples.age_hours.copy()),
            text=torch.from_numpy(queries.text[query]),
            has_text=torch.from_numpy(queries.has_text[query]),
            image=torch.from_numpy(queries.image[query]),
            has_image=torch.from_numpy(queries.has_image[query]),
        )


@dataclass(frozen=True)
class Fitted:
    """A trained network and how its losses went, by epoch."""

    network: Network
    training: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    uniform_loss: float = 0.0  # validation loss of equal scores


def fit(
    material: SlateDataset,
    train: Examples,
    validation: Examples,
    positions: PositionBias,
    settings: Settings,
    step: Callable[[str], None] = lambda _: None,
) -> Fitted:
    """Train until the validation loss stops falling and keep the best epoch; `step` is called per batch.

    Raises RerankError when a loss is no number or when the network does no better than equal scores.
    """
    torch.manual_seed(settings.seed)
    network = Network(material.sizes)
    network.standardise(train.x[train.there])
    looks = nn.Parameter(torch.from_numpy(np.log(positions.propensity)).float())
    looks.requires_grad_(not positions.measured)  # a measured chance is not learned again
    fitted = Fitted(network, uniform_loss=_loss(None, material, validation, looks))
    best, kept, idle = float("inf"), copy.deepcopy(network.state_dict()), 0
    with _one_thread():
        epochs = _epochs(network, looks, material, train, settings, step)
        for epoch, loss in enumerate(epochs, start=1):
            fitted.training.append(loss)
            fitted.validation.append(_finite(_loss(network, material, validation, looks), epoch))
            if fitted.validation[-1] < best - _PROGRESS:
                best, kept, idle = fitted.validation[-1], copy.deepcopy(network.state_dict()), 0
            else:
                idle += 1
            if idle == settings.patience:
                break
    network.load_state_dict(kept)
    network.eval()
    if best >= fitted.uniform_loss:
        raise RerankError(
            f"the model learned nothing: validation loss {best:.3f}, equal scores have {fitted.uniform_loss:.3f}; "
            "collect more clicks, the ranker in service stays"
        )
    return fitted


def _epochs(
    network: Network,
    looks: nn.Parameter,
    material: SlateDataset,
    train: Examples,
    settings: Settings,
    step: Callable[[str], None],
) -> Iterator[float]:
    """Train epoch by epoch and give the mean training loss of each."""
    generator = np.random.default_rng(settings.seed)
    total = settings.epochs * -(-len(train) // settings.batch)
    groups = [
        {"params": network.parameters(), "weight_decay": settings.decay},
        {"params": [looks], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=settings.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(1, total))
    for epoch in range(1, settings.epochs + 1):
        losses = []
        network.train()
        for rows in _shuffled(len(train), settings.batch, generator):
            part = train.part(rows)
            used, batch = material.batch(part)
            _drop(batch, material.features, generator)
            loss = _listwise(network(network.tower(material.inputs(used)), batch), part, looks)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimiser.step()
            schedule.step()
            losses.append(_finite(loss.item(), epoch))
            step(f"epoch {epoch}, loss {np.mean(losses):.3f}")
        yield float(np.mean(losses))


@contextmanager
def _one_thread() -> Iterator[None]:
    """The products are too small to share: a second thread costs five times the work where the machine is busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@torch.no_grad()
def score(network: Network, material: SlateDataset, examples: Examples, batch: int = 256) -> FloatArray:
    """Scores (S, L) of slates, without positions."""
    network.eval()
    made = [np.zeros((0, examples.items.shape[1]), dtype=np.float32)]
    for start in range(0, len(examples), batch):
        rows, inputs = material.batch(examples.part(slice(start, start + batch)))
        made.append(network(network.tower(material.inputs(rows)), inputs).numpy())
    return np.concatenate(made)


@torch.no_grad()
def _loss(network: Network | None, material: SlateDataset, examples: Examples, looks: Tensor) -> float:
    scores = np.zeros_like(examples.gains) if network is None else score(network, material, examples)
    return float(_listwise(torch.from_numpy(scores), examples, looks))


def _listwise(scores: Tensor, examples: Examples, looks: Tensor) -> Tensor:
    position = torch.from_numpy(examples.position)
    looked = looks[position.clamp(min=0, max=DEPTH - 1)] * (position >= 0)
    offsets = torch.from_numpy(examples.offset) + looked
    return listwise_softmax(
        scores, torch.from_numpy(examples.gains), torch.from_numpy(examples.there), offsets
    )


def _drop(batch: Batch, names: tuple[str, ...], generator: np.random.Generator) -> None:
    """Take signals away from some slates, as the features say that they are missing."""
    columns = dropped_columns(names)
    gone = {
        signal: torch.from_numpy(generator.random(len(batch.x)) < chance) for signal, chance in _DROP.items()
    }
    for signal, slates in gone.items():
        for column in columns[signal].values:
            batch.x[slates, :, column] = 0.0
        batch.x[slates, :, columns[signal].flag] = 1.0
    batch.has_text &= ~gone["text"]
    batch.has_image &= ~gone["image"]
    batch.clicked &= ~gone["history"][:, None]


def _shuffled(count: int, size: int, generator: np.random.Generator) -> list[IndexArray]:
    order = generator.permutation(count)
    return [order[start : start + size] for start in range(0, count, size)]


def _finite(loss: float, epoch: int) -> float:
    if not np.isfinite(loss):
        raise RerankError(
            f"training diverged in epoch {epoch}: the loss is {loss}; train with a smaller --rate"
        )
    return loss
