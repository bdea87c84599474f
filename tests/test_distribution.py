"""The assembled OpenSearch: verified, complete or absent, readable by every user."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support.jdk import compiler

from opensearch.node import distribution as module
from opensearch.node.distribution import (
    distribution,
    install_plugin,
    missing_bytes,
    unpack,
)
from opensearch.node.fetch import ProgressCallback, fetch
from opensearch.node.pinned import ALL, Artifact
from vitrine.errors import NodeError
from vitrine.settings import VITRINE_MAVEN_MIRROR, cache_directory

CONTENT = b"x" * 100_000


def pinned(content: bytes, name: str = "thing", packaging: str = "zip") -> Artifact:
    return Artifact("org.example", name, "1.0", len(content), hashlib.sha256(content).hexdigest(), packaging)


def zipped(path: Path, members: dict[str, str], executable: tuple[str, ...] = ()) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o100755 if name in executable else 0o100660) << 16
            archive.writestr(entry, text)
    return path


class Source:
    """Returns the next of its contents at each call and counts the calls."""

    def __init__(self, *contents: bytes | Exception) -> None:
        self.contents, self.calls = list(contents), 0

    def __call__(self, artifact: Artifact, staging: Path, on_progress: ProgressCallback) -> Path:
        content = self.contents[min(self.calls, len(self.contents) - 1)]
        self.calls += 1
        if isinstance(content, Exception):
            raise content
        (staging / "file").write_bytes(content)
        on_progress(len(content))
        return staging / "file"


class Repository(SimpleHTTPRequestHandler):
    """A Maven repository over a folder; `pace_s` is slept before each 8 KiB."""

    pace_s, pause = 0.0, threading.Event()

    def copyfile(self, source, outputfile) -> None:  # type: ignore[no-untyped-def]
        with contextlib.suppress(BrokenPipeError):  # the client was killed
            while chunk := source.read(8192):
                outputfile.write(chunk)
                self.pause.wait(self.pace_s)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that is served as the Maven mirror."""
    folder = tmp_path / "repository"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Repository, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        monkeypatch.setenv(VITRINE_MAVEN_MIRROR.name, f"http://127.0.0.1:{server.server_port}")
        yield folder
        server.shutdown()


def publish(repository: Path, artifact: Artifact, content: bytes) -> None:
    folder = repository / "org" / "example" / artifact.name / artifact.version
    folder.mkdir(parents=True)
    (folder / artifact.filename).write_bytes(content)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)


def test_every_pin_is_a_complete_checksum_of_its_own_file() -> None:
    assert all(re.fullmatch("[0-9a-f]{64}", artifact.sha256) for artifact in ALL)
    assert len({artifact.filename for artifact in ALL}) == len(ALL) == 7


def test_fetch_stores_a_verified_file_and_downloads_it_once(tmp_path: Path) -> None:
    source = Source(CONTENT)
    counts: list[int] = []
    file = fetch(pinned(CONTENT), tmp_path, counts.append, source)
    assert file.read_bytes() == CONTENT
    assert fetch(pinned(CONTENT), tmp_path, counts.append, source) == file
    assert (source.calls, sum(counts)) == (1, len(CONTENT))


def test_fetch_refuses_other_content_and_stores_nothing(tmp_path: Path) -> None:
    source = Source(b"other content")
    checksum = hashlib.sha256(b"other content").hexdigest()
    with pytest.raises(
        NodeError, match=f"thing-1.0.zip has sha256 {checksum}, expected {pinned(CONTENT).sha256}"
    ):
        fetch(pinned(CONTENT), tmp_path, lambda count: None, source)
    assert source.calls == 3
    assert list((tmp_path / "zips").iterdir()) == []


def test_fetch_tries_again_and_takes_back_the_count_of_a_failed_attempt(tmp_path: Path) -> None:
    counts: list[int] = []
    source = Source(CONTENT[:5000], OSError(101, "Network is unreachable"), CONTENT)
    assert fetch(pinned(CONTENT), tmp_path, counts.append, source).read_bytes() == CONTENT
    assert sum(counts) == len(CONTENT)


def test_fetch_replaces_a_file_that_was_damaged_in_the_cache(tmp_path: Path) -> None:
    (tmp_path / "zips").mkdir()
    (tmp_path / "zips" / "thing-1.0.zip").write_bytes(CONTENT[:-1])
    assert fetch(pinned(CONTENT), tmp_path, lambda count: None, Source(CONTENT)).read_bytes() == CONTENT


def test_fetch_names_the_network_fault_and_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(
        NodeError, match=r"could not be fetched \(Network is unreachable\).*VITRINE_MAVEN_MIRROR"
    ):
        fetch(pinned(CONTENT), tmp_path, lambda count: None, Source(OSError(101, "Network is unreachable")))


