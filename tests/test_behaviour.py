"""The behaviour snapshot: rates and affinities looked up by hash and decayed to the moment of a search."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import training_log

from rerank.arrays import hash_text, id_hashes
from rerank.features.behaviour import (
    AFFINITY_DECAY_S,
    POPULARITY_DECAY_S,
    BehaviourSnapshot,
    BehaviourSource,
    BehaviourTables,
    keyword_keys,
    query_hash,
    save_behaviour,
)
from rerank.features.groups import RATES
from rerank.features.scaler import fit_scaler
from vitrine.errors import ArtifactError

PRODUCTS = training_log.products()
NUMBERS = fit_scaler(PRODUCTS.numbers).scale(PRODUCTS.numbers)
SOURCE = BehaviourSource(PRODUCTS, NUMBERS)
NOW = 50 * 86400.0


def tables() -> BehaviourTables:
    """Product 4 has behaviour, above all for "red"; one shopper likes its keyword."""
    rates = np.zeros((len(PRODUCTS.ids), 4), dtype=np.float32)
    rates[4] = [0.5, 0.25, -0.5, 3.0]
    shopper, other = hash_text("known"), hash_text("other")
    order = np.argsort([shopper, other])
    keyword = keyword_keys(PRODUCTS.codes)[4]
    return BehaviourTables(
        NOW,
        rates,
        np.array([PRODUCTS.hashes[4] ^ np.uint64(query_hash("red"))]),
        np.array([[0.7, 0.1, 0.2]], dtype=np.float32),
        np.array([shopper, other], dtype=np.uint64)[order],
        np.array([[6, 0.5, 6, np.nan, 0], [1, 0, 1, 0, 1]], dtype=np.float32)[order],
        np.array([0, 1, 1] if order[0] == 0 else [0, 0, 1]),
        keyword,
        np.array([4.0], dtype=np.float32),
    )


def snapshot(folder: Path) -> BehaviourSnapshot:
    save_behaviour(SOURCE, tables(), {"model": "m"}, folder)
    return BehaviourSnapshot.open(folder)


def test_spellings_of_a_query_have_one_hash() -> None:
    assert query_hash(" Red  Dress") == query_hash("red dress") != query_hash("dress red")


def test_rates_are_looked_up_and_a_pair_that_was_never_seen_has_those_of_its_product(tmp_path: Path) -> None:
    behaviour = snapshot(tmp_path)
    popularity = math.log(1 + 3)
    values = behaviour.rates(PRODUCTS.hashes[[4, 3]], query_hash("red"), NOW)
    np.testing.assert_allclose(values[0], [0.5, 0.25, -0.5, popularity, 0.7, 0.1, 0.2], atol=1e-6)
    assert not values[1].any()
    other = behaviour.rates(PRODUCTS.hashes[[4]], query_hash("blue"), NOW)[0]
    np.testing.assert_allclose(other, [0.5, 0.25, -0.5, popularity, 0.5, 0.25, -0.5], atol=1e-6)
    later = behaviour.rates(PRODUCTS.hashes[[4]], query_hash("red"), NOW + POPULARITY_DECAY_S)[0]
    assert later[RATES.index("popularity")] == pytest.approx(math.log1p(3 / math.e), abs=1e-6)


def test_affinities_of_a_shopper_decay_and_a_stranger_has_none(tmp_path: Path) -> None:
    behaviour, codes = snapshot(tmp_path), PRODUCTS.codes[[4, 5]]
    found = behaviour.affinities("known", codes, NOW + AFFINITY_DECAY_S)
    assert found is not None
    assert found.total == pytest.approx(6 / math.e, rel=1e-6)
    np.testing.assert_allclose(found.same, [[4 / math.e], [0.0]], rtol=1e-6)
    np.testing.assert_allclose(found.known, [6 / math.e, 0.0], rtol=1e-6)
    assert found.means[0] == 0.5
    without_keywords = behaviour.affinities("other", codes, NOW)
    assert without_keywords is not None
    assert not without_keywords.same.any()
    assert behaviour.affinities("stranger", codes, NOW) is None
    assert behaviour.affinities(None, codes, NOW) is None


def test_arrays_are_those_of_the_products(tmp_path: Path) -> None:
    rows = np.array([5, 4, 3, 0])
    arrays = snapshot(tmp_path).arrays(PRODUCTS.hashes[rows])
    np.testing.assert_array_equal(arrays["numbers"], NUMBERS[rows])
    np.testing.assert_array_equal(arrays["codes"], PRODUCTS.codes[rows])
    np.testing.assert_array_equal(arrays["created"], PRODUCTS.created[rows])


def test_an_unknown_product_has_no_behaviour(tmp_path: Path) -> None:
    behaviour, unknown = snapshot(tmp_path), id_hashes(["nobody"])
    assert not behaviour.rates(unknown, 1, NOW).any()
    arrays = behaviour.arrays(unknown)
    assert np.isnan(arrays["numbers"]).all()
    assert arrays["codes"].tolist() == [[0]]
    assert np.isnan(arrays["created"]).all()


def test_rates_of_other_products_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="of different products"):
        save_behaviour(SOURCE, replace(tables(), rates=tables().rates[1:]), {}, tmp_path)


def test_a_snapshot_of_other_definitions_is_refused(tmp_path: Path) -> None:
    snapshot(tmp_path)
    path = tmp_path / "behaviour.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "definitions": 0}))
    with pytest.raises(
        ArtifactError, match="by version 0 of its definitions, this release computes version 2"
    ):
        BehaviourSnapshot.open(tmp_path)


def test_a_folder_without_snapshot_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="holds no behaviour snapshot"):
        BehaviourSnapshot.open(tmp_path)
