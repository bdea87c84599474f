"""The checks of `vitrine doctor`: the table of checks, their findings, and the function that runs them.

A package offers a check as a function `(context) -> Iterator[Finding]` and one entry in `CHECKS`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from .errors import EngineError
from .store import Store

# subject -> module:function, in the order of the report; a module is imported when its check runs
CHECKS = {
    "cluster": "opensearch.checks.cluster:check_cluster",
    "index": "opensearch.checks.index:check_index",
    "vocabulary": "opensearch.checks.vocabulary:check_vocabulary",
    "pipelines": "opensearch.checks.pipelines:check_pipelines",
    "logs": "opensearch.checks.logs:check_logs",
}

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Context:
    """What a check may use: the engine's client, the alias of the index, and the artifact store if there is one."""

    client: Any  # an opensearchpy.OpenSearch
    alias: str
    store: Store | None = None


@dataclass(frozen=True)
class Finding:
    """One result of a check; `advice` is the next step, and empty when none is needed."""

    level: Level
    subject: str
    result: str
    advice: str = ""


Check = Callable[[Context], Iterator[Finding]]


def ok(subject: str, result: str, advice: str = "") -> Finding:
    """Return a finding without a problem."""
    return Finding("ok", subject, result, advice)


def warn(subject: str, result: str, advice: str) -> Finding:
    """Return a finding that costs quality or safety, with its remedy."""
    return Finding("warn", subject, result, advice)


def fail(subject: str, result: str, advice: str) -> Finding:
    """Return a finding that breaks searches or writes, with its remedy."""
    return Finding("fail", subject, result, advice)


def examine(context: Context) -> Iterator[Finding]:
    """Run all checks in order. A check that raises EngineError gives one failed finding with the error's text.

    Several checks that fail for the same reason, such as a missing index, give that finding once.
    """
    reported: set[str] = set()
    for subject, place in CHECKS.items():
        try:
            yield from _check(place)(context)
        except EngineError as error:
            if str(error) not in reported:
                reported.add(str(error))
                # the text of an EngineError ends with the next step
                yield fail(subject, str(error), "follow the message, then run `vitrine doctor` again")


def _check(place: str) -> Check:
    module, function = place.split(":")
    check: Check = getattr(importlib.import_module(module), function)
    return check
