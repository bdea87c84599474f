"""README, docs and messages: the commands and options that they name exist, and the shell blocks run as they stand."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from indexer.catalogue.plan import load_plan
from opensearch.logs.pointer import POINTERS
from vitrine.cli import COMMANDS, main

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

REPOSITORY = Path(__file__).parents[1]
PAGES = {
    str(path.relative_to(REPOSITORY)): path.read_text()
    for path in (
        REPOSITORY / "README.md",
        REPOSITORY / "CONTRIBUTING.md",
        *sorted((REPOSITORY / "docs").glob("*.md")),
    )
}
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEREDOC = re.compile(r"<<'(\w+)'\n.*?^\1$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`((?:vitrine|--)[^`\n]*)`")


@dataclass(frozen=True)
class Mention:
    """One command line, or one bare option, and where it stands."""

    place: str
    line: str


def blocks(page: str, language: str) -> list[str]:
    return [text for kind, text in _FENCE.findall(PAGES[page]) if kind == language]


def command_lines(block: str) -> list[str]:
    lines = _HEREDOC.sub("", block).splitlines()
    return [line for line in lines if line.startswith("vitrine ")]


def page_mentions() -> list[Mention]:
    mentions = []
    for page, text in PAGES.items():
        fenced = [
            line for kind in ("", "sh") for block in blocks(page, kind) for line in command_lines(block)
        ]
        inline = [line.replace(" ... ", " ") for line in _INLINE.findall(_FENCE.sub("", text))]
        mentions += [Mention(page, line) for line in (*fenced, *inline)]
    return mentions


def message_mentions() -> Iterator[Mention]:
    """Commands in backquotes in the strings of the product: what errors and help tell people to do next."""
    sources = [path for package in PACKAGES for path in (REPOSITORY / package).rglob("*.py")]
    for path in sources:
        for node in ast.walk(ast.parse(path.read_text())):
            for line in re.findall(r"`(vitrine [^`]*)`", _text(node)):
                yield Mention(str(path.relative_to(REPOSITORY)), line)


PACKAGES = ("vitrine", "encoders", "opensearch", "indexer", "rerank")


def _text(node: ast.AST) -> str:
    """The whole text of a string literal; what an f-string fills in stands as X."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def leaves(
    command: click.Command, words: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command below, groups included, with the words that name it."""
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from leaves(below, (*words, name))


def check(line: str) -> None:
    """Raise click.UsageError when a line names a command or an option that does not exist, or too many arguments."""
    words = shlex.split(line.split(" > ")[0])[1:]
    command: click.Command = main
    while isinstance(command, click.Group) and words:
        if not words[0][0].isalpha():
            break
        subcommand = command.get_command(click.Context(command), words[0])
        if subcommand is None:
            raise click.UsageError(f"there is no command {words[0]!r}")
        command, words = subcommand, words[1:]
    if not words:
        return
    context = click.Context(command)
    _, left, _ = command.make_parser(context).parse_args(words)
    if left:
        raise click.UsageError(f"{left} is too much")


def every_option() -> set[str]:
    return {
        name
        for _, command in leaves(main)
        for parameter in command.params
        for name in (*parameter.opts, *parameter.secondary_opts)
    }


@pytest.mark.parametrize(
    "line",
    [
        "vitrine serach x",
        "vitrine index c.jsonl --rebuilt",
        "vitrine node start",
        "vitrine index one.jsonl two.jsonl",
        "vitrine search x --size",
        "vitrine --quiet",
    ],
)
def test_the_check_refuses_unknown_commands_options_and_arguments(line: str) -> None:
    with pytest.raises(click.UsageError):
        check(line)


@pytest.mark.parametrize("mention", page_mentions(), ids=lambda mention: f"{mention.place}: {mention.line}")
def test_the_pages_name_commands_and_options_that_exist(mention: Mention) -> None:
    if mention.line.startswith("--"):
        assert mention.line.split()[0] in every_option()
    else:
        check(mention.line)


def test_the_readme_names_every_command() -> None:
    lines = [mention.line for mention in page_mentions() if mention.place == "README.md"]
    named = {line.split()[1] for line in lines if line.startswith("vitrine ")}
    assert named >= set(COMMANDS)


def test_every_link_between_the_pages_leads_somewhere() -> None:
    broken = [
        f"{page}: {target}"
        for page, text in PAGES.items()
        for target in re.findall(r"\]\(([^)#]+)\)", text)
        if "://" not in target and not (REPOSITORY / page).parent.joinpath(target).exists()
    ]
    assert broken == []


def test_the_readme_leads_to_every_page() -> None:
    missing = [page for page in PAGES if page.startswith("docs/") and f"({page})" not in PAGES["README.md"]]
    assert missing == []


def test_messages_name_commands_and_options_that_exist() -> None:
    wrong = []
    mentions = sorted(set(message_mentions()), key=lambda mention: (mention.place, mention.line))
    for mention in mentions:
        try:
            check(mention.line)
        except (click.UsageError, ValueError) as error:
            wrong.append(f"{mention.place}: {mention.line}: {error}")
    assert len(mentions) > 20
    assert wrong == []


@pytest.mark.parametrize(
    ("words", "command"),
    list(leaves(main)),
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_every_command_explains_itself_and_all_its_options(
    words: tuple[str, ...], command: click.Command
) -> None:
    result = CliRunner().invoke(main, [*words, "--help"])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("Usage: ")
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            assert max(parameter.opts, key=len) in result.stdout


def test_the_documented_field_plan_loads(tmp_path: Path) -> None:
    (block,) = blocks("docs/field-plan.md", "toml")
    (tmp_path / "catalogue.toml").write_text(block)
    plan = load_plan(tmp_path / "catalogue.toml")
    assert (plan.text, plan.images, plan.group) == (("description",), ("image",), "style_id")


def test_the_documented_search_body_is_json() -> None:
    (block,) = blocks("docs/hook.md", "json")
    context = json.loads(block)["ext"]["rerank"]["query_context"]["query_text"]
    assert set(json.loads(context)) == {"q", "shopper"}


@pytest.fixture
def alias(engine: OpenSearch) -> Iterator[str]:
    """An alias of this run in place of the pages' `shop`, so that a shared node keeps its own."""
    name = f"docs-{uuid.uuid4().hex[:10]}"
    yield name
    engine.indices.delete(index=f"{name}-v*", ignore_unavailable=True)
    engine.delete(index=POINTERS, id=name, params={"ignore": 404})
    engine.transport.perform_request("DELETE", f"/_search/pipeline/{name}-*", params={"ignore": 404})


