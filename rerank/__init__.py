"""Candidates in, order out: searching, reranking, and learning the ranker. Read search.py first.

The public names below are imported when they are first used, so `import rerank` loads nothing heavy. The function that
runs a search is `rerank.search.search`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import search
    from .answer import Answer, Hit, answer_to_dict
    from .request import RankedWindow, RerankRequest
    from .search_request import Search, SearchRequest, resolve
    from .serving_context import ServingContext, open_context

__all__ = [
    "Answer",
    "Hit",
    "RankedWindow",
    "RerankRequest",
    "Search",
    "SearchRequest",
    "ServingContext",
    "answer_to_dict",
    "open_context",
    "resolve",
    "search",
]

_MODULES = {
    "Answer": "answer",
    "Hit": "answer",
    "RankedWindow": "request",
    "RerankRequest": "request",
    "Search": "search_request",
    "SearchRequest": "search_request",
    "ServingContext": "serving_context",
    "answer_to_dict": "answer",
    "open_context": "serving_context",
    "resolve": "search_request",
}


def __getattr__(name: str) -> Any:
    """Return a public name from its module (PEP 562)."""
    if name in _MODULES:
        return getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)
    if name == "search":  # the module: importing it would replace a function of that name
        return importlib.import_module(".search", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
