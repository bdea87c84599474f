"""The product table and the item table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from support import training_log

from rerank.arrays import find_hashes, half_to_float, id_hashes
from rerank.features.item_table import ItemTable, RowLayout, VectorsOnly, build_items, bytes_per_item
from rerank.features.product_table import keyword_code, read_products, seconds_of
from vitrine.errors import ArtifactError, RerankError


@given(arrays.arrays(np.float16, st.integers(0, 50), elements=st.floats(-60000, 60000, width=16)))
def test_widening_is_exact(half: np.ndarray) -> None:
    np.testing.assert_array_equal(half_to_float(half), half.astype(np.float32))


@given(st.lists(st.text(max_size=5), unique=True), st.lists(st.text(max_size=5)))
def test_hashes_find_exactly_the_ids_of_the_table(ids: list[str], requested: list[str]) -> None:
    table = np.sort(id_hashes(ids))
    rows, known = find_hashes(table, id_hashes(requested))
    assert known.tolist() == [i in ids for i in requested]
    assert all(table[row] == h for row, h, k in zip(rows, id_hashes(requested), known, strict=True) if k)


def test_missing_values_differ_from_zero() -> None:
    products = training_log.products()
    row = {id_: n for n, id_ in enumerate(products.ids)}
    assert (np.diff(products.hashes.astype(object)) > 0).all()
    assert not products.has["image"][row["p9"]]
    assert not products.has["text"][row["p11"]]
    assert np.isnan(products.numbers[row["p7"], 0])
    assert products.numbers[row["p10"]].tolist() == [15.0, 0.0]
    np.testing.assert_allclose(products.vectors["text"][row["p1"]], training_log.TEXT[1], atol=1e-3)
    assert products.codes[row["p0"], 0] == products.codes[row["p3"], 0] != products.codes[row["p1"], 0]


def test_several_images_give_their_mean_direction() -> None:
    images = [{"vec": [2.0] + [0.0] * 11}, {"vec": [0.0, 1.0] + [0.0] * 10}, {"hash": "not embedded"}]
    products = read_products([{"id": "a", "images": images}], training_log.SCHEMA)
    np.testing.assert_allclose(products.vectors["image"][0, :3], [0.5**0.5, 0.5**0.5, 0.0], atol=1e-3)


def test_a_vector_of_another_dimension_is_refused() -> None:
    with pytest.raises(RerankError, match="a vector of 3 values, the schema of the index names 12"):
        read_products([{"id": "a", "text_vec": [1.0, 0.0, 0.0]}], training_log.SCHEMA)


def test_keyword_codes_and_moments() -> None:
    assert keyword_code(["b", "a"]) == keyword_code(["a", "b"]) != keyword_code("a")
    assert keyword_code(None) == keyword_code([]) == 0
    assert seconds_of("1970-01-01T01:00:00+01:00") == 0.0
    assert seconds_of("1970-01-02") == 86400.0
    assert seconds_of(1500) == 1.5
    assert np.isnan(seconds_of("soon"))


def build_table(folder: Path) -> ItemTable:
    build_items(
        training_log.products(), VectorsOnly({"text": 12, "image": 12}), {"model": "m", "index": "i"}, folder
    )
    return ItemTable.open(folder)


def test_a_table_returns_the_rows_that_were_written(tmp_path: Path) -> None:
    table = build_table(tmp_path)
    rows, known = table.find(id_hashes(["p5", "nobody", "p9"]))
    assert known.tolist() == [True, False, True]
    read = table.read(rows)
    np.testing.assert_allclose(read.vectors["image"][0], training_log.IMAGE[5], atol=1e-3)
    assert read.vectors["text"].dtype == np.float32
    assert read.present[2].tolist() == [True, False, True]
    assert table.metadata["model"] == "m"
    table.warm()


def test_a_row_of_full_size_has_at_most_2560_bytes() -> None:
    assert bytes_per_item(RowLayout({"text": 384, "image": 512}, hidden=64, keys=32, gates=3)) <= 2560


def test_a_tower_for_other_vectors_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ArtifactError, match=r"12 \(text\), 9 \(image\) values, the index has 12 \(text\), 12 \(image\)"
    ):
        build_items(training_log.products(), VectorsOnly({"text": 12, "image": 9}), {}, tmp_path)


def test_a_folder_without_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="holds no item table"):
        ItemTable.open(tmp_path)
