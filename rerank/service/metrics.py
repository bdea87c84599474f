"""Prometheus metrics of the service; one registry per process."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_BUCKETS = (0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.12, 0.25, 0.5, 1.0)


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
        self.ready = Gauge("vitrine_ready", "1 when the service is ready.", registry=self.registry)

    def count_slates(self, outcome: str, number: int) -> None:
        """Add a number of slates to an outcome."""
        self.slates.labels(outcome).inc(number)
