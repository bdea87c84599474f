"""The prompts that a sentence-transformers model was trained with: words before every query and before every document.

A model that has them finds little when both sides are embedded without. They come, in this order, from the options, from
the model's `config_sentence_transformers.json`, and from the table of model families whose configuration lacks them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

# Names of prompts in configurations, in the order in which they are looked up; the first is sentence-transformers' own.
QUERY_NAMES = ("query", "retrieval.query", "search_query", "s2p_query")
DOCUMENT_NAMES = ("document", "passage", "corpus", "retrieval.passage", "search_document")


@dataclass(frozen=True)
class Prompts:
    """The words before a query and before a document; empty: none."""

    query: str = ""
    document: str = ""


_BGE_ENGLISH = Prompts("Represent this sentence for searching relevant passages: ")
_NOMIC = Prompts("search_query: ", "search_document: ")

# Pattern of a model's name, without its owner -> the prompts of its model card, for models whose configuration has none.
FAMILIES: dict[str, Prompts] = {
    # intfloat: "each input text should start with query: or passage:"
    r"(multilingual-)?e5-(small|base|large)(-v2|-unsupervised)?": Prompts("query: ", "passage: "),
    r"(multilingual-e5-large|e5-mistral-7b)-instruct": Prompts(
        "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: "
    ),
    # BAAI: an instruction before short queries, none before passages; bge-m3 has none at all
    r"bge-(small|base|large)-en(-v1\.5)?": _BGE_ENGLISH,
    r"bge-(small|base|large)-zh(-v1\.5)?": Prompts("为这个句子生成表示以用于检索相关文章："),
    # models trained with BGE's instruction
    r"(mxbai-embed-(large|xsmall|2d-large)-v1|uae-large-v1|snowflake-arctic-embed-(xs|s|m|l|m-long|m-v1\.5))": _BGE_ENGLISH,
    r"(nomic-embed-text-v(1|1\.5|2-moe)|modernbert-embed-(base|large))(-unsupervised)?": _NOMIC,
    # jinaai: v2 has no prompts
    r"jina-embeddings-v3": Prompts(
        "Represent the query for retrieving evidence documents: ", "Represent the document for retrieval: "
    ),
}


def configured_prompts(prompts: Mapping[str, str | None], default: str | None) -> Prompts | None:
    """Return the prompts of a model's configuration; None when it has none for queries or documents.

    `default` is its `default_prompt_name`: a prompt for both sides, unless it is the name of one side.
    """
    present = {name: prompt for name, prompt in prompts.items() if prompt}
    query, document = (_first(present, names) for names in (QUERY_NAMES, DOCUMENT_NAMES))
    if default in present and default not in (*QUERY_NAMES, *DOCUMENT_NAMES):
        query, document = query or present[default], document or present[default]
    return Prompts(query, document) if query or document else None


def family_prompts(names: Iterable[str]) -> Prompts | None:
    """Return the prompts of the model family that one of the names belongs to: hub names, folders, or paths of them."""
    for name in names:
        for part in Path(name).parts:
            model = part.rsplit("--", 1)[-1].lower()  # the hub's cache: models--owner--name/snapshots/...
            for pattern, prompts in FAMILIES.items():
                if re.fullmatch(pattern, model):
                    return prompts
    return None


def _first(prompts: Mapping[str, str], names: Iterable[str]) -> str:
    return next((prompts[name] for name in names if name in prompts), "")
