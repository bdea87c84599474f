"""Which values of keyword columns a query names, and which products carry them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from opensearch.index.fields import FieldPlan, IndexSchema, VectorField
from rerank.features.behaviour import BehaviourSnapshot, BehaviourSource, BehaviourTables, save_behaviour
from rerank.features.groups import GROUPS, FeatureInputs, ProductAttributes, feature_names
from rerank.features.named_values import agreement
from rerank.features.product_table import ProductTable, read_products

SCHEMA = IndexSchema(
    FieldPlan(keywords=("colour", "category", "brand")), {"text": VectorField("words", "words", 2)}
)
ROWS = {
    "a": {"colour": "Red", "category": "Dresses", "brand": "Lumen & Co"},
    "b": {"colour": ["blue", "RED"], "category": "dress"},
    "c": {"colour": "blue", "category": "t-shirt", "brand": "Okapi"},
    "d": {"category": "红色 连衣裙"},
}
COLUMNS = {name: number for number, name in enumerate(SCHEMA.plan.keywords)}


@pytest.fixture(scope="module")
def products() -> ProductTable:
    return read_products(({"id": i, "keywords": keywords} for i, keywords in ROWS.items()), SCHEMA)


def found(products: ProductTable, query: str, column: str) -> dict[str, str]:
    """By product: yes, other (only other values than the query names), or - (nothing to compare)."""
    values = agreement(products.values, products.value_table.named_by(query))[:, COLUMNS[column]]
    return {
        i: "yes" if carries else "other" if others else "-"
        for i, (carries, others) in zip(products.ids, values, strict=True)
    }


@pytest.mark.parametrize(
    ("query", "column", "expected"),
    [
        ("red dress", "colour", {"a": "yes", "b": "yes", "c": "other", "d": "-"}),
        ("red dress", "category", {"a": "yes", "b": "yes", "c": "other", "d": "other"}),
        ("RED Dresses!", "category", {"a": "yes", "b": "yes", "c": "other", "d": "other"}),
        ("red dress", "brand", {"a": "-", "b": "-", "c": "-", "d": "-"}),
        ("lumen & co lamp", "brand", {"a": "yes", "b": "-", "c": "other", "d": "-"}),
        ("blue t shirts", "category", {"a": "other", "b": "other", "c": "yes", "d": "other"}),
        ("便宜红色连衣裙", "category", {"a": "other", "b": "other", "c": "other", "d": "yes"}),
        ("reddish green lamp", "colour", {"a": "-", "b": "-", "c": "-", "d": "-"}),
        ("", "colour", {"a": "-", "b": "-", "c": "-", "d": "-"}),
    ],
)
def test_the_values_that_a_query_names(
    products: ProductTable, query: str, column: str, expected: dict[str, str]
) -> None:
    assert found(products, query, column) == expected


def test_a_snapshot_and_the_index_give_the_same_features(products: ProductTable, tmp_path: Path) -> None:

    folder = tmp_path
    source = BehaviourSource(products, np.zeros((len(products.ids), 0), np.float32))
    save_behaviour(source, BehaviourTables.empty(products, 0.0), {}, folder)
    served = BehaviourSnapshot.open(folder)
    hashes = products.hashes[[2, 0]]
    for query in ("red dress", "okapi t-shirt", "nothing", ""):
        both = [
            GROUPS["named_values"].compute(
                FeatureInputs(
                    candidates=ProductAttributes(hashes, {}, {}, arrays),
                    ranks=np.arange(2),
                    rates=np.zeros((2, 7), np.float32),
                    query={},
                    history=None,
                    as_of=0.0,
                    named=table.named_by(query),
                )
            )
            for arrays, table in (
                (source.arrays(np.array([2, 0])), products.value_table),
                (served.arrays(hashes), served.value_table),
            )
        ]
        np.testing.assert_array_equal(both[0], both[1])
    names = feature_names(products.plan)
    assert {"named:colour", "not_named:brand"} <= set(names)
