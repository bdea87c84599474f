"""OpenSearch as a container of the official image, through a Docker engine."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.types import Ulimit
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from vitrine.errors import NodeError

from .launch import LOOPBACK, check_ports, heap_mib
from .node_state import get_json
from .pinned import VERSION

NAME = "vitrine-opensearch"  # of the container, its image and its volume
_IMAGE = f"{NAME}:{VERSION}"
DOCKERFILE = Path(__file__).with_name("engine.Dockerfile")
_PATIENCE_S = 180.0
ENVIRONMENT = {
    "cluster.name": "vitrine",
    "node.name": "n1",
    "network.host": "0.0.0.0",
    "discovery.type": "single-node",
    "bootstrap.memory_lock": "true",
    "cluster.routing.allocation.disk.threshold_enabled": "false",
    "DISABLE_SECURITY_PLUGIN": "true",  # reachable from this machine only
    "DISABLE_INSTALL_DEMO_CONFIG": "true",
    "DISABLE_PERFORMANCE_ANALYZER_AGENT_CLI": "true",
    "plugins.ml_commons.only_run_on_ml_node": "false",
    "plugins.ml_commons.connector.private_ip_enabled": "true",
    "plugins.ml_commons.native_memory_threshold": "100",
    "plugins.ml_commons.jvm_heap_memory_threshold": "100",
    # the container reaches a service on the host as host.docker.internal
    "plugins.ml_commons.trusted_connector_endpoints_regex": (
        r"^https?://(host\.docker\.internal|127\.0\.0\.1)(:[0-9]+)?/.*$"
    ),
}


def up(port: int, heap: str, on_message: Callable[[str], None]) -> str:
    """Start the container, wait until it answers, and return a sentence with its URL.

    Raises NodeError when no Docker engine answers, the port is taken or the container ends.
    """
    heap_mib(heap)
    with _engine() as engine:
        running = _container(engine)
        if running is not None and running.status == "running":
            return f"OpenSearch {VERSION} already runs at {_url(running)} (container {NAME})"
        check_ports({"--port": port})
        if running is not None:
            running.remove(force=True)  # its data are in the volume, its settings may be outdated
        _ensure_image(engine, on_message)
        container = engine.containers.run(
            _IMAGE,
            name=NAME,
            detach=True,
            environment={**ENVIRONMENT, "OPENSEARCH_JAVA_OPTS": f"-Xms{heap} -Xmx{heap}"},
            ports={"9200/tcp": (LOOPBACK, port)},
            volumes={NAME: {"bind": "/usr/share/opensearch/data", "mode": "rw"}},
            ulimits=[Ulimit(name="memlock", soft=-1, hard=-1), Ulimit(name="nofile", soft=65536, hard=65536)],
            extra_hosts={"host.docker.internal": "host-gateway"},
        )
        on_message("waiting for OpenSearch to answer")
        _wait(container, f"http://{LOOPBACK}:{port}")
    return f"OpenSearch is ready at http://{LOOPBACK}:{port} (container {NAME})"


def down() -> bool:
    """Stop and remove the container, not its data; return False if there is none."""
    with _engine() as engine:
        container = _container(engine)
        if container is None:
            return False
        container.stop(timeout=60)
        container.remove()
        return True


def status() -> dict[str, Any]:
    """Return the values of `vitrine node status --docker`; `why` if the container does not run."""
    with _engine() as engine:
        container = _container(engine)
        if container is None or container.status != "running":
            state = f"is {container.status}" if container else "does not exist"
            why = f"the container {NAME} {state}: start it with `vitrine node up --docker`"
            return {"running": False, "why": why, "container": NAME}
        url = _url(container)
        try:
            health = get_json(url, "/_cluster/health?timeout=1s")["status"]
        except (OSError, ValueError, KeyError):
            health = "does not answer"
        return {
            "running": True,
            "url": url,
            "health": health,
            "container": NAME,
            "version": VERSION,
            "data": f"volume {NAME}",
        }


@contextmanager
def _engine() -> Iterator[docker.DockerClient]:
    try:
        client = docker.from_env(timeout=600)
    except (DockerException, OSError) as error:
        raise NodeError(
            "no Docker engine answers: start Docker, or leave out --docker "
            "(`vitrine node up` needs no Docker)"
        ) from error
    try:
        yield client
    except (DockerException, OSError) as error:
        message = getattr(error, "explanation", None) or getattr(error, "msg", None) or error
        raise NodeError(f"Docker refused: {' '.join(str(message).split())[:300]}") from error
    finally:
        client.close()


def _container(engine: docker.DockerClient) -> Any | None:
    try:
        return engine.containers.get(NAME)
    except NotFound:
        return None


def _url(container: Any) -> str:
    published = container.ports.get("9200/tcp") or [{"HostPort": "9200"}]
    return f"http://{LOOPBACK}:{published[0]['HostPort']}"


def _ensure_image(engine: docker.DockerClient, on_message: Callable[[str], None]) -> None:
    try:
        engine.images.get(_IMAGE)
    except ImageNotFound:
        on_message(f"building the image {_IMAGE} from the official one (once, about 1.5 GB)")
        engine.images.build(fileobj=io.BytesIO(DOCKERFILE.read_bytes()), tag=_IMAGE, rm=True)


def _wait(container: Any, url: str) -> None:
    retrying = Retrying(
        stop=stop_after_delay(_PATIENCE_S),
        wait=wait_fixed(0.3),
        retry=retry_if_result(lambda ready: not ready),
        retry_error_callback=lambda _: False,
    )
    if not retrying(_is_ready, container, url):
        raise NodeError(f"the container did not answer after {_PATIENCE_S:.0f} s: see `docker logs {NAME}`")


def _is_ready(container: Any, url: str) -> bool:
    try:
        if get_json(url, "/_cluster/health?wait_for_status=yellow&timeout=2s")["timed_out"] is False:
            return True
    except (OSError, ValueError, KeyError):
        pass  # not listening yet
    container.reload()
    if container.status not in ("created", "running"):
        raise NodeError(f"the container ended ({container.status}): {_tail(container)}")
    return False


def _tail(container: Any) -> str:
    try:
        lines = container.logs(tail=5).decode(errors="replace").split("\n")
    except APIError:
        lines = []
    last = next((line for line in reversed(lines) if line.strip()), "its log is empty")
    return f"{last.strip()[:300]} (see `docker logs {NAME}`)"
