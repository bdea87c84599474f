"""Small stand-ins for what the service stands on: a ranker, lookups from dictionaries, and fixed contexts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.testclient import TestClient

from opensearch.logs.profiles import Click
from opensearch.search.lexical import Clause
from rerank.arrays import FloatArray
from rerank.request import RerankRequest
from rerank.service.app import make_app
from rerank.service.metrics import Metrics
from rerank.service.server import Dependencies
from rerank.serving_context import ServingContext
from vitrine.store import ArtifactSet

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

ARTIFACTS = ArtifactSet("model-1", "items-1", "behaviour-1")


class ReverseRanker:
    """Reverses the window, with the products that the shopper clicked before all others.

    `gate` holds scoring back until it is set; `error` is raised by scoring.
    """

    artifacts = ARTIFACTS

    def __init__(self, gate: threading.Event | None = None, error: Exception | None = None) -> None:
        self.gate = gate
        self.error = error

    def inputs(self, request: RerankRequest) -> RerankRequest:
        return request

    def score(self, inputs: RerankRequest) -> FloatArray:
        if self.gate:
            self.gate.wait(timeout=60)
        if self.error:
            raise self.error
        clicked = {click.id for click in inputs.history}
        scores = [rank + 1000.0 * (product in clicked) for rank, product in enumerate(inputs.ids)]
        return np.array(scores, np.float32)

    def warm(self) -> None:
        pass


@dataclass
class StubLookups:
    """Histories and availability from memory. With `never`, a history does not arrive; `error` is raised instead."""

    histories: dict[str, list[Click]] = field(default_factory=dict)
    sold_out: set[str] = field(default_factory=set)
    coded: set[str] = field(default_factory=set)  # products whose code is in any query that has one
    breaking: set[str] = field(default_factory=set)  # products that break every constraint
    creations: dict[str, float] = field(default_factory=dict)
    never: bool = False
    error: Exception | None = None

    async def history(self, alias: str, shopper: str) -> Sequence[Click]:
        if self.never:
            await asyncio.Event().wait()
        if self.error:
            raise self.error
        return self.histories.get(shopper, [])

    async def unavailable(self, alias: str, ids: Sequence[str]) -> Collection[str]:
        return self.sold_out & set(ids)

    async def with_codes(self, alias: str, ids: Sequence[str], codes: Sequence[str]) -> Collection[str]:
        return self.coded & set(ids)

    async def broken(
        self, alias: str, ids: Sequence[str], breaking: Mapping[str, Clause]
    ) -> Mapping[str, Sequence[str]]:
        return {product: sorted(breaking) for product in self.breaking & set(ids)}

    async def created(self, alias: str, ids: Sequence[str], since: float) -> Mapping[str, float]:
        return {product: at for product, at in self.creations.items() if product in ids and at >= since}


@dataclass
class FixedContexts:
    """Contexts that never change."""

    open: dict[str, ServingContext]
    error: str | None = None

    async def watch(self) -> None:
        await asyncio.Event().wait()


def service_of(
    context: ServingContext,
    *,
    lookups: StubLookups | None = None,
    slates: list[Mapping[str, Any]] | None = None,
    error: str | None = None,
    client: OpenSearch | None = None,
) -> TestClient:
    """A service of one alias `shop`; `slates` collects the written records, `error` keeps it from being ready."""
    records: list[Mapping[str, Any]] = [] if slates is None else slates
    dependencies = Dependencies(
        contexts=FixedContexts({} if error else {"shop": context}, error),
        lookups=lookups or StubLookups(),
        write_slates=records.extend,
        metrics=Metrics(),
        client=client,
        deadline_ms=60_000,  # no test depends on how fast this machine ranks
    )
    return TestClient(make_app(dependencies), raise_server_exceptions=False)
