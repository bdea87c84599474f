"""The correction for products without image, learned from known-item queries and put in service by one command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner
from support.rerank_index import create_rerank_index, delete_rerank_index

from rerank.training.missing_image import MAX_CORRECTION, KnownItemWindow, missing_image_correction
from vitrine.cli import main
from vitrine.store import Store

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


def test_the_correction_is_that_of_the_windows() -> None:
    rng = np.random.default_rng(4)
    ranks = np.arange(1, 101)

    def draw_windows(count: int, gain: float) -> list[KnownItemWindow]:
        windows = []
        for _ in range(count):
            without_image = rng.random(100) < 0.2
            probability = ranks**-1.5 * np.where(without_image, gain, 1.0)
            windows.append(
                KnownItemWindow(without_image, int(rng.choice(100, p=probability / probability.sum())))
            )
        return windows

    assert missing_image_correction(draw_windows(3000, 3.0)) == pytest.approx(3.0 ** (1 / 1.5), rel=0.15)
    assert missing_image_correction(draw_windows(3000, 1.0)) == pytest.approx(1.0, abs=0.15)
    assert missing_image_correction(draw_windows(3000, 0.3)) == 1.0  # never below 1
    assert missing_image_correction(draw_windows(3000, 1e9)) == MAX_CORRECTION
    assert missing_image_correction(draw_windows(20, 3.0)) == 1.0  # too few windows


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
def test_the_command_learns_the_correction_of_a_rank_fusion_and_reports_it(shop: list[str]) -> None:
    fusion = vitrine("train", "--fusion", "rrf", *shop, "--json")["training"]["fusion"]
    assert fusion["weights"] == {"engine": 1.0, "popularity": 0.3}
    assert 1.0 < fusion["missing_image_correction"] <= MAX_CORRECTION
    assert "without image is divided by" in vitrine("train", "--fusion", "rrf", *shop)
    search = ("search", "red shoes", *shop, "--json", "--size", "48", "--order")
    plain, ranked = (
        [hit["id"] for hit in vitrine(*search, order)["hits"]] for order in ("engine", "reranked")
    )
    assert sorted(ranked) == sorted(plain)
    for order in (plain, ranked):  # what is sold out goes to the end by rule, whatever its rank
        order[:] = [id_ for id_ in order if int(id_[1:]) % 8 != 3]
    without_image = {id_ for id_ in plain if int(id_[1:]) % 3 == 0}
    assert sum(map(ranked.index, without_image)) < sum(map(plain.index, without_image))
    assert [id_ for id_ in ranked if id_ not in without_image] == [
        id_ for id_ in plain if id_ not in without_image
    ]


@pytest.mark.live
def test_a_lexical_order_is_fused_with_the_cosines(shop: list[str]) -> None:
    fusion = vitrine("train", "--engine-order", "lexical", *shop, "--json")["training"]["fusion"]
    assert fusion == {
        "weights": {"engine": 1.0, "text": 0.5, "image": 0.3, "popularity": 0.3},
        "missing_image_correction": 1.0,
    }