@pytest.mark.live
def test_the_shell_blocks_run_in_order(engine_url: str, alias: str, tmp_path: Path) -> None:
    script = "\n".join([*blocks("README.md", "sh"), *blocks("docs/reranking.md", "sh")])
    assert "vitrine node up\n" in script
    # the suite's own node replaces this line, which tests/test_local.py runs
    script = script.replace("vitrine node up\n", "").replace("--index shop", f"--index {alias}")
    lines = command_lines(script)
    assert len(lines) >= 7
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "OPENSEARCH_URL": engine_url,
        "VITRINE_STORE": str(tmp_path / "store"),
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "160",
    }
    # an echo before each command separates the outputs
    traced = re.sub(
        r"^(vitrine .*)$", lambda m: f"echo {shlex.quote('$ ' + m[1])}\n{m[1]}", script, flags=re.M
    )
    process = subprocess.run(
        ["bash", "-eu", "-c", traced],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        timeout=300,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    parts = [part.partition("\n") for part in ("\n" + process.stdout).split("\n$ ")[1:]]
    answers = {line: answer for line, _, answer in parts}
    assert list(answers) == lines
    assert first_title(answers, "something to run in") == "White running shoes"
    assert first_title(answers, '"cotton"') == "Red summer dress"
    assert "catalogue-" in answers[f"vitrine model list --index {alias}"]


def first_title(answers: dict[str, str], query: str) -> str:
    output = next(output for line, output in answers.items() if query in line)
    titles = ("Red summer dress", "Blue denim jacket", "White running shoes", "红色连衣裙")
    return min((title for title in titles if title in output), key=output.index)
