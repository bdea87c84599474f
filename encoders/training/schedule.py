"""The schedule of a training run: its budget, learning rate, image size and weight average over time."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

import torch
from torch import nn

WARM_UP = 0.04
# (until this share of the run, side as a fraction of the final one): small images are cheap and give most quality.
STAGES = ((0.45, 0.67), (0.8, 0.84), (1.01, 1.0))


@dataclass(frozen=True)
class TowerSettings:
    """The settings of a run; its length is `minutes` of training where given, else `epochs`."""

    arch: str = "resnet10t"
    size: int = 96
    epochs: int = 40
    minutes: float | None = None
    batch: int | None = None  # None: by the number of images
    rate: float = 2e-3
    decay: float = 0.05
    seed: int = 0
    init: str | None = None  # open_clip's model/pretrained


@dataclass
class RunProgress:
    """The progress of a run, which a checkpoint stores beside the weights."""

    epoch: int = 0  # complete epochs
    step: int = 0
    seconds: float = 0.0  # spent in training, over all runs
    best: float = -1.0
    best_epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


class TrainingBudget:
    """The share of a run that is done, by steps, or by time where the settings give minutes."""

    def __init__(self, settings: TowerSettings, steps_per_epoch: int, progress: RunProgress) -> None:
        self._settings = settings
        self._steps = max(1, steps_per_epoch * settings.epochs)
        self._progress = progress
        self._started = time.monotonic() - progress.seconds

    def seconds(self) -> float:
        """Return the seconds of training so far, over all runs."""
        return time.monotonic() - self._started

    def share(self) -> float:
        """Return the share of the run that is done, 0 to 1."""
        if self._settings.minutes is not None:
            return min(1.0, self.seconds() / (60 * self._settings.minutes))
        return min(1.0, self._progress.step / self._steps)


def learning_rate(share: float, peak: float) -> float:
    """Return the learning rate: a linear warm-up, then half a cosine down to a hundredth of `peak`."""
    # Not torch.optim.lr_scheduler: a run may be limited by minutes, so the rate is a function of the share that is done.
    if share < WARM_UP:
        return peak * (0.05 + 0.95 * share / WARM_UP)
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (share - WARM_UP) / (1 - WARM_UP))))


def image_size(share: float, size: int) -> int:
    """Return the side of the training images in pixels at this point of the run, a multiple of 16."""
    factor = next(factor for until, factor in STAGES if share < until)
    return size if factor == 1.0 else max(32, round(size * factor / 16) * 16)


class WeightAverage:
    """The exponential moving average of a tower's weights, which generalizes better than the weights themselves."""

    # Not torch.optim.swa_utils.AveragedModel: the decay warms up with the step, so that a short run is not dominated by
    # its random start, and the state goes into checkpoints as plain tensors.

    def __init__(self, tower: nn.Module, decay: float = 0.998) -> None:
        self._decay = decay
        self.state = {name: value.detach().clone() for name, value in tower.state_dict().items()}

    @torch.no_grad()
    def update(self, tower: nn.Module, step: int) -> None:
        """Move the average towards the tower's weights after `step` steps."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for name, value in tower.state_dict().items():
            average = self.state[name]
            if average.is_floating_point():
                average.lerp_(value, 1 - decay)
            else:
                average.copy_(value)
