"""What a picture's vector is wished to be, as plain functions of unit vectors."""

from __future__ import annotations

import torch
from torch.nn import functional


def caption_cross_entropy(
    vectors: torch.Tensor, captions: torch.Tensor, answers: torch.Tensor, scale: torch.Tensor
) -> torch.Tensor:
    """Softmax cross-entropy of each picture's own caption among all captions of a theme.

    vectors (n, d), captions (m, d), answers (n,) with -1 for pictures that have none; a scalar.
    """
    logits = scale * vectors @ captions.T  # (n, m)
    known = (answers >= 0).sum().clamp(min=1)
    return functional.cross_entropy(logits, answers, ignore_index=-1, reduction="sum") / known


def listnet_loss(
    captions: torch.Tensor, vectors: torch.Tensor, gains: torch.Tensor, scale: torch.Tensor
) -> torch.Tensor:
    """Listwise cross-entropy of the pictures under each caption, the wished share of each its gain.

    captions (m, d), vectors (n, d), gains (m, n) at least 0; captions without any gain say nothing. ListNet's
    top-one loss (Cao et al. 2007, eq. 6) with gains instead of exponentiated ones.
    """
    logits = scale * captions @ vectors.T  # (m, n)
    total = gains.sum(dim=1, keepdim=True)
    wished = gains / total.clamp(min=1e-9)
    losses = -(wished * functional.log_softmax(logits, dim=1)).sum(dim=1)
    return (losses * (total[:, 0] > 0)).sum() / (total > 0).sum().clamp(min=1)


def symmetric_info_nce(
    vectors: torch.Tensor, titles: torch.Tensor, same: torch.Tensor, scale: torch.Tensor
) -> torch.Tensor:
    """Symmetric contrast of pictures and titles (n, d); `same` (n, n) is 1 where the titles are the same text."""
    wished = same / same.sum(dim=1, keepdim=True)
    logits = scale * vectors @ titles.T  # (n, n)
    across = -(wished * functional.log_softmax(logits, dim=1)).sum(dim=1).mean()
    down = -(wished * functional.log_softmax(logits.T, dim=1)).sum(dim=1).mean()
    return (across + down) / 2


def supervised_contrastive(
    vectors: torch.Tensor, pool: torch.Tensor, same: torch.Tensor, scale: torch.Tensor
) -> torch.Tensor:
    """Softmax cross-entropy of other pictures of the same product among a pool whose first n rows are the pictures.

    vectors (n, d), pool (m, d), same (n, m) 1 for the same product; pictures without another say nothing. Supervised
    contrast (Khosla et al. 2020, eq. 2).
    """
    rows = len(vectors)
    itself = torch.eye(rows, pool.shape[0], dtype=torch.bool, device=vectors.device)
    logits = (scale * vectors @ pool.T).masked_fill(itself, -1e4)  # (n, m)
    others = same.masked_fill(itself, 0.0)
    total = others.sum(dim=1)
    losses = -(others * functional.log_softmax(logits, dim=1)).sum(dim=1) / total.clamp(min=1)
    return losses.sum() / (total > 0).sum().clamp(min=1)


def graded(matches: torch.Tensor) -> torch.Tensor:
    """The gain 2^g - 1 of g matching attributes, as nDCG counts it."""
    return torch.exp2(matches) - 1
