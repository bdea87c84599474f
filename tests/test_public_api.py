"""The public names of `rerank`, and that importing the package loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import rerank


def test_every_public_name_can_be_imported() -> None:
    assert all(getattr(rerank, name) is not None for name in rerank.__all__)


def test_search_is_the_module_before_and_after_its_import() -> None:
    code = "import rerank; first = rerank.search; import rerank.search; assert rerank.search is first"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_the_package_loads_no_numpy_and_no_torch() -> None:
    code = "import sys, rerank; assert not {'numpy', 'torch', 'starlette'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
