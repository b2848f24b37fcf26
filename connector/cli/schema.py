"""`connector schema`: prints the JSON Schema of settings.yaml, for editors."""

from __future__ import annotations

import json

import click

__all__ = ["command"]


@click.command("schema")
def command() -> None:
    """
    Print the JSON Schema of settings.yaml, covering every installed type of source and receiver.

    An editor that supports YAML schemas can use it to complete keys and mark mistakes as you type.
    """
    from connector.registry import receiver_types, source_types
    from connector.settings import schema

    sources = {name: kind.settings for name, kind in source_types().items()}
    receivers = {name: kind.settings for name, kind in receiver_types().items()}
    click.echo(json.dumps(schema(sources, receivers), indent=2))
