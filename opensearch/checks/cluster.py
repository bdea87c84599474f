"""The doctor's look at the cluster: version, plugins, health, disk and heap. Judgements are pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from opensearchpy import OpenSearch

from opensearch.client import explained

from .findings import Finding, fail, ok, warn

TESTED = "3.6"
_NEEDED = {  # component: what does not work without it
    "opensearch-knn": "vectors can neither be stored nor searched",
    "opensearch-neural-search": "hybrid queries do not exist",
}
_LEAST_HEAP = 900 * 1024**2
_UNITS = {"b": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3, "tb": 1024**4, "pb": 1024**5}


def version(info: Mapping[str, Any]) -> Finding:
    """Judge the answer of `GET /`."""
    held = info.get("version", {})
    number = str(held.get("number", "unknown"))
    if held.get("distribution") != "opensearch":
        return fail(
            "version", f"{number}, which is not OpenSearch", f"point OPENSEARCH_URL at OpenSearch {TESTED}"
        )
    if number.startswith(f"{TESTED}."):
        return ok("version", f"OpenSearch {number}")
    if int(number.partition(".")[0]) < 3:
        return fail(
            "version", f"OpenSearch {number}", f"upgrade to {TESTED}: older ones lack what searches use"
        )
    return warn(
        "version",
        f"OpenSearch {number}",
        f"{TESTED} is what Vitrine is tested with: try searches before trusting them",
    )


def plugins(listed: Sequence[Mapping[str, str]], nodes: Sequence[str]) -> Iterator[Finding]:
    """Judge `GET /_cat/plugins` (node `name`, `component`) against all nodes' names."""
    having = {
        part: {row["name"] for row in listed if row["component"] == part}
        for part in {r["component"] for r in listed}
    }
    for part, loss in _NEEDED.items():
        lacking = sorted(set(nodes) - having.get(part, set()))
        if lacking:
            yield fail(
                f"plugin {part}",
                f"missing on {_names(lacking)}: {loss}",
                f"install {part} there and restart the node",
            )
        else:
            yield ok(f"plugin {part}", "installed")
    if set(nodes) - having.get("opensearch-ml", set()):
        yield warn(
            "plugin opensearch-ml",
            "missing: the engine cannot call the rerank service itself (`vitrine hook`)",
            "install opensearch-ml, or rerank through the client or the service's own API",
        )
    else:
        yield ok("plugin opensearch-ml", "installed")
    smart = having.get("analysis-smartcn", set())
    if smart and set(nodes) - smart:
        yield fail(
            "plugin analysis-smartcn",
            f"missing on {_names(sorted(set(nodes) - smart))} but not everywhere",
            "install it on every node, or remove it from all: an index that uses it cannot live on the others",
        )
    elif smart:
        yield ok("plugin analysis-smartcn", "installed: Chinese words are segmented")
    else:
        yield ok("plugin analysis-smartcn", "not installed: Chinese is searched by pairs of signs (cjk)")


def health(told: Mapping[str, Any]) -> Finding:
    """Judge `GET /_cluster/health`."""
    status, nodes = told["status"], int(told["number_of_data_nodes"])
    found = f"{status}, {nodes} data node{'s' if nodes != 1 else ''}"
    if status == "green":
        return ok("health", found)
    missing = f"{found}, shards without a place: {told['unassigned_shards']}"
    if status == "yellow":
        advice = (
            "set number_of_replicas to 0 or add a node"
            if nodes == 1
            else "see GET /_cluster/allocation/explain"
        )
        return warn("health", missing, f"copies of data are missing, searches work: {advice}")
    return fail(
        "health", missing, "data cannot be read: see GET /_cluster/allocation/explain, bring lost nodes back"
    )


def disks(stats: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterator[Finding]:
    """Judge `GET /_nodes/stats/fs` against the watermarks of the flat cluster settings."""
    prefix = "cluster.routing.allocation.disk.watermark."
    marks = {name: str(settings.get(prefix + name, "")) for name in ("low", "high", "flood_stage")}
    for node in stats["nodes"].values():
        total, free = (
            int(node["fs"]["total"]["total_in_bytes"]),
            int(node["fs"]["total"]["available_in_bytes"]),
        )
        if not total:
            continue
        subject = f"disk of {node['name']}"
        found = f"{free / 1024**3:.1f} of {total / 1024**3:.1f} GB free"
        passed = [name for name, mark in marks.items() if free < _needed_free(mark, total)]
        if "flood_stage" in passed:
            yield fail(
                subject,
                f"{found}, flood-stage mark passed",
                "indices here are read-only: free space, the block lifts by itself",
            )
        elif passed:
            advice = (
                "free space: new shards go elsewhere"
                if passed == ["low"]
                else "free space: shards are moved away"
            )
            yield warn(subject, f"{found}, {passed[-1]} mark ({marks[passed[-1]]}) passed", advice)
        else:
            yield ok(subject, found)


def heaps(stats: Mapping[str, Any]) -> Iterator[Finding]:
    """Judge `GET /_nodes/stats/jvm,breaker`."""
    for node in stats["nodes"].values():
        held = node["jvm"]["mem"]
        used, most = int(held["heap_used_percent"]), int(held["heap_max_in_bytes"])
        tripped = sum(int(breaker["tripped"]) for breaker in node.get("breakers", {}).values())
        subject, found = f"heap of {node['name']}", f"{used} % of {most / 1024**2:.0f} MB used"
        if most < _LEAST_HEAP:
            yield warn(subject, found, "give the node 1 GB or more: big answers are refused below that (429)")
        elif used >= 95:
            yield fail(
                subject,
                found,
                "give the node more heap, or send it less at once: it refuses requests soon (429)",
            )
        elif tripped:
            yield warn(
                subject,
                f"{found}, {tripped} requests refused since the start to save memory",
                "give the node more heap",
            )
        else:
            yield ok(subject, found)


def check_cluster(client: OpenSearch) -> Iterator[Finding]:
    """Look at the whole cluster."""
    with explained(client):
        yield version(client.info())
        listed = client.cat.plugins(format="json", h="name,component")
        nodes = [row["name"] for row in client.cat.nodes(format="json", h="name")]
        yield from plugins(listed, nodes)
        yield health(client.cluster.health())
        stats = client.nodes.stats(metric="fs,jvm,breaker")
        held = client.cluster.get_settings(params={"include_defaults": "true", "flat_settings": "true"})
        yield from disks(stats, {**held.get("defaults", {}), **held["persistent"], **held["transient"]})
        yield from heaps(stats)


def _needed_free(mark: str, total: int) -> float:
    """Give the free bytes below which a watermark is passed: `85%`, `0.85` of use, or `50gb` of free space."""
    found = re.fullmatch(r"([0-9.]+)\s*([a-z%]*)", mark.strip().lower())
    if not found:
        return 0.0
    value, unit = float(found[1]), found[2]
    if unit in _UNITS:
        return value * _UNITS[unit]
    return total * (1 - (value / 100 if unit == "%" else value))


def _names(nodes: Sequence[str]) -> str:
    return ", ".join(nodes[:5]) + (", ..." if len(nodes) > 5 else "")
