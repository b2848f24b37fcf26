"""`connector init`: writes a first settings.yaml."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import click

from connector.cli import exit_codes
from connector.cli.output import escaped

__all__ = ["command"]


@click.command("init")
@click.argument("path", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.pass_context
def command(ctx: click.Context, *, path: Path | None, force: bool) -> None:
    """
    Write a commented settings file to PATH (default: settings.yaml).

    The file works unchanged with the stand-in vendors of `connector sandbox`, and contains no secrets. Exit codes: 0
    written; 1 the file exists already, or cannot be written.
    """
    path = path or Path(ctx.find_root().params["settings"])
    text = (resources.files("connector.settings") / "template.yaml").read_text("utf-8")
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        _fail(ctx, f"{path}: the file exists already; --force overwrites it")
    except OSError as exc:
        _fail(ctx, f"{path}: the file cannot be written: {exc.strerror}")
    option = "" if path == Path("settings.yaml") else f" --settings {path}"
    click.echo(escaped(f"wrote {path}"))
    click.echo("Next, to try it with the stand-in vendors:")
    click.echo("  connector sandbox            # then, in another terminal:")
    click.echo(escaped(f"  connector check{option}"))
    click.echo(escaped(f"  connector run --once{option}"))
    click.echo("Then fill in your own addresses, and put secrets into environment variables.")


def _fail(ctx: click.Context, line: str) -> None:
    click.echo(escaped(line), err=True)
    ctx.exit(exit_codes.TROUBLE)
