"""The comparison of rankers against values worked by hand."""

from __future__ import annotations

import json
import math
from io import StringIO
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from rerank.features.groups import FeaturePlan, feature_names
from rerank.training.comparison.compare import (
    ENGINE_ORDER,
    Comparison,
    compare_rankers,
    slate_metrics,
)
from rerank.training.comparison.tables import comparison_table
from rerank.training.examples import Examples

PLAN = FeaturePlan(("text", "image"), (), ())
NAMES = feature_names(PLAN)


def examples(slates: int = 4) -> Examples:
    """Three candidates in engine order; the last one is clicked at the second place, the padding never."""
    x = np.zeros((slates, 4, len(NAMES)), dtype=np.float32)
    x[:, :, NAMES.index("rank")] = [0.0, -0.1, -0.2, -0.3]
    x[:, :, NAMES.index("text_cosine")] = [0.1, 0.2, 0.9, 0.99]
    x[:, :, NAMES.index("image_missing")] = 1.0

    def rows(values: list[Any], kind: type) -> np.ndarray:
        return np.tile(np.array(values, dtype=kind), (slates, 1))

    return Examples(
        items=rows([0, 1, 2, 0], np.int64),
        mask=rows([1, 1, 1, 0], np.bool_),
        x=x,
        gains=rows([0, 0, 1, 5], np.float32),
        position=rows([0, 2, 1, -1], np.int64),
        offset=rows([0, 0, 0, 0], np.float32),
        clicks=np.zeros((slates, 0), dtype=np.int64),
        click_mask=np.zeros((slates, 0), dtype=np.bool_),
        age_hours=np.zeros((slates, 0), dtype=np.float32),
        query=np.zeros(slates, dtype=np.int64),
        random=np.arange(slates) % 2 == 0,
        at=np.arange(slates, dtype=np.float64),
    )


def test_figures_by_hand() -> None:
    gains = np.array([[0, 1, 2, 0], [1, 0, 0, 0]], dtype=np.float32)
    examined = np.array([[True, True, True, False], [True, True, False, False]])
    scores = np.array([[3, 2, 1, 9], [1, 2, 9, 9]], dtype=np.float32)
    probability = np.array([[1, 0.5, 0.05, 1], [0.25, 1, 1, 1]])
    result = slate_metrics(scores, gains, examined, probability)
    ideal = 1 + 1 / math.log2(3)
    assert result[0, 0] == pytest.approx((1 / math.log2(3) + 1 / 2) / ideal)
    assert result[0, 1] == 0.5
    # weights 2 and, cut, 10 at the second and third place; 4 at the second; their mean sum is (12 + 4) / 2
    assert result[0, 2] == pytest.approx((2 / math.log2(3) + 10 / 2) / 8)
    assert result[1].tolist() == pytest.approx([1 / math.log2(3), 0.5, 4 / math.log2(3) / 8])


def test_a_better_order_has_higher_figures() -> None:
    slates = examples()
    result = compare_rankers(slates, PLAN, {"right": slates.gains}, np.ones(30))
    rows = {row.ranker: row for row in result.rows}
    assert (result.slates, result.random_slates) == (4, 2)
    assert rows[ENGINE_ORDER].ndcg.mean == pytest.approx(0.5)  # third place: 1 / log2(4)
    assert rows["right"].ndcg.mean == rows["text cosine"].ndcg.mean == 1.0
    assert rows["right"].ndcg.difference.low == pytest.approx(0.5)
    assert rows["image cosine"].ndcg.mean == pytest.approx(0.5)  # all missing: engine order stays
    assert rows["right"].random is not None


def test_a_comparison_round_trips_through_the_card_and_is_shown_as_a_table() -> None:
    result = compare_rankers(examples(3), PLAN, {}, np.ones(30))
    assert Comparison.from_dict(json.loads(json.dumps(result.to_dict()))) == result
    console = Console(width=120, record=True, file=StringIO())
    console.print(comparison_table(result))
    text = console.export_text()
    assert "3 held-out searches, 2 of them shown in random order" in text
    assert "[+0.500 +0.500]*" in text


def test_without_random_slates_there_is_no_figure_for_them() -> None:
    slates = examples(3)
    result = compare_rankers(slates.part(~slates.random), PLAN, {}, np.ones(30))
    assert result.rows[0].random is None
