"""Prices, measures and column values in the words of a query become boosts or filters, named in the answer."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any

import pytest

from opensearch.index.fields import ColumnFormat, FieldPlan, IndexSchema
from opensearch.understanding.constraints.amounts import ranges_in
from opensearch.understanding.plan import QueryPlan, understand
from opensearch.understanding.vocabulary.artifact import Vocabulary
from opensearch.understanding.vocabulary.build import make_vocabulary
from opensearch.understanding.vocabulary.counts import ProductCounts
from vitrine.notation.numerals import number_as_typed

PLAN = FieldPlan(
    numbers=("price", "diagonal", "weight", "rating"),
    keywords=("colour", "shoe_size", "type", "brand", "code"),
    columns={
        "price": ColumnFormat(currency="EUR"),
        "diagonal": ColumnFormat(unit="cm"),
        "weight": ColumnFormat(unit="kg"),
    },
)
SCHEMA = IndexSchema(PLAN)
PRODUCTS: list[tuple[str, dict[str, Any]]] = [
    (
        "Red running shoes",
        {"colour": "Red", "shoe_size": ["41", "42"], "type": "Running Shoes", "brand": "Apple"},
    ),
    ("Black dress shoes", {"colour": "black", "shoe_size": "42", "type": "Shoes", "brand": "Orion"}),
    ("Navy blue dress", {"colour": "Navy Blue", "type": "Dresses", "brand": "Orion"}),
    ("Apple juice", {"type": "Juices", "brand": "Orion"}),
    ("Apple cake", {"type": "Cakes", "brand": "Orion"}),
    ("Apple pie", {"type": "Cakes", "brand": "Orion"}),
    ("白色T恤", {"colour": "白色", "type": "T恤", "brand": "Orion"}),
]


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    counts = ProductCounts()
    for n in range(10):
        for title, keywords in PRODUCTS:
            words = [
                title,
                *(v for value in keywords.values() for v in (value if isinstance(value, list) else [value])),
            ]
            counts.add(title, " ".join(words), {**keywords, "code": f"{title[:2]}{n}"})
    counts.add_numbers({"price": [10, 900], "rating": [1, 5], "weight": [0.1, 9]})
    return make_vocabulary(counts, "en")


def found(plan: QueryPlan) -> list[tuple[str, str, Any]]:
    return [(constraint.column, constraint.op, constraint.value) for constraint in plan.constraints]


@pytest.mark.parametrize(
    ("typed", "searched", "constraints"),
    [
        ("dress under 50", "dress", [("price", "<=", 50), ("type", "=", "Dresses")]),
        ("dress below €1.249,00", "dress", [("price", "<=", 1249), ("type", "=", "Dresses")]),
        ("lamp unter 50 euro", "lamp", [("price", "<=", 50)]),
        ("lampe moins de 50", "lampe", [("price", "<=", 50)]),
        ("lamp between 20 and 30", "lamp", [("price", "..", (20, 30))]),
        ("lamp between 30 and 20", "lamp", [("price", "..", (20, 30))]),
        ("lamp 100-200 eur", "lamp", [("price", "..", (100, 200))]),
        ("lamp rating above 4", "lamp", [("rating", ">=", 4)]),
        ("rating 4 lamp", "lamp", [("rating", "=", 4)]),
        ("lamp price 50", "lamp", [("price", "=", 50)]),
        ("lamp from 100 €", "lamp", [("price", ">=", 100)]),
        ("tv 40 inch", "tv 40 inch", [("diagonal", "=", 101.6)]),
        ("parcel under 500 g", "parcel", [("weight", "<=", 0.5)]),
        (
            "red shoes size 42",
            "red shoes size 42",
            [("colour", "=", "Red"), ("type", "=", "Shoes"), ("shoe_size", "=", "42")],
        ),
        ("navy blue something", "navy blue something", [("colour", "=", "Navy Blue")]),
        ("白色T恤 100以下", "白色T恤 100以下", [("colour", "=", "白色"), ("type", "=", "T恤")]),
        ("白色T恤 低于100", "白色T恤", [("price", "<=", 100), ("colour", "=", "白色"), ("type", "=", "T恤")]),
        ("runing shoes under 50", "running shoes", [("price", "<=", 50), ("type", "=", "Running Shoes")]),
        ("red lamp under 50 red", "red lamp red", [("price", "<=", 50), ("colour", "=", "Red")]),  # each once
    ],
)
def test_constraints_are_read_from_the_words(
    typed: str, searched: str, constraints: list[tuple[str, str, Any]], vocabulary: Vocabulary
) -> None:
    plan = understand(typed, SCHEMA, vocabulary)
    assert (plan.words, found(plan)) == (searched, constraints)


@pytest.mark.parametrize(
    "typed",
    [
        "cheap lamp",
        "lamp under $50",  # the shop's prices are in euros
        "phone 42",  # no column is named
        "pro max 64 gb",  # no column has bytes
        "vitamins over 50",
        "recipe under 30 minutes",
        "KAL-0815-20",
        "re1",  # a value of a column of codes
        "apple",  # the brand of one product in four that hold the word
    ],
)
def test_other_words_are_no_constraints(typed: str, vocabulary: Vocabulary) -> None:
    assert understand(typed, SCHEMA, vocabulary).constraints == ()


def test_a_stated_constraint_doubles_the_score_and_a_value_counts_as_one_more_word(
    vocabulary: Vocabulary,
) -> None:
    price, colour = understand("red lamp under 50", SCHEMA, vocabulary).boosts
    assert (price.clause, price.factor, price.nearest) == ({"range": {"numbers.price": {"lte": 50}}}, 2, True)
    assert (colour.factor, colour.nearest) == (1.5, False)
    unknown = {"bool": {"must_not": [{"exists": {"field": "keywords.colour"}}]}}
    assert colour.clause == {"bool": {"should": [{"term": {"keywords.colour": "Red"}}, unknown]}}


@pytest.mark.parametrize(
    ("typed", "broken"),
    [
        ("red lamp under 50", ["price <= 50"]),
        ("lamp between 20 and 50", ["price 20..50"]),
        ("rating above 4 lamp", ["rating >= 4"]),
        ("tv under 40 inch", ["diagonal <= 101.6"]),
        ("flour at least 2 kg", ["weight >= 2"]),
        ("red shoes size 42", ["shoe_size = 42"]),
        ("red lamp under 5", []),  # no product costs as little, so all would come last
        ("rating above 7 lamp", []),
        ("tv 40 inch", []),  # a strong match of 43 inch may do
        ("tv 39-43 inch", []),
        ("flour 500 g", []),
        ("rating 4 lamp", []),
        ("shoes colour red", []),  # navy may do for blue
        ("orion brand shoes", []),
    ],
)
def test_a_bound_or_a_named_size_can_be_broken(typed: str, broken: list[str], vocabulary: Vocabulary) -> None:
    assert list(understand(typed, SCHEMA, vocabulary).breaking) == broken
    for mode in ("filter", "off"):
        assert understand(typed, SCHEMA, vocabulary, constraints=mode).breaking == {}


def test_a_product_without_a_value_breaks_no_constraint(vocabulary: Vocabulary) -> None:
    assert understand("lamp under 50", SCHEMA, vocabulary).breaking["price <= 50"] == {
        "bool": {
            "filter": [{"exists": {"field": "numbers.price"}}],
            "must_not": [{"range": {"numbers.price": {"lte": 50}}}],
        }
    }


def test_a_measure_that_two_columns_may_hold_breaks_nothing(vocabulary: Vocabulary) -> None:
    columns = {**PLAN.columns, "height": ColumnFormat(unit="cm")}
    schema = IndexSchema(replace(PLAN, numbers=(*PLAN.numbers, "height"), columns=columns))
    plan = understand("tv under 40 inch", schema, vocabulary)
    assert found(plan) == [("diagonal", "<=", 101.6)]
    assert plan.breaking == {}
    columns["screen"] = ColumnFormat(
        unit="in"
    )  # a column in the unit of the query is meant before the others
    schema = IndexSchema(replace(PLAN, numbers=(*PLAN.numbers, "height", "screen"), columns=columns))
    assert found(understand("tv 40 inch", schema, vocabulary)) == [("screen", "=", 40)]


def test_filters_are_taken_out_of_the_words(vocabulary: Vocabulary) -> None:
    plan = understand("red lamp under 50", SCHEMA, vocabulary, constraints="filter")
    assert plan.words == "lamp"
    assert plan.boosts == ()
    assert plan.filters == ({"range": {"numbers.price": {"lte": 50}}}, {"term": {"keywords.colour": "Red"}})


def test_constraints_can_be_switched_off(vocabulary: Vocabulary) -> None:
    assert understand("red lamp under 50", SCHEMA, vocabulary, constraints="off").words == "red lamp under 50"
    assert understand("red lamp under 50", SCHEMA, vocabulary, verbatim=True).constraints == ()


def test_the_answer_names_what_was_understood(vocabulary: Vocabulary) -> None:
    fields = understand("runing shoes under 50", SCHEMA, vocabulary).to_dict()
    assert fields["corrected"] == {"from": "runing shoes under 50", "to": "running shoes under 50"}
    assert fields["constraints"][0] == {"column": "price", "op": "<=", "value": 50, "words": "under 50"}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("50", 50),
        ("1,249", 1249),
        ("1.249,00", 1249),
        ("19,90", 19.9),
        ("0.125", 0.125),
        ("1'249.50", 1249.5),
        ("1,00,000", 100_000),
        ("1.2.3", None),
    ],
)
def test_numbers_are_read_in_either_notation(text: str, number: float) -> None:
    assert number_as_typed(text) == number


@pytest.mark.parametrize(
    ("line", "low", "high"),
    [
        ("kleid bis 50 €", -inf, 50),
        ("shoes 50€ or less", -inf, 50),
        ("laptop $1,000 and up", 1000, inf),
        ("de 20 à 30 euros", 20, 30),
        ("100到200元 裙子", 100, 200),
        ("200元以上 手机", 200, inf),
        ("价格 100-300 元", 100, 300),
        ("dress <50", -inf, 50),
    ],
)
def test_prices_are_read_in_several_languages(line: str, low: float, high: float) -> None:
    (one,) = ranges_in(line)
    assert (one.low, one.high, one.explicit) == (low, high, True)


@pytest.mark.parametrize("words", ["under {}", "between 5 and {}", "{} cm", "width {}"])
def test_a_number_that_no_float_holds_is_no_constraint(words: str, vocabulary: Vocabulary) -> None:
    schema = IndexSchema(replace(PLAN, numbers=(*PLAN.numbers, "width")))
    typed = words.format("9" * 309)
    assert understand(typed, schema, vocabulary) == QueryPlan(typed, typed)
