"""What a log holds that training cannot use, or reads in a way that its owner should know: counted, with the remedy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

_TIMESTAMP = "write `timestamp` in a format that the mapping of the log's index names"
_QUERY_ID = "send the `query_id` of the search that showed the product"

_MAX_NAMES = 12  # in one sentence

# reason -> what was counted, and the remedy; `{}` stands for the name that the reason is counted by
REASONS: dict[str, tuple[str, str]] = {
    "other application": (
        "records name other applications ({})",
        "`vitrine train --application NAME` reads those of this shop",
    ),
    "no application": (
        "records name no application",
        "write the alias into `application`, or read them with `vitrine train --application ''`",
    ),
    "query without id": ("searches have no `query_id`", "send one with each UBI query"),
    "query without products": (
        "searches do not say which products they showed",
        "send `query_response_hit_ids`",
    ),
    "empty answer": ("searches showed no product", "nothing to do: nothing can be learned from them"),
    "query without time": ("searches have no readable time", _TIMESTAMP),
    "query too old": (
        "searches are dated before 1990",
        "the mapping reads milliseconds where the log writes seconds: map `timestamp` with the format epoch_second",
    ),
    "query id used twice": (
        "searches repeat the `query_id` of another search for other words",
        "send a new `query_id` with each search",
    ),
    "robot": (
        "searches and events of robots ({} of them) are left out: they name themselves one, or act more than 60 times in a "
        "minute or 2,000 times in a day",
        "if many people share one id, send a `client_id` for each, or read them with `--keep-robots`",
    ),
    "incomplete slate": ("records of the slate log lack an id, a time or products", "none: they are skipped"),
    "event without name": ("events have no `action_name`", "send one such as click, add_to_cart or purchase"),
    "action set to ignore": ("events are named {}", "nothing to do: `--action` ignores them"),
    "ignored action": (
        "events are named {}, which is no click, cart addition or purchase",
        "if it is one, `vitrine train --action {}=click` (or cart, or purchase) counts them",
    ),
    "unknown action": (
        "events are named {}, a name that Vitrine does not know",
        "`vitrine train --action {}=click` (or cart, purchase, ignore) says what it means",
    ),
    "event without query": ("events have no `query_id`", _QUERY_ID),
    "event without product": (
        "events name no product",
        "send `event_attributes.object.object_id`",
    ),
    "event without time": ("events have no readable time", _TIMESTAMP),
    "event too old": (
        "events are dated before 1990",
        "the mapping reads milliseconds where the log writes seconds: map `timestamp` with the format epoch_second",
    ),
    "unknown query": ("events belong to a search that the log does not hold", _QUERY_ID),
    "product not shown": (
        "events are on a product that their search did not show",
        "send the ids of all shown products in `query_response_hit_ids`, in one record for each page",
    ),
    "product not indexed": (
        "events are on a product that the index does not hold",
        "if its id is in another column, name that in `object_id_field`",
    ),
    "unknown column": (
        "ids are of the field {}, which is no column of the index",
        "send the product's id, or add the column to the catalogue's keywords",
    ),
    "ambiguous id": (
        "ids of the field {} stand for several products",
        "send the product's id",
    ),
    "event before its query": (
        "events are dated before their search, and count at its time",
        "set the clocks of the page and the server alike",
    ),
}


@dataclass(frozen=True)
class LogNote:
    """So many records of a log, what is the matter with them, and the remedy."""

    count: int
    what: str
    remedy: str

    def to_dict(self) -> dict[str, Any]:
        """Return the note as JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.count:,} {self.what}: {self.remedy}"


class Tally:
    """Counts records by reason and, where the reason has one, by name."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, reason: str, name: str = "", count: int = 1) -> None:
        """Count records for a key of `REASONS`."""
        self._counts[reason, name] += count

    def notes(self) -> tuple[LogNote, ...]:
        """Return what was counted, in the order of `REASONS`, the most frequent name first."""
        order = {reason: number for number, reason in enumerate(REASONS)}
        ordered = sorted(self._counts.items(), key=lambda item: (order[item[0][0]], -item[1], item[0][1]))
        return tuple(_note(reason, name, count) for (reason, name), count in ordered if count)


def names_with_counts(counts: Mapping[str, int]) -> str:
    """Return names with their counts, the most frequent first; the rare ones of many are only counted."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    names = ", ".join(f"{name or 'without a name'} {count:,}" for name, count in ordered[:_MAX_NAMES])
    more = len(ordered) - _MAX_NAMES
    return f"{names} and {more:,} more" if more > 0 else names


def _note(reason: str, name: str, count: int) -> LogNote:
    what, remedy = (text.replace("{}", name) for text in REASONS[reason])
    return LogNote(count, what, remedy)
