"""The stored rules of an alias: read from JSON, checked as a whole before they are written, and opened for searching."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from opensearch.index.fields import FieldPlan, IndexSchema
from opensearch.index.versions import read_schema
from opensearch.logs.query_rules import StoredRules, change_query_rules
from opensearch.search.filters import parse_filters
from vitrine.errors import RulesError, VitrineError

from .checks import check_rules
from .query_rule import Explore, OpenRule, QueryRule, QueryRules

if TYPE_CHECKING:
    from opensearch.client import OpenSearch

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RuleFile:
    """All rules of an alias as `vitrine rules export` writes them; `explore` None: new products are not promoted."""

    rules: Sequence[QueryRule] = ()
    explore: Explore | None = None

    def with_rules(self, rules: Sequence[QueryRule]) -> RuleFile:
        """Return the file with these rules."""
        return replace(self, rules=rules)

    def to_dict(self) -> dict[str, Any]:
        """Return the rules as JSON values."""
        fields = {"rules": list(self.rules), "explore": self.explore}
        decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(fields))
        return decoded


def open_rules(stored: StoredRules, schema: IndexSchema, alias: str) -> QueryRules:
    """Return the rules ready to be applied; one that the index no longer supports is left out, and told in the log."""
    rules = []
    for fields in stored.rules:
        try:
            rules.append(_opened(_rule_of(fields), schema.plan))
        except VitrineError as error:
            _log.warning("a rule of %s is left out: %s", alias, error)
    try:
        explore = explore_of(stored)
    except RulesError as error:
        _log.warning("new products of %s are not promoted: %s", alias, error)
        explore = None
    return QueryRules(stored.version, rules, explore)


def rules_of(objects: Iterable[Any]) -> list[QueryRule]:
    """Return the rules of JSON objects. Raises RulesError with one sentence for each that is not a rule."""
    rules, problems = [], []
    for number, fields in enumerate(objects, start=1):
        try:
            rules.append(_rule_of(fields))
        except RulesError as error:
            problems.append(f"rule {number}: {error}")
    if problems:
        raise RulesError("\n".join(problems))
    return rules


def explore_of(stored: StoredRules) -> Explore | None:
    """Return how new products are promoted; None: not at all. Raises RulesError."""
    try:
        return msgspec.convert(dict(stored.explore), Explore) if stored.explore else None
    except msgspec.ValidationError as error:
        raise RulesError(f"the promotion of new products cannot be read ({error})") from error


def edit_rules(client: OpenSearch, alias: str, edit: Callable[[RuleFile], RuleFile]) -> StoredRules:
    """Put what `edit` makes of the rules in service, once all of it is checked, and return it.

    Raises RulesError with every problem; the rules then stay as they are.
    """
    plan = read_schema(client, alias).plan

    def change(stored: StoredRules) -> StoredRules:
        before = rule_file_of(stored)
        after = edit(before)
        check_rules(client, alias, plan, after.rules, before.rules)
        if after.explore and not plan.created:
            raise RulesError(
                f"{alias} has no dates since when its products are sold, so new ones are not known: state the column "
                "`created` in the field plan and index again with --rebuild"
            )
        fields = after.to_dict()
        return StoredRules(stored.version, fields["rules"], fields["explore"] or {})

    return change_query_rules(client, alias, change)


def rule_file_of(stored: StoredRules) -> RuleFile:
    """Return stored rules in the form of a rules file. Raises RulesError."""
    return RuleFile(rules_of(stored.rules), explore_of(stored))


def read_rule_file(path: Path) -> RuleFile:
    """Return the rules of a JSON file: an object with `rules` and perhaps `explore`, or the list of rules alone.

    Raises RulesError.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RulesError(f"{path} cannot be read ({error.strerror}): name a file of rules") from error
    except ValueError as error:
        raise RulesError(f"{path} is not JSON ({error}): write it as `vitrine rules export` does") from error
    if isinstance(content, list):
        content = {"rules": content}
    if not isinstance(content, dict) or not isinstance(content.get("rules"), list):
        raise RulesError(f"{path} holds no list of rules: write it as `vitrine rules export` does")
    if extra := sorted(set(content) - {"rules", "explore", "version"}):
        raise RulesError(
            f"{path} has the unknown key {extra[0]!r}; a file of rules has `rules` and `explore`"
        )
    return rule_file_of(StoredRules(0, content["rules"], content.get("explore") or {}))


def _rule_of(fields: Any) -> QueryRule:
    try:
        return msgspec.convert(fields, QueryRule)
    except msgspec.ValidationError as error:
        name = fields.get("name") if isinstance(fields, Mapping) else None
        keys = ", ".join(field.encode_name for field in msgspec.structs.fields(QueryRule))
        raise RulesError(
            f"{'it' if name is None else repr(name)} is not a rule ({error}): it is an object with {keys}, and cannot "
            "refer to another rule"
        ) from error


def _opened(rule: QueryRule, plan: FieldPlan) -> OpenRule:
    start, end = rule.span()
    clauses = parse_filters(rule.bury_filters, plan)
    return OpenRule(rule, start, end, {"bool": {"filter": clauses}} if clauses else None)
