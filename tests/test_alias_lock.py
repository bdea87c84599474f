"""The lock of an alias on the live node: one command at a time, and a killed one stops nobody for long."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from support.waiting import wait_until

from opensearch import alias_lock as module
from opensearch.alias_lock import LOCKS, AliasLock, alias_lock
from opensearch.index.versions import current, holders
from vitrine.cli import main
from vitrine.errors import AliasBusyError

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

pytestmark = pytest.mark.live


@pytest.fixture
def alias(engine: OpenSearch) -> Iterator[str]:
    name = f"t-lock-{uuid.uuid4().hex[:8]}"
    yield name
    engine.indices.delete(index=f"{name}*", ignore_unavailable=True)
    engine.delete(index=LOCKS, id=name, params={"ignore": 404})


def change(engine: OpenSearch, alias: str, **values: Any) -> None:
    engine.update(index=LOCKS, id=alias, body={"doc": values})


def test_a_second_command_stops_and_names_the_first(engine: OpenSearch, alias: str) -> None:
    with alias_lock(engine, alias, "vitrine index --rebuild"):
        with pytest.raises(AliasBusyError) as error, alias_lock(engine, alias, "vitrine delete"):
            pass
        message = str(error.value)
        assert message.startswith(f"nothing was done, because another run is changing {alias}: ")
        assert f"`vitrine index --rebuild`, process {os.getpid()} on " in message
        assert error.value.exit_code == 2
        with alias_lock(engine, f"{alias}-other", "vitrine index"):  # every alias has its own
            pass
    with alias_lock(engine, alias, "vitrine delete"):
        pass
    assert not engine.exists(index=LOCKS, id=alias)


def test_a_command_that_waits_goes_on_when_the_first_has_ended(engine: OpenSearch, alias: str) -> None:
    first = AliasLock(engine, alias, "vitrine index")
    first.acquire()
    started = time.monotonic()
    with pytest.raises(AliasBusyError), alias_lock(engine, alias, "vitrine delete", wait_s=0.3):
        pass
    assert time.monotonic() - started >= 0.3
    first.release()
    with alias_lock(engine, alias, "vitrine delete", wait_s=30):
        pass


def test_the_lock_of_a_killed_process_is_taken_over_at_once(engine: OpenSearch, alias: str) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    first = AliasLock(engine, alias, "vitrine index")
    first.acquire()
    change(engine, alias, pid=ended.pid, machine="another machine", owner="killed")
    with pytest.raises(AliasBusyError), alias_lock(engine, alias, "vitrine index"):
        pass  # whether a process of another machine runs is not known
    change(engine, alias, expires=round(time.time() * 1000) - 60_000)
    with alias_lock(engine, alias, "vitrine index"):
        change(engine, alias, pid=ended.pid, owner="killed")
        with alias_lock(engine, alias, "vitrine index"):
            pass
    first.release()


def test_a_command_that_lost_its_lock_stops_and_leaves_the_lock(
    engine: OpenSearch, alias: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EXTEND_S", 0.05)
    with alias_lock(engine, alias, "vitrine index") as lock:
        before = engine.get(index=LOCKS, id=alias)["_source"]["expires"]
        wait_until(lambda: engine.get(index=LOCKS, id=alias)["_source"]["expires"] > before)
        assert lock.problem() is None
        change(engine, alias, owner="another")
        wait_until(lambda: lock.problem() is not None)
        assert "did not extend its lock" in str(lock.problem())
        with pytest.raises(AliasBusyError, match="did not extend its lock"):
            list(lock.guard([1]))
    assert engine.get(index=LOCKS, id=alias)["_source"]["owner"] == "another"


def test_every_command_that_changes_an_alias_respects_its_lock(
    engine: OpenSearch, engine_url: str, alias: str, tmp_path: Path
) -> None:
    path, rules = tmp_path / "c.csv", tmp_path / "synonyms.txt"
    path.write_text("id,title\n1,red shoe\n2,blue shoe\n")
    rules.write_text("shoe, boot\n")
    shared = ["--index", alias, "--url", engine_url]
    index = ["index", str(path), *shared, "--text-encoder", "none"]

    def run(*arguments: str, code: int) -> str:
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == code, result.output
        return str(result.output)

    run(*index, code=0)
    live = current(engine, alias)
    with alias_lock(engine, alias, "vitrine index"):
        for arguments in (
            index,
            [*index, "--rebuild"],
            ["index", *shared, "--rollback"],
            ["index", *shared, "--synonyms", str(rules)],
            ["delete", "1", *shared],
        ):
            assert "another run is changing" in run(*arguments, code=2)
    assert current(engine, alias) == live
    assert engine.count(index=alias)["count"] == 2

    engine.indices.create(index=f"{alias}-v20200101000000000", body={"aliases": {alias: {}}})
    assert "names 2 indices" in run("doctor", *shared, "--json", code=1)
    assert "it names" in run("delete", "1", *shared, code=0)
    assert holders(engine, alias) == [live]


def test_two_first_runs_at_once_make_one_index(
    engine_url: str, engine: OpenSearch, alias: str, tmp_path: Path
) -> None:
    path = tmp_path / "c.csv"
    path.write_text("id,title\n" + "".join(f"{n},shoe number {n}\n" for n in range(200)))
    command = [sys.executable, "-m", "vitrine", "index", str(path), "--index", alias, "--url", engine_url]
    options = ["--text-encoder", "none", "--no-learn-weights", "--wait", "120", "--json"]
    runs = [
        subprocess.Popen(
            [*command, *options, "--rejected", str(tmp_path / f"{n}.jsonl")],
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(2)
    ]
    reports = [json.loads(run.communicate(timeout=180)[0]) for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert len(holders(engine, alias)) == 1
    assert engine.count(index=alias)["count"] == 200
    assert sorted((report["indexed"], report["unchanged"]) for report in reports) == [(0, 200), (200, 0)]
