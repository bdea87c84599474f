"""Prompts, pooling, dense layers, length limit and cut dimension of text encoders, against sentence-transformers itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from support.tiny_text_encoder import TinySettings, tiny_text_encoder

from encoders.card import TextCard, derive_encoder, require_card
from encoders.onnx.quantize import quantize
from encoders.onnx.text import OnnxCatalogueEncoder, open_onnx_text
from encoders.prompts import Prompts, configured_prompts, family_prompts
from encoders.text import TextSettings, open_text_encoder
from encoders.torch_text import TorchTextEncoder
from vitrine.errors import EncoderError
from vitrine.store import Store

TEXTS = ["red shoes for men", "a dress", "a black bag " * 12, "green"]
SIDES = {"query": "query: ", "passage": "passage: "}
MODELS = {
    "mean": TinySettings(prompts=SIDES),
    "first token, at most eight tokens": TinySettings(
        "cls", prompts=SIDES, special_tokens=True, max_tokens=8
    ),
    "largest values, a dense layer, unit length": TinySettings(
        "max", dense=12, normalize=True, prompts=SIDES
    ),
    "last token": TinySettings("lasttoken", prompts=SIDES, special_tokens=True),
    "weighted by position": TinySettings("weightedmean", prompts=SIDES),
    "the prompt left out of the vector": TinySettings(prompts=SIDES, pool_prompt=False, special_tokens=True),
    "one prompt for everything": TinySettings(
        ("cls", "mean"), prompts={"search": "a red "}, default_prompt="search"
    ),
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


@pytest.mark.parametrize("what", MODELS)
def test_both_sides_have_the_vectors_of_sentence_transformers(
    what: str, store: Store, tmp_path: Path
) -> None:
    settings = MODELS[what]
    folder = tiny_text_encoder(tmp_path, settings=settings)
    model = SentenceTransformer(str(folder), device="cpu")
    names = {"query": "query", "passage": "passage"} if settings.prompts == SIDES else {}
    queries, documents = (
        model.encode(TEXTS, prompt_name=names.get(side), normalize_embeddings=True) for side in SIDES
    )
    name = open_text_encoder(str(folder), store).name
    directory = store.get("encoders", name)
    for form in (OnnxCatalogueEncoder(directory, name), TorchTextEncoder(directory, name)):
        assert form.dimension == queries.shape[1]
        assert (form.encode_queries(TEXTS) * queries).sum(axis=1).min() > 1 - 1e-3
        assert (form.encode(TEXTS) * documents).sum(axis=1).min() > 1 - 1e-3
    served = np.stack(open_onnx_text(store, name).encode(TEXTS))
    np.testing.assert_allclose(served, queries, atol=1e-5)
    if names:
        assert (queries * documents).sum(axis=1).min() < 0.999  # the two prompts do make a difference


def test_a_cut_dimension_has_the_first_values_at_unit_length_on_both_sides(
    store: Store, tmp_path: Path
) -> None:
    folder = tiny_text_encoder(tmp_path, settings=TinySettings(prompts=SIDES))
    model = SentenceTransformer(str(folder), device="cpu", truncate_dim=8)
    encoder = open_text_encoder(str(folder), store, TextSettings(dimension=8))
    documents = model.encode(TEXTS, prompt_name="passage", normalize_embeddings=True)
    queries = model.encode(TEXTS, prompt_name="query", normalize_embeddings=True)
    assert encoder.dimension == 8
    assert (encoder.encode(TEXTS) * documents).sum(axis=1).min() > 1 - 1e-3
    np.testing.assert_allclose(
        np.stack(open_onnx_text(store, encoder.name).encode(TEXTS)), queries, atol=1e-5
    )
    assert open_text_encoder(str(folder), store, TextSettings(dimension=8)).name == encoder.name
    assert open_text_encoder(encoder.name, store).dimension == 8
    with pytest.raises(EncoderError, match="vectors of 32 values, not 64"):
        open_text_encoder(str(folder), store, TextSettings(dimension=64))


def test_prompts_can_be_set_and_are_kept_by_the_artifact(store: Store, tmp_path: Path) -> None:
    folder = tiny_text_encoder(tmp_path)
    settings = TextSettings(query_prompt="red ", document_prompt="")
    encoder = open_text_encoder(str(folder), store, settings)
    plain = open_text_encoder(str(folder), store)
    assert encoder.name != plain.name
    np.testing.assert_allclose(encoder.encode_queries(["bag"]), plain.encode(["red bag"]), atol=1e-5)
    np.testing.assert_allclose(encoder.encode(["bag"]), plain.encode(["bag"]), atol=1e-5)
    small = open_text_encoder(quantize(store, encoder.name), store)
    assert (small.encode_queries(["bag"]) * plain.encode(["red bag"])).sum() > 0.97


def test_a_changed_card_is_one_artifact(store: Store, tmp_path: Path) -> None:
    name = open_text_encoder(str(tiny_text_encoder(tmp_path)), store).name
    assert derive_encoder(store, name) == name
    derived = derive_encoder(store, name, document_prompt="a ")
    assert derive_encoder(store, name, document_prompt="a ") == derived
    card = require_card(store.get("encoders", derived), derived, TextCard)
    assert (card.document_prompt, card.source) == ("a ", name)


def test_code_that_a_model_brings_runs_only_when_it_is_trusted(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # no export of an earlier run
    folder = tiny_text_encoder(tmp_path)
    (folder / "halved.py").write_text(
        "from sentence_transformers.base.modules import Module\n\n\n"
        "class Halved(Module):\n"
        "    config_keys = []\n\n"
        "    def forward(self, features):\n"
        '        features["sentence_embedding"] = features["sentence_embedding"][:, ::2]\n'
        "        return features\n\n"
        "    def get_embedding_dimension(self):\n"
        "        return 16\n\n"
        "    def save(self, path, *args, **kwargs):\n"
        "        pass\n\n"
        "    @classmethod\n"
        "    def load(cls, *args, **kwargs):\n"
        "        return cls()\n"
    )
    modules = folder / "modules.json"
    own = ', {"idx": 2, "name": "2", "path": "2_Halved", "type": "halved.Halved"}]'
    modules.write_text(modules.read_text().rstrip().removesuffix("]") + own)
    with pytest.raises(EncoderError, match="--trust-remote-code"):
        open_text_encoder(str(folder), store)
    encoder = open_text_encoder(str(folder), store, TextSettings(trust_remote_code=True))
    assert isinstance(encoder, OnnxCatalogueEncoder)  # the artifact needs the code no more
    model = SentenceTransformer(str(folder), device="cpu", trust_remote_code=True)
    np.testing.assert_allclose(
        encoder.encode(TEXTS), model.encode(TEXTS, normalize_embeddings=True), atol=1e-5
    )
    assert open_text_encoder(encoder.name, store).dimension == 16


@pytest.mark.parametrize(
    ("prompts", "default", "expected"),
    [
        ({"query": "q: ", "passage": "p: "}, None, Prompts("q: ", "p: ")),
        ({"query": "q: ", "document": "d: ", "passage": "p: "}, None, Prompts("q: ", "d: ")),
        ({"query": "q: "}, "query", Prompts("q: ", "")),
        ({"retrieval.query": "q: ", "retrieval.passage": "p: "}, None, Prompts("q: ", "p: ")),
        ({"search": "s: "}, "search", Prompts("s: ", "s: ")),
        ({"search": "s: ", "query": "q: "}, "search", Prompts("q: ", "s: ")),
        ({"clustering": "c: "}, None, None),
        ({"query": None, "document": ""}, None, None),
    ],
)
def test_the_prompts_of_a_configuration(
    prompts: Mapping[str, str | None], default: str | None, expected: Prompts | None
) -> None:
    assert configured_prompts(prompts, default) == expected


@pytest.mark.parametrize(
    ("name", "query", "document"),
    [
        ("intfloat/multilingual-e5-small", "query: ", "passage: "),
        ("/models/e5-base-v2", "query: ", "passage: "),
        ("/cache/models--intfloat--e5-large/snapshots/0a1b2c", "query: ", "passage: "),
        ("BAAI/bge-small-en-v1.5", "Represent this sentence for searching relevant passages: ", ""),
        ("BAAI/bge-base-zh-v1.5", "为这个句子生成表示以用于检索相关文章：", ""),
        ("nomic-ai/nomic-embed-text-v1.5", "search_query: ", "search_document: "),
    ],
)
def test_families_whose_prompts_are_in_no_configuration(name: str, query: str, document: str) -> None:
    assert family_prompts([name]) == Prompts(query, document)


@pytest.mark.parametrize(
    "name", ["BAAI/bge-m3", "shop/my-e5-base-clone", "sentence-transformers/all-MiniLM-L6-v2", ""]
)
def test_other_models_have_no_prompts(name: str) -> None:
    assert family_prompts([name]) is None


def test_a_folder_named_as_a_family_gets_its_prompts(store: Store, tmp_path: Path) -> None:
    folder = tiny_text_encoder(tmp_path)
    renamed = folder.rename(folder.with_name("e5-small-v2"))
    encoder = open_text_encoder(str(renamed), store)
    card = require_card(store.get("encoders", encoder.name), encoder.name, TextCard)
    assert (card.query_prompt, card.document_prompt) == ("query: ", "passage: ")
