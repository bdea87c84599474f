"""Training of an image tower against the frozen text encoder: an image's vector moves to its product's words."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from encoders.card import ImageCard, slug, store_encoder
from encoders.device import choose_device, mixed_precision
from encoders.image import write_tower
from encoders.protocol import TextEncoder
from vitrine.errors import EncoderError
from vitrine.store import Store

from .augment import augment, resized
from .checkpoint import load_checkpoint, optimiser_state, restore_optimiser, save_checkpoint
from .evaluate import ValidationMetrics, caption_ndcg, measure
from .objective import LossInputs, total_loss
from .samples import Samples
from .schedule import RunProgress, TowerSettings, TrainingBudget, WeightAverage, image_size, learning_rate
from .targets import Embeddings, make_targets
from .tower import DEFAULT_ARCH, Tower, TowerShape, build_tower, clip_tower, trainable

STORED = 1.15  # images are stored this much larger than the tower takes them, so that augmentation can crop
PATIENCE = 0.3  # the run stops after this share of it without a better validation metric
MIN_PATIENCE = 6  # epochs
MIN_VALIDATION_PRODUCTS = 20  # fewer do not decide when to stop
MIN_BATCH, MAX_BATCH = 32, 128  # images a step where the settings give none: small catalogues need many steps
MEMORY_BANK_SIZE = 4096  # images of earlier steps, among which captions rank those of a batch (XBM)
CHECKPOINT = "checkpoint"  # the folder in --out of an unfinished run
SAVE_EVERY_S = 15.0  # a checkpoint is written after an epoch, but no more often than this
START_SCALE, MAX_SCALE = 20.0, 100.0


@dataclass(frozen=True)
class TrainedTower:
    """The tower with the weights of its best validation metric, and its metrics."""

    tower: Tower
    shape: TowerShape
    metrics: ValidationMetrics
    progress: RunProgress


OnStep = Callable[[RunProgress, float, float], None]  # progress, share of the run, loss


class Trainer:
    """One training run, which can be resumed after every epoch from its checkpoint folder."""

    def __init__(
        self, samples: Samples, encoder: TextEncoder, settings: TowerSettings, checkpoints: Path, resume: bool
    ) -> None:
        self.settings = settings
        self._device = choose_device()
        self._samples = samples
        self._checkpoints = checkpoints
        torch.manual_seed(settings.seed)
        self._tower, self.shape = _new_tower(settings, encoder.dimension)
        self._tower = self._tower.to(self._device).to(memory_format=torch.channels_last)
        self._scale = nn.Parameter(torch.tensor(START_SCALE, device=self._device).log())
        self._average = WeightAverage(self._tower)
        self._best = {name: value.clone() for name, value in self._average.state.items()}
        self._names, self._optimiser = self._make_optimiser()
        self._progress = RunProgress()
        self._saved = 0.0
        if resume:
            self._resume()
        self._train, self._valid = samples.rows(False), samples.rows(True)
        image_counts = np.bincount(samples.product, minlength=len(samples.ids))
        validation_products = len(np.unique(samples.product[self._valid]))
        self._validates = validation_products >= MIN_VALIDATION_PRODUCTS
        self._targets = make_targets(samples.texts, image_counts, encoder).to(self._device)
        self._sampling_weights = self._targets.sampling_weights()[samples.product[self._train]]
        self._memory = self._empty_memory()
        self._batch = settings.batch or min(MAX_BATCH, max(MIN_BATCH, len(self._train) // 32))
        steps = max(1, len(self._train) // self._batch)
        self._budget = TrainingBudget(settings, steps, self._progress)

    def run(self, on_step: OnStep) -> TrainedTower:
        """Train to the end; `on_step(progress, share, loss)` is called after every step."""
        progress = self._progress
        while self._budget.share() < 1.0 and not self._has_converged():
            loss = self._epoch(on_step)
            progress.epoch += 1
            progress.seconds = self._budget.seconds()
            ndcg = self._validate()
            progress.history.append({"epoch": progress.epoch, "loss": loss, "ndcg_at_10": ndcg})
            if ndcg >= progress.best or not self._validates:
                progress.best, progress.best_epoch = ndcg, progress.epoch
                self._best = {name: value.clone() for name, value in self._average.state.items()}
            if progress.seconds - self._saved >= SAVE_EVERY_S:
                self._save()
        self._tower.load_state_dict(self._best)
        vectors, product = self._vectors(self._valid)
        metrics = measure(self._targets, vectors, product)
        return TrainedTower(self._tower.cpu().eval(), self.shape, metrics, progress)

    def _epoch(self, on_step: OnStep) -> float:
        progress, settings = self._progress, self.settings
        generator = torch.Generator().manual_seed(settings.seed * 100_003 + progress.epoch)
        drawn = torch.multinomial(
            self._sampling_weights, len(self._train), replacement=True, generator=generator
        )
        shuffled = self._train[drawn.numpy()]
        self._memory = self._empty_memory()
        losses = []
        self._tower.train()
        for start in range(0, max(1, len(shuffled) - self._batch + 1), self._batch):
            share = self._budget.share()
            if share >= 1.0:
                break
            rows = shuffled[start : start + self._batch]
            loss = self._step(rows, share, generator)
            losses.append(loss)
            progress.step += 1
            on_step(progress, share, loss)
        return float(np.mean(losses)) if losses else 0.0

    def _step(self, rows: np.ndarray[Any, Any], share: float, generator: torch.Generator) -> float:
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate(share, self.settings.rate)
        pixels = torch.from_numpy(self._samples.pixels.pixels[np.sort(rows)]).to(self._device)
        product = torch.from_numpy(self._samples.product[np.sort(rows)]).to(self._device)
        augmented = augment(pixels, self._side(share), generator)
        with mixed_precision(self._device):
            vectors = self._tower.vectors(augmented.contiguous(memory_format=torch.channels_last))
        scale = self._scale.exp().clamp(max=MAX_SCALE)
        batch = Embeddings(vectors, product)
        loss = total_loss(LossInputs(self._targets, batch, self._memory, scale, self._progress.step))
        if not torch.isfinite(loss):
            raise EncoderError(
                f"the training loss became {loss.item()} at step {self._progress.step}; train with a smaller --rate"
            )
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._tower.parameters(), 1.0)
        self._optimiser.step()
        self._average.update(self._tower, self._progress.step)
        self._memory = self._memory.extended(batch, MEMORY_BANK_SIZE)
        return float(loss.detach())

    def _empty_memory(self) -> Embeddings:
        vectors = torch.zeros(0, self.shape.dimension, device=self._device)
        return Embeddings(vectors, torch.zeros(0, dtype=torch.int64, device=self._device))

    def _side(self, share: float) -> int:
        return self.shape.size if self.shape.clip else image_size(share, self.shape.size)

    def _validate(self) -> float:
        weights = {name: value.clone() for name, value in self._tower.state_dict().items()}
        self._tower.load_state_dict(self._average.state)
        vectors, product = self._vectors(self._valid)
        self._tower.load_state_dict(weights)
        return caption_ndcg(self._targets, vectors, product)

    @torch.inference_mode()
    def _vectors(self, rows: np.ndarray[Any, Any]) -> tuple[torch.Tensor, torch.Tensor]:
        self._tower.eval()
        parts = []
        for start in range(0, len(rows), MAX_BATCH):
            pixels = torch.from_numpy(self._samples.pixels.pixels[rows[start : start + MAX_BATCH]])
            full_size = resized(pixels.to(self._device), self.shape.size)
            with mixed_precision(self._device):
                parts.append(self._tower.vectors(full_size.contiguous(memory_format=torch.channels_last)))
        product = torch.from_numpy(self._samples.product[rows]).to(self._device)
        return torch.cat(parts) if parts else torch.zeros(0, self.shape.dimension), product

    def _has_converged(self) -> bool:
        """Return whether the validation metric has not improved for the patience of the run."""
        if not self._validates:
            return False
        done = self._progress.epoch
        share = self._budget.share()
        expected = done / share if share > 0 else done
        return done - self._progress.best_epoch > max(MIN_PATIENCE, PATIENCE * expected)

    def _make_optimiser(self) -> tuple[list[str], torch.optim.Optimizer]:
        parameters = list(trainable(self._tower))
        flat = [(name, value) for name, value in parameters if value.ndim <= 1]
        deep = [(name, value) for name, value in parameters if value.ndim > 1]
        groups = [
            {"params": [value for _, value in deep], "weight_decay": self.settings.decay},
            {"params": [*(value for _, value in flat), self._scale], "weight_decay": 0.0},
        ]
        names = [*(name for name, _ in deep), *(name for name, _ in flat), "scale"]
        return names, torch.optim.AdamW(groups, lr=self.settings.rate, fused=True)

    def _save(self) -> None:
        groups = {
            "tower": self._tower.state_dict(),
            "average": self._average.state,
            "best": self._best,
            "optimiser": optimiser_state(self._optimiser, self._names),
            "scale": {"log": self._scale.detach()},
        }
        save_checkpoint(self._checkpoints, groups, self._progress)
        self._saved = self._progress.seconds

    def _resume(self) -> None:
        checkpoint = load_checkpoint(self._checkpoints)
        if checkpoint is None:
            return
        groups, self._progress = checkpoint
        self._saved = self._progress.seconds
        try:
            self._tower.load_state_dict(groups["tower"])
        except RuntimeError as error:
            raise EncoderError(
                f"the checkpoint in {self._checkpoints} is of another tower; resume with the same --arch and --size"
            ) from error
        self._average.state = {name: value.to(self._device) for name, value in groups["average"].items()}
        self._best = {name: value.to(self._device) for name, value in groups["best"].items()}
        self._scale.data.copy_(groups["scale"]["log"])
        restore_optimiser(self._optimiser, self._names, groups["optimiser"])


def _new_tower(settings: TowerSettings, dimension: int) -> tuple[Tower, TowerShape]:
    if settings.init is not None:
        model, _, pretrained = settings.init.partition("/")
        tower, shape, _ = clip_tower(model, pretrained or None, dimension)
        return tower, shape
    shape = TowerShape(settings.arch or DEFAULT_ARCH, False, dimension, settings.size)
    return build_tower(shape), shape


def stored_size(settings: TowerSettings) -> int:
    """Return the side in pixels at which training images are stored."""
    return int(settings.size * STORED)


def write_artifact(
    out: Path, trained: TrainedTower, encoder: TextEncoder, report: dict[str, Any], store: Store
) -> str:
    """Write the trained tower into `out` and the store and return its name; the checkpoint in `out` is deleted."""
    name = slug(f"tower-{trained.shape.arch}-{trained.shape.size}")
    staged = out / "unfinished"
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    trained.shape.write(staged)
    card = ImageCard(
        name=name,
        dimension=trained.shape.dimension,
        languages=encoder.languages,
        size=trained.shape.size,
        fit="pad",
        query_encoder=encoder.name,
    )
    write_tower(staged, trained.tower, name, card)
    (staged / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    for path in staged.iterdir():
        path.replace(out / path.name)
    staged.rmdir()
    shutil.rmtree(out / CHECKPOINT, ignore_errors=True)
    return store_encoder(store, out)
