"""The training loop of the neural fusions."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from rerank.arrays import FloatArray, IndexArray
from rerank.features.groups import HISTORY, RANK, DroppedColumns, dropped_columns
from rerank.models.neural.fusions import DEFAULT_FUSION, FUSIONS
from rerank.models.neural.losses import DEFAULT_LOSS, LOSSES, Loss, expected_gain
from rerank.models.neural.network import Batch, FusionNetwork
from rerank.models.neural.served_interest import DEFAULT_INTEREST
from rerank.training.collaborative.neighbours import DEFAULT_METHOD
from vitrine.errors import NothingLearnedError, RerankError

from .dataset import SlateDataset
from .examples import Examples
from .propensity import DEPTH, PositionBias

# Chance that a slate lacks a signal in training, beside the default.
_DROP_RATES = {RANK: 0.2}
_DROP_RATE = 0.1
_MIN_IMPROVEMENT = 1e-3  # of the validation loss
_CONSTANTS = np.arange(-8.0, 4.5, 1.0)  # logits of equal scores


@dataclass(frozen=True)
class TrainingSettings:
    """How a neural fusion is trained.

    `fusion`, `loss` and `interest` are keys of `FUSIONS`, `LOSSES` and `INTEREST_NETWORKS`, `neighbours` is one of
    `ITEM_METHODS`. Training stops after
    `patience` epochs in which the validation loss falls by less than 0.001.
    """

    epochs: int = 20
    batch: int = 64
    rate: float = 5e-4
    decay: float = 0.1
    patience: int = 3
    seed: int = 7
    loss: str = DEFAULT_LOSS
    fusion: str = DEFAULT_FUSION
    interest: str = DEFAULT_INTEREST
    neighbours: str = DEFAULT_METHOD


@dataclass(frozen=True)
class FitResult:
    """A trained network and its losses by epoch; `uniform_loss` is the least validation loss of equal scores."""

    network: FusionNetwork
    training: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    uniform_loss: float = 0.0


def steps_of(settings: TrainingSettings, train: Examples) -> int:
    """Return the number of batches of a training that does not stop early."""
    return settings.epochs * -(-len(train) // settings.batch)


class _Objective:
    """The loss of outputs, with the log examination probability of each position, which may be learned."""

    def __init__(self, loss: Loss, positions: PositionBias) -> None:
        self._loss = loss
        self.log_propensity = nn.Parameter(torch.from_numpy(np.log(positions.propensity)).float())
        # a measured probability is not learned again
        self.log_propensity.requires_grad_(not positions.measured)

    def __call__(self, outputs: Tensor, examples: Examples) -> Tensor:
        position = torch.from_numpy(examples.position)
        examined = self.log_propensity[position.clamp(min=0, max=DEPTH - 1)] * (position >= 0)
        offsets = torch.from_numpy(examples.offset) + examined
        gains, mask = torch.from_numpy(examples.gains), torch.from_numpy(examples.mask)
        return self._loss.function(outputs, gains, mask, offsets)

    @torch.no_grad()
    def mean(self, outputs: FloatArray, examples: Examples) -> float:
        return float(self(torch.from_numpy(outputs), examples))

    def of_equal_scores(self, examples: Examples) -> float:
        """Return the least loss of outputs that are the same for all candidates."""
        shape = (*examples.gains.shape, self._loss.outputs)
        constants = itertools.product(_CONSTANTS, repeat=self._loss.outputs)
        return min(
            self.mean(np.broadcast_to(np.asarray(constant, dtype=np.float32), shape).copy(), examples)
            for constant in constants
        )


def fit(
    dataset: SlateDataset,
    train: Examples,
    validation: Examples,
    positions: PositionBias,
    settings: TrainingSettings,
    on_step: Callable[[str], None] = lambda _: None,
) -> FitResult:
    """Train until the validation loss stops falling and return the best epoch; `on_step` is called for each batch.

    Raises RerankError when a loss is not finite, NothingLearnedError when the network does no better than equal scores.
    """
    torch.manual_seed(settings.seed)
    loss_of = LOSSES[settings.loss]
    sizes = replace(dataset.sizes, outputs=loss_of.outputs, interest=settings.interest)
    network = FUSIONS[settings.fusion].network(sizes)
    network.standardise(train.x[train.mask])
    objective = _Objective(loss_of, positions)
    result = FitResult(network, uniform_loss=objective.of_equal_scores(validation))
    best_loss, best_state, idle = float("inf"), copy.deepcopy(network.state_dict()), 0
    with _one_thread():
        for epoch, loss in enumerate(_epochs(result, objective, dataset, train, settings, on_step), start=1):
            result.training.append(loss)
            validation_loss = objective.mean(outputs_of(network, dataset, validation), validation)
            result.validation.append(_require_finite(validation_loss, epoch))
            if validation_loss < best_loss - _MIN_IMPROVEMENT:
                best_loss, best_state, idle = validation_loss, copy.deepcopy(network.state_dict()), 0
            else:
                idle += 1
            if idle == settings.patience:
                break
    network.load_state_dict(best_state)
    network.eval()
    if best_loss >= result.uniform_loss:
        raise NothingLearnedError(
            f"the validation loss of the model, {best_loss:.3f}, is no lower than the {result.uniform_loss:.3f} of equal "
            "scores; collect more clicks"
        )
    return result


def _epochs(
    result: FitResult,
    objective: _Objective,
    dataset: SlateDataset,
    train: Examples,
    settings: TrainingSettings,
    on_step: Callable[[str], None],
) -> Iterator[float]:
    """Train epoch by epoch and yield the mean training loss of each."""
    network = result.network
    generator = np.random.default_rng(settings.seed)
    groups = [
        {"params": network.parameters(), "weight_decay": settings.decay},
        {"params": [objective.log_propensity], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=settings.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(1, steps_of(settings, train)))
    signals = dropped_columns(dataset.plan)
    for epoch in range(1, settings.epochs + 1):
        losses = []
        network.train()
        for rows in _shuffled(len(train), settings.batch, generator):
            part = train.part(rows)
            product_rows, batch = dataset.batch(part)
            _drop_signals(batch, signals, generator)
            loss = objective(network(network.tower(dataset.items(product_rows)), batch), part)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimiser.step()
            schedule.step()
            losses.append(_require_finite(loss.item(), epoch))
            on_step(f"epoch {epoch}, loss {np.mean(losses):.3f}")
        yield float(np.mean(losses))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run torch in one thread: the matrices are small, and a second thread costs five times the time on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def score(network: FusionNetwork, dataset: SlateDataset, examples: Examples) -> FloatArray:
    """Return the scores (S, L) of slates, without position bias."""
    outputs = outputs_of(network, dataset, examples)
    return outputs[..., 0] if outputs.shape[2] == 1 else expected_gain(outputs)


@torch.no_grad()
def outputs_of(
    network: FusionNetwork, dataset: SlateDataset, examples: Examples, batch: int = 256
) -> FloatArray:
    """Return the outputs (S, L, outputs) of a network for slates."""
    network.eval()
    parts = [np.zeros((0, examples.items.shape[1], network.sizes.outputs), dtype=np.float32)]
    for start in range(0, len(examples), batch):
        rows, inputs = dataset.batch(examples.part(slice(start, start + batch)))
        parts.append(network(network.tower(dataset.items(rows)), inputs).numpy())
    return np.concatenate(parts)


def _drop_signals(
    batch: Batch, signals: Mapping[str, DroppedColumns], generator: np.random.Generator
) -> None:
    """Remove signals from some slates, so that the features look as they do when the signal is missing."""
    dropped = {
        signal: torch.from_numpy(generator.random(len(batch.x)) < _DROP_RATES.get(signal, _DROP_RATE))
        for signal in signals
    }
    for signal, columns in signals.items():
        for column in columns.values:
            batch.x[dropped[signal], :, column] = 0.0
        if columns.flag is not None:
            batch.x[dropped[signal], :, columns.flag] = 1.0
    for space in batch.has_query:
        batch.has_query[space] &= ~dropped[space]
    batch.click_mask &= ~dropped[HISTORY][:, None]


def _shuffled(count: int, size: int, generator: np.random.Generator) -> list[IndexArray]:
    order = generator.permutation(count)
    return [order[start : start + size] for start in range(0, count, size)]


def _require_finite(loss: float, epoch: int) -> float:
    if not np.isfinite(loss):
        raise RerankError(
            f"training diverged in epoch {epoch}: the loss is {loss}; train with a smaller --rate"
        )
    return loss
