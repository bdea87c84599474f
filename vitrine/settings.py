"""Every environment variable that Vitrine reads, with its default. No other module reads `os.environ`.

A click option takes `envvar=settings.X.name` and `default=settings.X.default`; other code calls `settings.X.read()`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import platformdirs

Default = TypeVar("Default", str, int, float, None)


@dataclass(frozen=True)
class Setting(Generic[Default]):
    """One environment variable and the value that holds when it is unset or empty."""

    name: str
    default: Default

    def read(self) -> str | Default:
        """Return the variable's text, or the default."""
        return os.environ.get(self.name) or self.default


# The engine. OPENSEARCH_URL may list several URLs, separated by commas.
ENGINE_PORT = 9200
OPENSEARCH_URL = Setting("OPENSEARCH_URL", f"http://127.0.0.1:{ENGINE_PORT}")
OPENSEARCH_USER = Setting("OPENSEARCH_USER", None)
OPENSEARCH_PASSWORD = Setting("OPENSEARCH_PASSWORD", "")
# PEM file of the authority that signed the cluster's certificate
OPENSEARCH_CA = Setting("OPENSEARCH_CA", None)

# The index and the artifacts.
VITRINE_INDEX = Setting("VITRINE_INDEX", "products")
VITRINE_STORE = Setting("VITRINE_STORE", None)
VITRINE_TEXT_ENCODER = Setting("VITRINE_TEXT_ENCODER", None)
VITRINE_IMAGE_ENCODER = Setting("VITRINE_IMAGE_ENCODER", None)
# Secret of the keyed hashes that stand for shopper ids.
VITRINE_SHOPPER_KEY = Setting("VITRINE_SHOPPER_KEY", None)

# The rerank service: where it listens, and where clients and the engine's nodes reach it.
VITRINE_HOST = Setting("VITRINE_HOST", "127.0.0.1")
VITRINE_PORT = Setting("VITRINE_PORT", 8060)
VITRINE_DEADLINE_MS = Setting("VITRINE_DEADLINE_MS", 150.0)
VITRINE_LOG_FORMAT = Setting("VITRINE_LOG_FORMAT", "text")
VITRINE_SERVICE = Setting("VITRINE_SERVICE", f"http://127.0.0.1:{VITRINE_PORT.default}")
VITRINE_API_KEY = Setting("VITRINE_API_KEY", "")

# The local node.
NODE_TRANSPORT_PORT = 9300
VITRINE_NODE_DIR = Setting("VITRINE_NODE_DIR", None)
VITRINE_CACHE = Setting("VITRINE_CACHE", None)
VITRINE_MAVEN_MIRROR = Setting("VITRINE_MAVEN_MIRROR", None)
OPENSEARCH_JAVA_HOME = Setting("OPENSEARCH_JAVA_HOME", None)
JAVA_HOME = Setting("JAVA_HOME", None)


def store_url() -> str:
    """Return VITRINE_STORE, or the folder `store` in the user's data directory."""
    return VITRINE_STORE.read() or str(data_directory() / "store")


def data_directory() -> Path:
    """Return the user's data directory of Vitrine."""
    return platformdirs.user_data_path("vitrine")


def cache_directory() -> Path:
    """Return VITRINE_CACHE, or the cache directory of the user; of the system for root."""
    named = VITRINE_CACHE.read()
    if named:
        return Path(named).absolute()
    return Path("/var/cache/vitrine") if os.geteuid() == 0 else platformdirs.user_cache_path("vitrine")


def node_directory() -> Path:
    """Return VITRINE_NODE_DIR, or the folder `node` in the data directory of the user; of the system for root."""
    named = VITRINE_NODE_DIR.read()
    if named:
        return Path(named).absolute()
    return Path("/var/lib/vitrine/node") if os.geteuid() == 0 else data_directory() / "node"
