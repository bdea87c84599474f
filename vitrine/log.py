"""Logging set-up: text or JSON lines on stderr, each kind of warning at most once in ten seconds.

Each module logs through `logging.getLogger(__name__)`, with the message as a template and its values as arguments.
Messages contain neither shopper ids nor secrets.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal, TextIO

LogFormat = Literal["text", "json"]
PAUSE_S = 10.0
_MAX_KINDS = 1_000  # bounds the memory of the filter; the kind logged longest ago is forgotten first
_PRODUCT = ("vitrine", "encoders", "indexer", "rerank")  # `opensearch` is the logger of opensearch-py too


def configure(
    format: LogFormat = "text", level: int | str = logging.INFO, stream: TextIO | None = None
) -> None:
    """Write Vitrine's records from `level` and those of the libraries from WARNING to `stream` (stderr).

    Replaces the handlers of the root logger, so a second call changes the format.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if format == "json" else TextFormatter())
    handler.addFilter(RateLimitFilter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in _PRODUCT:
        logging.getLogger(name).setLevel(level)
    logging.getLogger("opensearch").addFilter(_is_error)


def _is_error(record: logging.LogRecord) -> bool:
    """Filter of opensearch-py: its warnings repeat, with a traceback, what our modules report in one line."""
    return record.levelno >= logging.ERROR


class RateLimitFilter(logging.Filter):
    """Passes warnings and errors of one kind at most once in `pause_s` and counts those that it drops.

    Records below WARNING all pass. A kind is a logger, a message template and, where the record has one, an alias. The
    next record that passes has the number of dropped ones in its attribute `dropped`.
    """

    def __init__(self, pause_s: float = PAUSE_S, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._pause_s = pause_s
        self._clock = clock
        self._kinds: OrderedDict[tuple[str, str, str | None], tuple[float, int]] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is written."""
        if record.levelno < logging.WARNING:
            return True
        kind = (record.name, str(record.msg), getattr(record, "alias", None))
        now = self._clock()
        last, dropped = self._kinds.get(kind, (-float("inf"), 0))
        if now - last < self._pause_s:
            self._kinds[kind] = (last, dropped + 1)
            return False
        record.dropped = dropped
        self._kinds[kind] = (now, 0)
        self._kinds.move_to_end(kind)
        while len(self._kinds) > _MAX_KINDS:
            self._kinds.popitem(last=False)
        return True


class TextFormatter(logging.Formatter):
    """One line for a person: time, level, module, message; a traceback follows on its own lines."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (the name of the base class)
        """Return the line, with the number of dropped records of its kind."""
        dropped = getattr(record, "dropped", 0)
        return super().formatMessage(record) + (f" (and {dropped} more since)" if dropped else "")


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, and where present alias, dropped and exception."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a JSON object without line breaks."""
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields |= {
            name: getattr(record, name) for name in ("alias", "dropped") if getattr(record, name, None)
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields)
