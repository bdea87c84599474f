"""Counts and rates against values worked by hand, and the snapshot against the stream it was taken from."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from support import training_log

from rerank.arrays import id_hashes
from rerank.features.behaviour import (
    DECAY_S,
    BehaviourSnapshot,
    BehaviourSource,
    Counters,
    query_hash,
    rates,
    save_behaviour,
)
from rerank.features.scaler import fit_scaler
from vitrine.errors import ArtifactError

DAY = 86400.0


def test_spellings_of_a_query_have_one_hash() -> None:
    assert query_hash(" Red  Dress") == query_hash("red dress") != query_hash("dress red")


def test_rates_by_hand() -> None:
    counts = np.array([[0, 0, 0, 0], [4, 1, 2, 6], [0, 4, 0, 0]], dtype=float)
    pairs = np.array([[0, 0], [3, 0.5], [0, 0]], dtype=float)
    values = rates(counts, pairs, popularity_scale=0.5, conversion=0.1)
    click = [0.0, math.log(6 / 3), math.log(2 / 6)]  # prior of two expected clicks
    bought = [0.0, math.log(3 / 14 / 0.1), 0.0]  # prior of ten clicks at the average conversion
    popular = [0.0, math.log(1 + 3), 0.0]
    pair = [0.0, math.log((3 + 2) / 1.5), math.log(1 / 3)]  # no pair seen: the product's own rate
    np.testing.assert_allclose(values, np.column_stack([click, bought, popular, pair]), atol=1e-6)


def test_popularity_decays_to_one_e_th_in_two_weeks() -> None:
    counters = Counters(np.array([5], dtype=np.uint64), start=0.0)
    counters.click(0, 1, at=10 * DAY)
    now = counters.rates(np.array([0]), 1, as_of=10 * DAY)[0, 2]
    later = counters.rates(np.array([0]), 1, as_of=10 * DAY + DECAY_S)[0, 2]
    assert now == pytest.approx(math.log(2))
    assert later == pytest.approx(math.log1p(math.exp(-1)))


def streamed() -> Counters:
    counters = Counters(training_log.products().hashes, start=0.0)
    red = query_hash("red")
    counters.show(np.array([3, 4, 5]), np.array([0.5, 0.3, 0.2]), red, at=DAY)
    counters.click(4, red, at=DAY + 5)
    counters.convert(4, at=2 * DAY)
    return counters


def test_a_snapshot_gives_the_values_of_the_stream(tmp_path: Path) -> None:
    products, counters = training_log.products(), streamed()
    scaler = fit_scaler(products.numbers)
    save_behaviour(BehaviourSource(products, scaler, counters), {"model": "m"}, tmp_path)
    behaviour = BehaviourSnapshot.open(tmp_path)
    rows = np.array([5, 4, 3, 0])
    for query in ("red", "blue"):
        moment = query_hash(query), 5 * DAY
        values = behaviour.rates(products.hashes[rows], *moment)
        np.testing.assert_allclose(values, counters.rates(rows, *moment), atol=1e-5)
    arrays = behaviour.arrays(products.hashes[rows])
    np.testing.assert_array_equal(arrays["numbers"], scaler.scale(products.numbers)[rows])
    np.testing.assert_array_equal(arrays["codes"], products.codes[rows])
    np.testing.assert_array_equal(arrays["created"], products.created[rows])


def test_an_unknown_product_has_no_behaviour(tmp_path: Path) -> None:
    products = training_log.products()
    save_behaviour(BehaviourSource(products, fit_scaler(products.numbers), streamed()), {}, tmp_path)
    behaviour, unknown = BehaviourSnapshot.open(tmp_path), id_hashes(["nobody"])
    assert behaviour.rates(unknown, 1, 5 * DAY).tolist() == [[0.0, 0.0, 0.0, 0.0]]
    arrays = behaviour.arrays(unknown)
    assert np.isnan(arrays["numbers"]).all()
    assert arrays["codes"].tolist() == [[0]]
    assert np.isnan(arrays["created"]).all()


def test_counters_of_other_products_are_refused(tmp_path: Path) -> None:
    products = training_log.products()
    other = Counters(products.hashes[1:], 0.0)
    with pytest.raises(ArtifactError, match="of different products"):
        save_behaviour(BehaviourSource(products, fit_scaler(products.numbers), other), {}, tmp_path)


def test_a_folder_without_snapshot_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="holds no behaviour snapshot"):
        BehaviourSnapshot.open(tmp_path)
