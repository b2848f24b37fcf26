"""`connector schema`: what may stand in settings.yaml, for editors."""

from __future__ import annotations

import json

import click

__all__ = ["command"]


@click.command("schema")
def command() -> None:
    """
    Print the JSON Schema of settings.yaml, with every type of source and receiver that is installed.

    An editor that knows YAML schemas then completes keys and marks mistakes while you type.
    """
    from connector.registry import receiver_types, source_types
    from connector.settings import schema

    sources = {name: kind.settings for name, kind in source_types().items()}
    receivers = {name: kind.settings for name, kind in receiver_types().items()}
    click.echo(json.dumps(schema(sources, receivers), indent=2))
