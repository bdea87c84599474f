"""Feature groups against values worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rerank.features.groups import (
    Affinities,
    FeatureInputs,
    FeaturePlan,
    ProductAttributes,
    QueryVectors,
    dropped_columns,
    feature_names,
    features,
)
from rerank.features.scaler import Scaler, fit_scaler

PLAN = FeaturePlan(("text", "image"), ("price",), ("brand",))
NAMES = feature_names(PLAN)
DAY = 86400.0


def attributes(
    *,
    hashes: list[int] | None = None,
    text: list[list[float]] | None = None,
    image: list[list[float]] | None = None,
    numbers: list[list[float]] | None = None,
    codes: list[list[int]] | None = None,
) -> ProductAttributes:
    """Three products: a complete one, one without image and price, one without text vector and date."""
    vectors = {
        "text": np.array(text or [[1, 0], [0.6, 0.8], [0, 0]], dtype=np.float32),
        "image": np.array(image or [[0, 1], [0, 0], [1, 0]], dtype=np.float32),
    }
    return ProductAttributes(
        hashes=np.array(hashes or [11, 12, 13], dtype=np.uint64),
        vectors=vectors,
        has={space: np.asarray(array.any(axis=1)) for space, array in vectors.items()},
        arrays={
            "numbers": np.array(numbers or [[0.5], [np.nan], [-1.0]], dtype=np.float32),
            "codes": np.array(codes or [[7], [8], [0]], dtype=np.uint32),
            "values": np.array([[[7, 9]], [[8, 0]], [[0, 0]]], dtype=np.uint32),
            "created": np.array([100 * DAY, 70 * DAY, np.nan]),
            "neighbours": np.array([[12, 0], [11, 13], [12, 0]], dtype=np.uint64),
            "neighbour_similarity": np.array([[0.5, 0], [0.5, 0.25], [0.25, 0]], dtype=np.float16),
        },
    )


def column(x: np.ndarray, name: str) -> list[float]:
    return [round(float(v), 5) for v in x[:, NAMES.index(name)]]


def compute(
    query: QueryVectors, history: ProductAttributes | None = None, affinities: Affinities | None = None
) -> np.ndarray:
    rates = np.arange(21, dtype=np.float32).reshape(3, 7)
    ranks = np.array([0, 1, 3])
    return features(FeatureInputs(attributes(), ranks, rates, query, history, 100 * DAY, affinities))


def test_each_name_has_one_column() -> None:
    assert compute({}).shape == (3, len(NAMES))
    assert compute({}).dtype == np.float32


def test_cosines_normalize_the_query_and_missing_vectors_are_flagged() -> None:
    x = compute({"text": np.array([0.0, 5.0], dtype=np.float32)})
    assert column(x, "text_cosine") == [0.0, 0.8, 0.0]
    assert column(x, "text_missing") == [0.0, 0.0, 1.0]
    assert column(x, "image_cosine") == [0.0, 0.0, 0.0]
    assert column(x, "image_missing") == [1.0, 1.0, 1.0]


def test_rank_rates_and_age_by_hand() -> None:
    x = compute({})
    assert column(x, "rank") == [0.0, -0.125, -0.25]  # -log2(1 + rank) / 8
    assert column(x, "popularity") == [3.0, 10.0, 17.0]
    assert column(x, "recency") == [1.0, round(math.exp(-1), 5), 0.0]
    assert column(x, "age_missing") == [0.0, 0.0, 1.0]


def test_an_unknown_number_is_flagged_and_never_silently_zero() -> None:
    x = compute({})
    assert column(x, "number:price") == [0.5, 0.0, -1.0]
    assert column(x, "missing:price") == [0.0, 1.0, 0.0]


def test_a_shopper_without_clicks_has_no_history() -> None:
    x = compute({})
    assert column(x, "history_missing") == [1.0, 1.0, 1.0]
    assert column(x, "clicked_before") == [0.0, 0.0, 0.0]


def test_affinities_by_hand() -> None:
    """A weight of 6 counts by 6 / 9 (the prior is 3): 4 of it on the first product's brand, all of it near one price."""
    same, known = np.array([[4.0], [0.0], [0.0]], np.float32), np.array([6.0], np.float32)
    x = compute({}, affinities=Affinities(6.0, same, np.array([-0.5], np.float32), known))
    assert column(x, "affinity:brand") == [round(4 / 9, 5), 0.0, 0.0]
    near = [math.exp(-1) * 6 / 9, 0.0, math.exp(-0.5) * 6 / 9]
    assert column(x, "affinity:price") == [round(value, 5) for value in near]
    assert column(compute({}), "affinity:brand") == column(compute({}), "affinity:price") == [0.0, 0.0, 0.0]


def test_similarity_to_earlier_clicks_by_hand() -> None:
    clicked = attributes(
        hashes=[11, 11, 99],
        text=[[1, 0], [0, 1], [0, 0]],
        image=[[0, 0], [0, 0], [0, 0]],
        numbers=[[0.5], [1.5], [np.nan]],
        codes=[[7], [7], [0]],
    )
    x = compute({}, clicked)
    assert column(x, "history_missing") == [0.0, 0.0, 0.0]
    assert column(x, "clicked_before") == [round(math.log(3), 5), 0.0, 0.0]
    assert column(x, "text_nearest") == [1.0, 0.8, 0.0]
    assert column(x, "text_mean") == [0.5, 0.7, 0.0]
    assert column(x, "image_nearest") == [0.0, 0.0, 0.0]
    assert column(x, "same:brand") == [round(2 / 3, 5), 0.0, 0.0]
    assert column(x, "collaborative") == [
        round(math.log(1.5), 5),
        round(math.log(1.75), 5),
        round(math.log(1.25), 5),
    ]
    assert column(x, "near:price") == [round(math.exp(-0.5), 5), 0.0, round(math.exp(-2), 5)]


def test_dropped_columns_are_what_a_missing_signal_looks_like() -> None:
    full = compute(dict.fromkeys(("text", "image"), np.array([1.0, 0.0], dtype=np.float32)), attributes())
    empty = compute({})
    for signal in ("text", "image", "history"):
        dropped = dropped_columns(PLAN)[signal]
        full[:, list(dropped.values)] = 0.0
        assert dropped.flag is not None
        full[:, dropped.flag] = 1.0
    np.testing.assert_array_equal(full, empty)


def test_scaler_is_robust_and_keeps_the_order_of_outliers() -> None:
    scaler = fit_scaler(np.array([[1.0], [2.0], [3.0], [4.0], [5.0], [np.nan]]))
    assert scaler.centre.tolist() == [3.0]
    assert scaler.width.tolist() == [1.0]  # quartiles 2 and 4
    scaled = scaler.scale(np.array([[3.0], [4.0], [50.0], [60.0], [1e9], [np.nan]]))[:, 0]
    assert scaled[0] == 0.0
    assert scaled[1] == pytest.approx(math.asinh(1.0))
    assert scaled[2] < scaled[3] < scaled[4] == 6.0
    assert np.isnan(scaled[5])


def test_a_constant_or_empty_column_scales_by_one() -> None:
    scaler = fit_scaler(np.array([[4.0, np.nan], [4.0, np.nan]]))
    assert isinstance(scaler, Scaler)
    assert scaler.width.tolist() == [1.0, 1.0]
    assert scaler.scale(np.array([[4.0, np.nan]])).tolist()[0][0] == 0.0
