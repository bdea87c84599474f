"""Prometheus metrics of the service; one registry per process."""

from __future__ import annotations

import time
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_MAX_REASONS = 50  # of an alias; some quote the request
_BUCKETS = (0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.12, 0.25, 0.5, 1.0)


@dataclass
class HookFailure:
    """How often the hook got no rerank for one reason, and when it last happened (seconds since 1970)."""

    count: int = 0
    last: float = 0.0


class Metrics:
    """Counters of one service. An alias becomes a label only once it is known to exist."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.answers = Counter(
            "vitrine_answers",
            "Windows answered, by endpoint (order, hook, search) and outcome (reranked, degraded, engine).",
            ["alias", "endpoint", "outcome"],
            registry=self.registry,
        )
        self.refused = Counter(
            "vitrine_refused",
            "Requests refused, by endpoint and status.",
            ["endpoint", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "vitrine_answer_seconds",
            "Time from a decoded request to its answer, by endpoint.",
            ["endpoint"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.slates = Counter(
            "vitrine_slates",
            "Slates, by outcome (written, dropped, failed).",
            ["outcome"],
            registry=self.registry,
        )
        self.loads = Counter(
            "vitrine_loads",
            "Aliases opened, by outcome (ready, degraded, failed).",
            ["outcome"],
            registry=self.registry,
        )
        self.hook_failures: dict[str, dict[str, HookFailure]] = {}  # by alias and reason
        self.ready = Gauge("vitrine_ready", "1 when the service is ready.", registry=self.registry)

    def count_hook_failure(self, alias: str, reason: str) -> None:
        """Count a rerank that the hook did not get; of more than `_MAX_REASONS` reasons the rest count as one."""
        reasons = self.hook_failures.setdefault(alias, {})
        if reason not in reasons and len(reasons) >= _MAX_REASONS:
            reason = "another reason"
        failure = reasons.setdefault(reason, HookFailure())
        failure.count += 1
        failure.last = time.time()

    def count_slates(self, outcome: str, number: int) -> None:
        """Add a number of slates to an outcome."""
        self.slates.labels(outcome).inc(number)
