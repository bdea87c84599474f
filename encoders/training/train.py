"""Teach an image tower to land where the frozen text encoder puts the words of the same product."""

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
from .evaluate import ValidationMetrics, measure, ndcg
from .samples import Samples
from .schedule import (
    Average,
    Progress,
    Settings,
    TrainingBudget,
    learning_rate,
    load_checkpoint,
    optimiser_state,
    picture_size,
    restore_optimiser,
    save_checkpoint,
)
from .targets import Embeddings, make_lessons
from .tower import DEFAULT_ARCH, Tower, TowerShape, build_tower, clip_tower, trainable

STORED = 1.15  # pictures are kept this much larger than the tower takes them, so that framing can vary
PATIENCE = 0.3  # of the run without a better validation figure: it has learned what it can
LEAST_PATIENCE = 6  # epochs
LEAST_JUDGES = 20  # validation products; fewer say nothing about when to stop
LEAST_BATCH, MOST_BATCH = 32, 128  # pictures a step where none is given: small catalogues need many steps
MEMORY_BANK_SIZE = 4096  # pictures of earlier steps among which captions rank those of this one
CHECKPOINT = "checkpoint"  # the folder in --out of a run that is not finished
SAVE_EVERY_S = 15.0  # a checkpoint is written after an epoch, but no more often than this
START_SCALE, MOST_SCALE = 20.0, 100.0


@dataclass(frozen=True)
class Trained:
    """The end of a run: the tower's weights at its best validation figure, and what it learned."""

    tower: Tower
    shape: TowerShape
    learned: ValidationMetrics
    progress: Progress


