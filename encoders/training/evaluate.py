"""What a tower learned, on products that it never saw: retrieval both ways, and each attribute by its words alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from .losses import graded
from .targets import TrainingTargets


@dataclass(frozen=True)
class ValidationMetrics:
    """Figures over the validation pictures; `attributes` holds (right, share of the commonest value) a name."""

    pictures: int
    products: int
    ndcg_at_10: float  # of composed captions searching pictures, gain 2^g-1 of g shared attributes
    words_to_picture: dict[str, float] = field(default_factory=dict)  # the title finds its picture: R@1, R@10
    picture_to_words: dict[str, float] = field(default_factory=dict)
    attributes: dict[str, tuple[float, float]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def measure(lessons: TrainingTargets, vectors: torch.Tensor, product: torch.Tensor) -> ValidationMetrics:
    """Figures of picture vectors (n, d) that belong to `product` rows (n,)."""
    towards, back = _titles_both_ways(lessons, vectors, product)
    attributes = {
        taught.theme.names[0]: found
        for taught in lessons.themes
        if len(taught.theme.names) == 1
        and (found := _attribute_right(taught.captions, taught.answer[product], vectors)) is not None
    }
    count = len(torch.unique(product))
    return ValidationMetrics(len(vectors), count, ndcg(lessons, vectors, product), towards, back, attributes)


def ndcg(lessons: TrainingTargets, vectors: torch.Tensor, product: torch.Tensor, depth: int = 10) -> float:
    """Mean nDCG@10 of the widest theme's captions that these products answer; 0 where there is no theme."""
    taught = lessons.widest
    if taught is None:
        return 0.0
    answers = taught.answer[product]
    known = (answers >= 0).nonzero().flatten()
    if not len(known):
        return 0.0
    captions, place = torch.unique(answers[known], return_inverse=True)
    speakers = torch.empty(len(captions), dtype=torch.int64, device=product.device)
    speakers[place] = product[known]  # any product that says the caption stands for its attributes
    gains = graded(lessons.matches(speakers, product))  # (captions, n)
    order = (taught.captions[captions] @ vectors.T).argsort(dim=1, descending=True)[:, :depth]
    discount = 1 / torch.log2(torch.arange(order.shape[1], device=gains.device) + 2.0)
    got = (gains.gather(1, order) * discount).sum(dim=1)
    best = (gains.sort(dim=1, descending=True).values[:, : order.shape[1]] * discount).sum(dim=1)
    return float((got / best.clamp(min=1e-9)).mean())


def _titles_both_ways(
    lessons: TrainingTargets, vectors: torch.Tensor, product: torch.Tensor
) -> tuple[dict[str, float], dict[str, float]]:
    keys = lessons.title_key[product]
    rows = (keys >= 0).nonzero().flatten()
    if not len(rows):
        return {}, {}
    same = keys[rows][:, None] == keys[rows][None, :]
    scores = lessons.titles[0, product[rows]] @ vectors[rows].T
    return _recall(scores, same), _recall(scores.T, same)


def _recall(scores: torch.Tensor, same: torch.Tensor) -> dict[str, float]:
    order = scores.argsort(dim=1, descending=True)
    hit = same.gather(1, order)
    return {f"R@{depth}": float(hit[:, :depth].any(dim=1).float().mean()) for depth in (1, 10)}


def _attribute_right(
    captions: torch.Tensor, answers: torch.Tensor, vectors: torch.Tensor
) -> tuple[float, float] | None:
    known = answers >= 0
    if not known.any():
        return None
    found = (vectors[known] @ captions.T).argmax(dim=1)
    commonest = torch.bincount(answers[known]).max() / known.sum()
    return float((found == answers[known]).float().mean()), float(commonest)
