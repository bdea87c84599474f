"""OpenSearch processes on this machine without Docker: one node, or a cluster of several on loopback."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from vitrine.errors import NodeError
from vitrine.settings import ENGINE_PORT, NODE_TRANSPORT_PORT, VITRINE_CACHE, cache_directory

from .distribution import distribution
from .end_reason import end_reason
from .fetch import ProgressCallback
from .files import make_open
from .java import Java, can_enter, class_path, find_java, open_to
from .launch import LOOPBACK, check_before, command, free_ports, node_settings
from .node_state import GRACE_S, LOCK, Record, get_json, write_record
from .pinned import VERSION

NOBODY = 65534  # user of a node that root starts, because OpenSearch refuses to run as root
FOLDERS = ("config", "data", "logs", "tmp")  # the node writes to these
# one node with replicas never becomes green
_SINGLE_NODE_HEALTH = "wait_for_status=yellow&wait_for_no_initializing_shards=true"


@dataclass
class LocalNode:
    """One OpenSearch process and its directory; as a context manager it runs for the block.

    Without `keep` it also ends with the thread that started it, so start it from the main thread.
    """

    root: Path
    http: int = ENGINE_PORT
    transport: int = NODE_TRANSPORT_PORT
    heap: str = "1g"
    name: str = "n1"
    # of opensearch.yml, over the defaults; None removes a default
    settings: Mapping[str, Any] = field(default_factory=dict)
    java_options: tuple[str, ...] = ()  # in addition to the defaults
    cache: Path = field(default_factory=cache_directory)
    health: str = _SINGLE_NODE_HEALTH  # parameters of `_cluster/health` that define readiness
    patience_s: float = 180.0
    keep: bool = False
    process: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)
    took_s: float = field(default=0.0, init=False)
    _began: float = field(default=0.0, init=False, repr=False)

    def __post_init__(self) -> None:
        self.root = Path(self.root).absolute()
        self.heap = self.heap.lower()

    def __enter__(self) -> Self:
        return self.up()

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The URL of the node's HTTP port."""
        return f"http://{LOOPBACK}:{self.http}"

    def up(self, on_progress: ProgressCallback | None = None) -> Self:
        """Start the node and wait until it is ready; `on_progress` receives the byte counts of a download.

        Raises NodeError with the next step; no process is running then.
        """
        try:
            self.start(on_progress)
            self.wait()
        except BaseException:
            self.stop()
            raise
        return self

    def start(self, on_progress: ProgressCallback | None = None) -> None:
        """Check the conditions, download missing files, and start the process without waiting for it."""
        self.check_directory()
        check_before({"--port": self.http, "--transport-port": self.transport}, self.heap)
        java = find_java()
        home = distribution(self.cache, on_progress)
        user = _user()
        if user is not None:
            java = open_to(java, user, self.cache)
        self._write_config(home)
        paths = class_path(home, java, self.root)
        if user is not None:
            self._change_owner(user)
            for path in (home, java.home):
                _refuse_closed(path, user, VITRINE_CACHE.name)
        arguments = command(home, java, self.root, self.heap, paths)
        self._launch([arguments[0], *self.java_options, *arguments[1:]], user)
        self._write_record(java)

    def wait(self) -> None:
        """Return when this process answers and its cluster has the required health.

        Raises NodeError with the engine's own reason when the process ends, or after `patience_s`.
        """
        retrying = Retrying(
            stop=stop_after_delay(self.patience_s),
            wait=wait_fixed(0.1),
            retry=retry_if_result(lambda ready: not ready),
            retry_error_callback=lambda _: False,
        )
        if not retrying(self._is_ready):
            raise NodeError(
                f"the node was not ready after {self.patience_s:.0f} s: {self._end_reason(ended=False)}; "
                "if the machine is very busy, run the command again"
            )
        self.took_s = time.monotonic() - self._began

    def stop(self, grace_s: float = GRACE_S) -> None:
        """Stop the process with SIGTERM, and after `grace_s` seconds with SIGKILL."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Stop the process at once (SIGKILL), as a power failure would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def _is_ready(self) -> bool:
        if self.process is None or self.process.poll() is not None:
            code = self.process.returncode if self.process else None
            raise NodeError(f"the node ended while starting (exit {code}): {self._end_reason()}")
        try:
            nodes = get_json(self.url, "/_nodes/_local/process?filter_path=nodes.*.process.id")["nodes"]
            pid = next(iter(nodes.values()))["process"]["id"]
            if pid != self.process.pid:
                raise NodeError(
                    f"another OpenSearch (process {pid}) answers on port {self.http}: "
                    "choose another with --port"
                )
            health = get_json(self.url, f"/_cluster/health?{self.health}&timeout=20s", timeout_s=25)
            return bool(health["timed_out"] is False)
        except (OSError, ValueError, KeyError, StopIteration):
            return False  # not listening yet, or an incomplete response

    def _end_reason(self, *, ended: bool = True) -> str:
        return end_reason(self.root, self.process.pid if self.process else None, ended=ended)

    def check_directory(self) -> None:
        """Raise NodeError for a directory with other files, closed to the node's user, or on a full disk."""
        names = {path.name for path in self.root.iterdir()} if self.root.exists() else set()
        if names - {LOCK} and not (self.root / "config" / "opensearch.yml").exists():
            raise NodeError(
                f"{self.root} contains other files ({', '.join(sorted(names - {LOCK})[:3])}): "
                "name an empty or new directory with --dir"
            )
        parent = _nearest_existing(self.root)
        user = _user()
        if user is not None:
            _refuse_closed(parent, user, "--dir")
            _refuse_closed(_nearest_existing(self.cache), user, VITRINE_CACHE.name)
        elif not os.access(parent, os.W_OK | os.X_OK):
            raise NodeError(f"this user cannot write to {parent}: name another directory with --dir")
        if shutil.disk_usage(parent).free < 1 << 30:
            raise NodeError(f"less than 1 GiB is free under {parent}: free space, or name another --dir")

    def _write_config(self, home: Path) -> None:
        values = node_settings(self.root, self.name, self.http, self.transport) | dict(self.settings)
        lines = [f"{key}: {json.dumps(value)}\n" for key, value in values.items() if value is not None]
        for folder in FOLDERS:
            make_open(self.root / folder)
        _write_new(self.root / "config" / "opensearch.yml", "".join(lines))
        logging = (home / "config" / "log4j2.properties").read_text()
        _write_new(self.root / "config" / "log4j2.properties", logging)

    def _change_owner(self, user: int) -> None:
        """Make the user that runs the node the owner of the folders it writes to; the root keeps its owner."""
        for folder in FOLDERS:
            for directory, _, files in os.walk(self.root / folder):
                for path in (Path(directory), *(Path(directory, name) for name in files)):
                    if path.lstat().st_uid != user:
                        os.chown(path, user, user, follow_symlinks=False)

    def _launch(self, arguments: list[str], user: int | None) -> None:
        identity: dict[str, Any] = {} if user is None else {"user": user, "group": user, "extra_groups": []}
        if not self.keep:
            libc = ctypes.CDLL(None)  # loaded before the fork: the child may only call it
            identity["preexec_fn"] = lambda: libc.prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
        environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(self.root)}
        self._began = time.monotonic()
        with (self.root / "console.log").open("wb") as out, warnings.catch_warnings():
            # Python 3.12 warns of a fork in a process with threads
            warnings.simplefilter("ignore", DeprecationWarning)
            self.process = subprocess.Popen(
                arguments,
                cwd=self.root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,  # Ctrl-C in a terminal does not stop the node
                **identity,
            )

    def _write_record(self, java: Java) -> None:
        record = Record(
            pid=self.process.pid if self.process else 0,
            http=self.http,
            transport=self.transport,
            version=VERSION,
            heap=self.heap,
            java_home=str(java.home),
            java=java.version,
            vector=java.vector,
        )
        write_record(self.root, record)


