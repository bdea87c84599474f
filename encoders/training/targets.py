"""The training targets of a catalogue: the vectors of captions and titles, by product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from encoders.protocol import TextEncoder

from .captions import AttributeCombination, ProductText, attribute_combinations, attributes

DESCRIPTION_CHARACTERS = 300  # of a product's description that follow its title


@dataclass(frozen=True)
class Embeddings:
    """Vectors (n, d) of images and the rows (n,) of their products."""

    vectors: torch.Tensor
    product: torch.Tensor

    def extended(self, later: Embeddings, size: int) -> Embeddings:
        """Return these and later ones, the latest `size` of them, without gradients."""
        vectors = torch.cat([self.vectors, later.vectors.detach()])[-size:]
        return Embeddings(vectors, torch.cat([self.product, later.product])[-size:])


@dataclass(frozen=True)
class CaptionTask:
    """A combination of attributes with the vectors (m, d) of its captions, and each product's caption row or -1."""

    combination: AttributeCombination
    captions: torch.Tensor
    caption_of: torch.Tensor  # (products,)

    @property
    def weight(self) -> float:
        """The weight of the combination in the loss."""
        return self.combination.weight


@dataclass(frozen=True)
class TrainingTargets:
    """Everything that a batch of images is compared with, by product row."""

    tasks: list[CaptionTask]
    titles: torch.Tensor  # (variants, products, d); zero where there is no title
    title_key: torch.Tensor  # (products,) equal for equal titles, -1 for none
    has_several_images: torch.Tensor  # (products,) bool

    def to(self, device: torch.device) -> TrainingTargets:
        """Return the targets on a device."""
        tasks = [
            CaptionTask(task.combination, task.captions.to(device), task.caption_of.to(device))
            for task in self.tasks
        ]
        tensors = (self.titles, self.title_key, self.has_several_images)
        return TrainingTargets(tasks, *(tensor.to(device) for tensor in tensors))

    @property
    def widest(self) -> CaptionTask | None:
        """The task of the most attributes, whose captions are nearest to whole queries."""
        return max(self.tasks, key=lambda task: (len(task.combination.names), task.weight), default=None)

    def matches(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """Return how many attributes of a query for the left products the right ones have, (left, right) float.

        The attributes of the widest task; zero where the right product is of another kind: a query for a red dress
        is answered better by a blue dress than by a red shoe.
        """
        counts = torch.zeros(len(left), len(right), device=left.device)
        if self.widest is None:
            return counts
        for name in self.widest.combination.names:
            counts += self._same(name, left, right)
        return counts * self._same(self.widest.combination.head, left, right)

    def sampling_weights(self) -> torch.Tensor:
        """Return the sampling weight of each product, (products,): 1 / sqrt(products with its caption)."""
        if self.widest is None:
            return torch.ones(len(self.title_key))
        rows = self.widest.caption_of.cpu()
        counts = torch.bincount(rows.clamp(min=0), minlength=1).float()
        weights = counts[rows.clamp(min=0)].rsqrt()
        return torch.where(rows >= 0, weights, weights[rows >= 0].mean())

    def _same(self, name: str, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        task = next((task for task in self.tasks if task.combination.names == (name,)), None)
        if task is None:
            return torch.ones(len(left), len(right), device=left.device)
        a, b = task.caption_of[left], task.caption_of[right]
        return ((a[:, None] == b[None, :]) & (a[:, None] >= 0)).float()


def make_targets(
    products: Sequence[ProductText], image_counts: NDArray[np.int64], encoder: TextEncoder
) -> TrainingTargets:
    """Return the targets of a catalogue; every caption and title is embedded once, as the queries are.

    `image_counts` (products,) is the number of images of each product.
    """
    combinations = attribute_combinations(attributes(products))
    captions = list(dict.fromkeys(caption for each in combinations for caption in each.captions))
    rows = {caption: row for row, caption in enumerate(captions)}
    vectors = (
        torch.from_numpy(encoder.encode_queries(captions)) if captions else torch.zeros(0, encoder.dimension)
    )
    tasks = [
        CaptionTask(
            each, vectors[[rows[caption] for caption in each.captions]], torch.from_numpy(each.caption_of)
        )
        for each in combinations
    ]
    keys: dict[str, int] = {}
    title_key = [keys.setdefault(p.title, len(keys)) if p.title else -1 for p in products]
    variants = [_embed([p.title for p in products], encoder)]
    if any(p.texts for p in products):
        described = [
            f"{p.title}. {' '.join(p.texts)[:DESCRIPTION_CHARACTERS]}" if p.texts else p.title
            for p in products
        ]
        variants.append(_embed(described, encoder))
    return TrainingTargets(
        tasks,
        torch.stack(variants),
        torch.tensor(title_key, dtype=torch.int64),
        torch.from_numpy(image_counts > 1),
    )


def _embed(texts: Sequence[str], encoder: TextEncoder) -> torch.Tensor:
    """Vectors (n, d), zero for empty texts; equal texts are embedded once."""
    distinct = [text for text in dict.fromkeys(texts) if text]
    rows = {text: row for row, text in enumerate(distinct)}
    vectors = torch.zeros(len(texts), encoder.dimension)
    filled = [row for row, text in enumerate(texts) if text]
    if filled:
        embedded = torch.from_numpy(encoder.encode_queries(distinct))
        vectors[filled] = embedded[[rows[texts[row]] for row in filled]]
    return vectors
