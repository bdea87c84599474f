"""The `vitrine` command line, and what all packages share: errors, settings, store, logging."""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["__version__"]

if TYPE_CHECKING:
    __version__: str


def __getattr__(name: str) -> str:
    if name == "__version__":  # looked up when it is read, because reading the metadata takes milliseconds
        from importlib.metadata import version

        return version("vitrine-search")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
