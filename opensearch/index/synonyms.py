"""Synonyms that change without re-indexing: the index is cloned with new search analyzers, then the alias moves.

The analyzers of an open index cannot change, and a closed index fails its searches. A clone shares the files of its
source (hard links), so it takes a fraction of a second and no disk space. Searches continue meanwhile; the index
refuses writes.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import RequestError

from opensearch.client import explained
from vitrine.errors import EngineError

from .meta import chinese_of
from .schema import Chinese, analysis, synonym_trials
from .versions import current, prune, publish, require_current, synonyms_of, version_name

_KEEP_VERSIONS = 3  # two changes of rules must not delete the previous catalogue
_MAX_RULES = 10_000  # rules are part of the cluster state, which every node keeps in memory


def parse_rules(lines: Iterable[str]) -> list[str]:
    """Return the rules of a synonym file: `sofa, couch` (equivalent) or `tv => television`; `#` starts a comment.

    Raises EngineError with the first ten bad lines and their numbers.
    """
    rules, bad = [], []
    for number, line in enumerate(lines, 1):
        rule = line.strip()
        if not rule or rule.startswith("#"):
            continue
        sides = [[term.strip() for term in side.split(",")] for side in rule.split("=>")]
        if len(sides) > 2 or not all(all(side) for side in sides) or (len(sides) == 1 and len(sides[0]) < 2):
            bad.append(f"line {number}: {rule[:80]!r}")
        rules.append(rule)
    if bad:
        raise EngineError(
            f"{len(bad)} synonym rules cannot be read ({'; '.join(bad[:10])}): "
            "write `sofa, couch` for equivalent words, `tv => television` to replace a word by another"
        )
    if len(rules) > _MAX_RULES:
        raise EngineError(
            f"{len(rules)} synonym rules are more than {_MAX_RULES}: keep those that shoppers use"
        )
    return rules


def read_rules(path: Path) -> list[str]:
    """Return the rules of a UTF-8 synonym file. Raises EngineError for an unreadable file or a bad line."""
    try:
        return parse_rules(path.read_text(encoding="utf-8-sig").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise EngineError(f"{path} cannot be read as a UTF-8 file of synonym rules: {error}") from error


def read_synonyms(client: OpenSearch, alias: str) -> list[str]:
    """Return the rules that searches of the alias use; empty when the alias does not exist."""
    index = current(client, alias)
    return synonyms_of(client, index) if index else []


def set_synonyms(client: OpenSearch, alias: str, rules: Iterable[str]) -> str:
    """Apply new rules to every search of the alias and return the name of the index now behind it.

    No search fails and no document is indexed again. The index refuses writes while its files are linked (well under
    a second). The old version stays for `rollback`, closed to writes. Raises EngineError and IndexMissingError.
    """
    new_rules = parse_rules(rules)
    index = require_current(client, alias)
    if new_rules == read_synonyms(client, alias):
        return index
    chinese = chinese_of(client, index)
    check_synonyms(client, chinese, new_rules)
    with explained(client):
        source = client.indices.get_settings(index=index)[index]["settings"]["index"]
    target = version_name(alias)
    settings: dict[str, Any] = {
        "index.number_of_replicas": source["number_of_replicas"],
        "index.blocks.write": None,
        "analysis": analysis(chinese, new_rules),
    }
    try:
        with explained(client):
            client.indices.put_settings(index=index, body={"index.blocks.write": True})
            client.indices.clone(
                index=index, target=target, body={"settings": settings}, params={"request_timeout": 90}
            )
            health = client.cluster.health(
                index=target, params={"wait_for_status": "yellow", "request_timeout": 90}
            )
        if health["timed_out"]:
            raise EngineError(
                f"the cluster did not allocate {target}, the copy of {index} with the new synonyms, within half a "
                "minute: check disk and allocation with `vitrine doctor`; the old synonyms stay in force"
            )
        publish(client, alias, target)
    except BaseException:
        _undo(client, alias, index, target)
        raise
    prune(client, alias, _KEEP_VERSIONS, loads=False)  # a rebuild may be loading a version
    return target


def check_synonyms(client: OpenSearch, chinese: Chinese, rules: list[str]) -> None:
    """Raise EngineError when the engine cannot use the rules; change nothing."""
    for trial in synonym_trials(chinese, rules):
        try:
            with explained(client):
                client.indices.analyze(body=trial)
        except EngineError as error:
            if isinstance(error.__cause__, RequestError):
                raise EngineError(
                    f"the engine cannot use the synonym rules, and nothing has changed: {error}"
                ) from error
            raise


def _undo(client: OpenSearch, alias: str, index: str, target: str) -> None:
    if current(client, alias) == target:  # the alias moved, only the response was lost
        return
    with explained(client):
        client.indices.put_settings(index=index, body={"index.blocks.write": None})
        client.indices.delete(index=target, ignore_unavailable=True)
