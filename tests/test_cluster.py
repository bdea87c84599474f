"""Three nodes: killing one during a load or during searches loses nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support.waiting import wait_until

from opensearch.client import OpenSearch, connect
from opensearch.index.scan import scan
from opensearch.node.local import LocalNode, cluster
from rerank.search import search
from rerank.search_request import Search
from rerank.serving_context import open_context
from vitrine.store import open_store

pytestmark = pytest.mark.live

ROWS, KINDS = 3_000, ("dress", "jacket", "shoe", "bag", "shirt")
QUICK = ("-XX:TieredStopAtLevel=1",)  # boots sooner, runs slower


@dataclass
class Site:
    """Three nodes, and the environment of a `vitrine` process that uses them."""

    nodes: list[LocalNode]
    client: OpenSearch
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "OPENSEARCH_URL": ",".join(node.url for node in self.nodes),
            "VITRINE_INDEX": "shop",
            "VITRINE_STORE": str(self.folder / "store"),
            "VITRINE_TEXT_ENCODER": "none",
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "OMP_NUM_THREADS": "1",
        }

    def start(self, *words: str | Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "vitrine", *map(str, words)],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def written(self) -> int:
        """Number of documents written to the versions of the index, searchable or not."""
        stats: dict[str, Any] = self.client.indices.stats(index="shop-v*", metric="indexing")
        return int(stats["_all"]["primaries"].get("indexing", {}).get("index_total", 0))


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="vitrine-cluster-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        with (
            cluster(Path(folder), java_options=QUICK) as nodes,
            connect(",".join(each.url for each in nodes), timeout=10) as client,
        ):
            yield Site(nodes, client, Path(folder))


def rows() -> list[dict[str, Any]]:
    return [
        {
            "id": f"p{n}",
            "title": f"{KINDS[n % 5]} number {n}",
            "description": f"a {KINDS[n % 5]} of linen, cotton and wool "
            * 40,  # so that the load takes many requests
            "price": 5.0 + n,
            "category": KINDS[n % 5],
        }
        for n in range(ROWS)
    ]


def manager(site: Site) -> LocalNode:
    """The cluster manager, whose death costs most: the others elect a new one before they reallocate shards."""
    name = site.client.cat.cluster_manager(format="json")[0]["node"]
    return next(node for node in site.nodes if node.name == name)


def kill(node: LocalNode) -> None:
    assert node.process is not None
    assert node.process.poll() is None
    node.kill()


@dataclass
class Searches:
    """Searches without pause in a thread: their results and the reasons of failures."""

    search: Callable[[], tuple[int, int]]  # number of matching products, number of hits
    results: list[tuple[int, int]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Searches:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join()

    def more(self, count: int) -> None:
        """Return when so many more searches have ended."""
        goal = len(self.results) + len(self.failures) + count
        wait_until(lambda: len(self.results) + len(self.failures) >= goal)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.results.append(self.search())
            except Exception as error:
                self.failures.append(repr(error))


def test_a_node_killed_while_a_catalogue_is_written_loses_nothing(site: Site) -> None:
    path = site.folder / "catalogue.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows()))
    loading = site.start("index", path, "--shards", "3", "--replicas", "1", "--json")
    wait_until(lambda: site.written() > 0 or loading.poll() is not None)
    killed = manager(site)
    kill(killed)
    early = loading.poll()
    output, errors = loading.communicate(timeout=120)
    assert loading.returncode == 0, errors
    assert early is None, "the load ended before the node was killed"
    report = json.loads(output)
    assert report["read"] == ROWS
    assert report["indexed"] + report["updated"] == ROWS  # a request with a lost response is repeated
    assert (report["failed"], report["published"], report["stopped"]) == (0, True, None)
    indexed = Counter(id for id, _ in scan(site.client, "shop", includes=[]))
    assert indexed == Counter(row["id"] for row in rows())
    again = site.start("index", path, "--json")
    output, errors = again.communicate(timeout=120)
    assert json.loads(output)["unchanged"] == ROWS, errors
    killed.up()  # the cluster is complete again


def test_a_node_killed_while_the_catalogue_is_searched_fails_no_search(site: Site) -> None:
    query = Search(query="shoe", order="engine")
    context = open_context(site.client, open_store(str(site.folder / "store")), "shop", ranked=False)

    def one() -> tuple[int, int]:
        answer = search(site.client, context, query)
        return answer.retrieved.total, len(answer.hits)

    with Searches(one) as searches:
        searches.more(20)
        kill(manager(site))
        searches.more(100)
        wait_until(lambda: site.client.cluster.health()["number_of_nodes"] == 2)
        searches.more(20)
        done = site.start("search", "shoe", "--order", "engine", "--json")
        output, errors = done.communicate(timeout=60)
    assert done.returncode == 0, errors
    assert json.loads(output)["total"] == ROWS // 5
    assert searches.failures == []
    assert set(searches.results) == {(ROWS // 5, 200)}
