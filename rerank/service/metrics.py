"""What the service counts, in Prometheus' terms; one registry a process."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_BUCKETS = (0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.12, 0.25, 0.5, 1.0)


class Metrics:
    """Counters of one service; aliases are labels only once they are known to exist."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.answers = Counter(
            "vitrine_answers",
            "Windows answered, by door (order, hook, search) and outcome (reranked, degraded, engine).",
            ["alias", "door", "outcome"],
            registry=self.registry,
        )
        self.refused = Counter(
            "vitrine_refused", "Requests refused, by status.", ["door", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "vitrine_answer_seconds",
            "Time from a decoded request to its answer.",
            ["door"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.slates = Counter(
            "vitrine_slates",
            "Slates by what became of them (written, dropped, failed).",
            ["outcome"],
            registry=self.registry,
        )
        self.loads = Counter(
            "vitrine_loads",
            "Shops opened, by outcome (ready, degraded, failed).",
            ["outcome"],
            registry=self.registry,
        )
        self.ready = Gauge("vitrine_ready", "1 when the service is ready.", registry=self.registry)

    def count_slates(self, outcome: str, number: int) -> None:
        self.slates.labels(outcome).inc(number)
