"""Doctor checks of the cluster: version, plugins, health, disk and heap, as functions of the engine's responses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from opensearch.client import cluster_settings, explained
from opensearch.node.pinned import VERSION
from vitrine.doctor import Context, Finding, fail, ok, warn

TESTED = VERSION.rpartition(".")[0]  # major and minor version
# required component -> effect of its absence
_REQUIRED = {
    "opensearch-knn": "vectors can neither be stored nor searched",
    "opensearch-neural-search": "hybrid queries do not exist",
}
_MIN_HEAP = 900 * 1024**2
_UNITS = {"b": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3, "tb": 1024**4, "pb": 1024**5}


def version(info: Mapping[str, Any]) -> Finding:
    """Check the response of `GET /`."""
    engine = info.get("version", {})
    number = str(engine.get("number", "unknown"))
    if engine.get("distribution") != "opensearch":
        return fail(
            "version", f"{number}, which is not OpenSearch", f"point OPENSEARCH_URL at OpenSearch {TESTED}"
        )
    if number.startswith(f"{TESTED}."):
        return ok("version", f"OpenSearch {number}")
    if int(number.partition(".")[0]) < 3:
        return fail(
            "version",
            f"OpenSearch {number}",
            f"upgrade to {TESTED}: older versions lack features that searches use",
        )
    return warn(
        "version",
        f"OpenSearch {number}",
        f"Vitrine is tested with {TESTED}: test your searches on this version",
    )


def plugins(rows: Sequence[Mapping[str, str]], nodes: Sequence[str]) -> Iterator[Finding]:
    """Check `GET /_cat/plugins` (rows of node `name` and `component`) against the names of all nodes."""
    nodes_of: dict[str, set[str]] = {}
    for row in rows:
        nodes_of.setdefault(row["component"], set()).add(row["name"])
    for part, effect in _REQUIRED.items():
        without = sorted(set(nodes) - nodes_of.get(part, set()))
        if without:
            yield fail(
                f"plugin {part}",
                f"missing on {_names(without)}: {effect}",
                f"install {part} there and restart the node",
            )
        else:
            yield ok(f"plugin {part}", "installed")
    if set(nodes) - nodes_of.get("opensearch-ml", set()):
        yield warn(
            "plugin opensearch-ml",
            "missing: the engine cannot call the rerank service itself (`vitrine hook`)",
            "install opensearch-ml, or rerank through the client or the service's own API",
        )
    else:
        yield ok("plugin opensearch-ml", "installed")
    smartcn = nodes_of.get("analysis-smartcn", set())
    if smartcn and set(nodes) - smartcn:
        yield fail(
            "plugin analysis-smartcn",
            f"missing on {_names(sorted(set(nodes) - smartcn))}, installed on other nodes",
            "install it on every node or remove it from all: an index that uses it needs it on each of its nodes",
        )
    elif smartcn:
        yield ok("plugin analysis-smartcn", "installed: Chinese words are segmented")
    else:
        yield ok("plugin analysis-smartcn", "not installed: Chinese is searched by character pairs (cjk)")


def health_of(response: Mapping[str, Any]) -> Finding:
    """Check `GET /_cluster/health`."""
    status, nodes = response["status"], int(response["number_of_data_nodes"])
    result = f"{status}, {nodes} data node{'s' if nodes != 1 else ''}"
    if status == "green":
        return ok("health", result)
    missing = f"{result}, unassigned shards: {response['unassigned_shards']}"
    if status == "yellow":
        advice = (
            "set number_of_replicas to 0 or add a node"
            if nodes == 1
            else "see GET /_cluster/allocation/explain"
        )
        return warn("health", missing, f"replicas are missing, searches work: {advice}")
    return fail(
        "health", missing, "data cannot be read: see GET /_cluster/allocation/explain, restart lost nodes"
    )


def disks(stats: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterator[Finding]:
    """Check `GET /_nodes/stats/fs` against the watermarks of the flat cluster settings."""
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
        result = f"{free / 1024**3:.1f} of {total / 1024**3:.1f} GB free"
        passed = [name for name, mark in marks.items() if free < _needed_free(mark, total)]
        if "flood_stage" in passed:
            yield fail(
                subject,
                f"{result}, above the flood-stage watermark",
                "its indices are read-only: free space, and the engine removes the block itself",
            )
        elif passed:
            advice = (
                "free space: the node gets no new shards"
                if passed == ["low"]
                else "free space: shards are moved to other nodes"
            )
            watermark = f"{passed[-1]} watermark ({marks[passed[-1]]})"
            yield warn(subject, f"{result}, above the {watermark}", advice)
        else:
            yield ok(subject, result)


def heaps(stats: Mapping[str, Any]) -> Iterator[Finding]:
    """Check `GET /_nodes/stats/jvm,breaker`."""
    for node in stats["nodes"].values():
        memory = node["jvm"]["mem"]
        used, size = int(memory["heap_used_percent"]), int(memory["heap_max_in_bytes"])
        tripped = sum(int(breaker["tripped"]) for breaker in node.get("breakers", {}).values())
        subject, result = f"heap of {node['name']}", f"{used} % of {size / 1024**2:.0f} MB used"
        if size < _MIN_HEAP:
            yield warn(
                subject,
                result,
                "give the node 1 GB or more: a smaller heap makes it refuse large responses (429)",
            )
        elif used >= 95:
            yield fail(
                subject,
                result,
                "give the node more heap, or send smaller requests: it will soon refuse requests (429)",
            )
        elif tripped:
            yield warn(
                subject,
                f"{result}, {tripped} requests refused since the start to save memory",
                "give the node more heap",
            )
        else:
            yield ok(subject, result)


def check_cluster(context: Context) -> Iterator[Finding]:
    """Check version, plugins, health, disks and heaps of the cluster."""
    client = context.client
    with explained(client):
        yield version(client.info())
        listed = client.cat.plugins(format="json", h="name,component")
        nodes = [row["name"] for row in client.cat.nodes(format="json", h="name")]
        yield from plugins(listed, nodes)
        yield health_of(client.cluster.health())
        stats = client.nodes.stats(metric="fs,jvm,breaker")
        yield from disks(stats, cluster_settings(client))
        yield from heaps(stats)


def _needed_free(mark: str, total: int) -> float:
    """Return the free bytes below which a watermark is passed: `85%`, `0.85` of use, or `50gb` of free space."""
    match = re.fullmatch(r"([0-9.]+)\s*([a-z%]*)", mark.strip().lower())
    if not match:
        return 0.0
    value, unit = float(match[1]), match[2]
    if unit in _UNITS:
        return value * _UNITS[unit]
    return total * (1 - (value / 100 if unit == "%" else value))


def _names(nodes: Sequence[str]) -> str:
    return ", ".join(nodes[:5]) + (", ..." if len(nodes) > 5 else "")
