"""`vitrine weights`: learned from the products of the index, used by searches and pipelines, and reset."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from support.rerank_index import create_rerank_index, delete_rerank_index, word_vector

from opensearch.index.meta import schema_of
from opensearch.index.versions import create_version, read_schema
from opensearch.search.fusion import default_weights, shares
from opensearch.tuning.weights import learn_weights
from vitrine.cli import main
from vitrine.errors import WeightsError
from vitrine.store import Store

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def shop(
    engine: OpenSearch, engine_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, list[str], str]]:
    folder = str(tmp_path_factory.mktemp("store"))
    alias, _ = create_rerank_index(engine, Store(folder))
    yield alias, ["--index", alias, "--url", engine_url], folder
    delete_rerank_index(engine, alias)


def _weights(*arguments: str) -> Any:
    result = CliRunner().invoke(main, ["weights", *arguments])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout) if "--json" in arguments else result.stdout


def _pipeline(engine: OpenSearch, alias: str) -> list[float]:
    fusion = engine.search_pipeline.get(id=f"{alias}-fusion")[f"{alias}-fusion"]
    (step,) = fusion["phase_results_processors"]
    weights: list[float] = step["normalization-processor"]["combination"]["parameters"]["weights"]
    return weights


def test_learned_weights_are_used_until_they_are_reset(
    engine: OpenSearch, shop: tuple[str, list[str], str]
) -> None:
    alias, where, folder = shop
    assert _weights("show", *where, "--json")["learned"] is False
    learned = _weights("learn", *where, "--store", folder, "--json")
    assert learned["queries"] > 20
    assert sum(learned["weights"].values()) == pytest.approx(1, abs=0.01)
    assert learned["mrr"]["learned"] >= learned["mrr"]["lexical"] - 0.05
    stored = read_schema(engine, alias).weights
    assert stored is not None
    assert stored == learned["weights"]
    assert set(stored) == {"lexical", "text", "image"}
    assert _pipeline(engine, alias) == pytest.approx(shares(stored))
    # a new version with the same encoders takes them over
    version = create_version(engine, alias, read_schema(engine, alias))
    assert schema_of(engine, version).weights == stored
    engine.indices.delete(index=version)
    assert "learned" in _weights("show", *where)
    _weights("reset", *where)
    assert read_schema(engine, alias).weights is None
    assert _pipeline(engine, alias) == pytest.approx(shares(default_weights()))


def test_learning_within_a_time_limit_stops_at_it(
    engine: OpenSearch, shop: tuple[str, list[str], str]
) -> None:
    alias, _, _ = shop
    schema = read_schema(engine, alias)

    def embed(texts: Sequence[str]) -> list[dict[str, list[float]]]:
        return [{"text": word_vector(text)} for text in texts]

    with pytest.raises(WeightsError, match=r"answered \d+ known-item queries in 0 s .* has no time limit"):
        learn_weights(engine, alias, schema, embed, seconds=0.0)
    assert learn_weights(engine, alias, schema, embed, seconds=600.0).queries > 20
