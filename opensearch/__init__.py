"""The engine's side of Vitrine: the only package that imports opensearchpy and docker.

The public names below are imported when they are first used, so that `import opensearch` loads no client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vitrine.lazy import lazy_names

if TYPE_CHECKING:
    from .client import connect, connect_async, explained
    from .hook.install import install_hook, remove_hook
    from .hook.pipelines import rerank_ext
    from .search.filters import parse_filter
    from .search.query import Query, hybrid_body
    from .search.retrieve import retrieve

# public name -> module that defines it
_MODULES = {
    "Query": "search.query",
    "connect": "client",
    "connect_async": "client",
    "explained": "client",
    "hybrid_body": "search.query",
    "install_hook": "hook.install",
    "parse_filter": "search.filters",
    "remove_hook": "hook.install",
    "rerank_ext": "hook.pipelines",
    "retrieve": "search.retrieve",
}
__all__ = [
    "Query",
    "connect",
    "connect_async",
    "explained",
    "hybrid_body",
    "install_hook",
    "parse_filter",
    "remove_hook",
    "rerank_ext",
    "retrieve",
]

__getattr__ = lazy_names(__name__, _MODULES)
