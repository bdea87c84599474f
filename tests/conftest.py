"""Fixtures of the live tests: one OpenSearch node for the whole run."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

    from opensearch.node.local import LocalNode


@pytest.fixture(scope="session")
def node() -> Iterator[LocalNode]:
    """The suite's own node; it ends with the test process, also when that is killed."""
    if os.environ.get("VITRINE_TEST_URL"):
        pytest.skip("VITRINE_TEST_URL names a node that a test may not restart")
    from opensearch.node.launch import free_ports
    from opensearch.node.local import LocalNode

    # pytest's tmp_path is closed to other users, and a node started by root runs as nobody
    root = Path(tempfile.mkdtemp(prefix="vitrine-node-", dir=_shared_temporary()))
    root.chmod(0o755)
    try:
        http, transport = free_ports(2)
        with LocalNode(root, http=http, transport=transport, heap="1g") as started:
            yield started
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _shared_temporary() -> str | None:
    return "/var/tmp" if os.access("/var/tmp", os.W_OK | os.X_OK) else None


@pytest.fixture(scope="session")
def engine_url(request: pytest.FixtureRequest) -> str:
    """The URL of the node for live tests: VITRINE_TEST_URL, else the suite's own node."""
    url = os.environ.get("VITRINE_TEST_URL")
    if url:
        return url
    started: LocalNode = request.getfixturevalue("node")
    return started.url


@pytest.fixture(scope="session")
def engine(engine_url: str) -> Iterator[OpenSearch]:
    """A client of the live node."""
    from opensearch.client import connect

    client = connect(engine_url)
    yield client
    client.close()
