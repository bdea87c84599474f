"""Contrastive losses of the image tower as functions of unit vectors. Pure."""

from __future__ import annotations

import torch
from torch.nn import functional


def caption_cross_entropy(
    vectors: torch.Tensor, captions: torch.Tensor, targets: torch.Tensor, scale: torch.Tensor
) -> torch.Tensor:
    """Return the mean softmax cross-entropy of each image's own caption among all captions, a scalar.

    vectors (n, d), captions (m, d), targets (n,) the row of the own caption, -1 for images without one.
    """
    logits = scale * vectors @ captions.T  # (n, m)
    count = (targets >= 0).sum().clamp(min=1)
    return functional.cross_entropy(logits, targets, ignore_index=-1, reduction="sum") / count


def listnet_loss(
    captions: torch.Tensor, vectors: torch.Tensor, gains: torch.Tensor, scale: torch.Tensor
) -> torch.Tensor:
    """Return ListNet's top-one loss of the images under each caption, the mean over captions with a gain.

    captions (m, d), vectors (n, d), gains (m, n) at least 0: the target distribution is gain / sum of gains, in place of
    the exponentials of Cao et al. 2007, eq. 6.
    """
    logits = scale * captions @ vectors.T  # (m, n)
    total = gains.sum(dim=1, keepdim=True)
    target = gains / total.clamp(min=1e-9)
    losses = -(target * functional.log_softmax(logits, dim=1)).sum(dim=1)
    return (losses * (total[:, 0] > 0)).sum() / (total > 0).sum().clamp(min=1)


def symmetric_info_nce(
    vectors: torch.Tensor, titles: torch.Tensor, same: torch.Tensor, scale: torch.Tensor
) -> torch.Tensor:
    """Return the symmetric InfoNCE loss of images and titles (Radford et al. 2021, CLIP), a scalar.

    vectors and titles (n, d); same (n, n) is 1 where two titles are equal, so equal titles share the target.
    """
    target = same / same.sum(dim=1, keepdim=True)
    logits = scale * vectors @ titles.T  # (n, n)
    to_titles = -(target * functional.log_softmax(logits, dim=1)).sum(dim=1).mean()
    to_images = -(target * functional.log_softmax(logits.T, dim=1)).sum(dim=1).mean()
    return (to_titles + to_images) / 2


def supervised_contrastive(
    vectors: torch.Tensor, pool: torch.Tensor, same: torch.Tensor, scale: torch.Tensor
) -> torch.Tensor:
    """Return the supervised contrastive loss of images of one product (Khosla et al. 2020, eq. 2), a scalar.

    vectors (n, d); pool (m, d), whose first n rows are the images themselves; same (n, m) is 1 for images of the same
    product. Images without another image of their product do not count.
    """
    rows = len(vectors)
    itself = torch.eye(rows, pool.shape[0], dtype=torch.bool, device=vectors.device)
    logits = (scale * vectors @ pool.T).masked_fill(itself, -1e4)  # (n, m)
    others = same.masked_fill(itself, 0.0)
    total = others.sum(dim=1)
    losses = -(others * functional.log_softmax(logits, dim=1)).sum(dim=1) / total.clamp(min=1)
    return losses.sum() / (total > 0).sum().clamp(min=1)


def graded(matches: torch.Tensor) -> torch.Tensor:
    """Return the gain 2^g - 1 of g matching attributes, as nDCG uses it."""
    return torch.exp2(matches) - 1
