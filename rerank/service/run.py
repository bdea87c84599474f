"""`vitrine serve`: bind the port first, then run the application on a real engine and a real store."""

from __future__ import annotations

import errno
import logging
import re
import socket
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import uvicorn

from opensearch.client import connect, connect_async
from opensearch.logs.slates import write_slates
from opensearch.logs.ubi import accept_own_fields
from vitrine.errors import EngineError, RerankError
from vitrine.store import open_store

from .app import make_app
from .metrics import Metrics
from .server import SEARCH_THREADS, Dependencies
from .state import EngineContexts, EngineLookups

if TYPE_CHECKING:
    from opensearch.client import OpenSearch

logger = logging.getLogger(__name__)

_ENGINE_TIMEOUT_S = 10.0


def run_service(host: str, port: int, deadline_ms: float, url: str, store: str | None) -> None:
    """Serve until a signal stops the process. Raises RerankError for a port that cannot be bound."""
    listener = bind_port(host, port)
    engine = re.sub("//[^/@]*@", "//", url)  # without a password
    logger.info("rerank service on http://%s:%s for %s", host, listener.getsockname()[1], engine)
    client = connect(url, timeout=_ENGINE_TIMEOUT_S, pool=SEARCH_THREADS + 4, retries=1)
    lookups = connect_async(url, timeout=_ENGINE_TIMEOUT_S, pool=32, retries=0)
    metrics = Metrics()

    def write(records: Sequence[Mapping[str, Any]]) -> None:
        refused = write_slates(client, records)
        if refused:
            raise RerankError(f"{len(refused)} of {len(records)} slates were refused: {refused[0].reason}")

    _open_logs(client)
    dependencies = Dependencies(
        contexts=EngineContexts(client, open_store(store), metrics),
        lookups=EngineLookups(lookups),
        write_slates=write,
        metrics=metrics,
        client=client,
        deadline_ms=deadline_ms,
        close=lookups.close,
    )
    config = uvicorn.Config(
        make_app(dependencies),
        log_level="warning",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
    )
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        client.close()


def _open_logs(client: OpenSearch) -> None:
    """Let the UBI indices of an earlier release store a tracker's own fields; the service starts without an engine too."""
    try:
        for name in accept_own_fields(client):
            logger.info("%s now stores fields of a tracker's own", name)
    except EngineError as error:
        logger.warning("the UBI indices were not checked: %s", error)


def bind_port(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises RerankError when the port is taken or the host is not of this machine."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, OverflowError) as error:
        raise RerankError(
            f"{host}:{port} is not an address of this machine ({error}); try --host 127.0.0.1"
        ) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise RerankError(
                f"port {port} of {host} is taken; stop the process that listens there, or choose another with --port"
            ) from error
        raise RerankError(
            f"{host}:{port} cannot be bound: {error.strerror}; choose another with --host and --port"
        ) from error
    return listener
