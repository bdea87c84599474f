"""Logging: text and JSON lines, and a limit on repeated warnings, with a clock that the test sets."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from vitrine.log import JsonFormatter, RateLimitFilter, TextFormatter, configure


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def root_logger() -> Iterator[None]:
    """Restore the handlers and levels of the loggers that `configure` sets."""
    names = (None, "vitrine", "encoders", "indexer", "rerank")
    levels = {name: logging.getLogger(name).level for name in names}
    handlers = logging.getLogger().handlers[:]
    yield
    logging.getLogger().handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def record(message: str, *values: object, level: int = logging.WARNING, **extra: object) -> logging.LogRecord:
    result = logging.LogRecord("rerank.service", level, __file__, 1, message, values, None)
    result.__dict__.update(extra)
    return result


def test_a_warning_of_one_kind_passes_once_per_pause_and_then_counts_the_dropped_ones() -> None:
    clock = Clock()
    limit = RateLimitFilter(pause_s=10.0, clock=clock)
    passed = []
    for clock.now in (0.0, 1.0, 2.0, 9.9, 10.0, 21.0):
        warning = record("%d slates were not written", int(clock.now))
        if limit.filter(warning):
            passed.append(TextFormatter().format(warning).split(": ", 1)[1])
    assert passed == [
        "0 slates were not written",
        "10 slates were not written (and 3 more since)",
        "21 slates were not written",
    ]


def test_other_messages_and_other_aliases_are_other_kinds() -> None:
    limit = RateLimitFilter(clock=Clock())
    assert limit.filter(record("ranking failed", alias="shop"))
    assert limit.filter(record("ranking failed", alias="outlet"))
    assert limit.filter(record("lookup failed", alias="shop"))
    assert not limit.filter(record("ranking failed", alias="shop"))


def test_records_below_warning_are_not_limited() -> None:
    limit = RateLimitFilter(clock=Clock())
    assert [limit.filter(record("opened", level=logging.INFO)) for _ in range(3)] == [True] * 3


def test_the_filter_forgets_the_oldest_kinds() -> None:
    limit = RateLimitFilter(clock=Clock())
    assert all(limit.filter(record(f"message {number}")) for number in range(1_001))
    assert limit.filter(record("message 0"))
    assert not limit.filter(record("message 1000"))


def test_json_lines_have_the_fields_and_no_line_break() -> None:
    error = ValueError("broken\nartifact")
    failure = record("ranking failed for %s", "shop", alias="shop", dropped=2)
    failure.exc_info = (ValueError, error, None)
    line = JsonFormatter().format(failure)
    assert "\n" not in line
    fields = json.loads(line)
    assert fields.pop("time").endswith("+00:00")
    assert fields == {
        "level": "WARNING",
        "logger": "rerank.service",
        "message": "ranking failed for shop",
        "alias": "shop",
        "dropped": 2,
        "exception": "ValueError: broken\nartifact",
    }


def test_configure_writes_json_lines_of_the_product_and_warnings_of_the_libraries() -> None:
    stream = io.StringIO()
    configure("json", stream=stream)
    logging.getLogger("rerank.service.state").info("%s: serving %s", "shop", "model-1")
    logging.getLogger("rerank.service.state").debug("not written")
    logging.getLogger("uvicorn.error").info("not written")
    logging.getLogger("opensearch").warning("not written: the client repeats what our modules report")
    logging.getLogger("opensearch.client").warning("written too")
    logging.getLogger("uvicorn.error").warning("written")
    lines = [json.loads(line)["message"] for line in stream.getvalue().splitlines()]
    assert lines == ["shop: serving model-1", "written too", "written"]


def test_a_second_configure_replaces_the_format() -> None:
    first, second = io.StringIO(), io.StringIO()
    configure("json", stream=first)
    configure("text", stream=second)
    logging.getLogger("vitrine.store").warning("slow store")
    assert first.getvalue() == ""
    assert second.getvalue().endswith(" WARNING vitrine.store: slow store\n")
