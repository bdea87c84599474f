"""The training objective of the image tower: a weighted sum of the losses in `LOSSES`.

A further loss is one function of `LossInputs` and one entry with its weight.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from .losses import caption_cross_entropy, graded, listnet_loss, supervised_contrastive, symmetric_info_nce
from .targets import Embeddings, TrainingTargets


@dataclass(frozen=True)
class LossInputs:
    """One batch of images with its targets; `memory` are images of earlier batches (a memory bank), without gradients.

    `scale` is the inverse temperature; `step` counts batches, so that a loss may alternate between variants.
    """

    targets: TrainingTargets
    batch: Embeddings
    memory: Embeddings
    scale: torch.Tensor
    step: int


def _captions(inputs: LossInputs) -> torch.Tensor:
    """Each image chooses the caption of its product's attributes, per combination of attributes."""
    batch, tasks = inputs.batch, inputs.targets.tasks
    if not tasks:
        return batch.vectors.sum() * 0
    losses = [
        task.weight
        * caption_cross_entropy(batch.vectors, task.captions, task.caption_of[batch.product], inputs.scale)
        for task in tasks
    ]
    return torch.stack(losses).sum() / sum(task.weight for task in tasks)


def _ranking(inputs: LossInputs) -> torch.Tensor:
    """Each caption of the batch ranks the batch's images among those of the memory."""
    targets, batch, memory = inputs.targets, inputs.batch, inputs.memory
    task = targets.widest
    if task is None:
        return batch.vectors.sum() * 0
    rows = task.caption_of[batch.product]
    known = (rows >= 0).nonzero().flatten()
    captions, first = np.unique(rows[known].cpu().numpy(), return_index=True)
    examples = batch.product[known][torch.from_numpy(first).to(known.device)]  # one product per caption
    pool = torch.cat([batch.vectors, memory.vectors])
    gains = graded(targets.matches(examples, torch.cat([batch.product, memory.product])))
    return listnet_loss(task.captions[torch.from_numpy(captions).to(known.device)], pool, gains, inputs.scale)


def _titles(inputs: LossInputs) -> torch.Tensor:
    """Each image finds its title and each title its image; titles alternate with titles plus description."""
    targets, batch = inputs.targets, inputs.batch
    titled = targets.title_key[batch.product] >= 0
    if not titled.any():
        return batch.vectors.sum() * 0
    rows = batch.product[titled]
    same = (targets.title_key[rows][:, None] == targets.title_key[rows][None, :]).float()
    titles = targets.titles[inputs.step % len(targets.titles), rows]
    return symmetric_info_nce(batch.vectors[titled], titles, same, inputs.scale)


def _same_product(inputs: LossInputs) -> torch.Tensor:
    """Images of one product find each other, which search by image needs."""
    batch, memory = inputs.batch, inputs.memory
    pool = torch.cat([batch.vectors, memory.vectors])
    product = torch.cat([batch.product, memory.product])
    same = (batch.product[:, None] == product[None, :]).float()
    same = same * inputs.targets.has_several_images[batch.product][:, None]
    return supervised_contrastive(batch.vectors, pool, same, inputs.scale)


Loss = Callable[[LossInputs], torch.Tensor]

# name -> (weight in the objective, loss of a batch as a scalar)
LOSSES: dict[str, tuple[float, Loss]] = {
    "caption_cross_entropy": (1.0, _captions),
    "listnet": (1.0, _ranking),
    "symmetric_info_nce": (0.5, _titles),
    "supervised_contrastive": (0.5, _same_product),
}


def total_loss(inputs: LossInputs) -> torch.Tensor:
    """Return the weighted sum of all losses of a batch, a scalar."""
    return torch.stack([weight * loss(inputs) for weight, loss in LOSSES.values()]).sum()
