"""The start of a node of the pinned version: its settings, its command line, and the checks before it."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil

from vitrine.errors import NodeError

from .java import Java

LOOPBACK = "127.0.0.1"
_BESIDE_HEAP_MIB = 300  # memory of a starting node besides its heap


def node_settings(root: Path, name: str, http: int, transport: int) -> dict[str, Any]:
    """Return the node's opensearch.yml: one node on loopback that may call rerank services on loopback."""
    return {
        "cluster.name": "vitrine",
        "node.name": name,
        "network.host": LOOPBACK,
        "http.port": http,
        "transport.port": transport,
        "path.data": str(root / "data"),
        "path.logs": str(root / "logs"),
        "discovery.type": "single-node",
        # a laptop's disk is often more than 90 % full, and the engine would then allocate no shard
        "cluster.routing.allocation.disk.threshold_enabled": False,
        "plugins.ml_commons.only_run_on_ml_node": False,
        "plugins.ml_commons.connector.private_ip_enabled": True,
        "plugins.ml_commons.native_memory_threshold": 100,
        "plugins.ml_commons.jvm_heap_memory_threshold": 100,
        "plugins.ml_commons.trusted_connector_endpoints_regex": [r"^http://127\.0\.0\.1:[0-9]+/.*$"],
    }


def command(home: Path, java: Java, root: Path, heap: str, class_path: str) -> list[str]:
    """Return the java command that bin/opensearch of this version would run, for Vitrine's directories."""
    return [
        f"{java.home}/bin/java",
        "-Xshare:auto",
        f"-Xms{heap}",
        f"-Xmx{heap}",
        f"-XX:MaxDirectMemorySize={heap_mib(heap) // 2}m",
        "-XX:+UseG1GC",
        "-XX:G1ReservePercent=25",
        "-XX:InitiatingHeapOccupancyPercent=30",
        "-Xss1m",
        "-XX:-OmitStackTraceInFastThrow",
        "-XX:+ExitOnOutOfMemoryError",
        f"-XX:ErrorFile={root}/logs/hs_err_pid%p.log",
        "-Djava.awt.headless=true",
        "-Dfile.encoding=UTF-8",
        "-Djava.locale.providers=SPI,CLDR",
        f"-Djava.io.tmpdir={root}/tmp",
        f"-Djna.tmpdir={root}/tmp",
        "-Djna.nosys=true",
        "-Dopensearch.networkaddress.cache.ttl=60",
        "-Dopensearch.networkaddress.cache.negative.ttl=10",
        "-Dio.netty.noUnsafe=true",
        "-Dio.netty.noKeySetOptimization=true",
        "-Dio.netty.recycler.maxCapacityPerThread=0",
        "-Dio.netty.allocator.numDirectArenas=0",
        "-Dlog4j.shutdownHookEnabled=false",
        "-Dlog4j2.disable.jmx=true",
        "-Dorg.apache.lucene.store.MMapDirectory.sharedArenaMaxPermits=1",
        "--add-opens=java.base/java.nio=ALL-UNNAMED",
        f"-javaagent:{home}/agent/opensearch-agent.jar",
        *java.options(),
        f"-Dopensearch.path.home={home}",
        identity(root),
        "-Dopensearch.distribution.type=zip",
        "-Dopensearch.bundled_jdk=false",
        "-cp",
        class_path,
        "org.opensearch.bootstrap.OpenSearch",
    ]


def identity(root: Path) -> str:
    """Return the argument that only the node of this directory has on its command line."""
    return f"-Dopensearch.path.conf={root}/config"


def heap_mib(heap: str) -> int:
    """Return the MiB of a heap size such as `1g` or `512m`. Raises NodeError for other text."""
    match = re.fullmatch(r"([1-9][0-9]*)([mg])", heap.lower())
    if match is None:
        raise NodeError(f"the heap {heap!r} is not a size: write it as 512m or 1g with --heap")
    return int(match[1]) * (1024 if match[2] == "g" else 1)


def check_before(ports: Mapping[str, int], heap: str) -> None:
    """Raise NodeError for ports and memory that the node itself would refuse only after its boot."""
    needed = heap_mib(heap) + _BESIDE_HEAP_MIB
    check_ports(ports)
    available = available_mib()
    if available < needed:
        raise NodeError(
            f"{available} MiB of memory are available, a node with heap {heap} needs about {needed} MiB: "
            "free some, or choose a smaller heap with --heap"
        )


def check_ports(ports: Mapping[str, int]) -> None:
    """Raise NodeError for ports of loopback, by the names of their options, that are equal, invalid or taken."""
    if len(set(ports.values())) < len(ports):
        raise NodeError(f"{' and '.join(ports)} are both {next(iter(ports.values()))}: choose two ports")
    for option, port in ports.items():
        if not 0 < port < 65536:
            raise NodeError(f"{port} is not a port: choose one from 1 to 65535 with {option}")
        if not _is_free(port):
            raise NodeError(f"port {port} is taken: choose another with {option}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """Return different TCP ports of loopback that are free at the moment."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [each.getsockname()[1] for each in sockets]


def available_mib(group: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the memory that a new process may still take, in a container at most what its limit leaves."""
    machine = int(psutil.virtual_memory().available) >> 20
    # psutil does not know the limits of control groups
    try:
        limit = int((group / "memory.max").read_text())
        used = int((group / "memory.current").read_text())
        cached = re.search(r"^inactive_file (\d+)", (group / "memory.stat").read_text(), re.M)
    except (OSError, ValueError):
        return machine  # no such group, or its limit is the word "max"
    container = (limit - used + (int(cached[1]) if cached else 0)) >> 20
    return min(machine, container)
