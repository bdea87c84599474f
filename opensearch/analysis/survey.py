"""What a new index must know of its catalogue: the languages, and the words that compounds are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opensearchpy.exceptions import RequestError

from opensearch.client import explained
from vitrine.errors import EngineError

from .chains import trial_chain
from .compounds import Compounds
from .languages import ALWAYS, ANY, LANGUAGES, Chain, known_language

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

# A search asks each language's field, and the engine refuses a query of more than 1,024 clauses.
MAX_LANGUAGES = 12


@dataclass(frozen=True)
class Survey:
    """The languages of a catalogue, the most frequent first, and what splits compounds, by language."""

    languages: tuple[str, ...] = ()
    compounds: Mapping[str, Compounds] = field(default_factory=dict)


def usable_chains(client: OpenSearch, languages: Iterable[str]) -> dict[str, str]:
    """Return the chain of each language that gets a field of its own: the best one that the cluster can build."""
    known = [code for language in languages if (code := known_language(language))]
    chosen: dict[str, str] = {}
    for language in dict.fromkeys([*ALWAYS, *known]):
        chain = next((chain for chain in LANGUAGES[language] if _is_usable(client, language, chain)), None)
        if chain and len(chosen) < MAX_LANGUAGES:
            chosen[language] = chain.name
    return chosen


def _is_usable(client: OpenSearch, language: str, chain: Chain) -> bool:
    if language == ANY:
        return True
    try:
        with explained(client):
            client.indices.analyze(body=trial_chain(chain))
    except EngineError as error:
        if isinstance(error.__cause__, RequestError):
            return False
        raise
    return True
