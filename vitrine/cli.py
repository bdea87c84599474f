"""The command `vitrine`: a click group that imports each command only when it runs."""

from __future__ import annotations

import importlib
from typing import Any

import click

from .errors import VitrineError
from .extras import missing_extra

# command -> (module:attribute, line of `vitrine --help`); the lines stand here so that help imports no command
COMMANDS = {
    "node": ("opensearch.commands.node:node", "Run OpenSearch on this machine: up, down, status."),
    "index": ("indexer.commands.index:index", "Index a catalogue with text and image vectors."),
    "delete": ("indexer.commands.index:delete", "Delete products from an index by id."),
    "encoder": ("indexer.commands.encoder:encoder", "Train an image encoder on a catalogue."),
    "search": ("rerank.commands.search:search", "Run one query, or a file of queries to a TREC run."),
    "evaluate": (
        "rerank.commands.evaluation.evaluate:evaluate",
        "Compute metrics of TREC runs, with intervals.",
    ),
    "log": ("rerank.commands.log:log", "Click logs: import, show, query sets, judgments."),
    "train": ("rerank.commands.train:train", "Train a reranker on the UBI log and publish it."),
    "weights": ("rerank.commands.weights:weights", "Weights of the sub-queries: learn, show, reset."),
    "calibrate": ("rerank.commands.calibrate:calibrate", "Learn the similarity threshold of images."),
    "model": ("rerank.commands.model:model", "Rerankers of an alias: list, use, rollback."),
    "rules": ("rerank.commands.rules:rules", "Query rules: pin, bury, promote new products."),
    "serve": ("rerank.commands.serve:serve", "Run the rerank service."),
    "hook": ("opensearch.commands.hook:hook", "Rerank in the engine: install, remove, status."),
    "doctor": ("opensearch.commands.doctor:doctor", "Check cluster, index and search pipelines."),
}


class LazyGroup(click.Group):
    """A click group that imports a command when it is run, and none to show its help."""

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
