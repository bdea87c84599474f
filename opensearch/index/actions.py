"""Actions on documents, their outcomes, and their form in a `_bulk` request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import orjson

Operation = Literal["index", "update", "delete"]
Status = Literal["created", "updated", "noop", "deleted", "failed"]


class Action(NamedTuple):
    """One change of one document; the `document` of an update contains only the changed fields.

    With a painless `script` an update runs the script, and `document` contains its parameters. With `routed`, the id is
    stored as the routing value too: the document stays on the shard of its id, and every hit carries the value, whatever
    its `_source` (a search pipeline can read no other form of the id).
    """

    operation: Operation
    id: str
    document: Mapping[str, Any] | None = None
    script: str | None = None
    routed: bool = False


class Outcome(NamedTuple):
    """The result of one action; `reason` explains a failure. Deleting a missing document is a noop."""

    id: str
    status: Status
    reason: str | None = None


def line_of(action: Action) -> bytes:
    """Return the lines of an action in a `_bulk` body. Raises TypeError or ValueError when it is not valid JSON."""
    if not action.id:
        raise ValueError("the id is empty")
    target: dict[str, Any] = {"_id": action.id}
    if action.operation == "delete":
        return orjson.dumps({"delete": target}, option=orjson.OPT_APPEND_NEWLINE)
    if action.document is None:
        raise ValueError(f"an action {action.operation!r} needs a document")
    document: Any = action.document
    if action.operation == "update":
        target["retry_on_conflict"] = 3
        document = {"doc": document}
        if action.script:
            document = {"script": {"source": action.script, "lang": "painless", "params": action.document}}
    if action.routed:
        target["routing"] = action.id
    options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE
    head = orjson.dumps({action.operation: target}, option=orjson.OPT_APPEND_NEWLINE)
    return head + orjson.dumps(document, default=_plain, option=options)


def _plain(value: Any) -> Any:
    """Convert a value that orjson does not write: an array that is not contiguous, a mapping that is not a dict."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not a JSON type")
