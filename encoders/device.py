"""Where torch computes, and in which precision: found by trying, never by the name of the machine."""

from __future__ import annotations

import functools
import time
from contextlib import AbstractContextManager, nullcontext

import torch


def pick_device() -> torch.device:
    """The GPU when torch sees one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@functools.cache
def bf16_pays(device: torch.device) -> bool:
    """Whether bfloat16 multiplies clearly faster than float32 here, by a self-test of about 50 ms."""
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
    """Autocast to bfloat16 where that pays, else nothing."""
    if bf16_pays(device):
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()
