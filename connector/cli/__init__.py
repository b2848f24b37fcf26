"""
The command line (design.md, section 8): one module per command, imported when the command is called.

A command is `connector.cli.<name>:command`. The values of the common options (`--settings`, `--log-format`) are in
the parameters of the root context, whether they were given before or after the name of the command::

    @click.command("name")
    @click.pass_context
    def command(ctx: click.Context) -> None:
        settings = settings_of(ctx)

`exit_codes` turns errors of the project's own tree into lines on stderr and an exit code.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import click

from connector.cli import exit_codes

if TYPE_CHECKING:
    from connector.settings import Settings

__all__ = ["COMMANDS", "LazyGroup", "main", "settings_of"]

COMMANDS = {
    "demo": "Run the connector between stand-in vendors in one process, and print the result.",
    "sandbox": "Serve the stand-in vendors on fixed local ports.",
    "init": "Write a commented settings.yaml.",
    "check": "Report every mistake in the settings; test each endpoint. Changes nothing.",
    "run": "Carry orders until SIGTERM; with --once, until nothing is left to do.",
    "status": "Show counts by state for each source and receiver.",
    "orders": "List orders.",
    "show": "Show the timeline of one order.",
    "preview": "Show the requests that would be sent. Changes nothing.",
    "test": "Run example orders through the mappings, and print every difference.",
    "retry": "Make held, rejected or skipped orders due again.",
    "skip": "Give up held or rejected orders.",
    "backup": "Copy the journal to a file, and check the copy.",
    "report": "Send a source a progress report about a delivered order.",
    "replay": "Read again the orders that a source has exported since a given time.",
    "reconcile": "Compare sources, journal and receivers, order by order.",
    "echo": "Print the settings in full, with secrets masked.",
    "schema": "Print the JSON Schema of settings.yaml, for editors.",
}
"""The commands with one line of help each, in the order in which a newcomer uses them."""

LOG_FORMATS = click.Choice(["auto", "json", "console"])


def settings_of(ctx: click.Context) -> Settings:
    """Read and check the settings file of `--settings`; raises `SettingsError` with every mistake."""
    from connector.registry import load_settings

    return load_settings(ctx.find_root().params["settings"])


class LazyGroup(click.Group):
    """A click group that imports only the command that is called, and reports the errors of that command."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, text in COMMANDS.items():
            self.add_command(click.Command(name, short_help=text))

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of `COMMANDS`."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Import the called command, which was only a name and a help line until now."""
        name, command, rest = super().resolve_command(ctx, args)
        if name in COMMANDS:
            command = _with_common_options(import_module(f"connector.cli.{name}").command)
        return name, command, rest

    def invoke(self, ctx: click.Context) -> Any:
        """Call the command; an error of our own becomes lines on stderr and an exit code."""
        with exit_codes.errors_to_exit_code():
            return super().invoke(ctx)


def _with_common_options(command: click.Command) -> click.Command:
    """Accept `--settings` and `--log-format` after the command too, because people write both."""
    known = {name for param in command.params for name in param.opts}
    for option in (
        click.Option(
            ["--settings", "-s"], metavar="FILE", expose_value=False, callback=_store, help="The settings file."
        ),
        click.Option(["--log-format"], type=LOG_FORMATS, expose_value=False, callback=_store, hidden=True),
    ):
        if not known.intersection(option.opts):
            command.params.append(option)
    return command


def _store(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value is not None and param.name is not None:
        ctx.find_root().params[param.name] = value


def _version(ctx: click.Context, _param: click.Parameter, given: bool) -> None:
    if not given or ctx.resilient_parsing:
        return
    try:
        click.echo(f"connector {version('connector')}")
    except PackageNotFoundError:
        click.echo("connector, from a checkout that is not installed")
    ctx.exit()


@click.command(cls=LazyGroup, epilog=exit_codes.HELP)
@click.option(
    "--settings",
    "-s",
    metavar="FILE",
    default="settings.yaml",
    show_default=True,
    envvar="CONNECTOR_SETTINGS",
    show_envvar=True,
    help="The settings file.",
)
@click.option(
    "--log-format",
    type=LOG_FORMATS,
    default="auto",
    show_default=True,
    help="Format of the log on stderr. auto: console on a terminal, json elsewhere.",
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def main(settings: str, log_format: str) -> None:
    """
    Deliver each order exactly once from the system where it was placed to the systems that fulfil it.

    Each order is acknowledged at its source once it is delivered.
    """
