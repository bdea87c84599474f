"""Counts and rates against values worked by hand, and the snapshot against the stream it was taken from."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from support import training_log

from rerank.arrays import id_hashes
from rerank.features.behaviour import DECAY_S, Behaviour, Counters, query_hash, rates, save_behaviour
from rerank.features.groups import fit_scaler
from vitrine.errors import ArtifactError

DAY = 86400.0


def test_query_spellings_that_mean_the_same_are_one() -> None:
    assert query_hash(" Red  Dress") == query_hash("red dress") != query_hash("dress red")


def test_rates_by_hand() -> None:
    counts = np.array([[0, 0, 0, 0], [4, 1, 2, 6], [0, 4, 0, 0]], dtype=float)
    pairs = np.array([[0, 0], [3, 0.5], [0, 0]], dtype=float)
    found = rates(counts, pairs, popularity_scale=0.5, conversion=0.1)
    click = [0.0, math.log(6 / 3), math.log(2 / 6)]  # prior of two expected clicks
    bought = [0.0, math.log(3 / 14 / 0.1), 0.0]  # prior of ten clicks at the average conversion
    popular = [0.0, math.log(1 + 3), 0.0]
    pair = [0.0, math.log((3 + 2) / 1.5), math.log(1 / 3)]  # no pair seen: the product's own rate
    np.testing.assert_allclose(found, np.column_stack([click, bought, popular, pair]), atol=1e-6)


def test_popularity_decays_to_one_e_th_in_its_time() -> None:
    counters = Counters(np.array([5], dtype=np.uint64), start=0.0)
    counters.click(0, 1, at=10 * DAY)
    now = counters.rates(np.array([0]), 1, as_of=10 * DAY)[0, 2]
    later = counters.rates(np.array([0]), 1, as_of=10 * DAY + DECAY_S)[0, 2]
    assert now == pytest.approx(math.log(2))
    assert later == pytest.approx(math.log1p(math.exp(-1)))


def streamed() -> Counters:
    counters = Counters(training_log.catalogue().hashes, start=0.0)
    red = query_hash("red")
    counters.show(np.array([3, 4, 5]), np.array([0.5, 0.3, 0.2]), red, at=DAY)
    counters.click(4, red, at=DAY + 5)
    counters.convert(4, at=2 * DAY)
    return counters


def test_a_snapshot_says_what_the_stream_said(tmp_path: Path) -> None:
    catalogue, counters = training_log.catalogue(), streamed()
    scaler = fit_scaler(catalogue.numbers)
    save_behaviour(counters, catalogue, scaler, {"model": "m"}, tmp_path)
    behaviour = Behaviour.open(tmp_path)
    rows = np.array([5, 4, 3, 0])
    for query in ("red", "blue"):
        asked = query_hash(query), 5 * DAY
        found = behaviour.of(catalogue.hashes[rows], *asked)
        np.testing.assert_allclose(found.rates, counters.rates(rows, *asked), atol=1e-5)
    np.testing.assert_array_equal(found.numbers, scaler.scale(catalogue.numbers)[rows])
    np.testing.assert_array_equal(found.codes, catalogue.codes[rows])
    np.testing.assert_array_equal(found.created, catalogue.created[rows])


def test_an_unknown_product_has_no_behaviour(tmp_path: Path) -> None:
    catalogue = training_log.catalogue()
    save_behaviour(streamed(), catalogue, fit_scaler(catalogue.numbers), {}, tmp_path)
    found = Behaviour.open(tmp_path).of(id_hashes(["nobody"]), 1, 5 * DAY)
    assert found.rates.tolist() == [[0.0, 0.0, 0.0, 0.0]]
    assert np.isnan(found.numbers).all()
    assert found.codes.tolist() == [[0]]
    assert np.isnan(found.created).all()


def test_counters_of_another_catalogue_are_refused(tmp_path: Path) -> None:
    catalogue = training_log.catalogue()
    other = Counters(catalogue.hashes[1:], 0.0)
    with pytest.raises(ArtifactError, match="of different products"):
        save_behaviour(other, catalogue, fit_scaler(catalogue.numbers), {}, tmp_path)


def test_a_folder_without_snapshot_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="holds no behaviour snapshot"):
        Behaviour.open(tmp_path)
