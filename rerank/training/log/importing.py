"""Imports UBI queries and events of any shape into the indices that training reads; shoppers are hashed on the way."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from opensearch.logs.log_fields import parse_seconds
from opensearch.logs.records import Record
from opensearch.logs.slates import known_slates
from opensearch.logs.ubi import event_id, known_queries, write_events, write_queries
from vitrine.errors import LogFileError

from .actions import GAINS, IGNORE, kind_of
from .robots import RobotFinder
from .shopper_ids import ShopperHashes, raw_shopper
from .ubi_files import Row
from .ubi_shapes import BadRecordError, event_shape, hash_shoppers, query_shape

if TYPE_CHECKING:
    from opensearch.client import OpenSearch

Rows = Callable[[], Iterator[Row]]  # reads a source from its beginning; called twice
Shape = Callable[[Mapping[str, Any], float], Record]
_REFUSED = "the engine refused the record"


@dataclass
class SourceReport:
    """What became of the rows of one source: each row is written, a duplicate, a robot's, ignored or bad."""

    read: int = 0
    written: int = 0
    duplicates: int = 0
    robots: int = 0
    ignored: int = 0
    bad: dict[str, int] = field(default_factory=dict)  # by reason
    kept_aside: str | None = None  # file of the bad rows

    @property
    def bad_rows(self) -> int:
        """The number of rows that were kept aside."""
        return sum(self.bad.values())


@dataclass
class ImportReport:
    """What an import did. `in_slate_log` counts searches that the slate log holds too, `of_no_search` events of none."""

    queries: SourceReport = field(default_factory=SourceReport)
    events: SourceReport = field(default_factory=SourceReport)
    robots: int = 0
    searches: int = 0
    in_slate_log: int = 0
    of_no_search: int = 0

    @property
    def failed(self) -> bool:
        """Whether a row could not be imported."""
        return bool(self.queries.bad_rows or self.events.bad_rows)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class LogImport:
    """One import into an alias. `own_actions` maps normalised names of events to what they mean."""

    client: OpenSearch
    alias: str
    own_actions: Mapping[str, str] = field(default_factory=dict)
    keep_robots: bool = False
    aside: Path = Path()  # folder of the files of bad rows

    def run(self, queries: Rows, events: Rows) -> ImportReport:
        """Import both sources, each read twice: robots are known only at the end of the first reading.

        Raises LogFileError when a source has rows and none of them can be read.
        """
        sources: dict[str, tuple[Rows, Shape]] = {
            "queries": (queries, lambda raw, at: query_shape(raw, self.alias, at)),
            "events": (events, lambda raw, at: event_shape(raw, self.alias, self.own_actions, at)),
        }
        report = ImportReport()
        robots = self._robots(sources)
        report.robots = len(robots)
        searched: set[str] = set()
        asked: Counter[str] = Counter()
        for name, (rows, shape) in sources.items():
            done: SourceReport = getattr(report, name)
            source = _Source(
                name, done, shape, robots, ShopperHashes(), searched if name == "queries" else asked
            )
            write = write_queries if name == "queries" else write_events
            with _Aside(self.aside / f"{self.alias}-{name}.rejected.jsonl", done) as aside:
                refused = {o.id: o.reason or "" for o in write(self.client, source.records(rows(), aside))}
                if refused:
                    source.keep_refused(rows(), refused, aside)
        report.searches = len(searched)
        report.in_slate_log = len(known_slates(self.client, self.alias, searched))
        elsewhere = set(asked) - searched
        known = known_slates(self.client, self.alias, elsewhere) | known_queries(
            self.client, self.alias, elsewhere
        )
        report.of_no_search = sum(count for query_id, count in asked.items() if query_id in elsewhere - known)
        return report

    def _robots(self, sources: Mapping[str, tuple[Rows, Shape]]) -> set[str]:
        """Return the keys of robots, after a first reading that also refuses a source without a readable row."""
        finder = RobotFinder()
        for name, (rows, shape) in sources.items():
            reasons: Counter[str] = Counter()
            readable = False
            for row in rows():
                try:
                    record = _shaped(row, shape)
                except BadRecordError as error:
                    reasons[str(error)] += 1
                    continue
                readable = True
                key = _robot_key(record)
                finder.add_agent(key, record)
                if name == "queries" or kind_of(record["action_name"], {}) in GAINS:
                    finder.add(key, parse_seconds(record["timestamp"]))
            if reasons and not readable:
                found = ", ".join(f"{reason} ({count:,} rows)" for reason, count in reasons.most_common(3))
                raise LogFileError(
                    f"no row of the {name} can be read: {found}; expected one UBI record a line, see docs/click-log.md. "
                    "Nothing was imported"
                )
        return set() if self.keep_robots else finder.robots()


