"""`vitrine log` on the live node: what is imported is what training reads, and nothing is lost on the way."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result
from support import training_log

from opensearch.index.bulk import Action, write
from opensearch.index.versions import create_version, publish
from opensearch.logs.slates import SLATES, write_slates
from opensearch.logs.ubi import EVENTS, QUERIES, read_events, read_queries
from rerank.evaluation.trec import read_qrels
from rerank.shoppers import shopper_hash
from vitrine.cli import main

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

pytestmark = pytest.mark.live

START = training_log.START
Log = tuple[list[dict[str, Any]], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def index(engine: OpenSearch) -> Iterator[str]:
    alias = f"li-{uuid4().hex[:8]}"
    name = create_version(engine, alias, training_log.SCHEMA)
    actions = (Action("index", d["id"], {**d, "language": "en"}) for d in training_log.documents())
    assert not [outcome for outcome in write(engine, name, actions) if outcome.reason]
    publish(engine, alias, name)
    yield alias
    engine.indices.delete(index=name)


@pytest.fixture
def alias(index: str, engine: OpenSearch) -> Iterator[str]:
    """The alias of an index, whose log is empty before and after the test."""
    yield index
    for name, field in ((QUERIES, "application"), (EVENTS, "application"), (SLATES, "alias")):
        engine.delete_by_query(
            index=name,
            body={"query": {"term": {field: index}}},
            params={"ignore_unavailable": "true", "refresh": "true", "conflicts": "proceed"},
        )


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITRINE_SHOPPER_KEY", "secret")


def drawn(searches: int = 40, first: int = 0) -> Log:
    """A log in the shape of UBI 1.3: every search shows ten products and its second one is clicked."""
    queries, events = [], []
    for n in range(first, first + searches):
        shown = [f"p{(n + k) % training_log.PRODUCTS}" for k in range(10)]
        at, shopper = START + 600.0 * n, f"shopper {n % 5}"
        queries.append(
            {
                "query_id": f"q{n}",
                "user_query": f"kind {n % 4}",
                "client_id": shopper,
                "timestamp": int(at * 1000),
                "query_response_hit_ids": shown,
            }
        )
        events.append(
            {
                "action_name": "click",
                "query_id": f"q{n}",
                "client_id": shopper,
                "timestamp": int(at * 1000) + 5000,
                "event_attributes": {"object": {"object_id": shown[1]}, "position": {"ordinal": 2}},
            }
        )
    return queries, events


def as_lines(records: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def files(folder: Path, log: Log) -> tuple[str, str]:
    paths = folder / "queries.jsonl", folder / "events.jsonl"
    for path, records in zip(paths, log, strict=True):
        path.write_bytes(as_lines(records))
    return str(paths[0]), str(paths[1])


@pytest.fixture
def run(engine_url: str, tmp_path: Path) -> Any:
    def command(*words: str) -> Result:
        url = () if words[1] == "from-workbench" else ("--url", engine_url)
        return CliRunner().invoke(main, [*words, *url])

    return command


def report(result: Result, status: int = 0) -> dict[str, Any]:
    assert result.exit_code == status, result.output
    values: dict[str, Any] = json.loads(result.stdout)
    return values


def test_three_shapes_of_a_log_are_read_as_one(
    run: Any, alias: str, engine: OpenSearch, tmp_path: Path
) -> None:
    """UBI 1.3 as lines, an older shape as gzip, and an array with names of its own: 20 searches each."""
    imports: list[tuple[tuple[str, str], tuple[str, ...]]] = [(files(tmp_path, drawn(20)), ())]
    queries, events = drawn(20, 20)
    old_queries = [
        {**q, "query_response_objects_ids": q["query_response_hit_ids"], "query_response_hit_ids": None}
        for q in queries
    ]
    old_events = [
        {
            **e,
            "timestamp": e["timestamp"] // 1000,
            "position": 2,
            "event_attributes": {"object": f"p{(20 + n + 1) % 80}"},
        }
        for n, e in enumerate(events)
    ]
    for name, records in (("q.gz", old_queries), ("e.gz", old_events)):
        (tmp_path / name).write_bytes(gzip.compress(as_lines(records)))
    imports.append(((str(tmp_path / "q.gz"), str(tmp_path / "e.gz")), ()))
    queries, events = drawn(20, 40)
    own = [{**e, "action_name": "tapTile" if n % 2 else "bag"} for n, e in enumerate(events)]
    (tmp_path / "q.json").write_text(json.dumps(queries))
    (tmp_path / "e.json").write_text(json.dumps(own))
    imports.append(
        ((str(tmp_path / "q.json"), str(tmp_path / "e.json")), ("--actions", "tapTile=click,bag=cart"))
    )
    slate = {"query_id": "q0", "alias": alias, "at": "2026-02-02T02:40:00Z", "query": "kind 0"}
    write_slates(engine, [{**slate, "engine": ["p0", "p1"], "shown": ["p1", "p0"], "arm": "reranked"}])
    for number, (places, options) in enumerate(imports):
        found = report(run("log", "import", *places, "--index", alias, *options, "--json"))
        assert (found["queries"]["written"], found["events"]["written"]) == (20, 20)
        assert (found["searches"], found["in_slate_log"], found["of_no_search"]) == (20, int(number == 0), 0)
    shown = report(run("log", "show", "--index", alias, "--json"))
    assert (shown["searches"], shown["searches in the slate log"], shown["shoppers"]) == (60, 1, 5)
    assert shown["actions"] == {"click": 50, "cart": 10}
    assert [note for note in shown["notes"] if "name other applications" not in note["what"]] == []
    stored = [record.source for record in (*read_queries(engine, alias), *read_events(engine, alias))]
    assert "shopper 1" not in json.dumps(stored)
    assert {s["client_id"] for s in stored} == {shopper_hash(f"shopper {n}") for n in range(5)}


def test_the_same_rows_change_nothing_and_pages_of_a_search_stay_apart(
    run: Any, alias: str, engine: OpenSearch, tmp_path: Path
) -> None:
    queries, events = drawn(3)
    page_two = {**queries[0], "query_response_hit_ids": ["p50", "p51"]}
    reused = {**queries[1], "user_query": "other words", "query_response_hit_ids": ["p70"]}
    places = files(tmp_path, ([*queries, page_two, reused], [*events, events[0]]))
    found = report(run("log", "import", *places, "--index", alias, "--json"))
    assert (found["events"]["written"], found["events"]["duplicates"]) == (3, 1)
    report(run("log", "import", *places, "--index", alias, "--json"))
    assert len(list(read_queries(engine, alias))) == 5
    assert len(list(read_events(engine, alias))) == 3
    shown = report(run("log", "show", "--index", alias, "--json"))
    assert shown["searches"] == 3
    assert [note["count"] for note in shown["notes"] if "repeat the `query_id`" in note["what"]] == [1]


def test_bad_rows_are_counted_kept_and_imported_once_they_are_repaired(
    run: Any, alias: str, tmp_path: Path
) -> None:
    queries, events = drawn(4)
    places = files(tmp_path, (queries, events))
    bad = [{**events[0], "timestamp": "soon"}, {**events[1], "query_id": ""}]
    too_long = {
        **events[2],
        "event_attributes": {"object": {"object_id": {"id": 5}}},
    }  # refused by the mapping
    Path(places[1]).write_bytes(as_lines([*events, *bad, too_long]) + b'{"query_id"\n')
    arguments = ("log", "import", *places, "--index", alias, "--rejected", str(tmp_path))
    result = run(*arguments)
    assert result.exit_code == 1
    assert "8 rows, 4 written, 4 not imported" in result.stdout
    kept = [
        json.loads(line) for line in (tmp_path / f"{alias}-events.rejected.jsonl").read_text().splitlines()
    ]
    assert [(k["row"], k["reason"].split(":")[0]) for k in kept] == [
        (5, "the time is in no known format"),
        (6, "the record has no `query_id`"),
        (8, "the line is no JSON"),
        (7, "the engine refused the record"),
    ]
    assert kept[2]["found"] == '{"query_id"'
    assert kept[0]["found"]["client_id"] == shopper_hash("shopper 0")  # also here no raw id
    repaired = {**kept[0]["found"], "timestamp": START + 99}
    Path(places[1]).write_bytes(as_lines([repaired]))
    assert report(run(*arguments, "--json"))["events"]["written"] == 1
    Path(places[1]).write_bytes(as_lines([repaired, *bad]))
    again = report(run(*arguments, "--json"), 1)["events"]
    assert again["kept_aside"] == str(tmp_path / f"{alias}-events.rejected-2.jsonl")  # the first file stays
    assert report(run("log", "show", "--index", alias, "--json"))["shoppers"] == 4


def test_robots_are_left_out_at_import_and_where_the_log_is_read(
    run: Any, alias: str, engine: OpenSearch, tmp_path: Path
) -> None:
    queries, events = drawn(4)
    seen = [{**events[1], "action_name": "impression", "timestamp": START + 0.01 * n} for n in range(300)]
    report(run("log", "import", *files(tmp_path, (queries, seen)), "--index", alias, "--json"))
    machine = [{**events[0], "client_id": "machine", "timestamp": START + 0.01 * n} for n in range(3_000)]
    places = files(tmp_path, (queries, [*events, *machine]))
    arguments = ("log", "import", *places, "--index", alias, "--json")
    found = report(run(*arguments))
    assert (found["robots"], found["events"]["robots"], found["events"]["written"]) == (1, 3_000, 4)
    found = report(run(*arguments, "--keep-robots"))
    assert (found["robots"], found["events"]["written"]) == (0, 3_004)
    shown = report(run("log", "show", "--index", alias, "--json"))
    assert shown["events"] == 4
    assert [note["count"] for note in shown["notes"] if "robots" in note["what"]] == [3_000]
    assert report(run("log", "show", "--index", alias, "--json", "--keep-robots"))["events"] == 3_004


def test_a_gzip_file_that_ends_early_is_imported_up_to_its_end(run: Any, alias: str, tmp_path: Path) -> None:
    queries, events = drawn(500)
    places = files(tmp_path, (queries, events))
    whole = gzip.compress(as_lines(events))
    Path(places[1]).write_bytes(whole[: len(whole) // 2])
    found = report(run("log", "import", *places, "--index", alias, "--rejected", str(tmp_path), "--json"), 1)
    assert found["events"]["bad"] == {"the file ends early: what follows is lost": 1}
    assert 50 < found["events"]["written"] < 500


def test_what_is_no_log_is_refused_and_nothing_is_written(
    run: Any, alias: str, engine: OpenSearch, tmp_path: Path
) -> None:
    queries, _ = files(tmp_path, drawn(2))
    table = tmp_path / "events.csv"
    table.write_text("query_id,action\nq1,click\n")
    swapped = tmp_path / "other.jsonl"
    swapped.write_text('{"id": 1}\n{"id": 2}\n')
    for place, message in ((table, "holds no JSON"), (swapped, "no row of the events can be read")):
        result = run("log", "import", queries, str(place), "--index", alias)
        assert result.exit_code == 2
        assert message in result.stderr
    assert list(read_queries(engine, alias)) == []
    result = run("log", "import", queries, queries, "--index", "no-such-alias")
    assert "no-such-alias" in result.stderr
    assert result.exit_code != 0
    assert run("log", "import", QUERIES, EVENTS, "--indices", "--index", alias).exit_code == 2
    missing = run("log", "import", "no-such-index", "no-such-index", "--indices", "--index", alias)
    assert (missing.exit_code, "there is no index 'no-such-index'" in missing.stderr) == (2, True)


def test_an_empty_log_is_imported_and_shown(run: Any, alias: str, tmp_path: Path) -> None:
    places = files(tmp_path, ([], []))
    assert report(run("log", "import", *places, "--index", alias, "--json"))["searches"] == 0
    assert report(run("log", "show", "--index", alias, "--json"))["searches"] == 0


def test_indices_of_another_program_are_imported(
    run: Any, alias: str, engine: OpenSearch, tmp_path: Path
) -> None:
    queries, events = drawn(6)
    names = [f"{alias}-other-queries", f"{alias}-other-events"]
    try:
        for name, records in zip(names, (queries, events), strict=True):
            for number, record in enumerate(records):
                application = "mine" if number < 4 else "theirs"
                engine.index(index=name, body={**record, "application": application})
        arguments = ("log", "import", *names, "--indices", "--index", alias, "--json")
        assert report(run(*arguments, "--application", "mine"))["events"]["written"] == 4
        assert report(run(*arguments))["events"]["written"] == 6
        assert report(run("log", "show", "--index", alias, "--json"))["actions"] == {"click": 6}
    finally:
        engine.indices.delete(index=",".join(names))


def test_query_sets_and_judgments_go_out_and_come_in(run: Any, alias: str, tmp_path: Path) -> None:
    run("log", "import", *files(tmp_path, drawn(80)), "--index", alias)
    out, queries, qrels = tmp_path / "set.json", tmp_path / "queries.jsonl", tmp_path / "qrels"
    assert run("log", "query-set", str(out), "--index", alias, "--size", "3").exit_code == 0
    body = json.loads(out.read_text())
    assert body["sampling"] == "manual"
    assert len(body["querySetQueries"]) == 3
    assert run("log", "from-workbench", str(out), "--queries", str(queries)).exit_code == 0
    assert [json.loads(line)["query"] for line in queries.read_text().splitlines()] == [
        query["queryText"] for query in body["querySetQueries"]
    ]
    assert (
        run("log", "from-workbench", str(out), "--queries", str(queries), "--qrels", str(qrels)).exit_code
        == 2
    )
    result = run("log", "judgments", str(out), "--index", alias)
    assert result.exit_code == 0, result.output
    body = json.loads(out.read_text())
    assert body["type"] == "IMPORT_JUDGMENT"
    first = body["judgmentRatings"][0]
    clicked = {f"p{(n + 1) % 80}" for n in range(80) if f"kind {n % 4}" == first["query"]}
    assert {rating["docId"] for rating in first["ratings"][: len(clicked)]} == clicked
    answer = {"hits": {"hits": [{"_source": {**body, "status": "COMPLETED"}}]}}
    out.write_text(json.dumps(answer))
    assert (
        run("log", "from-workbench", str(out), "--queries", str(queries), "--qrels", str(qrels)).exit_code
        == 0
    )
    graded = read_qrels(qrels)
    assert set(graded) == {"q1", "q2", "q3", "q4"}
    assert {graded["q1"][product] for product in clicked} == {3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "no query set and no judgment list"),
        ("query,product", "is no JSON"),
        (
            '{"judgmentRatings": [{"query": "q", "ratings": [{"docId": "p", "rating": "good"}]}]}',
            "expected a number",
        ),
    ],
)
def test_what_is_no_judgment_list_is_refused(run: Any, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "list.json"
    path.write_text(text)
    result = run("log", "from-workbench", str(path), "--queries", str(tmp_path / "q"))
    assert result.exit_code == 2
    assert message in result.stderr


def test_whole_ratings_are_grades(run: Any, tmp_path: Path) -> None:
    ratings = [{"docId": "p1", "rating": "3.000"}, {"docId": "p2", "rating": 0}]
    path, queries, qrels = tmp_path / "list.json", tmp_path / "q", tmp_path / "qrels"
    path.write_text(json.dumps({"judgmentRatings": [{"query": "red dress", "ratings": ratings}]}))
    assert (
        run("log", "from-workbench", str(path), "--queries", str(queries), "--qrels", str(qrels)).exit_code
        == 0
    )
    assert read_qrels(qrels) == {"q1": {"p1": 3, "p2": 0}}
