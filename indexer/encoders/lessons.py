"""A catalogue turned into what is taught: themes with their captions' vectors, titles with theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from .captions import Described, Theme, attributes, themes
from .losses import choose_caption, graded, match_titles, rank_pictures
from .protocol import TextEncoder

TEXT_CHARACTERS = 300  # of a product's description that stand beside its title


@dataclass(frozen=True)
class TaughtTheme:
    """A theme and the vectors (m, d) of its captions."""

    theme: Theme
    captions: torch.Tensor
    answer: torch.Tensor  # (products,)


@dataclass(frozen=True)
class Lessons:
    """All that a batch of pictures is compared with, by product row."""

    themes: list[TaughtTheme]
    titles: torch.Tensor  # (variants, products, d); zero where there is no title
    title_key: torch.Tensor  # (products,) the same for the same title, -1 for none

    def to(self, device: torch.device) -> Lessons:
        moved = [TaughtTheme(t.theme, t.captions.to(device), t.answer.to(device)) for t in self.themes]
        return Lessons(moved, self.titles.to(device), self.title_key.to(device))

    @property
    def widest(self) -> TaughtTheme | None:
        """The theme of the most attributes, the nearest to a whole query."""
        return max(
            self.themes, key=lambda taught: (len(taught.theme.names), taught.theme.weight), default=None
        )

    def single(self, name: str) -> TaughtTheme | None:
        return next((taught for taught in self.themes if taught.theme.names == (name,)), None)

    def matches(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """How many attributes of the widest theme two products share, (len(left), len(right)) float."""
        found = torch.zeros(len(left), len(right), device=left.device)
        for name in self.widest.theme.names if self.widest else ():
            single = self.single(name)
            if single is not None:
                a, b = single.answer[left], single.answer[right]
                found += (a[:, None] == b[None, :]) & (a[:, None] >= 0)
        return found

    def loss(
        self, vectors: torch.Tensor, product: torch.Tensor, scale: torch.Tensor, variant: int
    ) -> torch.Tensor:
        """What a batch of pictures (n, d) of `product` rows (n,) misses of all that it is taught."""
        wishes, weights = [], []
        for taught in self.themes:
            weight = taught.theme.weight
            wishes.append(weight * choose_caption(vectors, taught.captions, taught.answer[product], scale))
            weights.append(weight)
        total = torch.stack(wishes).sum() / sum(weights) if wishes else vectors.sum() * 0
        if self.widest is not None:
            total = total + self._ranking(self.widest, vectors, product, scale)
        titled = self.title_key[product] >= 0
        if titled.any():
            keys = self.title_key[product[titled]]
            same = (keys[:, None] == keys[None, :]).float()
            titles = self.titles[variant % len(self.titles), product[titled]]
            total = total + 0.5 * match_titles(vectors[titled], titles, same, scale)
        return total

    def _ranking(
        self, taught: TaughtTheme, vectors: torch.Tensor, product: torch.Tensor, scale: torch.Tensor
    ) -> torch.Tensor:
        """Each caption that occurs in the batch ranks the batch's pictures by shared attributes."""
        answers = taught.answer[product]
        known = (answers >= 0).nonzero().flatten()
        captions, first = np.unique(answers[known].cpu().numpy(), return_index=True)
        speakers = product[known][torch.from_numpy(first).to(product.device)]
        gains = graded(self.matches(speakers, product))
        return rank_pictures(
            taught.captions[torch.from_numpy(captions).to(product.device)], vectors, gains, scale
        )


def make_lessons(products: Sequence[Described], encoder: TextEncoder) -> Lessons:
    """Find attributes and themes of a catalogue and embed every caption and title once."""
    made = themes(attributes(products))
    captions = list(dict.fromkeys(caption for theme in made for caption in theme.captions))
    place = {caption: row for row, caption in enumerate(captions)}
    vectors = torch.from_numpy(encoder.encode(captions)) if captions else torch.zeros(0, encoder.dimension)
    taught = [
        TaughtTheme(
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
    return Lessons(taught, torch.stack(variants), torch.tensor(title_key, dtype=torch.int64))


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
