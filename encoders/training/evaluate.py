"""Validation metrics of a tower on held-out products: retrieval in both directions, and attributes by their words."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from .losses import graded
from .targets import TrainingTargets


@dataclass(frozen=True)
class ValidationMetrics:
    """Metrics over the validation images.

    `ndcg_at_10`: composed captions search images, gain 2^g - 1 of g shared attributes. `title_to_image` and
    `image_to_title`: recall@1 and @10. `attributes`: accuracy and the share of the most frequent value, by name.
    """

    images: int
    products: int
    ndcg_at_10: float
    title_to_image: dict[str, float] = field(default_factory=dict)
    image_to_title: dict[str, float] = field(default_factory=dict)
    attributes: dict[str, tuple[float, float]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the metrics as JSON values."""
        return asdict(self)


def measure(targets: TrainingTargets, vectors: torch.Tensor, product: torch.Tensor) -> ValidationMetrics:
    """Return the metrics of image vectors (n, d) of the products (n,)."""
    to_image, to_title = _title_recall(targets, vectors, product)
    attributes = {
        task.combination.names[0]: accuracy
        for task in targets.tasks
        if len(task.combination.names) == 1
        and (accuracy := _attribute_accuracy(task.captions, task.caption_of[product], vectors)) is not None
    }
    count = len(torch.unique(product))
    return ValidationMetrics(
        len(vectors), count, caption_ndcg(targets, vectors, product), to_image, to_title, attributes
    )


def caption_ndcg(
    targets: TrainingTargets, vectors: torch.Tensor, product: torch.Tensor, depth: int = 10
) -> float:
    """Return mean nDCG@10 of the widest task's captions that these products have; 0 without a task."""
    # On the tensors where they are: validation runs every epoch, and sklearn would need (captions, images) arrays.
    task = targets.widest
    if task is None:
        return 0.0
    rows = task.caption_of[product]
    known = (rows >= 0).nonzero().flatten()
    if not len(known):
        return 0.0
    captions, place = torch.unique(rows[known], return_inverse=True)
    examples = torch.empty(len(captions), dtype=torch.int64, device=product.device)
    examples[place] = product[known]  # one product per caption, with the caption's attributes
    gains = graded(targets.matches(examples, product))  # (captions, n)
    order = (task.captions[captions] @ vectors.T).argsort(dim=1, descending=True)[:, :depth]
    discount = 1 / torch.log2(torch.arange(order.shape[1], device=gains.device) + 2.0)
    dcg = (gains.gather(1, order) * discount).sum(dim=1)
    ideal = (gains.sort(dim=1, descending=True).values[:, : order.shape[1]] * discount).sum(dim=1)
    return float((dcg / ideal.clamp(min=1e-9)).mean())


def _title_recall(
    targets: TrainingTargets, vectors: torch.Tensor, product: torch.Tensor
) -> tuple[dict[str, float], dict[str, float]]:
    keys = targets.title_key[product]
    rows = (keys >= 0).nonzero().flatten()
    if not len(rows):
        return {}, {}
    same = keys[rows][:, None] == keys[rows][None, :]
    scores = targets.titles[0, product[rows]] @ vectors[rows].T
    return _recall(scores, same), _recall(scores.T, same)


def _recall(scores: torch.Tensor, same: torch.Tensor) -> dict[str, float]:
    order = scores.argsort(dim=1, descending=True)
    hit = same.gather(1, order)
    return {f"R@{depth}": float(hit[:, :depth].any(dim=1).float().mean()) for depth in (1, 10)}


def _attribute_accuracy(
    captions: torch.Tensor, rows: torch.Tensor, vectors: torch.Tensor
) -> tuple[float, float] | None:
    known = rows >= 0
    if not known.any():
        return None
    predicted = (vectors[known] @ captions.T).argmax(dim=1)
    most_frequent = torch.bincount(rows[known]).max() / known.sum()
    return float((predicted == rows[known]).float().mean()), float(most_frequent)
