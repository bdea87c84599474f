"""Text encoders: the packaged MiniLM, any directory, and errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tiny_text_encoder import tiny_text_encoder

from encoders.card import TextCard, require_card
from encoders.text import open_text_encoder
from encoders.tokens import batches_by_length, pad
from vitrine.errors import EncoderError
from vitrine.store import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(str(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_text_encoder(tmp_path_factory.mktemp("tiny"))


def test_packaged_encoder_puts_like_meanings_close(store: Store) -> None:
    encoder = open_text_encoder(None, store)
    vectors = encoder.encode(
        ["red running shoes", "crimson sneakers for jogging", "stainless steel kettle", ""]
    )
    assert vectors.shape == (4, encoder.dimension) == (4, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-4)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.3
    assert encoder.languages == ("en",)
    assert store.has("encoders", encoder.name)


def test_an_opened_encoder_opens_again_by_its_artifact_name(store: Store, tiny: Path) -> None:
    first = open_text_encoder(str(tiny), store)
    again = open_text_encoder(first.name, store)
    assert again.name == first.name
    np.testing.assert_array_equal(again.encode(["red shoes"]), first.encode(["red shoes"]))


def test_same_weights_are_exported_once(store: Store, tiny: Path) -> None:
    first = open_text_encoder(str(tiny), store).name
    modified = (store.get("encoders", first) / "model.onnx").stat().st_mtime_ns
    assert open_text_encoder(str(tiny), store).name == first
    assert (store.get("encoders", first) / "model.onnx").stat().st_mtime_ns == modified


def test_other_weights_have_another_name(store: Store, tiny: Path, tmp_path: Path) -> None:
    other = tiny_text_encoder(tmp_path, seed=1)
    assert open_text_encoder(str(other), store).name != open_text_encoder(str(tiny), store).name


def test_rows_keep_their_order_for_any_length(store: Store, tiny: Path) -> None:
    encoder = open_text_encoder(str(tiny), store)
    texts = ["red shoes for men", "blue", "a green dress for women", "bag"] * 40
    together = encoder.encode(texts)
    for row in (0, 1, 2, 3, 159):
        np.testing.assert_allclose(together[row], encoder.encode([texts[row]])[0], atol=2e-2)


def test_words_beyond_the_limit_change_nothing(store: Store, tiny: Path) -> None:
    encoder = open_text_encoder(str(tiny), store)
    limit = require_card(store.get("encoders", encoder.name), encoder.name, TextCard).max_tokens
    assert limit == 16
    long = encoder.encode(["red " * limit + "blue green", "red " * limit])
    np.testing.assert_allclose(long[0], long[1], atol=1e-6)


def test_no_texts_give_no_vectors(store: Store, tiny: Path) -> None:
    assert open_text_encoder(str(tiny), store).encode([]).shape == (0, 32)


def test_an_unknown_name_is_one_sentence(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EncoderError, match=r"no-such/encoder.*packaged MiniLM"):
        open_text_encoder("no-such/encoder", store)


@given(st.lists(st.integers(0, 256), max_size=300), st.integers(256, 4096))
def test_batches_hold_every_row_once_within_the_token_limit(lengths: list[int], tokens: int) -> None:
    batches = list(batches_by_length(lengths, tokens))
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert all(len(batch) * max(lengths[row] for row in batch) <= tokens for batch in batches)


def test_batches_by_length_have_little_padding() -> None:
    lengths = np.random.default_rng(3).lognormal(2.8, 0.6, 2048).astype(int).clip(3, 256)
    computed = sum(len(batch) * max(lengths[batch]) for batch in batches_by_length(lengths.tolist(), 2048))
    assert computed <= 1.1 * lengths.sum()


def test_padding_is_masked() -> None:
    ids, mask = pad([[7, 8, 9], [5]])
    assert ids.tolist() == [[7, 8, 9], [5, 0, 0]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]
