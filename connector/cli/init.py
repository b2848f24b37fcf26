"""`connector init`: a first settings.yaml."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import click

from connector.cli import exit_codes
from connector.cli.output import escaped

__all__ = ["command"]


@click.command("init")
@click.argument("path", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.pass_context
def command(ctx: click.Context, *, path: Path | None, force: bool) -> None:
    """
    Write a commented settings file to PATH (default: settings.yaml).

    As it stands it talks to the stand-in vendors of `connector sandbox`. It holds no secrets. Exit 1 if there is a
    file already.
    """
    path = path or Path(ctx.find_root().params["settings"])
    text = (resources.files("connector.settings") / "template.yaml").read_text("utf-8")
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        _refuse(ctx, f"{path}: there is such a file already; --force writes over it")
    except OSError as exc:
        _refuse(ctx, f"{path}: the file cannot be written: {exc.strerror}")
    given = "" if path == Path("settings.yaml") else f" --settings {path}"
    click.echo(escaped(f"wrote {path}"))
    click.echo("Next, to see it work with the stand-in vendors:")
    click.echo("  connector sandbox            # and in another terminal:")
    click.echo(escaped(f"  connector check{given}"))
    click.echo(escaped(f"  connector run --once{given}"))
    click.echo("Then fill in your own addresses; secrets go in environment variables.")


def _refuse(ctx: click.Context, line: str) -> None:
    click.echo(escaped(line), err=True)
    ctx.exit(exit_codes.TROUBLE)
