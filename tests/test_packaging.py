"""The wheel, its extras and its version; serving from an installation without extras."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import tomllib
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import vitrine
from vitrine.cli import main
from vitrine.extras import EXTRAS, missing_extra

ROOT = Path(__file__).parent.parent
PACKAGES = ("vitrine", "encoders", "opensearch", "indexer", "rerank")
MODULES = {  # distribution -> its top-level module, where the name differs by more than hyphens
    "ibis-framework": "ibis",
    "open-clip-torch": "open_clip",
    "pyspellchecker": "spellchecker",
    "scikit-learn": "sklearn",
}


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """The table [project] of pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


def uv(*arguments: object) -> None:
    """Run uv in the repository, from its cache if that has everything, else with the network."""
    command = [sys.executable, "-m", "uv", *map(str, arguments), "--quiet"]
    if subprocess.run([*command, "--offline"], cwd=ROOT, capture_output=True).returncode:
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert result.returncode == 0, result.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the working tree."""
    folder = tmp_path_factory.mktemp("wheel")
    uv("build", "--wheel", "--out-dir", folder)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def base(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment with the wheel and no extra, as the Dockerfile installs it."""
    folder = tmp_path_factory.mktemp("base") / "venv"
    uv("venv", "--python", sys.executable, folder)
    uv("pip", "install", "--python", folder / "bin" / "python", "-c", "constraints.txt", wheel)
    return folder / "bin"


@pytest.fixture
def clean_environment(tmp_path: Path) -> dict[str, str]:
    """Environment variables without any that lead to the repository or to a user's settings."""
    names = ("PATH", "LANG", "TMPDIR")
    return {
        **{name: os.environ[name] for name in names if name in os.environ},
        "HOME": str(tmp_path),
        "VITRINE_STORE": str(tmp_path / "store"),
    }


def test_the_wheel_has_the_five_packages_with_type_markers_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == set(PACKAGES)
    assert [package for package in PACKAGES if f"{package}/py.typed" not in names] == []
    assert "opensearch/node/engine.Dockerfile" in names
    assert {"rerank/evaluation/page/report.html.j2", "rerank/evaluation/page/report.css"} <= set(names)
    assert "opensearch/node/lucene_only/lucene-only.jar" in names
    assert "opensearch/node/thai_breaks/thai-breaks.jar" in names
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_the_version_stands_in_pyproject_only(project: dict[str, Any]) -> None:
    assert vitrine.__version__ == project["version"]
    assert CliRunner().invoke(main, ["--version"]).output.split()[-1] == project["version"]


def test_every_extra_of_pyproject_is_known_to_the_error_message(project: dict[str, Any]) -> None:
    base = {re.split(r"[\[><=]", name)[0] for name in project["dependencies"]}
    extras = project["optional-dependencies"]
    for extra, modules in EXTRAS.items():
        names = {re.split(r"[\[><=]", name)[0] for name in extras[extra]}
        assert sorted(MODULES.get(name, name.replace("-", "_")) for name in names) == sorted(modules)
        assert names & base == set()
    assert set(extras) == {*EXTRAS, "all", "dev"}
    assert extras["all"] == [f"vitrine-search[{','.join(EXTRAS)}]"]
    assert "vitrine-search[all]" in extras["dev"]


@pytest.mark.parametrize(
    ("command", "module", "extra"),
    [
        ("index", "torch", "index"),
        ("train", "torch", "train"),
        ("encoder", "torch", "index"),
        ("evaluate", "sklearn", "train"),
        ("node", "docker", "node"),
    ],
)
def test_a_missing_library_is_reported_with_the_extra_of_the_command(
    command: str, module: str, extra: str
) -> None:
    message = missing_extra(command, ModuleNotFoundError(f"No module named {module!r}", name=module))
    library = module.split(".")[0]
    assert message == (
        f"vitrine {command} needs {library}, which is not installed: pip install 'vitrine-search[{extra}]'"
    )


def test_a_module_of_no_extra_is_not_explained() -> None:
    assert (
        missing_extra("index", ModuleNotFoundError("No module named 'indexer.gone'", name="indexer.gone"))
        is None
    )
    assert missing_extra("index", ModuleNotFoundError("no name")) is None


def test_a_command_without_its_library_is_refused_with_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "qrels").write_text("q 0 a 1\n")
    (tmp_path / "run").write_text("q Q0 a 1 9 t\n")
    code = "import sys; sys.modules['ir_measures'] = None; from vitrine.cli import main; main()"
    arguments = ["evaluate", "--qrels", "qrels", "--run", "run"]
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2
    assert result.stderr == (
        "error: vitrine evaluate needs ir_measures, which is not installed: pip install 'vitrine-search[train]'\n"
    )


def test_the_base_installation_has_no_library_of_an_extra(
    base: Path, clean_environment: dict[str, str]
) -> None:
    present_anyway = {"filelock"}  # required by huggingface-hub, which tokenizers requires
    modules = sorted({module for names in EXTRAS.values() for module in names} - present_anyway)
    code = f"import importlib.util as u; print([m for m in {modules!r} if u.find_spec(m)])"
    result = subprocess.run(
        [base / "python", "-c", code], env=clean_environment, capture_output=True, text=True, check=True
    )
    assert result.stdout == "[]\n"


def test_the_base_installation_imports_the_whole_service(
    base: Path, clean_environment: dict[str, str]
) -> None:
    code = """
import importlib, pathlib, pkgutil
import rerank.service
for info in pkgutil.iter_modules(rerank.service.__path__):
    importlib.import_module(f"rerank.service.{info.name}")
print(pathlib.Path(rerank.service.__file__))
"""
    result = subprocess.run(
        [base / "python", "-c", code], cwd=base, env=clean_environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert base.parent in Path(result.stdout.strip()).parents


@pytest.fixture
def service_url(base: Path, clean_environment: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """A running `vitrine serve` of the base installation, whose engine does not answer."""
    log = tmp_path / "log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [base / "vitrine", "serve", "--port", "0", "--url", "http://127.0.0.1:9"],
            cwd=tmp_path,
            env=clean_environment,
            stderr=file,
        )
    try:
        while not (match := re.search(r"http://127\.0\.0\.1:\d+", log.read_text())):
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        yield match[0]
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_the_base_installation_serves(service_url: str) -> None:
    with urllib.request.urlopen(f"{service_url}/health", timeout=30) as response:
        assert response.status == 200
    with urllib.request.urlopen(f"{service_url}/metrics", timeout=30) as response:
        assert b"vitrine_ready" in response.read()


def test_the_image_installs_no_extra_unless_it_is_built_with_one() -> None:
    recipe = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert "ARG EXTRAS=\n" in recipe
    assert '".${EXTRAS:+[$EXTRAS]}"' in recipe
