"""`vitrine serve`: take the port first, then stand the application on a real engine and a real store."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence

import click
import uvicorn

from opensearch.client import connect, connect_async
from opensearch.logs.ubi import write_slates
from vitrine.errors import RerankError
from vitrine.store import open_store

from .app import make_app
from .metrics import Metrics
from .search import SEARCHERS
from .server import Parts
from .slate_log import Slate
from .state import EngineLookups, EngineShops

_ENGINE_TIMEOUT_S = 10.0


def run_service(host: str, port: int, deadline_ms: float, url: str, store: str | None) -> None:
    """Serve until told to stop. Raises RerankError for a port that cannot be had."""
    taken = bound(host, port)
    click.echo(f"rerank service on http://{host}:{taken.getsockname()[1]} for {url}", err=True)
    client = connect(url, timeout=_ENGINE_TIMEOUT_S, pool=SEARCHERS + 4, retries=1)
    asking = connect_async(url, timeout=_ENGINE_TIMEOUT_S, pool=32, retries=0)
    metrics = Metrics()

    def write(slates: Sequence[Slate]) -> None:
        refused = write_slates(client, slates)
        if refused:
            raise RerankError(f"{len(refused)} of {len(slates)} slates were refused: {refused[0].reason}")

    parts = Parts(
        shops=EngineShops(client, open_store(store), metrics),
        lookups=EngineLookups(asking),
        write_slates=write,
        metrics=metrics,
        client=client,
        deadline_ms=deadline_ms,
        close=asking.close,
    )
    config = uvicorn.Config(
        make_app(parts), log_level="warning", log_config=None, access_log=False, timeout_graceful_shutdown=5
    )
    try:
        uvicorn.Server(config).run(sockets=[taken])
    finally:
        client.close()


def bound(host: str, port: int) -> socket.socket:
    """A listening socket. Raises RerankError when the port is taken or the host is not of this machine."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, kind, protocol)
    except (OSError, OverflowError) as error:
        raise RerankError(
            f"{host}:{port} is no address of this machine ({error}); try --host 127.0.0.1"
        ) from error
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(1024)
    except OSError as error:
        found.close()
        if error.errno == errno.EADDRINUSE:
            raise RerankError(
                f"port {port} of {host} is taken; stop what listens there, or choose another with --port"
            ) from error
        raise RerankError(f"{host}:{port} cannot be listened at: {error.strerror}") from error
    return found
