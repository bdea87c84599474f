"""Candidates in, order out: searching, reranking, and learning the ranker. Read search.py first.

The public names below are imported when they are first used, so `import rerank` loads nothing heavy. The function that
runs a search is `rerank.search.search`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vitrine.lazy import lazy_names

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

# `search` is the module: a function of that name would be replaced when the module is imported
__getattr__ = lazy_names(__name__, _MODULES, submodules=["search"])


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