@dataclass
class _Source:
    """Turns the rows of a source into records, and counts every row."""

    name: str
    report: SourceReport
    shape: Shape
    robots: set[str]
    hashes: ShopperHashes
    query_ids: set[str] | Counter[str]
    _seen: set[bytes] = field(default_factory=set)

    def records(self, rows: Iterable[Row], aside: _Aside) -> Iterator[Record]:
        for row in rows:
            self.report.read += 1
            try:
                record = _shaped(row, self.shape)
            except BadRecordError as error:
                raw = row.text if row.record is None else hash_shoppers(row.record, self.hashes.of_id)
                aside.keep(row.number, str(error), raw)
                continue
            if _robot_key(record) in self.robots:
                self.report.robots += 1
            elif record.get("action_name") == IGNORE:
                self.report.ignored += 1
            elif self._is_new(record):
                self.report.written += 1
                self.query_ids.update([str(record["query_id"])])
                yield hash_shoppers(record, self.hashes.of_id)
            else:
                self.report.duplicates += 1

    def keep_refused(self, rows: Iterable[Row], refused: dict[str, str], aside: _Aside) -> None:
        """Keep the rows of records that the engine did not take, by document id; the rows are read once more."""
        self.report.written -= len(refused)
        for row in rows:
            with suppress(BadRecordError):
                record = hash_shoppers(_shaped(row, self.shape), self.hashes.of_id)
                reason = refused.pop(event_id(record), None)
                if reason:
                    aside.keep(row.number, _REFUSED, record, reason)

    def _is_new(self, record: Record) -> bool:
        text = orjson.dumps(record, option=orjson.OPT_SORT_KEYS, default=str)
        digest = hashlib.blake2b(text, digest_size=8).digest()
        if digest in self._seen:
            return False
        self._seen.add(digest)
        return True


class _Aside:
    """The file of bad rows: one JSON object a line with row, reason and what was found. Written once there is one."""

    def __init__(self, path: Path, report: SourceReport) -> None:
        self._path, self._report = path, report
        self._file: Any = None

    def __enter__(self) -> _Aside:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._file:
            self._file.close()

    def keep(self, number: int, reason: str, found: Any, detail: str = "") -> None:
        """Count a bad row and write it."""
        self._report.bad[reason] = self._report.bad.get(reason, 0) + 1
        if self._file is None:
            self._path = _unused(self._path)
            try:
                self._file = self._path.open("xb")
            except OSError as error:
                raise LogFileError(
                    f"the rows that cannot be imported cannot be kept in {self._path} ({error.strerror}); "
                    "name a folder with --rejected"
                ) from error
            self._report.kept_aside = str(self._path)
        line = {"row": number, "reason": f"{reason}: {detail}" if detail else reason, "found": found}
        self._file.write(orjson.dumps(line, default=str) + b"\n")


def _unused(path: Path) -> Path:
    """Return the path, with a number where an earlier import left a file, which may hold the only copy of its rows."""
    number = 1
    free = path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free


def _shaped(row: Row, shape: Shape) -> Record:
    if row.record is None:
        raise BadRecordError(row.problem or "the row is no record")
    return dict(shape(row.record, row.at))


def _robot_key(record: Record) -> str:
    shopper = raw_shopper(record)
    return shopper.id if shopper else f"search {record['query_id']}"
