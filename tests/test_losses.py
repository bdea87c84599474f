"""The listwise loss against numbers worked by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from rerank.models.losses import listwise_softmax

LOG2, LOG3 = math.log(2), math.log(3)


def loss(
    scores: list[Any], gains: list[Any], mask: list[Any] | None = None, offsets: list[Any] | None = None
) -> float:
    values = torch.tensor(scores)
    valid = torch.ones_like(values, dtype=torch.bool) if mask is None else torch.tensor(mask)
    shift = torch.zeros_like(values) if offsets is None else torch.tensor(offsets)
    return float(listwise_softmax(values, torch.tensor(gains), valid, shift))


def test_one_click_among_two() -> None:
    # softmax of (log 3, 0) is (3/4, 1/4)
    assert loss([[LOG3, 0.0]], [[1.0, 0.0]]) == pytest.approx(math.log(4 / 3))
    assert loss([[LOG3, 0.0]], [[0.0, 1.0]]) == pytest.approx(math.log(4))


def test_gains_weigh_the_log_probabilities() -> None:
    # a purchase (3) on the first and a click (1) on the second: -(3 log 3/4 + log 1/4) / 4
    assert loss([[LOG3, 0.0]], [[3.0, 1.0]]) == pytest.approx((3 * math.log(4 / 3) + math.log(4)) / 4)


def test_padding_and_slates_without_gain_change_nothing() -> None:
    assert loss(
        [[LOG3, 0.0, 50.0], [1.0, 2.0, 3.0]],
        [[1.0, 0.0, 9.0], [0.0, 0.0, 0.0]],
        [[True, True, False], [True, True, True]],
    ) == pytest.approx(math.log(4 / 3))


def test_an_offset_is_the_log_examination_probability_of_a_position() -> None:
    # the first is examined three times as often: equal scores leave it 3/4 of the clicks
    assert loss([[0.0, 0.0]], [[0.0, 1.0]], offsets=[[LOG3, 0.0]]) == pytest.approx(math.log(4))


def test_the_offset_of_a_sampled_candidate_is_its_log_weight() -> None:
    # weights 1 and 1/2: p = 2/3
    assert loss([[0.0, 0.0]], [[1.0, 0.0]], offsets=[[0.0, -LOG2]]) == pytest.approx(math.log(1.5))


def test_no_gain_at_all_is_zero_and_has_a_gradient() -> None:
    scores = torch.zeros(2, 3, requires_grad=True)
    value = listwise_softmax(scores, torch.zeros(2, 3), torch.ones(2, 3, dtype=torch.bool), torch.zeros(2, 3))
    value.backward()  # type: ignore[no-untyped-call]
    assert value.item() == 0.0
    assert scores.grad is not None
    assert scores.grad.abs().sum() == 0


@pytest.mark.parametrize("shift", [-7.0, 100.0])
def test_a_shift_of_all_scores_changes_nothing(shift: float) -> None:
    assert loss([[1.0 + shift, shift]], [[1.0, 0.0]]) == pytest.approx(
        loss([[1.0, 0.0]], [[1.0, 0.0]]), abs=1e-5
    )