class Trainer:
    """One training run, resumable at every epoch from its checkpoint folder."""

    def __init__(
        self, samples: Samples, encoder: TextEncoder, settings: Settings, checkpoints: Path, resume: bool
    ) -> None:
        self.settings = settings
        self._device = choose_device()
        self._samples = samples
        self._checkpoints = checkpoints
        torch.manual_seed(settings.seed)
        self._tower, self.shape = _new_tower(settings, encoder.dimension)
        self._tower = self._tower.to(self._device).to(memory_format=torch.channels_last)
        self._scale = nn.Parameter(torch.tensor(START_SCALE, device=self._device).log())
        self._average = Average(self._tower)
        self._best = {name: value.clone() for name, value in self._average.state.items()}
        self._names, self._optimiser = self._make_optimiser()
        self._progress = Progress()
        self._saved = 0.0
        if resume:
            self._resume()
        self._train, self._valid = samples.rows(False), samples.rows(True)
        pictures = np.bincount(samples.product, minlength=len(samples.ids))
        self._judges = len(np.unique(samples.product[self._valid])) >= LEAST_JUDGES
        self._lessons = make_lessons(samples.described, pictures, encoder).to(self._device)
        self._rarity = self._lessons.sampling_weights()[samples.product[self._train]]
        self._before = self._nothing_seen()
        self._batch = settings.batch or min(MOST_BATCH, max(LEAST_BATCH, len(self._train) // 32))
        steps = max(1, len(self._train) // self._batch)
        self._clock = TrainingBudget(settings, steps, self._progress)

    def run(self, told: Callable[[Progress, float, float], None]) -> Trained:
        """Train to the end; `told(progress, share, loss)` hears of every step."""
        progress = self._progress
        while self._clock.share() < 1.0 and not self._settled():
            loss = self._epoch(told)
            progress.epoch += 1
            progress.seconds = self._clock.seconds()
            figure = self._validate()
            progress.history.append({"epoch": progress.epoch, "loss": loss, "ndcg_at_10": figure})
            if figure >= progress.best or not self._judges:
                progress.best, progress.best_epoch = figure, progress.epoch
                self._best = {name: value.clone() for name, value in self._average.state.items()}
            if progress.seconds - self._saved >= SAVE_EVERY_S:
                self._save()
        self._tower.load_state_dict(self._best)
        vectors, product = self._vectors(self._valid)
        learned = measure(self._lessons, vectors, product)
        return Trained(self._tower.cpu().eval(), self.shape, learned, progress)

    def _epoch(self, told: Callable[[Progress, float, float], None]) -> float:
        progress, settings = self._progress, self.settings
        generator = torch.Generator().manual_seed(settings.seed * 100_003 + progress.epoch)
        drawn = torch.multinomial(self._rarity, len(self._train), replacement=True, generator=generator)
        shuffled = self._train[drawn.numpy()]
        self._before = self._nothing_seen()
        losses = []
        self._tower.train()
        for start in range(0, max(1, len(shuffled) - self._batch + 1), self._batch):
            share = self._clock.share()
            if share >= 1.0:
                break
            rows = shuffled[start : start + self._batch]
            loss = self._step(rows, share, generator)
            losses.append(loss)
            progress.step += 1
            told(progress, share, loss)
        return float(np.mean(losses)) if losses else 0.0

    def _step(self, rows: np.ndarray[Any, Any], share: float, generator: torch.Generator) -> float:
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate(share, self.settings.rate)
        pixels = torch.from_numpy(self._samples.pixels.pixels[np.sort(rows)]).to(self._device)
        product = torch.from_numpy(self._samples.product[np.sort(rows)]).to(self._device)
        seen = augment(pixels, self._side(share), generator)
        with mixed_precision(self._device):
            vectors = self._tower.vectors(seen.contiguous(memory_format=torch.channels_last))
        scale = self._scale.exp().clamp(max=MOST_SCALE)
        batch = Embeddings(vectors, product)
        loss = self._lessons.loss(batch, self._before, scale, self._progress.step)
        if not torch.isfinite(loss):
            raise EncoderError(
                f"the training loss became {loss.item()} at step {self._progress.step}; train with a smaller --rate"
            )
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._tower.parameters(), 1.0)
        self._optimiser.step()
        self._average.update(self._tower, self._progress.step)
        self._before = self._before.then(batch, MEMORY_BANK_SIZE)
        return float(loss.detach())

    def _nothing_seen(self) -> Embeddings:
        vectors = torch.zeros(0, self.shape.dimension, device=self._device)
        return Embeddings(vectors, torch.zeros(0, dtype=torch.int64, device=self._device))

    def _side(self, share: float) -> int:
        return self.shape.size if self.shape.clip else picture_size(share, self.shape.size)

    def _validate(self) -> float:
        kept = {name: value.clone() for name, value in self._tower.state_dict().items()}
        self._tower.load_state_dict(self._average.state)
        vectors, product = self._vectors(self._valid)
        self._tower.load_state_dict(kept)
        return ndcg(self._lessons, vectors, product)

    @torch.inference_mode()
    def _vectors(self, rows: np.ndarray[Any, Any]) -> tuple[torch.Tensor, torch.Tensor]:
        self._tower.eval()
        found = []
        for start in range(0, len(rows), MOST_BATCH):
            pixels = torch.from_numpy(self._samples.pixels.pixels[rows[start : start + MOST_BATCH]])
            seen = resized(pixels.to(self._device), self.shape.size)
            with mixed_precision(self._device):
                found.append(self._tower.vectors(seen.contiguous(memory_format=torch.channels_last)))
        product = torch.from_numpy(self._samples.product[rows]).to(self._device)
        return torch.cat(found) if found else torch.zeros(0, self.shape.dimension), product

    def _settled(self) -> bool:
        """Whether validation has not improved for so long that it will not."""
        if not self._judges:
            return False
        done = self._progress.epoch
        share = self._clock.share()
        expected = done / share if share > 0 else done
        return done - self._progress.best_epoch > max(LEAST_PATIENCE, PATIENCE * expected)

    def _make_optimiser(self) -> tuple[list[str], torch.optim.Optimizer]:
        named = list(trainable(self._tower))
        flat = [(name, value) for name, value in named if value.ndim <= 1]
        deep = [(name, value) for name, value in named if value.ndim > 1]
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
        kept = load_checkpoint(self._checkpoints)
        if kept is None:
            return
        groups, self._progress = kept
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


def _new_tower(settings: Settings, dimension: int) -> tuple[Tower, TowerShape]:
    if settings.init is not None:
        model, _, pretrained = settings.init.partition("/")
        tower, shape, _ = clip_tower(model, pretrained or None, dimension)
        return tower, shape
    shape = TowerShape(settings.arch or DEFAULT_ARCH, False, dimension, settings.size)
    return build_tower(shape), shape


def stored_size(settings: Settings) -> int:
    """The side at which training pictures are kept."""
    return int(settings.size * STORED)


def write_artifact(
    out: Path, trained: Trained, encoder: TextEncoder, report: dict[str, Any], store: Store
) -> str:
    """Write the trained tower into `out` and the store; its name. What `out` held of an unfinished run goes."""
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
