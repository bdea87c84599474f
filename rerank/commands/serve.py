"""The command `vitrine serve`."""

from __future__ import annotations

import os
from typing import Literal

import click

from opensearch import options
from vitrine import settings


@click.command()
@click.option(
    "--host",
    envvar=settings.VITRINE_HOST.name,
    show_envvar=True,
    default=settings.VITRINE_HOST.default,
    show_default=True,
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    envvar=settings.VITRINE_PORT.name,
    show_envvar=True,
    default=settings.VITRINE_PORT.default,
    show_default=True,
)
@click.option(
    "--deadline-ms",
    type=click.FloatRange(1, 60_000),
    envvar=settings.VITRINE_DEADLINE_MS.name,
    show_envvar=True,
    default=settings.VITRINE_DEADLINE_MS.default,
    show_default=True,
    help="A window that is not ranked within this time is answered in engine order.",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    envvar=settings.VITRINE_LOG_FORMAT.name,
    show_envvar=True,
    default=settings.VITRINE_LOG_FORMAT.default,
    show_default=True,
    help="Log lines on stderr: text, or one JSON object a line.",
)
@options.url
@options.store
def serve(
    host: str,
    port: int,
    deadline_ms: float,
    log_format: Literal["text", "json"],
    url: str,
    store: str | None,
) -> None:
    """Run the rerank service: order, the engine's hook, search, embed, health, readiness, metrics.

    It serves every alias of the engine that has an index, takes a new model within seconds of `vitrine train`,
    and keeps no state of its own: any number of replicas can run.
    """
    # one thread per request: thread pools of several libraries would compete for the cores; set before numpy loads
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    from rerank.service.run import run_service
    from vitrine import log

    log.configure(log_format)
    run_service(host, port, deadline_ms, url, store)
