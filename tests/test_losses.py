"""The losses against numbers worked by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from rerank.models.neural.losses import LOSSES, expected_gain

LOG2, LOG3 = math.log(2), math.log(3)


def loss(
    scores: list[Any],
    gains: list[Any],
    mask: list[Any] | None = None,
    offsets: list[Any] | None = None,
    name: str = "listwise_softmax",
) -> float:
    """`scores` are (B, L), or (B, L, 2) for the loss of two outputs."""
    values, gained = torch.tensor(scores), torch.tensor(gains)
    valid = torch.ones_like(gained, dtype=torch.bool) if mask is None else torch.tensor(mask)
    shift = torch.zeros_like(gained) if offsets is None else torch.tensor(offsets)
    outputs = values if values.dim() == 3 else values[..., None]
    return float(LOSSES[name].function(outputs, gained, valid, shift))


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


@pytest.mark.parametrize("name", ["listwise_softmax", "pairwise_logistic"])
def test_no_gain_at_all_is_zero_and_has_a_gradient(name: str) -> None:
    scores = torch.zeros(2, 3, 1, requires_grad=True)
    mask = torch.ones(2, 3, dtype=torch.bool)
    value = LOSSES[name].function(scores, torch.zeros(2, 3), mask, torch.zeros(2, 3))
    value.backward()  # type: ignore[no-untyped-call]
    assert value.item() == 0.0
    assert scores.grad is not None
    assert scores.grad.abs().sum() == 0


@pytest.mark.parametrize("shift", [-7.0, 100.0])
def test_a_shift_of_all_scores_changes_nothing(shift: float) -> None:
    assert loss([[1.0 + shift, shift]], [[1.0, 0.0]]) == pytest.approx(
        loss([[1.0, 0.0]], [[1.0, 0.0]]), abs=1e-5
    )


def test_pairs_by_hand() -> None:
    # a purchase (3) over nothing and over a click (1), the click over nothing: weights 3, 2, 1
    expected = (3 * math.log1p(1 / 3) + 2 * math.log(2) + math.log1p(1 / 3)) / 6
    assert loss([[LOG3, LOG3, 0.0]], [[3.0, 1.0, 0.0]], name="pairwise_logistic") == pytest.approx(expected)
    assert loss([[0.0, 99.0]], [[1.0, 0.0]], name="pairwise_logistic") == pytest.approx(99.0)


def test_pointwise_losses_by_hand() -> None:
    # sigmoid(log 3) = 3/4, examined half of the time: 3/8
    point = {"gains": [[1.0, 0.0]], "offsets": [[-LOG2, 0.0]]}
    expected = -(math.log(3 / 8) + math.log(1 / 2)) / 2
    assert loss([[LOG3, 0.0]], name="log_loss", **point) == pytest.approx(expected)
    squared = ((1 - 3 / 8) ** 2 + (1 / 2) ** 2) / 2
    assert loss([[LOG3, 0.0]], name="squared_error", **point) == pytest.approx(squared)


def test_click_and_conversion_by_hand() -> None:
    # a click and purchase with P(click) 3/4 and P(conversion | click) 1/2; nothing where both are 1/2
    outputs = [[[LOG3, 0.0], [0.0, 0.0]]]
    clicks = -(math.log(3 / 4) + math.log(1 / 2)) / 2
    conversions = -(math.log(3 / 8) + math.log(3 / 4)) / 2
    found = loss(outputs, [[3.0, 0.0]], name="click_and_conversion")
    assert found == pytest.approx(clicks + conversions)
    gain = expected_gain(np.array(outputs[0], dtype=np.float32))
    assert np.exp(gain) == pytest.approx([3 / 4 * 2, 1 / 2 * 2])


@pytest.mark.parametrize("name", list(LOSSES))
def test_extreme_scores_have_finite_losses_and_gradients(name: str) -> None:
    entry = LOSSES[name]
    scores = torch.tensor([[1e4, -1e4, 0.0]])[..., None].repeat(1, 1, entry.outputs).requires_grad_()
    mask = torch.tensor([[True, True, False]])
    for gains in ([[0.0, 3.0, 0.0]], [[3.0, 0.0, 0.0]], [[0.0, 0.0, 9.0]]):
        value = entry.function(scores, torch.tensor(gains), mask, torch.zeros(1, 3))
        assert torch.isfinite(value)
        (gradient,) = torch.autograd.grad(value, scores)
        assert torch.isfinite(gradient).all()
        assert gradient[0, 2].abs().sum() == 0
