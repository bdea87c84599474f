"""Doctor checks of the UBI log: whether its indices take and give what a tracker writes."""

from __future__ import annotations

from collections.abc import Iterator

from opensearch.logs.log_fields import LogFields
from opensearch.logs.records import LogIndex, count_values, open_log
from opensearch.logs.ubi import UBI_LOGS, strict_logs
from vitrine.doctor import Context, Finding, ok, warn

_MAPPING = "reindex the log into an index that Vitrine or the UBI plugin has made"


def log_fields_of(log: LogIndex, fields: LogFields) -> Iterator[Finding]:
    """Check how the index of a log maps the fields by which it is read."""
    if fields.exact(log.alias_field) is None:
        yield warn(
            log.name,
            f"`{log.alias_field}` is no keyword: records are found by its words, which is slow",
            _MAPPING,
        )
    if not fields.is_date(log.time_field):
        yield warn(
            log.name,
            f"`{log.time_field}` is no date: its times are read as ISO 8601 or milliseconds",
            _MAPPING,
        )


def check_logs(context: Context) -> Iterator[Finding]:
    """Check the indices of UBI queries and events, and count the alias's records there."""
    client, strict = context.client, strict_logs(context.client)
    for log in UBI_LOGS:
        fields = open_log(client, log)
        if fields is None:
            yield ok(log.name, "no such log yet")
            continue
        if log.name in strict:
            yield warn(
                log.name,
                "strict: every record with a field of its own is refused, and the tracker loses it",
                "`vitrine train` and `vitrine serve` change it in place",
            )
        wrong = list(log_fields_of(log, fields))
        yield from wrong
        if not wrong and log.name not in strict:
            own = (count_values(client, log, log.alias_field) or {}).get(context.alias, 0)
            yield ok(log.name, f"{own:,} records of {context.alias}")
