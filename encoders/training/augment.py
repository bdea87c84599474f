"""Augmentation of training images: framing, tilt, mirror, light; never the hue, which queries name.

Not torchvision.transforms.v2: it draws one transformation per batch, this one varies every image in one call.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional


def augment(pixels: torch.Tensor, size: int, generator: torch.Generator) -> torch.Tensor:
    """Return augmented pixels (n, 3, size, size) float of pixels (n, s, s, 3) uint8, both from 0 to 255."""
    images = resized(pixels, size, slack=1.3)
    rows = len(images)

    def uniform(low: float, high: float) -> torch.Tensor:
        return torch.empty(rows).uniform_(low, high, generator=generator)

    zoom, stretch = uniform(0.72, 1.12), uniform(-0.1, 0.1).exp()
    mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    angle = uniform(-8, 8) * (math.pi / 180)
    margin = (1 - zoom).abs() + 0.08
    across, down = uniform(-1, 1) * margin, uniform(-1, 1) * margin
    theta = torch.stack(
        [
            torch.stack([zoom * stretch * mirror * angle.cos(), -zoom * angle.sin(), across], dim=1),
            torch.stack([zoom * stretch * mirror * angle.sin(), zoom * angle.cos(), down], dim=1),
        ],
        dim=1,
    ).to(images.device)  # (n, 2, 3)
    grid = functional.affine_grid(theta, [rows, 3, size, size], align_corners=False)
    varied = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    light = uniform(0.9, 1.1).to(varied.device).view(-1, 1, 1, 1)
    contrast = uniform(0.85, 1.15).to(varied.device).view(-1, 1, 1, 1)
    varied = ((varied * light - 128) * contrast + 128).clamp(0, 255)
    return _erase(varied, uniform(0, 1), uniform(0, 1), uniform(-0.5, 1))


def resized(pixels: torch.Tensor, size: int, slack: float = 1.0) -> torch.Tensor:
    """Return pixels (n, 3, s', s') float of (n, s, s, 3) uint8; s' is `size`, or s where that is within `slack` of it."""
    images = pixels.permute(0, 3, 1, 2).float()
    if pixels.shape[1] > size * slack or (slack == 1.0 and pixels.shape[1] != size):
        target = int(size * slack) if slack > 1 else size
        images = functional.interpolate(images, (target, target), mode="bilinear", antialias=True)
    return images


def _erase(images: torch.Tensor, left: torch.Tensor, top: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Put a grey square of up to 0.35 of the side over two images in three (random erasing, Zhong et al. 2020)."""
    side = images.shape[-1]
    place = torch.arange(side) / side
    extent = share.clamp(min=0) * 0.35
    inside_x = (place >= left[:, None]) & (place < (left + extent)[:, None])  # (n, side)
    inside_y = (place >= top[:, None]) & (place < (top + extent)[:, None])
    erased = (inside_y[:, None, :, None] & inside_x[:, None, None, :]).to(images.device)
    return torch.where(erased, torch.full_like(images, 128.0), images)
