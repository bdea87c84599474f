"""Waiting for a condition of another process."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest


def wait_until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Return once the condition holds; fail the test when it does not within `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"the condition did not hold within {seconds:g} s")
        time.sleep(0.02)
