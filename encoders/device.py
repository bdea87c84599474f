"""The device and precision of torch, chosen by a test on this machine, never by its name."""

from __future__ import annotations

import functools
import time
from contextlib import AbstractContextManager, nullcontext

import torch


def choose_device() -> torch.device:
    """Return the GPU when torch has one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@functools.cache
def bf16_is_faster(device: torch.device) -> bool:
    """Return whether bfloat16 multiplies at least 1.3 times as fast as float32, by a test of about 50 ms."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    left, right = torch.randn(512, 384), torch.randn(384, 384)

    def fastest(a: torch.Tensor, b: torch.Tensor) -> float:
        times = []
        for _ in range(12):
            start = time.perf_counter()
            torch.mm(a, b)
            times.append(time.perf_counter() - start)
        return min(times)

    return fastest(left.bfloat16(), right.bfloat16()) * 1.3 < fastest(left, right)


def mixed_precision(device: torch.device) -> AbstractContextManager[object]:
    """Return the autocast to bfloat16 where that is faster, else a context without effect."""
    if bf16_is_faster(device):
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()
