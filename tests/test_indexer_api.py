"""The public names of the package `indexer`."""

from __future__ import annotations

import subprocess
import sys

import pytest

import indexer


def test_every_public_name_can_be_imported() -> None:
    for name in indexer.__all__:
        assert getattr(indexer, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = indexer.nothing


def test_the_package_alone_imports_no_library() -> None:
    code = "import indexer, sys; print(sorted({'torch', 'pyarrow', 'numpy', 'click'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
