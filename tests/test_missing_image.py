"""Products without picture get back what the picture leg takes: learned from known items, in service by one command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner
from support.rerank_index import create_rerank_index, delete_rerank_index

from rerank.training.missing_image import MOST, Window, missing_image_correction
from vitrine.cli import main
from vitrine.store import Store

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


def test_the_allowance_is_what_the_windows_say() -> None:
    rng = np.random.default_rng(4)
    ranks = np.arange(1, 101)

    def drawn(count: int, gain: float) -> list[Window]:
        found = []
        for _ in range(count):
            bare = rng.random(100) < 0.2
            chances = ranks**-1.5 * np.where(bare, gain, 1.0)
            found.append((bare, int(rng.choice(100, p=chances / chances.sum()))))
        return found

    assert missing_image_correction(drawn(3000, 3.0)) == pytest.approx(3.0 ** (1 / 1.5), rel=0.15)
    assert missing_image_correction(drawn(3000, 1.0)) == pytest.approx(1.0, abs=0.15)
    assert missing_image_correction(drawn(3000, 0.3)) == 1.0  # never takes away
    assert missing_image_correction(drawn(3000, 1e9)) == MOST
    assert missing_image_correction(drawn(20, 3.0)) == 1.0  # too few to say


@pytest.fixture(scope="module")
def shop(
    engine: OpenSearch, engine_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[str]]:
    folder = str(tmp_path_factory.mktemp("store"))
    alias, _ = create_rerank_index(engine, Store(folder))
    yield ["--index", alias, "--url", engine_url, "--store", folder]
    delete_rerank_index(engine, alias)


def vitrine(*arguments: str) -> Any:
    result = CliRunner().invoke(main, [*arguments])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout.splitlines()[-1]) if "--json" in arguments else result.stdout


@pytest.mark.live
def test_without_a_log_the_command_learns_the_allowance_and_says_so(shop: list[str]) -> None:
    fusion = vitrine("train", *shop, "--json")["training"]["fusion"]
    assert fusion["weights"] == [1.0, 0.0, 0.0, 0.3]
    assert 1.0 < fusion["missing_image_correction"] <= MOST
    assert "without picture is divided by" in vitrine("train", "--fusion", *shop)
    search = ("search", "red shoes", *shop, "--json", "--size", "48", "--order")
    plain, ranked = (
        [hit["id"] for hit in vitrine(*search, order)["hits"]] for order in ("engine", "reranked")
    )
    assert sorted(ranked) == sorted(plain)
    for there in (plain, ranked):  # what is sold out goes to the end by rule, whatever its rank
        there[:] = [id_ for id_ in there if int(id_[1:]) % 8 != 3]
    bare = {id_ for id_ in plain if int(id_[1:]) % 3 == 0}
    assert sum(map(ranked.index, bare)) < sum(map(plain.index, bare))
    assert [id_ for id_ in ranked if id_ not in bare] == [id_ for id_ in plain if id_ not in bare]


@pytest.mark.live
def test_an_order_of_words_alone_is_fused_with_the_vectors(shop: list[str]) -> None:
    fusion = vitrine("train", "--reranks", "words", *shop, "--json")["training"]["fusion"]
    assert fusion == {"weights": [1.0, 0.5, 0.3, 0.3], "missing_image_correction": 1.0}
