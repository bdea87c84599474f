"""The field plan and the schema are read back from JSON, as in `_meta`."""

from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st

from opensearch.index.fields import FieldPlan, IndexSchema, VectorField
from opensearch.index.spaces import SPACES, sub_queries

_column = st.text(min_size=1, max_size=12)
_columns = st.lists(_column, max_size=3).map(tuple)
_plans = st.builds(
    FieldPlan,
    id=_column,
    title=_column,
    text=_columns,
    images=_columns,
    vectors=st.dictionaries(_column, _columns, max_size=2),
    numbers=_columns,
    keywords=_columns,
    dates=_columns,
    language=st.sampled_from(["en", "zh"]),
    language_field=st.none() | _column,
    group=st.none() | _column,
    available=st.none() | _column,
    created=st.none() | _column,
)
_vectors = st.builds(
    VectorField,
    encoder=_column,
    query_encoder=_column,
    dimension=st.integers(1, 4096),
    languages=st.lists(st.sampled_from(["en", "zh"]), max_size=2).map(tuple),
)

_weights = st.none() | st.fixed_dictionaries(dict.fromkeys(sub_queries(), st.floats(0, 1)))


@given(
    st.builds(
        IndexSchema,
        plan=_plans,
        vectors=st.dictionaries(st.sampled_from(list(SPACES)), _vectors),
        weights=_weights,
        similarity_threshold=st.none() | st.floats(-1, 1),
    )
)
def test_a_schema_is_read_back_from_json(schema: IndexSchema) -> None:
    assert IndexSchema.from_dict(orjson.loads(orjson.dumps(schema.to_dict()))) == schema


def test_a_plan_ignores_entries_of_a_later_version() -> None:
    assert FieldPlan.from_dict({"id": "sku", "text": ["a"], "added_later": 1}) == FieldPlan(
        id="sku", text=("a",)
    )