def test_download_comes_from_the_mirror_through_jgo(repository: Path, tmp_path: Path) -> None:
    counts: list[int] = []
    publish(repository, pinned(CONTENT), CONTENT)
    assert fetch(pinned(CONTENT), tmp_path / "cache", counts.append).read_bytes() == CONTENT
    assert sum(counts) == len(CONTENT)


def test_an_artifact_that_no_repository_has_is_an_error_without_addresses(
    repository: Path, tmp_path: Path
) -> None:
    with pytest.raises(NodeError, match="the repository does not contain it") as caught:
        fetch(pinned(CONTENT), tmp_path / "cache", lambda count: None)
    assert "http" not in str(caught.value)


def test_a_killed_download_is_fetched_again(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact, cache = pinned(CONTENT), tmp_path / "cache"
    publish(repository, artifact, CONTENT)
    monkeypatch.setattr(Repository, "pace_s", 0.5)
    program = (
        "import pathlib, sys; from opensearch.node.fetch import fetch; from opensearch.node.pinned import Artifact;"
        f"fetch({artifact!r}, pathlib.Path(sys.argv[1]), lambda count: print(count, flush=True))"
    )
    child = subprocess.Popen([sys.executable, "-c", program, str(cache)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()  # the first bytes have come
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert [path.name[:6] for path in (cache / "zips").iterdir()] == [".part-"]
    assert fetch(artifact, cache, lambda count: None, Source(CONTENT)).read_bytes() == CONTENT


def test_unpack_skips_unneeded_files_and_sets_modes_with_any_umask(tmp_path: Path) -> None:
    members = {
        "opensearch-3.6.0/bin/opensearch": "#!",
        "opensearch-3.6.0/bin/opensearch.bat": "",
        "opensearch-3.6.0/config/opensearch.yml": "a: 1",
        "opensearch-3.6.0/modules/ingest-geoip/GeoLite2.mmdb": "",
        "opensearch-3.6.0/modules/percolator/percolator.jar": "",
    }
    archive = zipped(tmp_path / "a.zip", members, executable=("opensearch-3.6.0/bin/opensearch",))
    before = os.umask(0o077)
    try:
        unpack(archive, tmp_path / "out", strip=1)
    finally:
        os.umask(before)
    files = {
        str(path.relative_to(tmp_path / "out")): path
        for path in (tmp_path / "out").rglob("*")
        if path.is_file()
    }
    assert set(files) == {"bin/opensearch", "config/opensearch.yml", "modules/percolator/percolator.jar"}
    assert stat.S_IMODE(files["bin/opensearch"].stat().st_mode) == 0o755
    assert stat.S_IMODE(files["config/opensearch.yml"].stat().st_mode) == 0o644
    assert not (tmp_path / "out" / "modules" / "ingest-geoip").exists()


def test_unpack_refuses_a_path_that_leaves_its_folder(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"a/../../evil": "x"})
    with pytest.raises(NodeError, match="leaves its folder"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "evil").exists()


def test_a_plugin_is_installed_by_its_descriptors_name_with_its_config_moved(tmp_path: Path) -> None:
    descriptor = "# made\nname=opensearch-neural-search\nversion=3.6.0.0\n"
    members = {"plugin-descriptor.properties": descriptor, "a.jar": "", "config/a.yml": "", "bin/tool": ""}
    home = tmp_path / "home"
    for folder in ("plugins", "config", "bin"):
        (home / folder).mkdir(parents=True)
    install_plugin(zipped(tmp_path / "p.zip", members), home)
    files = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    name = "opensearch-neural-search"
    assert files == {
        f"plugins/{name}/plugin-descriptor.properties",
        f"plugins/{name}/a.jar",
        f"config/{name}/a.yml",
        f"bin/{name}/tool",
    }


@pytest.fixture
def small(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Artifact]:
    """Pins of a distribution of a few bytes, published in the mirror."""

    def published(name: str, members: dict[str, str]) -> Artifact:
        content = zipped(tmp_path / name, members).read_bytes()
        publish(repository, pinned(content, name), content)
        return pinned(content, name)

    server = published(
        "server",
        {"os/lib/core.jar": "1", "os/config/log4j2.properties": "", "os/bin/os": "", "os/plugins/": ""},
    )
    plugin = published("plugin", {"plugin-descriptor.properties": "name=plug", "a.jar": ""})
    jars = []
    for name in ("smart", "lucene"):
        publish(repository, pinned(name.encode(), name, "jar"), name.encode())
        jars.append(pinned(name.encode(), name, "jar"))
    monkeypatch.setattr(module, "SERVER", server)
    monkeypatch.setattr(module, "PLUGINS", (plugin,))
    monkeypatch.setattr(module, "SMARTCN", tuple(jars))
    monkeypatch.setattr(module, "ALL", (server, plugin, *jars))
    return [server, plugin, *jars]


def test_a_distribution_is_assembled_once_and_is_open_to_all(small: list[Artifact], tmp_path: Path) -> None:
    cache, counts = tmp_path / "cache", list[int]()
    (cache / "zips" / ".part-old").mkdir(parents=True)
    before = os.umask(0o077)
    try:
        home = distribution(cache, counts.append)
    finally:
        os.umask(before)
    assert sum(counts) == sum(artifact.size for artifact in small)
    assert (home / "plugins" / "plug" / "a.jar").exists()
    smartcn = home / "plugins" / "analysis-smartcn"
    assert {path.name for path in smartcn.iterdir()} == {
        "smart-1.0.jar",
        "lucene-1.0.jar",
        "plugin-descriptor.properties",
    }
    assert "name=analysis-smartcn" in (smartcn / "plugin-descriptor.properties").read_text()
    closed = [path for path in home.rglob("*") if not path.stat().st_mode & 0o004]
    assert closed == []
    assert stat.S_IMODE(home.stat().st_mode) == 0o755
    assert missing_bytes(cache) == 0
    assert distribution(cache, counts.append) == home
    assert sum(counts) == sum(artifact.size for artifact in small)


def test_a_distribution_of_an_earlier_release_gets_the_plugin_that_refuses_other_engines(
    small: list[Artifact], tmp_path: Path
) -> None:
    plugin = distribution(tmp_path / "cache") / "plugins" / "vitrine-lucene-only"
    content = {path.name: path.read_bytes() for path in plugin.iterdir()}
    shutil.rmtree(plugin)
    assert distribution(tmp_path / "cache") == plugin.parents[1]
    assert {path.name: path.read_bytes() for path in plugin.iterdir()} == content
    assert content.keys() == {"lucene-only.jar", "plugin-descriptor.properties"}
    (plugin / "lucene-only.jar").write_bytes(b"of another release")
    distribution(tmp_path / "cache")
    assert (plugin / "lucene-only.jar").read_bytes() == module.LUCENE_ONLY.read_bytes()


def test_the_packaged_plugin_is_what_its_source_compiles_to(tmp_path: Path) -> None:
    javac = compiler()
    if javac is None or javac[1] < 21:
        pytest.skip("no JDK of version 21 or newer")
    if not module.is_ready(cache_directory()):
        pytest.skip("the engine's jars are not in the cache")
    source = module.LUCENE_ONLY.with_name("LuceneOnly.java")
    jars = f"{distribution(cache_directory())}/lib/*"
    build = [
        javac[0],
        "--release",
        "21",
        "-proc:none",
        "-g:none",
        "-cp",
        jars,
        "-d",
        str(tmp_path),
        str(source),
    ]
    subprocess.run(build, check=True, capture_output=True)
    with zipfile.ZipFile(module.LUCENE_ONLY) as jar:
        assert jar.namelist() == ["vitrine/", "vitrine/LuceneOnly.class"]
        assert jar.read("vitrine/LuceneOnly.class") == (tmp_path / "vitrine/LuceneOnly.class").read_bytes()


def test_one_bad_file_leaves_no_distribution_and_the_next_run_completes_it(
    small: list[Artifact], repository: Path, tmp_path: Path
) -> None:
    file = repository / "org" / "example" / "plugin" / "1.0" / "plugin-1.0.zip"
    good = file.read_bytes()
    file.write_bytes(good + b"!")
    with pytest.raises(NodeError, match=r"plugin-1\.0\.zip has sha256"):
        distribution(tmp_path / "cache")
    assert missing_bytes(tmp_path / "cache") > 0
    file.write_bytes(good)
    assert (distribution(tmp_path / "cache") / ".complete").exists()


def test_a_disk_that_is_too_small_is_refused_before_the_download(
    small: list[Artifact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    huge = Artifact("org.example", "huge", "1.0", 1 << 60, "0" * 64)
    monkeypatch.setattr(module, "ALL", (huge,))
    with pytest.raises(NodeError, match=rf"need {(1 << 40) + 300} MiB free under .*VITRINE_CACHE"):
        distribution(tmp_path / "cache")


def test_a_cache_that_cannot_be_written_is_named(small: list[Artifact], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NodeError, match=r"cannot write to .*file.* \(Not a directory\).*VITRINE_CACHE"):
        distribution(tmp_path / "file" / "cache")
