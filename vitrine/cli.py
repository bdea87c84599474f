"""The command `vitrine`: one group that mounts the packages' commands, each imported only when it is called."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from .errors import VitrineError
from .extras import missing_extra

# command -> (module:attribute, the line shown by `vitrine --help`, kept here so that help imports nothing)
COMMANDS = {
    "node": (
        "opensearch.commands:node",
        "A real OpenSearch on this machine, without Docker: up, down, status.",
    ),
    "index": (
        "indexer.commands.index:index",
        "Bulk-index a catalogue: text, picture vectors and numbers behind an alias.",
    ),
    "delete": ("indexer.commands.index:delete", "Delete products from an index by id."),
    "encoder": ("indexer.commands.encoder:encoder", "Train an image tower on your own catalogue."),
    "search": ("rerank.commands.search:search", "Search one query, or many queries to a TREC run."),
    "evaluate": (
        "rerank.commands.evaluate:evaluate",
        "Judge TREC runs against relevance ratings, with intervals.",
    ),
    "train": ("rerank.commands.train:train", "Train the reranker from the UBI log and put it in service."),
    "weights": (
        "rerank.commands.weights:weights",
        "How much words, text and pictures count: learn, show, reset.",
    ),
    "calibrate": ("rerank.commands.calibrate:calibrate", "Learn how near two pictures of one product are."),
    "model": ("rerank.commands.train:model", "The rerankers of an alias: list, use, rollback."),
    "serve": ("rerank.commands.search:serve", "Run the rerank service."),
    "hook": ("opensearch.commands:hook", "The engine's own search pipeline: install, remove, status."),
    "doctor": ("opensearch.commands:doctor", "Check cluster, index and pipelines against the known traps."),
}


class LazyGroup(click.Group):
    """A click group whose commands are imported when they are run, and whose help imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command; None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name][0].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from COMMANDS, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a VitrineError and a missing library become one line on stderr and an exit status."""
        try:
            return super().invoke(ctx)
        except VitrineError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(error.exit_code)
        except ModuleNotFoundError as error:
            message = missing_extra(ctx.invoked_subcommand or "", error)
            if message is None:
                raise
            click.echo(f"error: {message}", err=True)
            ctx.exit(2)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vitrine-search")
def main() -> None:
    """Multimodal product search and reranking for OpenSearch."""


if __name__ == "__main__":
    sys.exit(main())
