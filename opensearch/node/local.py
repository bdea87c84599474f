"""A real OpenSearch on this machine without Docker: one node, or several on loopback."""

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

from vitrine.errors import NodeError

from .distribution import CACHE, Arrived, default_cache, distribution, make_open
from .java import Java, can_enter, class_path, find_java, open_to
from .launch import LOOPBACK, check_before, command, free_ports, settings_of
from .node_state import GRACE_S, LOCK, Record, ask, last_words, write_record
from .pinned import VERSION

NOBODY = 65534  # runs the node when we are root, which OpenSearch refuses to be
FOLDERS = ("config", "data", "logs", "tmp")  # what the node writes to
_ALONE = "wait_for_status=yellow&wait_for_no_initializing_shards=true"  # green never comes with replicas


def default_root() -> Path:
    """Give the directory of `vitrine node up`: the user's data directory or, for root, the system's."""
    if os.geteuid() == 0:
        return Path("/var/lib/vitrine/node")
    import platformdirs

    return platformdirs.user_data_path("vitrine") / "node"


@dataclass
class LocalNode:
    """One OpenSearch process and its directory; as a context manager it lives as long as the block.

    Without `keep` it also dies with the thread that started it: start it from the main thread.
    """

    root: Path
    http: int = 9200
    transport: int = 9300
    heap: str = "1g"
    name: str = "n1"
    settings: Mapping[str, Any] = field(default_factory=dict)  # of opensearch.yml, over our own; None removes
    java_options: tuple[str, ...] = ()  # besides our own
    cache: Path = field(default_factory=default_cache)
    health: str = _ALONE  # what `_cluster/health` is asked to wait for
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
        return f"http://{LOOPBACK}:{self.http}"

    def up(self, arrived: Arrived | None = None) -> Self:
        """Start the node and wait until it is ready; `arrived` hears of the bytes that are fetched first.

        Raises NodeError with the next step; nothing is left running then.
        """
        try:
            self.start(arrived)
            self.wait()
        except BaseException:
            self.stop()
            raise
        return self

    def start(self, arrived: Arrived | None = None) -> None:
        """Check what can be checked, fetch what is missing, and start the process without waiting for it."""
        self.check_directory()
        check_before({"--port": self.http, "--transport-port": self.transport}, self.heap)
        java = find_java()
        home = distribution(self.cache, arrived)
        user = _user()
        if user is not None:
            java = open_to(java, user, self.cache)
        self._lay_out(home)
        paths = class_path(home, java, self.root)
        if user is not None:
            self._hand_over(user)
            for path in (home, java.home):
                _refuse_closed(path, user, CACHE)
        arguments = command(home, java, self.root, self.heap, paths)
        self._launch([arguments[0], *self.java_options, *arguments[1:]], user)
        self._note(java)

    def wait(self) -> None:
        """Return when this very process answers and its cluster has the wanted health.

        Raises NodeError with the engine's own reason when the process ends, or when `patience_s` is over.
        """
        until = time.monotonic() + self.patience_s
        while time.monotonic() < until:
            if self.process is None or self.process.poll() is not None:
                code = self.process.returncode if self.process else None
                raise NodeError(f"the node ended while starting (exit {code}): {last_words(self.root)}")
            try:
                if self._is_ready():
                    self.took_s = time.monotonic() - self._began
                    return
            except (OSError, ValueError, KeyError, StopIteration):
                pass  # not listening yet, or not yet a whole answer
            time.sleep(0.1)
        raise NodeError(
            f"the node was not ready after {self.patience_s:.0f} s: {last_words(self.root)}; "
            "is the machine very busy? Then run the command again"
        )

    def stop(self, grace_s: float = GRACE_S) -> None:
        """End the process in good order; after `grace_s` seconds without mercy."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the process as a power cut would (SIGKILL)."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def _is_ready(self) -> bool:
        answer = ask(self.url, "/_nodes/_local/process?filter_path=nodes.*.process.id")
        found = next(iter(answer["nodes"].values()))["process"]["id"]
        if self.process is not None and found != self.process.pid:
            raise NodeError(
                f"another OpenSearch (process {found}) answers on port {self.http}: "
                "choose another with --port"
            )
        health = ask(self.url, f"/_cluster/health?{self.health}&timeout=20s", timeout_s=25)
        return bool(health["timed_out"] is False)

    def check_directory(self) -> None:
        """Refuse directories that are somebody else's, closed to the node's user, or on a full disk."""
        holds = {path.name for path in self.root.iterdir()} if self.root.exists() else set()
        if holds - {LOCK} and not (self.root / "config" / "opensearch.yml").exists():
            raise NodeError(
                f"{self.root} holds other things ({', '.join(sorted(holds - {LOCK})[:3])}): "
                "name an empty or new directory with --dir"
            )
        standing = _standing(self.root)
        user = _user()
        if user is not None:
            _refuse_closed(standing, user, "--dir")
            _refuse_closed(_standing(self.cache), user, CACHE)
        elif not os.access(standing, os.W_OK | os.X_OK):
            raise NodeError(f"{standing} cannot be written by this user: name another directory with --dir")
        if shutil.disk_usage(standing).free < 1 << 30:
            raise NodeError(f"less than 1 GiB is free under {standing}: make room, or name another --dir")

    def _lay_out(self, home: Path) -> None:
        values = settings_of(self.root, self.name, self.http, self.transport) | dict(self.settings)
        lines = [f"{key}: {json.dumps(value)}\n" for key, value in values.items() if value is not None]
        for folder in FOLDERS:
            make_open(self.root / folder)
        _write_new(self.root / "config" / "opensearch.yml", "".join(lines))
        logging = (home / "config" / "log4j2.properties").read_text()
        _write_new(self.root / "config" / "log4j2.properties", logging)

    def _hand_over(self, user: int) -> None:
        """Give what the node writes to the user that runs it; the directory itself stays ours."""
        for folder in FOLDERS:
            for place, _, files in os.walk(self.root / folder):
                for path in (Path(place), *(Path(place, name) for name in files)):
                    if path.lstat().st_uid != user:
                        os.chown(path, user, user, follow_symlinks=False)

    def _launch(self, arguments: list[str], user: int | None) -> None:
        identity: dict[str, Any] = {} if user is None else {"user": user, "group": user, "extra_groups": []}
        if not self.keep:
            libc = ctypes.CDLL(None)  # loaded before the fork: the child may only make the call
            identity["preexec_fn"] = lambda: libc.prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
        environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(self.root)}
        self._began = time.monotonic()
        with (self.root / "console.log").open("wb") as out, warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 dislikes any fork beside threads
            self.process = subprocess.Popen(
                arguments,
                cwd=self.root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,  # a terminal's Ctrl-C is not for the node
                **identity,
            )

    def _note(self, java: Java) -> None:
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
    """Run `n` nodes on free loopback ports as one cluster, green and complete, as long as the block.

    They are started together and waited for together: the first alone never elects a manager.
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
    """Give the user that must run the node, None for ourselves."""
    return NOBODY if os.geteuid() == 0 else None


def _standing(path: Path) -> Path:
    return next(part for part in (path, *path.parents) if part.exists())


def _refuse_closed(path: Path, user: int, option: str) -> None:
    if not can_enter(path, user):
        raise NodeError(
            f"{path} cannot be entered by the user 'nobody', which must run the node: "
            f"name a directory that is open to everybody (for example under /var/tmp) with {option}"
        )


def _write_new(path: Path, text: str) -> None:
    """Write a file in a folder that the node's user owns, following no link that may lie in its place."""
    path.unlink(missing_ok=True)
    with path.open("x") as file:
        file.write(text)
    path.chmod(0o644)
