"""
The command line (design.md, section 8): one module a command, imported when it is called.

A command is `connector.cli.<name>:command`. What was said for all of them is in the parameters of the root context,
whether it was said before the command or after it::

    @click.command("name")
    @click.pass_context
    def command(ctx: click.Context) -> None:
        settings = settings_of(ctx)

An error of the project's own tree becomes its lines on stderr and its exit code in one place (`exits`).
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
    "demo": "Run the whole thing with stand-in vendors in this process, and tell what it did.",
    "sandbox": "Serve only the stand-in vendors, on fixed local ports.",
    "init": "Write a commented settings.yaml.",
    "check": "Report every mistake in the settings; then ask each endpoint, changing nothing.",
    "run": "Carry orders until SIGTERM; with --once, until nothing is left to do.",
    "status": "Show the counts by state, by source and by receiver.",
    "orders": "List orders.",
    "show": "Show one order's whole timeline.",
    "preview": "Show what would be sent, changing nothing anywhere.",
    "test": "Run example orders through the mappings, and tell every difference.",
    "retry": "Make held or rejected orders due again.",
    "skip": "Leave held or rejected orders alone for good.",
    "backup": "Copy the journal, checked and stamped, while the connector runs or while it does not.",
    "report": "Tell a source what happened to an order after its delivery.",
    "replay": "Walk what a source has exported since a time again.",
    "reconcile": "Compare source, journal and receiver, order by order.",
    "echo": "Print the settings as they were understood, secrets masked.",
    "schema": "Print the JSON Schema of settings.yaml, for editors.",
}
"""The commands with their one line of help, in the order in which somebody meets them."""

LOG_FORMATS = click.Choice(["auto", "json", "console"])


def settings_of(ctx: click.Context) -> Settings:
    """Read and check the settings file that was named; raises `SettingsError` with every mistake."""
    from connector.registry import load_settings

    return load_settings(ctx.find_root().params["settings"])


class LazyGroup(click.Group):
    """A group that knows its commands by name and help, imports the one that is called, and tells of its errors."""

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
        """Import the command that is called; until here there was only its name."""
        name, command, rest = super().resolve_command(ctx, args)
        if name in COMMANDS:
            command = _also_here(import_module(f"connector.cli.{name}").command)
        return name, command, rest

    def invoke(self, ctx: click.Context) -> Any:
        """Call the command; an error of ours becomes its lines on stderr and its exit code."""
        with exit_codes.errors_to_exit_code():
            return super().invoke(ctx)


def _also_here(command: click.Command) -> click.Command:
    """Let `--settings` and `--log-format` stand after the command as well: people write both."""
    known = {name for param in command.params for name in param.opts}
    for option in (
        click.Option(
            ["--settings", "-s"], metavar="FILE", expose_value=False, callback=_say, help="As before the command."
        ),
        click.Option(["--log-format"], type=LOG_FORMATS, expose_value=False, callback=_say, hidden=True),
    ):
        if not known.intersection(option.opts):
            command.params.append(option)
    return command


def _say(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value is not None and param.name is not None:
        ctx.find_root().params[param.name] = value


def _version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
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
    help="Form of the log on stderr: for people on a terminal and JSON elsewhere, or one of the two.",
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def main(settings: str, log_format: str) -> None:
    """Carry orders from the systems they are born in to the systems that fulfil them, and tell the origin."""
