"""The type of progress callbacks."""

from __future__ import annotations

from collections.abc import Callable

ProgressCallback = Callable[[int], None]  # receives the number of items done since the last call
