"""How a training run goes on: its clock, its learning rate and picture size over time, its checkpoints."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vitrine.errors import EncoderError

WARM_UP = 0.04
# Most of what a tower learns it learns from small pictures at a fraction of the cost; the last part sharpens it.
STAGES = ((0.45, 0.67), (0.8, 0.84), (1.01, 1.0))


@dataclass(frozen=True)
class Settings:
    """How a tower is trained; the length is `minutes` of training where given, else `epochs`."""

    arch: str = "resnet10t"
    size: int = 96
    epochs: int = 40
    minutes: float | None = None
    batch: int | None = None  # None: by the number of pictures
    rate: float = 2e-3
    decay: float = 0.05
    seed: int = 0
    init: str | None = None  # open_clip's model/pretrained


@dataclass
class Progress:
    """What a checkpoint says beside the weights."""

    epoch: int = 0  # whole epochs done
    step: int = 0
    seconds: float = 0.0  # spent in training, over all runs
    best: float = -1.0
    best_epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


class TrainingBudget:
    """The share of the run that is done: by steps, or by time where a number of minutes was given."""

    def __init__(self, settings: Settings, steps_an_epoch: int, progress: Progress) -> None:
        self._settings = settings
        self._steps = max(1, steps_an_epoch * settings.epochs)
        self._progress = progress
        self._started = time.monotonic() - progress.seconds

    def seconds(self) -> float:
        return time.monotonic() - self._started

    def share(self) -> float:
        if self._settings.minutes is not None:
            return min(1.0, self.seconds() / (60 * self._settings.minutes))
        return min(1.0, self._progress.step / self._steps)


def learning_rate(share: float, peak: float) -> float:
    """A short linear rise, then half a cosine down to a hundredth of the peak."""
    if share < WARM_UP:
        return peak * (0.05 + 0.95 * share / WARM_UP)
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (share - WARM_UP) / (1 - WARM_UP))))


def picture_size(share: float, size: int) -> int:
    """The side of the training pictures at this point of the run, a multiple of 16."""
    factor = next(factor for until, factor in STAGES if share < until)
    return size if factor == 1.0 else max(32, round(size * factor / 16) * 16)


class Average:
    """A moving average of a tower's weights, which generalises better than the weights themselves."""

    def __init__(self, tower: nn.Module, decay: float = 0.998) -> None:
        self._decay = decay
        self.state = {name: value.detach().clone() for name, value in tower.state_dict().items()}

    @torch.no_grad()
    def update(self, tower: nn.Module, step: int) -> None:
        keep = min(self._decay, (1 + step) / (10 + step))
        for name, value in tower.state_dict().items():
            mine = self.state[name]
            if mine.is_floating_point():
                mine.lerp_(value, 1 - keep)
            else:
                mine.copy_(value)


def save_checkpoint(folder: Path, tensors: dict[str, dict[str, torch.Tensor]], progress: Progress) -> None:
    """Write groups of tensors and the progress so that a kill at any moment leaves a whole checkpoint."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    flat = {
        f"{group}/{name}": value.contiguous()
        for group, some in tensors.items()
        for name, value in some.items()
    }
    weights = folder / f"epoch-{progress.epoch}.safetensors"
    save_file(flat, weights)
    staged = folder / "progress.json.new"
    staged.write_text(json.dumps(asdict(progress)))
    staged.replace(folder / "progress.json")
    for old in folder.glob("epoch-*.safetensors"):
        if old != weights:
            old.unlink()


def load_checkpoint(folder: Path) -> tuple[dict[str, dict[str, torch.Tensor]], Progress] | None:
    """What `save_checkpoint` wrote last, or None when it never did."""
    from safetensors.torch import load_file

    told = folder / "progress.json"
    if not told.is_file():
        return None
    progress = Progress(**json.loads(told.read_text()))
    weights = folder / f"epoch-{progress.epoch}.safetensors"
    if not weights.is_file():
        raise EncoderError(
            f"the checkpoint in {folder} lacks {weights.name}; delete the folder and train anew"
        )
    groups: dict[str, dict[str, torch.Tensor]] = {}
    for key, value in load_file(weights).items():
        group, _, name = key.partition("/")
        groups.setdefault(group, {})[name] = value
    return groups, progress


def optimiser_state(optimiser: torch.optim.Optimizer, names: list[str]) -> dict[str, torch.Tensor]:
    """The optimiser's tensors by parameter name, for a checkpoint without pickles."""
    states: dict[int, dict[str, Any]] = optimiser.state_dict()["state"]
    return {f"{names[row]}:{key}": value for row, state in states.items() for key, value in state.items()}


def restore_optimiser(
    optimiser: torch.optim.Optimizer, names: list[str], kept: dict[str, torch.Tensor]
) -> None:
    """Put back what `optimiser_state` took out."""
    states: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in kept.items():
        name, _, part = key.rpartition(":")
        states.setdefault(names.index(name), {})[part] = value
    whole = optimiser.state_dict()
    whole["state"] = states
    optimiser.load_state_dict(whole)
