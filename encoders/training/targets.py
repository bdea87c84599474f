"""A catalogue turned into what is taught: themes with their captions' vectors, titles with theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from encoders.protocol import TextEncoder

from .captions import ProductText, Theme, attributes, themes
from .losses import caption_cross_entropy, graded, listnet_loss, supervised_contrastive, symmetric_info_nce

PICTURE_WEIGHT = 0.5
TEXT_CHARACTERS = 300  # of a product's description that stand beside its title


@dataclass(frozen=True)
class Embeddings:
    """Pictures as the tower sees them: vectors (n, d) and the rows (n,) of their products."""

    vectors: torch.Tensor
    product: torch.Tensor

    def then(self, later: Embeddings, most: int) -> Embeddings:
        """These and later ones, the latest `most`, as facts without gradients."""
        vectors = torch.cat([self.vectors, later.vectors.detach()])[-most:]
        return Embeddings(vectors, torch.cat([self.product, later.product])[-most:])


@dataclass(frozen=True)
class CaptionTask:
    """A theme and the vectors (m, d) of its captions."""

    theme: Theme
    captions: torch.Tensor
    answer: torch.Tensor  # (products,)


@dataclass(frozen=True)
class TrainingTargets:
    """All that a batch of pictures is compared with, by product row."""

    themes: list[CaptionTask]
    titles: torch.Tensor  # (variants, products, d); zero where there is no title
    title_key: torch.Tensor  # (products,) the same for the same title, -1 for none
    several: torch.Tensor  # (products,) whether it has more than one picture

    def to(self, device: torch.device) -> TrainingTargets:
        moved = [CaptionTask(t.theme, t.captions.to(device), t.answer.to(device)) for t in self.themes]
        return TrainingTargets(
            moved, self.titles.to(device), self.title_key.to(device), self.several.to(device)
        )

    @property
    def widest(self) -> CaptionTask | None:
        """The theme of the most attributes, the nearest to a whole query."""
        return max(
            self.themes, key=lambda taught: (len(taught.theme.names), taught.theme.weight), default=None
        )

    def single(self, name: str) -> CaptionTask | None:
        return next((taught for taught in self.themes if taught.theme.names == (name,)), None)

    def matches(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """How much of a query that describes the left products the right ones fulfil, (len(left), len(right)) float.

        The attributes of the widest theme that are the same, none where the right one is another thing altogether:
        who asks for a red dress would sooner have a blue dress than a red shoe.
        """
        found = torch.zeros(len(left), len(right), device=left.device)
        if self.widest is None:
            return found
        for name in self.widest.theme.names:
            found += self._same(name, left, right)
        return found * self._same(self.widest.theme.head, left, right)

    def _same(self, name: str, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        single = self.single(name)
        if single is None:
            return torch.ones(len(left), len(right), device=left.device)
        a, b = single.answer[left], single.answer[right]
        return ((a[:, None] == b[None, :]) & (a[:, None] >= 0)).float()

    def sampling_weights(self) -> torch.Tensor:
        """How often a product is to be seen, (products,): less often the more share its caption, as its square root."""
        if self.widest is None:
            return torch.ones(len(self.title_key))
        answer = self.widest.answer.cpu()
        counts = torch.bincount(answer.clamp(min=0), minlength=1).float()
        known = counts[answer.clamp(min=0)].rsqrt()
        return torch.where(answer >= 0, known, known[answer >= 0].mean())

    def loss(self, batch: Embeddings, before: Embeddings, scale: torch.Tensor, variant: int) -> torch.Tensor:
        """What a batch of pictures misses of all that it is taught; `before` are pictures of earlier batches."""
        wishes, weights = [], []
        for taught in self.themes:
            weight = taught.theme.weight
            answers = taught.answer[batch.product]
            wishes.append(weight * caption_cross_entropy(batch.vectors, taught.captions, answers, scale))
            weights.append(weight)
        total = torch.stack(wishes).sum() / sum(weights) if wishes else batch.vectors.sum() * 0
        if self.widest is not None:
            total = total + self._ranking(self.widest, batch, before, scale)
        titled = self.title_key[batch.product] >= 0
        if titled.any():
            rows = batch.product[titled]
            same = (self.title_key[rows][:, None] == self.title_key[rows][None, :]).float()
            titles = self.titles[variant % len(self.titles), rows]
            total = total + 0.5 * symmetric_info_nce(batch.vectors[titled], titles, same, scale)
        return total + PICTURE_WEIGHT * self._same_product(batch, before, scale)

    def _same_product(self, batch: Embeddings, before: Embeddings, scale: torch.Tensor) -> torch.Tensor:
        """Pictures of one product find each other, which search by picture asks for."""
        pool = torch.cat([batch.vectors, before.vectors])
        product = torch.cat([batch.product, before.product])
        same = (batch.product[:, None] == product[None, :]).float() * self.several[batch.product][:, None]
        return supervised_contrastive(batch.vectors, pool, same, scale)

    def _ranking(
        self, taught: CaptionTask, batch: Embeddings, before: Embeddings, scale: torch.Tensor
    ) -> torch.Tensor:
        """Each caption that occurs in the batch ranks the batch's pictures among those of earlier ones."""
        answers = taught.answer[batch.product]
        known = (answers >= 0).nonzero().flatten()
        captions, first = np.unique(answers[known].cpu().numpy(), return_index=True)
        speakers = batch.product[known][torch.from_numpy(first).to(known.device)]
        pool = torch.cat([batch.vectors, before.vectors])
        gains = graded(self.matches(speakers, torch.cat([batch.product, before.product])))
        return listnet_loss(taught.captions[torch.from_numpy(captions).to(known.device)], pool, gains, scale)


def make_lessons(
    products: Sequence[ProductText], pictures: NDArray[np.int64], encoder: TextEncoder
) -> TrainingTargets:
    """Find attributes and themes of a catalogue and embed every caption and title once.

    `pictures` (products,) is how many each product has.
    """
    made = themes(attributes(products))
    captions = list(dict.fromkeys(caption for theme in made for caption in theme.captions))
    place = {caption: row for row, caption in enumerate(captions)}
    vectors = torch.from_numpy(encoder.encode(captions)) if captions else torch.zeros(0, encoder.dimension)
    taught = [
        CaptionTask(
            theme, vectors[[place[caption] for caption in theme.captions]], torch.from_numpy(theme.answer)
        )
        for theme in made
    ]
    keys: dict[str, int] = {}
    title_key = [keys.setdefault(p.title, len(keys)) if p.title else -1 for p in products]
    plain = _vectors_of([p.title for p in products], encoder)
    variants = [plain]
    if any(p.texts for p in products):
        longer = [
            f"{p.title}. {' '.join(p.texts)[:TEXT_CHARACTERS]}" if p.texts else p.title for p in products
        ]
        variants.append(_vectors_of(longer, encoder))
    keyed = torch.tensor(title_key, dtype=torch.int64)
    return TrainingTargets(taught, torch.stack(variants), keyed, torch.from_numpy(pictures > 1))


def _vectors_of(texts: Sequence[str], encoder: TextEncoder) -> torch.Tensor:
    """Vectors (n, d), zero for empty texts; the same text is embedded once."""
    distinct = [text for text in dict.fromkeys(texts) if text]
    place = {text: row for row, text in enumerate(distinct)}
    found = torch.zeros(len(texts), encoder.dimension)
    filled = [row for row, text in enumerate(texts) if text]
    if filled:
        vectors = torch.from_numpy(encoder.encode(distinct))
        found[filled] = vectors[[place[texts[row]] for row in filled]]
    return found
