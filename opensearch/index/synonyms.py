"""Synonyms that change without re-indexing: the index is cloned with new search analyzers, then the alias moves.

The analyzers of an open index cannot change, and a closed index fails its searches. A clone shares the files of its
source (hard links), so it takes a fraction of a second and no disk space. Searches continue meanwhile; the index
refuses writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import RequestError

from opensearch.analysis.chains import SYNONYM_FILTER, synonym_filter
from opensearch.client import explained
from vitrine.errors import EngineError

from .versions import current, prune, publish, read_analysis, require_current, synonyms_of, version_name

_KEEP_VERSIONS = 3  # two changes of rules must not delete the previous catalogue
_MAX_RULES = 10_000  # rules are part of the cluster state, which every node keeps in memory


@dataclass(frozen=True)
class SynonymRules:
    """The rules of a synonym file with their line numbers, and the sentences about lines that are no rules."""

    rules: Mapping[int, str]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChangedSynonyms:
    """The index now behind the alias, the number of its rules, and the sentences about rules that were left out."""

    index: str
    rules: int
    problems: tuple[str, ...] = ()


def parse_rules(lines: Iterable[str]) -> SynonymRules:
    """Return the rules of a synonym file: `sofa, couch` (equivalent) or `tv => television`; `#` starts a comment.

    Raises EngineError when no rule of the file can be read, or there are more than 10,000.
    """
    rules: dict[int, str] = {}
    problems = []
    for number, line in enumerate(lines, 1):
        rule = line.strip()
        if not rule or rule.startswith("#"):
            continue
        sides = [[term.strip() for term in side.split(",")] for side in rule.split("=>")]
        if len(sides) > 2 or not all(all(side) for side in sides) or (len(sides) == 1 and len(sides[0]) < 2):
            problems.append(
                f"line {number}, {rule[:80]!r}: write `sofa, couch` for equivalent words, `tv => television` to "
                "replace a word by another"
            )
        else:
            rules[number] = rule
    if problems and not rules:
        raise _nothing_usable(problems)
    if len(rules) > _MAX_RULES:
        raise EngineError(
            f"{len(rules)} synonym rules are more than {_MAX_RULES}: keep those that shoppers use"
        )
    return SynonymRules(rules, tuple(problems))


def read_rules(path: Path) -> SynonymRules:
    """Return the rules of a UTF-8 synonym file. Raises EngineError for a file that cannot be read or has no rule."""
    try:
        return parse_rules(path.read_text(encoding="utf-8-sig").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise EngineError(f"{path} cannot be read as a UTF-8 file of synonym rules: {error}") from error


def read_synonyms(client: OpenSearch, alias: str) -> list[str]:
    """Return the rules that searches of the alias use; empty when the alias does not exist."""
    index = current(client, alias)
    return synonyms_of(client, index) if index else []


def set_synonyms(client: OpenSearch, alias: str, rules: SynonymRules | Iterable[str]) -> ChangedSynonyms:
    """Apply new rules to every search of the alias; the rules that the engine cannot use are left out and named.

    No search fails and no document is indexed again. The index refuses writes while its files are linked (well under
    a second). The old version stays for `rollback`, closed to writes. Raises EngineError, for instance when the engine
    can use none of the rules, and IndexMissingError.
    """
    new = rules if isinstance(rules, SynonymRules) else parse_rules(rules)
    index = require_current(client, alias)
    applied = read_synonyms(client, alias)
    if list(new.rules.values()) == applied:
        return ChangedSynonyms(index, len(applied), new.problems)
    analysis = read_analysis(client, index)
    everywhere = len(analyzers_with_synonyms(analysis))
    refused = refused_rules(client, analysis, new.rules)
    usable = [rule for number, rule in new.rules.items() if len(refused.get(number, ())) < everywhere]
    problems = (
        *new.problems,
        *(_refusal(line, new.rules[line], by, len(by) == everywhere) for line, by in refused.items()),
    )
    if problems and not usable:
        raise _nothing_usable(problems)
    if usable != applied:
        index = _clone_with_rules(client, alias, index, usable)
    return ChangedSynonyms(index, len(usable), problems)


def _clone_with_rules(client: OpenSearch, alias: str, index: str, rules: Sequence[str]) -> str:
    """Put a copy of the index with other synonyms in service and return its name."""
    analysis = read_analysis(client, index)
    analysis["filter"][SYNONYM_FILTER] = synonym_filter(rules)
    with explained(client):
        source = client.indices.get_settings(index=index)[index]["settings"]["index"]
    target = version_name(alias)
    settings: dict[str, Any] = {
        "index.number_of_replicas": source["number_of_replicas"],
        "index.blocks.write": None,
        "analysis": analysis,
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


def refused_rules(
    client: OpenSearch, analysis: Mapping[str, Any], rules: Mapping[int, str]
) -> dict[int, list[str]]:
    """Return the search analyzers that cannot use a rule, by its line number. Nothing is changed.

    `analysis` are the settings of an index.
    """
    refused: dict[int, list[str]] = {}
    for name in analyzers_with_synonyms(analysis):
        for number in _refused(client, partial(_trial, analysis, name), rules):
            refused.setdefault(number, []).append(name)
    return dict(sorted(refused.items()))


def analyzers_with_synonyms(analysis: Mapping[str, Any]) -> list[str]:
    """Return the names of the analyzers that apply synonyms."""
    return [name for name, analyzer in analysis["analyzer"].items() if SYNONYM_FILTER in analyzer["filter"]]


def _refused(
    client: OpenSearch, trial: Callable[[Sequence[str]], dict[str, Any]], rules: Mapping[int, str]
) -> list[int]:
    """Return the lines of the refused rules: all rules are tried at once, and where they are refused, each half."""
    if not rules:
        return []
    try:
        with explained(client):
            client.indices.analyze(body=trial(list(rules.values())))
        return []
    except EngineError as error:
        if not isinstance(error.__cause__, RequestError):
            raise
    numbers = list(rules)
    if len(numbers) == 1:
        return numbers
    half = len(numbers) // 2
    halves = ({number: rules[number] for number in part} for part in (numbers[:half], numbers[half:]))
    return [number for part in halves for number in _refused(client, trial, part)]


def _trial(analysis: Mapping[str, Any], name: str, rules: Sequence[str]) -> dict[str, Any]:
    """Return an `_analyze` body that applies the rules in a search analyzer, and fails for a rule that it cannot use."""
    analyzer, filters = analysis["analyzer"][name], analysis.get("filter", {})
    strict = {**synonym_filter(rules), "lenient": False}
    before = analyzer["filter"][
        : analyzer["filter"].index(SYNONYM_FILTER)
    ]  # later filters do not see the rules
    chain = [*(filters.get(step, step) for step in before), strict]
    signs = [analysis["char_filter"].get(step, step) for step in analyzer.get("char_filter", [])]
    return {"tokenizer": analyzer["tokenizer"], "char_filter": signs, "filter": chain, "text": "x"}


def _refusal(number: int, rule: str, analyzers: Sequence[str], everywhere: bool) -> str:
    """Return the sentence on a rule that analyzers cannot use; the engine does not say why."""
    shown = f"line {number}, {rule[:80]!r}:"
    if not everywhere:
        languages = ", ".join(name.removeprefix("vitrine_").removesuffix("_search") for name in analyzers)
        return f"{shown} it has no effect on words in {languages}"
    terms = [term.strip() for side in rule.split("=>") for term in side.split(",")]
    empty = next((term for term in terms if not any(map(str.isalnum, term))), None)
    reason = f"{empty!r} has no letter and no digit" if empty else "one of its words gives no term"
    return f"{shown} {reason}, so there is nothing to search; write the word"


def _nothing_usable(problems: Sequence[str]) -> EngineError:
    more = f"; and {len(problems) - 10} more" if len(problems) > 10 else ""
    return EngineError(
        f"none of the {len(problems)} synonym rules can be used, and nothing has changed: {'; '.join(problems[:10])}{more}"
    )


def _undo(client: OpenSearch, alias: str, index: str, target: str) -> None:
    if current(client, alias) == target:  # the alias moved, only the response was lost
        return
    with explained(client):
        client.indices.put_settings(index=index, body={"index.blocks.write": None})
        client.indices.delete(index=target, ignore_unavailable=True)