@contextmanager
def cluster(
    root: Path,
    n: int = 3,
    *,
    heap: str = "512m",
    settings: Mapping[str, Any] | None = None,
    java_options: tuple[str, ...] = (),
) -> Iterator[list[LocalNode]]:
    """Run `n` nodes on free loopback ports as one green cluster for the block.

    All nodes start before the first wait, because the first node alone elects no cluster manager.
    """
    ports = free_ports(2 * n)
    names = [f"n{number + 1}" for number in range(n)]
    common = {
        "discovery.type": None,
        "discovery.seed_hosts": [f"{LOOPBACK}:{port}" for port in ports[n:]],
        "cluster.initial_cluster_manager_nodes": names,
        **(settings or {}),
    }
    health = f"wait_for_status=green&wait_for_nodes={n}"
    with ExitStack() as running:
        nodes = []
        for name, http, transport in zip(names, ports[:n], ports[n:], strict=True):
            node = LocalNode(root / name, http, transport, heap, name, common, java_options, health=health)
            running.callback(node.stop)
            node.start()
            nodes.append(node)
        for node in nodes:
            node.wait()
        yield nodes


def _user() -> int | None:
    """Return the user that must run the node, None for the current one."""
    return NOBODY if os.geteuid() == 0 else None


def _nearest_existing(path: Path) -> Path:
    return next(part for part in (path, *path.parents) if part.exists())


def _refuse_closed(path: Path, user: int, option: str) -> None:
    if not can_enter(path, user):
        raise NodeError(
            f"{path} cannot be entered by the user 'nobody', which must run the node: "
            f"name a directory that is open to all users (for example under /var/tmp) with {option}"
        )


def _write_new(path: Path, text: str) -> None:
    """Write a file in a folder that the node's user owns, without following a link in its place."""
    path.unlink(missing_ok=True)
    with path.open("x") as file:
        file.write(text)
    path.chmod(0o644)
